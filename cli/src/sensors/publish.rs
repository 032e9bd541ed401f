//! `varde sensors publish`: a folder becomes a signed bundle. Parts first, then the manifest: a sensor that sees the one
//! finds the others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ingest::scan::load;
use ingest_bus::Record;
use ingest_event::{OrganizationNumber, SensorId};
use ingest_gateway::bundles::PARTS;
use ingest_trust::manifest::{self, BYTES_MAX, FILES_MAX, FORMAT, File};
use ingest_trust::signing::{SigningKey, VerifyingKey};
use ingest_trust::{Audience, Manifest};

use super::arguments::{AudienceArguments, PublishArguments};
use super::desk::{Desk, failed, read};
use super::{carry, restrict};
use crate::exit::{Ended, Exit, Failure};
use crate::text::{counted, number};
use crate::{Terminal, clock};

/// Bytes of parts in one call: what the bus has under way at once.
const CALL_BYTES: usize = 8 << 20;

/// Folders inside folders.
const DEPTH_MAX: usize = 8;

/// The files of a folder, and their parts under their digests.
#[derive(Default)]
struct Folder {
    files: Vec<File>,
    parts: Vec<(String, Vec<u8>)>,
    bytes: u64,
    /// What is not looked into.
    passed_over: Option<PathBuf>,
}

/// Signs a folder and hands it out.
pub(super) async fn run(desk: &Desk, arguments: &PublishArguments, terminal: &mut Terminal<'_>) -> Ended {
    let key = SigningKey::from_pem(&read(&arguments.key)?).map_err(|error| {
        let path = arguments.key.display();
        Failure::new(
            Exit::Input,
            format!("cannot use {path}: {}", crate::text::chain(&error)),
        )
    })?;
    arguments.out.as_deref().map_or(Ok(()), carry::check)?;
    load::check(&arguments.directory).map_err(|error| {
        let why = crate::text::chain(&error);
        Failure::new(Exit::Input, format!("sensors would refuse this bundle: {why}"))
    })?;
    let restricted = restrict::restrict(
        &arguments.directory,
        arguments.restricted_key.as_deref(),
        clock::now(),
    )?;
    let mut folder = Folder {
        passed_over: restricted
            .as_ref()
            .map(|_| arguments.directory.join(load::INDICATORS)),
        ..Folder::default()
    };
    folder.walk(&arguments.directory, &arguments.directory, 0)?;
    for (name, data) in restricted.iter().flat_map(|restricted| &restricted.files) {
        folder.add(name, data, &arguments.directory)?;
    }
    if folder.files.is_empty() {
        let message = format!("there are no files in {}", arguments.directory.display());
        return Err(Failure::new(Exit::Input, message));
    }
    folder.files.sort_by(|one, other| one.path.cmp(&other.path));
    let (newest, there) = state(desk).await?;
    let now = clock::now();
    let seconds = u64::try_from(now.as_millis() / 1_000).unwrap_or(0);
    let manifest = Manifest {
        format: FORMAT,
        version: seconds.max(newest.saturating_add(1)),
        audience: audience(desk, &arguments.audience, terminal).await?,
        issued: now,
        program: arguments.program.clone(),
        keys: believed(&arguments.believe)?,
        files: folder.files,
    };
    let sealed = manifest.seal(&key).map_err(|error| {
        Failure::new(
            Exit::Input,
            format!("cannot publish: {}", crate::text::chain(&error)),
        )
    })?;
    let sealed = sealed.to_bytes();
    let carried = arguments.out.as_ref().map(|out| (out, folder.parts.clone()));
    let sent = send_parts(desk, folder.parts, &there).await?;
    let record = Record::new(sealed.clone()).with_key(manifest.audience.key());
    desk.hand_out(vec![record]).await?;
    // The centre knows it by now: a bundle that only the folder has could never be taken back.
    if let Some((out, parts)) = carried {
        carry::write(out, &manifest, &sealed, &parts)?;
    }
    let removed = clean(desk, &manifest).await?;
    writeln!(terminal.out, "{}", manifest.version)?;
    terminal.out.flush()?;
    terminal.tell(&format!(
        "Bundle {} with {} of {} bytes is signed and handed out; {} new, {removed} removed that no bundle names any \
         more. `varde sensors list` shows who runs it.",
        manifest.version,
        counted(manifest.files.len() as u64, "file", "files"),
        number(folder.bytes),
        counted(sent, "part", "parts"),
    ));
    if let Some((restricted, key)) = restricted.and_then(|restricted| {
        let key = restricted.key_id.clone()?;
        Some((restricted, key))
    }) {
        terminal.tell(&format!(
            "{} travel as hashes under the key {}, {} in clear.",
            counted(restricted.hidden as u64, "indicator", "indicators"),
            key,
            number(restricted.open as u64),
        ));
    }
    Ok(Exit::Done)
}

/// The keys in files like `bundles.pub`.
pub(super) fn believed(files: &[PathBuf]) -> Result<Vec<VerifyingKey>, Failure> {
    let mut keys = Vec::new();
    for path in files {
        let wrong = |why: &str| Failure::new(Exit::Input, format!("cannot use {}: {why}", path.display()));
        let before = keys.len();
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            keys.push(VerifyingKey::parse(line).map_err(|error| wrong(&crate::text::chain(&error)))?);
        }
        if keys.len() == before {
            return Err(wrong("there is no key in it"));
        }
    }
    Ok(keys)
}

