//! Indicator files to checked [`Indicator`]s: plain lists and CSV.

mod normal;
mod table;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};

use crate::{Code, Diagnostic, Level};
pub(crate) use normal::Refused;

/// Reads the text of an indicator file: CSV if its first line names a column `value`, else one indicator a
/// line. `source` is the feed's name where a row does not say.
#[must_use]
pub fn check_indicators(path: &str, source: &str, text: &str) -> (Vec<Indicator>, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if table::is_table(text) {
        table::read(path, source, text)
    } else {
        plain(path, source, text)
    }
}

/// Reads one indicator in whatever spelling, defanged or not, and normalises it.
///
/// # Errors
/// If it is none, or would match harmless traffic: the code, what is wrong, and the mend.
pub fn parse_indicator(
    text: &str,
    kind: Option<IndicatorKind>,
) -> Result<(IndicatorKind, String), (Code, String, String)> {
    normal::parse(text, kind).map_err(|refused| (refused.code, refused.detail, refused.mend))
}

/// The normal form of an event's URL, the same as that of an indicator; none if it is no absolute URL.
#[must_use]
pub fn normal_url(text: &str) -> Option<String> {
    text.contains("://").then(|| normal::url(text).ok()).flatten()
}

fn plain(path: &str, source: &str, text: &str) -> (Vec<Indicator>, Vec<Diagnostic>) {
    let mut indicators = Vec::new();
    let mut diagnostics = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // A comment begins at the start of the line or after a blank: URLs have fragments.
        let value = line.split(" #").next().unwrap_or_default().trim();
        if value.is_empty() || value.starts_with('#') {
            continue;
        }
        match normal::parse(value, None) {
            Ok((kind, value)) => indicators.push(Indicator {
                kind,
                value,
                source: source.to_owned(),
                confidence: Confidence::Medium,
                tlp: Tlp::Green,
                pap: Pap::Green,
                valid_from: None,
                valid_until: None,
                description: String::new(),
            }),
            Err(refused) => diagnostics.push(refused.at(path, index + 1, line)),
        }
    }
    (indicators, diagnostics)
}

impl Refused {
    pub(crate) fn at(self, path: &str, line: usize, piece: &str) -> Diagnostic {
        Diagnostic {
            code: self.code,
            level: Level::Error,
            path: path.to_owned(),
            line,
            // A hostile line may be very long; its beginning shows what it is.
            piece: piece.chars().take(200).collect(),
            detail: self.detail,
            mend: self.mend,
        }
    }
}
