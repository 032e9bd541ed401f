//! What Sigma's field names are called in an event.
//!
//! The table is data (`fields.yml`). A field that the table does not know, and every field of Windows and
//! other host logs, is looked up as the rule writes it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::{RuleLogSource, log_source::Pattern};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    log_source: Pattern,
    fields: BTreeMap<String, String>,
}

#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and read by a test"
)]
static TABLE: LazyLock<Vec<Entry>> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("fields.yml")).expect("fields.yml is well formed"));

/// The names under which a rule's field is looked up, best first: its ECS name if there is one, its own.
#[must_use]
pub fn candidates(log_source: &RuleLogSource, name: &str) -> Vec<String> {
    let own = name.replace("\\[", "[").replace("\\]", "]");
    let mut names: Vec<String> = Vec::new();
    for entry in TABLE.iter() {
        if entry.log_source.covers(log_source)
            && let Some(ecs) = entry.fields.get(&own)
            && !names.contains(ecs)
        {
            names.push(ecs.clone());
        }
    }
    if !names.contains(&own) {
        names.push(own);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_looked_up_by_log_source() {
        let source = |category: &str, product: &str, service: &str| {
            let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            RuleLogSource {
                category: part(category),
                product: part(product),
                service: part(service),
            }
        };
        for (log_source, name, expected) in [
            (
                source("", "zeek", "dns"),
                "query",
                vec!["dns.question.name", "query"],
            ),
            (
                source("", "zeek", "conn"),
                "id.orig_h",
                vec!["source.ip", "id.orig_h"],
            ),
            (source("proxy", "", ""), "cs-host", vec!["url.domain", "cs-host"]),
            (
                source("firewall", "", ""),
                "dst_port",
                vec!["destination.port", "dst_port"],
            ),
            (source("process_creation", "windows", ""), "Image", vec!["Image"]),
            (source("dns", "", ""), "source.ip", vec!["source.ip"]),
        ] {
            assert_eq!(candidates(&log_source, name), expected, "{name}");
        }
    }
}
