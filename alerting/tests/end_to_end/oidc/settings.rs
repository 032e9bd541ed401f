//! Settings of a provider that can't be.

use crate::{BERGEN, access};

/// Each is refused by `check` with the file, the provider and the mend.
#[test]
fn a_provider_that_cannot_be_is_refused_with_its_mend() {
    let folder = tempfile::tempdir().expect("a folder");
    crate::service::configure(folder.path(), 25);
    let config = folder.path().join("alerting.yml");
    let good = std::fs::read_to_string(&config).expect("there");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s\n").expect("written");
    let secret = format!("secret_file: {}", secret.display());
    let check = |provider: &str| {
        let access = format!(
            "access: {{ organization: '{}', providers: [{{ {provider} }}] }}\n",
            access::CERT
        );
        std::fs::write(&config, format!("{good}{access}")).expect("written");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
            .args(["check", "--config"])
            .arg(&config)
            .output()
            .expect("run");
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    let start = "id: a, client_id: b";
    let right = format!("{start}, profile: id_porten, {secret}");
    assert_eq!(check(&right), (Some(0), String::new()));
    for (provider, named) in [
        (format!("{start}, profile: id_porten"), "secret_file"),
        (format!("{right}, key_file: /nowhere"), "one of"),
        (
            format!("{start}, profile: id_porten, key_file: /nowhere"),
            "/nowhere",
        ),
        (
            format!("{start}, profile: id_porten, key_file: {}", config.display()),
            "private key",
        ),
        (
            format!("{start}, profile: id_porten, secret_env: VARDE_TEST_NO_SUCH"),
            "VARDE_TEST_NO_SUCH",
        ),
        (right.replace("id: a", "id: 'A b'"), "small letters"),
        (format!("{right}, acr: high"), "idporten-loa-high"),
        (format!("{right}, acr_order: [a]"), "generic"),
        (format!("{right}, max_age_minutes: 0"), "max_age_minutes"),
        (format!("{right}, tenant: a"), "entra_id"),
        (format!("{right}, issuer: 'http://idporten.example'"), "https"),
        (format!("{right}, resource: a"), "ansattporten"),
        (format!("{right}, colour: red"), "colour"),
        (
            format!("{start}, {secret}, profile: entra_id, tenant: common"),
            "would let everyone in",
        ),
        (format!("{start}, {secret}, profile: generic"), "issuer"),
        (format!("{right}, rules: [{{ role: boss, value: a }}]"), "boss"),
        (format!("{right}, rules: [{{ role: analyst }}]"), "everyone"),
        (
            format!("{right}, rules: [{{ role: responder, value: a }}]"),
            "for an organisation",
        ),
        (
            format!("{right}, rules: [{{ role: responder, organization: claimed }}]"),
            "resource",
        ),
        (
            format!("{right}, rules: [{{ role: delegated_operator, organization: '{BERGEN}', value: a }}]"),
            "has an end",
        ),
        (
            format!("{right}, rules: [{{ role: analyst, organization: '123456789', value: a }}]"),
            "organi",
        ),
        (format!("{right} }}, {{ {right}"), "twice"),
    ] {
        let (code, text) = check(&provider);
        assert_eq!(code, Some(78), "{provider}: {text}");
        assert!(text.contains(named), "{provider}: {text}");
    }
}
