//! The border of each check, and what of a provider's word counts. That each is looked at in a login is held by
//! `tests/end_to_end/oidc.rs`.

use alerting_incident::access::Role;
use serde_json::json;

use super::*;

const NOW: i64 = 1_772_438_400;
const NONCE: &str = "n-0S6_WzA2Mj";

fn provider(more: &str) -> ProviderSettings {
    let text = format!("{{ id: a, client_id: varde, secret_env: X, {more} }}");
    serde_saphyr::from_str(&text).expect("settings")
}

fn claims(change: &Value) -> Claims {
    let mut claims = json!({
        "iss": "https://idporten.no", "sub": "s", "aud": "varde", "exp": NOW + 120, "iat": NOW,
        "nonce": NONCE, "acr": "idporten-loa-high", "auth_time": NOW, "pid": "29876598765",
    });
    if let (Some(members), Some(change)) = (claims.as_object_mut(), change.as_object()) {
        members.extend(change.clone());
    }
    Claims::read(claims.to_string().as_bytes()).expect("claims")
}

fn check(provider: &ProviderSettings, change: &Value) -> Result<(), TokenError> {
    claims(change).check(provider, NONCE, Timestamp::from_millis(NOW * 1_000))
}

#[test]
fn times_are_taken_with_a_minutes_leeway_and_no_more() {
    let id_porten = provider("profile: id_porten, max_age_minutes: 5");
    for (change, error) in [
        (json!({}), None),
        (json!({ "exp": NOW - 59 }), None),
        (json!({ "exp": NOW - 60 }), Some(TokenError::Time)),
        (json!({ "exp": (NOW as f64) + 0.5 }), None),
        (json!({ "exp": "tomorrow" }), Some(TokenError::Time)),
        (json!({ "exp": 1e300 }), Some(TokenError::Time)),
        (json!({ "iat": NOW + 60 }), None),
        (json!({ "iat": NOW + 61 }), Some(TokenError::Time)),
        (json!({ "iat": NOW - 660 }), None),
        (json!({ "iat": NOW - 661 }), Some(TokenError::Time)),
        (json!({ "nbf": NOW + 60 }), None),
        (json!({ "nbf": NOW + 61 }), Some(TokenError::Time)),
        (json!({ "nbf": null }), Some(TokenError::Time)),
        (json!({ "auth_time": NOW - 360 }), None),
        (json!({ "auth_time": NOW - 361 }), Some(TokenError::Age)),
        (json!({ "auth_time": null }), Some(TokenError::Age)),
    ] {
        assert_eq!(check(&id_porten, &change).err(), error, "{change}");
    }
}

#[test]
fn whom_it_is_of_and_for_must_be_exactly_so() {
    let id_porten = provider("profile: id_porten");
    for (change, error) in [
        (json!({ "iss": "https://idporten.no/" }), Some(TokenError::Issuer)),
        (
            json!({ "iss": "https://test.idporten.no" }),
            Some(TokenError::Issuer),
        ),
        (json!({ "aud": ["varde"] }), None),
        (json!({ "aud": ["varde", "another"] }), Some(TokenError::Audience)),
        (json!({ "aud": [] }), Some(TokenError::Audience)),
        (json!({ "aud": null }), Some(TokenError::Audience)),
        (json!({ "azp": "varde" }), None),
        (json!({ "azp": "another" }), Some(TokenError::Audience)),
        (json!({ "azp": null }), Some(TokenError::Audience)),
        (json!({ "nonce": "n-0S6_WzA2Mk" }), Some(TokenError::Nonce)),
        (json!({ "nonce": "n" }), Some(TokenError::Nonce)),
        (json!({ "sub": "" }), Some(TokenError::Subject)),
        (json!({ "sub": "s".repeat(256) }), Some(TokenError::Subject)),
        (json!({ "sub": 7 }), Some(TokenError::Subject)),
    ] {
        assert_eq!(check(&id_porten, &change).err(), error, "{change}");
    }
    assert!(Claims::read(b"[]").is_err());
    assert!(claims(&json!({})).text("pid").is_none(), "dropped unread");
}

