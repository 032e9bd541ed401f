//! Which files changed since the last look, by what the file system says of them: no file is opened.
//!
//! Size, times and inode are compared, so that an edit in place, a file moved over another and a link that points
//! elsewhere are all seen. Whether the content differs is for the reader to find out.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Folders deeper than this are not followed: a loop of links ends here.
const DEPTH_MAX: usize = 32;

/// Paths, and what was at and below them.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Stamp>,
}

/// What tells two states of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    /// Watches files and folders; the first [`Watch::look`] finds everything changed.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            seen: BTreeMap::new(),
        }
    }

    /// Whether anything came, went or changed since the last look.
    pub fn look(&mut self) -> bool {
        let now = stamps(&self.paths);
        let is_changed = now != self.seen;
        self.seen = now;
        is_changed
    }
}

/// Every file at and below these paths, with what the file system says of it.
#[must_use]
pub fn stamps(paths: &[PathBuf]) -> BTreeMap<PathBuf, Stamp> {
    let mut found = BTreeMap::new();
    for path in paths {
        walk(path, 0, &mut found);
    }
    found
}

/// What the file system says of a file; nothing if it is not there.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: found.ino(),
        bytes: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

fn walk(path: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Stamp>) {
    if path.is_dir() {
        if depth == DEPTH_MAX {
            return;
        }
        // A folder that can't be read is told by whoever reads the rules.
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                walk(&entry.path(), depth + 1, found);
            }
        }
    } else if let Some(stamp) = stamp(path) {
        found.insert(path.to_owned(), stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_change_a_file_is_seen_and_a_quiet_folder_is_quiet() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).expect("made");
        fs::write(at("below/a.yml"), "a").expect("written");
        let mut watch = Watch::new(vec![folder.path().to_owned()]);
        assert!(watch.look());
        assert!(!watch.look());
        type Change<'c> = (&'static str, &'c dyn Fn() -> std::io::Result<()>);
        let changes: [Change<'_>; 6] = [
            ("a new file", &|| fs::write(at("b.yml"), "b")),
            ("another size", &|| fs::write(at("b.yml"), "bb")),
            ("moved over another", &|| {
                fs::write(at(".b.yml.part"), "cc")?;
                fs::rename(at(".b.yml.part"), at("b.yml"))
            }),
            ("a link", &|| {
                std::os::unix::fs::symlink(at("below/a.yml"), at("c.yml"))
            }),
            ("a link that points elsewhere", &|| {
                fs::remove_file(at("c.yml"))?;
                std::os::unix::fs::symlink(at("b.yml"), at("c.yml"))
            }),
            ("gone", &|| fs::remove_file(at("below/a.yml"))),
        ];
        for (name, change) in changes {
            change().expect(name);
            assert!(watch.look(), "{name}");
            assert!(!watch.look(), "after: {name}");
        }
        fs::write(at(".hidden.swp"), "x").expect("written");
        assert!(!watch.look(), "an editor's own file");
    }
}
