//! Mail for who has a certificate or a key: taken from the real listener, opened by `openssl` and `gpg` themselves, and by nobody
//! else's key. What can't be encrypted leaves without data, or waits.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use alerting::{clock, config::Config};
use detect_alert::Severity;
use serde_json::Value;

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Mail, Service},
    signed::{certificates, openssl},
    stores::on_both,
};

on_both!(
    what_cannot_be_encrypted_leaves_without_data_and_is_told,
    what_cannot_be_encrypted_is_held_where_the_configuration_says_so,
    a_group_that_cannot_be_encrypted_leaves_one_by_one,
);

const TEXT: &str = "Portskanning: á č đ ŋ š ŧ ž æøå ÆØÅ";
/// What must not be seen on the way: the thing, and words of the notice.
const HIDDEN: [&str; 4] = ["10.1.2.3", "Portskanning", "UG9ydHNr", "Gjelder"];

/// Runs a program with input; its output as text, or what it complains of.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(program);
    let mut stdin = child.stdin.take().expect("piped");
    let bytes = input.as_bytes().to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let done = child.wait_with_output().expect("done");
    let _ = writer.join();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(text(&done.stderr))
    }
}

/// What Python's own mail library makes of a MIME entity.
fn opened(entity: &str) -> Value {
    let script = "import sys, json, email, email.policy\n\
        mail = email.message_from_string(sys.stdin.read(), policy=email.policy.default)\n\
        part = lambda kind: mail.get_body(preferencelist=(kind,)).get_content()\n\
        print(json.dumps({'subject': mail['Subject'], 'hp': mail['Content-Type'].params.get('hp'), 'to': mail['To'],\n\
        'outer': mail.get_all('HP-Outer'), 'text': part('plain'), 'html': part('html')}))";
    let json = run("/usr/bin/python3", &["-c", script], entity).expect("a mail");
    serde_json::from_str(&json).expect("JSON")
}

/// Certificates of contacts beside those of [`certificates`]: RSA, a curve, and whose time is over in a day.
fn contacts(folder: &Path) {
    for (name, key, to) in [
        ("rsa", "rsa:2048", "vakt@stavanger.example"),
        ("ec", "ec -pkeyopt ec_paramgen_curve:P-256", "vakt@bergen.example"),
        ("old", "rsa:2048", "vakt@stavanger.example"),
    ] {
        let days = if name == "old" { 1 } else { 60 };
        let text = format!(
            "req -x509 -newkey {key} -nodes -keyout {name}.key -out {name}.pem -subj /CN=Vakta -days {days} \
             -addext subjectAltName=email:{to} -addext keyUsage=keyEncipherment,keyAgreement"
        );
        openssl(folder, &text.split(' ').collect::<Vec<_>>()).expect(name);
    }
}

/// The harness's configuration with other contacts, and more of `mail`.
fn configured(folder: &Path, responders: &str, mail: &str) -> Config {
    std::fs::write(folder.join("responders.yml"), responders).expect("written");
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, text.replace("transport:", &format!("{mail} transport:"))).expect("written");
    Config::read(&file).expect("a configuration")
}

fn of_both(stavanger: &str, bergen: &str) -> String {
    format!(
        "organizations:\n\
         - {{ number: '{STAVANGER}', responders: [{{ name: Vakta i Stavanger, email: vakt@stavanger.example, {stavanger} }}] }}\n\
         - {{ number: '{BERGEN}', responders: [{{ name: Vakta i Bergen, email: vakt@bergen.example, {bergen} }}] }}\n"
    )
}

fn to<'m>(mails: &'m [Mail], address: &str) -> &'m Mail {
    mails.iter().find(|mail| mail.to == address).expect(address)
}

