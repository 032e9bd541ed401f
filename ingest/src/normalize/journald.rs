//! The journal as `journalctl -o json` and systemd-journal-remote write it, one object a line.
//!
//! Names: systemd.journal-fields(7), systemd's "Journal Export Formats". What the journal tells is what syslog tells
//! and more, so its events have syslog's datasets, and sshd's and a mail server's words are read as in [`super::syslog`].

use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};

use super::columns::{Columns, Read, convert, whole};
use super::{Normalized, Reject, syslog};

/// Fields of the journal.
pub(super) const COLUMNS: Columns = Columns::declared(&[
    ("_HOSTNAME", field::HOST_NAME, Read::Plain),
    ("_PID", "process.pid", Read::Count),
    ("SYSLOG_PID", "process.pid", Read::Count),
    ("_EXE", "process.executable", Read::Plain),
    ("_CMDLINE", "process.command_line", Read::Plain),
    ("_UID", "user.id", Read::Text),
    ("_SYSTEMD_UNIT", "systemd.unit", Read::Plain),
    ("_TRANSPORT", "systemd.transport", Read::Plain),
    ("SYSLOG_IDENTIFIER", "log.syslog.appname", Read::Plain),
]);

/// Whether a JSON line is of the journal.
pub(super) fn is_journald(has: impl Fn(&str) -> bool) -> bool {
    has("__REALTIME_TIMESTAMP") && has("MESSAGE")
}

pub(super) fn normalize(native: &Fields) -> Result<Normalized, Reject> {
    // The sender's own time is better than that at which the journal took it.
    let timestamp = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"]
        .iter()
        .find_map(|name| i64::try_from(whole(native.get(name)?)?).ok())
        .map(Timestamp::from_micros)
        .ok_or_else(|| {
            Reject::new(
                QuarantineReason::NoTimestamp,
                "`__REALTIME_TIMESTAMP` is no number of microseconds",
            )
        })?;
    let mut fields = Fields::new();
    for (from, to, read) in COLUMNS.iter() {
        if let Some(value) = native.get(from).filter(|_| fields.get(to).is_none()) {
            fields.set_some(*to, convert(*read, value.clone(), from)?);
        }
    }
    let number = |name| {
        native
            .get(name)
            .and_then(whole)
            .and_then(|number| i64::try_from(number).ok())
    };
    if let Some(severity) = number("PRIORITY").filter(|severity| (0..8).contains(severity)) {
        syslog::set_priority(&mut fields, number("SYSLOG_FACILITY").unwrap_or(0), severity);
    }
    // Anybody may call himself what he likes; what wrote a line the kernel says.
    let (named, real) = (native.text("SYSLOG_IDENTIFIER"), native.text("_COMM"));
    let is_root = native.get("_UID").is_none_or(|user| user.to_string() == "0");
    let is_believed =
        |named: &str| is_root || real.is_none_or(|real| named.starts_with(real) || real.starts_with(named));
    let program = named.filter(|named| is_believed(named)).or(real);
    let program = program.map(ToOwned::to_owned);
    fields.set_some("process.name", program.as_deref().map(syslog::program));
    syslog::finish(program.as_deref(), &message(native), timestamp, fields)
}

/// The text; one that is not UTF-8 is written as a list of its bytes.
fn message(native: &Fields) -> String {
    match native.get("MESSAGE") {
        Some(Value::List(bytes)) => {
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(|byte| u8::try_from(whole(byte)?).ok())
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
