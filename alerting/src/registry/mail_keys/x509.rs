//! X.509 certificates for mail (S/MIME, RFC 8551, RFC 8550).

use ingest_event::Timestamp;
use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    cms::{CMSOptions, CmsContentInfo},
    nid::Nid,
    pkey::{Id, PKey},
    stack::Stack,
    symm::Cipher,
    x509::{X509, X509ExtendedKeyUsage, X509KeyUsage},
};

use super::{KeyFlaw, checked_length, day, names};

/// Fewer are within reach of who has a data centre.
const RSA_BITS_MIN: u32 = 2_048;

/// A contact's certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate(X509);

impl Certificate {
    /// Reads one in PEM.
    pub(crate) fn read(text: &str) -> Result<Self, KeyFlaw> {
        checked_length(text)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyFlaw::Secret);
        }
        let all = X509::stack_from_pem(text.as_bytes()).unwrap_or_default();
        // Of a chain the first is the contact's (RFC 8446, 4.4.2 has the same order).
        let first = all.into_iter().next();
        let words = "write it as PEM, from -----BEGIN CERTIFICATE----- on";
        first.map(Self).ok_or(KeyFlaw::Unreadable(words))
    }

    /// As it is kept: PEM alone, nothing around it.
    pub(super) fn canonical(&self) -> Result<String, KeyFlaw> {
        let pem = self.0.to_pem().ok().and_then(|pem| String::from_utf8(pem).ok());
        let pem = pem.ok_or(KeyFlaw::Unreadable("it can't be written"))?;
        Ok(pem.trim_end().to_owned())
    }

    /// Whether mail to an address can be encrypted with it at a moment.
    pub(crate) fn usable(&self, address: &str, now: Timestamp) -> Result<(), KeyFlaw> {
        self.strong()?;
        names(address, &self.addresses())?;
        if let Some(from) = moment(self.0.not_before()).filter(|from| now < *from) {
            return Err(KeyFlaw::Early(day(from)));
        }
        match self.until() {
            Some(until) if until <= now => Err(KeyFlaw::Ended(day(until))),
            Some(_) | None => Ok(()),
        }
    }

    /// When it ends.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        moment(self.0.not_after())
    }

    /// Encrypts a MIME entity for its owner: the DER of CMS `EnvelopedData`.
    ///
    /// AES-256 in CBC, not GCM: `AuthEnvelopedData` (RFC 5083) is unknown to Outlook, which most who read this have. What is inside is
    /// signed where the configuration has a key.
    pub(crate) fn encrypt(&self, entity: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut readers = Stack::new()?;
        readers.push(self.0.clone())?;
        let sealed = CmsContentInfo::encrypt(&readers, entity, Cipher::aes_256_cbc(), CMSOptions::BINARY)?;
        Ok(sealed.to_der()?)
    }

    /// For encrypting mail, with a key that can't be broken (RFC 8550, section 4.4).
    fn strong(&self) -> Result<(), KeyFlaw> {
        let unreadable = |_| KeyFlaw::Unreadable("its key is of no known kind");
        let key: PKey<_> = self.0.public_key().map_err(unreadable)?;
        let needed = match key.id() {
            Id::RSA if key.bits() < RSA_BITS_MIN => {
                return Err(KeyFlaw::Weak(format!("RSA of {} bits", key.bits())));
            }
            Id::RSA => X509KeyUsage::KEY_ENCIPHERMENT,
            Id::EC => {
                let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
                let is_known = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
                if !curve.is_some_and(|curve| is_known.contains(&curve)) {
                    let name = curve
                        .and_then(|curve| curve.long_name().ok())
                        .unwrap_or("a curve");
                    return Err(KeyFlaw::Weak(name.to_owned()));
                }
                X509KeyUsage::KEY_AGREEMENT
            }
            // Ed25519 signs and does nothing else; DSA too.
            _ => return Err(KeyFlaw::NoEncryption),
        };
        let usage = self.0.key_usage().is_none_or(|usage| usage.contains(needed));
        let extended = self.0.extended_key_usage();
        let mail = X509ExtendedKeyUsage::SMIME | X509ExtendedKeyUsage::ANYEKU;
        if usage && extended.is_none_or(|extended| extended.intersects(mail)) {
            Ok(())
        } else {
            Err(KeyFlaw::NoEncryption)
        }
    }

    /// The addresses that it names (RFC 8550, section 3).
    fn addresses(&self) -> Vec<String> {
        let others = self.0.subject_alt_names();
        let others = others.iter().flatten().filter_map(|name| name.email());
        let mut all: Vec<String> = others.map(str::to_owned).collect();
        let subject = self.0.subject_name().entries_by_nid(Nid::PKCS9_EMAILADDRESS);
        all.extend(subject.filter_map(|entry| entry.data().to_string().ok()));
        all
    }
}

/// A time of ASN.1; one beyond what we count is the last that we do.
fn moment(time: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Some(Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000)))
}
