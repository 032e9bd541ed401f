//! What the cards say of real names and flows is what comes out on the captures (`VARDE_CAPTURES`), none of which was
//! trained with. Says so where they are not.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test support outside `#[test]` functions"
)]

use std::fs;
use std::path::PathBuf;

use detect_models::train::area_under_curve;
use detect_models::{FlowDirection, FlowFeatures, FlowModel, FlowState, FlowTransport, Score};

/// A file of the captures, or `None` with a word about it.
fn capture(path: &str) -> Option<String> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let path = root.join(path);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(_) => {
            println!("skipped: captures not found at {}", path.display());
            None
        }
    }
}

/// A line of Zeek's `conn.log` with labels, and whether a person called it malicious.
fn flow(line: &str) -> Option<(FlowFeatures, bool)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let number = |place: usize| {
        fields
            .get(place)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let duration: f64 = fields.get(8)?.parse().unwrap_or(0.0);
    let is_home = |field: &str| field == "T";
    let is_malicious = match *fields.get(21)? {
        "Malicious" => true,
        "Benign" => false,
        _ => return None,
    };
    let flow = FlowFeatures {
        duration_ms: (duration * 1_000.0) as u64,
        source_bytes: number(17),
        destination_bytes: number(19),
        source_packets: number(16),
        destination_packets: number(18),
        destination_port: fields.get(5)?.parse().unwrap_or(0),
        direction: match (is_home(fields[12]), is_home(fields[13])) {
            (true, true) => FlowDirection::Internal,
            (true, false) => FlowDirection::Outbound,
            (false, true) => FlowDirection::Inbound,
            (false, false) => FlowDirection::Other,
        },
        state: match fields[11] {
            "SF" | "S1" | "S2" | "S3" => FlowState::Answered,
            "REJ" => FlowState::Rejected,
            "S0" => FlowState::Attempted,
            "RSTO" | "RSTR" => FlowState::Reset,
            _ => FlowState::Other,
        },
        transport: match fields[6] {
            "tcp" => FlowTransport::Tcp,
            "udp" => FlowTransport::Udp,
            "icmp" => FlowTransport::Icmp,
            _ => FlowTransport::Other,
        },
    };
    Some((flow, is_malicious))
}

#[test]
fn the_flow_models_card_says_what_comes_out_on_a_real_infection() {
    let log = "stratosphere-slips/test18-malicious-ctu-sme-11-win/zeek-labeled/conn.log.labeled";
    let Some(text) = capture(log) else { return };
    let model =
        FlowModel::load(include_bytes!("../../../rulesets/models/flows.model")).expect("the shipped model");
    let (mut malicious, mut benign) = (Vec::new(), Vec::new());
    for (flow, is_malicious) in text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(flow)
    {
        if is_malicious { &mut malicious } else { &mut benign }.push(model.score(&flow));
    }
    benign.sort_unstable();
    let area = area_under_curve(&malicious, &benign);
    let reach = |scores: &[Score], least: u16| scores.iter().filter(|score| least <= score.get()).count();
    let row = format!(
        "| RemcosRAT (test18) | {} | {} | {area:.4} | {} | {} |",
        malicious.len(),
        benign.len(),
        reach(&malicious, 7_000),
        reach(&benign, 7_000)
    );
    let card = include_str!("../../../rulesets/models/flows.card.md");
    assert!(card.contains(&row), "the card does not say\n{row}");
}
