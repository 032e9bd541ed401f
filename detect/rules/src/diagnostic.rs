//! What is wrong with a rule or an indicator, where, and what mends it.
//!
//! Printed in the manner of `rustc`. Codes are stable and part of the interface: each has a golden pair under
//! `tests/diagnostics/` and is never used again for something else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// The rule or indicator is refused; the others load.
    Error,
    /// It loads; the author should look at it.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal;)+) => {
        /// What kind of thing is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* $name,)+ }
        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// For example `R001`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $code),+ } }
            /// One line, the same for every case.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),+ } }
        }
    };
}

codes! {
    /// The file can't be read.
    Unreadable = "R001", "the file can't be read";
    /// Not YAML.
    BadYaml = "R002", "the document is not YAML";
    /// A field that every rule needs is missing.
    MissingField = "R003", "a required field is missing";
    /// A modifier nobody knows.
    UnknownModifier = "R004", "unknown modifier";
    /// A regular expression that can't be read.
    BadRegex = "R005", "the regular expression can't be read";
    /// A prefix that is none.
    BadCidr = "R006", "not an address prefix";
    /// A condition that can't be read.
    BadCondition = "R007", "the condition can't be read";
    /// The condition names a selection that is not there.
    UnknownSelection = "R008", "the condition names a selection that the rule does not have";
    /// A correlation or an anomaly rule names a rule that is not loaded.
    UnknownRule = "R009", "a rule that is named is not loaded";
    /// Two rules with one id.
    DuplicateId = "R010", "the id is already in use";
    /// Valid Sigma that this version does not do.
    Unsupported = "R011", "not supported yet";
    /// A value that its modifier can't take.
    BadValue = "R012", "the value does not fit its modifier";
    /// A correlation that can't be read.
    BadCorrelation = "R013", "the correlation can't be read";
    /// Something the parser ignores.
    Ignored = "R014", "a value is ignored";
    /// The `varde:` mapping has a value that it can't have.
    BadVarde = "R015", "the `varde` mapping can't be read";
    /// A filter that touches other rules than it says, or none.
    BadFilter = "R016", "the filter does not do what it says";
    /// A pipeline that can't be read, or asks for what this version does not do.
    BadPipeline = "R017", "the pipeline can't be used";
    /// A pipeline that refuses a rule, or can't be applied to it.
    RefusedByPipeline = "R018", "a pipeline refuses the rule";
    /// A placeholder for which no list is given.
    NoPlaceholder = "R019", "a placeholder has no list";
    /// Not an indicator.
    BadIndicator = "R020", "not an indicator";
    /// An indicator that would match everything, or nothing bad.
    PoisonIndicator = "R021", "the indicator would match harmless traffic";
    /// A column or its value can't be read.
    BadColumn = "R022", "a column can't be read";
    /// A feed's document or one of its objects.
    BadFeed = "R023", "the feed can't be read";
    /// More than the value of one field.
    InexpressibleIndicator = "R024", "not expressible as an indicator";
    /// A selection without anything in it.
    EmptySelection = "R025", "a selection is empty";
    /// An anomaly rule that can't be read.
    BadAnomaly = "R026", "the anomaly rule can't be read";
    /// Correlations or anomaly rules that can't build on each other.
    BrokenChain = "R027", "the rules can't build on each other";
}

/// One finding about one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How grave.
    pub level: Level,
    /// The file, as it was named.
    pub path: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// The line's text; may be empty.
    pub piece: String,
    /// What is wrong in this case.
    pub detail: String,
    /// What to do.
    pub mend: String,
}

impl Diagnostic {
    /// Whether the rule or indicator was refused.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let margin = " ".repeat(self.line.to_string().len());
        writeln!(f, "{level}[{}]: {}", self.code.as_str(), self.code.title())?;
        writeln!(f, "{margin}--> {}:{}", self.path, self.line)?;
        if !self.piece.trim().is_empty() {
            writeln!(f, "{margin} |")?;
            writeln!(f, "{} | {}", self.line, self.piece.trim_end())?;
            writeln!(f, "{margin} |")?;
        }
        writeln!(f, "{margin} = {}", self.detail)?;
        write!(f, "{margin} = help: {}", self.mend)
    }
}
