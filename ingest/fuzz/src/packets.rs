//! Packets: what a reader counts is what there was.

use std::io::{self, Read};
use std::time::Duration;

use ingest::capture::{CaptureOptions, CaptureReader};
use ingest::record::Record;
use ingest_event::{Value, field};

use crate::account::{Account, Onward, home_networks};
use crate::conversation::{self, Transport};

/// Few, so that flows are let go early.
const FLOWS_MAX: usize = 16;

/// Little, so that conversations are given up.
const KEPT_BYTES_MAX: usize = 32 << 10;

/// Bytes that come at once the second time: no divisor of any header's length.
const CHUNK_BYTES: usize = 7;

/// A capture, as a whole and in chunks.
pub(crate) fn capture(bytes: &[u8]) -> (Account, Account) {
    (read(bytes, bytes.len(), false), read(bytes, CHUNK_BYTES, false))
}

/// A conversation, over IPv4 and IPv6.
pub(crate) fn conversation(transport: Transport, bytes: &[u8]) -> (Account, Account) {
    let [v4, v6] = [false, true].map(|is_v6| {
        let file = conversation::capture(transport, is_v6, bytes);
        // Teredo is opened on any port, and what is in it may be in pieces.
        let is_plain = matches!(transport, Transport::Tcp(_));
        let (whole, chunks) = (
            read(&file, file.len(), is_plain),
            read(&file, CHUNK_BYTES, is_plain),
        );
        assert_eq!(whole, chunks, "the chunks decide what is read");
        whole
    });
    assert_eq!(v4.counts(), v6.counts(), "IPv4 and IPv6 do not tell the same");
    (v4.clone(), v4)
}

/// Hands out at most so many bytes at a time.
struct Drip<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.step);
        self.bytes.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

/// `is_plain` if no packet can be of pieces that carry another one: then each is in one flow.
fn read(bytes: &[u8], step: usize, is_plain: bool) -> Account {
    let options = CaptureOptions {
        flows_max: FLOWS_MAX,
        kept_bytes_max: KEPT_BYTES_MAX,
        flow_active: Duration::from_secs(600),
        home_networks: home_networks(),
        ..CaptureOptions::default()
    };
    let Some(mut onward) = Onward::new() else {
        return Account::default();
    };
    let step = step.max(1);
    let mut reader = match CaptureReader::new(Drip { bytes, step }, options) {
        Ok(reader) => reader,
        Err(error) => {
            onward.account().result::<(), _>("capture", Err(error));
            return onward.end();
        }
    };
    let (mut out, mut calls, mut refused, mut in_flows) = (Vec::new(), 0, 0, 0);
    loop {
        let more = reader.read(&mut out);
        for record in out.drain(..) {
            refused += u64::from(matches!(record, Record::Refused(_)));
            in_flows += packets_of(&record);
            onward.take(record);
        }
        let counts = reader.counts();
        assert!(counts.flows_live <= FLOWS_MAX as u64, "{counts:?}");
        if !more.unwrap_or(false) {
            break;
        }
        calls += 1;
        assert!(calls <= 2 + bytes.len(), "no end");
    }
    let counts = reader.counts();
    assert_eq!(
        counts.packets,
        counts.counted + counts.not_ip + counts.cut + counts.refused,
        "each frame is in one place: {counts:?}"
    );
    assert_eq!(
        reader.packets() - counts.packets,
        refused - counts.refused,
        "each record that is no frame is refused"
    );
    // What was put together of pieces, which were counted, may carry another packet.
    let most = if is_plain {
        counts.counted
    } else {
        2 * counts.counted
    };
    assert!(
        (counts.counted..=most).contains(&in_flows),
        "each packet is told in a flow: {in_flows}, {counts:?}"
    );
    assert_eq!(counts.flows_live, 0, "each flow is told");
    onward.account().is_bounded(bytes.len());
    onward.end()
}

/// The packets of a flow's record.
fn packets_of(record: &Record) -> u64 {
    let Record::Event(draft) = record else { return 0 };
    if draft.dataset != "network.flow" {
        return 0;
    }
    match draft.fields.get(field::NETWORK_PACKETS) {
        Some(Value::Integer(packets)) => packets.unsigned_abs(),
        Some(Value::Unsigned(packets)) => *packets,
        _ => 0,
    }
}
