//! Who decided what leaves: for each dataset and zone a level, and where wanted another one for a group of fields.
//!
//! The first rule of the configuration that fits holds; where none fits, the default: what belongs to our own networks
//! under pseudonym, users of logs under pseudonym too and not at all from schools and health, free text and queries not at
//! all. The table is printed by `varde-sensor privacy`.

use ingest_event::{Zone, field::Class};
use serde::Deserialize;

/// How much leaves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing at all.
    Nothing,
    /// How machines talk, of nobody in particular: ports, counts, versions, results.
    Counts,
    /// What belongs to our own networks under pseudonym.
    Pseudonymised,
    /// As it was seen; payload never.
    Full,
}

impl Level {
    /// The word for it, in the configuration and on events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Counts => "counts",
            Self::Pseudonymised => "pseudonymised",
            Self::Full => "full",
        }
    }
}

/// One rule of the configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct DisclosureRule {
    /// The datasets it is about, such as `network.dns`; a final `*` stands for anything. Any where missing.
    pub dataset: Option<String>,
    /// The zones it is about. Any where missing.
    pub zones: Option<Vec<Zone>>,
    /// How much of them leaves.
    pub level: Option<Level>,
    /// How much of addresses.
    pub addresses: Option<Level>,
    /// How much of names of machines and services.
    pub names: Option<Level>,
    /// How much of users in logs.
    pub users: Option<Level>,
    /// How much of the messages of programs, file names and command lines.
    pub messages: Option<Level>,
    /// How much of what is typed into URLs.
    pub queries: Option<Level>,
    /// How much of fields that Varde does not know.
    pub others: Option<Level>,
    /// Whether it leaves which rules and indicators matched: `full`, or not at all.
    pub matches: Option<Level>,
}

/// What is done with each group of fields of one dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// The whole.
    pub level: Level,
    /// Addresses and hardware addresses.
    pub addresses: Level,
    /// Names of machines, services, shares, certificates.
    pub names: Level,
    /// Users in logs, mail addresses.
    pub users: Level,
    /// Messages, file names, command lines.
    pub messages: Level,
    /// Queries of URLs.
    pub queries: Level,
    /// What is not declared.
    pub others: Level,
    /// Which rules and indicators matched.
    pub matches: Level,
}

/// All of it, for the zone of a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    zone: Zone,
    rules: Vec<DisclosureRule>,
}

impl Policy {
    /// Of these rules in this zone.
    #[must_use]
    pub fn new(zone: Zone, rules: &[DisclosureRule]) -> Self {
        let holds = |rule: &&DisclosureRule| rule.zones.as_ref().is_none_or(|zones| zones.contains(&zone));
        Self {
            zone,
            rules: rules.iter().filter(holds).cloned().collect(),
        }
    }

    /// Everything but payload, whatever the dataset: for looking at one's own captures.
    #[must_use]
    pub fn full() -> Self {
        let rule = DisclosureRule {
            level: Some(Level::Full),
            ..DisclosureRule::default()
        };
        Self::new(Zone::Administration, &[rule])
    }

    /// The zone it is for.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The patterns of datasets that rules name.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| rule.dataset.as_deref())
    }

    /// What is done with a dataset.
    #[must_use]
    pub fn treatment(&self, dataset: &str) -> Treatment {
        let rule = self.rules.iter().find(|rule| {
            let pattern = rule.dataset.as_deref();
            pattern.is_none_or(|pattern| fits(pattern, dataset))
        });
        let default = DisclosureRule::default();
        let rule = rule.unwrap_or(&default);
        let mut level = rule.level.unwrap_or(Level::Pseudonymised);
        if dataset.starts_with("varde.") {
            // The sensor's own words: without them nobody knows that it lives.
            level = level.max(Level::Pseudonymised);
        }
        let all = |otherwise| match level {
            Level::Full => Level::Full,
            Level::Pseudonymised => otherwise,
            Level::Counts | Level::Nothing => Level::Nothing,
        };
        // A person is named in a log because somebody logged on; schools and health do not let that out (R16).
        let users = match self.zone {
            Zone::School | Zone::Health => Level::Nothing,
            Zone::Administration | Zone::Guest | Zone::Ot | Zone::Dmz => Level::Pseudonymised,
        };
        Treatment {
            level,
            addresses: rule.addresses.unwrap_or(all(Level::Pseudonymised)),
            names: rule.names.unwrap_or(all(Level::Pseudonymised)),
            users: rule.users.unwrap_or(all(users)),
            messages: rule.messages.unwrap_or(all(Level::Nothing)),
            queries: rule.queries.unwrap_or(all(Level::Nothing)),
            others: rule.others.unwrap_or(all(Level::Nothing)),
            matches: whole(rule.matches.unwrap_or(all(Level::Full))),
        }
    }
}

