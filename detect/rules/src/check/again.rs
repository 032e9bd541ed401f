//! Checking again and again: documents that are as they were are neither read nor lowered again.
//!
//! What comes out is what [`super::check_with`] says of the same files; a test holds the one against the other.

use std::collections::HashMap;

use super::{
    Checked, Context, Found, Named, Options,
    document::{self, Document},
    filter::Filters,
    meta,
    parse::{self, Content, Parsed},
    threads,
};
use crate::{Diagnostic, Pipeline, SourceText, placeholder};

/// Remembers the documents of the last check.
#[derive(Default)]
pub struct Checker {
    kept: HashMap<Key, Kept>,
    /// What rules were lowered with.
    context: Option<blake3::Hash>,
}

/// Where a document is and what it says.
type Key = blake3::Hash;

/// What a document came to.
struct Kept {
    content: Option<Content>,
    diagnostics: Vec<Diagnostic>,
    lowered: Option<Lowered>,
}

/// What a rule came to.
struct Lowered {
    named: Result<Named, meta::Refusal>,
    diagnostics: Vec<Diagnostic>,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker")
            .field("documents", &self.kept.len())
            .finish_non_exhaustive()
    }
}

impl Checker {
    /// As [`super::check_with`].
    #[must_use]
    pub fn check(&mut self, sources: &[SourceText], options: &Options) -> Checked {
        let mut sources: Vec<&SourceText> = sources.iter().collect();
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let (lists, rules): (Vec<&SourceText>, Vec<&SourceText>) = sources
            .into_iter()
            .partition(|source| placeholder::is_placeholder_file(&source.path));
        let mut found = Found::default();
        let mut placeholders = options.placeholders.clone();
        for source in lists {
            let added = placeholders.add(source);
            found.diagnostics.extend(added.err().map(|refusal| *refusal));
        }
        let mut pipelines: Vec<&Pipeline> = options.pipelines.iter().collect();
        pipelines.sort_by_key(|pipeline| pipeline.priority());
        let documents: Vec<(Key, Document<'_>)> = rules
            .into_iter()
            .flat_map(document::split)
            .map(|document| (key(&document), document))
            .collect();
        self.read(&documents);
        let (mut filters, mut takers) = (Filters::default(), Vec::new());
        let mut with = blake3::Hasher::new();
        with.update(format!("{pipelines:?}\n{placeholders:?}").as_bytes());
        for (key, document) in &documents {
            let Some(kept) = self.kept.get(key) else {
                continue;
            };
            found.diagnostics.extend(kept.diagnostics.iter().cloned());
            match &kept.content {
                Some(Content::Taker(taker)) => takers.push((*document, taker.clone())),
                Some(Content::Filter(filter)) => {
                    with.update(key.as_bytes());
                    filters.add(*document, (**filter).clone(), &mut found.diagnostics);
                }
                Some(Content::Rule(_)) | None => {}
            }
        }
        for kept in documents.iter().filter_map(|(key, _)| self.kept.get(key)) {
            if let Some(Content::Rule(rule)) = &kept.content {
                filters.meet(rule);
            }
        }
        let context = Context {
            filters: &filters,
            pipelines: &pipelines,
            placeholders: &placeholders,
        };
        self.lower(&documents, &context, with.finalize());
        for (key, document) in &documents {
            if let Some(lowered) = self.kept.get(key).and_then(|kept| kept.lowered.as_ref()) {
                found.diagnostics.extend(lowered.diagnostics.iter().cloned());
                found.rule(document, lowered.named.clone());
            }
        }
        found.diagnostics.extend(filters.report());
        found.finish(takers, &pipelines)
    }

    /// Reads the documents that are new, and forgets those that are gone.
    fn read(&mut self, documents: &[(Key, Document<'_>)]) {
        let mut before = std::mem::take(&mut self.kept);
        let mut new = Vec::new();
        for (key, document) in documents {
            match before.remove(key) {
                Some(kept) => drop(self.kept.insert(*key, kept)),
                None => new.push((*key, *document)),
            }
        }
        let read = threads::map(new, |(key, document)| (key, parse::read(document)));
        for (key, parsed) in read {
            let Parsed {
                content, diagnostics, ..
            } = parsed;
            let kept = Kept {
                content,
                diagnostics,
                lowered: None,
            };
            self.kept.insert(key, kept);
        }
    }

    /// Lowers the rules that are new, or all if something changed that all depend on.
    fn lower(&mut self, documents: &[(Key, Document<'_>)], context: &Context<'_, '_>, with: blake3::Hash) {
        let is_same = self.context.replace(with) == Some(with);
        let mut stale = Vec::new();
        for (key, document) in documents {
            if let Some(kept) = self.kept.get(key)
                && let Some(Content::Rule(rule)) = &kept.content
                && !(is_same && kept.lowered.is_some())
            {
                stale.push((*key, *document, rule.clone()));
            }
        }
        let lowered = threads::map(stale, |(key, document, rule)| {
            let (_, named, diagnostics) = context.lower(document, *rule);
            (key, Lowered { named, diagnostics })
        });
        for (key, lowered) in lowered {
            if let Some(kept) = self.kept.get_mut(&key) {
                kept.lowered = Some(lowered);
            }
        }
    }
}

fn key(document: &Document<'_>) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(document.path.as_bytes());
    hasher.update(b"\0");
    hasher.update(&(document.first_line as u64).to_le_bytes());
    hasher.update(document.text.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::{super::check_with, *};
    use crate::AnomalyKind;

    const FILTER: &str = "title: Not The Backup\nid: 00000000-0000-4000-8000-00000000f001\n\
        logsource: { category: network }\nfilter:\n  rules: [00000000-0000-4000-8000-000000000001]\n  \
        selection: { source.ip: 192.0.2.1 }\n  condition: not selection\n";

    const CORRELATION: &str = "title: Many\nid: 00000000-0000-4000-8000-00000000c001\ncorrelation:\n  \
        type: event_count\n  rules: [00000000-0000-4000-8000-000000000002]\n  group-by: [source.ip]\n  \
        timespan: 1m\n  condition: { gte: 10 }\nlevel: high\n";

    const ANOMALY: &str = "title: New\nid: 00000000-0000-4000-8000-00000000a001\nname: new\nanomaly:\n  \
        type: distinct\n  rules: [00000000-0000-4000-8000-000000000003]\n  group-by: [source.ip]\n  \
        timespan: 1h\n  condition: { field: url.path, gte: 50 }\nlevel: high\n";

    fn rule(number: u32, value: &str) -> SourceText {
        SourceText {
            path: format!("{number}.yml"),
            text: format!(
                "title: Rule {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
                 logsource: {{ category: network }}\ndetection:\n  selection: {{ url.path: '{value}' }}\n  \
                 condition: selection\nlevel: low\n"
            ),
        }
    }

    fn file(path: &str, text: &str) -> SourceText {
        SourceText {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_changes_step_by_step_is_what_is_checked_at_once() {
        let pipeline = Pipeline::bundled("windows-ecs").and_then(|(pipeline, _)| pipeline);
        let piped = Options {
            pipelines: pipeline.into_iter().collect(),
            ..Options::default()
        };
        assert_eq!(piped.pipelines.len(), 1);
        let plain = Options::default();
        let base: Vec<SourceText> = (1..=4).map(|number| rule(number, "/a")).collect();
        let with = |more: &[SourceText]| [base.as_slice(), more].concat();
        let mut changed = base.clone();
        changed[1] = rule(2, "/b");
        let steps: [(&str, Vec<SourceText>, &Options); 13] = [
            ("first", base.clone(), &plain),
            ("one changed", changed.clone(), &plain),
            ("a filter", with(&[file("f.yml", FILTER)]), &plain),
            (
                "a correlation",
                with(&[file("f.yml", FILTER), file("g.yml", CORRELATION)]),
                &plain,
            ),
            (
                "without its base",
                base.iter()
                    .filter(|one| one.path != "2.yml")
                    .cloned()
                    .chain([file("g.yml", CORRELATION)])
                    .collect(),
                &plain,
            ),
            ("an id twice", with(&[file("z.yml", &rule(1, "/c").text)]), &plain),
            ("broken", with(&[file("z.yml", "title: [")]), &plain),
            ("a pipeline", with(&[file("g.yml", CORRELATION)]), &piped),
            ("an anomaly rule", with(&[file("a.yml", ANOMALY)]), &plain),
            (
                "the anomaly rule changed",
                with(&[file("a.yml", &ANOMALY.replace("gte: 50", "gte: 60"))]),
                &plain,
            ),
            (
                "a chain",
                with(&[
                    file("a.yml", ANOMALY),
                    file(
                        "g.yml",
                        &CORRELATION.replace("00000000-0000-4000-8000-000000000002", "new"),
                    ),
                ]),
                &plain,
            ),
            (
                "a broken anomaly rule",
                with(&[file("a.yml", &ANOMALY.replace("gte", "get"))]),
                &plain,
            ),
            ("as at first", base.clone(), &plain),
        ];
        let mut checker = Checker::default();
        for (name, sources, options) in steps {
            let (again, once) = (checker.check(&sources, options), check_with(&sources, options));
            assert_eq!(again.diagnostics, once.diagnostics, "{name}");
            assert_eq!(again.places, once.places, "{name}");
            assert_eq!(
                format!("{:?}", again.rules),
                format!("{:?}", once.rules),
                "{name}"
            );
        }
    }

    #[test]
    fn a_changed_anomaly_rule_is_seen() {
        let mut checker = Checker::default();
        for (limit, expected) in [("50", 50), ("60", 60), ("60", 60)] {
            let text = ANOMALY.replace("gte: 50", &format!("gte: {limit}"));
            let checked = checker.check(&[rule(3, "/a"), file("a.yml", &text)], &Options::default());
            let kinds: Vec<AnomalyKind> = checked
                .rules
                .anomalies
                .iter()
                .map(|one| one.kind.clone())
                .collect();
            assert_eq!(kinds, [AnomalyKind::Distinct { at_least: expected }]);
        }
    }

    #[test]
    fn only_what_changed_is_read() {
        let mut sources: Vec<SourceText> = (1..=4).map(|number| rule(number, "/a")).collect();
        let mut checker = Checker::default();
        let _ = checker.check(&sources, &Options::default());
        // What is remembered is used: a document that is remembered wrongly stays wrong until it changes.
        for kept in checker.kept.values_mut() {
            kept.content = None;
            kept.lowered = None;
        }
        sources[2] = rule(3, "/b");
        let checked = checker.check(&sources, &Options::default());
        assert_eq!(checked.rules.rules.len(), 1);
        assert_eq!(checker.kept.len(), 4);
    }
}
