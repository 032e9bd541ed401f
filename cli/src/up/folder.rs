//! The folder that `varde up` keeps everything in, and what is unpacked into it from the binary.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use replay_data::Case;
use tempfile::TempDir;

use crate::Exit;
use crate::arguments::UpArguments;
use crate::exit::Failure;

/// Where everything is kept when nobody says.
const DEFAULT: &str = ".varde/up";

/// A folder; a temporary one is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// Makes the folder and unpacks the bundled rules into it.
    pub(super) fn open(arguments: &UpArguments) -> Result<Self, Failure> {
        let folder = match (&arguments.data, arguments.demo) {
            (Some(root), _) => Self {
                root: root.clone(),
                temporary: None,
            },
            (None, false) => Self {
                root: PathBuf::from(DEFAULT),
                temporary: None,
            },
            (None, true) => {
                let temporary = tempfile::Builder::new()
                    .prefix("varde-demo-")
                    .tempdir()
                    .map_err(|error| unmade(&std::env::temp_dir(), &error))?;
                Self {
                    root: temporary.path().to_owned(),
                    temporary: Some(temporary),
                }
            }
        };
        // Telemetry and incidents are kept here: nobody else on the machine is to read them.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder.root)
            .map_err(|error| unmade(&folder.root, &error))?;
        for file in rulesets::files() {
            folder.write(&format!("rulesets/{}", file.path), &file.content)?;
        }
        Ok(folder)
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }

    /// Whether it goes away at the end.
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Unpacks the inputs of a case, and says where they are.
    pub(super) fn unpack(&self, case: &Case) -> Result<Vec<PathBuf>, Failure> {
        let mut paths = Vec::with_capacity(case.inputs.len());
        for input in &case.inputs {
            // `cases()` has checked that every input is there.
            let content = case.file(&input.file).unwrap_or_default();
            paths.push(self.write(&format!("cases/{}/{}", case.folder, input.file), &content)?);
        }
        Ok(paths)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.root.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, content));
        match written {
            Ok(()) => Ok(path),
            Err(error) => Err(unmade(&path, &error)),
        }
    }
}

fn unmade(path: &Path, error: &io::Error) -> Failure {
    let message = format!(
        "cannot write {}: {error}; name another folder with --data DIR",
        path.display()
    );
    Failure::new(Exit::Configuration, message)
}
