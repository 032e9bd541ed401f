//! Reads an anomaly rule key by key; everything that is wrong is said at once.

mod condition;
mod value;

use super::{
    Draft,
    form::{self, FORMS, Form, Learning},
    kind::{self, Numbers},
};
use crate::{
    AnomalyKind, Baseline, Code, Diagnostic,
    check::{base::Aliases, document::Document},
    node::{self, Kind, Node},
};
#[cfg(test)]
pub(super) use value::{json, shown};
use value::{nanoseconds, suggestion, take};

/// What may stand at the top of the document.
pub(super) const TOP_KEYS: [&str; 17] = [
    "anomaly",
    "author",
    "date",
    "description",
    "falsepositives",
    "generate",
    "id",
    "level",
    "license",
    "modified",
    "name",
    "references",
    "related",
    "status",
    "tags",
    "title",
    "varde",
];

/// The words for [`Baseline`].
pub(super) const BASELINES: [(&str, Baseline); 2] =
    [("ewma", Baseline::Ewma), ("hour_of_week", Baseline::HourOfWeek)];

pub(super) const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

pub(super) const STATUSES: [&str; 5] = ["stable", "test", "experimental", "deprecated", "unsupported"];

type Entries = Vec<(String, Node)>;

/// Reads a document.
pub(super) fn read(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Draft> {
    let node = match node::read(document.text) {
        Ok(node) => node,
        Err(wrong) => {
            let mend = "check indentation and quotes, and that no key is there twice";
            diagnostics.push(document.error(Code::BadYaml, wrong.line, "the document is not YAML", mend));
            return None;
        }
    };
    let Kind::Map(entries) = node.kind else {
        let mend = "an anomaly rule is a mapping with `title`, `id` and `anomaly`";
        diagnostics.push(document.error(Code::BadYaml, 1, "the document is no mapping", mend));
        return None;
    };
    let mut reader = Reader {
        document,
        found: Vec::new(),
    };
    let draft = reader.document(entries);
    let draft = draft.filter(|_| reader.found.is_empty());
    diagnostics.append(&mut reader.found);
    draft
}

/// Reads on after something wrong, so that the author sees all of it.
struct Reader<'d> {
    document: &'d Document<'d>,
    found: Vec<Diagnostic>,
}

/// What `anomaly:` comes to.
struct Body {
    kind: AnomalyKind,
    rules: Vec<String>,
    group_by: Vec<String>,
    aliases: Aliases,
    fields: Vec<String>,
    timespan: u64,
    learning: u64,
    callers: Option<u64>,
}

