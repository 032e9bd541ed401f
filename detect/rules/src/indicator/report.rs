//! What became of a feed's entries: how many were taken, and of the others how many for which reason.
//!
//! Counts are complete, examples are bounded: a feed with ten million bad lines costs a few examples of each
//! reason. Nothing in a feed goes without being counted here.

use std::collections::BTreeMap;

use detect_alert::IndicatorKind;

use crate::{Code, Diagnostic, Level};

/// So many examples of each reason are kept unless asked otherwise: enough to see what is the matter.
pub const EXAMPLES_MAX: usize = 5;

/// Longer pieces of a feed are cut in examples: the beginning of a hostile line shows what it is.
const PIECE_CHARS_MAX: usize = 200;

/// What a reason comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Wrong or harmful: it does not count, and someone should mend the feed.
    Refused,
    /// Right, but no single value that an event could have: it does not count.
    Inexpressible,
    /// The source itself says that it is not for detection, or no longer.
    Withheld,
    /// It counts, and this should be known.
    Noted,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Inexpressible, Self::Withheld, Self::Noted];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Inexpressible => "inexpressible",
            Self::Withheld => "withheld",
            Self::Noted => "noted",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $outcome:ident, $code:ident;)+) => {
        /// Why an entry of a feed is not an indicator like the others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }
        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The word in reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text),+ } }
            /// What it comes to.
            #[must_use]
            pub const fn outcome(self) -> Outcome { match self { $(Self::$name => Outcome::$outcome),+ } }
            /// The code of its diagnostic.
            #[must_use]
            pub const fn code(self) -> Code { match self { $(Self::$name => Code::$code),+ } }
        }
    };
}

reasons! {
    /// Nothing is there.
    Empty = "empty value", Refused, BadIndicator;
    /// Of no form that an indicator has.
    Unrecognised = "not an indicator", Refused, BadIndicator;
    /// Not of the form that its type has.
    Malformed = "malformed", Refused, BadIndicator;
    /// Longer than any indicator.
    TooLong = "too long", Refused, BadIndicator;
    /// Bytes that are no text.
    NotUtf8 = "not UTF-8", Refused, BadIndicator;
    /// A type that no one knows.
    UnknownType = "unknown type", Refused, BadColumn;
    /// A marking, confidence or time that can't be read.
    BadCell = "unreadable marking, confidence or time", Refused, BadColumn;
    /// A row that is no CSV.
    BadRow = "unreadable row", Refused, BadColumn;
    /// A document or an object that can't be read.
    BadDocument = "unreadable document or object", Refused, BadFeed;
    /// A file that can't be opened or read.
    Unreadable = "unreadable file", Refused, Unreadable;
    /// More than one operator has.
    WidePrefix = "too wide prefix", Refused, PoisonIndicator;
    /// On every machine or on none.
    SpecialAddress = "special address", Refused, PoisonIndicator;
    /// Everyone's inside.
    PrivateAddress = "private address", Refused, PoisonIndicator;
    /// In documents only.
    DocumentationAddress = "documentation address", Refused, PoisonIndicator;
    /// Everyone's resolver or a root server.
    PublicResolver = "public resolver", Refused, PoisonIndicator;
    /// A suffix under which a registry gives out names.
    PublicSuffix = "public suffix", Refused, PoisonIndicator;
    /// A suffix under which a provider gives out names to its customers.
    SharedSuffix = "shared suffix", Refused, PoisonIndicator;
    /// A name that means something else in each network.
    LocalName = "local name", Refused, PoisonIndicator;
    /// The hash of a file with nothing in it.
    EmptyFile = "hash of an empty file", Refused, PoisonIndicator;
    /// A file name so short or so usual that it is everywhere.
    CommonFileName = "common file name", Refused, PoisonIndicator;
    /// The organisation's own.
    OwnNetwork = "own address or domain", Refused, PoisonIndicator;
    /// An autonomous system that is not in the Internet.
    ReservedAsn = "reserved autonomous system", Refused, PoisonIndicator;
    /// An observable that no event here has.
    OtherObservable = "observable without a field", Inexpressible, InexpressibleIndicator;
    /// All of several values at once.
    Conjunction = "several values at once (AND)", Inexpressible, InexpressibleIndicator;
    /// One after the other, so often, or within a time.
    Sequence = "order, repetition or time span", Inexpressible, InexpressibleIndicator;
    /// Anything but equality.
    OtherComparison = "comparison other than equality", Inexpressible, InexpressibleIndicator;
    /// A path on whatever host.
    UrlPart = "part of a URL", Inexpressible, InexpressibleIndicator;
    /// Another language than STIX patterns.
    OtherLanguage = "pattern in another language", Inexpressible, InexpressibleIndicator;
    /// MISP: `to_ids` is not set.
    NotForDetection = "not for detection (to_ids)", Withheld, InexpressibleIndicator;
    /// Deleted or revoked.
    Revoked = "deleted or revoked", Withheld, InexpressibleIndicator;
    /// The source calls it harmless.
    Benign = "called benign by its source", Withheld, InexpressibleIndicator;
    /// A file of a feed that holds no indicators, such as MISP's `hashes.csv`.
    PassedOver = "file passed over", Withheld, BadFeed;
    /// Out of date when it was read; it is kept, since validity is compared with the event's time.
    Expired = "expired", Noted, BadColumn;
    /// It begins later; kept too.
    NotYetValid = "not yet valid", Noted, BadColumn;
    /// Written so that no one clicks on it.
    Defanged = "defanged", Noted, BadIndicator;
    /// `address:port`: the address counts on every port.
    PortDropped = "port left out", Noted, InexpressibleIndicator;
    /// `file name|hash` and the like: the stronger half counts.
    PartDropped = "file name beside a hash left out", Noted, InexpressibleIndicator;
    /// A name whose last label is no known top-level domain.
    UnlistedTld = "unlisted top-level domain", Noted, BadIndicator;
    /// A column that nothing is read from.
    UnknownColumn = "unknown column", Noted, BadColumn;
    /// A marking of the source that is not TLP or PAP, so no limit is read from it.
    OtherMarking = "marking that is not understood", Noted, BadColumn;
}

