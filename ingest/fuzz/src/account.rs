//! What became of the bytes that a target took, and the way of an event to the bus.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};

use ingest::disclose::Disclosure;
use ingest::record::Record;
use ingest::site::keys::SiteKey;
use ingest::stamp::{self, EnvelopeTrust, SensorContext, SourceIdentity};
use ingest_event::codec::{self, Defaults};
use ingest_event::{Marking, OrganizationNumber, Purpose, RAW_BYTES_MAX, SensorId, Timestamp, Zone};

/// The clock of all targets.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_438_400_000);

/// Records for each byte of input, at most: more would be growth.
const RECORDS_PER_BYTE: usize = 8;

/// What was taken, and what was refused and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Events by dataset; what is no event, by what it is.
    pub taken: BTreeMap<String, u64>,
    /// Refusals by reason.
    pub refused: BTreeMap<String, u64>,
    /// Of every byte that would leave.
    pub digest: u64,
}

impl Account {
    /// Counts something that is no event.
    pub(crate) fn take(&mut self, kind: &str) {
        *self.taken.entry(kind.to_owned()).or_default() += 1;
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, reason: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
    }

    /// Of a result: `kind`, or the beginning of why not.
    pub(crate) fn result<T, E: std::fmt::Debug>(&mut self, kind: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                self.take(kind);
                Some(value)
            }
            Err(error) => {
                let told = format!("{error:?}");
                let name = told.split(|letter: char| !letter.is_alphanumeric()).next();
                self.refuse(name.unwrap_or_default());
                None
            }
        }
    }

    /// How many of both there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.taken.values().chain(self.refused.values()).sum()
    }

    /// The same without what addresses and times make different.
    pub(crate) fn counts(&self) -> (&BTreeMap<String, u64>, &BTreeMap<String, u64>) {
        (&self.taken, &self.refused)
    }

    pub(crate) fn is_bounded(&self, bytes: usize) {
        let most = 16 + RECORDS_PER_BYTE * bytes;
        assert!(self.records() <= most as u64, "{bytes} bytes became {self:?}");
    }
}

/// The way of records to the bus, as in a sensor.
pub(crate) struct Onward {
    disclosure: Disclosure,
    context: SensorContext,
    source: SourceIdentity,
    defaults: Defaults,
    hasher: DefaultHasher,
    sequence: u64,
    account: Account,
}

impl Onward {
    pub(crate) fn new() -> Option<Self> {
        let organization = OrganizationNumber::parse("964965226").ok()?;
        let sensor = SensorId::parse("sensor-vardedal-1").ok()?;
        let key = SiteKey::of(1, [7; 32]);
        let domains = ["vardedal.kommune.no".to_owned()];
        let home = home_networks();
        Some(Self {
            disclosure: Disclosure::new(Zone::Administration, &[], &key, &home, &domains),
            context: SensorContext {
                sensor: sensor.clone(),
                organization,
                zone: Zone::Administration,
                marking: Marking::Unmarked,
                purpose: Purpose::SecurityMonitoring,
                exercise: false,
                envelope: EnvelopeTrust::Own,
            },
            source: SourceIdentity {
                name: "fuzz".to_owned(),
                content: b"fuzz".to_vec(),
                path: Some("/var/log/fuzz".to_owned()),
            },
            defaults: Defaults { organization, sensor },
            hasher: DefaultHasher::new(),
            sequence: 0,
            account: Account::default(),
        })
    }

    pub(crate) fn account(&mut self) -> &mut Account {
        &mut self.account
    }

    /// Takes a record as far as the bus.
    pub(crate) fn take(&mut self, record: Record) {
        self.sequence += 1;
        match record {
            Record::Event(mut draft) => {
                let dataset = draft.dataset.to_string();
                stamp::locate(&mut draft, &self.source);
                self.disclosure.apply(&mut draft);
                let event = stamp::stamp(&self.context, &self.source, draft, self.sequence, NOW);
                let mut wire = Vec::new();
                codec::encode(&event, &mut wire);
                match codec::decode(&wire, &self.defaults) {
                    Ok(read) => {
                        let mut again = Vec::new();
                        codec::encode(&read, &mut again);
                        assert!(
                            wire == again,
                            "an event is read as another: {} and {}",
                            String::from_utf8_lossy(&wire),
                            String::from_utf8_lossy(&again)
                        );
                    }
                    Err(error) => {
                        let text = String::from_utf8_lossy(&wire).into_owned();
                        assert!(wire.is_empty(), "an event is not read again ({error}): {text}");
                    }
                }
                self.hasher.write(&wire);
                self.account.take(&dataset);
            }
            Record::Refused(refusal) => {
                assert!(
                    refusal.raw.len() <= RAW_BYTES_MAX,
                    "more is kept than is room for"
                );
                assert!(refusal.raw.len() as u64 <= refusal.raw_bytes, "less than is kept");
                let reason = refusal.reason.as_str();
                let put = stamp::put_aside(&self.context, &self.source, refusal, NOW, &[7; 32]);
                let told = serde_json::to_vec(&put.told).unwrap_or_default();
                assert!(!told.is_empty(), "a refusal is told");
                self.hasher.write(&told);
                self.account.refuse(reason);
            }
        }
    }

    pub(crate) fn end(mut self) -> Account {
        self.account.digest = self.hasher.finish();
        self.account
    }
}

/// Those of [`crate::conversation`]'s clients.
pub(crate) fn home_networks<N: std::str::FromStr>() -> Vec<N> {
    let texts = ["10.0.0.0/8", "2020::/16"];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
