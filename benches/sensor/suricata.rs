//! Suricata 7 as a peer: EVE with flows, DNS, TLS and HTTP, which ours writes too, with Community ID as ours, and nothing else;
//! without rules, on one thread, with room for all flows of the dense capture.
//!
//! It runs in a [`Debian`] of its own, alone: many packets of the mix are malformed, and it crashes on some now and then.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;

use super::debian::Debian;
use super::running::Program;
use super::traffic::Traffic;

/// In the table.
pub const NAME: &str = "Suricata, EVE of four types and no rules";

/// Runs, until one does not crash.
const TRIES: usize = 4;

/// Its counters are written once, at the end.
const CONFIG: &str = "\
%YAML 1.1
---
stats: { enabled: yes, interval: 86400 }
logging: { default-log-level: error }
vars: { address-groups: { HOME_NET: \"[10.0.0.0/8,192.168.0.0/16,fd00::/8]\", EXTERNAL_NET: any } }
flow: { memcap: 2gb }
stream: { memcap: 2gb, reassembly: { memcap: 2gb } }
outputs:
  - stats: { enabled: yes, filename: stats.log, append: no }
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      append: no
      community-id: true
      types: [flow, dns, tls, http]
";

/// It, on a capture; `None` where it was not installed, and for anybody but root.
///
/// # Errors
/// If the capture can't be put where it sees it.
pub fn program(traffic: &Traffic) -> anyhow::Result<Option<Program>> {
    let Some(debian) = Debian::with("/usr/bin/suricata") else {
        return Ok(None);
    };
    let folder = debian.folder()?;
    fs::write(folder.path().join("bench.yaml"), CONFIG).context("write a configuration")?;
    let config = debian.path(&folder, "bench.yaml");
    let capture = debian.place(&traffic.path, &folder)?;
    let logs = debian.path(&folder, "");
    let command = debian.alone(&[
        debian.program(),
        "-c",
        &config,
        "-S",
        "/dev/null",
        "--runmode",
        "single",
        "-k",
        "none",
        "-r",
        &capture,
        "-l",
        &logs,
    ]);
    let packets = traffic.packets;
    Ok(Some(Program {
        tries: TRIES,
        did: Some(Box::new(move |_| did(folder.path(), packets))),
        // A thread of its own ends flows by the time of day, and one more or less is split by it.
        varies: true,
        ..Program::new(NAME, command)
    }))
}

/// What a run did, which takes what it wrote away: that it decoded all packets, and forgot nothing for want of memory.
fn did(folder: &Path, packets: u64) -> anyhow::Result<String> {
    let (counters, events) = (folder.join("stats.log"), folder.join("eve.json"));
    let text = fs::read_to_string(&counters).context("read Suricata's counters")?;
    let mut decoded = 0;
    for line in text.lines() {
        // decoder.pkts                                  | Total                     | 317904
        let mut columns = line.split('|').map(str::trim);
        let (Some(name), Some(count)) = (
            columns.next(),
            columns.nth(1).and_then(|count| count.parse().ok()),
        ) else {
            continue;
        };
        anyhow::ensure!(
            count == 0 || !(name.ends_with("memcap_drop") || name == "flow.memcap"),
            "Suricata forgot for want of memory: {name} {count}"
        );
        if name == "decoder.pkts" {
            decoded = count;
        }
    }
    anyhow::ensure!(
        decoded == packets,
        "Suricata decoded {decoded} packets of {packets}"
    );
    let mut flows = 0;
    for line in BufReader::new(File::open(&events).context("read Suricata's events")?).lines() {
        flows += u64::from(line?.contains(r#""event_type":"flow""#));
    }
    anyhow::ensure!(flows != 0, "Suricata wrote no flow");
    fs::remove_file(counters)?;
    fs::remove_file(events)?;
    Ok(format!("{decoded} packets, {flows} flow events"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(counters: &str, events: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("stats.log"), counters)?;
        fs::write(folder.path().join("eve.json"), events)?;
        did(folder.path(), 1_400_000)
    }

    #[test]
    fn a_run_counts_that_decoded_all_packets_forgot_nothing_and_wrote_flows() {
        let all =
            "Counter | TM Name | Value\n-----\ndecoder.pkts | Total | 1400000\nmemcap_pressure | Total | 7\n";
        let flows = "{\"event_type\":\"flow\"}\n{\"event_type\":\"dns\"}\n{\"a\":1,\"event_type\":\"flow\",\"b\":2}\n";
        assert_eq!(wrote(all, flows).unwrap(), "1400000 packets, 2 flow events");

        let fewer = wrote("decoder.pkts | Total | 1399999\n", flows).unwrap_err();
        assert!(
            fewer.to_string().contains("1399999 packets of 1400000"),
            "{fewer}"
        );
        for counter in ["tcp.ssn_memcap_drop", "flow.memcap"] {
            let forgot = wrote(&format!("{all}{counter} | Total | 3\n"), flows).unwrap_err();
            assert!(forgot.to_string().contains(&format!("{counter} 3")), "{forgot}");
        }
        assert!(wrote(all, "{\"event_type\":\"dns\"}\n").is_err());
    }
}
