//! What a correlation or an anomaly rule takes from each of its bases: under which names its fields go there.
//!
//! The fields of a rule go through the pipelines and the table of names as those of its own selections do. A correlation or
//! an anomaly rule as a base has no fields but the members of its group.

use std::collections::{BTreeMap, BTreeSet};

use detect_alert::RuleId;

use super::{
    Named,
    document::Document,
    meta::{self, Refusal},
};
use crate::{Base, BaseOf, Code, Diagnostic, Level, Pipeline, field_names, pipeline};

/// One name for fields that are called differently: alias, then the name of a base, then the field there.
pub(super) type Aliases = BTreeMap<String, BTreeMap<String, String>>;

/// As many rules as a reader can follow; a window keeps something of each.
const BASES_MAX: usize = 64;

/// Each member is part of the key of every group in memory.
const GROUP_BY_MAX: usize = 16;

/// What the author asks of every base.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// As written.
    pub(super) group_by: &'a [String],
    /// The counted or measured fields, as written.
    pub(super) values: &'a [String],
    pub(super) aliases: &'a Aliases,
}

/// What a name in `rules` means.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// A rule, and its number.
    Rule(usize, &'a Named),
    /// A correlation or an anomaly rule.
    Chain(&'a Link),
    /// The matches of indicators.
    Indicators,
}

/// A correlation or an anomaly rule as a base of others.
pub(super) struct Link {
    pub(super) of: BaseOf,
    pub(super) id: RuleId,
    /// Its id and its name.
    pub(super) names: Vec<String>,
    /// For each member of its group what it is called: first as an alert shows it.
    pub(super) group: Vec<Vec<String>>,
}

/// The group of matches of indicators.
pub(super) const INDICATOR_GROUP: [&str; 2] = ["indicator.kind", "indicator.value"];

/// The bases, in the author's order.
pub(super) fn bases(
    document: &Document<'_>,
    asked: Asked<'_>,
    targets: &[Target<'_>],
    pipelines: &[&Pipeline],
) -> Result<Vec<Base>, Refusal> {
    if targets.is_empty() || BASES_MAX < targets.len() {
        let detail = if targets.is_empty() {
            "it names no rule".to_owned()
        } else {
            format!("it names {} rules, more than {BASES_MAX}", targets.len())
        };
        let mend = "add `rules:` with the names or ids of 1 to 64 rules";
        return Err(refuse(document, Code::BadCorrelation, "rules:", &detail, mend));
    }
    if GROUP_BY_MAX < asked.group_by.len() {
        let detail = format!("`group-by` has {} fields", asked.group_by.len());
        let mend = "group by at most 16 fields";
        return Err(refuse(document, Code::BadCorrelation, "group-by", &detail, mend));
    }
    let base = |target: &Target<'_>| match target {
        Target::Rule(index, named) => of_rule(document, asked, *index, named, pipelines),
        Target::Chain(link) => of_chain(document, asked, link),
        Target::Indicators => Ok(of_indicators()),
    };
    targets.iter().map(base).collect()
}

/// Takes a base that is named twice once: it would be counted twice.
pub(super) fn once(
    document: &Document<'_>,
    targets: &mut Vec<Target<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeSet::new();
    targets.retain(|target| {
        let is_new = seen.insert(target.of());
        if let Some(name) = target.names().first().filter(|_| !is_new) {
            let detail = format!("`{name}` is named twice in `rules`");
            diagnostics.push(warning(document, "rules:", &detail, "name it once"));
        }
        is_new
    });
}

impl Target<'_> {
    fn of(&self) -> BaseOf {
        match self {
            Self::Rule(index, _) => BaseOf::Rule(*index),
            Self::Chain(link) => link.of,
            Self::Indicators => BaseOf::Indicators,
        }
    }

    /// What it may be called.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Rule(_, named) => &named.names,
            Self::Chain(link) => &link.names,
            Self::Indicators => &[],
        }
    }
}

impl Asked<'_> {
    /// What a field is called in a base with these names.
    fn own_name(&self, field: &str, names: &[String]) -> String {
        let own = self
            .aliases
            .get(field)
            .and_then(|mapping| names.iter().find_map(|name| mapping.get(name)));
        own.map_or(field, String::as_str).to_owned()
    }

    /// Aliases that do not say what they mean in each of the bases, and those of rules that are no base.
    pub(super) fn doubtful(&self, document: &Document<'_>, targets: &[Target<'_>]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (alias, mapping) in self.aliases {
            let strangers = mapping
                .keys()
                .filter(|name| !targets.iter().any(|target| target.names().contains(name)))
                .map(|name| format!("the alias `{alias}` names `{name}`, which is not in `rules`"));
            let lacking = targets
                .iter()
                .filter(|target| !target.names().iter().any(|name| mapping.contains_key(name)))
                .filter_map(|target| target.names().first())
                .map(|name| format!("the alias `{alias}` has no field for `{name}`, so `{alias}` itself is looked for there"));
            for detail in strangers.chain(lacking) {
                let mend = "give the alias one field for each of the `rules`, called as they are there";
                found.push(warning(document, &format!("{alias}:"), &detail, mend));
            }
        }
        found
    }
}

