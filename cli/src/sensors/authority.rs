//! `varde sensors authority`: the files that trust begins with. Keys are for their owner's eyes; nothing is written over.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ingest_gateway::config::{
    AUTHORITY_CERTIFICATE, AUTHORITY_KEY, BUNDLE_KEYS, BUNDLE_SIGNING_KEY, GATEWAY_CERTIFICATE, GATEWAY_KEY,
};
use ingest_trust::Authority;
use ingest_trust::signing::SigningKey;

use super::arguments::AuthorityArguments;
use super::desk::{failed, read};
use crate::exit::{Ended, Exit, Failure};
use crate::{Terminal, clock};

/// How the authority is called in its certificate.
const NAME: &str = "Varde sensors";

/// A file that is to be made.
struct File {
    name: &'static str,
    data: Vec<u8>,
    is_secret: bool,
}

/// Makes the files.
pub(super) fn run(arguments: &AuthorityArguments, terminal: &mut Terminal<'_>) -> Ended {
    let folder = &arguments.directory;
    let files = if arguments.gateway_only {
        let authority = Authority::from_pem(
            &read(&folder.join(AUTHORITY_CERTIFICATE))?,
            &read(&folder.join(AUTHORITY_KEY))?,
        )
        .map_err(|error| failed("use the authority", &error))?;
        gateway(&authority, &arguments.hosts)?
    } else {
        all(&arguments.hosts)?
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| unwritten(folder, &error))?;
    if arguments.gateway_only {
        for name in [GATEWAY_CERTIFICATE, GATEWAY_KEY] {
            let path = folder.join(name);
            if path.exists() {
                fs::rename(&path, path.with_added_extension("old"))
                    .map_err(|error| unwritten(&path, &error))?;
            }
        }
    }
    if let Some(file) = files.iter().find(|file| folder.join(file.name).exists()) {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "{} is there already and is not written over; choose another folder, or --gateway-only",
                folder.join(file.name).display()
            ),
        ));
    }
    for file in &files {
        let path = folder.join(file.name);
        write(&path, file).map_err(|error| unwritten(&path, &error))?;
    }
    let names: Vec<&str> = files.iter().map(|file| file.name).collect();
    terminal.tell(&format!("Made {} in {}.", names.join(", "), folder.display()));
    if arguments.gateway_only {
        terminal.tell("What was there is kept as .old. Restart the gateway.");
    } else {
        terminal.tell(&format!(
            "Point the gateway's `directory` at it. Move {BUNDLE_SIGNING_KEY} to where bundles are made: it says what \
             all sensors run, and the gateway does not need it.\nKeep a copy of {AUTHORITY_KEY} where nobody else gets \
             at it: without it every sensor has to be enrolled anew."
        ));
    }
    Ok(Exit::Done)
}

fn all(hosts: &[String]) -> Result<Vec<File>, Failure> {
    let unmade = |error: &dyn std::error::Error| failed("make the keys", error);
    let authority = Authority::generate(NAME, clock::now()).map_err(|error| unmade(&error))?;
    let signing = SigningKey::generate().map_err(|error| unmade(&error))?;
    let public = signing.verifying().map_err(|error| unmade(&error))?;
    let mut files = vec![
        public_file(
            AUTHORITY_CERTIFICATE,
            authority.certificate_pem().map_err(|error| unmade(&error))?,
        ),
        secret_file(
            AUTHORITY_KEY,
            authority.key_pem().map_err(|error| unmade(&error))?,
        ),
        secret_file(
            BUNDLE_SIGNING_KEY,
            signing.to_pem().map_err(|error| unmade(&error))?,
        ),
        public_file(BUNDLE_KEYS, format!("{public}\n")),
    ];
    files.extend(gateway(&authority, hosts)?);
    Ok(files)
}

fn gateway(authority: &Authority, hosts: &[String]) -> Result<Vec<File>, Failure> {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let (certificate, key) = authority
        .issue_server(&hosts, clock::now())
        .map_err(|error| failed("make the gateway's certificate", &error))?;
    Ok(vec![
        public_file(GATEWAY_CERTIFICATE, certificate),
        secret_file(GATEWAY_KEY, key),
    ])
}

fn public_file(name: &'static str, text: String) -> File {
    File {
        name,
        data: text.into_bytes(),
        is_secret: false,
    }
}

fn secret_file(name: &'static str, data: Vec<u8>) -> File {
    File {
        name,
        data,
        is_secret: true,
    }
}

fn write(path: &Path, file: &File) -> std::io::Result<()> {
    let mode = if file.is_secret { 0o600 } else { 0o644 };
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    to.write_all(&file.data)?;
    to.sync_all()
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
}