fn says_nothing(mail: &Mail) {
    for word in HIDDEN {
        assert!(!mail.raw.contains(word), "{word} in {}", mail.raw);
    }
    assert!(!mail.raw.contains("http://"), "no link in {}", mail.raw);
    assert_eq!(mail.subject, "[Varde] Kryptert varsel", "{}", mail.raw);
    assert!(mail.message_id.ends_with("@cert.example>"), "{}", mail.message_id);
    assert_eq!(mail.raw.matches("MIME-Version:").count(), 1, "{}", mail.raw);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_for_a_certificate_is_opened_by_openssl_with_its_key_alone() {
    let service = Service::steered(clock::machine(), |folder| {
        certificates(folder);
        contacts(folder);
        let keys = format!(
            "signing: {{ certificate_file: {0}/cert.pem, key_file: {0}/cert.key }},",
            folder.display()
        );
        let responders = of_both("certificate_file: rsa.pem", "certificate_file: ec.pem");
        configured(folder, &responders, &keys)
    })
    .await;
    let alerts = [
        Alerts::new(STAVANGER).summary(TEXT).make(1),
        Alerts::new(BERGEN).summary(TEXT).exercise().make(2),
    ];
    service.publish(&alerts).await;
    let mails = service.mails(2).await;
    let metrics = service.text("/metrics").await;
    assert!(
        metrics.contains("alerting_mails_total{protection=\"smime\"} 2"),
        "{metrics}"
    );
    let folder = service.stop().await;
    for (address, key, other) in [
        ("vakt@stavanger.example", "rsa", "old"),
        ("vakt@bergen.example", "ec", "rsa"),
    ] {
        let mail = to(&mails, address);
        says_nothing(mail);
        std::fs::write(folder.path().join("mail.eml"), &mail.raw).expect("written");
        let open = |key: &str| {
            let (certificate, key) = (format!("{key}.pem"), format!("{key}.key"));
            let arguments = [
                "cms",
                "-decrypt",
                "-in",
                "mail.eml",
                "-recip",
                &certificate,
                "-inkey",
                &key,
            ];
            openssl(folder.path(), &arguments)
        };
        open(other).expect_err("another's key opens nothing");
        std::fs::write(folder.path().join("inside.eml"), open(key).expect("opened")).expect("written");
        let verify = [
            "cms",
            "-verify",
            "-in",
            "inside.eml",
            "-CAfile",
            "ca.pem",
            "-purpose",
            "smimesign",
        ];
        let content = openssl(folder.path(), &verify).expect("signed by the CERT");
        let read = opened(&content);
        assert_eq!(read["hp"], "cipher", "{content}");
        assert!(
            read["to"].as_str().is_some_and(|to| to.contains(address)),
            "{read}"
        );
        for part in ["text", "html", "subject"] {
            assert!(
                read[part].as_str().expect("text").contains(TEXT),
                "{part}: {read}"
            );
        }
        assert!(read["text"].as_str().expect("text").contains("/r/"), "{read}");
        let is_exercise = read["subject"].as_str().expect("text").starts_with("ØVELSE");
        assert_eq!(is_exercise, address.contains("bergen"), "{read}");
        let outer = read["outer"].to_string();
        assert!(
            outer.contains("Subject: [Varde] Kryptert varsel") && outer.contains("Message-ID: <"),
            "{outer}"
        );
    }
}

/// GnuPG with a home of its own, whose agent ends with the test.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let home = self.0.path().display().to_string();
        let all = [
            "--batch",
            "--quiet",
            "--homedir",
            &home,
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        let all: Vec<&str> = all.into_iter().chain(arguments.iter().copied()).collect();
        run("gpg", &all, input)
    }

    /// A key for an address; its public and its secret part.
    fn key(&self, address: &str) -> (String, String) {
        let user = format!("Test <{address}>");
        self.run(&["--quick-gen-key", &user, "default", "default", "1y"], "")
            .expect("a key");
        let public = self.run(&["--armor", "--export", address], "").expect("exported");
        let secret = self
            .run(&["--armor", "--export-secret-keys", address], "")
            .expect("exported");
        (public, secret)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let home = self.0.path().display().to_string();
        let _ = run("gpgconf", &["--homedir", &home, "--kill", "all"], "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_for_an_openpgp_key_is_opened_by_gpg_with_its_key_alone() {
    let (contact, other, cert) = (Gpg::new(), Gpg::new(), Gpg::new());
    let (public, _) = contact.key("vakt@stavanger.example");
    other.key("vakt@stavanger.example");
    let (signer, secret) = cert.key("varde@cert.example");
    let service = Service::steered(clock::machine(), |folder| {
        std::fs::write(folder.join("vakt.asc"), &public).expect("written");
        std::fs::write(folder.join("cert.asc"), &secret).expect("written");
        let signing = format!("pgp_signing: {{ key_file: {}/cert.asc }},", folder.display());
        configured(folder, &of_both("pgp_key_file: vakt.asc", "turn: 0"), &signing)
    })
    .await;
    service
        .publish(&[Alerts::new(STAVANGER).summary(TEXT).exercise().make(1)])
        .await;
    let mail = service.mails(1).await.remove(0);
    says_nothing(&mail);
    assert!(mail.raw.contains("multipart/encrypted"), "{}", mail.raw);
    let folder = service.stop().await;
    let armored = &mail.raw[mail.raw.find("-----BEGIN PGP MESSAGE").expect("armor")..];
    std::fs::write(folder.path().join("mail.asc"), armored).expect("written");
    let file = folder.path().join("mail.asc").display().to_string();
    contact.run(&["--import"], &signer).expect("imported");
    let status = contact
        .run(
            &["--status-fd", "1", "--output", "/dev/null", "--decrypt", &file],
            "",
        )
        .expect("opened");
    assert!(
        status.contains("DECRYPTION_OKAY") && status.contains("GOODSIG"),
        "{status}"
    );
    let read = opened(&contact.run(&["--decrypt", &file], "").expect("opened"));
    assert_eq!(read["hp"], "cipher", "{read}");
    for part in ["text", "html", "subject"] {
        assert!(
            read[part].as_str().expect("text").contains(TEXT),
            "{part}: {read}"
        );
    }
    assert!(
        read["subject"].as_str().expect("text").starts_with("ØVELSE"),
        "{read}"
    );
    other
        .run(&["--decrypt", &file], "")
        .expect_err("another's key opens nothing");
}

/// A service whose clock is three days ahead, so that Stavanger's certificate is over, with more of `mail`,
/// and what is medium waiting for a second.
async fn after_the_certificate(mail: &str) -> Service {
    let later = || {
        clock::machine()
            .now()
            .saturating_add(std::time::Duration::from_hours(72))
    };
    let mail = mail.to_owned();
    Service::steered(clock::steered(later), move |folder| {
        contacts(folder);
        let file = folder.join("alerting.yml");
        let text = std::fs::read_to_string(&file).expect("readable");
        let waits = "grouping: { wait_seconds: { medium: 1 }, interval_minutes: 0 }";
        std::fs::write(&file, text.replace("grouping: { wait_seconds: {} }", waits)).expect("written");
        configured(folder, &of_both("certificate_file: old.pem", "turn: 0"), &mail)
    })
    .await
}

/// The one incident of Stavanger's, once its timeline says something.
async fn until_told(service: &Service, said: &str) -> Value {
    loop {
        let list = service
            .get(&format!("/api/v1/incidents?organization={STAVANGER}"))
            .await
            .1;
        let Some(id) = list["incidents"][0]["id"].as_str() else {
            continue;
        };
        let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
        if detail["timeline"].to_string().contains(said) {
            // Its parts are read one after the other: those before the timeline may be older than it.
            return service.get(&format!("/api/v1/incidents/{id}")).await.1;
        }
    }
}

async fn what_cannot_be_encrypted_leaves_without_data_and_is_told() {
    let service = after_the_certificate("").await;
    service
        .publish(&[Alerts::new(STAVANGER).summary(TEXT).make(1)])
        .await;
    let mail = service.mails(1).await.remove(0);
    assert_eq!(mail.subject, "[Varde] Noe venter på deg");
    for word in HIDDEN {
        assert!(!mail.raw_text().contains(word), "{word} in {}", mail.raw_text());
    }
    assert!(
        mail.text.contains("+47 22 00 00 00") && mail.html.contains("<html lang=\"nb\">"),
        "{}",
        mail.text
    );
    let detail = until_told(&service, "told only that something waits").await;
    let why = "the contact's certificate: it ended on";
    assert!(detail["timeline"].to_string().contains(why), "{detail}");
    assert_eq!(detail["notifications"][0]["state"], "sent", "{detail}");
    let audit = service.text("/api/v1/audit").await;
    assert!(audit.contains("notice.bare") && audit.contains(why), "{audit}");
    let coverage = service.get("/api/v1/registry/coverage").await.1;
    let trouble = &coverage["keys"][0];
    assert_eq!(
        (&trouble["number"], &trouble["contact"], &trouble["key"]),
        (
            &STAVANGER.into(),
            &"Vakta i Stavanger".into(),
            &"certificate".into()
        ),
        "{coverage}"
    );
    assert!(
        trouble["flaw"].as_str().expect("a flaw").contains("it ended on"),
        "{trouble}"
    );
    let metrics = service.text("/metrics").await;
    assert!(
        metrics.contains("alerting_mails_total{protection=\"unsealable\"} 1"),
        "{metrics}"
    );
    service.stop().await;
}

async fn what_cannot_be_encrypted_is_held_where_the_configuration_says_so() {
    let service = after_the_certificate("when_unsealable: hold,").await;
    service
        .publish(&[Alerts::new(STAVANGER).summary(TEXT).make(1)])
        .await;
    let detail = until_told(&service, "the mail is held").await;
    service.publish(&[Alerts::new(BERGEN).make(2)]).await;
    let mails = service.mails(1).await;
    assert!(
        mails.iter().all(|mail| mail.to == "vakt@bergen.example"),
        "{mails:?}"
    );
    let sent = &detail["notifications"][0];
    assert_eq!(sent["state"], "pending", "{detail}");
    assert!(
        sent["error"]
            .as_str()
            .expect("an error")
            .contains("can't be encrypted"),
        "{sent}"
    );
    let audit = service.text("/api/v1/audit").await;
    assert_eq!(
        audit.matches("notice.held").count(),
        1,
        "once, not at each attempt: {audit}"
    );
    service.stop().await;
}

async fn a_group_that_cannot_be_encrypted_leaves_one_by_one() {
    let service = after_the_certificate("").await;
    let medium = |number: u32| {
        let alert = Alerts::new(STAVANGER).severity(Severity::Medium).summary(TEXT);
        alert.rule(&format!("rule-{number}")).make(number)
    };
    service.publish(&[medium(1), medium(2)]).await;
    for mail in service.mails(2).await {
        assert_eq!(mail.subject, "[Varde] Noe venter på deg");
        for word in HIDDEN {
            assert!(!mail.raw_text().contains(word), "{word} in {}", mail.raw_text());
        }
    }
    service.stop().await;
}
