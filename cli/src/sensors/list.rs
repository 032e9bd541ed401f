//! `varde sensors list`: who waits, and of each sensor what it is to run, what it runs, and when it was last heard.

use comfy_table::{ContentArrangement, Table, presets};
use ingest_event::Timestamp;
use ingest_trust::registry::Known;
use ingest_trust::{Manifest, Registry};
use serde_json::{Value as Json, json};

use super::arguments::ListArguments;
use super::desk::Desk;
use crate::exit::{Ended, Exit};
use crate::text::{counted, shown};
use crate::{Terminal, clock};

/// Characters of a text by a sensor that are shown in a table.
const WORDS_SHOWN: usize = 64;

/// Digits of a configuration's digest that tell it from others.
const DIGEST_SHOWN: usize = 12;

/// How long a sensor may be silent before it is pointed out: it says something every half minute, and an unchanged
/// status is noted every five.
const SILENT_SECS: u64 = 15 * 60;

/// One sensor, as it should be and as it is.
struct Line<'a> {
    known: &'a Known,
    desired: Option<&'a Manifest>,
    heard: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Prints what the bus says.
pub(super) async fn run(desk: &Desk, arguments: &ListArguments, terminal: &mut Terminal<'_>) -> Ended {
    let registry = desk.registry(terminal).await?;
    let manifests: Vec<Manifest> = desk
        .control(b"bundle/")
        .await?
        .values()
        .filter_map(|record| Manifest::unverified(&record.value).ok())
        .collect();
    let now = clock::now();
    let lines: Vec<Line<'_>> = registry
        .sensors()
        .map(|known| line(&registry, &manifests, known))
        .collect();
    if arguments.json {
        let document = json!({
            "waiting": waiting_json(&registry),
            "sensors": lines.iter().map(|line| line_json(&registry, line)).collect::<Vec<_>>(),
        });
        writeln!(terminal.out, "{document}")?;
    } else {
        writeln!(terminal.out, "{}", waiting_text(&registry))?;
        writeln!(terminal.out, "{}", lines_text(&registry, &lines, now))?;
    }
    terminal.out.flush()?;
    Ok(Exit::Done)
}

fn line<'a>(registry: &Registry, manifests: &'a [Manifest], known: &'a Known) -> Line<'a> {
    let subject = known.subject();
    let desired = manifests
        .iter()
        .filter(|manifest| {
            subject
                .as_ref()
                .is_some_and(|subject| manifest.audience.has(subject.organization, &subject.sensor))
        })
        .max_by_key(|manifest| manifest.version);
    let issued = registry
        .issued(&known.sensor)
        .filter(|issued| issued.fingerprint == known.fingerprint);
    Line {
        known,
        desired,
        heard: registry
            .status(&known.sensor)
            .map(|status| Timestamp::from_nanos(status.at)),
        until: issued.map(|issued| Timestamp::from_nanos(issued.until)),
    }
}

fn waiting_text(registry: &Registry) -> String {
    let waiting = registry.waiting();
    if waiting.is_empty() {
        return "Nobody waits to be let in.\n".to_owned();
    }
    let mut table = table(&["fingerprint", "machine", "program", "asked", "code for"]);
    for asked in &waiting {
        let meant = registry.meant_for(&asked.code);
        table.add_row([
            asked.fingerprint.spoken(),
            shown(&asked.host, WORDS_SHOWN),
            shown(&asked.program, WORDS_SHOWN),
            when(Timestamp::from_nanos(asked.at)),
            meant.map_or_else(|| "-".to_owned(), |number| number.to_string()),
        ]);
    }
    let head = counted(waiting.len() as u64, "sensor waits", "sensors wait");
    format!("{head} to be let in; compare the fingerprint, then `varde sensors approve`:\n{table}\n")
}