#[test]
fn a_level_is_at_least_the_one_that_is_asked() {
    for (settings, level, is_enough) in [
        ("profile: id_porten", "idporten-loa-high", true),
        ("profile: id_porten", "idporten-loa-substantial", false),
        (
            "profile: id_porten, acr: idporten-loa-substantial",
            "idporten-loa-substantial",
            true,
        ),
        (
            "profile: id_porten, acr: idporten-loa-substantial",
            "idporten-loa-high",
            true,
        ),
        (
            "profile: id_porten, acr: idporten-loa-substantial",
            "idporten-loa-low",
            false,
        ),
        (
            "profile: id_porten, acr: idporten-loa-substantial",
            "selfregistered-email",
            false,
        ),
        ("profile: ansattporten", "high", true),
        ("profile: ansattporten", "substantial", false),
        ("profile: ansattporten", "entraid", false),
        ("profile: generic, acr: b, acr_order: [a, b, c]", "c", true),
        ("profile: generic, acr: b, acr_order: [a, b, c]", "a", false),
        ("profile: generic", "whatever", true),
    ] {
        let mut settings = provider(settings);
        settings.issuer = Some("https://idporten.no".to_owned());
        let found = check(&settings, &json!({ "acr": level }));
        assert_eq!(found.is_ok(), is_enough, "{settings:?} {level}");
    }
}

#[test]
fn organisations_are_read_in_both_of_altinns_forms_and_of_what_was_asked_only() {
    let number = |text: &str| OrganizationNumber::parse(text).expect("valid");
    let of = |settings: &str, claim: Value| claims(&claim).claimed(&provider(settings)).organizations;
    let service = "profile: ansattporten, resource: 'urn:altinn:resource:2480:40'";
    let details = json!({ "authorization_details": [
        { "type": "ansattporten:altinn:service", "resource": "urn:altinn:resource:2480:40", "reportees": [
            { "Authority": "iso6523-actorid-upis", "ID": "0192:964965226", "Rights": ["Read"], "Name": "A" },
            { "ID": "0192:964965226" }, { "ID": "0192:123456789" }, { "ID": "964338531" }, { "ID": 7 }, 7,
        ] },
        { "type": "ansattporten:altinn:service", "resource": "urn:altinn:resource:2480:41", "reportees": [
            { "ID": "0192:964338531" } ] },
    ] });
    assert_eq!(of(service, details.clone()), [number("964965226")]);
    assert_eq!(of("profile: ansattporten", details), [], "nothing was asked");
    let generic = "profile: generic, issuer: 'https://a.example', organization_claim: orgno";
    assert_eq!(
        of(generic, json!({ "orgno": "964965226" })),
        [number("964965226")]
    );
    let both = json!({ "orgno": ["0192:964965226", "964338531", "x"] });
    assert_eq!(of(generic, both), [number("964965226"), number("964338531")]);
    let many: Vec<_> = (0..200).map(|_| "964965226").collect();
    assert_eq!(of(generic, json!({ "orgno": many })).len(), 1);
    assert_eq!(
        detail_type("urn:altinn:resource:varde:1x"),
        "ansattporten:altinn:resource"
    );
}

#[test]
fn a_rule_gives_what_it_says_and_only_what_rules_name_is_kept() {
    let mut settings = provider(
        "profile: generic, issuer: 'https://a.example', organization_claim: orgno, rules: [\
         { role: responder, organization: claimed }, { role: analyst, value: vakt }, \
         { role: auditor, organization: '964338531', claim: groups, value: g }]",
    );
    let said = json!({ "orgno": "964965226", "roles": ["vakt", "another"], "groups": "g", "vakt": "roles" });
    let claimed = claims(&said).claimed(&settings);
    let pairs =
        [("roles", "vakt"), ("groups", "g")].map(|(claim, value)| (claim.to_owned(), value.to_owned()));
    assert_eq!(claimed.values, pairs);
    let roles = |claimed: &Claimed, settings: &ProviderSettings| {
        let grants = claimed.grants(settings);
        grants
            .into_iter()
            .map(|grant| (grant.role, grant.organization.map(|number| number.to_string())))
            .collect::<Vec<_>>()
    };
    let all = [
        (Role::Responder, Some("964965226".to_owned())),
        (Role::Analyst, None),
        (Role::Auditor, Some("964338531".to_owned())),
    ];
    assert_eq!(roles(&claimed, &settings), all);
    settings.rules.remove(1);
    assert_eq!(
        roles(&claimed, &settings).len(),
        2,
        "a rule that is gone gives nothing"
    );
    assert_eq!(roles(&Claimed::default(), &settings), []);
}
