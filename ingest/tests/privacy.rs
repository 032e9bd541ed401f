//! What leaves the building, looked for in the bytes: worlds of made-up machines and people seen by every source, through
//! the whole sensor; and, where they are at hand, all captures of others, event by event.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;
#[path = "capture/others.rs"]
mod others;
#[path = "privacy/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ingest::disclose::Disclosure;
use ingest::disclose::policy::{DisclosureRule, Level};
use ingest::export::{Collector, draft};
use ingest::record::Record;
use ingest::site::keys::{self, SiteKey};
use ingest::{agent, clock::Clock, config};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;
use ingest_event::{Fields, Timestamp, Zone, field};
use tokio_util::sync::CancellationToken;
use world::{DOMAIN, Dice, Machine, eve, netflow, pcap, syslog, zeek};

/// Runs the sensor over files of all sources in a folder; what is on the bus, by topic, and every byte that it wrote there.
async fn run(folder: &Path, machines: &[Machine]) -> (BTreeMap<&'static str, Vec<Fields>>, Vec<u8>) {
    let text = |of: fn(&Machine) -> String| machines.iter().map(of).collect::<String>();
    let inputs = [
        ("eve.json", text(eve).into_bytes()),
        ("zeek.json", text(zeek).into_bytes()),
        ("messages", text(syslog).into_bytes()),
        ("wire.pcap", pcap(machines)),
        ("generic.json", machines.iter().map(|machine| format!("{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"who\":\"{}\",\"{}\":1,\"event.dataset\":\"{}\"}}\n", machine.user, machine.host, machine.four)).collect::<String>().into_bytes()),
    ];
    let mut sources = String::new();
    for (name, bytes) in inputs {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        sources += &format!("  - file: {{ path: {}, year: 2026 }}\n", path.display());
    }
    let root = folder.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [10.0.0.0/8, \"fd00::/8\"]\nhome_domains: [{DOMAIN}]\n\
         state: {root}/state\nbus: {{ embedded: {{ directory: {root}/bus }} }}\nexit_when_done: true\nsources:\n{sources}"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let summary = agent::run(config, bus, Clock::System, CancellationToken::new())
        .await
        .expect("runs");
    assert_eq!(
        summary.records_refused,
        machines.len() as u64,
        "one line of each machine"
    );
    let mut seen = BTreeMap::new();
    for topic in ["varde.events.964965226", "varde.quarantine.964965226"] {
        seen.insert(topic, published(folder, topic).await);
    }
    // Held open, or SQLite tidies its files up while they are read.
    let _held = Bus::open(&BusConfig::Embedded {
        directory: folder.join("bus"),
    })
    .await
    .unwrap();
    let mut bytes = Vec::new();
    for place in ["bus", "state"] {
        for entry in fs::read_dir(folder.join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                bytes.extend(fs::read(path).unwrap_or_default());
            }
        }
    }
    (seen, bytes)
}

async fn published(folder: &Path, topic: &str) -> Vec<Fields> {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: folder.join("bus"),
    })
    .await
    .unwrap();
    let topic = Topic::parse(topic).unwrap();
    let wanted: u64 = bus
        .end_positions(&topic)
        .await
        .unwrap()
        .iter()
        .map(|end| end.offset)
        .sum();
    let mut consumer = bus.consumer("test", Subscription::Topics(vec![topic])).unwrap();
    let mut seen = Vec::new();
    while (seen.len() as u64) < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let batch = consumer.poll(limit).await.unwrap();
        seen.extend(
            batch
                .deliveries
                .iter()
                .map(|delivery| flatten(&delivery.record.value).unwrap()),
        );
    }
    seen
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).enumerate().any(|(at, part)| {
        let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let is_alone = !is_digit(at.checked_sub(1)) && !is_digit(Some(at + secret.len()));
        is_alone && part.eq_ignore_ascii_case(secret.as_bytes())
    })
}

