//! Files, as a sensor opens them.

use std::io::Write as _;

use ingest::source::{self, FileOptions};

use crate::account::{Account, Onward, home_networks};

/// The header of a Windows event log, and one of its chunks, in bytes.
const EVTX_HEADER_BYTES: usize = 4096;
const EVTX_CHUNK_BYTES: usize = 65_536;

/// Calls for what one file may become when it is unpacked: a fuzzer's file is small.
const CALLS_MAX: usize = 1_000_000;

/// Chunks of an event log; the last one is filled up.
pub(crate) fn event_log(bytes: &[u8]) -> Account {
    let mut log = b"ElfFile\0".to_vec();
    log.resize(EVTX_HEADER_BYTES, 0);
    log.extend_from_slice(bytes);
    log.resize(
        EVTX_HEADER_BYTES + bytes.len().next_multiple_of(EVTX_CHUNK_BYTES),
        0,
    );
    file(&log)
}

/// A file of any format.
pub(crate) fn file(bytes: &[u8]) -> Account {
    let Some(mut onward) = Onward::new() else {
        return Account::default();
    };
    // Where there is no disk, there is nothing to be read.
    let Ok(mut file) = tempfile::NamedTempFile::new() else {
        return Account::default();
    };
    if file.write_all(bytes).is_err() {
        return Account::default();
    }
    let options = FileOptions {
        home_networks: home_networks(),
        year: Some(2026),
        ..FileOptions::default()
    };
    let opened = source::open(file.path(), &options);
    if opened.is_err() {
        onward.account().result("file", opened);
        return onward.end();
    }
    let Ok(mut source) = opened else {
        return onward.end();
    };
    assert!(!source.identity().is_empty(), "a file has a name");
    let (mut out, mut calls) = (Vec::new(), 0);
    while source.read(&mut out).unwrap_or(false) {
        assert!(!out.is_empty() || calls < CALLS_MAX, "no end");
        calls += 1;
        out.drain(..).for_each(|record| onward.take(record));
    }
    out.drain(..).for_each(|record| onward.take(record));
    assert!(source.bytes_read() <= bytes.len() as u64, "no byte is read twice");
    onward.end()
}
