//! Reads what became of municipalities and counties: `rulesets/routing/changes.csv`, or a file like it.

use std::path::Path;

use alerting_incident::{Body, Organization, Succession, Successions, Validity};
use ingest_event::Timestamp;

use super::municipalities::date;
use crate::config::ConfigError;

/// The columns of the changes' file.
const COLUMNS: &str = "on,from,from_name,to,to_name";

/// Reads the changes' file: a head line, then one row for each body that took another's place, or a part of it.
///
/// # Errors
/// Names the file, the line and the mend.
pub fn changes(text: &str, path: &Path) -> Result<Successions, ConfigError> {
    let refuse = |detail: String| ConfigError::Parse {
        path: path.to_owned(),
        detail,
    };
    let mut lines = text.lines().zip(1..);
    match lines.next() {
        Some((head, _)) if head.trim_start_matches('\u{feff}') == COLUMNS => {}
        _ => return Err(refuse(format!("line 1: the first line must be `{COLUMNS}`"))),
    }
    let rows: Result<Vec<_>, _> = lines
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| change(line).map_err(|mend| refuse(format!("line {number}: {mend}"))))
        .collect();
    Successions::new(rows?).map_err(|error| refuse(error.to_string()))
}

fn change(line: &str) -> Result<Succession, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [on, from, from_name, to, to_name] = *cells else {
        return Err(format!("it has {} columns, the head line has 5", cells.len()));
    };
    Ok(Succession {
        on: date(on)?.ok_or("the day is missing: write it as 2024-01-01")?,
        from: body(from, from_name)?,
        to: body(to, to_name)?,
    })
}

fn body(number: &str, name: &str) -> Result<Body, String> {
    if !matches!(number.len(), 2 | 4) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{number}` is no number: write a municipality's four digits, or a county's two"
        ));
    }
    if name.is_empty() {
        return Err(format!("the name of {number} is missing"));
    }
    Ok(Body {
        number: number.to_owned(),
        name: name.to_owned(),
    })
}

/// Ends the rows of who has ended. Who was only renumbered is the same body, and was there before under its former numbers.
pub(super) fn apply(known: &Successions, organizations: &mut [Organization]) {
    for row in organizations {
        let Some(number) = row.municipality.as_deref() else {
            continue;
        };
        let mut first = number;
        while let Some(former) = renumbered(known, first) {
            first = former;
        }
        row.validity = Validity {
            from: match first == number {
                true => row.validity.from.or_else(|| began(known, number)),
                false => began(known, first),
            },
            until: row.validity.until.or_else(|| known.ended(number)),
        };
    }
}

/// The number that a body had before, if it was only renumbered.
fn renumbered<'k>(known: &'k Successions, number: &str) -> Option<&'k str> {
    let mut of_it = known.all().iter().filter(|change| change.to.number == number);
    let (only, None) = (of_it.next()?, of_it.next()) else {
        return None;
    };
    let is_of_it = |change: &&Succession| change.from.number == only.from.number;
    let parts = known.all().iter().filter(is_of_it).count();
    (parts == 1).then_some(only.from.number.as_str())
}

/// When a number began, if it took anybody's place.
fn began(known: &Successions, number: &str) -> Option<Timestamp> {
    let mut all = known.all().iter();
    all.find(|change| change.to.number == number)
        .map(|change| change.on)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use alerting_incident::Fate;

    use super::super::municipalities::municipalities;
    use super::*;
    use crate::config::read_text;

    fn routing(file: &str) -> (String, PathBuf) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../rulesets/routing")
            .join(file);
        (read_text(&path).expect("readable"), path)
    }

    fn known() -> Successions {
        let (text, path) = routing("changes.csv");
        changes(&text, &path).expect("valid")
    }

    fn day(text: &str) -> Timestamp {
        date(text).expect("a day").expect("a day")
    }

    #[test]
    fn the_changes_of_2020_and_2024_lead_to_the_municipalities_of_today() {
        let known = known();
        let (text, path) = routing("municipalities.csv");
        let rows = municipalities(&text, &path).expect("valid");
        let today: BTreeSet<&str> = rows
            .iter()
            .filter_map(|row| row.municipality.as_deref())
            .collect();
        let of_2024 = known.all().iter().filter(|change| change.on == day("2024-01-01"));
        let (municipalities, counties): (Vec<_>, Vec<_>) =
            of_2024.partition(|change| change.from.number.len() == 4);
        let renumbered = municipalities.iter().filter(|change| change.to.name != "Haram");
        assert_eq!(renumbered.count(), 114);
        let former: BTreeSet<_> = counties.iter().map(|change| &change.from.number).collect();
        assert_eq!((former.len(), counties.len()), (3, 7));
        for change in known.all().iter().filter(|change| change.from.number.len() == 4) {
            match known.fate(&change.from.number, day("2026-01-01")) {
                Fate::Became(body) => assert!(today.contains(body.number.as_str()), "{}", body.number),
                Fate::Split { into, .. } => {
                    assert!(into.iter().all(|body| today.contains(body.number.as_str())));
                }
                Fate::Itself => panic!("{} has ended", change.from.number),
            }
        }
        let Fate::Split { of, into, .. } = known.fate("1507", day("2024-01-01")) else {
            panic!("it was split");
        };
        let names: Vec<_> = into.iter().map(|body| body.name.as_str()).collect();
        assert_eq!(
            (of.name.as_str(), names.as_slice()),
            ("Ålesund", &["Ålesund", "Haram"][..])
        );
        assert!(
            known.former("4204").contains_key("1018"),
            "Søgne is in Kristiansand"
        );
    }

    #[test]
    fn who_was_only_renumbered_was_there_before() {
        let (text, path) = routing("municipalities.csv");
        let mut rows = municipalities(&text, &path).expect("valid");
        apply(&known(), &mut rows);
        let from = |number: &str| {
            let row = rows
                .iter()
                .find(|row| row.municipality.as_deref() == Some(number));
            row.expect("there").validity.from
        };
        assert_eq!(
            from("3301"),
            Some(day("2020-01-01")),
            "Drammen was merged in 2020"
        );
        assert_eq!(from("3303"), None, "Kongsberg is what it was");
        assert_eq!(
            from("1580"),
            Some(day("2024-01-01")),
            "Haram was split from another"
        );
        assert_eq!(from("0301"), None);
        assert!(rows.iter().all(|row| row.validity.until.is_none()));

        let ends = changes(
            "on,from,from_name,to,to_name\n2030-01-01,0301,Oslo,0302,Nye Oslo\n",
            &path,
        );
        apply(&ends.expect("valid"), &mut rows);
        let oslo = rows
            .iter()
            .find(|row| row.municipality.as_deref() == Some("0301"));
        assert_eq!(oslo.expect("there").validity.until, Some(day("2030-01-01")));
    }

    #[test]
    fn a_row_that_cannot_be_is_refused_with_its_line() {
        for (row, named) in [
            ("2024-01-01,1507,Ålesund,1508", "columns"),
            ("1.1.2024,1507,Ålesund,1508,Ålesund", "2024-01-01"),
            (",1507,Ålesund,1508,Ålesund", "day"),
            ("2024-01-01,150,Ålesund,1508,Ålesund", "four digits"),
            ("2024-01-01,1507,,1508,Ålesund", "name"),
        ] {
            let text = format!("{COLUMNS}\n{row}\n");
            let error = changes(&text, Path::new("c.csv")).expect_err(row).to_string();
            assert!(
                error.contains(named) && error.contains("line 2") && error.contains("c.csv"),
                "{error}"
            );
        }
    }
}