#[tokio::test]
async fn no_address_name_or_user_of_a_world_is_in_the_bytes_that_leave() {
    for seed in 0..3 {
        let mut dice = Dice(seed);
        let machines: Vec<Machine> = (0..4).map(|_| Machine::roll(&mut dice)).collect();
        let folder = tempfile::tempdir().unwrap();
        let (seen, bytes) = run(folder.path(), &machines).await;
        assert!(20 * machines.len() < seen["varde.events.964965226"].len());
        for machine in &machines {
            for secret in machine.secrets() {
                assert!(
                    !holds(&bytes, &secret),
                    "seed {seed}: {secret} is on the bus or in the spool"
                );
            }
        }
        let inputs: Vec<u8> = ["eve.json", "zeek.json", "messages"]
            .iter()
            .flat_map(|name| fs::read(folder.path().join(name)).unwrap())
            .collect();
        assert!(
            holds(&inputs, &machines[0].four.to_string()),
            "the search finds what is there"
        );
        same_in_all_sources(folder.path(), &machines, &seen["varde.events.964965226"]);
    }
}

/// The values of a field of events that a test picks out.
fn values(events: &[Fields], name: &str, pick: impl Fn(&Fields) -> bool) -> Vec<String> {
    let texts = events
        .iter()
        .filter(|event| pick(event))
        .filter_map(|event| event.text(name));
    texts.map(str::to_owned).collect()
}

/// One machine has one pseudonym in Suricata's, Zeek's, the wire's, the exporter's and the log's events.
fn same_in_all_sources(folder: &Path, machines: &[Machine], events: &[Fields]) {
    let from = |module: Option<&'static str>, dataset: &'static str| {
        move |event: &Fields| {
            event.text("event.module") == module && event.text("event.dataset") == Some(dataset)
        }
    };
    let set = |values: Vec<String>| -> BTreeSet<String> { values.into_iter().collect() };
    let is_inside = |text: &String| text.starts_with("10.") || text.starts_with("fd");
    let flows = |module| {
        let all = set(values(events, field::SOURCE_IP, from(module, "network.flow")));
        all.into_iter().filter(is_inside).collect::<BTreeSet<_>>()
    };
    let wire = flows(None);
    assert_eq!(wire.len(), 2 * machines.len(), "{wire:?}");
    assert_eq!(wire, flows(Some("suricata")));
    assert_eq!(wire, flows(Some("zeek")));
    assert_eq!(
        wire,
        set(values(
            events,
            field::SOURCE_IP,
            from(Some("system"), "system.auth")
        ))
    );
    // The exporter's, by the same key.
    let state = folder.join("state");
    let key = keys::read(&state).unwrap().pop().unwrap();
    let mut disclosure = disclosure(&key, &[]);
    let mut exported = BTreeSet::new();
    for machine in machines {
        let mut take = |origin: &_, record: &_| {
            let mut draft = draft(origin, record, &[]);
            disclosure.apply(&mut draft);
            exported.insert(draft.fields.text(field::SOURCE_IP).unwrap().to_owned());
        };
        let from = "192.0.2.1".parse().unwrap();
        let now = Timestamp::from_millis(1_772_439_300_000);
        Collector::new()
            .collect(from, &netflow(machine.four), now, &mut take)
            .expect("one flow");
    }
    let fours: BTreeSet<String> = wire
        .iter()
        .filter(|text| text.starts_with("10."))
        .cloned()
        .collect();
    assert_eq!(exported, fours);
    // Names: asked for, on the wire and by Zeek, called by themselves in logs and in leases.
    let label = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    let hosts = set(values(
        events,
        field::HOST_NAME,
        from(Some("system"), "system.auth"),
    ));
    assert_eq!(hosts.len(), machines.len());
    assert_eq!(
        hosts,
        set(values(events, field::HOST_NAME, from(Some("zeek"), "zeek.dhcp")))
    );
    for module in [None, Some("suricata"), Some("zeek")] {
        let asked = values(events, field::DNS_QUESTION_NAME, from(module, "network.dns"));
        let asked: BTreeSet<String> = asked
            .iter()
            .filter(|name| name.ends_with(DOMAIN))
            .map(label)
            .collect();
        assert_eq!(hosts, asked, "{module:?}");
    }
    let users = set(values(
        events,
        field::USER_NAME,
        from(Some("system"), "system.auth"),
    ));
    assert_eq!(users.len(), machines.len());
    assert_eq!(
        users,
        set(values(events, field::USER_NAME, from(Some("zeek"), "zeek.ntlm")))
    );
    assert_eq!(
        users,
        set(values(events, field::USER_NAME, from(Some("zeek"), "zeek.rdp")))
    );
    // The flow's id is one in all sources, and the one of its addresses as they leave.
    let ids = |module| {
        set(values(
            events,
            field::NETWORK_COMMUNITY_ID,
            from(module, "network.flow"),
        ))
    };
    assert!(
        ids(Some("suricata")).iter().all(|id| id.len() == 30),
        "{:?}",
        ids(Some("suricata"))
    );
}

