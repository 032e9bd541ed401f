//! Which log sources an event belongs to, as data (`log_sources.yml`).
//!
//! An event has a set of log sources: by its `event.dataset`; by keys `product`, `category`, `service` of its
//! own; and for Windows by channel, provider, event id and event type. A rule is for an event if every part of the
//! rule's log source is in one of them, so a rule for Windows never wakes for Zeek. A dataset that the table
//! does not know, `a.b`, is product `a`, service `b`.

mod known;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::RuleLogSource;

pub use known::known;

/// The fields of an event that decide, as text, where it has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    /// `event.dataset`.
    pub dataset: Option<&'a str>,
    /// `product`.
    pub product: Option<&'a str>,
    /// `category`.
    pub category: Option<&'a str>,
    /// `service`.
    pub service: Option<&'a str>,
    /// `Channel` or `winlog.channel`.
    pub channel: Option<&'a str>,
    /// `EventID`, `winlog.event_id` or `event.code`.
    pub event_id: Option<&'a str>,
    /// `EventType`, or `event_type` of Suricata's EVE.
    pub event_type: Option<&'a str>,
    /// `process.name`.
    pub process: Option<&'a str>,
    /// `Provider_Name`, `winlog.provider_name` or `SourceName`.
    pub provider: Option<&'a str>,
}

/// How many traits there are.
pub const TRAIT_COUNT: usize = 9;

/// The fields that [`Traits`] are read from: for each trait its names, best first.
pub const TRAIT_FIELDS: [&[&str]; TRAIT_COUNT] = [
    &["event.dataset"],
    &["product"],
    &["category"],
    &["service"],
    &["Channel", "winlog.channel"],
    &["EventID", "winlog.event_id", "event.code"],
    &["EventType", "winlog.event_data.EventType", "event_type"],
    &["process.name"],
    &["Provider_Name", "winlog.provider_name", "SourceName"],
];

impl<'a> Traits<'a> {
    /// The traits of an event whose texts, in the order of [`TRAIT_FIELDS`], are these.
    #[must_use]
    pub const fn from_texts(texts: [Option<&'a str>; TRAIT_COUNT]) -> Self {
        let [
            dataset,
            product,
            category,
            service,
            channel,
            event_id,
            event_type,
            process,
            provider,
        ] = texts;
        Self {
            dataset,
            product,
            category,
            service,
            channel,
            event_id,
            event_type,
            process,
            provider,
        }
    }
}

/// Parts of a log source; what is not stated fits everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pattern {
    category: Option<String>,
    product: Option<String>,
    service: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    datasets: BTreeMap<String, Vec<Pattern>>,
    kinds: BTreeMap<String, BTreeMap<String, Vec<Pattern>>>,
    programs: BTreeMap<String, String>,
    channels: BTreeMap<String, String>,
    providers: BTreeMap<String, String>,
    categories: Vec<ByEventId>,
    implied: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByEventId {
    service: String,
    id: u32,
    kind: Option<String>,
    category: String,
}

#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and read by a test"
)]
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("log_sources.yml")).expect("log_sources.yml is well formed")
});

impl Pattern {
    /// Whether a rule's log source has every part that this states.
    pub(crate) fn covers(&self, rule: &RuleLogSource) -> bool {
        fits(self.category.as_deref(), rule.category.as_deref())
            && fits(self.product.as_deref(), rule.product.as_deref())
            && fits(self.service.as_deref(), rule.service.as_deref())
    }

    fn to_source(&self) -> RuleLogSource {
        RuleLogSource {
            category: self.category.clone(),
            product: self.product.clone(),
            service: self.service.clone(),
        }
    }
}

impl RuleLogSource {
    /// Whether the rule is for an event with this log source: it has every part that the rule states.
    #[must_use]
    pub fn accepts(&self, event: &Self) -> bool {
        fits(self.category.as_deref(), event.category.as_deref())
            && fits(self.product.as_deref(), event.product.as_deref())
            && fits(self.service.as_deref(), event.service.as_deref())
    }
}