/// Where in a feed something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundAt {
    /// The line, from 1.
    Line(u64),
    /// The object or attribute by its id.
    Object(String),
}

/// One entry that is not an indicator like the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why.
    pub reason: Reason,
    /// The file, as it was named.
    pub path: String,
    /// Where in it.
    pub place: FoundAt,
    /// Its text; may be cut or empty.
    pub piece: String,
    /// What is the matter in this case.
    pub detail: String,
    /// What to do.
    pub mend: String,
}

impl Finding {
    /// As `rustc` would print it. Only what is refused is an error.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let (line, detail) = match &self.place {
            FoundAt::Line(line) => (usize::try_from(*line).unwrap_or(usize::MAX), self.detail.clone()),
            FoundAt::Object(id) => (1, format!("{id}: {}", self.detail)),
        };
        let level = match self.reason.outcome() {
            Outcome::Refused => Level::Error,
            Outcome::Inexpressible | Outcome::Withheld | Outcome::Noted => Level::Warning,
        };
        Diagnostic {
            code: self.reason.code(),
            level,
            path: self.path.clone(),
            line,
            piece: self.piece.clone(),
            detail,
            mend: self.mend.clone(),
        }
    }
}

/// What became of one or more feeds.
#[derive(Clone, Debug)]
pub struct FeedReport {
    accepted: [u64; IndicatorKind::ALL.len()],
    counts: BTreeMap<Reason, u64>,
    examples: Vec<Finding>,
    examples_max: usize,
}

impl Default for FeedReport {
    fn default() -> Self {
        Self::with_examples(EXAMPLES_MAX)
    }
}

impl FeedReport {
    /// An empty report that keeps at most so many examples of each reason.
    #[must_use]
    pub const fn with_examples(examples_max: usize) -> Self {
        Self {
            accepted: [0; IndicatorKind::ALL.len()],
            counts: BTreeMap::new(),
            examples: Vec::new(),
            examples_max,
        }
    }

    /// Indicators taken, by kind.
    #[must_use]
    pub fn accepted(&self) -> BTreeMap<IndicatorKind, u64> {
        let counts = IndicatorKind::ALL.into_iter().zip(self.accepted);
        counts.filter(|(_, count)| 0 < *count).collect()
    }

