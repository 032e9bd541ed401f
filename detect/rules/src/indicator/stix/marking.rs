//! Markings of STIX objects: TLP 1 and 2, and PAP, standard or defined in the bundle.

use std::collections::BTreeMap;

use detect_alert::{Pap, Tlp};
use rstix::model::meta::{
    TLP1_AMBER_ID, TLP1_GREEN_ID, TLP1_RED_ID, TLP1_WHITE_ID, TLP2_AMBER_ID, TLP2_AMBER_STRICT_ID,
    TLP2_CLEAR_ID, TLP2_GREEN_ID, TLP2_RED_ID,
};
use serde::Deserialize;
use serde_json::Value as Json;

/// The markings that a bundle defines.
#[derive(Debug, Default)]
pub(super) struct Markings(BTreeMap<String, Marking>);

/// What one or more markings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marking {
    pub(super) tlp: Option<Tlp>,
    pub(super) pap: Option<Pap>,
    /// Whether one of them says something else, such as a licence.
    pub(super) has_other: bool,
}

/// The part of a marking definition that counts here.
#[derive(Default, Deserialize)]
struct Definition {
    #[serde(default)]
    definition: Json,
    #[serde(default)]
    extensions: BTreeMap<String, Json>,
    #[serde(default)]
    name: String,
}

impl Markings {
    /// Notes a definition. TLP 1 has it in `definition`, TLP 2 and PAP in an extension.
    pub(super) fn define(&mut self, id: &str, object: &str) {
        let definition: Definition = serde_json::from_str(object).unwrap_or_default();
        let mut marking = Marking {
            tlp: text(&definition.definition, "tlp"),
            pap: text(&definition.definition, "pap"),
            has_other: false,
        };
        for extension in definition.extensions.values() {
            marking.tlp = marking.tlp.max(text(extension, "tlp_2_0"));
            marking.pap = marking.pap.max(text(extension, "pap"));
        }
        if marking == Marking::default() {
            let name = definition.name.as_str();
            marking.tlp = starts(name, "TLP").then(|| name.parse().ok()).flatten();
            marking.pap = starts(name, "PAP").then(|| name.parse().ok()).flatten();
        }
        marking.has_other = marking == Marking::default();
        self.0.insert(id.to_owned(), marking);
    }

    /// What the markings with these ids say together.
    pub(super) fn of<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Marking {
        let mut all = Marking::default();
        for id in ids {
            let one = match standard(id) {
                Some(tlp) => Marking {
                    tlp: Some(tlp),
                    ..Marking::default()
                },
                None => self.0.get(id).copied().unwrap_or(Marking {
                    has_other: true,
                    ..Marking::default()
                }),
            };
            all.tlp = all.tlp.max(one.tlp);
            all.pap = all.pap.max(one.pap);
            all.has_other |= one.has_other;
        }
        all
    }
}

/// The nine markings that need not be in a bundle (STIX 2.1, section 7.2.1.4, and the TLP 2 extension definition).
fn standard(id: &str) -> Option<Tlp> {
    match id {
        TLP1_WHITE_ID | TLP2_CLEAR_ID => Some(Tlp::Clear),
        TLP1_GREEN_ID | TLP2_GREEN_ID => Some(Tlp::Green),
        TLP1_AMBER_ID | TLP2_AMBER_ID => Some(Tlp::Amber),
        TLP2_AMBER_STRICT_ID => Some(Tlp::AmberStrict),
        TLP1_RED_ID | TLP2_RED_ID => Some(Tlp::Red),
        _ => None,
    }
}

fn text<T: std::str::FromStr>(object: &Json, member: &str) -> Option<T> {
    object.get(member)?.as_str()?.parse().ok()
}

fn starts(name: &str, start: &str) -> bool {
    name.get(..start.len())
        .is_some_and(|own| own.eq_ignore_ascii_case(start))
}