fn lines_text(registry: &Registry, lines: &[Line<'_>], now: Timestamp) -> String {
    if lines.is_empty() {
        return "No sensor is known yet; `varde sensors enrol` begins.".to_owned();
    }
    let names = [
        "sensor",
        "organisation",
        "bundle",
        "program",
        "configuration",
        "last heard",
        "certificate until",
        "remarks",
    ];
    let mut table = table(&names);
    for line in lines {
        let report = registry.status(&line.known.sensor).map(|status| &status.report);
        let (runs, program, configuration) = report.map_or((0, "-", "-"), |report| {
            (
                report.bundle,
                report.program.as_str(),
                report.configuration.as_str(),
            )
        });
        let desired = line.desired.map_or(0, |manifest| manifest.version);
        let wanted = line.desired.and_then(|manifest| manifest.program.as_deref());
        table.add_row([
            line.known.sensor.clone(),
            line.known.organization.clone(),
            against(&version(runs), &version(desired)),
            against(&shown(program, WORDS_SHOWN), wanted.unwrap_or(program)),
            shown(configuration, WORDS_SHOWN)
                .chars()
                .take(DIGEST_SHOWN)
                .collect(),
            line.heard.map_or_else(|| "never".to_owned(), when),
            line.until.map_or_else(|| "-".to_owned(), when),
            remarks(registry, line, now).join("; "),
        ]);
    }
    format!("{}:\n{table}", counted(lines.len() as u64, "sensor", "sensors"))
}

/// What a person should look at.
fn remarks(registry: &Registry, line: &Line<'_>, now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if line.known.revoked {
        remarks.push("revoked".to_owned());
        return remarks;
    }
    if line
        .heard
        .is_some_and(|heard| SILENT_SECS < now.since(heard).as_secs())
    {
        remarks.push("silent".to_owned());
    }
    if line.until.is_some_and(|until| until < now) {
        remarks.push("its certificate is out of date; it renews it when it is back".to_owned());
    }
    let refused = registry
        .status(&line.known.sensor)
        .and_then(|status| status.report.refused.as_ref());
    if let Some(refused) = refused {
        remarks.push(format!(
            "refused bundle {}: {}",
            version(refused.version),
            shown(&refused.detail, 4 * WORDS_SHOWN)
        ));
    }
    remarks
}

fn waiting_json(registry: &Registry) -> Vec<Json> {
    let waiting = registry.waiting();
    let each = waiting.iter().map(|asked| {
        json!({
            "fingerprint": asked.fingerprint, "spoken": asked.fingerprint.spoken(),
            "host": asked.host, "program": asked.program,
            "asked": Timestamp::from_nanos(asked.at).to_string(),
            "organization": registry.meant_for(&asked.code).map(|number| number.to_string()),
        })
    });
    each.collect()
}

fn line_json(registry: &Registry, line: &Line<'_>) -> Json {
    let known = line.known;
    json!({
        "sensor": known.sensor, "organization": known.organization, "zone": known.zone,
        "fingerprint": known.fingerprint, "revoked": known.revoked,
        "desired": {
            "bundle": line.desired.map(|manifest| manifest.version),
            "program": line.desired.and_then(|manifest| manifest.program.clone()),
        },
        "actual": registry.status(&known.sensor).map(|status| &status.report),
        "last_heard": line.heard.map(|heard| heard.to_string()),
        "certificate_until": line.until.map(|until| until.to_string()),
    })
}

fn table(names: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(names.iter().copied());
    table
}

/// What is, and what should be where that differs.
fn against(actual: &str, desired: &str) -> String {
    if actual == desired {
        actual.to_owned()
    } else {
        format!("{actual}, wanted {desired}")
    }
}

fn version(version: u64) -> String {
    if version == 0 {
        "-".to_owned()
    } else {
        version.to_string()
    }
}

/// A time to the second.
fn when(time: Timestamp) -> String {
    let text = time.to_string();
    let whole = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{whole}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_twice() {
        assert_eq!(against("3", "3"), "3");
        assert_eq!(against("-", "5"), "-, wanted 5");
        assert_eq!(when(Timestamp::from_millis(1_500)), "1970-01-01T00:00:01Z");
        assert_eq!(when(Timestamp::EPOCH), "1970-01-01T00:00:00Z");
    }
}
