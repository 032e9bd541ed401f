//! A folder of logs that grow: each `*.log` in it is followed as [`super::follow`] does it, as Zeek writes them.
//!
//! Zeek has one file for each log, begins new ones when it sees a protocol for the first time, and moves them away by
//! the hour, under a name with a date, into a folder by the day, compressed or not. What was moved away is read to its
//! end: the file stays open, and after a restart it is looked for in both places. Where logs are written into folders by
//! the day themselves, those of the newest two are followed, and those of days before from where reading stood last, until
//! each is at its end.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::follow;
use crate::agent::Intake;
use crate::config::FileSource;

/// Between looks for new files.
const LOOK: Duration = Duration::from_secs(5);

/// Files followed at once; Zeek with all its analysers and packages has some 90 logs. Each is a file held open and a
/// look every quarter of a second.
const FILES_MAX: usize = 256;

/// Folders by the day whose logs are followed in any case: that of today, and that of yesterday.
const DAYS: usize = 2;

/// Bytes looked at for a line that was not read yet.
const REST_BYTES: usize = 64 << 10;

/// Files that Zeek writes beside its logs, which are no logs.
const NO_LOGS: [&str; 2] = ["stderr.log", "stdout.log"];

/// Whether a path is that of a folder, or written as one.
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Follows until told to stop. A folder that is not there yet is waited for.
///
/// # Errors
/// If the sensor's tasks fail.
pub async fn follow_folder(
    source: FileSource,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut following = Following {
        source,
        intake,
        tasks: JoinSet::new(),
        files: HashMap::new(),
        is_told: false,
    };
    let mut since = None;
    while !stop.is_cancelled() {
        let (folder, intake) = (following.source.path.clone(), Arc::clone(&following.intake));
        let looked = tokio::task::spawn_blocking(move || {
            let read = |path: &Path| intake.progress(&follow::key(path)).offset;
            let since = since.unwrap_or_else(|| begin(&folder, &read));
            let paths = logs_in(&folder, &since, &read);
            (since, paths)
        });
        let (day, paths) = looked.await?;
        since = Some(day);
        following.keep(paths, &stop);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    while following.tasks.join_next().await.is_some() {}
    Ok(())
}

struct Following {
    source: FileSource,
    intake: Arc<Intake>,
    tasks: JoinSet<()>,
    files: HashMap<PathBuf, (AbortHandle, CancellationToken)>,
    is_told: bool,
}

impl Following {
    /// Begins with files that are new, and lets those go that are no longer among them.
    fn keep(&mut self, paths: Vec<PathBuf>, stop: &CancellationToken) {
        while self.tasks.try_join_next().is_some() {}
        let is_day = |path: &Path| {
            path.parent()
                .is_some_and(|folder| folder != logs_of(&self.source.path))
        };
        self.files.retain(|path, (task, stop)| {
            // A file that is being moved away is not there for a moment; a day that is over and read does not come back.
            if is_day(path) && !paths.contains(path) {
                stop.cancel();
            }
            !task.is_finished()
        });
        for path in paths {
            if self.files.contains_key(&path) {
                continue;
            }
            if FILES_MAX <= self.files.len() {
                if !self.is_told {
                    self.is_told = true;
                    self.intake.metrics().source_failures.inc();
                    tracing::error!(
                        "a folder has more than {FILES_MAX} logs; the others are not read, name them one by one"
                    );
                }
                return;
            }
            let source = FileSource {
                path: path.clone(),
                ..self.source.clone()
            };
            let (intake, own) = (Arc::clone(&self.intake), stop.child_token());
            let until = own.clone();
            // One that fails is begun again at the next look, where it stood.
            let task = self.tasks.spawn(async move {
                if let Err(error) = follow(source, intake, until).await {
                    tracing::warn!(error = format!("{error:#}"), "a followed file failed");
                }
            });
            self.files.insert(path, (task, own));
        }
    }
}

/// Where a folder has its logs: in itself, or as ZeekControl lays them out in `current`.
fn logs_of(folder: &Path) -> PathBuf {
    let current = folder.join("current");
    if current.is_dir() {
        current
    } else {
        folder.to_path_buf()
    }
}

/// The first day to follow at a start: the oldest of which a log was begun and not read to its end, else the last one that
/// was begun. Empty where there is none: then nothing was read before.
fn begin(folder: &Path, read: &dyn Fn(&Path) -> u64) -> String {
    let mut last = String::new();
    for (day, folder) in days_in(folder) {
        let begun: Vec<PathBuf> = logs_of_day(&folder)
            .into_iter()
            .filter(|path| read(path) != 0)
            .collect();
        if begun.iter().any(|path| has_more(path, read(path))) {
            return day;
        }
        if !begun.is_empty() {
            last = day;
        }
    }
    last
}

/// The logs to follow, in order. Of days from `since` on, unless that is empty, those that are not at their end; `read` says
/// how far one was read.
fn logs_in(folder: &Path, since: &str, read: &dyn Fn(&Path) -> u64) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut days = days_in(folder);
    let newest = days.split_off(days.len().saturating_sub(DAYS));
    for (day, folder) in days {
        if !since.is_empty() && *since <= *day {
            let logs = logs_of_day(&folder).into_iter();
            paths.extend(logs.filter(|path| has_more(path, read(path))));
        }
    }
    let newest = newest.into_iter().map(|(_, folder)| folder);
    for folder in newest.chain([logs_of(folder)]) {
        paths.extend(logs_of_day(&folder));
    }
    paths
}

