//! What each type of anomaly rule is made of: its time spans, fields and numbers, each with its bounds.

/// A type.
pub(super) struct Form {
    pub(super) name: &'static str,
    pub(super) timespan: Span,
    pub(super) learning: Learning,
    /// Whether it has `interval` and `baseline`.
    pub(super) has_interval: bool,
    /// How many fields it needs, and may have.
    pub(super) fields: (usize, usize),
    /// What its condition has besides `field`.
    pub(super) numbers: &'static [Number],
}

/// From and to, in seconds, and why.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) why: &'static str,
}

/// Whether a type watches an entity before it judges it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Learning {
    Never,
    /// It may.
    Optional,
    Needed,
    /// With this number in the condition, and not without.
    With(&'static str),
    /// It may, with this number in the condition.
    OptionalWith(&'static str),
}

/// A number of a condition.
pub(super) struct Number {
    pub(super) key: &'static str,
    pub(super) is_needed: bool,
    pub(super) is_whole: bool,
    pub(super) from: f64,
    /// Whether `from` itself is too little.
    pub(super) is_above: bool,
    pub(super) to: f64,
}

const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// At most so many machines may call what is called.
pub(super) const CALLERS: &str = "at-most-callers";

/// The hours of a week are compared with each other.
pub(super) const WEEK: u64 = 7 * DAY;

const WINDOW: Span = Span {
    least: MINUTE,
    most: 7 * DAY,
    why: "what happens in it is kept in memory",
};

const MEMORY: Span = Span {
    least: HOUR,
    most: 90 * DAY,
    why: "what is usual is not kept for longer than a quarter, and is not seen in less than an hour",
};

const LONG_WINDOW: Span = Span {
    least: MINUTE,
    most: 30 * DAY,
    why: "after a month nobody acts on it",
};

pub(super) const LEARNING: Span = Span {
    least: HOUR,
    most: 30 * DAY,
    why: "less shows nothing, and more leaves the entity unwatched for too long",
};

pub(super) const INTERVAL: Span = Span {
    least: MINUTE,
    most: DAY,
    why: "shorter ones are mostly empty, and longer ones tell too late",
};

/// So many observations there must be before a deviation means something.
pub(super) const OBSERVATIONS_MIN: u64 = 10;

/// The largest whole number that every reader of YAML and JSON keeps.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

const fn whole(key: &'static str, from: f64, to: f64) -> Number {
    Number {
        key,
        is_needed: true,
        is_whole: true,
        from,
        is_above: false,
        to,
    }
}

const fn real(key: &'static str, from: f64, to: f64) -> Number {
    Number {
        is_whole: false,
        ..whole(key, from, to)
    }
}

const fn above(key: &'static str, from: f64, to: f64) -> Number {
    Number {
        is_above: true,
        ..real(key, from, to)
    }
}

const fn optional(number: Number) -> Number {
    Number {
        is_needed: false,
        ..number
    }
}

/// Every type, in the order of the document about them.
pub(super) const FORMS: [Form; 11] = [
    Form {
        name: "new_value",
        timespan: MEMORY,
        learning: Learning::Needed,
        has_interval: false,
        fields: (1, 1),
        numbers: &[],
    },
    Form {
        name: "rare",
        timespan: MEMORY,
        learning: Learning::Optional,
        has_interval: false,
        fields: (1, 1),
        numbers: &[above("lte", 0.0, 0.5), whole("minimum", 10.0, 1e9)],
    },
    Form {
        name: "threshold_baseline",
        timespan: MEMORY,
        learning: Learning::Needed,
        has_interval: true,
        fields: (0, 1),
        numbers: &[above("gte", 0.0, 1000.0), real("minimum", 0.0, WHOLE_MAX)],
    },
    Form {
        name: "beacon",
        timespan: WINDOW,
        learning: Learning::OptionalWith(CALLERS),
        has_interval: false,
        fields: (0, 1),
        numbers: &[
            above("gte", 0.0, 1.0),
            whole("minimum", 4.0, 1000.0),
            optional(whole(CALLERS, 1.0, 64.0)),
        ],
    },
    Form {
        name: "distinct",
        timespan: WINDOW,
        learning: Learning::Never,
        has_interval: false,
        fields: (1, 1),
        numbers: &[whole("gte", 2.0, 1e9)],
    },
    Form {
        name: "volume",
        timespan: WINDOW,
        learning: Learning::OptionalWith(CALLERS),
        has_interval: false,
        fields: (1, 2),
        numbers: &[
            whole("gte", 1.0, WHOLE_MAX),
            optional(above("ratio", 0.0, 1e6)),
            optional(whole(CALLERS, 1.0, 64.0)),
        ],
    },
    Form {
        name: "dns_tunnel",
        timespan: WINDOW,
        learning: Learning::Never,
        has_interval: false,
        fields: (1, 1),
        numbers: &[
            whole("names", 2.0, 1e6),
            whole("bytes", 0.0, 1e12),
            real("entropy", 0.0, 8.0),
        ],
    },
    Form {
        name: "dga",
        timespan: WINDOW,
        learning: Learning::Never,
        has_interval: false,
        fields: (1, 1),
        numbers: &[above("score", 0.0, 1.0), whole("names", 1.0, 1e6)],
    },
    Form {
        name: "silence",
        timespan: LONG_WINDOW,
        learning: Learning::With("factor"),
        has_interval: false,
        fields: (0, 0),
        numbers: &[optional(real("factor", 1.0, 1000.0))],
    },
    Form {
        name: "national",
        timespan: LONG_WINDOW,
        learning: Learning::Never,
        has_interval: false,
        fields: (0, 0),
        numbers: &[whole("organizations", 2.0, 10_000.0)],
    },
    Form {
        name: "flow",
        timespan: WINDOW,
        learning: Learning::Never,
        has_interval: false,
        fields: (0, 0),
        numbers: &[above("score", 0.0, 1.0), whole("minimum", 1.0, 1e6)],
    },
];

impl Form {
    /// What may stand in `anomaly:`.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let mut keys = vec!["type", "rules", "group-by", "aliases", "timespan", "condition"];
        if self.learning != Learning::Never {
            keys.push("learning");
        }
        if self.has_interval {
            keys.extend(["interval", "baseline"]);
        }
        keys
    }

    /// What may stand in `condition:`.
    pub(super) fn condition_keys(&self) -> Vec<&'static str> {
        let field = (0 < self.fields.1).then_some("field");
        field
            .into_iter()
            .chain(self.numbers.iter().map(|number| number.key))
            .collect()
    }

    /// Whether a condition must be there.
    pub(super) fn needs_condition(&self) -> bool {
        0 < self.fields.0 || self.numbers.iter().any(|number| number.is_needed)
    }
}

impl Number {
    pub(super) fn holds(&self, number: f64) -> bool {
        let is_enough = if self.is_above {
            self.from < number
        } else {
            self.from <= number
        };
        is_enough && number <= self.to && (!self.is_whole || number.fract() == 0.0)
    }

    /// What may stand there, for a person.
    pub(super) fn bounds(&self) -> String {
        let kind = if self.is_whole {
            "a whole number"
        } else {
            "a number"
        };
        let from = if self.is_above { "more than" } else { "from" };
        let to = if self.is_above { "and at most" } else { "to" };
        format!("{kind} {from} {} {to} {}", self.from, self.to)
    }
}
