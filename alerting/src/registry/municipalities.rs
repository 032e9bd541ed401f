//! Reads the municipalities: `rulesets/routing/municipalities.csv`, or a file like it.

use std::path::Path;

use alerting_incident::{County, Organization, Validity};
use ingest_event::Timestamp;

use crate::config::ConfigError;

/// The columns of the municipalities' file.
const COLUMNS: &str = "number,name_nb,name_se,name_smj,name_sma,name_fkv,county_number,county,\
                       organization_number,valid_from,number_before_2024";

/// Reads the municipalities' file: a head line, then one row each, without quotes.
///
/// # Errors
/// Names the file, the line and the mend.
pub fn municipalities(text: &str, path: &Path) -> Result<Vec<Organization>, ConfigError> {
    let refuse = |line: usize, mend: String| {
        let detail = format!("line {line}: {mend}");
        Err(ConfigError::Parse {
            path: path.to_owned(),
            detail,
        })
    };
    let mut lines = text.lines().zip(1..);
    match lines.next() {
        Some((head, _)) if head.trim_start_matches('\u{feff}') == COLUMNS => {}
        _ => return refuse(1, format!("the first line must be `{COLUMNS}`")),
    }
    let mut rows = Vec::new();
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        match municipality(line) {
            Ok(row) => rows.push(row),
            Err(mend) => return refuse(number, mend),
        }
    }
    Ok(rows)
}

fn municipality(line: &str) -> Result<Organization, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [
        number,
        nb,
        se,
        smj,
        sma,
        fkv,
        county_number,
        county,
        organization,
        valid_from,
        _before,
    ] = *cells
    else {
        return Err(format!(
            "it has {} columns, the head line has {}",
            cells.len(),
            COLUMNS.split(',').count()
        ));
    };
    if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{number}` is no municipality number: write four digits"));
    }
    if nb.is_empty() {
        return Err("the name in Bokmål is missing".to_owned());
    }
    let named = [("nb", nb), ("se", se), ("smj", smj), ("sma", sma), ("fkv", fkv)];
    let names = named.into_iter().filter(|(_, name)| !name.is_empty());
    Ok(Organization {
        number: match organization {
            "" => None,
            text => Some(text.parse().map_err(|error| format!("`{text}`: {error}"))?),
        },
        municipality: Some(number.to_owned()),
        names: names
            .map(|(code, name)| (code.to_owned(), name.to_owned()))
            .collect(),
        county: Some(County {
            number: county_number.to_owned(),
            name: county.to_owned(),
        }),
        validity: Validity {
            from: date(valid_from)?,
            until: None,
        },
        networks: vec![],
        domains: vec![],
        systems: vec![],
        sensors: vec![],
        operator: None,
        sector: None,
        sectors: vec![],
        parent: None,
        responders: vec![],
    })
}

/// The start of a day, in UTC; `None` for no date.
pub(super) fn date(text: &str) -> Result<Option<Timestamp>, String> {
    match text {
        "" => Ok(None),
        day => format!("{day}T00:00:00Z")
            .parse()
            .map(Some)
            .map_err(|_| format!("`{day}` is no date: write it as 2024-01-01")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::read_text;

    #[test]
    fn every_municipality_of_2024_is_there_once() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing/municipalities.csv");
        // A number whose check digit does not fit is refused by the reader.
        let rows = municipalities(&read_text(&path).expect("readable"), &path).expect("valid");
        assert_eq!(rows.len(), 357);
        let distinct: BTreeSet<_> = rows.iter().map(|row| row.municipality.clone()).collect();
        assert_eq!(distinct.len(), 357);
        let numbers: BTreeSet<_> = rows.iter().filter_map(|row| row.number).collect();
        assert_eq!(numbers.len(), 356, "all but Haram's, and none twice");
        let haram = rows.iter().find(|row| row.number.is_none()).expect("Haram");
        assert_eq!(
            (haram.name("nb"), haram.municipality.as_deref()),
            ("Haram", Some("1580"))
        );
        let renumbered = rows.iter().filter(|row| row.validity.from.is_some()).count();
        assert_eq!(renumbered, 115, "114 renumbered and Haram");
        let porsanger = rows
            .iter()
            .find(|row| row.name("nb") == "Porsanger")
            .expect("there");
        assert_eq!(
            (porsanger.name("se"), porsanger.name("fkv")),
            ("Porsáŋgu", "Porsanki")
        );
    }

    #[test]
    fn a_row_that_cannot_be_is_refused_with_its_line() {
        for (row, named) in [
            ("0301,Oslo", "columns"),
            ("301,Oslo,,,,,03,Oslo,958935420,,", "four digits"),
            ("0301,,,,,,03,Oslo,958935420,,", "Bokmål"),
            ("0301,Oslo,,,,,03,Oslo,958935421,,", "check digit"),
            ("0301,Oslo,,,,,03,Oslo,958935420,1.1.2024,", "2024-01-01"),
        ] {
            let text = format!("{COLUMNS}\n{row}\n");
            let error = municipalities(&text, Path::new("m.csv"))
                .expect_err(row)
                .to_string();
            assert!(
                error.contains(named) && error.contains("line 2") && error.contains("m.csv"),
                "{error}"
            );
        }
        assert!(municipalities("number\n", Path::new("m.csv")).is_err());
    }
}
