//! STIX 2.1 bundles: the indicators in them, through `rstix`, which reads objects and patterns as the specification
//! says (<https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html>, sections 4.7 and 9).
//!
//! Objects are read one by one and not as a bundle: what one of them refers to need not be there, as with the
//! standard TLP markings, and one that is wrong costs only itself. Markings are those of `object_marking_refs`; of
//! several the strictest counts. Other types of objects are context and are passed over.

mod marking;
mod pattern;

use detect_alert::IndicatorKind;
use ingest_event::Timestamp;
use rstix::core::StixTimestamp;
use rstix::model::sdo::{Indicator, IndicatorPattern};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

use self::{marking::Markings, pattern::Term};
use super::{
    document,
    intake::{At, Details, Intake, Spot},
    normal::refused,
    report::Reason,
    table,
};

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow)]
    objects: Option<&'a RawValue>,
}

/// What every object has.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
}

/// Reads a bundle, or what a TAXII server answers (`objects`).
pub(super) fn read(text: &str, intake: &mut Intake<'_>) {
    let objects = match serde_json::from_str::<Bundle<'_>>(text) {
        Ok(Bundle {
            objects: Some(objects),
        }) => objects.get(),
        Ok(Bundle { objects: None }) => return,
        Err(error) => return broken("the bundle", &error.to_string(), intake),
    };
    // Markings first: an object may stand before the marking that it refers to.
    let mut markings = Markings::default();
    let heads = document::for_each(objects, |object| {
        if let Ok(head) = serde_json::from_str::<Head<'_>>(object)
            && head.kind == "marking-definition"
        {
            markings.define(&head.id, object);
        }
    });
    if let Err(error) = heads {
        return broken("the bundle", &error.to_string(), intake);
    }
    let read = document::for_each(objects, |object| match serde_json::from_str::<Head<'_>>(object) {
        Ok(head) if head.kind == "indicator" => match serde_json::from_str::<Indicator>(object) {
            Ok(one) => indicator(&head.id, &one, &markings, intake),
            Err(error) => broken(&head.id, &error.to_string(), intake),
        },
        Ok(_) => {}
        Err(error) => broken("an object", &error.to_string(), intake),
    });
    if let Err(error) = read {
        broken("the bundle", &error.to_string(), intake);
    }
}

fn indicator(id: &str, indicator: &Indicator, markings: &Markings, intake: &mut Intake<'_>) {
    let raw = indicator.pattern.raw();
    let spot = Spot {
        at: At::Object(id),
        piece: &raw,
    };
    if indicator.common.revoked == Some(true) {
        return intake.tell(
            Reason::Revoked,
            spot,
            || "it is revoked".to_owned(),
            "none needed",
        );
    }
    if indicator.indicator_types.iter().any(|kind| kind == "benign") {
        let detail = || "its `indicator_types` say benign".to_owned();
        return intake.tell(Reason::Benign, spot, detail, "none needed");
    }
    let IndicatorPattern::Stix { parsed, .. } = &indicator.pattern else {
        let detail = || format!("its pattern is in `{}`", indicator.pattern.pattern_type());
        return intake.tell(
            Reason::OtherLanguage,
            spot,
            detail,
            "load it in an engine for that language",
        );
    };
    let marking = markings.of(indicator
        .common
        .object_marking_refs
        .iter()
        .map(|id| id.as_stix_id().as_str()));
    if marking.has_other {
        let detail = || "a marking of it is neither TLP nor PAP".to_owned();
        intake.tell(
            Reason::OtherMarking,
            spot,
            detail,
            "see by hand whether it limits the use",
        );
    }
    let name = indicator.name.as_deref().or(indicator.description.as_deref());
    let details = Details {
        kind: None,
        source: None,
        confidence: indicator
            .common
            .confidence
            .map(|value| table::confidence_of(value.get())),
        tlp: marking.tlp,
        pap: marking.pap,
        valid_from: time(&indicator.valid_from),
        valid_until: indicator.valid_until.as_ref().and_then(time),
        last_seen: None,
        description: name.unwrap_or_default(),
    };
    for term in pattern::terms(parsed) {
        offer(&term, &details, spot, intake);
    }
}

fn offer(term: &Term, details: &Details<'_>, spot: Spot<'_>, intake: &mut Intake<'_>) {
    match term {
        Term::Value { kind, value } => {
            // A value of an address object may be a prefix, which its form shows.
            let kind = kind.filter(|kind| *kind != IndicatorKind::Address);
            intake.offer(value, &Details { kind, ..*details }, spot);
        }
        Term::Inexpressible { reason, detail } => {
            let mend = "write a Sigma rule for it";
            intake.tell(*reason, spot, || detail.clone(), mend);
        }
    }
}

fn time(time: &StixTimestamp) -> Option<Timestamp> {
    let nanos = time.as_datetime().unix_timestamp_nanos();
    i64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

fn broken(id: &str, detail: &str, intake: &mut Intake<'_>) {
    let spot = Spot {
        at: At::Object(id),
        piece: &"",
    };
    let refusal = refused(Reason::BadDocument, detail, "ask the feed's publisher");
    intake.refuse(refusal, spot);
}

#[cfg(test)]
mod tests;
