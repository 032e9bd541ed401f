//! A small disk of its own that can be full, and from which the power can be taken.
//!
//! It is a file with a journaling file system in it, mounted in a namespace that nobody else sees. What the file holds
//! is what the disk was told to take: the rest is in the kernel's memory. Taking the power is to go on with a copy of the
//! file as it was while it was still mounted, so that whatever was not synced is gone.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Size of the disk.
const BYTES: u64 = 12 << 20;

/// No sync of the file system's own while a round lasts.
const OPTIONS: &str = "loop,commit=300";

/// Keeps the disk mounted.
pub(crate) struct Disk {
    holder: Option<Child>,
    /// As the sensor sees it.
    inside: PathBuf,
    image: PathBuf,
}

impl Disk {
    pub(crate) fn mount(root: &Path) -> Self {
        let (inside, image) = (root.join("state"), root.join("disk"));
        fs::create_dir_all(&inside).expect("a folder");
        let file = fs::File::create(&image).expect("creates");
        file.set_len(BYTES).expect("has room");
        let script = format!(
            "mkfs.ext4 -q -F '{0}' && mount -o {OPTIONS} '{0}' '{1}' && echo ready && exec cat",
            image.display(),
            inside.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts unshare");
        let mut said = String::new();
        let output = holder.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut said).expect("reads");
        let is_mounted = said == "ready\n";
        if !is_mounted {
            holder.wait().expect("ends");
            assert!(
                std::env::var_os("CI").is_none(),
                "no rights to mount: run as root"
            );
            println!("skipped: full disks and power cuts, no rights to mount a disk");
        }
        Self {
            holder: is_mounted.then_some(holder),
            inside,
            image,
        }
    }

    pub(crate) fn is_mounted(&self) -> bool {
        self.holder.is_some()
    }

    /// As this process sees it.
    pub(crate) fn outside(&self) -> PathBuf {
        let Some(holder) = &self.holder else {
            return self.inside.clone();
        };
        let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
        root.join(self.inside.strip_prefix("/").expect("an absolute path"))
    }

    /// A program where the disk is mounted.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(holder) = &self.holder else {
            return Command::new(program);
        };
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", holder.id()))
            .arg(program);
        command
    }

    /// Leaves no byte on it.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.outside().join("ballast")).expect("creates");
        for bytes in [64 << 10, 1] {
            let piece = vec![1; bytes];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.outside().join("ballast")).expect("removes");
    }

    /// Takes the power: nobody may use it meanwhile.
    pub(crate) fn cut_power(&self) {
        // The kernel may write while it is copied. What is the same afterwards was the disk when the copy was done, all of it
        // at one moment; else the copy is of no disk that ever was.
        let script = format!(
            "n=0; until cp '{0}' '{0}.cut' && cmp -s '{0}' '{0}.cut'; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; done; \
             umount '{1}' && mv '{0}.cut' '{0}' && mount -o {OPTIONS} '{0}' '{1}'",
            self.image.display(),
            self.inside.display()
        );
        let done = self.command("sh").args(["-c", &script]).output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let _ = fs::remove_file(self.outside().join("ballast"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            // The end of its input ends it, and the namespace with it.
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}
