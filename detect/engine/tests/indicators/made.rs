//! Indicators and tables made for a test.

use detect_alert::{Confidence, Indicator, IndicatorKind as Kind, Pap, Tlp};
use detect_engine::{IndicatorTable, IndicatorTableBuilder};

/// An indicator about a value, without limits in time.
pub(crate) fn indicator(kind: Kind, value: &str) -> Indicator {
    Indicator {
        kind,
        value: value.to_owned(),
        source: "a feed".to_owned(),
        confidence: Confidence::Medium,
        tlp: Tlp::Green,
        pap: Pap::Green,
        valid_from: None,
        valid_until: None,
        description: String::new(),
    }
}

/// All in one layer.
pub(crate) fn table(indicators: &[Indicator]) -> IndicatorTable {
    let mut builder = IndicatorTableBuilder::new();
    for indicator in indicators {
        builder.add(indicator);
    }
    builder.build()
}