fn disclosure(key: &SiteKey, rules: &[DisclosureRule]) -> Disclosure {
    Disclosure::new(Zone::Administration, rules, key, &[], &[])
}

/// What looks like an address of a private network in a text, by another way than the sensor's.
fn private(text: &str) -> BTreeSet<IpAddr> {
    let is_part = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, '.' | ':');
    let parts = text
        .split(|letter| !is_part(letter))
        .map(|part| part.trim_end_matches(['.', ':']));
    let addresses = parts
        .filter_map(|part| part.parse::<IpAddr>().ok())
        .map(|address| address.to_canonical());
    addresses
        .filter(|address| match address {
            IpAddr::V4(four) => four.is_private() || four.is_link_local(),
            IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
        })
        .collect()
}

/// In all captures of others: each address of a private network that leaves is the pseudonym of one that was seen in the
/// same event, and no name of a user leaves.
#[test]
fn of_captures_only_pseudonyms_of_what_was_seen_leave() {
    let Some(root) = others::folder() else { return };
    let key = SiteKey::of(1, [7; 32]);
    let mut disclosure = disclosure(&key, &[]);
    let (mut events, mut hidden) = (0, 0);
    for path in lab::captures_under(&root) {
        for record in lab::try_read(&fs::read(&path).unwrap()[..]) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            let clear = serde_json::to_string(&draft.fields).unwrap();
            let users: Vec<String> = [
                "kerberos.client.name",
                "ldap.bind.name",
                "ntlm.user.name",
                "rdp.cookie",
            ]
            .iter()
            .filter_map(|name| draft.fields.text(name).map(str::to_owned))
            .collect();
            disclosure.apply(&mut draft);
            events += 1;
            let left = serde_json::to_string(&draft.fields).unwrap();
            let seen = private(&clear);
            let made: BTreeSet<IpAddr> = seen
                .iter()
                .map(|address| pseudonym(&mut disclosure, *address))
                .collect();
            for address in private(&left) {
                assert!(
                    made.contains(&address),
                    "{}: {address} left, of {clear} as {left}",
                    path.display()
                );
                hidden += 1;
            }
            for user in users.iter().filter(|user| 3 < user.len()) {
                let there = draft
                    .fields
                    .iter()
                    .find(|(_, value)| value.as_str() == Some(user));
                assert_eq!(there, None, "{}", path.display());
            }
        }
    }
    println!("{hidden} pseudonyms in {events} events");
    assert!(1_000 < hidden && 1_000 < events);
}

fn pseudonym(disclosure: &mut Disclosure, address: IpAddr) -> IpAddr {
    let mut draft = ingest::record::Draft {
        timestamp: Timestamp::EPOCH,
        dataset: "network.flow".into(),
        trusted: None,
        fields: Fields::new(),
        position: 1,
        ordinal: 0,
    };
    draft.fields.set(field::SOURCE_IP, address.to_string());
    disclosure.apply(&mut draft);
    draft.fields.text(field::SOURCE_IP).unwrap().parse().unwrap()
}

#[test]
fn the_same_input_leaves_as_the_same_bytes_and_another_key_gives_others() {
    let machines = [Machine::roll(&mut Dice(7))];
    let bytes = |key: &SiteKey, level| {
        let rule = DisclosureRule {
            level: Some(level),
            ..DisclosureRule::default()
        };
        let mut disclosure = disclosure(key, &[rule]);
        let mut out = String::new();
        for record in lab::try_read(&pcap(&machines)[..]) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            disclosure.apply(&mut draft);
            out += &serde_json::to_string(&draft.fields).unwrap();
        }
        out
    };
    let (one, other) = (SiteKey::of(1, [1; 32]), SiteKey::of(1, [2; 32]));
    assert_eq!(
        bytes(&one, Level::Pseudonymised),
        bytes(&one, Level::Pseudonymised)
    );
    assert_ne!(
        bytes(&one, Level::Pseudonymised),
        bytes(&other, Level::Pseudonymised)
    );
    assert!(bytes(&one, Level::Full).contains(&machines[0].host));
    let counts = bytes(&one, Level::Counts);
    for secret in ["10.", "fd", "h-", "203.0.113", "2001:db8", DOMAIN] {
        assert!(!counts.contains(&format!("\"{secret}")), "{secret} in {counts}");
    }
}