/// Folders by the day, the oldest first.
fn days_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut days = entries(folder);
    days.retain(|(name, path)| is_day(name) && path.is_dir());
    days.sort();
    days
}

/// The logs that are written to in one folder.
fn logs_of_day(folder: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|(name, path)| is_log(name) && path.is_file())
        .map(|(_, path)| path)
        .collect();
    logs.sort();
    logs
}

/// Whether there is a whole line with a record behind a place.
fn has_more(path: &Path, offset: u64) -> bool {
    let mut rest = vec![0; REST_BYTES];
    let read = File::open(path).and_then(|file| file.read_at(&mut rest, offset));
    // What can't be read now may be the next time.
    let Ok(read) = read else { return true };
    let rest = rest.get(..read).unwrap_or_default();
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n');
    let is_record =
        |line: &[u8]| line.ends_with(b"\n") && !line.starts_with(b"#") && line.trim_ascii() != b"";
    read == REST_BYTES || lines.any(is_record)
}

/// What is in a folder; nothing of one that is not there.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect()
}

/// Whether a name is that of a log that is written to: without the date of one that was moved away.
fn is_log(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".log") else {
        return false;
    };
    let is_dated = stem
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [b'.' | b'-', digit] if digit.is_ascii_digit()));
    !stem.is_empty() && !stem.starts_with('.') && !is_dated && !NO_LOGS.contains(&name)
}

/// Whether a name is that of a day: `2026-03-02`.
pub(super) fn is_day(name: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    name.len() == 10 && name.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_those_that_are_written_to() {
        for (name, expected) in [
            ("conn.log", true),
            ("known_hosts.log", true),
            ("x509.log", true),
            ("ja4ssh.log", true),
            ("conn.2026-03-02-08-00-00.log", false),
            ("conn-26-03-02_08.00.00.log", false),
            ("conn.08:00:00-09:00:00.log", false),
            ("conn.log.gz", false),
            ("stderr.log", false),
            (".log", false),
            (".status", false),
        ] {
            assert_eq!(is_log(name), expected, "{name}");
        }
        assert!(is_day("2026-03-02") && !is_day("2026-03-2x") && !is_day("current"));
    }

    #[test]
    fn a_folder_is_read_as_zeek_lays_it_out() {
        let root = tempfile::tempdir().expect("a folder");
        let make = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "x").expect("written");
        };
        let seen = || {
            let start = root.path().to_path_buf();
            let name = |path: PathBuf| path.strip_prefix(&start).expect("in it").display().to_string();
            logs_in(root.path(), "", &|_| 0)
                .into_iter()
                .map(name)
                .collect::<Vec<_>>()
        };
        assert!(seen().is_empty());
        for path in [
            "dns.log",
            "conn.log",
            "conn.2026-03-01-08-00-00.log",
            "stdout.log",
        ] {
            make(path);
        }
        assert_eq!(seen(), ["conn.log", "dns.log"]);
        for day in ["2026-02-28", "2026-03-01", "2026-03-02"] {
            make(&format!("{day}/http.log"));
            make(&format!("{day}/conn.08:00:00-09:00:00.log.gz"));
        }
        assert_eq!(
            seen(),
            [
                "2026-03-01/http.log",
                "2026-03-02/http.log",
                "conn.log",
                "dns.log"
            ]
        );
        make("current/ssl.log");
        assert_eq!(
            seen(),
            ["2026-03-01/http.log", "2026-03-02/http.log", "current/ssl.log"]
        );
    }

    /// Days that passed without the sensor are read, from where it stood, each log until its end.
    #[test]
    fn days_are_followed_until_they_are_read() {
        let root = tempfile::tempdir().expect("a folder");
        let text = "#fields\nrecord one\nrecord two\n#close\n";
        for day in 1..=6 {
            let folder = root.path().join(format!("2026-03-0{day}"));
            std::fs::create_dir(&folder).expect("made");
            std::fs::write(folder.join("conn.log"), text).expect("written");
        }
        let whole = text.find("#close").expect("is there") as u64;
        let half = text.find("record two").expect("is there") as u64;
        // How far each day was read at the start and now; the day to begin with, and the days that are followed.
        let check = |before: [u64; 6], now: [u64; 6], first: &str, expected: &[&str]| {
            let at = |places: [u64; 6]| {
                move |path: &Path| {
                    let day = path.to_string_lossy().replace("/conn.log", "");
                    let nth = day.chars().last().and_then(|nth| nth.to_digit(10));
                    places[nth.expect("a day") as usize - 1]
                }
            };
            let since = begin(root.path(), &at(before));
            assert_eq!(since, first, "{before:?}");
            let days: Vec<String> = logs_in(root.path(), &since, &at(now))
                .iter()
                .filter_map(|path| Some(path.parent()?.file_name()?.to_str()?.to_owned()))
                .collect();
            let expected: Vec<String> = expected.iter().map(|nth| format!("2026-03-0{nth}")).collect();
            assert_eq!(days, expected, "{before:?} {now:?}");
        };
        let none = [0; 6];
        check(none, none, "", &["5", "6"]);
        let away = [whole, half, 0, 0, 0, 0];
        check(away, away, "2026-03-02", &["2", "3", "4", "5", "6"]);
        let at_end = [whole, whole, 0, 0, 0, 0];
        check(at_end, at_end, "2026-03-02", &["3", "4", "5", "6"]);
        let some = [whole, whole, half, whole, 0, 0];
        check(away, some, "2026-03-02", &["3", "5", "6"]);
    }
}
