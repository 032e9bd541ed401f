//! One connection to the service that is kept, and how long its last answer took to come.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

pub(super) struct Client {
    stream: BufReader<TcpStream>,
    took: Duration,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            took: Duration::ZERO,
        })
    }

    /// From the first byte that leaves to the last that comes.
    pub(super) const fn took(&self) -> Duration {
        self.took
    }

    /// The JSON of an answer that is 200.
    pub(super) fn get(&mut self, path: &str, token: &str) -> anyhow::Result<Value> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n");
        let start = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        self.took = start.elapsed();
        anyhow::ensure!(
            status.starts_with("HTTP/1.1 200"),
            "{path}: {status}{}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).context("read an answer as JSON")
    }
}
