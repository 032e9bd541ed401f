//! An anomaly rule's document to an [`Anomaly`]: read here, strictly, since no parser of Sigma knows it.
//!
//! What the types are made of is a table ([`form::FORMS`]); `docs/anomaly.schema.json` says the same to an editor, and a
//! test holds the one against the other.

mod form;
mod kind;
mod reader;
#[cfg(test)]
mod tests;

use detect_alert::ProducerKind;
use rsigma_parser::{Level as SigmaLevel, Status};

use super::{
    base::{self, Aliases, Asked, INDICATOR_GROUP, Target, refuse},
    document::Document,
    meta::{self, Meta, Refusal},
};
use crate::{Anomaly, AnomalyKind, Base, Code, Diagnostic, Pipeline};

/// An anomaly rule as it was read, before its bases are known.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    title: String,
    author: Option<String>,
    license: Option<String>,
    description: Option<String>,
    date: Option<String>,
    modified: Option<String>,
    references: Vec<String>,
    tags: Vec<String>,
    false_positives: Vec<String>,
    level: Option<SigmaLevel>,
    status: Option<Status>,
    varde: Option<serde_json::Value>,
    pub(super) generate: bool,
    kind: AnomalyKind,
    pub(super) rules: Vec<String>,
    pub(super) group_by: Vec<String>,
    aliases: Aliases,
    fields: Vec<String>,
    timespan_ns: i64,
    learning_ns: i64,
    callers: Option<u64>,
}

/// Whether a document is one.
pub(super) fn is_anomaly(document: &Document<'_>) -> bool {
    document.has_key("anomaly")
}

/// Reads a document; nothing comes back if anything is wrong with it.
pub(super) fn read(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Draft> {
    reader::read(document, diagnostics)
}

impl Draft {
    /// Whether `indicators` in `rules` means the matches of indicators.
    pub(super) fn takes_indicators(&self) -> bool {
        matches!(self.kind, AnomalyKind::National { .. })
    }
}

/// Lowers an anomaly rule with the bases it names.
pub(super) fn lower(
    document: &Document<'_>,
    draft: &Draft,
    targets: &[Target<'_>],
    pipelines: &[&Pipeline],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Anomaly, Refusal> {
    let about = meta::read(
        document,
        Meta {
            kind: ProducerKind::Anomaly,
            id: draft.id.as_deref(),
            title: &draft.title,
            author: draft.author.as_deref(),
            license: draft.license.as_deref(),
            description: draft.description.as_deref(),
            date: draft.date.as_deref(),
            modified: draft.modified.as_deref(),
            references: &draft.references,
            tags: &draft.tags,
            false_positives: &draft.false_positives,
            level: draft.level,
            status: draft.status,
            varde: draft.varde.clone(),
        },
    )?;
    let mut targets = targets.to_vec();
    base::once(document, &mut targets, diagnostics);
    let asked = Asked {
        group_by: &draft.group_by,
        values: &draft.fields,
        aliases: &draft.aliases,
    };
    let is_of_indicators = matches!(targets.as_slice(), [Target::Indicators]);
    if !is_of_indicators {
        diagnostics.extend(asked.doubtful(document, &targets));
    }
    let bases = base::bases(document, asked, &targets, pipelines)?;
    let group_by = if is_of_indicators {
        INDICATOR_GROUP.map(str::to_owned).to_vec()
    } else {
        base::shown(asked, &bases)
    };
    if let AnomalyKind::National { .. } = draft.kind {
        without_organization(document, &bases)?;
    }
    let group = base::group_names(&draft.group_by, &group_by, &bases);
    let entity = base::entity(
        document,
        about.entity.as_deref(),
        &draft.group_by,
        &group,
        diagnostics,
    );
    if draft.callers.is_some() && (entity.is_none() || group_by.len() < 2) {
        let detail = "`at-most-callers` does not know who calls and what is called";
        let mend =
            "name in `varde.entity` the member of `group-by` that calls; the others are what is called";
        return Err(refuse(
            document,
            Code::BadAnomaly,
            "at-most-callers",
            detail,
            mend,
        ));
    }
    Ok(Anomaly {
        producer: about.producer,
        severity: about.severity,
        confidence: about.confidence,
        tlp: about.tlp,
        pap: about.pap,
        kind: draft.kind.clone(),
        bases,
        group_by,
        entity,
        fields: draft.fields.clone(),
        timespan_ns: draft.timespan_ns,
        learning_ns: draft.learning_ns,
        callers: draft.callers,
        raises: true,
        digest: *blake3::hash(document.text.as_bytes()).as_bytes(),
    })
}

/// A group that names the organisation is in one organisation and no other.
fn without_organization(document: &Document<'_>, bases: &[Base]) -> Result<(), Refusal> {
    let mut names = bases.iter().flat_map(|base| base.group_by.iter().flatten());
    match names.find(|name| name.starts_with("organization.")) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("`{name}` is in the group, and no two organisations share one");
            let mend = "leave it out: the organisations are what is counted";
            Err(refuse(document, Code::BadAnomaly, "group-by", &detail, mend))
        }
    }
}
