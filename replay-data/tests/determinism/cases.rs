//! Events of the cases, as their sensors would publish them.

use std::path::Path;

use ingest::{
    disclose::disclose,
    publish,
    record::Record,
    source::{FileOptions, open},
    stamp::{EnvelopeTrust, SensorContext, SourceIdentity, stamp},
};
use ingest_event::{Marking, Purpose, Zone};
use ipnet::IpNet;
use replay_data::{Case, cases};

use super::events::{Happening, happened};

/// Every case, as its sensor would publish it.
pub(crate) fn of_cases() -> Vec<(String, Happening)> {
    let cases = cases().expect("every case.yml is right");
    cases
        .iter()
        .map(|case| (case.folder.clone(), of_case(case)))
        .collect()
}

fn of_case(case: &Case) -> Happening {
    let organization = case.organization.parse().expect("an organisation number");
    let networks = case.home_networks.iter();
    let home: Vec<IpNet> = networks.map(|text| text.parse().expect("a network")).collect();
    let zone = case.zone.as_deref();
    let context = SensorContext {
        sensor: case.sensor.parse().expect("a sensor id"),
        organization,
        zone: zone.map_or(Zone::Administration, |zone| zone.parse().expect("a zone")),
        marking: Marking::Unmarked,
        purpose: Purpose::Replay,
        exercise: false,
        envelope: EnvelopeTrust::AsWritten,
    };
    let mut events = Vec::new();
    let mut sequence = 0;
    for input in &case.inputs {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("cases")
            .join(&case.folder)
            .join(&input.file);
        let options = FileOptions {
            dataset: input.dataset.clone(),
            home_networks: home.clone(),
            year: input.year,
            utc_offset_secs: 0,
        };
        // A case may hold a damaged file on purpose.
        let Ok(mut file) = open(&path, &options) else {
            continue;
        };
        let identity = SourceIdentity {
            content: file.identity().to_vec(),
            path: None,
            name: input.file.clone(),
        };
        let mut records = Vec::new();
        while let Ok(goes_on) = file.read(&mut records) {
            for record in records.drain(..) {
                if let Record::Event(draft) = record {
                    sequence += 1;
                    let observed = draft.timestamp;
                    let mut event = stamp(&context, &identity, draft, sequence, observed);
                    event.organization = organization;
                    disclose(&mut event.fields);
                    let key = publish::key(&event, &home);
                    events.push(happened(&event, key));
                }
            }
            if !goes_on {
                break;
            }
        }
    }
    events.sort_by_key(|event| event.at);
    Happening { organization, events }
}
