//! Windows events: records of EVTX files, and the JSON that NXLog and other collectors make of them.
//!
//! | written by | known by |
//! |---|---|
//! | Windows itself, read from EVTX (`crate::source`) | `Event.System.EventID` |
//! | `evtx_dump` and its like | the same |
//! | NXLog's `to_json`, and collectors that flatten | `EventID` with `Channel`, `SourceName` or `Provider_Name` |
//!
//! Winlogbeat writes ECS, which [`super::ndjson`] reads. Each event keeps the names that Windows gives its data, without
//! what is around them, since rules for Windows are written in them; [`SYSTEM`] and [`DATA`] are the ECS names that it
//! gets beside those. The dataset is `windows.` and the log's short name. Names: Microsoft's event schema
//! (`Microsoft-Windows-Eventing`), Sysmon's manifest, NXLog's `im_msvistalog`.

use std::borrow::Cow;
use std::sync::LazyLock;

use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};
use rustc_hash::FxHashMap;

use super::columns::{Columns, Read, convert};
use super::{Normalized, NormalizerOptions, Reject, time};

/// What stands around an event's data, by its place in EVTX, and the name that collectors give it.
pub(super) const SYSTEM: &[(&str, &str)] = &[
    ("Channel", "Channel"),
    ("Computer", "Computer"),
    ("Correlation.#attributes.ActivityID", "ActivityID"),
    ("EventID", "EventID"),
    ("EventID.#text", "EventID"),
    ("EventRecordID", "EventRecordID"),
    ("Execution.#attributes.ProcessID", "ExecutionProcessID"),
    ("Execution.#attributes.ThreadID", "ThreadID"),
    ("Keywords", "Keywords"),
    ("Level", "Level"),
    ("Opcode", "Opcode"),
    ("Provider.#attributes.Guid", "Provider_Guid"),
    ("Provider.#attributes.Name", "Provider_Name"),
    ("Security.#attributes.UserID", "UserID"),
    ("Task", "Task"),
    ("TimeCreated.#attributes.SystemTime", "TimeCreated"),
    ("Version", "Version"),
];

/// ECS names that are set beside Windows' own, where a value can be read so; the first that has a value holds.
pub(super) const DATA: Columns = Columns::declared(&[
    ("Computer", field::HOST_NAME, Read::Lower),
    ("Hostname", field::HOST_NAME, Read::Lower),
    ("EventID", "event.code", Read::Text),
    ("Provider_Name", "event.provider", Read::Plain),
    ("SourceName", "event.provider", Read::Plain),
    ("TargetUserName", field::USER_NAME, Read::Plain),
    ("User", field::USER_NAME, Read::Plain),
    ("SubjectUserName", field::USER_NAME, Read::Plain),
    ("IpAddress", field::SOURCE_IP, Read::Address),
    ("SourceIp", field::SOURCE_IP, Read::Address),
    ("SourceAddress", field::SOURCE_IP, Read::Address),
    ("ClientAddress", field::SOURCE_IP, Read::Address),
    ("IpPort", field::SOURCE_PORT, Read::Port),
    ("SourcePort", field::SOURCE_PORT, Read::Port),
    ("DestinationIp", field::DESTINATION_IP, Read::Address),
    ("DestAddress", field::DESTINATION_IP, Read::Address),
    ("DestinationPort", field::DESTINATION_PORT, Read::Port),
    ("DestPort", field::DESTINATION_PORT, Read::Port),
    ("DestinationHostname", "destination.domain", Read::Name),
    ("QueryName", field::DNS_QUESTION_NAME, Read::Name),
    ("Image", "process.executable", Read::Plain),
    ("NewProcessName", "process.executable", Read::Plain),
    ("CommandLine", "process.command_line", Read::Plain),
    ("ParentImage", "process.parent.executable", Read::Plain),
    ("ParentProcessName", "process.parent.executable", Read::Plain),
    ("ParentCommandLine", "process.parent.command_line", Read::Plain),
    ("TargetFilename", "file.path", Read::Plain),
]);

