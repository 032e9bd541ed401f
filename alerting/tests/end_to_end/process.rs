//! The service as a process of its own.

use std::{
    io::BufRead,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The service as a process, to be killed.
pub(crate) struct Process(Child, pub(crate) SocketAddr);

impl Process {
    /// Runs it on the configuration in a folder; ready when it takes requests.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
            .args(["run", "--config"])
            .arg(folder.join("alerting.yml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = std::io::BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut lines = lines.map(|line| line.expect("text"));
        let line = lines
            .find(|line| line.contains("takes requests"))
            .expect("it runs");
        std::thread::spawn(move || lines.for_each(drop));
        let (_, rest) = line.split_once("address=").expect("an address");
        let address = rest
            .split_whitespace()
            .next()
            .expect("a word")
            .parse()
            .expect("an address");
        Self(child, address)
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
