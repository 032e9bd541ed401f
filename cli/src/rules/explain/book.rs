//! Every rule of a set as it is told: what it is called, who takes whose matches, what it asks, how it is kept.

use std::collections::BTreeMap;

use detect_alert::Producer;
use detect_engine::{Keeping, Place, Reason, Ruleset, Sought, Travels, Waking};
use detect_rules::{Base, BaseOf, CheckedRules, Rule, SourceText};
use serde_json::{Value as Json, json};

use super::Told;
use crate::rules::{asks, kept};
use crate::text::counted;

/// So many texts that wake a rule are shown of each list; JSON has them all.
const SOUGHT_SHOWN_MAX: usize = 6;

const SECOND_NS: i64 = 1_000_000_000;

/// A set of rules.
pub(super) struct Book<'c> {
    rules: &'c CheckedRules,
    /// `name:` by id.
    names: BTreeMap<String, String>,
    /// Ids of those who take a rule's matches, by its id.
    takers: BTreeMap<&'c str, Vec<&'c str>>,
}

/// A correlation or an anomaly rule.
struct Several<'c> {
    kind: &'static str,
    of_type: &'static str,
    producer: &'c Producer,
    bases: &'c [Base],
    group_by: &'c [String],
    fields: Vec<String>,
    timespan_ns: i64,
    learning_ns: i64,
    raises: bool,
    /// When it fires.
    asked: String,
}

impl<'c> Book<'c> {
    pub(super) fn new(sources: &[SourceText], rules: &'c CheckedRules) -> Self {
        let mut takers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let correlations = rules
            .correlations
            .iter()
            .map(|rule| (&rule.producer, &rule.bases));
        let anomalies = rules.anomalies.iter().map(|rule| (&rule.producer, &rule.bases));
        for (producer, bases) in correlations.chain(anomalies) {
            for base in bases {
                takers.entry(&base.id.0).or_default().push(&producer.id.0);
            }
        }
        Self {
            rules,
            names: sources.iter().flat_map(|source| names(&source.text)).collect(),
            takers,
        }
    }

    /// Rules about single events, then correlations, then anomaly rules.
    pub(super) fn all(&self, ruleset: &Ruleset) -> Vec<Told> {
        let singles = self.rules.rules.iter().zip(ruleset.waking());
        let singles = singles.map(|(rule, (_, waking))| self.single(rule, &waking));
        let keeping: Vec<(&Producer, Keeping)> = ruleset.keeping().collect();
        let ids: Vec<&str> = keeping
            .iter()
            .map(|(producer, _)| producer.id.0.as_str())
            .collect();
        let several = self.correlations().chain(self.anomalies()).zip(&keeping);
        let several = several.map(|(rule, (_, keeping))| self.several(&rule, keeping, &ids));
        singles.chain(several).collect()
    }

