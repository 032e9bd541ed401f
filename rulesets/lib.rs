//! The bundled rules, correlations, anomaly rules, indicators, models and routing, inside the binary.
//!
//! Data first: what counts are the files beside this one. `sigma/`, `correlations/` and `anomaly/` hold rules
//! with a `<rule>.test.yml` beside each, `indicators/` feeds, `models/` models with their cards, `routing/` who is
//! told. The folders' layout is the same inside the binary as on disk, so that [`files`] can be unpacked into a folder
//! that a service then reads.
//! In a debug build the files are read from the source tree, so that an edited rule counts without a build.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "anomaly/"]
#[prefix = "anomaly/"]
struct Anomaly;

#[derive(RustEmbed)]
#[folder = "sigma/"]
#[prefix = "sigma/"]
struct Sigma;

#[derive(RustEmbed)]
#[folder = "correlations/"]
#[prefix = "correlations/"]
struct Correlations;

#[derive(RustEmbed)]
#[folder = "indicators/"]
#[prefix = "indicators/"]
struct Indicators;

#[derive(RustEmbed)]
#[folder = "models/"]
#[prefix = "models/"]
struct Models;

#[derive(RustEmbed)]
#[folder = "routing/"]
#[prefix = "routing/"]
struct Routing;

/// One bundled file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path below `rulesets/`, with `/`: `sigma/network/net_dns_tunnel.yml`.
    pub path: String,
    /// What is in it.
    pub content: Cow<'static, [u8]>,
}

/// Every bundled file, sorted by path.
#[must_use]
pub fn files() -> Vec<File> {
    let mut files: Vec<File> = [
        embedded::<Anomaly>(),
        embedded::<Correlations>(),
        embedded::<Indicators>(),
        embedded::<Models>(),
        embedded::<Routing>(),
        embedded::<Sigma>(),
    ]
    .into_iter()
    .flatten()
    .collect();
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

fn embedded<Folder: RustEmbed>() -> Vec<File> {
    Folder::iter()
        .filter_map(|path| {
            let content = Folder::get(&path)?.data;
            Some(File {
                path: path.into_owned(),
                content,
            })
        })
        .collect()
}

impl File {
    /// Whether it holds Sigma rules, correlations or anomaly rules, and no tests of them.
    #[must_use]
    pub fn is_rule(&self) -> bool {
        let folders = ["anomaly/", "correlations/", "sigma/"];
        let is_in_folder = folders.iter().any(|folder| self.path.starts_with(folder));
        let is_yaml = self.path.ends_with(".yml") || self.path.ends_with(".yaml");
        is_in_folder && is_yaml && !self.is_rule_test()
    }

    /// Whether it holds the examples that a rule is tested with.
    #[must_use]
    pub fn is_rule_test(&self) -> bool {
        self.path.ends_with(".test.yml") || self.path.ends_with(".test.yaml")
    }

    /// Whether it is an indicator feed.
    #[must_use]
    pub fn is_indicators(&self) -> bool {
        self.path.starts_with("indicators/") && (self.path.ends_with(".txt") || self.path.ends_with(".csv"))
    }

    /// Whether it is a model.
    #[must_use]
    pub fn is_model(&self) -> bool {
        self.path.starts_with("models/") && self.path.ends_with(".model")
    }

    /// Whether it says what a model is for, how good it is and where it fails.
    #[must_use]
    pub fn is_model_card(&self) -> bool {
        self.path.starts_with("models/") && self.path.ends_with(".card.md")
    }

    /// The content as text; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }
}
