use std::time::{Duration, UNIX_EPOCH};

use openssl::{
    nid::Nid,
    x509::extension::{ExtendedKeyUsage, KeyUsage},
};
use sequoia_openpgp::{
    Cert,
    cert::{CertBuilder, CipherSuite},
    serialize::SerializeInto as _,
    types::KeyFlags,
};

use super::*;
use crate::issued::{Wanted, ec, rsa};

const ADDRESS: &str = "vakt@kommune.example";

/// The second of March 2026.
fn now() -> Timestamp {
    Timestamp::from_millis(1_772_438_400_000)
}

fn told(certificate: &str) -> String {
    let keys = MailKeys {
        certificate: Some(certificate.to_owned()),
        pgp_key: None,
    };
    let flaws = flaws(&keys, Some(ADDRESS), now());
    flaws
        .first()
        .map_or(String::new(), |(key, flaw)| format!("{key}: {flaw}"))
}

#[test]
fn every_flaw_of_a_certificate_has_its_words() {
    let (strong, curve) = (rsa(2_048), ec(Nid::X9_62_PRIME256V1));
    let good = || Wanted {
        email: Some(ADDRESS),
        ..Wanted::new(&strong)
    };
    assert_eq!(told(&good().pem()), "");
    let of_curve = Wanted {
        email: Some("VAKT@Kommune.example"),
        ..Wanted::new(&curve)
    };
    assert_eq!(told(&of_curve.pem()), "");

    let (weak, odd) = (rsa(1_024), ec(Nid::SECP256K1));
    let mut only_signs = KeyUsage::new();
    only_signs.digital_signature();
    let mut only_agrees = KeyUsage::new();
    only_agrees.key_agreement();
    let mut server = ExtendedKeyUsage::new();
    server.server_auth();
    let with = |usage| Wanted { usage, ..good() };
    for (wanted, word) in [
        (
            Wanted {
                email: Some("other@kommune.example"),
                ..good()
            },
            "it names other@kommune.example",
        ),
        (
            Wanted {
                email: None,
                ..good()
            },
            "it names none",
        ),
        (
            Wanted {
                span: (1_577_836_800, 1_772_438_400),
                ..good()
            },
            "it ended on 2026-03-02",
        ),
        (
            Wanted {
                span: (1_772_524_800, 2_208_988_800),
                ..good()
            },
            "only from 2026-03-03",
        ),
        (with(only_signs), "not for encrypting mail"),
        (with(only_agrees), "not for encrypting mail"),
        (
            Wanted {
                extended: server,
                ..good()
            },
            "not for encrypting mail",
        ),
        (Wanted { key: &weak, ..good() }, "RSA of 1024 bits"),
        (Wanted { key: &odd, ..good() }, "secp256k1"),
    ] {
        let said = told(&wanted.pem());
        assert!(
            said.starts_with("certificate: ") && said.contains(word),
            "{word}: {said}"
        );
    }
    assert!(told("nonsense").contains("BEGIN CERTIFICATE"));
    let key = String::from_utf8(strong.private_key_to_pem_pkcs8().expect("PEM")).expect("text");
    assert!(told(&format!("{}{key}", good().pem())).contains("secret key"));
    assert!(told(&"x".repeat(70_000)).contains("more than 65536"));
    // What stands around it, and a chain behind it, is not kept.
    let around = format!("Bag Attributes\r\n{}{}", good().pem(), of_curve.pem());
    let kept = canonical_certificate(&around).expect("read");
    assert_eq!(kept, good().pem().trim_end());
    assert_eq!(canonical_certificate(&kept).expect("read"), kept);
    let none = MailKeys {
        certificate: Some(kept),
        pgp_key: None,
    };
    assert_eq!(flaws(&none, None, now()), [("certificate", KeyFlaw::NoAddress)]);
    assert_eq!(
        ends(&none, now()),
        [("certificate", Timestamp::from_millis(2_208_988_800_000))]
    );
}

/// A key made on the first of January 2026, for a year.
fn builder() -> CertBuilder<'static> {
    let made = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    CertBuilder::new()
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(made)
        .set_validity_period(Duration::from_hours(24 * 365))
}

fn armored(cert: &Cert) -> String {
    String::from_utf8(cert.armored().to_vec().expect("armor")).expect("text")
}

#[test]
fn every_flaw_of_an_openpgp_key_has_its_words() {
    let user = format!("Vakt <{ADDRESS}>");
    let encrypting = || {
        builder()
            .add_userid(user.clone())
            .add_transport_encryption_subkey()
    };
    let (cert, revocation) = encrypting().generate().expect("a key");
    let text = canonical_pgp_key(&armored(&cert)).expect("read");
    assert_eq!(canonical_pgp_key(&text).expect("read"), text);
    let told = |text: &str, now: Timestamp| {
        let keys = MailKeys {
            certificate: None,
            pgp_key: Some(text.to_owned()),
        };
        let flaws = flaws(&keys, Some(ADDRESS), now);
        flaws
            .first()
            .map_or(String::new(), |(key, flaw)| format!("{key}: {flaw}"))
    };
    assert_eq!(told(&text, now()), "");
    let secret = String::from_utf8(cert.as_tsk().armored().to_vec().expect("armor")).expect("text");
    let (signing, _) = builder()
        .add_userid(user.clone())
        .add_signing_subkey()
        .generate()
        .expect("a key");
    let (other, _) = builder()
        .add_userid("Other <other@kommune.example>")
        .add_transport_encryption_subkey()
        .generate()
        .expect("a key");
    let (short, _) = builder()
        .add_userid(user.clone())
        .add_subkey(
            KeyFlags::empty().set_transport_encryption(),
            Duration::from_hours(24),
            None,
        )
        .generate()
        .expect("a key");
    let revoked = cert.insert_packets(revocation).expect("revoked").0;
    let after = Timestamp::from_millis(1_800_000_000_000);
    let before = Timestamp::from_millis(1_700_000_000_000);
    for (text, now, word) in [
        ("nonsense".to_owned(), now(), "BEGIN PGP PUBLIC KEY"),
        (secret, now(), "secret key"),
        (armored(&signing), now(), "not for encrypting mail"),
        (armored(&other), now(), "it names other@kommune.example"),
        (armored(&short), now(), "it ended on 2026-01-02"),
        (armored(&revoked), now(), "called it back"),
        (text.clone(), after, "it ended on 2027-01-01"),
        (text.clone(), before, "only from 2026-01-01"),
    ] {
        let said = told(&text, now);
        assert!(
            said.starts_with("pgp_key: ") && said.contains(word),
            "{word}: {said}"
        );
    }
    let keys = MailKeys {
        certificate: None,
        pgp_key: Some(text),
    };
    let year = Timestamp::from_millis((1_767_225_600 + 365 * 86_400) * 1_000);
    assert_eq!(ends(&keys, now()), [("pgp_key", year)]);
}