/// The log sources of an event. Sorted, each once.
#[must_use]
pub fn of_event(traits: &Traits<'_>) -> Vec<RuleLogSource> {
    let table = &*TABLE;
    let mut sources = Vec::new();
    if let Some(dataset) = traits.dataset {
        by_dataset(table, dataset, traits, &mut sources);
    }
    if traits.product.is_some() || traits.category.is_some() || traits.service.is_some() {
        sources.push(RuleLogSource {
            category: traits.category.map(str::to_lowercase),
            product: traits.product.map(str::to_lowercase),
            service: traits.service.map(str::to_lowercase),
        });
    }
    by_windows(table, traits, &mut sources);
    let implied: Vec<_> = sources
        .iter()
        .filter_map(|source| {
            let wider = table.implied.get(source.category.as_deref()?)?;
            Some(RuleLogSource {
                category: Some(wider.clone()),
                ..source.clone()
            })
        })
        .collect();
    sources.extend(implied);
    sources.sort();
    sources.dedup();
    sources
}

fn by_dataset(table: &Table, dataset: &str, traits: &Traits<'_>, sources: &mut Vec<RuleLogSource>) {
    let of_kind = table
        .kinds
        .get(dataset)
        .and_then(|kinds| kinds.get(traits.event_type?));
    if let Some(patterns) = table.datasets.get(dataset).or(of_kind) {
        sources.extend(patterns.iter().map(Pattern::to_source));
    } else if let Some((product, service)) = dataset.split_once('.') {
        sources.push(RuleLogSource {
            category: None,
            product: Some(product.to_lowercase()),
            service: Some(service.to_lowercase()),
        });
    } else {
        sources.push(RuleLogSource {
            category: None,
            product: Some(dataset.to_lowercase()),
            service: None,
        });
    }
    let program = traits
        .process
        .and_then(|process| table.programs.get(&process.to_lowercase()));
    if let Some(service) = program
        && dataset.starts_with("system.")
    {
        sources.push(RuleLogSource {
            category: None,
            product: Some("linux".to_owned()),
            service: Some(service.clone()),
        });
    }
}

/// Windows, and Sysmon for Linux: the service by channel, by provider or as the event says itself; the category by service
/// and event id.
fn by_windows(table: &Table, traits: &Traits<'_>, sources: &mut Vec<RuleLogSource>) {
    let says_windows = traits
        .product
        .is_none_or(|product| product.eq_ignore_ascii_case("windows"));
    let own = traits
        .service
        .filter(|_| says_windows && traits.event_id.is_some());
    let services = [
        traits.channel.and_then(|channel| named(&table.channels, channel)),
        traits
            .provider
            .and_then(|provider| named(&table.providers, provider)),
        own.and_then(|own| {
            table
                .categories
                .iter()
                .find(|known| known.service.eq_ignore_ascii_case(own))
        })
        .map(|known| known.service.as_str()),
    ];
    let is_linux = traits
        .channel
        .is_some_and(|channel| channel.starts_with("Linux-"));
    let source = |service: Option<&str>, category: Option<&String>| RuleLogSource {
        category: category.cloned(),
        product: Some(if is_linux { "linux" } else { "windows" }.to_owned()),
        service: service.map(str::to_owned),
    };
    if traits.channel.is_some() && services.iter().all(Option::is_none) {
        sources.push(source(None, None));
    }
    let id = traits.event_id.and_then(event_id);
    for service in services.into_iter().flatten() {
        sources.push(source(Some(service), None));
        for known in &table.categories {
            let of_kind = known.kind.as_deref().is_none_or(|kind| {
                traits
                    .event_type
                    .is_some_and(|event| event.eq_ignore_ascii_case(kind))
            });
            if known.service == service && Some(known.id) == id && of_kind {
                sources.push(source(Some(service), Some(&known.category)));
            }
        }
    }
}

/// The number of an event, however it is spelled: `1`, `1.0`, `10E-1`.
fn event_id(text: &str) -> Option<u32> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        is_whole.then_some(number as u32)
    })
}

/// A name's service, without regard to case: shippers do not agree on it.
fn named<'t>(names: &'t BTreeMap<String, String>, name: &str) -> Option<&'t str> {
    let exact = names.get(name);
    let found = exact.or_else(|| {
        let (_, service) = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(service)
    });
    found.map(String::as_str)
}

