//! Certificates for tests, made on the spot.

use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Extension, X509NameBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

/// What a certificate says.
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a PKey<Private>,
    pub(crate) email: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) span: (i64, i64),
    pub(crate) usage: KeyUsage,
    pub(crate) extended: ExtendedKeyUsage,
}

impl<'a> Wanted<'a> {
    /// For encrypting mail, from 2020 to 2040.
    pub(crate) fn new(key: &'a PKey<Private>) -> Self {
        let mut usage = KeyUsage::new();
        usage.key_encipherment().key_agreement();
        let mut extended = ExtendedKeyUsage::new();
        extended.email_protection().server_auth();
        Self {
            key,
            email: None,
            host: None,
            span: (1_577_836_800, 2_208_988_800),
            usage,
            extended,
        }
    }

    /// Signed by itself.
    pub(crate) fn issue(&self) -> X509 {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "Test").expect("a name");
        let name = name.build();
        let mut builder = X509::builder().expect("a builder");
        builder.set_version(2).expect("version 3");
        let serial = BigNum::from_u32(7).and_then(|number| Asn1Integer::from_bn(&number));
        builder
            .set_serial_number(&serial.expect("a number"))
            .expect("set");
        builder.set_subject_name(&name).expect("set");
        builder.set_issuer_name(&name).expect("set");
        builder.set_pubkey(self.key).expect("set");
        let at = |seconds| Asn1Time::from_unix(seconds).expect("a time");
        builder.set_not_before(&at(self.span.0)).expect("set");
        builder.set_not_after(&at(self.span.1)).expect("set");
        let mut alternative = SubjectAlternativeName::new();
        if let Some(email) = self.email {
            alternative.email(email);
        }
        if let Some(host) = self.host {
            alternative.ip(host);
        }
        let mut extensions: Vec<X509Extension> = vec![
            BasicConstraints::new().ca().build().expect("an extension"),
            self.usage.build().expect("an extension"),
            self.extended.build().expect("an extension"),
        ];
        if self.email.is_some() || self.host.is_some() {
            let context = builder.x509v3_context(None, None);
            extensions.push(alternative.build(&context).expect("an extension"));
        }
        for extension in extensions {
            builder.append_extension(extension).expect("appended");
        }
        builder.sign(self.key, MessageDigest::sha256()).expect("signed");
        builder.build()
    }

    /// The same in PEM.
    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.issue().to_pem().expect("PEM")).expect("text")
    }
}

pub(crate) fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key")
}

pub(crate) fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}
