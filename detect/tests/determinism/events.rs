//! Rules, and made events as they lie on the bus.

use std::{fmt::Write as _, path::Path, sync::Arc};

use detect_engine::{Compiler, Ruleset};
use detect_rules::{SourceText, check};
use ingest_event::{Defaults, Event, OrganizationNumber, SensorId, Timestamp};

/// Groups by the local endpoint: kept where it is scanned.
const LOCAL: &str = "
title: Outbound Attempt
name: local_attempt
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0b001
status: test
logsource: { category: network, service: connection }
detection:
  selection: { network.direction: outbound, varde.flow.state: attempted }
  condition: selection
level: informational
---
title: Many Attempts of One Machine
name: local_attempts
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0b002
status: test
correlation:
  type: event_count
  rules: [local_attempt]
  group-by: [source.ip]
  timespan: 2m
  condition: { gte: 8 }
level: medium
---
title: Many Attempts at One Machine
name: attempts_at_one
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0b003
status: test
correlation:
  type: value_count
  rules: [local_attempt]
  group-by: [destination.ip]
  timespan: 3m
  condition: { field: source.ip, gte: 4 }
level: medium
";

/// Another rule, so that the ruleset is another one.
const OTHER: &str = "
title: Never
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0b009
status: test
logsource: { category: network, service: dns }
detection: { selection: { dns.question.name: never.example }, condition: selection }
level: low
";

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % (end.max(1) as u64)).expect("fits")
    }
}

pub(crate) fn seeds(few: u64, many: u64) -> Vec<u64> {
    match std::env::var("VARDE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => vec![seed],
        None if std::env::var_os("VARDE_LONG").is_some() => (0..many).collect(),
        None => (0..few).collect(),
    }
}

/// The bundled rules and correlations, and some of every place.
pub(crate) fn ruleset(is_other: bool) -> Arc<Ruleset> {
    let checked = check(&sources(is_other));
    let errors: Vec<_> = checked.diagnostics.iter().filter(|one| one.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiled"))
}

/// The same in a folder, for a detector of its own.
pub(crate) fn write_rules(folder: &Path) {
    std::fs::create_dir_all(folder).expect("made");
    for (number, source) in sources(false).iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yml")), &source.text).expect("written");
    }
}

fn sources(is_other: bool) -> Vec<SourceText> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets");
    let mut sources = vec![source("local.yml", LOCAL)];
    if is_other {
        sources.push(source("other.yml", OTHER));
    }
    for folder in ["sigma", "correlations", "anomaly"] {
        let Ok(files) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.expect("listed").path()).collect();
        files.sort();
        for path in files {
            let name = path.to_str().expect("a name").to_owned();
            if name.ends_with(".yml") && !name.ends_with(".test.yml") {
                sources.push(source(&name, &std::fs::read_to_string(&path).expect("read")));
            }
        }
    }
    sources
}

