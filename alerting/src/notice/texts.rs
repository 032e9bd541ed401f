//! What notices say by kind of incident: a text for each part, for a type of the reference taxonomy, else for its class, else for
//! all.
//!
//! A file for each language, in which a line `[TAXON.PART]` begins a text. Those in this folder are complete in every language,
//! which a test holds; an operator's own folder takes the place of single texts. A text is a template over what the notice
//! tells its reader anyway ([`VARIABLES`]): nothing else can be asked for, and there is no way to another template or file.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use alerting_incident::{Language, Taxon, TaxonClass};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use thiserror::Error;

/// What is said where neither a type nor its class says it.
const DEFAULT: &str = "default";
/// Everything that a text may name.
const VARIABLES: [&str; 13] = [
    "organization",
    "responder",
    "severity",
    "confidence",
    "thing",
    "count",
    "first_seen",
    "last_seen",
    "exercise",
    "rule",
    "cert_name",
    "cert_phone",
    "cert_email",
];
/// Characters of one text: a page is no notice any more.
const CHARS_MAX: usize = 4_000;
/// Bytes of one file: all texts fit many times.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Steps of one text: many times what a page needs, and an end for a loop that has none.
const FUEL: u64 = 50_000;

/// A part of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The name of this kind of incident.
    Kind,
    /// What it means.
    What,
    /// How sure we are.
    Sure,
    /// What to do first.
    DoFirst,
    /// When to call.
    Call,
}

/// Why a text can't be used.
#[derive(Debug, Error)]
pub(crate) enum TextError {
    /// A file can't be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is wrong.
    #[error("{}:{line}: {mend}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong and what to write instead.
        mend: String,
    },
}

/// All texts, compiled once.
#[derive(Debug)]
pub(crate) struct Texts {
    environment: Environment<'static>,
}

/// A text of a file: where it begins, counted from 1, and what it says.
type Sections = BTreeMap<String, (usize, String)>;

impl Part {
    const ALL: [Self; 5] = [Self::Kind, Self::What, Self::Sure, Self::DoFirst, Self::Call];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::What => "what",
            Self::Sure => "sure",
            Self::DoFirst => "do_first",
            Self::Call => "call",
        }
    }
}

impl Texts {
    /// Compiles the texts, with those of an operator's folder in place of ours.
    ///
    /// # Errors
    /// If a text is broken, or names what is not there.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, TextError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        let mut texts = Self { environment };
        for language in Language::ALL {
            let path = PathBuf::from(format!("{language}.txt"));
            texts.add(*language, &path, shipped(*language))?;
        }
        if let Some(folder) = folder {
            texts.add_folder(folder)?;
        }
        Ok(texts)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TextError> {
        let read = |path: &Path, source| TextError::Read {
            path: path.to_owned(),
            source,
        };
        let known: Vec<String> = Language::ALL.iter().map(|code| format!("{code}.txt")).collect();
        let entries = fs::read_dir(folder).map_err(|error| read(folder, error))?;
        for entry in entries {
            let name = entry.map_err(|error| read(folder, error))?.file_name();
            let name = name.to_string_lossy();
            // What an editor leaves behind is no text.
            let is_hidden = name.starts_with('.') || name.ends_with('~');
            if !is_hidden && !known.contains(&name.as_ref().to_owned()) {
                let mend = format!("unknown file; known are {}", known.join(", "));
                return Err(wrong(&folder.join(name.as_ref()), 1, mend));
            }
        }
        for language in Language::ALL {
            let path = folder.join(format!("{language}.txt"));
            match fs::metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(read(&path, error)),
                Ok(about) if FILE_BYTES_MAX < about.len() => {
                    return Err(wrong(&path, 1, format!("longer than {FILE_BYTES_MAX} bytes")));
                }
                Ok(_) => {}
            }
            let text = fs::read_to_string(&path).map_err(|error| read(&path, error))?;
            self.add(*language, &path, &text)?;
        }
        Ok(())
    }

    fn add(&mut self, language: Language, path: &Path, text: &str) -> Result<(), TextError> {
        for (name, (start, source)) in sections(path, text)? {
            let key = format!("{language}/{name}");
            self.environment
                .add_template_owned(key.clone(), source.clone())
                .map_err(|error| broken(path, start, &error))?;
            let template = self
                .environment
                .get_template(&key)
                .map_err(|error| broken(path, start, &error))?;
            let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
            unknown.retain(|name| !VARIABLES.contains(&name.as_str()));
            unknown.sort_unstable();
            if let Some(name) = unknown.first() {
                let within = source.lines().position(|line| line.contains(name.as_str()));
                let mend = format!("`{name}` is unknown; known are {}", VARIABLES.join(", "));
                return Err(wrong(path, start + within.unwrap_or_default(), mend));
            }
            // What the names do not show: filters, types, an end.
            template
                .render(sample())
                .map_err(|error| broken(path, start, &error))?;
        }
        Ok(())
    }

    /// What a part says of a kind of incident.
    ///
    /// # Errors
    /// If the text asks for what is not there: what a check at the start did not find.
    pub(crate) fn say(
        &self,
        language: Language,
        taxon: Taxon,
        part: Part,
        told: &Value,
    ) -> Result<String, minijinja::Error> {
        let names = [taxon.as_str(), taxon.class().as_str(), DEFAULT];
        let found = names.into_iter().find_map(|name| {
            let key = format!("{language}/{name}.{}", part.as_str());
            self.environment.get_template(&key).ok()
        });
        match found {
            Some(template) => template.render(told),
            None => Ok(String::new()),
        }
    }
}

