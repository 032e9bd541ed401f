//! A segment of the spool, as it may be found after damage: what is said to wait is handed out or counted as lost.

use std::fs;

use crc::{CRC_32_ISCSI, Crc, Table};
use ingest::spool::{FOLDER, Spool, Stream};

use crate::account::Account;

/// A frame's header in bytes, its mark, and where in it stand the lengths of its body and the body's checksum.
const HEADER_BYTES: usize = 80;
const MARK: &[u8] = b"VSF1";
const LENGTHS_AT: [usize; 2] = [4, 8];
const BODY_CRC_AT: usize = 16;

/// What the spool may take, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Batches of what a small segment holds, and records of it: damage must not make more.
const BATCHES_MAX: usize = 10_000;

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The first byte says whether checksums are mended, so that a fuzzer comes behind them.
pub(crate) fn segment(bytes: &[u8]) -> Account {
    let mut account = Account::default();
    let Some((kind, segment)) = bytes.split_first() else {
        return account;
    };
    let mut segment = segment.to_vec();
    if kind & 1 == 0 {
        mend(&mut segment);
    }
    let Ok(folder) = tempfile::tempdir() else {
        return account;
    };
    let spool_folder = folder.path().join(FOLDER);
    let name = spool_folder.join("log-00000000000000000001.segment");
    if fs::create_dir(&spool_folder).is_err() || fs::write(name, &segment).is_err() {
        return account;
    }
    for _ in 0..2 {
        let Some(mut spool) = account.result("spool", Spool::open(folder.path(), BYTES_MAX)) else {
            return account;
        };
        empty(&mut spool, &mut account);
    }
    account
}

fn empty(spool: &mut Spool, account: &mut Account) {
    let waiting = spool.held(Stream::Log).records;
    let (mut last, mut given, mut batches) = (0, 0_u64, 0);
    loop {
        let batch = spool.oldest();
        if batch.is_empty() {
            break;
        }
        batches += 1;
        assert!(batches < BATCHES_MAX, "no end");
        for entry in batch {
            assert!(last < entry.number, "{} after {last}", entry.number);
            last = entry.number;
            given += 1;
            account.take(entry.stream.as_str());
        }
        if spool.published().is_err() {
            account.refuse("published");
            return;
        }
    }
    let losses = spool.fresh_losses();
    let lost = losses
        .iter()
        .fold(0_u64, |lost, loss| lost.saturating_add(loss.records));
    for loss in &losses {
        account.refuse(&format!("{:?}", loss.cause));
    }
    assert!(
        waiting <= given.saturating_add(lost),
        "{waiting} waited, {given} were handed out, {lost} are counted as lost"
    );
    assert_eq!(spool.held(Stream::Log).records, 0, "nothing is left");
}

/// Puts the checksums right of whatever begins as a frame.
pub(crate) fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..)
        && let Some(found) = rest.windows(MARK.len()).position(|window| window == MARK)
        && let Some(frame) = rest.get_mut(found..)
        && HEADER_BYTES <= frame.len()
    {
        let number = |at: usize| {
            let bytes = frame.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
        };
        let body = LENGTHS_AT
            .into_iter()
            .map(number)
            .fold(HEADER_BYTES, usize::saturating_add);
        let (header, rest) = frame.split_at_mut(HEADER_BYTES);
        if let Some(body) = rest.get(..body - HEADER_BYTES)
            && let Some(place) = header.get_mut(BODY_CRC_AT..BODY_CRC_AT + 4)
        {
            place.copy_from_slice(&CRC.checksum(body).to_le_bytes());
        }
        let (said, crc) = header.split_at_mut(HEADER_BYTES - 4);
        crc.copy_from_slice(&CRC.checksum(said).to_le_bytes());
        at += found + HEADER_BYTES;
    }
}