fn of_rule(
    document: &Document<'_>,
    asked: Asked<'_>,
    index: usize,
    named: &Named,
    pipelines: &[&Pipeline],
) -> Result<Base, Refusal> {
    let own: Vec<String> = asked
        .group_by
        .iter()
        .chain(asked.values)
        .map(|field| asked.own_name(field, &named.names))
        .collect();
    let mapped = match &named.original {
        Some(original) => pipeline::map_names(pipelines, original, &own).map_err(|refused| {
            let detail = format!("pipeline `{}`: {}", refused.pipeline, refused.reason);
            let mend = "leave the correlation out where this pipeline is used, or change the pipeline";
            refuse(document, Code::RefusedByPipeline, "rules:", &detail, mend)
        })?,
        None => own.into_iter().map(|name| vec![name]).collect(),
    };
    let mut names = mapped.into_iter().map(|names| {
        let mut found: Vec<String> = Vec::new();
        for name in names {
            for candidate in field_names::candidates(&named.rule.log_source, &name) {
                if !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    });
    let group_by = names.by_ref().take(asked.group_by.len()).collect();
    Ok(Base {
        of: BaseOf::Rule(index),
        id: named.rule.producer.id.clone(),
        group_by,
        values: names.collect(),
    })
}

fn of_chain(document: &Document<'_>, asked: Asked<'_>, link: &Link) -> Result<Base, Refusal> {
    let member = |field: &String| {
        let own = asked.own_name(field, &link.names);
        let found = link.group.iter().find(|names| names.contains(&own));
        if let Some(shown) = found.and_then(|names| names.first()) {
            return Ok(vec![shown.clone()]);
        }
        let detail = format!(
            "`{own}` is not in the `group-by` of `{}`, and that is all its matches have",
            link.id.0
        );
        let shown: Vec<&str> = link
            .group
            .iter()
            .filter_map(|names| names.first())
            .map(String::as_str)
            .collect();
        let mend = if shown.is_empty() {
            format!("add `group-by: [{own}]` to it")
        } else {
            format!(
                "take one of {}, or add `{own}` to its `group-by`",
                shown.join(", ")
            )
        };
        Err(refuse(document, Code::BrokenChain, field, &detail, &mend))
    };
    Ok(Base {
        of: link.of,
        id: link.id.clone(),
        group_by: asked.group_by.iter().map(member).collect::<Result<_, _>>()?,
        values: asked.values.iter().map(member).collect::<Result<_, _>>()?,
    })
}

fn of_indicators() -> Base {
    Base {
        of: BaseOf::Indicators,
        id: RuleId("indicators".to_owned()),
        group_by: INDICATOR_GROUP
            .iter()
            .map(|name| vec![(*name).to_owned()])
            .collect(),
        values: Vec::new(),
    }
}

/// The names of a group: an alias as the author wrote it, a field by its ECS name.
pub(super) fn shown(asked: Asked<'_>, bases: &[Base]) -> Vec<String> {
    asked
        .group_by
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let first = bases.first().and_then(|base| base.group_by.get(index)?.first());
            first
                .filter(|_| !asked.aliases.contains_key(name) || bases.len() == 1)
                .unwrap_or(name)
                .clone()
        })
        .collect()
}

/// For each member of the group every name it goes by, the one that an alert shows first.
pub(super) fn group_names(written: &[String], shown: &[String], bases: &[Base]) -> Vec<Vec<String>> {
    let every = |(index, first): (usize, &String)| {
        let in_bases = bases.iter().filter_map(|base| base.group_by.get(index)).flatten();
        let mut names = vec![first.clone()];
        for name in written.get(index).into_iter().chain(in_bases) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    };
    shown.iter().enumerate().map(every).collect()
}

/// Which member of the group the author means (`varde.entity`), or the only one there is.
pub(super) fn entity(
    document: &Document<'_>,
    name: Option<&str>,
    written: &[String],
    group: &[Vec<String>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let meant = name.and_then(|name| {
        let by_author = written.iter().position(|known| known == name);
        let by_alert = || {
            group
                .iter()
                .position(|names| names.first().is_some_and(|first| first == name))
        };
        let by_base = || {
            group
                .iter()
                .position(|names| names.iter().any(|known| known == name))
        };
        let found = by_author.or_else(by_alert).or_else(by_base);
        if found.is_none() {
            diagnostics.push(no_entity(document, name, written));
        }
        found
    });
    meant.or((group.len() == 1).then_some(0))
}

fn no_entity(document: &Document<'_>, name: &str, group_by: &[String]) -> Diagnostic {
    let place = if document.line_with("entity:").is_some() {
        "entity:"
    } else {
        "varde:"
    };
    let detail = format!("the entity `{name}` is not in `group-by`, so alerts are about the whole group");
    let mend = if group_by.is_empty() {
        let key = if document.has_key("anomaly") {
            "anomaly"
        } else {
            "correlation"
        };
        format!("add `group-by: [{name}]` to `{key}:`")
    } else {
        format!("add it to `group-by`, or name one of: {}", group_by.join(", "))
    };
    warning(document, place, &detail, &mend)
}

/// A refusal at the first line that has `place`.
pub(super) fn refuse(
    document: &Document<'_>,
    code: Code,
    place: &str,
    detail: &str,
    mend: &str,
) -> meta::Refusal {
    let line = document.line_with(place).unwrap_or(1);
    Box::new(document.error(code, line, detail, mend))
}

/// Something the author should look at, at the first line that has `place`.
pub(super) fn warning(document: &Document<'_>, place: &str, detail: &str, mend: &str) -> Diagnostic {
    let mut diagnostic = *refuse(document, Code::Ignored, place, detail, mend);
    diagnostic.level = Level::Warning;
    diagnostic
}
