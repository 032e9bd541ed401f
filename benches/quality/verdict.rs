//! What was found and what was not: counted by rule and by kind, as a table and as a record.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::label::{Attack, Kind, Told};
use super::watch::Shipped;

/// Counts over all streams.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    attacks: BTreeMap<Kind, u64>,
    found: BTreeMap<Kind, u64>,
    woke: BTreeMap<Kind, u64>,
    sources: BTreeMap<Source, Tally>,
    rules: BTreeMap<Rule, Counts>,
    /// How long rules of ours only watch, in days.
    learns: BTreeMap<String, f64>,
    missed: Vec<Missed>,
    /// How often something outside was told of falsely, by rule.
    blamed: BTreeMap<(Rule, String), u64>,
    hosts: f64,
    days: f64,
    benign_events: u64,
}

/// Who made what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Days from a seed.
    Generated,
    /// The project's cases.
    Cases,
    /// Captures by others.
    Captures,
}

/// Attacks, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Attacks there were.
    pub attacks: u64,
    /// Attacks that ours found.
    pub found: u64,
    /// Attacks that ours found and woke somebody.
    pub woke: u64,
}

/// A rule of ours or a rival.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    is_rival: bool,
    kind: Kind,
    title: String,
    wakes: bool,
}

/// Of one rule.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Attacks that it found.
    pub detections: u64,
    /// Of these, attacks of which it woke somebody.
    pub woke: u64,
    /// Attacks of its kind that it did not find.
    pub misses: u64,
    /// Of these, attacks that no rule found.
    pub missed_by_all: u64,
    /// Alerts about nothing.
    pub false_alerts: u64,
    /// Of these, alerts that woke somebody.
    pub false_wakes: u64,
}

/// An attack that no rule of ours of its kind found.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// The attack.
    pub attack: String,
    /// Its kind.
    pub kind: Kind,
    /// Rules of another kind that told of a party of it at that time.
    pub beside: Vec<String>,
    /// Rivals that found it.
    pub rivals: Vec<String>,
}

/// One line of the record.
#[derive(Clone, Debug, Serialize)]
pub struct RuleRow {
    /// Its title, or the rival's name.
    pub rule: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether it is a rival.
    pub is_rival: bool,
    /// Whether its alerts wake anybody; informational ones are only shown.
    pub wakes: bool,
    /// What it did.
    #[serde(flatten)]
    pub counts: Counts,
    /// False alerts for a thousand hosts and a day, over the days on which it did more than learn.
    pub false_alerts_per_1000_hosts_and_day: f64,
    /// Of these, alerts that wake somebody.
    pub false_wakes_per_1000_hosts_and_day: f64,
    /// The five addresses outside that were most often told of falsely.
    pub blamed: Vec<(String, u64)>,
}

/// One line of the record.
#[derive(Clone, Debug, Serialize)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Attacks there were.
    pub attacks: u64,
    /// Attacks that ours found.
    pub found: u64,
    /// Attacks that ours found and woke somebody.
    pub woke: u64,
}

