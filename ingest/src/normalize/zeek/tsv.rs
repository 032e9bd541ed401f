//! Zeek's own log format: a header of `#` lines, then one record a line in columns. A file may hold several headers,
//! as logs put together after rotation do; each holds until the next.

use ingest_event::{Fields, QuarantineReason, Value};

use super::{is_name, normalize, typed};
use crate::normalize::{Normalized, NormalizerOptions, Reject};

/// The header that holds now.
#[derive(Debug)]
pub(in crate::normalize) struct Header {
    separator: String,
    set_separator: String,
    empty: String,
    unset: String,
    path: Option<String>,
    names: Vec<String>,
    types: Vec<String>,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
            path: None,
            names: Vec::new(),
            types: Vec::new(),
        }
    }
}

impl Header {
    /// Takes one line; `None` for a line of a header.
    pub(in crate::normalize) fn line(
        &mut self,
        line: &str,
        options: &NormalizerOptions,
    ) -> Result<Option<Normalized>, Reject> {
        if line.starts_with('#') && self.directive(line) {
            return Ok(None);
        }
        if self.names.is_empty() {
            return Err(Reject::new(
                QuarantineReason::Malformed,
                "a record before the `#fields` line that names its columns; put the log's header back",
            ));
        }
        let native = self.columns(line)?;
        let named = options
            .dataset
            .as_deref()
            .and_then(|dataset| dataset.strip_prefix(super::PREFIX));
        let path = self.path.as_deref().or(named).unwrap_or("unknown");
        normalize(path, native).map(Some)
    }

    /// Reads a header line. False if it is none after all: a first column may begin with `#`.
    fn directive(&mut self, line: &str) -> bool {
        if let Some(separator) = line.strip_prefix("#separator ") {
            let separator = unescape(separator.trim_end());
            if !separator.is_empty() {
                *self = Self {
                    separator,
                    ..Self::default()
                };
            }
            return true;
        }
        let (name, value) = line.split_once(&self.separator).unwrap_or((line, ""));
        match name {
            "#set_separator" => value.clone_into(&mut self.set_separator),
            "#empty_field" => value.clone_into(&mut self.empty),
            "#unset_field" => value.clone_into(&mut self.unset),
            "#path" => self.path = is_name(value).then(|| value.to_owned()),
            "#fields" => self.names = value.split(&self.separator).map(str::to_owned).collect(),
            "#types" => self.types = value.split(&self.separator).map(str::to_owned).collect(),
            "#open" | "#close" | "#separator" => {}
            // Comments that tools put before a header.
            _ => return self.names.is_empty() || line.starts_with("###"),
        }
        true
    }

    fn columns(&self, line: &str) -> Result<Fields, Reject> {
        let count = line.split(&self.separator).count();
        if count != self.names.len() {
            let detail = format!(
                "the record has {count} columns, `#fields` names {}; it is cut or mixed up",
                self.names.len()
            );
            return Err(Reject::new(QuarantineReason::Malformed, detail));
        }
        let mut fields = Fields::new();
        for (index, (name, text)) in self.names.iter().zip(line.split(&self.separator)).enumerate() {
            if text == self.unset {
                continue;
            }
            let kind = self.types.get(index).map_or("string", String::as_str);
            if let Some(value) = self.value(kind, text, name)? {
                fields.append(name.clone(), value);
            }
        }
        Ok(fields)
    }

    fn value(&self, kind: &str, text: &str, name: &str) -> Result<Option<Value>, Reject> {
        let inner = ["set[", "vector["].iter().find_map(|container| {
            kind.strip_prefix(container)
                .and_then(|rest| rest.strip_suffix(']'))
        });
        let read = |kind, text: &str| {
            typed(kind, &unescape(text)).map_err(|reject| Reject {
                detail: format!("column `{name}`: {}", reject.detail).into(),
                ..reject
            })
        };
        match inner {
            None if text == self.empty => Ok(Some(Value::from(""))),
            None => read(kind, text).map(Some),
            Some(_) if text == self.empty => Ok(None),
            Some(inner) => {
                let members = text
                    .split(&self.set_separator)
                    .filter(|member| *member != self.unset);
                let members: Result<Vec<Value>, Reject> = members.map(|member| read(inner, member)).collect();
                members.map(|members| (!members.is_empty()).then_some(Value::List(members)))
            }
        }
    }
}

/// Undoes Zeek's `\xNN` and `\\`. Bytes that do not make UTF-8 stay as they are written.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match rest {
            [b'\\', b'x', high, low, ..] => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match (escaped, rest) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            (None, [b'\\', b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (None, _) => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