impl Folder {
    fn walk(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<(), Failure> {
        let unread = |error: &std::io::Error| {
            Failure::new(Exit::Input, format!("cannot read {}: {error}", folder.display()))
        };
        if DEPTH_MAX < depth {
            let message = format!("{} lies too deep", folder.display());
            return Err(Failure::new(Exit::Input, message));
        }
        for entry in fs::read_dir(folder).map_err(|error| unread(&error))? {
            let path = entry.map_err(|error| unread(&error))?.path();
            if self.passed_over.as_ref() == Some(&path) {
                continue;
            }
            if path.is_dir() {
                self.walk(root, &path, depth + 1)?;
                continue;
            }
            let data = read(&path)?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            self.add(&name, &data, root)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, data: &[u8], root: &Path) -> Result<(), Failure> {
        self.bytes += data.len() as u64;
        if BYTES_MAX < self.bytes || FILES_MAX <= self.files.len() {
            let message = format!(
                "{} is too large: {BYTES_MAX} bytes and {FILES_MAX} files are the most",
                root.display()
            );
            return Err(Failure::new(Exit::Input, message));
        }
        let (file, parts) = File::of(name, data);
        self.parts.extend(file.parts.iter().cloned().zip(parts));
        self.files.push(file);
        Ok(())
    }
}

/// The newest version of all bundles, and the parts that are there and good.
async fn state(desk: &Desk) -> Result<(u64, BTreeSet<String>), Failure> {
    let newest = manifests(desk)
        .await?
        .iter()
        .map(|manifest| manifest.version)
        .max();
    Ok((newest.unwrap_or(0), parts(desk).await?))
}

async fn manifests(desk: &Desk) -> Result<Vec<Manifest>, Failure> {
    let records = desk.control(b"bundle/").await?;
    let read = records.values().map(|record| {
        Manifest::unverified(&record.value).map_err(|error| failed("read a bundle that is there", &error))
    });
    read.collect()
}

async fn parts(desk: &Desk) -> Result<BTreeSet<String>, Failure> {
    let records = desk.control(PARTS.as_bytes()).await?;
    let good = records.into_iter().filter_map(|(key, record)| {
        let digest = manifest::digest(&record.value);
        (key == format!("{PARTS}{digest}").into_bytes()).then_some(digest)
    });
    Ok(good.collect())
}

async fn audience(
    desk: &Desk,
    arguments: &AudienceArguments,
    terminal: &mut Terminal<'_>,
) -> Result<Audience, Failure> {
    if let Some(organization) = arguments.organization {
        return Ok(Audience::Organization(organization));
    }
    if arguments.all {
        return Ok(Audience::All);
    }
    let registry = desk.registry(terminal).await?;
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let mut organizations = BTreeSet::new();
    let mut names = BTreeSet::new();
    for name in arguments.sensors.iter().map(SensorId::as_str) {
        let known = registry.sensor(name).ok_or_else(|| {
            usage(format!(
                "there is no sensor {name}; `varde sensors list` shows their names"
            ))
        })?;
        organizations.insert(known.organization.clone());
        names.insert(name.to_owned());
    }
    let mut organizations = organizations.into_iter();
    match (organizations.next(), organizations.next()) {
        (Some(organization), None) => Ok(Audience::Sensors {
            organization: OrganizationNumber::parse(&organization)
                .map_err(|error| usage(error.to_string()))?,
            sensors: names.into_iter().collect(),
        }),
        (_, _) => Err(usage(
            "these sensors are of several organisations; publish for each".to_owned(),
        )),
    }
}

/// Sends parts that are not there yet; gives how many.
async fn send_parts(
    desk: &Desk,
    parts: Vec<(String, Vec<u8>)>,
    there: &BTreeSet<String>,
) -> Result<u64, Failure> {
    let (mut sent, mut seen) = (0, there.clone());
    let (mut call, mut bytes) = (Vec::new(), 0);
    for (digest, part) in parts {
        if !seen.insert(digest.clone()) {
            continue;
        }
        bytes += part.len();
        sent += 1;
        call.push(Record::new(part).with_key(format!("{PARTS}{digest}")));
        if CALL_BYTES <= bytes {
            desk.hand_out(std::mem::take(&mut call)).await?;
            bytes = 0;
        }
    }
    desk.hand_out(call).await?;
    Ok(sent)
}

/// Takes bundles away that this one stands for, and parts that no bundle names any more, or the topic grows for ever. Looks again at what is there: somebody
/// else may have published meanwhile.
async fn clean(desk: &Desk, published: &Manifest) -> Result<u64, Failure> {
    let there = parts(desk).await?;
    // Older ones of which every sensor gets the new one: their keys would stay for ever.
    let (over, manifests): (Vec<Manifest>, Vec<Manifest>) =
        manifests(desk).await?.into_iter().partition(|manifest| {
            manifest.version < published.version && published.audience.covers(&manifest.audience)
        });
    let named: BTreeSet<&String> = manifests
        .iter()
        .flat_map(|manifest| &manifest.files)
        .flat_map(|file| &file.parts)
        .collect();
    if published
        .files
        .iter()
        .flat_map(|file| &file.parts)
        .any(|part| !there.contains(part))
    {
        let message = "somebody else published at the same time and took parts away; publish again";
        return Err(Failure::new(Exit::Failed, message));
    }
    let parts: Vec<&String> = there.iter().filter(|digest| !named.contains(digest)).collect();
    let removed = parts.len() as u64;
    // The bundles first: one without its parts counts as damaged.
    let bundles = over
        .iter()
        .map(|manifest| Record::tombstone(manifest.audience.key()));
    let parts = parts
        .iter()
        .map(|digest| Record::tombstone(format!("{PARTS}{digest}")));
    let tombstones = bundles.chain(parts).collect();
    desk.hand_out(tombstones).await?;
    Ok(removed)
}
