//! A small thing that is written again and again: two files in turn, each with a checksum, and the newest whole one
//! holds. A write that is torn leaves the one before.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::checksum;

/// Checksum, length, generation.
const HEADER_BYTES: usize = 16;

/// Steps of the room that each file has: places of a hundred sources. From the start it has one.
const STEP_BYTES: u64 = 64 << 10;

/// The two files.
#[derive(Debug)]
pub(super) struct Slots {
    paths: [PathBuf; 2],
    generation: u64,
    /// Bytes that both files have.
    reserved: u64,
}

impl Slots {
    /// Those of a name in a folder, with what they hold, and whether something newer may be lost to damage.
    pub(super) fn open(folder: &Path, name: &str) -> (Self, Option<Vec<u8>>, bool) {
        let paths = [folder.join(format!("{name}-0")), folder.join(format!("{name}-1"))];
        for path in &paths {
            // Without it a full disk may leave no room to make room.
            if let Err(error) = reserve(path, STEP_BYTES) {
                tracing::debug!(%error, path = %path.display(), "reserve room");
            }
        }
        let slots = paths.each_ref().map(|path| read(path));
        let mut is_damaged = slots.iter().any(|slot| matches!(slot, Slot::Damaged));
        let never = slots.iter().filter(|slot| matches!(slot, Slot::Never)).count();
        let newest = slots
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Whole(generation, held) => Some((generation, held)),
                Slot::Never | Slot::Damaged => None,
            })
            .max_by_key(|(generation, _)| *generation);
        let (generation, held) = newest.map_or((0, None), |(generation, held)| (generation, Some(held)));
        // From the second time on both have been written.
        is_damaged |= 1 < generation && never != 0;
        let slots = Self {
            paths,
            generation,
            reserved: STEP_BYTES,
        };
        (slots, held, is_damaged)
    }

    /// Writes the older one anew; durable when it returns.
    pub(super) fn write(&mut self, body: &[u8]) -> io::Result<()> {
        let file = self.put(body)?;
        file.sync_data()
    }

    /// The same without waiting for the disk: a process that is killed loses nothing, a power cut may lose the latest.
    pub(super) fn note(&mut self, body: &[u8]) -> io::Result<()> {
        self.put(body).map(drop)
    }

    fn put(&mut self, body: &[u8]) -> io::Result<File> {
        let generation = self.generation + 1;
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(body);
        let crc = checksum(bytes.get(4..).unwrap_or_default()).to_le_bytes();
        bytes.splice(..4, crc);
        let [even, odd] = &self.paths;
        let path = if generation.is_multiple_of(2) { even } else { odd };
        // Not cut before: on a full disk what is there already can be written over.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        file.write_all_at(&bytes, 0)?;
        self.generation = generation;
        self.grow(bytes.len() as u64);
        Ok(file)
    }

    /// Makes both files longer while there is room: half a step more than what was written last.
    fn grow(&mut self, written: u64) {
        let wanted = (written + STEP_BYTES / 2).next_multiple_of(STEP_BYTES);
        if wanted <= self.reserved {
            return;
        }
        match self.paths.iter().try_for_each(|path| reserve(path, wanted)) {
            Ok(()) => self.reserved = wanted,
            Err(error) => tracing::debug!(%error, "reserve room"),
        }
    }
}

/// Makes a file at least so long.
fn reserve(path: &Path, wanted: u64) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let length = file.metadata()?.len();
    let missing = wanted.saturating_sub(length);
    file.write_all_at(&vec![0; usize::try_from(missing).unwrap_or_default()], length)
}

/// What is in a file.
enum Slot {
    /// Nothing yet.
    Never,
    Whole(u64, Vec<u8>),
    Damaged,
}

fn read(path: &Path) -> Slot {
    match std::fs::read(path) {
        Ok(bytes) if bytes.iter().take(HEADER_BYTES).all(|byte| *byte == 0) => Slot::Never,
        Ok(bytes) => whole(&bytes).map_or(Slot::Damaged, |(generation, body)| Slot::Whole(generation, body)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Slot::Never,
        Err(_) => Slot::Damaged,
    }
}

fn whole(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let length = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?) as usize;
    let generation = u64::from_le_bytes(header.get(8..)?.try_into().ok()?);
    let body = rest.get(..length)?;
    let said = bytes.get(4..HEADER_BYTES + length)?;
    (checksum(said).to_le_bytes() == header.get(..4)?).then(|| (generation, body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What grows finds its room already there, in both files.
    #[test]
    fn both_files_have_room_for_more_than_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut slots, _, _) = Slots::open(folder.path(), "places");
        let lengths = |slots: &Slots| {
            slots
                .paths
                .each_ref()
                .map(|path| path.metadata().expect("is there").len())
        };
        for (body, expected) in [(10, 1), (40, 2), (90, 2), (100, 3)] {
            let body = vec![b'x'; body << 10];
            slots.note(&body).expect("written");
            assert_eq!(lengths(&slots), [expected * STEP_BYTES; 2], "{}", body.len());
            let (_, held, is_damaged) = Slots::open(folder.path(), "places");
            assert_eq!((held, is_damaged), (Some(body), false));
        }
    }
}