    fn correlations(&self) -> impl Iterator<Item = Several<'c>> {
        self.rules.correlations.iter().map(|rule| {
            let fields = fields(&rule.bases);
            Several {
                kind: "correlation",
                of_type: asks::correlation_type(rule.kind),
                producer: &rule.producer,
                bases: &rule.bases,
                group_by: &rule.group_by,
                timespan_ns: rule.timespan_ns,
                learning_ns: 0,
                raises: rule.raises,
                asked: asks::correlation(rule, &self.taken(&rule.bases), &fields),
                fields,
            }
        })
    }

    fn anomalies(&self) -> impl Iterator<Item = Several<'c>> {
        self.rules.anomalies.iter().map(|rule| Several {
            kind: "anomaly",
            of_type: rule.kind.as_str(),
            producer: &rule.producer,
            bases: &rule.bases,
            group_by: &rule.group_by,
            fields: rule.fields.clone(),
            timespan_ns: rule.timespan_ns,
            learning_ns: rule.learning_ns,
            raises: rule.raises,
            asked: asks::anomaly(rule),
        })
    }

    /// A rule's `name`, else its title in quotes.
    fn called(&self, id: &str) -> String {
        if let Some(name) = self.names.get(id) {
            return name.clone();
        }
        let singles = self.rules.rules.iter().map(|rule| &rule.producer);
        let correlations = self.rules.correlations.iter().map(|rule| &rule.producer);
        let anomalies = self.rules.anomalies.iter().map(|rule| &rule.producer);
        let mut all = singles.chain(correlations).chain(anomalies);
        let found = all.find(|producer| producer.id.0 == id);
        found.map_or_else(|| id.to_owned(), |producer| format!("\"{}\"", producer.name))
    }

    fn called_all(&self, ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| self.called(id)).collect()
    }

    /// What base rules are called.
    fn taken(&self, bases: &[Base]) -> Vec<String> {
        let called = |base: &Base| match base.of {
            BaseOf::Rule(_) | BaseOf::Correlation(_) | BaseOf::Anomaly(_) => self.called(&base.id.0),
            BaseOf::Indicators => "matches of all indicators".to_owned(),
        };
        bases.iter().map(called).collect()
    }

    fn takers_of(&self, producer: &Producer) -> &[&'c str] {
        self.takers.get(producer.id.0.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Whether it raises alerts, and who takes its matches.
    fn gives(&self, producer: &Producer, raises: bool) -> String {
        let takers = asks::list(&self.called_all(self.takers_of(producer)), "and");
        match (raises, takers.is_empty()) {
            (true, true) => "an alert".to_owned(),
            (true, false) => format!("an alert, and matches to {takers}"),
            (false, _) => format!("no alert by itself, matches to {takers}"),
        }
    }

    fn single(&self, rule: &Rule, waking: &Waking) -> Told {
        let producer = &rule.producer;
        // What changes a rule from outside is part of its version, behind a plus sign.
        let is_changed = producer.version.contains('+');
        let mut lines = vec![
            ("for", asks::log_source(&rule.log_source)),
            ("wakes", wakes(waking)),
            ("gives", self.gives(producer, rule.raises)),
        ];
        if is_changed {
            let by = "a filter, a pipeline or a list changes what it asks, so its version is";
            lines.push(("changed", format!("{by} {}", producer.version)));
        }
        let source = &rule.log_source;
        let document = json!({
            "log_source": {
                "category": source.category, "product": source.product, "service": source.service,
            },
            "woken_by": woken_by(waking), "is_changed": is_changed,
        });
        self.told(
            "rule",
            "rule about single events",
            producer,
            rule.raises,
            lines,
            document,
        )
    }

    fn several(&self, rule: &Several<'_>, keeping: &Keeping, ids: &[&str]) -> Told {
        let family = keeping.journey.iter().flat_map(|journey| &journey.family);
        let family: Vec<&str> = family.filter_map(|at| ids.get(*at).copied()).collect();
        let why = kept::reason(&keeping.reason, rule.group_by, &|id| self.called(id));
        let mut lines = vec![
            ("fires", rule.asked.clone()),
            ("takes", asks::list(&self.taken(rule.bases), "and")),
            ("groups", groups(rule, keeping)),
            ("kept", kept::place(keeping).to_owned()),
            ("why", why.clone()),
        ];
        if let Some(journey) = &keeping.journey {
            lines.push(("travels", kept::journey(journey, &self.called_all(&family))));
        }
        lines.push(("limits", kept::limits(keeping)));
        lines.push(("gives", self.gives(rule.producer, rule.raises)));
        let takes: Vec<&str> = rule.bases.iter().map(|base| base.id.0.as_str()).collect();
        let document = json!({
            "type": rule.of_type, "asks": rule.asked, "takes": takes,
            "group_by": rule.group_by, "fields": rule.fields,
            "timespan_seconds": rule.timespan_ns / SECOND_NS,
            "learning_seconds": rule.learning_ns / SECOND_NS,
            "kept": kept_document(keeping, &why, &family),
        });
        let kind = match rule.kind {
            "anomaly" => "anomaly rule",
            kind => kind,
        };
        let kind = format!("{kind} of type {}", rule.of_type);
        self.told(rule.kind, &kind, rule.producer, rule.raises, lines, document)
    }

    fn told(
        &self,
        kind: &str,
        kind_in_words: &str,
        producer: &Producer,
        raises: bool,
        lines: Vec<(&'static str, String)>,
        mut document: Json,
    ) -> Told {
        let name = self.names.get(&producer.id.0);
        if let Some(members) = document.as_object_mut() {
            members.extend([
                ("kind".to_owned(), json!(kind)),
                ("id".to_owned(), json!(producer.id.0)),
                ("name".to_owned(), json!(name)),
                ("title".to_owned(), json!(producer.name)),
                ("version".to_owned(), json!(producer.version)),
                ("raises".to_owned(), json!(raises)),
                ("taken_by".to_owned(), json!(self.takers_of(producer))),
            ]);
        }
        Told {
            id: producer.id.0.clone(),
            name: name.cloned(),
            title: producer.name.clone(),
            kind: kind_in_words.to_owned(),
            lines,
            document,
        }
    }
}

/// Id and `name` of each document that has both, at the start of a line.
fn names(text: &str) -> Vec<(String, String)> {
    let value = |document: &[&str], key: &str| {
        let mut lines = document.iter();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    };
    let lines: Vec<&str> = text.lines().collect();
    let documents = lines.split(|line| line.trim_end() == "---");
    let named = documents.filter_map(|document| Some((value(document, "id")?, value(document, "name")?)));
    named.collect()
}

/// The first names of the fields that are counted.
fn fields(bases: &[Base]) -> Vec<String> {
    let first = bases.first().map_or(&[][..], |base| &base.values);
    first.iter().filter_map(|names| names.first().cloned()).collect()
}

fn groups(rule: &Several<'_>, keeping: &Keeping) -> String {
    let counts_organizations = keeping.reason == Reason::CountsOrganizations;
    let whose = match counts_organizations {
        true => "over all organisations",
        false => "in each organisation",
    };
    match rule.group_by {
        [] => format!("one {whose}: it has no group-by"),
        names => format!("by {}, {whose}", asks::list(names, "and")),
    }
}

/// What an event must have for the rule to be evaluated.
fn wakes(waking: &Waking) -> String {
    if waking.one_of.is_empty() {
        return "at each such event: there is no text that it can't do without".to_owned();
    }
    let lists: Vec<String> = waking.one_of.iter().map(|list| sought(list)).collect();
    lists.join("; and ")
}

/// One of these texts; those that follow each other in the same fields together.
fn sought(list: &[Sought]) -> String {
    let shown = list.get(..SOUGHT_SHOWN_MAX).unwrap_or(list);
    let parts = shown.chunk_by(|one, next| one.fields == next.fields).map(|part| {
        let texts: Vec<String> = part.iter().map(|one| format!("`{}`", one.text)).collect();
        let place = match part.first().map_or(&[][..], |one| &one.fields) {
            [] => "anywhere".to_owned(),
            fields => format!("in {}", asks::list(fields, "or")),
        };
        format!("{} {place}", asks::list(&texts, "or"))
    });
    let mut parts: Vec<String> = parts.collect();
    if shown.len() < list.len() {
        parts.push(counted((list.len() - shown.len()) as u64, "other", "others"));
    }
    parts.join(", or ")
}

fn woken_by(waking: &Waking) -> Vec<Vec<Json>> {
    let sought = |one: &Sought| json!({ "fields": one.fields, "text": one.text });
    let lists = waking.one_of.iter();
    lists.map(|list| list.iter().map(sought).collect()).collect()
}

fn kept_document(keeping: &Keeping, why: &str, family: &[&str]) -> Json {
    let place = |is_scan: bool| if is_scan { "scan" } else { "signals" };
    let is_national = keeping
        .journey
        .as_ref()
        .is_some_and(|journey| journey.is_national);
    let is_scan = keeping.place == Place::Scan;
    let limits = keeping.limits;
    let travels = keeping.journey.as_ref().map(|journey| {
        let (part, again) = match journey.travels {
            Travels::Each => (None, None),
            Travels::Parts { length_ns } => (Some(length_ns / SECOND_NS), None),
            Travels::Found { again_ns } => (None, Some(again_ns / SECOND_NS)),
        };
        json!({ "part_seconds": part, "again_seconds": again, "meets_by": journey.meets_by, "with": family })
    });
    json!({
        "one_partition": place(is_scan || !is_national),
        "several_partitions": place(is_scan),
        "decided": {
            "one_partition": place(!is_national),
            "several_partitions": place(keeping.decided() == Place::Scan),
        },
        "reason": keeping.reason.as_str(), "why": why, "travels": travels,
        "groups_max": limits.groups_max, "begins_with_match": limits.knocks,
        "begins_within_seconds": limits.patience_ns.map(|patience| patience / SECOND_NS),
        "forgotten_after_seconds": limits.retention_ns.map(|retention| retention / SECOND_NS),
        "is_withheld_from_schools_and_health": keeping.is_per_device,
    })
}
