//! `varde replay` as a whole, on a file, beside only reading and parsing the same lines; both on the same core.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::Context as _;
use ingest_event::OrganizationNumber;

use crate::{
    measure::{Contender, Row, median, rate},
    workload::{BAD_DOMAIN, HIT_EVERY, benign_day},
};

const EVENTS: u64 = 200_000;
const ROUNDS: usize = 5;

/// # Errors
/// If the binary is missing or finds something else than it should.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("benign-day.ndjson");
    let organization = OrganizationNumber::parse("958935420")?;
    let mut file = std::io::BufWriter::new(File::create(&input)?);
    for payload in benign_day(organization, 1, EVENTS) {
        file.write_all(&payload)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_all()?;
    let indicators = folder.path().join("indicators.txt");
    std::fs::write(&indicators, format!("{BAD_DOMAIN}\n"))?;

    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let lines = read_and_parse(&input)?;
        floor.push(start.elapsed());
        anyhow::ensure!(lines == EVENTS, "{lines} lines instead of {EVENTS}");
        let start = Instant::now();
        let alerts = replay(&input, &indicators)?;
        ours.push(start.elapsed());
        anyhow::ensure!(
            alerts == EVENTS / HIT_EVERY,
            "{alerts} alerts instead of {}",
            EVENTS / HIT_EVERY
        );
    }
    Ok(vec![Row {
        bench: "replay",
        work: "varde replay",
        corpus: format!("benign day, {EVENTS} ECS events in a file, bundled rules"),
        unit: "events/s",
        ours: rate(EVENTS, median(ours)),
        floor: Some(Contender {
            name: "read lines, serde_json Value".to_owned(),
            figure: rate(EVENTS, median(floor)),
        }),
        peer: None,
        bar: None,
        checked: format!("{} alerts, one for each planted hit", EVENTS / HIT_EVERY),
    }])
}

fn read_and_parse(input: &Path) -> anyhow::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(input)?);
    let (mut line, mut lines) = (Vec::new(), 0);
    while 0 < reader.read_until(b'\n', &mut line)? {
        lines += u64::from(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
        line.clear();
    }
    Ok(lines)
}

fn replay(input: &Path, indicators: &Path) -> anyhow::Result<u64> {
    let varde = std::env::current_exe()?.with_file_name("varde");
    let output = Command::new(&varde)
        .args(["replay", "--no-progress", "--format", "ndjson", "--indicators"])
        .arg(indicators)
        .arg(input)
        .output()
        .with_context(|| format!("run {}", varde.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64)
}