fn fits(asked: Option<&str>, held: Option<&str>) -> bool {
    asked.is_none_or(|asked| held.is_some_and(|held| held.eq_ignore_ascii_case(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(category: &str, product: &str, service: &str) -> RuleLogSource {
        let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RuleLogSource {
            category: part(category),
            product: part(product),
            service: part(service),
        }
    }

    fn check(traits: &Traits<'_>, log_source: &RuleLogSource, expected: bool) {
        let is_for = of_event(traits).iter().any(|source| log_source.accepts(source));
        assert_eq!(is_for, expected, "{traits:?} {log_source:?}");
    }

    #[test]
    fn a_rule_wakes_for_its_own_events_only() {
        let none = Traits::default();
        let flow = Traits {
            dataset: Some("network.flow"),
            ..none
        };
        check(&flow, &rule("", "zeek", "conn"), true);
        check(&flow, &rule("firewall", "", ""), true);
        check(&flow, &rule("", "zeek", "dns"), false);
        check(&flow, &rule("", "windows", ""), false);
        check(&flow, &rule("network_connection", "windows", ""), false);
        check(&flow, &rule("", "", ""), true);

        let auth = Traits {
            dataset: Some("system.auth"),
            process: Some("sshd"),
            ..none
        };
        check(&auth, &rule("", "linux", "sshd"), true);
        check(&auth, &rule("", "linux", "auth"), true);
        check(&auth, &rule("", "linux", "cron"), false);

        let sysmon = Traits {
            channel: Some("Microsoft-Windows-Sysmon/Operational"),
            event_id: Some("12"),
            event_type: Some("DeleteKey"),
            ..none
        };
        check(&sysmon, &rule("registry_delete", "windows", ""), true);
        check(&sysmon, &rule("registry_event", "windows", ""), true);
        check(&sysmon, &rule("registry_add", "windows", ""), false);
        check(&sysmon, &rule("", "windows", "sysmon"), true);
        check(&sysmon, &rule("", "zeek", ""), false);

        for (id, expected) in [
            ("12.0", true),
            ("120e-1", true),
            ("12.5", false),
            ("-12", false),
            ("inf", false),
        ] {
            let spelled = Traits {
                event_id: Some(id),
                ..sysmon
            };
            check(&spelled, &rule("registry_delete", "windows", ""), expected);
        }

        let own = Traits {
            product: Some("windows"),
            category: Some("registry_set"),
            ..none
        };
        check(&own, &rule("registry_event", "windows", ""), true);
        check(&own, &rule("process_creation", "windows", ""), false);

        let foreign = Traits {
            dataset: Some("opnsense.firewall"),
            ..none
        };
        check(&foreign, &rule("", "opnsense", "firewall"), true);
        check(&none, &rule("", "windows", ""), false);
    }

    #[test]
    fn windows_is_told_by_channel_by_provider_or_by_its_own_words() {
        let none = Traits::default();
        let process = rule("process_creation", "windows", "");
        for (traits, is_process) in [
            (
                Traits {
                    channel: Some("MICROSOFT-WINDOWS-SYSMON/operational"),
                    event_id: Some("1"),
                    ..none
                },
                true,
            ),
            (
                Traits {
                    provider: Some("Microsoft-Windows-Sysmon"),
                    event_id: Some("1"),
                    ..none
                },
                true,
            ),
            (
                Traits {
                    channel: Some("ForwardedEvents"),
                    provider: Some("Microsoft-Windows-Security-Auditing"),
                    event_id: Some("4688"),
                    ..none
                },
                true,
            ),
            (
                Traits {
                    product: Some("windows"),
                    service: Some("sysmon"),
                    event_id: Some("1"),
                    ..none
                },
                true,
            ),
            (
                Traits {
                    product: Some("linux"),
                    service: Some("sysmon"),
                    event_id: Some("1"),
                    ..none
                },
                false,
            ),
            (
                Traits {
                    provider: Some("Microsoft-Windows-Sysmon"),
                    event_id: Some("3"),
                    ..none
                },
                false,
            ),
            (
                Traits {
                    service: Some("sysmon"),
                    ..none
                },
                false,
            ),
        ] {
            check(&traits, &process, is_process);
        }
        let unknown = Traits {
            channel: Some("A Channel of its own"),
            ..none
        };
        check(&unknown, &rule("", "windows", ""), true);
        check(&unknown, &rule("", "windows", "security"), false);
    }

    #[test]
    fn datasets_of_several_kinds_are_told_by_event_type() {
        let eve = |kind| Traits {
            dataset: Some("suricata.eve"),
            event_type: Some(kind),
            ..Traits::default()
        };
        check(&eve("dns"), &rule("dns", "", ""), true);
        check(&eve("dns"), &rule("proxy", "", ""), false);
        check(&eve("http"), &rule("proxy", "", ""), true);
        check(&eve("stats"), &rule("", "suricata", "eve"), true);
        let zeek = Traits {
            dataset: Some("zeek.connection"),
            ..Traits::default()
        };
        check(&zeek, &rule("", "zeek", "conn"), true);
        check(&zeek, &rule("", "windows", ""), false);
    }
}
