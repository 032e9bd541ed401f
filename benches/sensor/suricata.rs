//! Suricata 7 as a peer: as Debian configures it, without rules, with EVE in a file, on one thread, and with room for all
//! flows of the dense capture.
//!
//! It runs in a Debian of its own (`scripts/provision bench` makes it under `.varde/suricata`), since this one's may be too
//! old or have none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::running::Program;
use super::traffic::Traffic;

/// In the table.
pub const NAME: &str = "Suricata, EVE and no rules";

/// It crashes now and then on malformed packets.
const TRIES: usize = 4;

/// It, on a capture; `None` where it was not installed.
///
/// # Errors
/// If the capture can't be put where it sees it.
pub fn program(traffic: &Traffic) -> anyhow::Result<Option<Program>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.varde/suricata");
    if !root.join("usr/bin/suricata").is_file() {
        return Ok(None);
    }
    let bench = root.join("bench");
    fs::create_dir_all(&bench).context("make a folder")?;
    let capture = place(&traffic.path, &bench)?;
    let run = format!(
        "rm -f /bench/eve.json; suricata -c /etc/suricata/suricata.yaml --set flow.memcap=2gb -S /dev/null --runmode single -k none \
         -r /bench/{capture} -l /bench >/dev/null 2>&1 && test -s /bench/eve.json"
    );
    Ok(Some(Program {
        name: NAME.to_owned(),
        command: ["chroot", &root.display().to_string(), "sh", "-c", &run]
            .map(str::to_owned)
            .to_vec(),
        tries: TRIES,
    }))
}

/// The same file under another name, in a folder of the same disk.
fn place(capture: &Path, folder: &Path) -> anyhow::Result<String> {
    let name = capture.file_name().context("a capture has a name")?;
    let to: PathBuf = folder.join(name);
    let _ = fs::remove_file(&to);
    fs::hard_link(capture, &to).with_context(|| format!("link {}", to.display()))?;
    Ok(name.to_string_lossy().into_owned())
}
