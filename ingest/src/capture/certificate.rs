//! X.509 certificates of servers: who they are for, who signed them, how long they hold (RFC 5280).
//!
//! The library reads them; nothing is verified here. What is taken is bounded, since a certificate may have any length.

use ingest_event::{Fields, Value, field};
use jiff::Timestamp;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::FromDer,
    time::ASN1Time,
    x509::{AttributeTypeAndValue, X509Name},
};

/// Names taken of a certificate: content networks put a hundred into one.
const NAMES_MAX: usize = 128;
/// Longest name taken: a domain name has at most 253 characters.
const NAME_CHARS_MAX: usize = 255;
/// Longest subject and issuer taken.
const DISTINGUISHED_CHARS_MAX: usize = 1024;
/// RFC 5280 section 4.1.2.2 allows 20 bytes; some have more.
const SERIAL_BYTES_MAX: usize = 32;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    sha1: String,
    sha256: String,
    subject: String,
    subject_name: Option<String>,
    issuer: String,
    issuer_name: Option<String>,
    serial: String,
    not_before: Option<String>,
    not_after: Option<String>,
    names: Vec<String>,
}

impl Certificate {
    /// Reads one in DER; none if it is damaged.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let serial = read.raw_serial();
        Some(Self {
            sha1: hex::encode(Sha1::digest(der)),
            sha256: hex::encode(Sha256::digest(der)),
            subject: bounded(&distinguished(read.subject()), DISTINGUISHED_CHARS_MAX),
            subject_name: common_name(read.subject()),
            issuer: bounded(&distinguished(read.issuer()), DISTINGUISHED_CHARS_MAX),
            issuer_name: common_name(read.issuer()),
            serial: hex::encode(serial.get(..SERIAL_BYTES_MAX).unwrap_or(serial)),
            not_before: time(&read.validity().not_before),
            not_after: time(&read.validity().not_after),
            names: names(&read),
        })
    }

    /// Adds it to the fields of a handshake.
    pub(super) fn write(&self, fields: &mut Fields) {
        fields.set(field::TLS_SERVER_SHA1, self.sha1.as_str());
        fields.set(field::TLS_SERVER_SHA256, self.sha256.as_str());
        fields.set(field::TLS_SERVER_SUBJECT, self.subject.as_str());
        fields.set(field::TLS_SERVER_ISSUER, self.issuer.as_str());
        fields.set_some(field::TLS_SERVER_NOT_BEFORE, self.not_before.as_deref());
        fields.set_some(field::TLS_SERVER_NOT_AFTER, self.not_after.as_deref());
        fields.set_some(field::TLS_SERVER_X509_SUBJECT_NAME, self.subject_name.as_deref());
        fields.set_some(field::TLS_SERVER_X509_ISSUER_NAME, self.issuer_name.as_deref());
        fields.set(field::TLS_SERVER_X509_SERIAL, self.serial.as_str());
        if !self.names.is_empty() {
            let names: Vec<Value> = self.names.iter().map(|name| Value::from(name.as_str())).collect();
            fields.set(field::TLS_SERVER_X509_NAMES, names);
        }
    }
}

/// As the library writes it, in the certificate's order; what it can't write has no name.
fn distinguished(name: &X509Name<'_>) -> String {
    name.to_string()
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    let value: &AttributeTypeAndValue<'_> = name.iter_common_name().next()?;
    let text = value.as_str().ok()?;
    Some(bounded(text, NAME_CHARS_MAX))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(bounded(&name.to_ascii_lowercase(), NAME_CHARS_MAX)),
        GeneralName::URI(name) => Some(bounded(name, NAME_CHARS_MAX)),
        GeneralName::IPAddress(octets) => address(octets),
        // Mailboxes are people; the rest has no short form.
        _ => None,
    };
    found
        .value
        .general_names
        .iter()
        .filter_map(text)
        .take(NAMES_MAX)
        .collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

/// RFC 3339; none for a year that has no such form.
fn time(time: &ASN1Time) -> Option<String> {
    Timestamp::from_second(time.timestamp())
        .ok()
        .map(|time| time.to_string())
}

/// At most so many characters, without control characters.
fn bounded(text: &str, chars: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(chars)
        .collect()
}
