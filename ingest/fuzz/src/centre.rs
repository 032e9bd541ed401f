//! What sensors and the centre tell each other, and what people write for them: what is taken is taken again as it is
//! written.

use std::str;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ingest::config::{self, Plan};
use ingest::control::overlay::Overlay;
use ingest::site::reveal;
use ingest_bus::uplink;
use ingest_event::restricted::RestrictedList;
use ingest_event::{OrganizationNumber, SensorId};
use ingest_trust::code::{PIN_BYTES, SECRET_BYTES};
use ingest_trust::manifest::{self, Manifest};
use ingest_trust::registry::{Entry, Place, Registry};
use ingest_trust::signing::{Envelope, SigningKey};
use ingest_trust::{EnrolmentCode, Request, Standing, authority};
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

use crate::account::{Account, NOW};

/// Made once: what is signed with it is the same whatever it is.
static KEY: LazyLock<Option<SigningKey>> = LazyLock::new(|| SigningKey::generate().ok());

/// A body as a gateway takes it.
pub(crate) fn records(body: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(records) = account.result("records", uplink::decode(body)) {
        let bytes: usize = records.iter().map(|record| 8 + record.bytes()).sum();
        assert!(bytes < uplink::RAW_BYTES_MAX, "{bytes} bytes");
        assert!(records.len() <= uplink::RECORDS_MAX);
        let again = uplink::encode(&records).and_then(|body| uplink::decode(&body));
        assert_eq!(
            again.as_ref(),
            Ok(&records),
            "what was read is written and read again"
        );
    }
    account
}

/// The same before it is packed.
pub(crate) fn unpacked(raw: &[u8]) -> Account {
    zstd::bulk::compress(raw, 1).map_or_else(|_| Account::default(), |body| records(&body))
}

/// As it is, and as what stands in a code, whose check is then put right.
pub(crate) fn code(bytes: &[u8]) -> Account {
    let mut account = texts(bytes, |text, account| {
        if let Some(code) = account.result("code", text.parse::<EnrolmentCode>()) {
            assert_eq!(
                code.to_string().parse(),
                Ok(code),
                "a code is written and read again"
            );
        }
    });
    if let Some((pins_and_secret, gateway)) = bytes.split_at_checked(2 * PIN_BYTES + SECRET_BYTES) {
        let check = Sha256::digest(bytes);
        let check = check.get(..3).unwrap_or_default();
        let text = URL_SAFE_NO_PAD.encode([pins_and_secret, check, gateway].concat());
        if let Some(code) = account.result("checked", format!("varde1-{text}").parse::<EnrolmentCode>()) {
            assert_eq!(code.gateway.as_bytes(), gateway, "it leads where it says");
            assert_eq!(
                code.to_string().parse(),
                Ok(code),
                "a code is written and read again"
            );
        }
    }
    account
}

pub(crate) fn request(bytes: &[u8]) -> Account {
    texts(bytes, |text, account| {
        if let Some(request) = account.result("request", Request::parse(text)) {
            assert_eq!(request.fingerprint().as_str().len(), 64);
            assert!(!request.fingerprint().spoken().is_empty());
        }
    })
}

/// A certificate of whom it may be.
pub(crate) fn certificate(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(certificate) = account.result("certificate", X509::from_der(bytes)) {
        account.result("subject", authority::subject(&certificate));
        account.result("validity", authority::validity(&certificate));
        account.result("pin", authority::pin(&certificate));
    }
    account
}

pub(crate) fn envelope(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(envelope) = account.result("envelope", Envelope::parse(bytes)) {
        let again = Envelope::parse(&envelope.to_bytes()).map(|again| again.to_bytes());
        assert_eq!(
            again.ok(),
            Some(envelope.to_bytes()),
            "an envelope is written and read again"
        );
        let verifying = KEY.as_ref().and_then(|key| key.verifying().ok());
        let keys: Vec<_> = verifying.into_iter().collect();
        assert!(
            Manifest::open(bytes, &keys).is_err(),
            "nobody else signs with our key"
        );
    }
    manifest(&mut account, bytes);
    account
}

/// What is signed.
pub(crate) fn bundle(text: &[u8]) -> Account {
    let mut account = Account::default();
    let sealed = KEY.as_ref().and_then(|key| key.seal(manifest::KIND, text).ok());
    if let Some(envelope) = sealed {
        manifest(&mut account, &envelope.to_bytes());
    }
    account
}

