//! A signed mail is read by a mail library as ever, and its signature is held by openssl itself.

use std::{path::Path, process::Command};

use alerting::config::Config;

use crate::{
    STAVANGER,
    service::{Alerts, Service},
};

/// Runs openssl; its standard output, or what it complains of.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("openssl");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(text(&done.stderr))
    }
}

/// An authority, one between, and the CERT's certificate; a key of nobody's.
pub(crate) fn certificates(folder: &Path) {
    let run = |arguments: &str| openssl(folder, &arguments.split(' ').collect::<Vec<_>>()).expect(arguments);
    run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Authority -days 2");
    run(
        "req -x509 -newkey rsa:2048 -nodes -keyout mid.key -out mid.pem -subj /CN=Between -days 2 -CA ca.pem -CAkey ca.key \
         -addext basicConstraints=critical,CA:TRUE",
    );
    run(
        "req -x509 -newkey rsa:2048 -nodes -keyout cert.key -out leaf.pem -subj /CN=Varde -days 2 -CA mid.pem -CAkey mid.key \
         -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=emailProtection \
         -addext subjectAltName=email:varde@cert.example",
    );
    run("genrsa -out other.key 2048");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("readable");
    std::fs::write(folder.join("cert.pem"), read("leaf.pem") + &read("mid.pem")).expect("written");
}

/// The harness's configuration with a signature by a key.
fn signing(folder: &Path, key: &str) -> Config {
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let path = |name: &str| folder.join(name).display().to_string();
    let signing = format!(
        "signing: {{ certificate_file: {}, key_file: {} }}, transport:",
        path("cert.pem"),
        path(key)
    );
    std::fs::write(&file, text.replace("transport:", &signing)).expect("written");
    Config::read(&file).expect("a configuration")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_mail_is_held_by_openssl_and_a_changed_one_is_not() {
    let service = Service::steered(alerting::clock::machine(), |folder| {
        certificates(folder);
        signing(folder, "cert.key")
    })
    .await;
    let text = "Portskanning: á č đ ŋ š ŧ ž æøå ÆØÅ";
    service
        .publish(&[Alerts::new(STAVANGER).summary(text).make(1)])
        .await;
    let mail = service.mails(1).await.remove(0);
    assert!(
        mail.text.contains(text) && mail.html.contains(text),
        "{}",
        mail.text
    );
    assert!(mail.subject.contains(text), "{}", mail.subject);
    assert!(mail.message_id.ends_with("@cert.example>"), "{}", mail.message_id);
    assert_eq!(mail.raw.matches("MIME-Version:").count(), 1, "{}", mail.raw);

    let folder = service.stop().await;
    let verify = |raw: &str| {
        std::fs::write(folder.path().join("mail.eml"), raw).expect("written");
        openssl(
            folder.path(),
            &[
                "cms",
                "-verify",
                "-in",
                "mail.eml",
                "-CAfile",
                "ca.pem",
                "-purpose",
                "smimesign",
            ],
        )
    };
    let content = verify(&mail.raw).expect("held");
    assert!(
        content.contains("multipart/alternative"),
        "what is signed is the whole content: {content}"
    );
    let changed = mail.raw.replacen("charset", "charSet", 1);
    assert_ne!(changed, mail.raw);
    let error = verify(&changed).expect_err("changed");
    assert!(error.contains("verification failure"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_the_certificates_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    crate::service::configure(folder.path(), 1);
    let config = signing(folder.path(), "other.key");
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    crate::service::ensure_topic(&bus).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let run = alerting::service::run(config, bus, alerting::clock::machine(), stop, |_| {
        panic!("it does not run")
    });
    let error = format!("{:#}", run.await.expect_err("refused"));
    assert!(
        error.contains("other.key") && error.contains("not the key of"),
        "{error}"
    );
}
