//! The newest bundle of each audience, and the parts that these name, from `varde.control`.
//!
//! The gateway can't sign and believes nobody: a manifest has to be signed by a key of `bundles.pub`, stand under its
//! audience's key and have all its parts, and a part has to be what its name says. The sensor looks at all of it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Bytes;
use ingest_bus::{Bus, PollError, Position, Topic};
use ingest_trust::Subject;
use ingest_trust::manifest::{self, Manifest};
use ingest_trust::signing::VerifyingKey;

/// Where manifests stand in the topic.
const MANIFESTS: &[u8] = b"bundle/";

/// Where parts stand; the digest follows.
pub const PARTS: &str = "part/";

/// Bytes of all parts that are kept: two of the largest bundles.
const PART_BYTES_MAX: usize = 512 << 20;

/// Parts that are asked for by name; beyond, the whole topic is read once and the others are left.
const NAMED_MAX: usize = 64;

/// What the topic says.
#[derive(Debug)]
pub struct Bundles {
    topic: Topic,
    keys: Vec<VerifyingKey>,
    seen: RwLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ends: Option<Vec<Position>>,
    offers: Vec<Arc<Offer>>,
    parts: BTreeMap<String, Bytes>,
}

/// A bundle that is complete.
#[derive(Debug)]
pub struct Offer {
    manifest: Manifest,
    /// As it was signed.
    pub envelope: Bytes,
    /// Of the envelope, for `ETag`.
    pub digest: String,
    parts: BTreeSet<String>,
}

/// What could not be used at a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    /// Manifests that are none, or incomplete.
    pub bundles: u64,
    /// Parts that are not what they are called.
    pub parts: u64,
}

impl Bundles {
    /// None yet; those count that one of `keys` signed.
    #[must_use]
    pub fn new(topic: Topic, keys: Vec<VerifyingKey>) -> Self {
        Self {
            topic,
            keys,
            seen: RwLock::default(),
        }
    }

    /// Looks at the topic, if it has anything new.
    ///
    /// # Errors
    /// The bus's; what was known before stays.
    pub async fn look(&self, bus: &Bus) -> Result<Unusable, PollError> {
        let ends = bus.end_positions(&self.topic).await?;
        let held = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if seen.ends.as_ref() == Some(&ends) {
                return Ok(Unusable::default());
            }
            seen.parts.clone()
        };
        let mut unusable = Unusable::default();
        let records = bus.latest(&self.topic, &[MANIFESTS.to_vec()]).await?;
        let mut offers = Vec::new();
        for (key, record) in records {
            match offer(&key, record.value, &self.keys) {
                Some(offer) => offers.push(offer),
                None => unusable.bundles += 1,
            }
        }
        let named: BTreeSet<&String> = offers.iter().flat_map(|offer| &offer.parts).collect();
        let mut there: BTreeMap<String, Bytes> = held
            .into_iter()
            .filter(|(name, _)| named.contains(name))
            .collect();
        let missing: BTreeSet<&str> = named
            .iter()
            .filter(|name| !there.contains_key(name.as_str()))
            .map(|name| name.as_str())
            .collect();
        let found = self.fetch(bus, &missing, &mut unusable).await?;
        there.extend(found);
        let parts = kept(&mut offers, &there, PART_BYTES_MAX, &mut unusable);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Seen {
            ends: Some(ends),
            offers: offers.into_iter().map(Arc::new).collect(),
            parts,
        };
        Ok(unusable)
    }

    async fn fetch(
        &self,
        bus: &Bus,
        missing: &BTreeSet<&str>,
        unusable: &mut Unusable,
    ) -> Result<Vec<(String, Bytes)>, PollError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let starts: Vec<Vec<u8>> = if missing.len() <= NAMED_MAX {
            let names = missing.iter().map(|name| format!("{PARTS}{name}").into_bytes());
            names.collect()
        } else {
            vec![PARTS.as_bytes().to_vec()]
        };
        let mut found = Vec::new();
        for (key, record) in bus.latest(&self.topic, &starts).await? {
            let name = str::from_utf8(&key)
                .ok()
                .and_then(|key| key.strip_prefix(PARTS))
                .filter(|name| missing.contains(name));
            let Some(name) = name else { continue };
            if record.value.len() <= manifest::PART_BYTES && manifest::digest(&record.value) == name {
                found.push((name.to_owned(), Bytes::from(record.value)));
            } else {
                unusable.parts += 1;
            }
        }
        Ok(found)
    }

    /// The newest bundle for a sensor.
    #[must_use]
    pub fn newest(&self, subject: &Subject) -> Option<Arc<Offer>> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.offers
            .iter()
            .filter(|offer| offer.is_for(subject))
            .max_by_key(|offer| offer.manifest.version)
            .cloned()
    }

    /// A part of any bundle that is for a sensor.
    #[must_use]
    pub fn part(&self, subject: &Subject, name: &str) -> Option<Bytes> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let is_theirs = seen
            .offers
            .iter()
            .any(|offer| offer.is_for(subject) && offer.parts.contains(name));
        is_theirs.then(|| seen.parts.get(name).cloned()).flatten()
    }
}