fn shipped(language: Language) -> &'static str {
    match language {
        Language::Nb => include_str!("texts/nb.txt"),
        Language::Nn => include_str!("texts/nn.txt"),
        Language::Se => include_str!("texts/se.txt"),
        Language::En => include_str!("texts/en.txt"),
    }
}

/// The texts of a file by their names.
fn sections(path: &Path, text: &str) -> Result<Sections, TextError> {
    let mut sections = Sections::new();
    let mut open: Option<String> = None;
    for (line, number) in text.lines().zip(1..) {
        let name = line
            .trim_end()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(name) = name {
            known(name).map_err(|mend| wrong(path, number, mend))?;
            if sections.contains_key(name) {
                return Err(wrong(path, number, format!("`{name}` is there twice")));
            }
            sections.insert(name.to_owned(), (number + 1, String::new()));
            open = Some(name.to_owned());
        } else if let Some((_, source)) = open.as_ref().and_then(|name| sections.get_mut(name)) {
            source.push_str(line);
            source.push('\n');
            if CHARS_MAX < source.len() {
                return Err(wrong(
                    path,
                    number,
                    format!("a text of more than {CHARS_MAX} bytes"),
                ));
            }
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let mend = "write `[TAXON.PART]` before the first text".to_owned();
            return Err(wrong(path, number, mend));
        }
    }
    for (start, source) in sections.values_mut() {
        source.truncate(source.trim_end().len());
        if source.is_empty() {
            return Err(wrong(path, *start - 1, "a text that says nothing".to_owned()));
        }
    }
    Ok(sections)
}

fn known(name: &str) -> Result<(), String> {
    let (taxon, part) = name.split_once('.').unwrap_or((name, ""));
    let is_taxon = taxon == DEFAULT || taxon.parse::<TaxonClass>().is_ok() || taxon.parse::<Taxon>().is_ok();
    if !is_taxon {
        return Err(format!(
            "`{taxon}` is neither `default` nor a class or type of the taxonomy"
        ));
    }
    if !Part::ALL.iter().any(|known| known.as_str() == part) {
        let parts = Part::ALL.map(Part::as_str).join(", ");
        return Err(format!("`{part}` is no part; known are {parts}"));
    }
    Ok(())
}

/// A notice that never was, to try texts on.
fn sample() -> Value {
    context! {
        organization => "organization", responder => "responder", severity => "severity", confidence => "confidence",
        thing => "thing", count => 3, first_seen => "first_seen", last_seen => "last_seen", exercise => true,
        rule => "rule", cert_name => "cert_name", cert_phone => "cert_phone", cert_email => "cert_email",
    }
}

fn broken(path: &Path, start: usize, error: &minijinja::Error) -> TextError {
    let within = error.line().unwrap_or(1).saturating_sub(1);
    let detail = error.detail().unwrap_or_default();
    wrong(
        path,
        start + within,
        format!("{} {detail}", error.kind()).trim_end().to_owned(),
    )
}

