//! Lists for placeholders: what `%name%` stands for in a value with the modifier `expand`.
//!
//! They come from YAML files, a mapping of name to a value or a list of values; a file called `placeholders.yml` among
//! the rules is one. What names a list has to do with a network is the operator's knowledge, so none is bundled.

use std::collections::BTreeMap;

use crate::{
    Code, Diagnostic, Level, SourceText,
    node::{self, Kind, Wrong},
};

/// A value may stand for this many at most: several placeholders in one value multiply.
const EXPANDED_MAX: usize = 10_000;

/// Values by the name of their placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placeholders(BTreeMap<String, Vec<String>>);

/// What a value with placeholders comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The values, in the order of the lists.
    pub(crate) values: Vec<String>,
    /// Names for which there is no list; then there are no values.
    pub(crate) missing: Vec<String>,
}

impl Placeholders {
    /// Nothing, or what a pipeline's `vars` hold.
    #[must_use]
    pub fn new(lists: BTreeMap<String, Vec<String>>) -> Self {
        Self(lists)
    }

    /// Whether there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a file and adds its lists; a list of the same name grows.
    ///
    /// # Errors
    /// If the file is no mapping of names to values.
    pub fn add(&mut self, source: &SourceText) -> Result<(), Box<Diagnostic>> {
        let refuse = |wrong: Wrong| {
            Box::new(Diagnostic {
                code: Code::BadYaml,
                level: Level::Error,
                path: source.path.clone(),
                line: wrong.line.max(1),
                piece: source
                    .text
                    .lines()
                    .nth(wrong.line.saturating_sub(1))
                    .unwrap_or_default()
                    .to_owned(),
                detail: wrong.detail,
                mend: "write a mapping of names to lists: `known_hosts: [alpha, beta]`".to_owned(),
            })
        };
        let node = node::read(&source.text).map_err(refuse)?;
        if node.kind == Kind::Null {
            return Ok(());
        }
        let keys = node.keys("a file of lists for placeholders").map_err(refuse)?;
        for (name, node) in keys.into_entries() {
            let values = match node.kind {
                Kind::Null => Vec::new(),
                Kind::Bool(_)
                | Kind::Integer(_)
                | Kind::Float(_)
                | Kind::Text(_)
                | Kind::List(_)
                | Kind::Map(_) => {
                    let detail = format!("`{name}` is no list of values");
                    node.texts()
                        .ok_or_else(|| refuse(Wrong::new(node.line, detail)))?
                }
            };
            self.0.entry(name).or_default().extend(values);
        }
        Ok(())
    }

    /// A value's expansions, each list in order. `quote` is applied to what is put in.
    ///
    /// # Errors
    /// If there would be too many.
    pub(crate) fn expand(&self, text: &str, quote: &dyn Fn(&str) -> String) -> Result<Expanded, String> {
        let mut values = vec![String::new()];
        let mut missing = Vec::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => values.iter_mut().for_each(|value| value.push_str(text)),
                Piece::Placeholder(name) => {
                    let Some(list) = self.0.get(name) else {
                        missing.push(name.to_owned());
                        continue;
                    };
                    if EXPANDED_MAX < values.len().saturating_mul(list.len()) {
                        return Err(format!("`{text}` stands for more than {EXPANDED_MAX} values"));
                    }
                    values = values
                        .iter()
                        .flat_map(|value| list.iter().map(move |item| format!("{value}{}", quote(item))))
                        .collect();
                }
            }
        }
        if !missing.is_empty() {
            values.clear();
        }
        Ok(Expanded { values, missing })
    }

    /// Calls `each` with the lists that a text uses.
    pub(crate) fn each_used(&self, text: &str, mut each: impl FnMut(&str, &[String])) {
        for piece in pieces(text) {
            if let Piece::Placeholder(name) = piece
                && let Some(list) = self.0.get(name)
            {
                each(name, list);
            }
        }
    }
}

/// Whether a file holds lists and no rules.
#[must_use]
pub fn is_placeholder_file(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.eq_ignore_ascii_case("placeholders.yml") || name.eq_ignore_ascii_case("placeholders.yaml")
}

/// A part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Itself.
    Text(&'t str),
    /// A placeholder's name.
    Placeholder(&'t str),
}

/// A value's parts. A placeholder is letters, digits and `_` between two `%`; `\%` is no beginning of one.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(open) = text
        .get(at..)
        .and_then(|rest| rest.find('%'))
        .map(|place| at + place)
    {
        at = open + 1;
        let rest = text.get(at..).unwrap_or_default();
        let Some(length) = rest.find('%') else {
            break;
        };
        let name = rest.get(..length).unwrap_or_default();
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_');
        let before = text.get(start..open).unwrap_or_default();
        if !is_name || before.ends_with('\\') {
            continue;
        }
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Placeholder(name));
        at = at + length + 1;
        start = at;
    }
    let rest = text.get(start..).unwrap_or_default();
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_between_percent_signs() {
        use Piece::{Placeholder, Text};
        for (text, expected) in [
            ("%name%", vec![Placeholder("name")]),
            ("a%b_1%c", vec![Text("a"), Placeholder("b_1"), Text("c")]),
            ("%a%%b%", vec![Placeholder("a"), Placeholder("b")]),
            ("100% of %x%", vec![Text("100% of "), Placeholder("x")]),
            (r"\%no%", vec![Text(r"\%no%")]),
            ("%not a name%", vec![Text("%not a name%")]),
            ("", vec![]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn several_lists_multiply_and_a_missing_one_is_named() {
        let mut lists = Placeholders::default();
        let source = SourceText {
            path: "placeholders.yml".to_owned(),
            text: "host: [alpha, beta]\nport: 22\nempty:\n".to_owned(),
        };
        assert!(lists.add(&source).is_ok());
        let expand = |text| lists.expand(text, &|item| item.to_owned()).expect("few enough");
        assert_eq!(expand("%host%:%port%").values, ["alpha:22", "beta:22"]);
        assert!(expand("%empty%").values.is_empty() && expand("%empty%").missing.is_empty());
        assert_eq!(expand("%host% %who%").missing, ["who"]);
        assert!(expand("%host% %who%").values.is_empty());
    }
}
