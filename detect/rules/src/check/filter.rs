//! Sigma filters (specification 2.1): conditions that are added to rules from outside of them.
//!
//! A filter has a log source, names rules by id or name (or `any`), and has selections and a condition of its own; a rule
//! holds where its own condition and that of each of its filters hold. So an exclusion reads `condition: not selection`. It is
//! for a rule whose `logsource` has every part that the filter's states. A filter that does nothing is refused: the one who
//! wrote it relies on it.

use std::collections::BTreeSet;

use rsigma_parser::{Detections, FilterRule, FilterRuleTarget, LogSource, SigmaRule};

use super::{Changes, document::Document, meta};
use crate::{Code, Diagnostic, Level};

/// Every filter that can be read.
#[derive(Default)]
pub(super) struct Filters<'s>(Vec<Known<'s>>);

struct Known<'s> {
    document: Document<'s>,
    log_source: LogSource,
    /// Ids and names; none means every rule.
    rules: Option<Vec<String>>,
    detections: Detections,
    met: Met,
}

/// Which of a filter's rules are there.
#[derive(Default)]
struct Met {
    /// How many it is applied to.
    applied: usize,
    /// Names of rules that it is applied to.
    names: BTreeSet<String>,
    /// Names of rules that have another log source.
    of_other_source: BTreeSet<String>,
}

impl<'s> Filters<'s> {
    /// Takes a filter, or says why not.
    pub(super) fn add(
        &mut self,
        document: Document<'s>,
        filter: FilterRule,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(log_source) = filter.logsource else {
            diagnostics.push(meta::missing(&document, "logsource"));
            return;
        };
        let rules = match filter.rules {
            FilterRuleTarget::Specific(rules) => Some(rules),
            FilterRuleTarget::Any if says_any(&document) => None,
            FilterRuleTarget::Any => {
                let line = document
                    .line_with("rules:")
                    .or_else(|| document.line_with("filter:"))
                    .unwrap_or(1);
                let detail = "it does not say for which rules it is";
                let mend = "add `rules:` with the ids or names of rules, or `rules: any`";
                diagnostics.push(document.error(Code::BadFilter, line, detail, mend));
                return;
            }
        };
        self.0.push(Known {
            document,
            log_source,
            rules,
            detections: filter.detection,
            met: Met::default(),
        });
    }

    /// Shows a rule to every filter.
    pub(super) fn meet(&mut self, rule: &SigmaRule) {
        for filter in &mut self.0 {
            let Some(name) = filter.name_of(rule) else {
                continue;
            };
            let name = name.to_owned();
            if covers(&filter.log_source, &rule.logsource) {
                filter.met.applied += 1;
                filter.met.names.insert(name);
            } else {
                filter.met.of_other_source.insert(name);
            }
        }
    }

    /// The filters of a rule.
    pub(super) fn of(&self, rule: &SigmaRule, changes: &mut Changes) -> Vec<Detections> {
        let mut found = Vec::new();
        for filter in &self.0 {
            if filter.name_of(rule).is_some() && covers(&filter.log_source, &rule.logsource) {
                changes.add(filter.document.text.as_bytes());
                found.push(filter.detections.clone());
            }
        }
        found
    }

    /// What the filters' authors should know, after every rule was shown.
    pub(super) fn report(&self) -> Vec<Diagnostic> {
        self.0.iter().flat_map(Known::report).collect()
    }
}

impl Known<'_> {
    /// By which of its names the filter calls this rule; nothing if it is not for it.
    fn name_of<'r>(&self, rule: &'r SigmaRule) -> Option<&'r str> {
        let mut names = rule.id.iter().chain(&rule.name).map(String::as_str);
        match &self.rules {
            Some(wanted) => names.find(|name| wanted.iter().any(|known| known == name)),
            None => names.next(),
        }
    }

    fn report(&self) -> Vec<Diagnostic> {
        let Met {
            applied,
            names,
            of_other_source,
        } = &self.met;
        let Some(wanted) = &self.rules else {
            if 0 < *applied {
                return Vec::new();
            }
            let detail = "no rule has its log source, so it does nothing";
            return vec![self.say(Level::Error, "logsource:", detail, "correct its `logsource`")];
        };
        let level = if *applied == 0 {
            Level::Error
        } else {
            Level::Warning
        };
        let mut diagnostics = Vec::new();
        for name in wanted.iter().filter(|name| !names.contains(*name)) {
            diagnostics.push(if of_other_source.contains(name) {
                let detail =
                    format!("the rule `{name}` has another log source, so the filter is not applied to it");
                let mend = "give the filter the rule's `logsource`, or a part of it";
                self.say(level, name, &detail, mend)
            } else {
                let detail = format!("no rule has the id or name `{name}`");
                let mend = "load that rule too, or correct it; a filter names single rules, not correlations";
                // Rules come and go without their filters, and those of others are loaded where they are.
                self.say(Level::Warning, name, &detail, mend)
            });
        }
        diagnostics
    }

    fn say(&self, level: Level, place: &str, detail: &str, mend: &str) -> Diagnostic {
        let line = self.document.line_with(place).unwrap_or(1);
        let mut diagnostic = self.document.error(Code::BadFilter, line, detail, mend);
        diagnostic.level = level;
        diagnostic
    }
}

/// Whether `rules:` is there with `any`. The parser takes a list that is empty or missing for it too.
fn says_any(document: &Document<'_>) -> bool {
    document.text.lines().any(|line| {
        let value = line.trim_start().strip_prefix("rules:").unwrap_or_default();
        let value = value.split('#').next().unwrap_or_default().trim();
        value.trim_matches(['"', '\'']).eq_ignore_ascii_case("any")
    })
}

/// Whether a rule's log source has every part that the filter's states.
fn covers(filter: &LogSource, rule: &LogSource) -> bool {
    let has = |asked: &Option<String>, held: &Option<String>| {
        asked
            .as_ref()
            .is_none_or(|asked| held.as_ref().is_some_and(|held| held.eq_ignore_ascii_case(asked)))
    };
    has(&filter.category, &rule.category)
        && has(&filter.product, &rule.product)
        && has(&filter.service, &rule.service)
}
