//! Documents with several bodies, as CSV (RFC 4180): one line for each contact, and one for a body without.
//!
//! What is said of the body stands on its first line; the lines of its further contacts have its number alone. An empty cell
//! says nothing; in a list, whose parts stand apart by a space, `-` says that there is none. Spreadsheets' ways are read too: a
//! byte order mark, `;` between the cells, CRLF. Columns may be missing and stand in any order; unknown ones are refused.

use std::collections::BTreeMap;

use super::json::{self, Forms, check_size, gather};
use super::{CONTACT_FIELDS, ContactForm, FIELDS, Field, FieldKind, Flaw, Form, LANGUAGES, flaw};
use serde_json::{Map, Value};

/// What an empty list is written as.
const NONE: &str = "-";

/// Cells of one line: a few more than there are columns, so that a line without an end is no long one.
const CELLS_MAX: usize = 64;

/// Where a column's cell goes.
#[derive(Clone, Copy)]
enum Place {
    Body(&'static Field),
    Name(&'static str),
    Contact(&'static Field),
}

/// A body while its lines are read.
struct Draft {
    line: u64,
    body: Map<String, Value>,
    names: Map<String, Value>,
    contacts: Vec<(u64, Map<String, Value>)>,
}

/// The columns, in their order.
fn columns() -> Vec<(String, Place)> {
    let body = |field: &'static Field| (field.name.to_owned(), Place::Body(field));
    let contact = |field: &'static Field| {
        let name = match field.name {
            "name" => "contact".to_owned(),
            "valid_from" | "valid_until" => format!("contact_{}", field.name),
            plain => plain.to_owned(),
        };
        (name, Place::Contact(field))
    };
    let names = LANGUAGES
        .iter()
        .map(|language| (format!("name_{language}"), Place::Name(language)));
    // The names stand after both numbers.
    let (first, others) = FIELDS.split_at(2);
    let all = first.iter().map(body).chain(names).chain(others.iter().map(body));
    all.chain(CONTACT_FIELDS.iter().map(contact)).collect()
}

/// Reads a document.
///
/// # Errors
/// With the flaws that were found first, each with its line.
pub fn read(bytes: &[u8]) -> Result<Forms, Vec<Flaw>> {
    check_size(bytes)?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b';') && !head.contains(&b',') {
        b';'
    } else {
        b','
    };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(bytes);
    let mut records = reader.records();
    let places = match records.next() {
        Some(head) => places(&head.map_err(|error| vec![unreadable(&error)])?)?,
        None => return Err(vec![flaw("line 1", "the first line must name the columns")]),
    };
    let (mut drafts, mut order, mut flaws) = (BTreeMap::<String, Draft>::new(), Vec::new(), Vec::new());
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                flaws.push(unreadable(&error));
                break;
            }
        };
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if record.len() != places.len() {
            let mend = format!(
                "it has {} cells, the first line has {}",
                record.len().min(CELLS_MAX),
                places.len()
            );
            flaws.push(flaw(&format!("line {line}"), &mend));
        } else {
            take(line, &record, &places, &mut drafts, &mut order, &mut flaws);
        }
        if json::FLAWS_MAX <= flaws.len() {
            break;
        }
    }
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let drafts: Vec<Draft> = order.iter().filter_map(|number| drafts.remove(number)).collect();
    let mut forms = Vec::new();
    for draft in drafts {
        let lines: Vec<u64> = draft.contacts.iter().map(|(line, _)| *line).collect();
        let first = draft.line;
        match draft.form() {
            Ok(form) => forms.push((form, move |field: &str| {
                let contact = field
                    .strip_prefix("responders[")
                    .and_then(|rest| rest.split_once("]."));
                let found =
                    contact.and_then(|(at, name)| Some((lines.get(at.parse::<usize>().ok()?)?, name)));
                match found {
                    Some((line, name)) => format!("line {line}, {name}"),
                    None => format!("line {first}, {field}"),
                }
            })),
            Err(mend) => flaws.push(flaw(&format!("line {first}"), &mend)),
        }
    }
    if flaws.is_empty() {
        gather(forms.into_iter())
    } else {
        Err(flaws)
    }
}

