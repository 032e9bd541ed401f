//! The one door through which every format's entries go: normal form, defaults, counts.

use std::fmt;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use ingest_event::Timestamp;

use super::{
    normal::{self, Normal, Refused},
    options::FeedOptions,
    report::{FeedReport, Finding, FoundAt, Reason},
};

/// A description longer than this is cut: it travels with every alert.
const DESCRIPTION_BYTES_MAX: usize = 512;

const DAY_SECONDS: i64 = 86_400;

/// One feed on its way in.
pub(super) struct Intake<'a> {
    pub(super) path: &'a str,
    pub(super) options: &'a FeedOptions,
    pub(super) report: &'a mut FeedReport,
    pub(super) sink: &'a mut dyn FnMut(Indicator),
}

/// What an entry says beside its value; none where it is silent.
#[derive(Clone, Copy, Default)]
pub(super) struct Details<'a> {
    pub(super) kind: Option<IndicatorKind>,
    pub(super) source: Option<&'a str>,
    pub(super) confidence: Option<Confidence>,
    pub(super) tlp: Option<Tlp>,
    pub(super) pap: Option<Pap>,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
    /// When it was last seen; the end of its validity is told from this if the feed decays.
    pub(super) last_seen: Option<Timestamp>,
    pub(super) description: &'a str,
}

/// Where an entry stands, and its text.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) at: At<'a>,
    pub(super) piece: &'a dyn fmt::Display,
}

/// A line from 1, or an object's id.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Line(u64),
    Object(&'a str),
}

impl Spot<'_> {
    fn place(self) -> FoundAt {
        match self.at {
            At::Line(line) => FoundAt::Line(line),
            At::Object(id) => FoundAt::Object(id.to_owned()),
        }
    }
}

impl Intake<'_> {
    /// Takes one value, or counts why not. `spot` is for the report.
    pub(super) fn offer(&mut self, value: &str, details: &Details<'_>, spot: Spot<'_>) -> bool {
        let kind = details.kind.or(self.options.kind);
        match normal::parse(value, kind, &self.options.refusals) {
            Ok(normal) => {
                self.note(&normal, spot);
                self.take(normal, details, spot);
                true
            }
            Err(refused) => {
                self.refuse(refused, spot);
                false
            }
        }
    }

    pub(super) fn refuse(&mut self, refused: Refused, spot: Spot<'_>) {
        let path = self.path;
        self.report.count(refused.reason, || Finding {
            reason: refused.reason,
            path: path.to_owned(),
            place: spot.place(),
            piece: spot.piece.to_string(),
            detail: refused.detail,
            mend: refused.mend,
        });
    }

    /// Counts something that is not refused for being wrong.
    pub(super) fn tell(
        &mut self,
        reason: Reason,
        spot: Spot<'_>,
        detail: impl FnOnce() -> String,
        mend: &str,
    ) {
        let path = self.path;
        self.report.count(reason, || Finding {
            reason,
            path: path.to_owned(),
            place: spot.place(),
            piece: spot.piece.to_string(),
            detail: detail(),
            mend: mend.to_owned(),
        });
    }

    /// Refuses a packed file: unpacking is left to those who fetch feeds, who can bound it.
    pub(super) fn packed(&mut self) {
        let refusal = normal::refused(Reason::BadDocument, "it is packed", "unpack it first");
        let spot = Spot {
            at: At::Line(1),
            piece: &"",
        };
        self.refuse(refusal, spot);
    }

    fn note(&mut self, normal: &Normal, spot: Spot<'_>) {
        let notes = normal.notes;
        if notes.is_defanged {
            let detail = || format!("it counts as `{}`", normal.value);
            self.tell(Reason::Defanged, spot, detail, "none needed");
        }
        if notes.has_port {
            let detail = || format!("`{}` counts on every port", normal.value);
            let mend = "write a Sigma rule if only this port is meant";
            self.tell(Reason::PortDropped, spot, detail, mend);
        }
        if notes.is_unlisted {
            let detail = || format!("no top-level domain of `{}` is known", normal.value);
            let mend = "if it is a file's name, give its type `file-name`";
            self.tell(Reason::UnlistedTld, spot, detail, mend);
        }
    }

    fn take(&mut self, normal: Normal, details: &Details<'_>, spot: Spot<'_>) {
        let options = self.options;
        let indicator = Indicator {
            kind: normal.kind,
            value: normal.value,
            source: details.source.unwrap_or(&options.source).to_owned(),
            confidence: details.confidence.unwrap_or(options.confidence),
            tlp: details.tlp.unwrap_or(options.tlp),
            pap: details.pap.unwrap_or(options.pap),
            valid_from: details.valid_from,
            valid_until: details.valid_until.or_else(|| self.decayed(normal.kind, details)),
            description: cut(details.description).to_owned(),
        };
        if let Some(now) = options.now {
            if indicator.valid_until.is_some_and(|until| until <= now) {
                let until = indicator.valid_until;
                let detail = || {
                    format!(
                        "it was valid until {}",
                        until.map_or_else(String::new, |at| at.to_string())
                    )
                };
                self.tell(Reason::Expired, spot, detail, "ask for a newer feed");
            }
            if indicator.valid_from.is_some_and(|from| now < from) {
                let detail = || "it begins later".to_owned();
                self.tell(Reason::NotYetValid, spot, detail, "none needed");
            }
        }
        self.report.accept(indicator.kind);
        (self.sink)(indicator);
    }

    /// Where the feed gives no end: so many days after the last sighting. What a file is does not change with time.
    fn decayed(&self, kind: IndicatorKind, details: &Details<'_>) -> Option<Timestamp> {
        let days = self.options.decay_days?;
        let decays = match kind {
            IndicatorKind::Address
            | IndicatorKind::Asn
            | IndicatorKind::Cidr
            | IndicatorKind::Domain
            | IndicatorKind::Email
            | IndicatorKind::Url => true,
            IndicatorKind::Certificate
            | IndicatorKind::FileName
            | IndicatorKind::Ja3
            | IndicatorKind::Ja4
            | IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256 => false,
        };
        let seen = details.last_seen.or(details.valid_from)?;
        let nanos = i64::from(days).checked_mul(DAY_SECONDS * 1_000_000_000)?;
        let until = seen.as_nanos().checked_add(nanos)?;
        decays.then(|| Timestamp::from_nanos(until))
    }
}

fn cut(text: &str) -> &str {
    let text = text.trim();
    if text.len() <= DESCRIPTION_BYTES_MAX {
        return text;
    }
    let end = (0..=DESCRIPTION_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
