//! `varde-gateway check`: what is wrong is said before anything runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use ingest_gateway::config;

use crate::station::Station;

/// Exit code and standard error.
fn check(path: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varde-gateway"))
        .args(["check", "--config"])
        .arg(path)
        .output()
        .expect("runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn a_missing_or_foreign_file_is_named() {
    let station = Station::new().await;
    let folder = station.folder.path();
    let path = folder.join("gateway.yml");
    assert_eq!(check(&path).0, Some(78), "there is no configuration");
    let text = format!(
        "bus: {{ embedded: {{ directory: bus }} }}\ndirectory: {}\n",
        folder.display()
    );
    fs::write(&path, text).expect("written");
    assert_eq!(check(&path), (Some(0), String::new()));

    fs::write(folder.join(config::BUNDLE_SIGNING_KEY), "x").expect("written");
    let (code, said) = check(&path);
    assert_eq!(code, Some(0));
    assert!(said.contains("bundles.key lies beside"), "{said}");

    let key = folder.join(config::GATEWAY_KEY);
    let good = fs::read(&key).expect("there");
    fs::copy(folder.join(config::AUTHORITY_KEY), &key).expect("copied");
    assert_eq!(check(&path).0, Some(78), "the key is not the certificate's");
    fs::write(&key, good).expect("written");
    fs::remove_file(folder.join(config::AUTHORITY_KEY)).expect("removed");
    let (code, said) = check(&path);
    assert_eq!(code, Some(78));
    assert!(said.contains("authority.key"), "{said}");
}