/// Digests as Sysmon lists them: `SHA1=…,MD5=…`.
pub(super) const HASHES: &[(&str, &str)] = &[
    ("MD5", "file.hash.md5"),
    ("SHA1", "file.hash.sha1"),
    ("SHA256", "file.hash.sha256"),
    ("IMPHASH", "file.pe.imphash"),
];

/// Short names of logs; any other is called by the first word after `Microsoft-Windows-`, or as it is.
pub(super) const CHANNELS: &[(&str, &str)] = &[
    ("Application", "application"),
    ("Directory Service", "directory_service"),
    ("DNS Server", "dns_server"),
    ("Microsoft-Windows-PowerShell/Operational", "powershell"),
    ("Microsoft-Windows-Sysmon/Operational", "sysmon"),
    ("Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"),
    ("Microsoft-Windows-Windows Defender/Operational", "windefend"),
    ("Security", "security"),
    ("System", "system"),
    ("Windows PowerShell", "powershell_classic"),
];

/// Logons and logoffs of the log Security: `event.action` and `event.outcome` by event id.
pub(super) const ACTIONS: &[(u64, &str, &str)] = &[
    (4624, "logged_in", "success"),
    (4625, "logged_in", "failure"),
    (4634, "logged_out", "success"),
    (4647, "logged_out", "success"),
    (4648, "logged_in_explicit", "success"),
    (4768, "kerberos_tgt_requested", ""),
    (4769, "kerberos_ticket_requested", ""),
    (4771, "kerberos_preauth", "failure"),
    (4776, "credential_validated", ""),
];

/// Where the parts of a record lie in EVTX.
const RECORD: &str = "Event.";

/// Whether a JSON line is a Windows event that is not ECS.
pub(super) fn is_windows(has: impl Fn(&str) -> bool) -> bool {
    let is_dumped = has("Event.System.EventID") || has("Event.System.EventID.#text");
    is_dumped || (has("EventID") && ["Channel", "SourceName", "Provider_Name"].into_iter().any(has))
}

pub(super) fn normalize(
    native: Fields,
    options: &NormalizerOptions,
    last: Option<Timestamp>,
) -> Result<Normalized, Reject> {
    let mut fields = flat(native);
    let timestamp = when(&fields, options).or(last).ok_or_else(|| {
        Reject::new(
            QuarantineReason::NoTimestamp,
            "the event has neither `TimeCreated` nor `EventTime`, nor has one before it",
        )
    })?;
    fields.remove(field::TIMESTAMP);
    fields.remove("TimeCreated");
    for (from, to, read) in DATA.iter() {
        let Some(value) = fields.get(from).filter(|_| fields.get(to).is_none()) else {
            continue;
        };
        // `-` is nobody; what is no address or port there is kept under its own name alone.
        if value.as_str() != Some("-") {
            let value = convert(*read, value.clone(), from).ok().flatten();
            fields.set_some(*to, value);
        }
    }
    hashes(&mut fields);
    action(&mut fields);
    fields.set(field::EVENT_MODULE, "windows");
    let own = match fields.remove(field::EVENT_DATASET) {
        Some(Value::String(own)) if !own.is_empty() => Some(own),
        _ => options.dataset.clone(),
    };
    let dataset = own.map_or_else(|| dataset(fields.text("Channel")), Cow::Owned);
    Ok(Normalized {
        timestamp,
        dataset,
        fields,
    })
}