    /// Entries by reason; an entry may have several noted reasons.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<Reason, u64> {
        &self.counts
    }

    /// Examples in the order in which they were met.
    #[must_use]
    pub fn examples(&self) -> &[Finding] {
        &self.examples
    }

    /// Indicators taken, of all kinds.
    #[must_use]
    pub fn accepted_total(&self) -> u64 {
        self.accepted.iter().sum()
    }

    /// Entries with this outcome.
    #[must_use]
    pub fn total(&self, outcome: Outcome) -> u64 {
        let of_outcome = |(reason, count): (&Reason, &u64)| (reason.outcome() == outcome).then_some(*count);
        self.counts.iter().filter_map(of_outcome).sum()
    }

    /// The examples that are refused, inexpressible or a warning for the feed's reader, as diagnostics.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let told = |finding: &&Finding| match finding.reason.outcome() {
            Outcome::Refused | Outcome::Inexpressible => true,
            Outcome::Withheld => false,
            Outcome::Noted => finding.reason == Reason::UnknownColumn,
        };
        self.examples
            .iter()
            .filter(told)
            .map(Finding::diagnostic)
            .collect()
    }

    /// Adds another report's counts, and of its examples what there is room for.
    pub fn merge(&mut self, other: Self) {
        for (count, more) in self.accepted.iter_mut().zip(other.accepted) {
            *count += more;
        }
        for finding in other.examples {
            let kept = self.examples.iter().filter(|kept| kept.reason == finding.reason);
            if kept.count() < self.examples_max {
                self.examples.push(finding);
            }
        }
        for (reason, count) in other.counts {
            *self.counts.entry(reason).or_default() += count;
        }
    }

    pub(super) fn accept(&mut self, kind: IndicatorKind) {
        let mut counts = IndicatorKind::ALL.into_iter().zip(&mut self.accepted);
        if let Some((_, count)) = counts.find(|(each, _)| *each == kind) {
            *count += 1;
        }
    }

    /// Counts an entry, and keeps it as an example if there is room; `finding` is only called then.
    pub(crate) fn count(&mut self, reason: Reason, finding: impl FnOnce() -> Finding) {
        let count = self.counts.entry(reason).or_default();
        *count += 1;
        if *count <= self.examples_max as u64 {
            let mut finding = finding();
            if let Some((end, _)) = finding.piece.char_indices().nth(PIECE_CHARS_MAX) {
                finding.piece.truncate(end);
            }
            for text in [&mut finding.piece, &mut finding.detail] {
                // A feed is hostile: what it says must not steer a terminal.
                if text.contains(char::is_control) {
                    *text = text.replace(char::is_control, " ");
                }
            }
            self.examples.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(reason: Reason, line: u64) -> Finding {
        Finding {
            reason,
            path: "f.txt".to_owned(),
            place: FoundAt::Line(line),
            piece: "x".repeat(1000),
            detail: String::new(),
            mend: String::new(),
        }
    }

    #[test]
    fn all_are_counted_and_few_are_kept() {
        let mut report = FeedReport::with_examples(2);
        for line in 1..=1000 {
            report.count(Reason::Empty, || finding(Reason::Empty, line));
        }
        report.count(Reason::Conjunction, || finding(Reason::Conjunction, 7));
        assert_eq!(report.total(Outcome::Refused), 1000);
        assert_eq!(report.total(Outcome::Inexpressible), 1);
        assert_eq!(report.examples().len(), 3);
        assert_eq!(report.examples()[0].piece.len(), PIECE_CHARS_MAX);
        let mut sum = report.clone();
        sum.merge(report);
        assert_eq!((sum.counts()[&Reason::Empty], sum.examples().len()), (2000, 4));
    }

    #[test]
    fn only_what_is_refused_is_an_error() {
        let mut report = FeedReport::default();
        for reason in Reason::ALL {
            report.count(*reason, || finding(*reason, 1));
        }
        for diagnostic in report.diagnostics() {
            let refused = Reason::ALL
                .iter()
                .any(|reason| reason.outcome() == Outcome::Refused && reason.code() == diagnostic.code);
            assert!(!diagnostic.is_error() || refused, "{diagnostic}");
        }
        let errors = report.diagnostics().into_iter().filter(Diagnostic::is_error);
        assert_eq!(errors.count() as u64, report.total(Outcome::Refused));
    }
}
