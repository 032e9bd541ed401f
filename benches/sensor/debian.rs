//! The Debian that some peers run in, whatever this system is: `scripts/provision bench` makes it under `.varde/peers`.
//!
//! Root alone may enter it. Who runs there is nobody, who may write to the folder that he is given and to nothing else.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tempfile::TempDir;

/// `nobody` and `nogroup`, in every Debian.
const NOBODY: u32 = 65_534;

/// It, with a program that is there.
pub struct Debian {
    root: PathBuf,
    program: &'static str,
}

impl Debian {
    /// `None` where it was not made, lacks the program, or this user may not run it there.
    pub fn with(program: &'static str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.varde/peers");
        let debian = Self { root, program };
        let probe = debian.alone(&["test", "-x", program]);
        let (first, rest) = probe.split_first()?;
        let mut probe = Command::new(first);
        probe.args(rest).stdout(Stdio::null()).stderr(Stdio::null());
        let is_there = debian.root.join("complete").is_file();
        (is_there && probe.status().is_ok_and(|status| status.success())).then_some(debian)
    }

    /// Its program.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// A folder there that is nobody's, and is gone when it is dropped.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn folder(&self) -> anyhow::Result<TempDir> {
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&self.root)
            .context("make a folder for a peer")?;
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).context("give a peer its folder")?;
        Ok(folder)
    }

    /// What a file of that folder is called there.
    pub fn path(&self, folder: &TempDir, name: &str) -> String {
        let folder = folder.path().file_name().unwrap_or_default();
        Path::new("/").join(folder).join(name).display().to_string()
    }

    /// The same file there under its name, for reading: another link to it.
    ///
    /// # Errors
    /// If it is on another disk, or already there.
    pub fn place(&self, file: &Path, folder: &TempDir) -> anyhow::Result<String> {
        let name = file.file_name().context("a file has a name")?;
        let to = folder.path().join(name);
        fs::hard_link(file, &to).with_context(|| format!("link {}", to.display()))?;
        Ok(self.path(folder, &name.to_string_lossy()))
    }

    /// A command as nobody, with this system's network and processes: for what is fed nothing but its own bench's.
    pub fn command(&self, words: &[&str]) -> Vec<String> {
        let root = self.root.display().to_string();
        ["chroot", "--userspec=nobody:nogroup", &root]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// The same without a network, and with no processes but its own: for what reads captures of strangers.
    pub fn alone(&self, words: &[&str]) -> Vec<String> {
        let mut command = ["unshare", "--net", "--pid", "--fork"]
            .map(str::to_owned)
            .to_vec();
        command.extend(self.command(words));
        command
    }
}