fn source(path: &str, text: &str) -> SourceText {
    SourceText {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// Events in the order of their time, as on the bus.
pub(crate) struct Happening {
    pub(crate) organization: OrganizationNumber,
    pub(crate) events: Vec<Happened>,
}

/// One event.
#[derive(Clone)]
pub(crate) struct Happened {
    /// The time that it has its place by.
    pub(crate) at: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn happened(event: &Event, key: Vec<u8>) -> Happened {
    let mut payload = Vec::new();
    ingest_event::encode(event, &mut payload);
    let began = event.timestamp.as_nanos();
    let ended = event.fields.text(ingest_event::field::EVENT_END);
    let ended = ended.and_then(|text| text.parse::<Timestamp>().ok());
    Happened {
        at: ended.map_or(began, |ended| ended.as_nanos().max(began)),
        key,
        payload,
    }
}

/// As a sensor makes it: of organisation and local endpoint, which is the source of what goes out.
fn key(event: &Event) -> Vec<u8> {
    let text = |name| event.fields.text(name).unwrap_or_default();
    let local = match text(ingest_event::field::NETWORK_DIRECTION) {
        "inbound" => text(ingest_event::field::DESTINATION_IP),
        _ => text(ingest_event::field::SOURCE_IP),
    };
    format!("{}/{local}", event.organization).into_bytes()
}

/// An organisation that most likely nobody else in a test has: its topic is empty.
pub(crate) fn organization(number: u64) -> OrganizationNumber {
    let mut random = Random::new(number);
    std::iter::from_fn(|| Some(format!("9{:08}", random.draw() % 100_000_000)))
        .find_map(|text| OrganizationNumber::parse(&text).ok())
        .expect("one of eleven is valid")
}

/// Flows of an hour, so many times as few: everyday ones, scans, sweeps, and attempts from inside, by both address families.
pub(crate) fn made(random: &mut Random, times: usize, organization: OrganizationNumber) -> Happening {
    let defaults = Defaults {
        organization,
        sensor: SensorId::parse("sensor-test-1").expect("valid"),
    };
    let begin = 1_772_438_400_000_i64;
    let mut lines = Vec::new();
    let inside = |number: usize, is_six: bool| match is_six {
        true => format!("2001:db8:20::{number:x}"),
        false => format!("10.20.0.{number}"),
    };
    let outside = |number: usize, is_six: bool| match is_six {
        true => format!("2001:db8:bad::{number:x}"),
        false => format!("203.0.113.{number}"),
    };
    let mut flow = |at: usize,
                    source: String,
                    destination: String,
                    port: usize,
                    state: &str,
                    direction: &str| {
        let (millis, number) = (begin + i64::try_from(at).expect("fits"), lines.len());
        let mut line = String::new();
        let end = Timestamp::from_millis(millis + i64::try_from(number % 7 * 900).expect("fits"));
        write!(
            line,
            r#"{{"@timestamp":"{}","event.end":"{end}","event.dataset":"network.flow","event.id":"made-{number}","source.ip":"{source}","source.port":40000,"destination.ip":"{destination}","destination.port":{port},"network.transport":"tcp","network.direction":"{direction}","varde.flow.state":"{state}"}}"#,
            Timestamp::from_millis(millis),
        )
        .expect("written");
        lines.push(line);
    };
    for _ in 0..(300 + random.below(500)) * times {
        let is_six = random.below(2) == 0;
        let at = random.below(3_600_000);
        let (source, destination) = (
            inside(1 + random.below(20), is_six),
            outside(1 + random.below(9), is_six),
        );
        let state = if random.below(3) == 0 {
            "attempted"
        } else {
            "established"
        };
        flow(at, source, destination, 443, state, "outbound");
    }
    for number in 0..(2 + random.below(4)) * times {
        let is_six = number % 2 == 0;
        let (from, pause) = (random.below(3_400_000), 200 + random.below(4_000));
        let one = 1 + random.below(20);
        let kind = random.below(3);
        for step in 0..20 + random.below(40) {
            let at = from + step * pause;
            match kind {
                // One machine's ports, one port of many machines, and from many inside at one outside.
                0 => flow(
                    at,
                    outside(100 + number, is_six),
                    inside(one, is_six),
                    1_000 + step,
                    "attempted",
                    "inbound",
                ),
                1 => flow(
                    at,
                    outside(120 + number, is_six),
                    inside(1 + step, is_six),
                    445,
                    "rejected",
                    "inbound",
                ),
                _ => flow(
                    at,
                    inside(1 + step % 7, is_six),
                    outside(140 + number, is_six),
                    22,
                    "attempted",
                    "outbound",
                ),
            }
        }
    }
    let mut events: Vec<Happened> = lines
        .iter()
        .map(|line| {
            let event = ingest_event::decode(line.as_bytes(), &defaults).expect("an event");
            happened(&event, key(&event))
        })
        .collect();
    events.sort_by_key(|event| event.at);
    Happening { organization, events }
}

/// What the benches measure with.
#[allow(
    dead_code,
    unreachable_pub,
    reason = "a file of the benches, which use the rest"
)]
#[path = "../../../benches/workload.rs"]
mod workload;

pub(crate) fn benign_day() -> Happening {
    let organization = OrganizationNumber::parse("964965226").expect("valid");
    let defaults = Defaults {
        organization,
        sensor: workload::sensor(),
    };
    let payloads = workload::benign_day(organization, 1, 50_000);
    let events = payloads.iter().map(|payload| {
        let event = ingest_event::decode(payload, &defaults).expect("an event");
        happened(&event, key(&event))
    });
    Happening {
        organization,
        events: events.collect(),
    }
}
