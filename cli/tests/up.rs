//! `varde up --demo` as a newcomer runs it: it says where it is, shows incidents, and stops when told to.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a newcomer is promised.
const INCIDENTS_WITHIN: Duration = Duration::from_secs(60);

struct Demo {
    child: Child,
    address: String,
}

impl Demo {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde"))
            .args(["up", "--demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .split_once("http://")
            .expect("the address")
            .1
            .to_owned();
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .expect("kill runs")
                .success()
        );
    }

    /// The exit code and what was told.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        let mut told = String::new();
        self.child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut told)
            .expect("UTF-8");
        (status.code(), told)
    }
}

#[test]
fn the_demo_shows_incidents_and_stops_when_told_to() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    for (signal, story) in [
        ("-INT", "first start"),
        ("-TERM", "second start, on the same folder"),
    ] {
        let demo = Demo::start(&folder.path().join("data"));
        let started = Instant::now();
        while demo.get("/api/v1/incidents").contains("\"total\":0") {
            assert!(
                started.elapsed() < INCIDENTS_WITHIN,
                "{story}: no incident in time"
            );
            std::thread::yield_now();
        }
        assert!(demo.get("/metrics").contains("alerting_"), "{story}");
        let data = std::fs::metadata(folder.path().join("data")).expect("made");
        assert_eq!(data.permissions().mode() & 0o777, 0o700, "nobody else reads it");
        demo.signal(signal);
        let (code, told) = demo.end();
        assert_eq!(code, Some(0), "{story}: {told}");
        assert!(told.contains("Stopped."), "{told}");
    }
}

#[test]
fn a_port_that_is_taken_and_a_wrong_configuration_are_told_with_their_mend() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let config = folder.path().join("sensor.yml");
    std::fs::write(&config, "sensor: s\norganisation: \"958935420\"\n").expect("written");
    let data = folder.path().join("data");
    for (arguments, code, parts) in [
        (
            vec!["--listen", &address],
            70,
            vec!["is taken", "--listen 127.0.0.1:0"],
        ),
        (
            vec![
                "--listen",
                "127.0.0.1:0",
                "--config",
                config.to_str().expect("UTF-8"),
            ],
            78,
            vec!["sensor.yml", "organisation", "line 2"],
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--config", "missing.yml"],
            78,
            vec!["missing.yml"],
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_varde"))
            .arg("up")
            .args(&arguments)
            .arg("--data")
            .arg(&data)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(output.stdout.is_empty());
        for part in parts {
            assert!(told.contains(part), "{part} in: {told}");
        }
    }
}
