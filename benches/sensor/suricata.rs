//! Suricata 7 as a peer: without rules, with EVE's flows, DNS, TLS and HTTP in a file, on one thread.
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

/// Community ID as ours, room for all flows of the dense capture, and nothing that the events do not need.
const CONFIG: &str = "\
%YAML 1.1
---
default-log-dir: /bench
stats: { enabled: no }
logging: { default-log-level: error }
vars: { address-groups: { HOME_NET: \"[10.0.0.0/8,192.168.0.0/16,fd00::/8]\", EXTERNAL_NET: any } }
flow: { memcap: 2gb }
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      community-id: true
      types: [flow, dns, tls, http]
";

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
    fs::write(bench.join("bench.yaml"), CONFIG).context("write a configuration")?;
    let capture = place(&traffic.path, &bench)?;
    let run = format!(
        "rm -f /bench/eve.json; suricata -c /bench/bench.yaml -S /dev/null --runmode single -k none -r /bench/{capture} -l /bench \
         >/dev/null 2>&1 && test -s /bench/eve.json"
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
