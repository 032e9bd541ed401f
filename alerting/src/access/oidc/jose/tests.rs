//! Signatures that are right, and each way in which one can be wrong.

use super::*;

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2_048).expect("made")).expect("a key")
}

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("made")).expect("a key")
}

fn number(number: &openssl::bn::BigNumRef) -> String {
    URL_SAFE_NO_PAD.encode(number.to_vec())
}

fn jwk(key: &PKey<Private>, id: &str) -> Value {
    if let Ok(rsa) = key.rsa() {
        return json!({ "kty": "RSA", "kid": id, "n": number(rsa.n()), "e": number(rsa.e()) });
    }
    let key = key.ec_key().expect("the other kind");
    let mut context = openssl::bn::BigNumContext::new().expect("made");
    let (mut x, mut y) = (BigNum::new().expect("made"), BigNum::new().expect("made"));
    key.public_key()
        .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
        .expect("on the curve");
    let padded = |number: &BigNum| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).expect("fits"));
    json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": padded(&x), "y": padded(&y) })
}

fn keys(keys: &[Value]) -> Keys {
    Keys::read(json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
}

fn signing(key: &PKey<Private>, id: &str) -> SigningKey {
    let pem = key.private_key_to_pem_pkcs8().expect("written");
    SigningKey::read(&pem, Some(id.to_owned()), b"").expect("a key")
}

fn with_head(head: &Value, body: &str, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        part(head.to_string().as_bytes()),
        part(body.as_bytes()),
        part(signature)
    )
}

#[test]
fn what_either_kind_of_key_signs_is_right_and_what_was_changed_is_not() {
    for key in [rsa(), p256()] {
        let set = keys(&[jwk(&key, "a")]);
        let token = signing(&key, "a")
            .sign(&json!({ "sub": "kari" }))
            .expect("signed");
        assert_eq!(set.verify(&token), Signed::Rightly(br#"{"sub":"kari"}"#.to_vec()));
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = URL_SAFE_NO_PAD.encode(r#"{"sub":"ola"}"#);
        assert_eq!(set.verify(&parts.join(".")), Signed::Wrongly, "another body");
        for cut in [
            "",
            ".",
            "..",
            "a.b.c",
            &token[..token.len() - 8],
            &token.replace('.', ""),
        ] {
            assert_eq!(set.verify(cut), Signed::Wrongly, "{cut}");
        }
        let other = signing(&key, "b").sign(&json!({})).expect("signed");
        assert_eq!(set.verify(&other), Signed::ByUnknownKey, "a newer key, it may be");
    }
}

#[test]
fn ps256_is_taken_with_its_own_padding() {
    let key = rsa();
    let head = json!({ "alg": "PS256", "kid": "a" });
    let signed = with_head(&head, "{}", b"");
    let signed = signed.trim_end_matches('.');
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("made");
    signer.set_rsa_padding(Padding::PKCS1_PSS).expect("set");
    signer.set_rsa_mgf1_md(MessageDigest::sha256()).expect("set");
    signer
        .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
        .expect("set");
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("signed");
    let set = keys(&[jwk(&key, "a")]);
    assert_eq!(
        set.verify(&with_head(&head, "{}", &signature)),
        Signed::Rightly(b"{}".to_vec())
    );
    let as_the_other = json!({ "alg": "RS256", "kid": "a" });
    assert_eq!(
        set.verify(&with_head(&as_the_other, "{}", &signature)),
        Signed::Wrongly
    );
}

#[test]
fn none_and_shared_secrets_are_no_signatures() {
    let key = rsa();
    let set = keys(&[jwk(&key, "a")]);
    // The public key as the secret of an HMAC: whoever has seen it could sign.
    let public = key.public_key_to_pem().expect("written");
    for (algorithm, signature) in [("none", vec![]), ("None", vec![]), ("HS256", public)] {
        let token = with_head(&json!({ "alg": algorithm, "kid": "a" }), "{}", &signature);
        assert_eq!(set.verify(&token), Signed::Wrongly, "{algorithm}");
    }
    let right = signing(&key, "a").sign(&json!({})).expect("signed");
    let signature = right.rsplit_once('.').expect("three parts").1;
    let critical = json!({ "alg": "RS256", "kid": "a", "crit": ["b64"] });
    let token = with_head(&critical, "{}", &decode(signature).expect("decodes"));
    assert_eq!(
        set.verify(&token),
        Signed::Wrongly,
        "what must be understood and isn't"
    );
}

#[test]
fn a_key_is_used_for_what_it_is_for() {
    let (one, other) = (rsa(), rsa());
    let token = |key: &PKey<Private>| {
        let pem = key.private_key_to_pem_pkcs8().expect("written");
        let key = SigningKey::read(&pem, None, b"").expect("a key");
        key.sign(&json!({})).expect("signed")
    };
    let with = |name: &str, value: &str| {
        let mut key = jwk(&one, "a");
        key[name] = json!(value);
        keys(&[key])
    };
    assert_eq!(
        keys(&[jwk(&one, "a")]).verify(&token(&one)),
        Signed::Rightly(b"{}".to_vec())
    );
    assert_eq!(with("use", "enc").verify(&token(&one)), Signed::ByUnknownKey);
    assert_eq!(with("alg", "PS256").verify(&token(&one)), Signed::ByUnknownKey);
    let both = keys(&[jwk(&one, "a"), jwk(&other, "b")]);
    assert_eq!(
        both.verify(&token(&one)),
        Signed::ByUnknownKey,
        "no id, and two to choose from"
    );
    let short = PKey::from_rsa(Rsa::generate(1_024).expect("made")).expect("a key");
    assert!(
        keys(&[jwk(&short, "a"), json!({ "kty": "oct", "k": "AAAA" }), json!(7)])
            .0
            .is_empty()
    );
    assert!(SigningKey::read(&short.private_key_to_pem_pkcs8().expect("written"), None, b"").is_err());
}
