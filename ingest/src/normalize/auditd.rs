//! Records of the Linux audit daemon: `type=SYSCALL msg=audit(1364481363.243:24287): key=value …`.
//!
//! One event a record, as they stand in the log: those of one system call share `auditd.log.sequence`. Values that the
//! kernel wrote in hexadecimal, since they hold blanks or quotation marks, are read back to text, and arguments are put
//! together to a command line. Names: the field dictionary of the Linux Audit documentation; `auditd.log.` before them as
//! Elastic's and other shippers have it. Dataset `auditd.log`.

use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};

use super::columns::{Columns, Read, convert};
use super::{Normalized, Reject};

/// Fields that get an ECS name beside their own.
pub(super) const COLUMNS: Columns = Columns::declared(&[
    ("node", field::HOST_NAME, Read::Lower),
    ("exe", "process.executable", Read::Plain),
    ("comm", "process.name", Read::Plain),
    ("pid", "process.pid", Read::Count),
    ("ppid", "process.parent.pid", Read::Count),
    ("proctitle", "process.title", Read::Plain),
    ("cwd", "process.working_directory", Read::Plain),
    ("name", "file.path", Read::Plain),
    ("uid", "user.id", Read::Text),
    ("auid", "user.audit.id", Read::Text),
    ("euid", "user.effective.id", Read::Text),
    ("acct", field::USER_NAME, Read::Plain),
    ("addr", field::SOURCE_IP, Read::Address),
]);

/// Fields that the kernel writes in hexadecimal where they hold anything odd; `a0` and on too, in an `EXECVE` record.
const ENCODED: [&str; 9] = [
    "acct",
    "cmd",
    "comm",
    "cwd",
    "data",
    "dir",
    "exe",
    "name",
    "proctitle",
];

/// A program's arguments are put together up to so many.
const ARGUMENTS_MAX: usize = 256;

/// Whether a line is an audit record.
pub(super) fn looks_like_audit(line: &str) -> bool {
    head(line).is_some()
}

struct Head<'t> {
    node: Option<&'t str>,
    kind: &'t str,
    time: Timestamp,
    sequence: u64,
    rest: &'t str,
}

/// `[node=HOST ]type=KIND msg=audit(SECONDS.MILLIS:SEQUENCE): …`.
fn head(line: &str) -> Option<Head<'_>> {
    let line = line.trim();
    let (node, line) = match line.strip_prefix("node=").and_then(|rest| rest.split_once(' ')) {
        Some((node, rest)) => (Some(node), rest),
        None => (None, line),
    };
    let (kind, rest) = line.strip_prefix("type=")?.split_once(' ')?;
    let (stamp, rest) = rest.strip_prefix("msg=audit(")?.split_once(')')?;
    let (time, sequence) = stamp.split_once(':')?;
    let (seconds, millis) = time.split_once('.')?;
    let millis: i64 = format!("{seconds}{}", millis.get(..3)?).parse().ok()?;
    Some(Head {
        node,
        kind,
        time: Timestamp::from_millis(millis),
        sequence: sequence.parse().ok()?,
        rest: rest.strip_prefix(':').unwrap_or(rest),
    })
}

