//! An authenticator in software, with the browser around it: makes a P-256 key, signs, and counts (WebAuthn Level 3
//! sections 6.1, 6.3 and 6.5). What it says wrongly is set by the test.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    sign::Signer,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Flags of what is signed: somebody is there, was verified, and a credential is told of.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;

#[derive(Clone)]
pub(super) struct Authenticator {
    key: EcKey<Private>,
    id: Vec<u8>,
    /// Whose it says the passkey is.
    pub(super) handle: Vec<u8>,
    /// Signatures so far.
    pub(super) counter: u32,
    /// Where the browser is.
    pub(super) origin: String,
    /// Which name it signs for.
    pub(super) rp_id: String,
    /// Whether it asked for a finger or a code.
    pub(super) verifies: bool,
    /// What the browser says that it did; by itself what it did.
    pub(super) kind: Option<&'static str>,
}

impl Authenticator {
    pub(super) fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        let mut id = vec![0; 32];
        openssl::rand::rand_bytes(&mut id).expect("random");
        Self {
            key: EcKey::generate(&group).expect("a key"),
            id,
            handle: vec![],
            counter: 0,
            origin: "http://localhost:8080".to_owned(),
            rp_id: "localhost".to_owned(),
            verifies: true,
            kind: None,
        }
    }

    /// Makes a passkey (section 5.1.3).
    pub(super) fn make(&mut self, options: &Value) -> Value {
        let handle = options["user"]["id"].as_str().expect("a handle");
        self.handle = URL_SAFE_NO_PAD.decode(handle).expect("base64url");
        let client = self.client("webauthn.create", options);
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]); // of no make that is told
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        // A map of three: "fmt": "none", "attStmt": {}, "authData": bytes (section 6.5.4, RFC 8949).
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        object.extend(&data);
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "response": { "clientDataJSON": text(&client), "attestationObject": text(&object), "transports": ["internal"] },
        })
    }

    /// Counts and signs (section 5.1.4).
    pub(super) fn sign(&mut self, options: &Value) -> Value {
        self.counter += 1;
        self.sign_uncounted(options)
    }

    /// Signs as one that does not count.
    pub(super) fn sign_uncounted(&self, options: &Value) -> Value {
        let client = self.client("webauthn.get", options);
        let data = self.data(0);
        let key = PKey::from_ec_key(self.key.clone()).expect("a key");
        let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
        signer.update(&data).expect("signed");
        signer.update(&Sha256::digest(&client)).expect("signed");
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": text(&client), "authenticatorData": text(&data),
                "signature": text(&signer.sign_to_vec().expect("signed")), "userHandle": text(&self.handle),
            },
        })
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let kind = self.kind.unwrap_or(kind);
        let client = json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false });
        client.to_string().into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(PRESENT | more | if self.verifies { VERIFIED } else { 0 });
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// A map of five: an EC2 key for ES256 on P-256, and its two coordinates (RFC 9052 section 7.1).
    fn cose(&self) -> Vec<u8> {
        let (mut x, mut y) = (BigNum::new().expect("a number"), BigNum::new().expect("a number"));
        let mut context = BigNumContext::new().expect("a context");
        self.key
            .public_key()
            .affine_coordinates(self.key.group(), &mut x, &mut y, &mut context)
            .expect("on the curve");
        let mut key = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
        key.extend(x.to_vec_padded(32).expect("32 bytes"));
        key.extend(b"\x22\x58\x20");
        key.extend(y.to_vec_padded(32).expect("32 bytes"));
        key
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