/// All that is recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Share of the labelled attacks that ours found.
    pub found_share: f64,
    /// Share that ours found and woke somebody.
    pub woke_share: f64,
    /// The same by who made what was looked at.
    pub sources: Vec<(Source, Tally)>,
    /// False alerts of all our rules for a thousand hosts and a day: the sum over rules.
    pub false_alerts_per_1000_hosts_and_day: f64,
    /// Of these, alerts that wake somebody.
    pub false_wakes_per_1000_hosts_and_day: f64,
    /// False alerts of all our rules that wake somebody, as they are.
    pub false_wakes: u64,
    /// Machines times days of the benign traffic.
    pub host_days: f64,
    /// Events of the benign days.
    pub benign_events: u64,
    /// By kind.
    pub kinds: Vec<KindRow>,
    /// By rule; rivals last.
    pub rules: Vec<RuleRow>,
    /// What was missed.
    pub missed: Vec<Missed>,
    /// What was looked at beside, and what not.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Of these rules of ours, and these rivals.
    #[must_use]
    pub fn new(shipped: &[Shipped], rivals: &[(&str, Kind)]) -> Self {
        let rule = |is_rival, title: &str, kind, wakes| {
            let title = title.to_owned();
            (
                Rule {
                    is_rival,
                    kind,
                    title,
                    wakes,
                },
                Counts::default(),
            )
        };
        let ours = shipped
            .iter()
            .map(|one| rule(false, &one.title, one.kind, one.wakes));
        let theirs = rivals.iter().map(|(title, kind)| rule(true, title, *kind, true));
        Self {
            rules: ours.chain(theirs).collect(),
            learns: shipped
                .iter()
                .map(|one| (one.title.clone(), one.learns_days))
                .collect(),
            ..Self::default()
        }
    }

    /// Judges what was told of a stream in which these attacks, and no others, are.
    pub fn judge(&mut self, source: Source, attacks: &[Attack], ours: &[Told], theirs: &[Told]) {
        for attack in attacks {
            let (found, by) = (finders(attack, ours), finders(attack, theirs));
            *self.attacks.entry(attack.kind).or_default() += 1;
            *self.found.entry(attack.kind).or_default() += u64::from(!found.is_empty());
            let woke = ours.iter().any(|told| told.wakes && attack.is_found_by(told));
            *self.woke.entry(attack.kind).or_default() += u64::from(woke);
            let tally = self.sources.entry(source).or_default();
            tally.attacks += 1;
            tally.found += u64::from(!found.is_empty());
            tally.woke += u64::from(woke);
            let wakers: Vec<Told> = ours.iter().filter(|told| told.wakes).cloned().collect();
            let wakers = finders(attack, &wakers)
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>();
            for (rule, counts) in &mut self.rules {
                let of = if rule.is_rival { &by } else { &found };
                counts.woke += u64::from(!rule.is_rival && wakers.contains(&rule.title));
                if of.contains(rule.title.as_str()) {
                    counts.detections += 1;
                } else if rule.kind == attack.kind && attack.kind != Kind::Other {
                    counts.misses += 1;
                    counts.missed_by_all += u64::from(found.is_empty());
                }
            }
            if found.is_empty() {
                let beside: BTreeSet<&str> = ours
                    .iter()
                    .filter(|told| attack.concerns(told))
                    .map(|told| told.rule.as_str())
                    .collect();
                self.missed.push(Missed {
                    attack: attack.name.clone(),
                    kind: attack.kind,
                    beside: beside.into_iter().map(str::to_owned).collect(),
                    rivals: by.into_iter().map(str::to_owned).collect(),
                });
            }
        }
    }

    /// Counts what was told of nothing, in benign traffic of so many machines and days in which these attacks are hidden.
    pub fn judge_benign(
        &mut self,
        attacks: &[Attack],
        ours: &[Told],
        theirs: &[Told],
        (hosts, days): (f64, f64),
        events: u64,
    ) {
        (self.hosts, self.days) = (hosts, days);
        self.benign_events += events;
        for (is_rival, told) in ours
            .iter()
            .map(|told| (false, told))
            .chain(theirs.iter().map(|told| (true, told)))
        {
            if attacks.iter().any(|attack| attack.concerns(told)) {
                continue;
            }
            // A rule that may wake somebody also has alerts that are only shown.
            let same = |rule: &&Rule| rule.is_rival == is_rival && rule.title == told.rule;
            let known = self.rules.keys().find(same).cloned();
            let rule = known.unwrap_or_else(|| Rule {
                is_rival,
                kind: told.kind,
                title: told.rule.clone(),
                wakes: told.wakes,
            });
            let far = told.about.iter().find(|about| {
                let address = about.parse::<std::net::IpAddr>();
                address.is_ok_and(|address| !super::happening::is_home(address))
            });
            let far = far.map_or_else(|| "inside".to_owned(), Clone::clone);
            *self.blamed.entry((rule.clone(), far)).or_default() += 1;
            let counts = self.rules.entry(rule).or_default();
            counts.false_alerts += 1;
            counts.false_wakes += u64::from(told.wakes);
        }
    }

    fn blamed_by(&self, rule: &Rule) -> Vec<(String, u64)> {
        let all = self.blamed.iter().filter(|((of, _), _)| of == rule);
        let mut all: Vec<_> = all.map(|((_, far), count)| (far.clone(), *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(5);
        all
    }

    /// What is recorded.
    #[must_use]
    pub fn record(&self, notes: Vec<String>) -> Record {
        let row = |(rule, counts): (&Rule, &Counts)| {
            let learns = self.learns.get(&rule.title).filter(|_| !rule.is_rival);
            let days = self.days - learns.copied().unwrap_or(0.0);
            let thousands = (self.hosts * days.max(1.0) / 1_000.0).max(f64::MIN_POSITIVE);
            RuleRow {
                rule: rule.title.clone(),
                kind: rule.kind,
                is_rival: rule.is_rival,
                wakes: rule.wakes,
                counts: *counts,
                false_alerts_per_1000_hosts_and_day: counts.false_alerts as f64 / thousands,
                false_wakes_per_1000_hosts_and_day: counts.false_wakes as f64 / thousands,
                blamed: self.blamed_by(rule),
            }
        };
        let rules: Vec<RuleRow> = self.rules.iter().map(row).collect();
        let ours = rules.iter().filter(|row| !row.is_rival);
        let false_wakes: u64 = ours.clone().map(|row| row.counts.false_wakes).sum();
        let false_alerts_rate = ours
            .clone()
            .map(|row| row.false_alerts_per_1000_hosts_and_day)
            .sum();
        let false_wakes_rate = ours.map(|row| row.false_wakes_per_1000_hosts_and_day).sum();
        let woke: u64 = self.woke.values().sum();
        let kinds = self.attacks.iter().map(|(kind, attacks)| KindRow {
            kind: *kind,
            attacks: *attacks,
            found: self.found.get(kind).copied().unwrap_or(0),
            woke: self.woke.get(kind).copied().unwrap_or(0),
        });
        let (found, attacks): (u64, u64) = (self.found.values().sum(), self.attacks.values().sum());
        Record {
            found_share: found as f64 / (attacks as f64).max(1.0),
            woke_share: woke as f64 / (attacks as f64).max(1.0),
            sources: self
                .sources
                .iter()
                .map(|(source, tally)| (*source, *tally))
                .collect(),
            false_wakes_per_1000_hosts_and_day: false_wakes_rate,
            false_alerts_per_1000_hosts_and_day: false_alerts_rate,
            false_wakes,
            host_days: self.hosts * self.days,
            benign_events: self.benign_events,
            kinds: kinds.collect(),
            rules,
            missed: self.missed.clone(),
            notes,
        }
    }
}

/// Rules that found it.
fn finders<'t>(attack: &Attack, told: &'t [Told]) -> BTreeSet<&'t str> {
    let found = told.iter().filter(|told| attack.is_found_by(told));
    found.map(|told| told.rule.as_str()).collect()
}

