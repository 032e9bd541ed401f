//! What leaves the building, field by field: the configured disclosure, applied to an example of each declared field.
//!
//! What is printed is what the sensor does: each example goes through [`Disclosure::apply`].

use std::io::{self, Write};

use ingest_event::field::{Class, DECLARED, OTHERS, class};
use ingest_event::{Fields, Timestamp, field};

use super::Disclosure;
use super::policy::{Level, Treatment};
use crate::record::Draft;

/// Datasets that readers make, and what the names of their own fields begin with; all have what [`COMMON`] names.
const DATASETS: [(&str, &[&str]); 17] = [
    ("network.flow", &["icmp.", "zeek.conn."]),
    ("network.dns", &["dns."]),
    ("network.tls", &["tls.", "varde.quic."]),
    ("network.http", &["http.", "url.", "user_agent."]),
    ("network.ssh", &["ssh."]),
    ("network.kerberos", &["kerberos."]),
    ("network.ldap", &["ldap.", "ntlm."]),
    ("network.smb", &["smb.", "ntlm."]),
    ("network.rdp", &["rdp.", "ntlm."]),
    ("network.smtp", &["smtp."]),
    ("network.dhcp", &["dhcp."]),
    ("system.auth", &["host.", "log.", "message", "process.", "user."]),
    (
        "system.syslog",
        &["host.", "log.", "message", "process.", "user."],
    ),
    (
        "suricata.alert",
        &[
            "suricata.",
            "dns.",
            "email.",
            "file.",
            "http.",
            "tls.",
            "url.",
            "user_agent.",
        ],
    ),
    ("zeek.notice", &["zeek.notice.", "message"]),
    ("zeek.files", &["file.", "tls."]),
    ("generic", &[""]),
];

/// What the fields begin with that an event of any dataset may have.
const COMMON: [&str; 6] = [
    "destination.",
    "event.",
    "log.file.",
    "network.",
    "source.",
    "varde.",
];

/// One field of one dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub field: &'static str,
    /// What it tells.
    pub class: Class,
    /// What is done with it.
    pub done: &'static str,
    /// As it is seen.
    pub seen: &'static str,
    /// As it leaves; `None` if it does not.
    pub leaves: Option<String>,
}

/// One dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Its name.
    pub dataset: String,
    /// How much of it leaves.
    pub level: Level,
    /// What is done with fields that are not declared.
    pub others: &'static str,
    /// Its declared fields by name.
    pub rows: Vec<Row>,
}

/// What leaves of each dataset, and of those that the configuration names.
#[must_use]
pub fn overview(disclosure: &mut Disclosure) -> Vec<Overview> {
    let mut datasets: Vec<(String, &[&str])> = DATASETS
        .iter()
        .map(|(dataset, own)| ((*dataset).to_owned(), *own))
        .collect();
    for pattern in disclosure.policy().datasets() {
        let name = pattern.replace('*', "…");
        let is_there = |(dataset, _): &(String, &[&str])| *dataset == name;
        if !pattern.ends_with('*') && !datasets.iter().any(is_there) {
            datasets.push((name, &[""]));
        }
    }
    datasets
        .into_iter()
        .map(|(dataset, own)| of_dataset(disclosure, dataset, own))
        .collect()
}

fn of_dataset(disclosure: &mut Disclosure, dataset: String, own: &[&str]) -> Overview {
    let treatment = disclosure.policy().treatment(&dataset);
    let mut names: Vec<&'static str> = DECLARED
        .iter()
        .chain(OTHERS)
        .map(|(name, _)| *name)
        .filter(|name| COMMON.iter().chain(own).any(|start| name.starts_with(start)))
        .filter(|name| !field::ENVELOPE.contains(name))
        .filter(|name| ![field::VARDE_DISCLOSURE, field::VARDE_PSEUDONYM_KEY].contains(name))
        .collect();
    names.sort_unstable();
    let rows = names.into_iter().filter_map(|name| {
        let class = class(name)?;
        let seen = example(name, class);
        let mut fields = Fields::new();
        fields.set(name, seen);
        if name == field::MESSAGE && dataset == "system.auth" {
            // Whose words they are decides whether they are understood.
            fields.set("process.name", "sshd");
        }
        let mut draft = Draft {
            timestamp: Timestamp::EPOCH,
            dataset: dataset.clone().into(),
            // As files of its own kind have it.
            trusted: None,
            fields,
            position: 1,
            ordinal: 0,
        };
        let disclosed = disclosure.apply(&mut draft);
        let leaves = draft.fields.get(name).map(ToString::to_string);
        Some(Row {
            field: name,
            class,
            done: done(&treatment, class, leaves.is_some()),
            seen,
            leaves: leaves.filter(|_| disclosed.level != Level::Nothing),
        })
    });
    let rows = rows.collect();
    let others = match treatment.of(None) {
        Level::Full => "leave as they are, but for payload",
        Level::Pseudonymised | Level::Counts | Level::Nothing => "do not leave, and are counted",
    };
    Overview {
        dataset,
        level: treatment.said(),
        others,
        rows,
    }
}

fn done(treatment: &Treatment, class: Class, leaves: bool) -> &'static str {
    if treatment.level == Level::Nothing {
        return "withheld";
    }
    match (treatment.of(Some(class)), class) {
        (Level::Full, _) => "as it is",
        (Level::Pseudonymised, Class::Address | Class::Host | Class::Url | Class::Certificate) => {
            "ours under pseudonym"
        }
        (Level::Pseudonymised, Class::FlowId) => "computed from the pseudonyms",
        (Level::Pseudonymised, Class::Word) => "words that no machine has under pseudonym",
        (Level::Pseudonymised, Class::Text | Class::Message) => "what looks like ours under pseudonym",
        (Level::Pseudonymised, _) => "under pseudonym",
        (Level::Counts | Level::Nothing, Class::Message) if leaves => {
            "withheld, but for logins: under pseudonym"
        }
        (Level::Counts | Level::Nothing, _) => "withheld",
    }
}