pub(super) fn normalize(text: &str) -> Result<Normalized, Reject> {
    let head = head(text).ok_or_else(|| {
        Reject::new(
            QuarantineReason::Malformed,
            "it is no audit record: `type=KIND msg=audit(SECONDS.MILLIS:NUMBER): …`",
        )
    })?;
    let mut fields = Fields::new();
    fields.set(field::EVENT_MODULE, "auditd");
    fields.set(field::MESSAGE, text.trim());
    set(&mut fields, "record_type", head.kind.to_owned());
    set(&mut fields, "sequence", head.sequence.to_string());
    if let Some(node) = head.node {
        set(&mut fields, "node", node.to_owned());
    }
    let is_call = head.kind == "EXECVE";
    let mut arguments: Vec<(usize, String)> = Vec::new();
    // Behind the group separator, auditd repeats what it looked up (`log_format = ENRICHED`), in capitals.
    for pair in head.rest.split('\u{1d}').flat_map(Pairs) {
        let value = pair.read(is_call);
        let number = argument(pair.name).filter(|_| is_call && arguments.len() < ARGUMENTS_MAX);
        if let Some(number) = number {
            arguments.push((number, value.clone()));
        }
        set(&mut fields, pair.name, value);
    }
    if !arguments.is_empty() {
        arguments.sort();
        let line: Vec<&str> = arguments.iter().map(|(_, text)| text.as_str()).collect();
        fields.set("process.command_line", line.join(" "));
    }
    let outcome = ["success", "res"].iter().find_map(|name| {
        let said = fields.text(&format!("auditd.log.{name}"))?;
        Some(match said {
            "yes" | "success" | "1" => "success",
            "no" | "failed" | "0" => "failure",
            _ => return None,
        })
    });
    fields.set_some(field::EVENT_OUTCOME, outcome);
    let action = fields.text("auditd.log.op").map(ToOwned::to_owned);
    fields.set(
        field::EVENT_ACTION,
        action.unwrap_or_else(|| head.kind.to_lowercase()),
    );
    Ok(Normalized {
        timestamp: head.time,
        dataset: "auditd.log".into(),
        fields,
    })
}

/// Sets a field under its own name, and under that of ECS if it is the first.
fn set(fields: &mut Fields, name: &str, value: String) {
    let own = format!("auditd.log.{name}");
    let column = COLUMNS.iter().find(|(from, _, _)| *from == name);
    if let Some((_, to, read)) = column.filter(|_| fields.get(&own).is_none()) {
        fields.set_some(
            *to,
            convert(*read, Value::from(value.as_str()), name).ok().flatten(),
        );
    }
    fields.append(own, Value::from(value));
}

/// `a0` → 0.
fn argument(name: &str) -> Option<usize> {
    name.strip_prefix('a')?.parse().ok()
}

struct Pair<'t> {
    name: &'t str,
    value: &'t str,
    is_quoted: bool,
}

impl Pair<'_> {
    fn read(&self, is_call: bool) -> String {
        let is_encoded = ENCODED.contains(&self.name) || (is_call && argument(self.name).is_some());
        if self.is_quoted || !is_encoded {
            return self.value.to_owned();
        }
        decoded(self.value).unwrap_or_else(|| self.value.to_owned())
    }
}

/// Hexadecimal to text; a command's parts are parted by zero bytes.
fn decoded(value: &str) -> Option<String> {
    let is_hex = 2 <= value.len()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
    let bytes = is_hex.then(|| hex::decode(value).ok())??;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches('\0').replace('\0', " "))
}

/// The pairs of a record. Those of a program's own message, `msg='op=login acct="root" …'`, count as its own.
struct Pairs<'t>(&'t str);

impl<'t> Iterator for Pairs<'t> {
    type Item = Pair<'t>;

    fn next(&mut self) -> Option<Pair<'t>> {
        loop {
            self.0 = self.0.trim_start_matches([' ', '\'', ',']);
            let end = self.0.find(['=', ' ', '\''])?;
            let (name, rest) = self.0.split_at_checked(end)?;
            let Some(rest) = rest.strip_prefix('=') else {
                // A word that is no pair.
                self.0 = rest;
                continue;
            };
            if name == "msg" && rest.starts_with('\'') {
                self.0 = rest;
                continue;
            }
            let (value, is_quoted, after) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"'))
            {
                Some((value, after)) => (value, true, after),
                None => {
                    let end = rest.find([' ', '\'']).unwrap_or(rest.len());
                    let (value, after) = rest.split_at_checked(end)?;
                    (value, false, after)
                }
            };
            self.0 = after;
            if !name.is_empty() && !value.is_empty() && !matches!(value, "?" | "(null)" | "(none)") {
                return Some(Pair {
                    name,
                    value,
                    is_quoted,
                });
            }
        }
    }
}