fn manifest(account: &mut Account, envelope: &[u8]) {
    let Some(manifest) = account.result("bundle", Manifest::unverified(envelope)) else {
        return;
    };
    let bytes = manifest.files.iter().fold(0, |sum, file| sum + file.bytes);
    assert!(bytes <= manifest::BYTES_MAX && manifest.files.len() <= manifest::FILES_MAX);
    for file in &manifest.files {
        let folders = file.path.split('/');
        assert!(
            folders.clone().all(|name| !["", ".", ".."].contains(&name)),
            "{} leads out",
            file.path
        );
        assert!(!file.path.contains(['\0', '\\']), "{} leads elsewhere", file.path);
    }
    if let Some(key) = KEY.as_ref()
        && let Ok(sealed) = manifest.seal(key)
    {
        let again = Manifest::unverified(&sealed.to_bytes());
        assert_eq!(
            again.ok().as_ref(),
            Some(&manifest),
            "a manifest is written and read again"
        );
    }
    if let (Ok(organization), Ok(sensor)) = (
        OrganizationNumber::parse("964965226"),
        SensorId::parse("sensor-1"),
    ) {
        let standing = Standing {
            organization,
            sensor: &sensor,
            version: 7,
        };
        let audience = &manifest.audience;
        let has = audience.has(organization, &sensor);
        assert!(
            has || manifest.accept(&standing).is_err(),
            "what is for others is not taken"
        );
        assert!(audience.covers(audience) && !audience.key().is_empty());
    }
}

/// A key, a zero, and a value.
pub(crate) fn entry(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (key, value) = bytes.split_at(end);
    match Entry::parse(key, value.get(1..).unwrap_or_default()) {
        Ok(Some(entry)) => {
            account.take("entry");
            let again = Entry::parse(entry.key().as_bytes(), &entry.value());
            assert!(
                matches!(&again, Ok(Some(again)) if *again == entry),
                "{again:?} is not what was read: {entry:?}"
            );
            let mut registry = Registry::default();
            registry.take(entry);
            for asked in registry.waiting() {
                assert!(matches!(registry.place(&asked.fingerprint), Place::Waiting(_)));
            }
            for known in registry.sensors() {
                let place = registry.place(&known.fingerprint);
                assert!(matches!(place, Place::Known(_) | Place::Revoked(_)), "{place:?}");
            }
        }
        Ok(None) => account.refuse("unknown"),
        Err(_) => account.refuse("entry"),
    }
    account
}

pub(crate) fn restricted(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(list) = account.result("list", RestrictedList::parse(bytes))
        && let Some((key, hashes)) = account.result("hashes", list.read())
    {
        let said: usize = list.hashes.values().map(std::collections::BTreeSet::len).sum();
        assert_eq!(hashes.len(), said, "each hash is read");
        assert_eq!(key.to_hex().len(), 64);
    }
    account
}

/// A request to reveal, with a person's yes to it.
pub(crate) fn reveal(bytes: &[u8]) -> Account {
    texts(bytes, |text, account| {
        let Some(request) = account.result("request", serde_saphyr::from_str::<reveal::Request>(text)) else {
            return;
        };
        let Ok(state) = tempfile::tempdir() else { return };
        let answered = account.result(
            "answer",
            reveal::record(state.path(), &request, "Kari", true, NOW),
        );
        let verified = reveal::verify(state.path());
        assert!(verified.is_ok(), "the log fits");
        if let Some(digest) = answered {
            assert_eq!(verified.ok(), Some(digest), "what was answered is written down");
        }
    })
}

/// A configuration of a sensor, and what the centre puts over it.
pub(crate) fn config(bytes: &[u8]) -> Account {
    texts(bytes, |text, account| {
        account.result("overlay", Overlay::parse(text));
        account.result("config", config::parse(text, "sensor.yml"));
        if let Some(plan) = account.result("plan", Plan::parse(text, "sensor.yml")) {
            assert!(plan.sources(&Overlay::default()).len() <= 16 + text.len());
            assert!(plan.defaulted().len() < 100);
        }
    })
}

fn texts(bytes: &[u8], take: impl FnOnce(&str, &mut Account)) -> Account {
    let mut account = Account::default();
    match str::from_utf8(bytes) {
        Ok(text) => take(text, &mut account),
        Err(_) => account.refuse("not_utf8"),
    }
    account
}