impl Offer {
    fn is_for(&self, subject: &Subject) -> bool {
        self.manifest.audience.has(subject.organization, &subject.sensor)
    }
}

/// Keeps the bundles that are complete and find room, the newest first; gives their parts.
fn kept(
    offers: &mut Vec<Offer>,
    there: &BTreeMap<String, Bytes>,
    mut room: usize,
    unusable: &mut Unusable,
) -> BTreeMap<String, Bytes> {
    let mut parts = BTreeMap::new();
    offers.sort_by_key(|offer| std::cmp::Reverse(offer.manifest.version));
    offers.retain(|offer| {
        let new = offer.parts.iter().filter(|name| !parts.contains_key(*name));
        let new: Option<Vec<(String, Bytes)>> = new
            .map(|name| Some((name.clone(), there.get(name)?.clone())))
            .collect();
        let taken = new.and_then(|new| {
            let bytes = new.iter().map(|(_, part)| part.len()).sum();
            room = room.checked_sub(bytes)?;
            parts.extend(new);
            Some(())
        });
        unusable.bundles += u64::from(taken.is_none());
        taken.is_some()
    });
    parts
}

fn offer(key: &[u8], envelope: Vec<u8>, keys: &[VerifyingKey]) -> Option<Offer> {
    let manifest = Manifest::open(&envelope, keys).ok()?;
    if manifest.audience.key().as_bytes() != key {
        return None;
    }
    let parts = manifest
        .files
        .iter()
        .flat_map(|file| &file.parts)
        .cloned()
        .collect();
    Some(Offer {
        digest: manifest::digest(&envelope),
        envelope: Bytes::from(envelope),
        parts,
        manifest,
    })
}

#[cfg(test)]
mod tests {
    use ingest_bus::{BusConfig, Producer, Record};
    use ingest_event::{OrganizationNumber, SensorId, Timestamp};
    use ingest_trust::Audience;
    use ingest_trust::manifest::{FORMAT, File};
    use ingest_trust::signing::SigningKey;

    use super::*;

    fn whose(number: &str) -> Subject {
        Subject {
            organization: OrganizationNumber::parse(number).expect("valid"),
            sensor: SensorId::parse("s1").expect("valid"),
        }
    }

    /// Publishes a bundle of one file and gives its part's name; `spoil` may change what is published.
    async fn publish(
        (producer, topic, key): (&Producer, &Topic, &SigningKey),
        audience: Audience,
        version: u64,
        text: &str,
        spoil: impl FnOnce(&mut Vec<Record>),
    ) -> String {
        let (file, parts) = File::of("configuration.yml", text.as_bytes());
        let name = file.parts[0].clone();
        let manifest = Manifest {
            format: FORMAT,
            version,
            audience,
            issued: Timestamp::EPOCH,
            program: None,
            keys: Vec::new(),
            files: vec![file],
        };
        let envelope = manifest.seal(key).expect("sealed").to_bytes();
        let mut records = vec![
            Record::new(parts[0].clone()).with_key(format!("{PARTS}{name}")),
            Record::new(envelope).with_key(manifest.audience.key()),
        ];
        spoil(&mut records);
        producer.publish(topic, records).await.expect("durable");
        name
    }

