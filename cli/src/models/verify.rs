//! `varde models verify`: records, alone or inside alerts → the same verdict again, or not.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use detect_models::{Record, RecordError};
use serde_json::Value as Json;

use super::{Model, bundled, read};
use crate::arguments::VerifyArguments;
use crate::exit::{Ended, Failure};
use crate::text::{counted, number};
use crate::{Exit, Terminal};

/// How a record begins.
const MAGIC: &str = "varde-verdict ";

/// Longest line that is read: an alert has at most 1 MiB.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Computes each recorded verdict again.
///
/// # Errors
/// If a file or a model can't be read, or output can't be written.
pub fn verify(arguments: &VerifyArguments, terminal: &mut Terminal<'_>) -> Ended {
    let mut models = arguments
        .model
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    for file in bundled() {
        let model = Model::load(&file.content)
            .map_err(|error| Failure::configuration(format!("{}: {error}", file.path)))?;
        models.push(model);
    }
    let (mut same, mut wrong) = (0_u64, 0_u64);
    for path in &arguments.files {
        let place = if path == Path::new("-") {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let unreadable =
            |error: io::Error| Failure::new(Exit::Input, format!("{place}: cannot read it: {error}"));
        let mut input = open(path).map_err(unreadable)?;
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            let read = (&mut input)
                .take(LINE_BYTES_MAX)
                .read_line(&mut line)
                .map_err(unreadable)?;
            if read == 0 {
                break;
            }
            if LINE_BYTES_MAX <= read as u64 {
                let why = format!("{place}:{number}: a line of more than 4 MiB: no alert is that long");
                return Err(Failure::new(Exit::Input, why));
            }
            for record in records(&line) {
                match judge(&record, &models) {
                    Ok(()) => same += 1,
                    Err(error) => {
                        wrong += 1;
                        writeln!(terminal.out, "{place}:{number}: {error}")?;
                    }
                }
            }
        }
    }
    let all = counted(same + wrong, "verdict", "verdicts");
    writeln!(
        terminal.out,
        "{all}: {} as recorded, {} not",
        number(same),
        number(wrong)
    )?;
    terminal.out.flush()?;
    Ok(if wrong == 0 && 0 < same {
        Exit::Done
    } else {
        Exit::Differs
    })
}

fn open(path: &Path) -> io::Result<BufReader<Box<dyn Read>>> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    Ok(BufReader::new(input))
}

/// The records of a line: itself, or texts within JSON.
fn records(line: &str) -> Vec<String> {
    let line = line.trim();
    if line.starts_with(MAGIC) {
        return vec![line.to_owned()];
    }
    let mut found = Vec::new();
    if let Ok(json) = serde_json::from_str(line) {
        gather(&json, &mut found);
    }
    found
}

fn gather(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::String(text) if text.starts_with(MAGIC) => found.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Json::Object(members) => members.values().for_each(|member| gather(member, found)),
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn judge(record: &str, models: &[Model]) -> Result<(), RecordError> {
    let record: Record = record.parse()?;
    let model = models
        .iter()
        .find(|model| model.identity().digest == record.digest());
    let unknown = || RecordError::OtherModel {
        model: record.model().to_owned(),
        digest: record.digest().to_owned(),
    };
    model.ok_or_else(unknown)?.verify(&record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_alone_and_within_alerts() {
        let record = "varde-verdict 1 flows 00 1,2 3";
        for (line, count) in [
            (format!("{record}\n"), 1),
            (format!(r#"{{"a":{{"b":["x","{record}"]}},"c":"{record}"}}"#), 2),
            ("nothing".to_owned(), 0),
            ("{\"a\":1}".to_owned(), 0),
        ] {
            let found = records(&line);
            assert_eq!(found.len(), count, "{line}");
            assert!(found.iter().all(|found| found == record));
        }
    }
}
