//! The authority of the centre: who vouches for sensors and for the gateway (X.509, RFC 5280).

use std::net::IpAddr;
use std::time::Duration;

use ingest_event::{OrganizationNumber, SensorId, Timestamp};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private, Public};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509NameRef, X509Ref};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::code::{PIN_BYTES, Pin};
use crate::key::{Fingerprint, Request, SensorKey};

/// How long a sensor's certificate is good: short, as it renews itself, and long enough for three days of island.
pub const SENSOR_VALIDITY: Duration = Duration::from_hours(7 * 24);

/// How long a gateway's is.
pub const SERVER_VALIDITY: Duration = Duration::from_hours(365 * 24);

/// How long the authority itself is good.
pub const AUTHORITY_VALIDITY: Duration = Duration::from_hours(10 * 365 * 24);

/// A certificate begins so long before it is made: clocks of small machines differ.
const BACKDATED: Duration = Duration::from_hours(1);

/// ETSI EN 319 412-1 section 5.1.4: a national trade register, of Norway.
const REGISTER: &str = "NTRNO-";

/// The authority with its key.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// Whose a sensor's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The organisation that it may write for.
    pub organization: OrganizationNumber,
    /// Its name.
    pub sensor: SensorId,
}

/// Why there is no authority or no certificate.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// OpenSSL's reason.
    #[error("use the authority")]
    OpenSsl(#[from] ErrorStack),
    /// The two files are not one's.
    #[error("the authority's key does not fit its certificate")]
    Pair,
    /// A certificate of somebody or something else.
    #[error("the certificate is no sensor's: {0}")]
    NoSensor(&'static str),
}

impl Authority {
    /// A new one, under a name for people.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn generate(name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let made = SensorKey::generate()?;
        let key = PKey::private_key_from_der(&made.as_pkey().private_key_to_der()?)?;
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
        let subject = subject.build();
        let mut builder = begin(&subject, &subject, now, AUTHORITY_VALIDITY)?;
        builder.set_pubkey(&key)?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self {
            certificate: builder.build(),
            key,
        })
    }

    /// Reads the two files.
    ///
    /// # Errors
    /// OpenSSL's, and [`AuthorityError::Pair`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let certificate = X509::from_pem(certificate)?;
        let key = PKey::private_key_from_pem(key)?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(AuthorityError::Pair);
        }
        Ok(Self { certificate, key })
    }

    /// The certificate, PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn certificate_pem(&self) -> Result<String, AuthorityError> {
        text(self.certificate.to_pem()?)
    }

    /// The key, PKCS #8, PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn key_pem(&self) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.key.private_key_to_pem_pkcs8()?)
    }

    /// What codes say of it.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn pin(&self) -> Result<Pin, AuthorityError> {
        pin(&self.certificate)
    }

    /// A certificate for a sensor's key, PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn issue(
        &self,
        request: &Request,
        subject: &Subject,
        now: Timestamp,
        validity: Duration,
    ) -> Result<String, AuthorityError> {
        let mut name = X509NameBuilder::new()?;
        let register = format!("{REGISTER}{}", subject.organization);
        name.append_entry_by_text("organizationIdentifier", &register)?;
        name.append_entry_by_nid(Nid::COMMONNAME, subject.sensor.as_str())?;
        let usage = ExtendedKeyUsage::new().critical().client_auth().build()?;
        self.certify(&name.build(), request.public(), now, validity, |builder| {
            builder.append_extension(usage)
        })
    }

    /// A certificate for the gateway under its names and addresses, with its new key; both PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn issue_server(&self, hosts: &[&str], now: Timestamp) -> Result<(String, Vec<u8>), AuthorityError> {
        let key = SensorKey::generate()?;
        let public = PKey::public_key_from_der(&key.as_pkey().public_key_to_der()?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "varde-gateway")?;
        let mut names = SubjectAlternativeName::new();
        for host in hosts {
            if host.parse::<IpAddr>().is_ok() {
                names.ip(host);
            } else {
                names.dns(host);
            }
        }
        let certificate = self.certify(&name.build(), &public, now, SERVER_VALIDITY, |builder| {
            let names = names.build(&builder.x509v3_context(Some(&self.certificate), None))?;
            builder.append_extension(names)?;
            builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)
        })?;
        Ok((certificate, key.to_pem()?))
    }

    fn certify(
        &self,
        subject: &X509NameRef,
        public: &PKeyRef<Public>,
        now: Timestamp,
        validity: Duration,
        extend: impl FnOnce(&mut X509Builder) -> Result<(), ErrorStack>,
    ) -> Result<String, AuthorityError> {
        let mut builder = begin(subject, self.certificate.subject_name(), now, validity)?;
        builder.set_pubkey(public)?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        let identifier = AuthorityKeyIdentifier::new()
            .keyid(true)
            .build(&builder.x509v3_context(Some(&self.certificate), None))?;
        builder.append_extension(identifier)?;
        extend(&mut builder)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        text(builder.build().to_pem()?)
    }
}

