//! What comes in JSON over HTTPS and over the bus, and what others write to be looked for: feeds and rules.

use std::fmt::Debug;

use detect_rules::{FeedOptions, FeedReport, SourceText};
use ingest_event::codec::{self, Defaults};
use ingest_event::{OrganizationNumber, SensorId};
use ingest_trust::wire::{Ask, Certified, Refused, Report, Wait};
use ingest_trust::{Request, authority};
use openssl::x509::X509;
use serde::{Serialize, de::DeserializeOwned};

use crate::account::Account;

/// Indicators and findings for each byte of a feed, at most: a line has one address, and a network is one indicator.
const FOUND_PER_BYTE: u64 = 4;

/// Who has no certificate asks for one.
pub(crate) fn ask(body: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(ask) = read::<Ask>("ask", body, &mut account) {
        account.result("request", Request::parse(&ask.request));
    }
    account
}

/// How a sensor says it fares.
pub(crate) fn report(body: &[u8]) -> Account {
    let mut account = Account::default();
    read::<Report>("report", body, &mut account);
    account
}

/// What a sensor is answered: a certificate, to wait, or no.
pub(crate) fn answer(body: &[u8]) -> Account {
    let mut account = Account::default();
    if let Some(certified) = read::<Certified>("certified", body, &mut account)
        && let Some(certificate) =
            account.result("certificate", X509::from_pem(certified.certificate.as_bytes()))
    {
        account.result("subject", authority::subject(&certificate));
    }
    read::<Wait>("wait", body, &mut account);
    read::<Refused>("refused", body, &mut account);
    account
}

/// A record of an event as the bus brings it, whoever wrote it.
pub(crate) fn event(payload: &[u8]) -> Account {
    let mut account = Account::default();
    let (Ok(organization), Ok(sensor)) = (
        OrganizationNumber::parse("964965226"),
        SensorId::parse("sensor-vardedal-1"),
    ) else {
        return account;
    };
    let defaults = Defaults { organization, sensor };
    if let Some(event) = account.result("event", codec::decode(payload, &defaults)) {
        let wire = encoded(&event);
        if let Ok(again) = codec::decode(&wire, &defaults) {
            assert!(
                wire == encoded(&again),
                "an event is read as another: {payload:?}"
            );
        } else {
            assert!(wire.is_empty(), "an event is not read again: {payload:?}");
        }
    }
    account
}

fn encoded(event: &ingest_event::Event) -> Vec<u8> {
    let mut wire = Vec::new();
    codec::encode(event, &mut wire);
    wire
}

/// Indicators, in whatever format.
pub(crate) fn feed(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    let (mut report, mut handed_on) = (FeedReport::default(), 0);
    let mut sink = |indicator: detect_alert::Indicator| {
        assert!(!indicator.value.is_empty(), "{indicator:?}");
        handed_on += 1;
    };
    let read = detect_rules::read_feed(bytes, "feed", &FeedOptions::new("feed"), &mut sink, &mut report);
    account.result("feed", read);
    assert_eq!(handed_on, report.accepted_total(), "each indicator is counted");
    let found = handed_on + report.counts().values().sum::<u64>();
    assert!(
        found <= 16 + FOUND_PER_BYTE * bytes.len() as u64,
        "{found} of {} bytes",
        bytes.len()
    );
    for kind in report.accepted().keys() {
        account.take(&format!("{kind:?}").to_lowercase());
    }
    for reason in report.counts().keys() {
        account.refuse(reason.as_str());
    }
    account
}

/// Sigma's rules.
pub(crate) fn rules(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    let Ok(text) = str::from_utf8(bytes) else {
        account.refuse("not_utf8");
        return account;
    };
    let source = SourceText {
        path: "rule.yml".to_owned(),
        text: text.to_owned(),
    };
    let checked = detect_rules::check(&[source]);
    assert_eq!(
        checked.places.len(),
        checked.rules.rules.len(),
        "each rule is where it was written"
    );
    for _ in &checked.rules.rules {
        account.take("rule");
    }
    for diagnostic in &checked.diagnostics {
        account.refuse(&format!("{:?}", diagnostic.code));
    }
    account
}

/// Reads a body; what was read is written and read again.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    kind: &str,
    body: &[u8],
    account: &mut Account,
) -> Option<T> {
    let read: T = account.result(kind, serde_json::from_slice(body))?;
    let again = serde_json::to_vec(&read).and_then(|written| serde_json::from_slice(&written));
    assert_eq!(
        again.ok().as_ref(),
        Some(&read),
        "what was read is written and read again"
    );
    Some(read)
}
