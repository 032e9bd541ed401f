//! Lists of names: one a line, or MISP's warning lists, plain or Zstandard.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::Exit;
use crate::exit::Failure;
use crate::text::number;

/// Largest list that is read, unpacked: a million names of 60 letters.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// How a Zstandard frame begins (RFC 8878, section 3.1.1).
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Names, and what they are.
pub(super) struct Names {
    /// In words, without the path: the same list is called the same wherever it lies.
    pub(super) title: String,
    pub(super) names: Vec<String>,
}

/// A warning list in MISP's format (`schema.json` of misp-warninglists).
#[derive(Deserialize)]
struct WarningList {
    name: String,
    version: u64,
    list: Vec<String>,
}

impl Names {
    /// Reads a list.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| Failure::new(Exit::Input, format!("{}: {why}", path.display()));
        let text = text(path).map_err(|error| refused(format!("cannot read it: {error}")))?;
        if text.trim_start().starts_with('{') {
            let WarningList { name, version, list } = serde_json::from_str(&text)
                .map_err(|error| refused(format!("this is no warning list of MISP: {error}")))?;
            let title = format!("{name}, version {version} ({} names)", number(list.len() as u64));
            let names = list
                .iter()
                .map(|name| name.trim_matches('.').to_owned())
                .collect();
            return Ok(Self { title, names });
        }
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let names: Vec<String> = lines.map(str::to_owned).collect();
        let file = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or("a list");
        Ok(Self {
            title: format!("{file} ({} names)", number(names.len() as u64)),
            names,
        })
    }
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut head)?;
    let file = fs::File::open(path)?;
    let mut text = String::new();
    let bytes = if head == ZSTANDARD {
        zstd::Decoder::new(file)?
            .take(LIST_BYTES_MAX + 1)
            .read_to_string(&mut text)?
    } else {
        file.take(LIST_BYTES_MAX + 1).read_to_string(&mut text)?
    };
    if LIST_BYTES_MAX < bytes as u64 {
        return Err(std::io::Error::other("more than 64 MiB"));
    }
    Ok(text)
}
