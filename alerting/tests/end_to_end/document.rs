//! The document of the API: the committed copy is what the code says, the service serves it, and the router has what it says, no less and
//! no more.

use std::{path::Path, process::Command};

use crate::{
    access::{self, ask, log_in, person},
    service::Service,
    stores::on_both,
};

on_both!(the_router_has_the_methods_that_the_document_says_and_no_others,);

#[test]
fn the_copy_in_docs_is_what_the_code_says() {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let copy = std::fs::read_to_string(copy).unwrap_or_default();
    let told = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
        .arg("openapi")
        .output()
        .expect("run");
    assert!(told.status.success(), "{told:?}");
    let says = String::from_utf8(told.stdout).expect("UTF-8");
    let differs = copy.lines().zip(says.lines()).find(|(one, other)| one != other);
    assert!(
        copy == says,
        "docs/openapi.json is not what the code says ({differs:?}): renew it with \
         `cargo run --package alerting -- openapi >docs/openapi.json`, and look at what changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_serves_the_document_to_anyone() {
    let service = access::start().await;
    let answer = ask(&service, "GET", "/api/v1/openapi.json", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, alerting::document()));
    service.stop().await;
}

async fn the_router_has_the_methods_that_the_document_says_and_no_others() {
    let service: Service = access::start().await;
    let mut given = person(&service, "chief", &["duty_officer", "auditor"], &[]);
    let cookie = log_in(&service, &mut given).await;
    let operations = alerting::operations();
    for operation in &operations {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if ["/api/v1/stream", "/api/v1/logout"].contains(&operation.path.as_str()) {
                continue;
            }
            let path = operation.path.replace(['{', '}'], "");
            let answer = ask(&service, method, &path, &[&cookie], "{}").await;
            let is_said = operations
                .iter()
                .any(|other| other.path == operation.path && other.method == method);
            let place = format!("{method} {path}: {answer:?}");
            assert_eq!(answer.status != 405, is_said, "{place}");
            assert!(answer.status < 500 || path == "/readyz", "{place}");
            if 400 <= answer.status && path != "/readyz" {
                assert!(answer.head.contains("application/problem+json"), "{place}");
            }
        }
    }
    service.stop().await;
}
