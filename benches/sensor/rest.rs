//! What the sensor takes of memory where nothing comes: the program of the package, with all that it listens to by default,
//! beside softflowd on the same interface. Both in a network of their own, with nothing in it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::Context as _;

use super::BENCH;
use crate::measure::{Against, Bar, Contender, Row};

/// What is promised: 30 MB.
const BYTES_MAX: f64 = 30e6;

/// Of what how many fit into: more is better, as in all rows.
const MACHINE_BYTES: f64 = 1e9;

/// After it listens: canaries, heartbeats and attempts to publish have come by then.
const REST: Duration = Duration::from_secs(20);

/// Ends with what uses it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The row; `None` where the program was not packaged (`scripts/package x86_64`, or `VARDE_SENSOR` names one), or no network
/// of its own can be made.
///
/// # Errors
/// If a program does not run.
pub fn row(folder: &Path) -> anyhow::Result<Option<Row>> {
    let Some(sensor) = packaged() else {
        return Ok(None);
    };
    if !alone(&["true"]).status().context("make a network")?.success() {
        return Ok(None);
    }
    let state = folder.join("rest");
    let _ = fs::remove_dir_all(&state);
    fs::create_dir_all(&state).context("make a folder")?;
    let config = state.join("sensor.yml");
    let text = format!(
        "sensor: rest\norganization: \"964965226\"\nstate: {0}/state\nbus: {{ gateway: {{ url: \"https://[::1]:1\", directory: \
         {0}/trust }} }}\nsources:\n  - capture: {{ interface: lo }}\n  - syslog_udp: {{ listen: \"[::]:5514\" }}\n  - \
         syslog_tcp: {{ listen: \"[::]:5514\" }}\n  - flow_export: {{ listen: \"[::]:2055\" }}\n",
        state.display()
    );
    fs::write(&config, text).context("write a configuration")?;
    let (sensor, config) = (sensor.display().to_string(), config.display().to_string());
    let mut command = alone(&[&sensor, "run", "--config", &config]);
    let mut ours = Running(
        command
            .stderr(Stdio::piped())
            .spawn()
            .context("start the sensor")?,
    );
    let log = BufReader::new(ours.0.stderr.take().context("read its log")?);
    let mut lines = log.lines().map_while(Result::ok);
    anyhow::ensure!(
        lines.any(|line| line.contains("listening to an interface")),
        "the sensor does not listen"
    );
    // Its log is read on, so that it does not wait for us.
    thread::spawn(move || lines.for_each(drop));
    let export = state.join("softflowd.pid").display().to_string();
    let theirs = [
        "softflowd",
        "-d",
        "-i",
        "lo",
        "-n",
        "127.0.0.1:9995",
        "-c",
        "none",
        "-p",
        &export,
    ];
    let theirs = match Command::new("softflowd").arg("-h").output() {
        Ok(_) => Some(Running(
            alone(&theirs)
                .stderr(Stdio::null())
                .spawn()
                .context("start softflowd")?,
        )),
        Err(_) => None,
    };
    thread::sleep(REST);
    let ours = resident(&ours)?;
    let peer = theirs.as_ref().map(resident).transpose()?;
    Ok(Some(Row {
        bench: BENCH,
        work: "at rest, default sources",
        corpus: "nothing comes".to_owned(),
        unit: "sensors in 1 GB",
        ours: MACHINE_BYTES / ours,
        floor: Some(Contender {
            name: "30 MB each".to_owned(),
            figure: MACHINE_BYTES / BYTES_MAX,
        }),
        peer: peer.map(|bytes| Contender {
            name: "softflowd, flows alone".to_owned(),
            figure: MACHINE_BYTES / bytes,
        }),
        bar: Some(Bar {
            against: Against::Floor,
            at_least: 1.0,
        }),
        checked: "it listens, and writes canaries".to_owned(),
    }))
}

/// Of the same target folder as this program, unless another is named.
fn packaged() -> Option<PathBuf> {
    let named = env::var_os("VARDE_SENSOR").map(PathBuf::from);
    let beside = env::current_exe().ok()?;
    let target = beside.parent()?.parent()?;
    named
        .or_else(|| Some(target.join(format!("package/varde-sensor-{}", env::consts::ARCH))))
        .filter(|path| path.is_file())
}

/// A command in a network of its own, whose loopback is up; its process is the command's.
fn alone(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-rn", "--", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    command.args(words).stdout(Stdio::null());
    command
}

/// Bytes of memory that a process has, its share of the capture's ring with them.
fn resident(running: &Running) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{}/status", running.0.id())).context("look at a process")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("a process that ended")?.parse().context("a number")?;
    Ok(kib * 1024.0)
}