impl Treatment {
    /// How much of a field of this class leaves; `None` is the class of what is not declared.
    #[must_use]
    pub fn of(&self, class: Option<Class>) -> Level {
        let Some(class) = class else {
            // What nobody knows can't be put under pseudonym.
            return if self.others == Level::Full {
                Level::Full
            } else {
                Level::Nothing
            };
        };
        match class {
            Class::Envelope | Class::Traffic => Level::Full,
            Class::Address | Class::Mac | Class::FlowId => self.addresses,
            Class::Host
            | Class::Machine
            | Class::Service
            | Class::Share
            | Class::Certificate
            | Class::Url => self.names,
            Class::Query => whole(self.queries),
            Class::User | Class::Mail => self.users,
            Class::PacketUser => Level::Nothing,
            // Machines' own words leave with the names that stand in them.
            Class::Text | Class::Word => self.names.min(self.addresses),
            Class::Message => self.messages,
            Class::Match => self.matches,
        }
    }

    /// Of two, for each group the one that lets less out.
    #[must_use]
    pub fn least(&self, other: &Self) -> Self {
        Self {
            level: self.level.min(other.level),
            addresses: self.addresses.min(other.addresses),
            names: self.names.min(other.names),
            users: self.users.min(other.users),
            messages: self.messages.min(other.messages),
            queries: self.queries.min(other.queries),
            others: self.others.min(other.others),
            matches: self.matches.min(other.matches),
        }
    }

    /// Whether events leave as they are, but for payload.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let groups = [
            self.addresses,
            self.names,
            self.users,
            self.messages,
            self.queries,
            self.others,
            self.matches,
        ];
        groups.iter().all(|level| *level == Level::Full)
    }

    /// The word on events: the least that was done.
    #[must_use]
    pub fn said(&self) -> Level {
        match self.level {
            Level::Full if !self.is_full() => Level::Pseudonymised,
            level => level,
        }
    }
}

/// What can't be put under pseudonym leaves whole or not at all.
fn whole(level: Level) -> Level {
    if level == Level::Full {
        Level::Full
    } else {
        Level::Nothing
    }
}

/// Whether a dataset is what a pattern says: itself, or anything that begins as what stands before a final `*`.
pub(super) fn fits(pattern: &str, dataset: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => dataset.starts_with(start),
        None => dataset == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<DisclosureRule> {
        serde_saphyr::from_str(text).expect("reads")
    }

    #[test]
    fn the_first_rule_that_fits_dataset_and_zone_holds() {
        let rules = rules(
            "- { dataset: network.dns, zones: [school], level: nothing }\n\
             - { dataset: \"network.*\", zones: [school, health], level: counts }\n\
             - { dataset: \"system.*\", messages: pseudonymised, users: full }\n\
             - { dataset: \"zeek.*\", level: full }\n",
        );
        for (zone, dataset, level, users, messages) in [
            (
                Zone::School,
                "network.dns",
                Level::Nothing,
                Level::Nothing,
                Level::Nothing,
            ),
            (
                Zone::School,
                "network.flow",
                Level::Counts,
                Level::Nothing,
                Level::Nothing,
            ),
            (
                Zone::Health,
                "network.dns",
                Level::Counts,
                Level::Nothing,
                Level::Nothing,
            ),
            (
                Zone::Administration,
                "network.dns",
                Level::Pseudonymised,
                Level::Pseudonymised,
                Level::Nothing,
            ),
            (Zone::School, "zeek.ssh", Level::Full, Level::Full, Level::Full),
            (
                Zone::School,
                "suricata.alert",
                Level::Pseudonymised,
                Level::Nothing,
                Level::Nothing,
            ),
            (
                Zone::Health,
                "system.auth",
                Level::Pseudonymised,
                Level::Full,
                Level::Pseudonymised,
            ),
        ] {
            let treatment = Policy::new(zone, &rules).treatment(dataset);
            assert_eq!(
                (treatment.level, treatment.users, treatment.messages),
                (level, users, messages),
                "{zone} {dataset}"
            );
        }
    }

    #[test]
    fn the_default_lets_no_user_of_a_packet_out_and_nothing_that_is_not_declared() {
        for zone in Zone::ALL {
            let treatment = Policy::new(*zone, &[]).treatment("network.flow");
            assert_eq!(treatment.of(None), Level::Nothing);
            assert_eq!(treatment.of(Some(Class::PacketUser)), Level::Nothing);
            assert_eq!(treatment.of(Some(Class::Query)), Level::Nothing);
            assert_eq!(treatment.of(Some(Class::Address)), Level::Pseudonymised);
            assert_eq!(treatment.of(Some(Class::Traffic)), Level::Full);
        }
        let full = Policy::full().treatment("network.flow");
        assert!(full.is_full());
        assert_eq!(full.of(Some(Class::PacketUser)), Level::Nothing);
    }

    #[test]
    fn no_rule_silences_the_sensor_itself() {
        let policy = Policy::new(Zone::School, &rules("- { level: nothing }"));
        assert_eq!(policy.treatment("network.flow").level, Level::Nothing);
        assert_eq!(policy.treatment("varde.canary").level, Level::Pseudonymised);
    }
}