fn wrong(path: &Path, line: usize, mend: String) -> TextError {
    TextError::Line {
        path: path.to_owned(),
        line,
        mend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(language: Language) -> Vec<String> {
        let path = PathBuf::from("shipped");
        let sections = sections(&path, shipped(language)).expect("well formed");
        sections.into_keys().collect()
    }

    #[test]
    fn each_text_is_there_in_every_language_and_each_kind_has_every_part() {
        for language in Language::ALL {
            assert_eq!(names(*language), names(Language::Nb), "{language}");
            let texts = Texts::open(None).expect("ours");
            for taxon in Taxon::ALL {
                for part in Part::ALL {
                    let said = texts.say(*language, *taxon, part, &sample()).expect("said");
                    assert!(!said.trim().is_empty(), "{language} {taxon} {}", part.as_str());
                }
            }
        }
        for class in TaxonClass::ALL {
            assert!(names(Language::Nb).contains(&format!("{class}.kind")), "{class}");
        }
    }

    #[test]
    fn no_two_languages_say_the_same() {
        for (one, other) in [
            (Language::Nb, Language::En),
            (Language::Nb, Language::Se),
            (Language::Nn, Language::En),
        ] {
            let path = PathBuf::from("shipped");
            let [one, other] = [one, other].map(|code| sections(&path, shipped(code)).expect("well formed"));
            for (name, (_, text)) in &one {
                let is_same = other.get(name).is_some_and(|(_, said)| said == text);
                let may_be = name == "test.kind" || name == "default.sure";
                assert!(!is_same || may_be, "{name}: {text}");
            }
        }
    }

    fn opened(file: &str, text: &str) -> Result<Texts, String> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(file), text).expect("written");
        Texts::open(Some(folder.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn an_operators_text_takes_the_place_of_one_and_of_no_other() {
        let texts =
            opened("nb.txt", "# ours\n[scanner.what]\nNoen leter, {{ responder }}.\n").expect("taken");
        let say = |language, taxon| texts.say(language, taxon, Part::What, &sample()).expect("said");
        assert_eq!(say(Language::Nb, Taxon::Scanner), "Noen leter, responder.");
        assert!(say(Language::Nn, Taxon::Scanner).contains("maskiner og tenester"));
        assert!(say(Language::Nb, Taxon::SocialEngineering).contains("maskiner og tjenester"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_file_line_and_mend() {
        for (file, text, line, named) in [
            (
                "nb.txt",
                "[scanner.what]\nA\nB {{ incidents }}\n",
                3,
                "`incidents`",
            ),
            (
                "nb.txt",
                "[scanner.what]\nA\n{% if exercise %}{% if count > 9 %}{{ store }}{% endif %}{% endif %}\n",
                3,
                "`store`",
            ),
            ("nn.txt", "\n[scanner.what]\nA {{ count \n", 3, "syntax"),
            (
                "nb.txt",
                "[scanner.what]\n{% include 'en/scanner.what' %}\n",
                2,
                "syntax",
            ),
            ("nb.txt", "[scanner.what]\n{{ count|nonsense }}\n", 2, "nonsense"),
            ("nb.txt", "[scanner.what]\n{{ range(9) }}\n", 2, "`range`"),
            (
                "nb.txt",
                "[scanner.what]\n{% for a in organization %}{% for b in organization %}{% for c in organization %}\
                 {% for d in organization %}{% for e in organization %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}\
                 {% endfor %}\n",
                2,
                "fuel",
            ),
            ("nb.txt", "[scaner.what]\nA\n", 1, "`scaner`"),
            ("nb.txt", "[scanner.why]\nA\n", 1, "do_first"),
            ("nb.txt", "A\n", 1, "[TAXON.PART]"),
            ("nb.txt", "[scanner.what]\n\n[dos.what]\nA\n", 1, "nothing"),
            ("nb.txt", "[dos.what]\nA\n[dos.what]\nB\n", 3, "twice"),
            ("de.txt", "[dos.what]\nA\n", 1, "se.txt"),
        ] {
            let error = opened(file, text).expect_err(text);
            assert!(error.contains(&format!("{file}:{line}:")), "{error}");
            assert!(error.contains(named), "{error}");
        }
        let long = format!("[dos.what]\n{}", "a".repeat(CHARS_MAX + 1));
        assert!(opened("nb.txt", &long).expect_err("too long").contains("4000"));
        let nowhere = Texts::open(Some(Path::new("/nonexistent/templates"))).expect_err("no folder");
        assert!(nowhere.to_string().contains("/nonexistent/templates"));
    }
}