    #[tokio::test]
    async fn each_sensor_gets_the_newest_that_is_for_it_and_no_others_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().join("bus");
        let bus = Bus::open(&BusConfig::Embedded { directory })
            .await
            .expect("a bus");
        let spec = crate::topics::control().expect("a topic");
        bus.ensure_topics(std::slice::from_ref(&spec))
            .await
            .expect("made");
        let (producer, topic) = (bus.producer().expect("a producer"), spec.topic.clone());
        let (key, other) = (
            SigningKey::generate().expect("a key"),
            SigningKey::generate().expect("a key"),
        );
        let bundles = Bundles::new(spec.topic, vec![key.verifying().expect("a key")]);
        let to = (&producer, &topic, &key);
        let (mine, theirs) = (whose("964965226"), whose("958935420"));
        assert_eq!(bundles.look(&bus).await.expect("looked"), Unusable::default());
        assert!(bundles.newest(&mine).is_none());

        let all = publish(to, Audience::All, 3, "for all", |_| {}).await;
        let own = Audience::Organization(theirs.organization);
        let theirs_only = publish(to, own, 5, "for them", |_| {}).await;
        assert_eq!(bundles.look(&bus).await.expect("looked"), Unusable::default());
        let version = |subject| bundles.newest(subject).map(|offer| offer.manifest.version);
        assert_eq!((version(&mine), version(&theirs)), (Some(3), Some(5)));
        assert_eq!(bundles.part(&mine, &all).as_deref(), Some(&b"for all"[..]));
        assert_eq!(
            bundles.part(&theirs, &theirs_only).as_deref(),
            Some(&b"for them"[..])
        );
        assert_eq!(bundles.part(&mine, &theirs_only), None, "others' part");

        // Of somebody who may write to the topic and sign nothing: what is good is still offered.
        let own = Audience::Organization(mine.organization);
        publish((&producer, &topic, &other), own, u64::MAX, "forged", |_| {}).await;
        assert_eq!(
            bundles.look(&bus).await.expect("looked"),
            Unusable { bundles: 1, parts: 0 }
        );
        assert_eq!((version(&mine), version(&theirs)), (Some(3), Some(5)));

        // A part with a flipped bit, and a manifest under another's key: neither is offered, the one before is gone.
        let flipped = |records: &mut Vec<Record>| records[0].value[0] ^= 1;
        publish(to, Audience::All, 7, "flipped", flipped).await;
        let moved = |records: &mut Vec<Record>| records[1].key = Some(b"bundle/958935420".to_vec());
        publish(to, Audience::Organization(mine.organization), 9, "moved", moved).await;
        let unusable = bundles.look(&bus).await.expect("looked");
        assert_eq!(unusable, Unusable { bundles: 3, parts: 1 }, "the forged one too");
        assert_eq!((version(&mine), version(&theirs)), (None, None));
    }

    #[test]
    fn the_newest_find_room_first() {
        let key = SigningKey::generate().expect("a key");
        let keys = [key.verifying().expect("a key")];
        let mut there = BTreeMap::new();
        let mut made = |version: u64, texts: [&str; 2]| {
            let files = ["configuration.yml", "rules/a.yml"].into_iter().zip(texts);
            let files = files.map(|(path, text)| {
                let (file, mut parts) = File::of(path, text.as_bytes());
                there.insert(file.parts[0].clone(), Bytes::from(parts.remove(0)));
                file
            });
            let manifest = Manifest {
                format: FORMAT,
                version,
                audience: Audience::All,
                issued: Timestamp::EPOCH,
                program: None,
                keys: Vec::new(),
                files: files.collect(),
            };
            let envelope = manifest.seal(&key).expect("sealed").to_bytes();
            offer(b"bundle/all", envelope, &keys).expect("good")
        };
        let offers = [
            (1, ["aaaa", "bbbb"]),
            (3, ["cccc", "dddd"]),
            (2, ["cccc", "eeee"]),
        ];
        let offers = offers.map(|(version, texts)| made(version, texts));
        let mut offers = Vec::from(offers);
        let mut unusable = Unusable::default();
        // Room for three parts: the two newest share one.
        let parts = kept(&mut offers, &there, 12, &mut unusable);
        let versions: Vec<u64> = offers.iter().map(|offer| offer.manifest.version).collect();
        assert_eq!((versions, parts.len(), unusable.bundles), (vec![3, 2], 3, 1));
    }
}