/// A made-up value as sources have it.
fn example(name: &str, class: Class) -> &'static str {
    match name {
        field::DESTINATION_IP | field::DNS_RESOLVED_IP => return "203.0.113.9",
        field::VARDE_TUNNEL_SOURCE_IP => return "fd00:20::15",
        field::TLS_SERVER_SHA1
        | field::TLS_SERVER_SHA256
        | field::TLS_SERVER_X509_SERIAL
        | "file.x509.serial_number" => {
            return "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
        }
        field::URL_PATH => return "/users/kari/plan",
        field::MESSAGE => return "Failed password for kari from 10.20.0.15 port 50022 ssh2",
        field::LOG_FILE_PATH => return "/var/log/auth.log",
        field::VARDE_MATCHED => return "indicator:domain:bad.example@dns.question.name",
        field::USER_AGENT => return "Mozilla/5.0 (Windows NT 10.0)",
        field::NETWORK_COMMUNITY_ID => return "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        _ => {}
    }
    match class {
        Class::Envelope => "",
        Class::Traffic => "7",
        Class::FlowId => "1:",
        Class::Address => "10.20.0.15",
        Class::Mac => "00:1b:21:3a:4f:05",
        Class::Host => "intranet.local",
        Class::Machine => "PC-KARI",
        Class::Service => "cifs/files.local",
        Class::Share => r"\\files\kari$",
        Class::Certificate => "CN=intranet.local, O=Vardedal",
        Class::Url => "http://intranet.local/plan?q=kari",
        Class::Query => "q=kari",
        Class::User | Class::PacketUser => "kari",
        Class::Mail => "kari@example.org",
        Class::Word => "sshd",
        Class::Text => "probe 1.2 at 10.20.0.15",
        Class::Message => "kari said hello",
        Class::Match => "rule:1",
    }
}

/// Writes it for a person, those datasets that begin so.
///
/// # Errors
/// If `out` can't be written.
pub fn write(disclosure: &mut Disclosure, start: &str, out: &mut dyn Write) -> io::Result<()> {
    let zone = disclosure.policy().zone();
    for overview in overview(disclosure) {
        if !overview.dataset.starts_with(start) {
            continue;
        }
        writeln!(
            out,
            "{} in zone {zone}: {}",
            overview.dataset,
            overview.level.as_str()
        )?;
        let width = overview.rows.iter().map(|row| row.field.len()).max().unwrap_or(0);
        for row in &overview.rows {
            let leaves = match &row.leaves {
                None => String::new(),
                Some(leaves) if *leaves == row.seen => format!(": {leaves}"),
                Some(leaves) => format!(": {} → {leaves}", row.seen),
            };
            writeln!(
                out,
                "  {:width$}  {}: {}{leaves}",
                row.field,
                row.class.as_str(),
                row.done
            )?;
        }
        writeln!(out, "  {:width$}  {}\n", "any other field", overview.others)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ingest_event::Zone;

    use super::*;
    use crate::site::keys::SiteKey;

    fn overview_of(rules: &str) -> Vec<Overview> {
        let rules: Vec<_> = serde_saphyr::from_str(rules).expect("reads");
        let mut disclosure = Disclosure::new(Zone::School, &rules, &SiteKey::of(1, [7; 32]), &[], &[]);
        overview(&mut disclosure)
    }

    #[test]
    fn every_declared_field_is_in_it_with_what_is_done() {
        let all = overview_of("[]");
        let generic = all.iter().find(|one| one.dataset == "generic").expect("there");
        for (name, _) in DECLARED.iter().chain(OTHERS) {
            let is_shown = generic.rows.iter().any(|row| row.field == *name);
            let is_own = field::ENVELOPE.contains(name)
                || [field::VARDE_DISCLOSURE, field::VARDE_PSEUDONYM_KEY].contains(name);
            assert_ne!(is_shown, is_own, "{name}");
        }
        for overview in &all {
            for row in &overview.rows {
                let told = format!("{} {row:?}", overview.dataset);
                match row.done {
                    "as it is" => assert_eq!(row.leaves.as_deref(), Some(row.seen), "{told}"),
                    "withheld" => assert_eq!(row.leaves, None, "{told}"),
                    _ => {}
                }
                for secret in ["kari", "10.20.0.15", "intranet", "3a:4f:05"] {
                    let leaves = row.leaves.as_deref().unwrap_or_default().to_lowercase();
                    assert!(!leaves.contains(secret), "{told}");
                }
            }
        }
    }

    #[test]
    fn what_the_configuration_says_is_what_is_told() {
        let all = overview_of(
            "- { dataset: network.dns, level: nothing }\n- { dataset: network.flow, level: full }\n- { dataset: my.log, others: full }",
        );
        for (dataset, level, name, expected) in [
            ("network.dns", Level::Nothing, "dns.question.type", None),
            ("network.flow", Level::Full, "source.ip", Some("10.20.0.15")),
            ("my.log", Level::Pseudonymised, "event.code", Some("7")),
        ] {
            let found = all.iter().find(|one| one.dataset == dataset).expect(dataset);
            let row = found.rows.iter().find(|row| row.field == name).expect(name);
            assert_eq!(
                (found.level, row.leaves.as_deref()),
                (level, expected),
                "{dataset}"
            );
        }
        let others = |dataset| {
            all.iter()
                .find(|one| one.dataset == dataset)
                .expect("there")
                .others
        };
        assert_ne!(others("my.log"), others("generic"));
    }
}