impl Reader<'_> {
    fn document(&mut self, entries: Entries) -> Option<Draft> {
        let mut keys = Entries::new();
        let mut body = None;
        for (key, node) in entries {
            match key.as_str() {
                "anomaly" => body = Some(node),
                known if TOP_KEYS.contains(&known) => keys.push((key, node)),
                unknown => {
                    let mend = suggestion(unknown, &TOP_KEYS);
                    self.say(
                        unknown,
                        node.line,
                        &format!("an anomaly rule has no `{unknown}`"),
                        &mend,
                    );
                }
            }
        }
        let body = body.and_then(|node| self.body(node));
        let title = self.text(&mut keys, "title").unwrap_or_default();
        let level = self
            .word(&mut keys, "level", &LEVELS)
            .and_then(|word| word.parse().ok());
        let status = self
            .word(&mut keys, "status", &STATUSES)
            .and_then(|word| word.parse().ok());
        let varde = take(&mut keys, "varde").map(value::json);
        let draft = |reader: &mut Self, keys: &mut Entries, body: Body| Draft {
            id: reader.text(keys, "id"),
            name: reader.text(keys, "name"),
            title,
            author: reader.text(keys, "author"),
            license: reader.text(keys, "license"),
            description: reader.text(keys, "description"),
            date: reader.text(keys, "date"),
            modified: reader.text(keys, "modified"),
            references: reader.texts(keys, "references"),
            tags: reader.texts(keys, "tags"),
            false_positives: reader.texts(keys, "falsepositives"),
            level,
            status,
            varde,
            generate: reader.flag(keys, "generate"),
            kind: body.kind,
            rules: body.rules,
            group_by: body.group_by,
            aliases: body.aliases,
            fields: body.fields,
            timespan_ns: nanoseconds(body.timespan),
            learning_ns: nanoseconds(body.learning),
            callers: body.callers,
        };
        body.map(|body| draft(self, &mut keys, body))
    }

    fn body(&mut self, node: Node) -> Option<Body> {
        let line = node.line;
        let Kind::Map(mut keys) = node.kind else {
            let mend = "write `type`, `rules`, `timespan` and `condition` below it";
            self.say("anomaly:", line, "`anomaly` is no mapping", mend);
            return None;
        };
        let form = self.form(&mut keys, line)?;
        let known = form.keys();
        for (key, node) in &keys {
            if !known.contains(&key.as_str()) {
                let is_of_others = FORMS.iter().any(|form| form.keys().contains(&key.as_str()));
                let (detail, mend) = if is_of_others {
                    (
                        format!("`{}` has no `{key}`", form.name),
                        "leave it out".to_owned(),
                    )
                } else {
                    (format!("`anomaly` has no `{key}`"), suggestion(key, &known))
                };
                self.say(key, node.line, &detail, &mend);
            }
        }
        let rules = self.texts(&mut keys, "rules");
        let group_by = self.texts(&mut keys, "group-by");
        let aliases = self.aliases(&mut keys);
        let timespan = self.span(&mut keys, "timespan", form.timespan);
        if timespan.is_none() && !self.has_said("timespan") {
            let mend = "add it, such as `timespan: 1h`";
            self.say("anomaly:", line, "`timespan` is missing", mend);
        }
        let (fields, numbers) = self.condition(&mut keys, form, line);
        let learning = self.learning(&mut keys, form, &numbers, line);
        let (interval, baseline) = self.interval(&mut keys, form, line);
        let timespan = timespan?;
        self.agree(form, timespan, learning, interval, baseline);
        if rules.iter().any(|name| name == "indicators") && form.name == "national" {
            self.indicators(&rules, &group_by, line);
        }
        Some(Body {
            kind: kind::build(form, &numbers, baseline, nanoseconds(interval))?,
            rules,
            group_by,
            aliases,
            fields,
            timespan,
            learning,
            callers: numbers.given(form::CALLERS),
        })
    }

    fn form(&mut self, keys: &mut Entries, line: usize) -> Option<&'static Form> {
        let names = FORMS.each_ref().map(|form| form.name);
        let Some(node) = take(keys, "type") else {
            let mend = format!("add `type:`, one of {}", names.join(", "));
            self.say("anomaly:", line, "`type` is missing", &mend);
            return None;
        };
        let text = node.text().unwrap_or_default();
        let form = FORMS.iter().find(|form| form.name == text);
        if form.is_none() {
            let detail = format!("there is no type `{text}`");
            self.say("type", node.line, &detail, &suggestion(&text, &names));
        }
        form
    }

    fn learning(&mut self, keys: &mut Entries, form: &Form, numbers: &Numbers, line: usize) -> u64 {
        if form.learning == Learning::Never {
            return 0;
        }
        let place = keys
            .iter()
            .find(|(key, node)| key == "learning" && node.kind != Kind::Null);
        let (place, line) = place.map_or(("anomaly:", line), |(_, node)| ("learning", node.line));
        let is_there = place == "learning";
        let learning = self.span(keys, "learning", form::LEARNING).unwrap_or(0);
        let (detail, mend) = match form.learning {
            Learning::Needed if !is_there => (
                format!(
                    "`{}` has to learn what is usual, and does not say how long",
                    form.name
                ),
                "add such as `learning: 7d`",
            ),
            Learning::With(key) if numbers.0.contains_key(key) && !is_there => (
                format!("`{key}` is of what is usual, and it does not say how long to learn that"),
                "add such as `learning: 7d`",
            ),
            Learning::With(key) if !numbers.0.contains_key(key) && is_there => (
                format!("nothing is learned without `{key}`"),
                "leave `learning` out, or add `condition: { factor: 3 }`",
            ),
            Learning::OptionalWith(key) if !numbers.0.contains_key(key) && is_there => (
                format!("nothing is learned without `{key}`"),
                "leave `learning` out, or add `at-most-callers` to the condition",
            ),
            Learning::Never
            | Learning::Optional
            | Learning::Needed
            | Learning::With(_)
            | Learning::OptionalWith(_) => return learning,
        };
        self.say(place, line, &detail, mend);
        learning
    }

    fn interval(&mut self, keys: &mut Entries, form: &Form, line: usize) -> (u64, Baseline) {
        if !form.has_interval {
            return (0, Baseline::Ewma);
        }
        let interval = self.span(keys, "interval", form::INTERVAL);
        if interval.is_none() && !self.has_said("interval") {
            let mend = "add it, such as `interval: 1h`";
            self.say("anomaly:", line, "`interval` is missing", mend);
        }
        let words = BASELINES.map(|(word, _)| word);
        let word = self.word(keys, "baseline", &words);
        let baseline = word.and_then(|word| BASELINES.into_iter().find(|(known, _)| *known == word));
        (
            interval.unwrap_or(0),
            baseline.map_or(Baseline::Ewma, |(_, baseline)| baseline),
        )
    }

    /// Time spans that make no sense together.
    fn agree(&mut self, form: &Form, timespan: u64, learning: u64, interval: u64, baseline: Baseline) {
        let by_hours = form.has_interval && baseline == Baseline::HourOfWeek;
        let least = OBSERVED.saturating_mul(interval);
        // These keep what they learn apart from the window.
        let is_apart = form.name == "silence" || matches!(form.learning, Learning::OptionalWith(_));
        let (key, detail, mend) = if !form.has_interval && !is_apart && timespan < learning {
            let detail = "what is learned would be forgotten while it is learned";
            (
                "timespan",
                detail,
                "make `timespan` as long as `learning` or longer",
            )
        } else if form.has_interval && (timespan < least || 0 < learning && learning < least) {
            let detail = "fewer than ten intervals say little about what is usual";
            (
                "interval",
                detail,
                "make `timespan` and `learning` ten times as long as `interval` or longer",
            )
        } else if by_hours && form::HOUR < interval {
            let detail = "an hour of the week has no interval of more than an hour";
            (
                "interval",
                detail,
                "use at most `interval: 1h`, or `baseline: ewma`",
            )
        } else if by_hours && (timespan < form::WEEK || 0 < learning && learning < form::WEEK) {
            let detail = "each hour of the week has to be seen once at least";
            (
                "baseline",
                detail,
                "make `timespan` and `learning` 7d or longer, or use `baseline: ewma`",
            )
        } else {
            return;
        };
        let line = self.document.line_with(&format!("{key}:")).unwrap_or(1);
        self.say(key, line, detail, mend);
    }

    fn indicators(&mut self, rules: &[String], group_by: &[String], line: usize) {
        let (key, detail, mend) = if 1 < rules.len() {
            let detail =
                "`indicators` stands alone: its group is the indicator, and that of rules is another";
            (
                "rules",
                detail,
                "write one anomaly rule for indicators and one for rules",
            )
        } else if !group_by.is_empty() {
            let detail = "the group of `indicators` is the indicator";
            ("group-by", detail, "leave `group-by` out")
        } else {
            return;
        };
        let line = self.document.line_with(&format!("{key}:")).unwrap_or(line);
        self.say(key, line, detail, mend);
    }
}

/// So many intervals there must be.
const OBSERVED: u64 = form::OBSERVATIONS_MIN;
