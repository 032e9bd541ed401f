//! What others make of the same captures, and our own sensor beside them, each as a process of its own.

use std::env;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::running::{Program, Ran, by_turns, run};
use super::suricata;
use super::traffic::{DENSE_FLOWS, Traffic};
use crate::measure::{Against, Bar, Contender, Row, rate};

/// By turns so often; a run of a peer takes up to half a minute.
const ROUNDS: usize = 3;

/// What is promised of a live flow.
const FLOW_BYTES_MAX: f64 = 400.0;

/// What nfstream is asked: packets of a flow that its dissector looks at, as its manual has it.
const NFSTREAM: &str = "\
import sys
from nfstream import NFStreamer
flows = NFStreamer(source=sys.argv[1], n_dissections=20, statistical_analysis=False, n_meters=1).to_csv(path=sys.argv[2])
print(flows)
";

/// Measures on one capture.
///
/// # Errors
/// If a contender can't be run.
pub fn rows(traffic: &Traffic, folder: &Path) -> anyhow::Result<Vec<Row>> {
    let me = env::current_exe().context("find this program")?;
    let me = |way: &str, out: Option<&str>| {
        let mut command = vec![
            me.display().to_string(),
            way.to_owned(),
            traffic.path.display().to_string(),
        ];
        command.extend(out.map(|out| folder.join(out).display().to_string()));
        command
    };
    let program = |name: &str, command| Program {
        name: name.to_owned(),
        command,
        tries: 1,
    };
    let mut programs = vec![
        program("varde-sensor", me("events", Some("events.ndjson"))),
        program("floor", me("floor", None)),
    ];
    if let Some(python) = nfstream() {
        let mut command = vec![python, "-c".to_owned(), NFSTREAM.to_owned()];
        command.push(traffic.path.display().to_string());
        command.push(folder.join("flows.csv").display().to_string());
        programs.push(program("nfstream, dissecting", command));
    }
    programs.extend(suricata::program(traffic)?);
    let ran = by_turns(ROUNDS, &programs)?;
    let figure = |ran: &Ran| rate(traffic.packets, ran.time);
    let [ours, floor, peers @ ..] = ran.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    let checked = format!("{}; floor: {}", ours.said, floor.said);
    let row = |work, peer: Option<Contender>, bar| Row {
        bench: "sensor",
        work,
        corpus: traffic.name.to_owned(),
        unit: "packets/s",
        ours: figure(ours),
        floor: Some(Contender {
            name: "headers, flows and first payloads".to_owned(),
            figure: figure(floor),
        }),
        peer,
        bar,
        checked: checked.clone(),
    };
    let mut rows = vec![row(
        "capture to events, written",
        None,
        Some(Bar {
            against: Against::Floor,
            at_least: 0.25,
        }),
    )];
    for (program, ran) in programs.iter().skip(2).zip(peers) {
        let at_least = match traffic.name {
            "mix" if program.name == suricata::NAME => 6.0,
            "mix" => 7.0,
            "office" => 5.0,
            _ => 12.0,
        };
        rows.push(row(
            "capture to events, written",
            Some(Contender {
                name: program.name.clone(),
                figure: figure(ran),
            }),
            Some(Bar {
                against: Against::Peer,
                at_least,
            }),
        ));
    }
    rows.extend(flows(traffic, folder)?);
    if traffic.name == "dense" {
        rows.push(memory(&program("varde-sensor", me("memory", None)))?);
    }
    debug_assert!(traffic.name != "dense" || u64::from(DENSE_FLOWS) * 2 == traffic.packets);
    Ok(rows)
}

/// What a live flow takes, of all that the capture has. What is promised stands as a floor, turned round.
fn memory(program: &Program) -> anyhow::Result<Row> {
    let said = run(program)?.said;
    let numbers: Vec<f64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [flows, bytes] = numbers.as_slice() else {
        anyhow::bail!("`{said}` says how many flows took how many bytes");
    };
    let figure = |bytes: f64| 1e6 / bytes;
    Ok(Row {
        bench: "sensor",
        work: "memory of live flows",
        corpus: "dense".to_owned(),
        unit: "flows a megabyte",
        ours: figure(bytes / flows.max(1.0)),
        floor: Some(Contender {
            name: "the promised 400 bytes a flow".to_owned(),
            figure: figure(FLOW_BYTES_MAX),
        }),
        peer: None,
        bar: Some(Bar {
            against: Against::Floor,
            at_least: 1.0,
        }),
        checked: said,
    })
}

/// Flows alone, beside softflowd where it is installed. Its export goes to a port where nobody reads.
fn flows(traffic: &Traffic, folder: &Path) -> anyhow::Result<Option<Row>> {
    let listener = UdpSocket::bind("127.0.0.1:0").context("find a port")?;
    let to = listener.local_addr().context("find a port")?.to_string();
    let capture = traffic.path.display().to_string();
    let file = |name: &str| folder.join(name).display().to_string();
    let softflowd = [
        "softflowd",
        "-d",
        "-6",
        "-v",
        "9",
        "-m",
        "1000000",
        "-r",
        &capture,
        "-n",
        &to,
    ];
    let mut command: Vec<String> = softflowd.map(str::to_owned).to_vec();
    command.extend(["-c", "none", "-p"].map(str::to_owned));
    command.push(file("softflowd.pid"));
    if Command::new("softflowd").arg("-h").output().is_err() {
        return Ok(None);
    }
    let me = env::current_exe()
        .context("find this program")?
        .display()
        .to_string();
    let programs = [
        Program {
            name: "varde-sensor".to_owned(),
            command: vec![me, "flows".to_owned(), capture, file("flows.ndjson")],
            tries: 1,
        },
        Program {
            name: "softflowd".to_owned(),
            command,
            tries: 1,
        },
    ];
    let ran = by_turns(ROUNDS, &programs)?;
    let [ours, theirs] = ran.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    Ok(Some(Row {
        bench: "sensor",
        work: "capture to flows, written",
        corpus: traffic.name.to_owned(),
        unit: "packets/s",
        ours: rate(traffic.packets, ours.time),
        floor: None,
        peer: Some(Contender {
            name: "softflowd, NetFlow v9".to_owned(),
            figure: rate(traffic.packets, theirs.time),
        }),
        bar: Some(Bar {
            against: Against::Peer,
            at_least: 1.5,
        }),
        checked: ours.said.clone(),
    }))
}

/// A Python with nfstream: `VARDE_NFSTREAM` names it, or the one that `scripts/provision bench` made.
fn nfstream() -> Option<String> {
    let python = env::var("VARDE_NFSTREAM").unwrap_or_else(|_| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.join("../.varde/nfstream/bin/python").display().to_string()
    });
    let known = Command::new(&python).args(["-c", "import nfstream"]).output();
    known.is_ok_and(|known| known.status.success()).then_some(python)
}