impl Record {
    /// As a person reads it.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut kinds = table(["kind", "attacks", "found", "share", "and told"]);
        for row in &self.kinds {
            let share = row.found as f64 / row.attacks as f64;
            kinds.add_row([
                row.kind.as_str().to_owned(),
                row.attacks.to_string(),
                row.found.to_string(),
                format!("{:.0} %", share * 100.0),
                row.woke.to_string(),
            ]);
        }
        let mut rules = table([
            "rule or rival",
            "kind",
            "found",
            "and told",
            "missed",
            "missed by all of ours",
            "false alerts",
            "and told",
            "per 1,000 hosts and day",
            "most often about",
        ]);
        for row in &self.rules {
            let blamed = row
                .blamed
                .iter()
                .take(3)
                .map(|(far, count)| format!("{far} {count}×"));
            rules.add_row([
                match row.wakes {
                    true => row.rule.clone(),
                    false => format!("{} (only shown)", row.rule),
                },
                row.kind.as_str().to_owned(),
                row.counts.detections.to_string(),
                row.counts.woke.to_string(),
                row.counts.misses.to_string(),
                row.counts.missed_by_all.to_string(),
                row.counts.false_alerts.to_string(),
                row.counts.false_wakes.to_string(),
                format!("{:.2}", row.false_alerts_per_1000_hosts_and_day),
                blamed.collect::<Vec<_>>().join(", "),
            ]);
        }
        let mut missed = table(["missed", "kind", "times", "told beside", "rivals that found it"]);
        let mut times = BTreeMap::<(Kind, &str, String, String), u64>::new();
        for one in &self.missed {
            *times
                .entry((
                    one.kind,
                    one.attack.as_str(),
                    one.beside.join(", "),
                    one.rivals.join(", "),
                ))
                .or_default() += 1;
        }
        for ((kind, attack, beside, rivals), times) in times {
            missed.add_row([
                attack.to_owned(),
                kind.as_str().to_owned(),
                times.to_string(),
                beside,
                rivals,
            ]);
        }
        let mut sources = table(["from", "attacks", "found", "and told"]);
        for (source, tally) in &self.sources {
            sources.add_row([
                format!("{source:?}"),
                tally.attacks.to_string(),
                tally.found.to_string(),
                tally.woke.to_string(),
            ]);
        }
        format!(
            "{kinds}\n{sources}\n{rules}\n{missed}\n{:.1} % found, {:.1} % by rules that wake somebody; {:.2} false alerts per 1,000 hosts and day, {:.2} that wake \
             somebody ({} alerts, {:.0} host days, {} events)\n{}",
            self.found_share * 100.0,
            self.woke_share * 100.0,
            self.false_alerts_per_1000_hosts_and_day,
            self.false_wakes_per_1000_hosts_and_day,
            self.false_wakes,
            self.host_days,
            self.benign_events,
            self.notes.join("\n")
        )
    }
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}
