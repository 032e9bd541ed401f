//! `varde sensors enrol`: a code for one sensor. Only its digest is kept; the code itself is printed once.

use std::time::Duration;

use ingest_gateway::config::BUNDLE_KEYS;
use ingest_trust::registry::{Code, Entry};
use ingest_trust::{EnrolmentCode, authority, signing};
use openssl::x509::X509;

use super::arguments::EnrolArguments;
use super::desk::{Desk, failed, read};
use super::publish::believed;
use crate::exit::{Ended, Exit, Failure};
use crate::{Terminal, clock};

/// How long a code opens the door.
const CODE_VALIDITY: Duration = Duration::from_hours(1);

/// Makes a code and prints it, alone on standard output.
pub(super) async fn run(desk: &Desk, arguments: &EnrolArguments, terminal: &mut Terminal<'_>) -> Ended {
    let pem = read(&arguments.authority)?;
    let wrong = |error: &dyn std::error::Error| {
        let path = arguments.authority.display();
        let message = format!(
            "cannot use {path}: {}; name authority.crt",
            crate::text::chain(error)
        );
        Failure::new(Exit::Input, message)
    };
    let certificate = X509::from_pem(&pem).map_err(|error| wrong(&error))?;
    let pin = authority::pin(&certificate).map_err(|error| wrong(&error))?;
    let keys = arguments
        .keys
        .clone()
        .unwrap_or_else(|| arguments.authority.with_file_name(BUNDLE_KEYS));
    let keys =
        signing::pin(&believed(&[keys])?).map_err(|error| failed("read the keys under bundles", &error))?;
    let code = EnrolmentCode::make(&arguments.gateway, pin, keys)
        .map_err(|error| failed("make a code", &error))?
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    desk.decide(&Entry::Code(Code {
        digest: code.digest(),
        until: clock::now().saturating_add(CODE_VALIDITY).as_nanos(),
        organization: arguments.organization.map(|number| number.to_string()),
    }))
    .await?;
    writeln!(terminal.out, "{code}")?;
    terminal.out.flush()?;
    terminal.tell(
        "This code enrols one sensor and is good for an hour. Put it into the sensor's configuration and start it; \
         the sensor then shows a fingerprint.\nCompare that with `varde sensors list`, and let it in with `varde \
         sensors approve`.",
    );
    Ok(Exit::Done)
}