/// What codes say of an authority's certificate.
///
/// # Errors
/// OpenSSL's.
pub fn pin(certificate: &X509Ref) -> Result<Pin, AuthorityError> {
    let digest = Sha256::digest(certificate.to_der()?);
    let mut pin = [0; PIN_BYTES];
    for (to, from) in pin.iter_mut().zip(digest) {
        *to = from;
    }
    Ok(pin)
}

/// Whose a certificate is, and which key it is for. That the authority signed it, and that it is not out of date, was
/// checked by TLS.
///
/// # Errors
/// [`AuthorityError::NoSensor`] with what is missing.
pub fn subject(certificate: &X509Ref) -> Result<(Subject, Fingerprint), AuthorityError> {
    let name = certificate.subject_name();
    // One each: a second could be read otherwise elsewhere.
    let entry = |long_name: &str| {
        let mut found = name
            .entries()
            .filter(|entry| entry.object().nid().long_name().ok() == Some(long_name));
        let entry = found.next().filter(|_| found.next().is_none())?;
        entry.data().to_string().ok()
    };
    let organization = entry("organizationIdentifier")
        .and_then(|text| OrganizationNumber::parse(text.strip_prefix(REGISTER)?).ok())
        .ok_or(AuthorityError::NoSensor("it has no organisation number"))?;
    let sensor = entry("commonName")
        .and_then(|text| SensorId::parse(&text).ok())
        .ok_or(AuthorityError::NoSensor("it has no sensor's name"))?;
    let fingerprint = Fingerprint::of(&*certificate.public_key()?)?;
    Ok((Subject { organization, sensor }, fingerprint))
}

/// When a certificate begins and ends.
///
/// # Errors
/// OpenSSL's, for times that are none.
pub fn validity(certificate: &X509Ref) -> Result<(Timestamp, Timestamp), AuthorityError> {
    let epoch = Asn1Time::from_unix(0)?;
    let at = |time: &openssl::asn1::Asn1TimeRef| {
        let since = epoch.diff(time)?;
        let secs = i64::from(since.days) * 86_400 + i64::from(since.secs);
        Ok::<_, ErrorStack>(Timestamp::from_millis(secs.saturating_mul(1_000)))
    };
    Ok((at(certificate.not_before())?, at(certificate.not_after())?))
}

fn begin(
    subject: &X509NameRef,
    issuer: &X509NameRef,
    now: Timestamp,
    validity: Duration,
) -> Result<X509Builder, ErrorStack> {
    let at = |time: Timestamp| Asn1Time::from_unix(time.as_millis().div_euclid(1_000));
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    // 159 bits: positive, and at most 20 bytes (RFC 5280 section 4.1.2.2).
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let serial: Asn1Integer = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    let (start, end): (Asn1Time, Asn1Time) = (
        at(now.saturating_sub(BACKDATED))?,
        at(now.saturating_add(validity))?,
    );
    builder.set_not_before(&start)?;
    builder.set_not_after(&end)?;
    Ok(builder)
}

fn text(pem: Vec<u8>) -> Result<String, AuthorityError> {
    Ok(String::from_utf8_lossy(&pem).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T08:00:00Z".parse().expect("a time")
    }

    fn whose() -> Subject {
        Subject {
            organization: OrganizationNumber::parse("964965226").expect("valid"),
            sensor: SensorId::parse("sensor-vardedal-1").expect("valid"),
        }
    }

    #[test]
    fn a_sensors_certificate_says_whose_it_is_and_is_the_authoritys() {
        let made = Authority::generate("Varde test", now()).expect("an authority");
        let pem = made.certificate_pem().expect("PEM");
        let authority = Authority::from_pem(pem.as_bytes(), &made.key_pem().expect("PEM")).expect("again");
        let key = SensorKey::generate().expect("a key");
        let request = Request::parse(&key.request().expect("a request")).expect("good");
        let issued = authority
            .issue(&request, &whose(), now(), SENSOR_VALIDITY)
            .expect("issued");
        let certificate = X509::from_pem(issued.as_bytes()).expect("PEM");
        let (read, fingerprint) = subject(&certificate).expect("a sensor's");
        assert_eq!((read, &fingerprint), (whose(), request.fingerprint()));
        let public = X509::from_pem(pem.as_bytes())
            .expect("PEM")
            .public_key()
            .expect("a key");
        assert!(certificate.verify(&public).expect("checked"));
        let (starts, ends) = validity(&certificate).expect("times");
        assert_eq!(starts, now().saturating_sub(BACKDATED));
        assert_eq!(ends, now().saturating_add(SENSOR_VALIDITY));
    }

    #[test]
    fn other_certificates_are_no_sensors() {
        let authority = Authority::generate("Varde test", now()).expect("an authority");
        let hosts = ["gateway.cert.example", "127.0.0.1", "::1"];
        let (server, key) = authority.issue_server(&hosts, now()).expect("issued");
        let server = X509::from_pem(server.as_bytes()).expect("PEM");
        assert!(matches!(subject(&server), Err(AuthorityError::NoSensor(_))));
        assert_eq!(server.subject_alt_names().map(|names| names.len()), Some(3));
        let own = authority.certificate_pem().expect("PEM");
        assert!(matches!(
            Authority::from_pem(own.as_bytes(), &key),
            Err(AuthorityError::Pair)
        ));
    }
}