/// Writes a document, in the order of the numbers: the same bodies, the same bytes.
#[must_use]
pub fn write(forms: &Forms) -> String {
    let columns = columns();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // Into memory: there is nothing that could fail.
    let _ = writer.write_record(columns.iter().map(|(name, _)| name));
    for form in forms.values() {
        let body = serde_json::to_value(form).unwrap_or_default();
        let mut contacts: Vec<Value> = form
            .responders
            .iter()
            .map(|contact| serde_json::to_value(contact).unwrap_or_default())
            .collect();
        if contacts.is_empty() {
            contacts.push(Value::Null);
        }
        for (at, contact) in contacts.iter().enumerate() {
            let cells = columns.iter().map(|(_, place)| match place {
                Place::Contact(field) => text(contact.get(field.name)),
                Place::Body(field) if at == 0 || field.name == "number" => text(body.get(field.name)),
                Place::Name(language) if at == 0 => {
                    text(body.get("names").and_then(|names| names.get(language)))
                }
                Place::Body(_) | Place::Name(_) => String::new(),
            });
            let _ = writer.write_record(cells);
        }
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(all)) if all.is_empty() => NONE.to_owned(),
        Some(Value::Array(all)) => all
            .iter()
            .map(|one| text(Some(one)))
            .collect::<Vec<_>>()
            .join(" "),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What each column of the first line is.
fn places(head: &::csv::StringRecord) -> Result<Vec<Place>, Vec<Flaw>> {
    let columns = columns();
    let (mut places, mut seen, mut flaws) = (Vec::new(), Vec::new(), Vec::new());
    for name in head.iter().map(str::trim).take(CELLS_MAX) {
        let shown: String = name.chars().take(64).collect();
        match columns.iter().find(|(known, _)| known == name) {
            Some(_) if seen.contains(&shown) => {
                flaws.push(flaw("line 1", &format!("`{shown}` is there twice")))
            }
            Some((_, place)) => places.push(*place),
            None => {
                let known: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let mend = format!("`{shown}` is no column; known are {}", known.join(", "));
                flaws.push(flaw("line 1", &mend));
            }
        }
        seen.push(shown);
    }
    if !seen.iter().any(|name| name == "number") {
        flaws.push(flaw("line 1", "the column `number` is missing"));
    }
    if flaws.is_empty() { Ok(places) } else { Err(flaws) }
}

fn take(
    line: u64,
    record: &::csv::StringRecord,
    places: &[Place],
    drafts: &mut BTreeMap<String, Draft>,
    order: &mut Vec<String>,
    flaws: &mut Vec<Flaw>,
) {
    let (mut body, mut names, mut contact) = (Map::new(), Map::new(), Map::new());
    for (cell, place) in record.iter().zip(places) {
        let cell = cell.trim();
        if cell.is_empty() {
            continue;
        }
        let put = |map: &mut Map<String, Value>, field: &Field| match value(cell, field.kind) {
            Ok(value) => {
                map.insert(field.name.to_owned(), value);
                None
            }
            Err(mend) => Some(flaw(&format!("line {line}, {}", field.name), &mend)),
        };
        match place {
            Place::Body(field) => flaws.extend(put(&mut body, field)),
            Place::Contact(field) => flaws.extend(put(&mut contact, field)),
            Place::Name(language) => {
                names.insert((*language).to_owned(), cell.into());
            }
        }
    }
    let Some(number) = body.get("number").and_then(Value::as_str).map(str::to_owned) else {
        flaws.push(flaw(&format!("line {line}, number"), "it is missing"));
        return;
    };
    let draft = drafts.entry(number.clone()).or_insert_with(|| {
        order.push(number);
        Draft {
            line,
            body: Map::new(),
            names: Map::new(),
            contacts: vec![],
        }
    });
    for (all, given) in [(&mut draft.body, body), (&mut draft.names, names)] {
        for (name, value) in given {
            if all.get(&name).is_some_and(|earlier| *earlier != value) {
                let mend = format!(
                    "line {} says something else of the same body: keep one of them",
                    draft.line
                );
                flaws.push(flaw(&format!("line {line}, {name}"), &mend));
            }
            all.insert(name, value);
        }
    }
    if !contact.is_empty() {
        draft.contacts.push((line, contact));
    }
}

fn value(cell: &str, kind: FieldKind) -> Result<Value, String> {
    match kind {
        FieldKind::Number(most) => match cell.parse::<u64>() {
            Ok(number) if number <= most => Ok(number.into()),
            Ok(_) | Err(_) => Err(format!("write a whole number from 0 to {most}")),
        },
        FieldKind::Flag if cell == "yes" => Ok(true.into()),
        FieldKind::Flag => Err("write `yes`, or leave it empty".to_owned()),
        FieldKind::List(_) if cell == NONE => Ok(Value::Array(vec![])),
        FieldKind::List(of) => cell.split_whitespace().map(|part| value(part, *of)).collect(),
        FieldKind::Code(_) | FieldKind::Pattern(_) | FieldKind::Text | FieldKind::Moment => Ok(cell.into()),
    }
}

impl Draft {
    fn form(self) -> Result<Form, String> {
        let Self {
            mut body,
            names,
            contacts,
            ..
        } = self;
        body.insert("names".to_owned(), names.into());
        let mut form: Form = serde_json::from_value(body.into()).map_err(|error| error.to_string())?;
        let contacts: Result<Vec<ContactForm>, _> = contacts
            .into_iter()
            .map(|(_, contact)| serde_json::from_value(contact.into()))
            .collect();
        form.responders = contacts.map_err(|error| error.to_string())?;
        Ok(form)
    }
}

fn unreadable(error: &::csv::Error) -> Flaw {
    let line = error.position().map_or(0, ::csv::Position::line);
    flaw(
        &format!("line {line}"),
        &format!("it can't be read: {error}; write it as UTF-8"),
    )
}
