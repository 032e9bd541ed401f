//! Figures as tables: what was not trained with, ordinary inputs and families beside them.

use std::fmt;

use super::domains::DomainTraining;
use super::evaluate::{Figures, Operating, threshold_at};
use super::flow_kinds::FlowKind;
use super::flows::FlowTraining;
use crate::domain::DomainModel;
use crate::flow::{FlowFeatures, FlowModel};
use crate::trees::Score;

/// Shares of ordinary inputs that may score as high.
const RATES: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// So many ordinary inputs must be within a share: what fewer say is chance.
const WITHIN_MIN: f64 = 3.0;

/// Scores of which the table says how many ordinary inputs reach them.
const SCORES: [u16; 8] = [5_000, 6_000, 7_000, 8_000, 8_500, 8_750, 9_000, 9_250];

/// What was measured of either model.
#[derive(Clone, Debug)]
struct Report {
    ordinary: Vec<Score>,
    points: Vec<Operating>,
    families: Vec<Figures>,
}

/// What was measured of the domain model.
#[derive(Clone, Debug)]
pub struct DomainReport<'a> {
    training: &'a DomainTraining,
    model: &'a DomainModel,
    report: Report,
}

/// What was measured of the flow model.
#[derive(Clone, Debug)]
pub struct FlowReport<'a> {
    model: &'a FlowModel,
    report: Report,
}

impl<'a> DomainReport<'a> {
    /// Scores ordinary names; those that the model was trained with, or that can't be judged, are left out.
    pub fn new<'n>(
        training: &'a DomainTraining,
        model: &'a DomainModel,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let mut report = Self {
            training,
            model,
            report: Report::of(Vec::new()),
        };
        report.report = Report::of(report.scores(names));
        report
    }

    /// Adds a row: names of a family.
    pub fn family<'n>(&mut self, name: &str, names: impl IntoIterator<Item = &'n str>) {
        let targets = self.scores(names);
        self.report.family(name, &targets);
    }

    /// Adds the rows of another report, which have thresholds of their own for the same shares.
    pub fn append(&mut self, other: DomainReport<'_>) {
        self.report.families.extend(other.report.families);
    }

    /// The rows.
    #[must_use]
    pub fn families(&self) -> &[Figures] {
        &self.report.families
    }

    fn scores<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<Score> {
        let new = names.into_iter().filter(|name| self.training.is_new(name));
        new.filter_map(|name| self.model.score(name)).collect()
    }
}

impl<'a> FlowReport<'a> {
    /// Scores `count` ordinary flows of each kind, drawn from another seed than the training's.
    pub fn new(training: &FlowTraining, model: &'a FlowModel, count: usize) -> Self {
        let ordinary = FlowKind::ALL.into_iter().filter(|kind| !kind.is_target());
        let flows = ordinary.flat_map(|kind| training.held_out(kind, count));
        Self {
            model,
            report: Report::of(flows.map(|flow| model.score(&flow)).collect()),
        }
    }

    /// Adds a row: flows of a kind.
    pub fn family(&mut self, name: &str, flows: &[FlowFeatures]) {
        let targets: Vec<Score> = flows.iter().map(|flow| self.model.score(flow)).collect();
        self.report.family(name, &targets);
    }

    /// Adds the rows of another report, which have thresholds of their own for the same shares.
    pub fn append(&mut self, other: FlowReport<'_>) {
        self.report.families.extend(other.report.families);
    }

    /// The rows.
    #[must_use]
    pub fn families(&self) -> &[Figures] {
        &self.report.families
    }
}

impl Report {
    fn of(mut ordinary: Vec<Score>) -> Self {
        ordinary.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "a count below 2⁵³")]
        let count = ordinary.len() as f64;
        let rates = RATES.into_iter().filter(|rate| WITHIN_MIN <= rate * count);
        let points = rates.map(|rate| threshold_at(rate, &ordinary)).collect();
        Self {
            ordinary,
            points,
            families: Vec::new(),
        }
    }

    fn family(&mut self, name: &str, targets: &[Score]) {
        self.families
            .push(Figures::of(name, targets, &self.ordinary, &self.points));
    }
}

/// Markdown, as it stands on the card.
impl fmt::Display for DomainReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

/// Markdown, as it stands on the card.
impl fmt::Display for FlowReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Ordinary, not trained with: {}.\n", self.ordinary.len())?;
        writeln!(
            f,
            "| score from | ordinary that reach it | of a million |\n|---|---|---|"
        )?;
        for score in SCORES.map(Score::new) {
            let above = self.ordinary.len() - self.ordinary.partition_point(|other| *other < score);
            let of_million = 1_000_000 * above / self.ordinary.len().max(1);
            writeln!(f, "| {score} | {above} | {of_million} |")?;
        }
        write!(f, "\n| family | count | AUC |")?;
        for Operating {
            false_positive_rate,
            threshold,
        } in &self.points
        {
            write!(f, " found at FPR {false_positive_rate} (score {threshold}) |")?;
        }
        writeln!(f, "\n|---|---|---|{}", "---|".repeat(self.points.len()))?;
        for Figures {
            name,
            count,
            area_under_curve,
            recalls,
        } in &self.families
        {
            write!(f, "| {name} | {count} | {area_under_curve:.4} |")?;
            recalls
                .iter()
                .try_for_each(|recall| write!(f, " {:.1} % |", 100.0 * recall))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