/// Data under the names that Windows gives it, whether it comes as EVTX has it or already flat.
fn flat(native: Fields) -> Fields {
    static PLACES: LazyLock<FxHashMap<&str, &str>> = LazyLock::new(|| SYSTEM.iter().copied().collect());
    let mut fields = Fields::new();
    for (name, value) in native {
        let Some(inner) = name.strip_prefix(RECORD) else {
            if !is_ours(&name) || name == field::EVENT_DATASET {
                fields.append(name, value);
            }
            continue;
        };
        if let Some(place) = inner.strip_prefix("System.") {
            let known = PLACES.get(place).map(|known| (*known).into());
            let kept = known.or_else(|| {
                let is_noise = place.starts_with("EventID.") || place.contains("#attributes");
                (!is_noise).then(|| Cow::Owned(place.to_owned()))
            });
            if let Some(kept) = kept.filter(|_| value != Value::Null) {
                fields.append(kept, value);
            }
        } else if let Some(data) = data(inner) {
            // What the data calls like a part of the record's own is not it.
            match SYSTEM.iter().any(|(_, known)| *known == data) || is_ours(data) {
                true => fields.append(inner.to_owned(), value),
                false => fields.append(data.to_owned(), value),
            }
        }
    }
    fields
}

/// Names that are only ours to give.
fn is_ours(name: &str) -> bool {
    name.starts_with("event.")
        || DATA.iter().any(|(_, to, _)| *to == name)
        || HASHES.iter().any(|(_, to)| *to == name)
}

/// `EventData.Image` → `Image`, `UserData.EventXML.Param1` → `Param1`; `None` for namespaces.
fn data(inner: &str) -> Option<&str> {
    if inner.contains("#attributes") {
        return None;
    }
    if let Some(name) = inner.strip_prefix("EventData.") {
        return Some(name.strip_suffix(".#text").unwrap_or(name));
    }
    let (_, name) = inner.strip_prefix("UserData.")?.split_once('.')?;
    Some(name)
}

/// The event's own time. A text without a zone is in the collector's.
fn when(fields: &Fields, options: &NormalizerOptions) -> Option<Timestamp> {
    ["TimeCreated", field::TIMESTAMP, "EventTime", "EventReceivedTime"]
        .iter()
        .find_map(|name| {
            let value = fields.get(name)?;
            let read = time(value)?;
            let is_local = value.as_str().is_some_and(|text| !has_zone(text));
            let offset = if is_local {
                i64::from(options.utc_offset_secs)
            } else {
                0
            };
            Some(Timestamp::from_nanos(
                read.as_nanos()
                    .saturating_sub(offset.saturating_mul(1_000_000_000)),
            ))
        })
}

fn has_zone(text: &str) -> bool {
    let text = text.trim();
    // Behind the date, a sign can only be that of a zone.
    text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|clock| clock.contains(['+', '-']))
}

fn hashes(fields: &mut Fields) {
    let Some(listed) = fields.text("Hashes").or_else(|| fields.text("Hash")) else {
        return;
    };
    let found: Vec<_> = listed
        .split(',')
        .filter_map(|each| each.split_once('='))
        .filter_map(|(kind, digest)| {
            let (_, name) = HASHES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(kind.trim()))?;
            Some((*name, digest.trim().to_lowercase()))
        })
        .collect();
    for (name, digest) in found {
        fields.set(name, digest);
    }
}

fn action(fields: &mut Fields) {
    let is_security = fields
        .text("Channel")
        .is_some_and(|channel| channel == "Security");
    let code = fields.text("event.code").and_then(|code| code.parse().ok());
    let known = ACTIONS.iter().find(|(id, _, _)| is_security && Some(*id) == code);
    if let Some((_, action, outcome)) = known {
        fields.set(field::EVENT_ACTION, *action);
        fields.set_some(
            field::EVENT_OUTCOME,
            Some(*outcome).filter(|outcome| !outcome.is_empty()),
        );
    }
}

/// The dataset of a log.
pub(super) fn dataset(channel: Option<&str>) -> Cow<'static, str> {
    let Some(channel) = channel else {
        return Cow::Borrowed("windows.event");
    };
    if let Some((_, short)) = CHANNELS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(channel))
    {
        return Cow::Owned(format!("windows.{short}"));
    }
    let name = channel.strip_prefix("Microsoft-Windows-").unwrap_or(channel);
    let word: String = name
        .chars()
        .take_while(|letter| *letter != '/')
        .take(64)
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    match word.is_empty() {
        true => Cow::Borrowed("windows.event"),
        false => Cow::Owned(format!("windows.{word}")),
    }
}
