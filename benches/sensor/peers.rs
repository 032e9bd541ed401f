//! What others make of the same captures, and our own sensor beside them, each as a process of its own.

use std::env;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::Context as _;

use super::running::{Program, Ran, by_turns, last_line, run};
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
    let mut programs = vec![
        Program::new("varde-sensor", me("events", Some("events.ndjson"))),
        Program::new("floor", me("floor", None)),
    ];
    if let Some(python) = nfstream() {
        let mut command = vec![python, "-c".to_owned(), NFSTREAM.to_owned()];
        command.push(traffic.path.display().to_string());
        command.push(folder.join("flows.csv").display().to_string());
        programs.push(Program {
            did: Some(Box::new(|output| {
                Ok(format!("{} flows", last_line(&output.stdout)))
            })),
            ..Program::new("nfstream, dissecting", command)
        });
    }
    programs.extend(suricata::program(traffic)?);
    let ran = by_turns(ROUNDS, &programs)?;
    let figure = |ran: &Ran| rate(traffic.packets, ran.time);
    let [ours, floor, peers @ ..] = ran.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    let checked = format!("{}; floor: {}", ours.said, floor.said);
    let row = |peer: Option<Contender>, bar, checked| Row {
        bench: "sensor",
        work: "capture to events, written",
        corpus: traffic.name.to_owned(),
        unit: "packets/s",
        ours: figure(ours),
        floor: Some(Contender {
            name: "headers, flows and first payloads".to_owned(),
            figure: figure(floor),
        }),
        peer,
        bar,
        checked,
    };
    let mut rows = vec![row(
        None,
        Some(Bar {
            against: Against::Floor,
            at_least: 0.25,
        }),
        checked.clone(),
    )];
    for (program, ran) in programs.iter().skip(2).zip(peers) {
        let at_least = match traffic.name {
            "mix" if program.name == suricata::NAME => 6.0,
            "mix" => 7.0,
            "office" => 5.0,
            _ => 12.0,
        };
        let crashed = match ran.failed {
            0 => String::new(),
            failed => format!(", and {failed} runs that crashed"),
        };
        rows.push(row(
            Some(Contender {
                name: program.name.clone(),
                figure: figure(ran),
            }),
            Some(Bar {
                against: Against::Peer,
                at_least,
            }),
            format!("{checked}; peer: {}{crashed}", ran.said),
        ));
    }
    rows.extend(flows(traffic, folder)?);
    if traffic.name == "dense" {
        rows.push(memory(&Program::new("varde-sensor", me("memory", None)))?);
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
        Program::new(
            "varde-sensor",
            vec![me, "flows".to_owned(), capture, file("flows.ndjson")],
        ),
        Program {
            did: Some(Box::new(exported)),
            ..Program::new("softflowd", command)
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
        checked: format!("{}; peer: {}", ours.said, theirs.said),
    }))
}

/// What softflowd says at its end: packets processed, and flows exported.
fn exported(output: &Output) -> anyhow::Result<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let after = |start: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let packets = after("Packets processed:").context("softflowd says how many packets it saw")?;
    let flows = after("Flows exported:").context("softflowd says how many flows it exported")?;
    anyhow::ensure!(flows != 0, "softflowd exported no flow");
    Ok(format!("{packets} packets, {flows} flows"))
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
