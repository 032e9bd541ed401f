//! The condition of a temporal correlation, such as `rule_a and not rule_b`, over the numbers of its bases.

use rsigma_parser::{ConditionExpr, Quantifier, SelectorPattern};

use crate::Expression;

/// Why a condition can't be lowered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) detail: String,
    pub(super) mend: String,
}

/// `names` are those of each base, in the author's order: first as it is in `rules`.
pub(super) fn lower(condition: &ConditionExpr, names: &[Vec<String>]) -> Result<Expression, Wrong> {
    let each = |parts: &[ConditionExpr]| {
        let lowered = parts.iter().map(|part| lower(part, names));
        lowered.collect::<Result<Vec<_>, _>>()
    };
    match condition {
        ConditionExpr::And(parts) => Ok(Expression::All(each(parts)?)),
        ConditionExpr::Or(parts) => Ok(Expression::Any(each(parts)?)),
        ConditionExpr::Not(part) => Ok(Expression::Not(Box::new(lower(part, names)?))),
        ConditionExpr::Identifier(name) => {
            let base = names.iter().position(|names| names.contains(name));
            base.map(Expression::Base).ok_or_else(|| no_base(name, names))
        }
        ConditionExpr::Selector { quantifier, pattern } => selector(quantifier, pattern, names),
    }
}

/// Whether each of so many bases has a part in it; the first that has none.
pub(super) fn unused(expression: &Expression, bases: usize) -> Option<usize> {
    (0..bases).find(|base| !uses(expression, *base))
}

fn uses(expression: &Expression, base: usize) -> bool {
    match expression {
        Expression::Base(known) => *known == base,
        Expression::All(parts) | Expression::Any(parts) => parts.iter().any(|part| uses(part, base)),
        Expression::Not(part) => uses(part, base),
    }
}

fn selector(
    quantifier: &Quantifier,
    pattern: &SelectorPattern,
    names: &[Vec<String>],
) -> Result<Expression, Wrong> {
    let is_meant = |names: &[String]| match pattern {
        SelectorPattern::Them => true,
        SelectorPattern::Pattern(pattern) => names.iter().any(|name| fits(name, pattern)),
    };
    let meant: Vec<Expression> = names
        .iter()
        .enumerate()
        .filter(|(_, names)| is_meant(names))
        .map(|(base, _)| Expression::Base(base))
        .collect();
    if meant.is_empty() {
        return Err(no_base(&pattern.to_string(), names));
    }
    let most = u64::try_from(meant.len()).unwrap_or(u64::MAX);
    match quantifier {
        Quantifier::Any | Quantifier::Count(1) => Ok(Expression::Any(meant)),
        Quantifier::All => Ok(Expression::All(meant)),
        Quantifier::Count(count) if *count == most => Ok(Expression::All(meant)),
        Quantifier::Count(count) => Err(Wrong {
            detail: format!("`{count} of {pattern}` can't stand among other conditions"),
            mend: format!("write `condition: {{ gte: {count} }}`, which counts the rules that matched"),
        }),
    }
}

fn no_base(name: &str, names: &[Vec<String>]) -> Wrong {
    let known: Vec<&str> = names
        .iter()
        .filter_map(|names| names.first())
        .map(String::as_str)
        .collect();
    Wrong {
        detail: format!("the condition names `{name}`, which is not in `rules`"),
        mend: format!("use the names in `rules`: {}", known.join(", ")),
    }
}

/// Whether a name fits a pattern with `*`.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    let mut rest = rest;
    for part in parts {
        let Some(place) = rest.find(part) else {
            return false;
        };
        rest = rest.get(place + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use rsigma_parser::parse_condition;

    use super::*;

    fn check(condition: &str, expected: Result<&str, &str>) {
        let names =
            ["login_failed", "login_ok", "web"].map(|name| vec![name.to_owned(), format!("id-{name}")]);
        let parsed = parse_condition(condition).expect("a condition");
        let found = lower(&parsed, &names);
        let shown = found.as_ref().map(show).map_err(|wrong| wrong.detail.as_str());
        assert_eq!(shown.as_deref().map_err(|wrong| *wrong), expected, "{condition}");
    }

    fn show(expression: &Expression) -> String {
        let join = |parts: &[Expression], word: &str| {
            let parts: Vec<String> = parts.iter().map(show).collect();
            format!("({})", parts.join(word))
        };
        match expression {
            Expression::Base(base) => base.to_string(),
            Expression::All(parts) => join(parts, " & "),
            Expression::Any(parts) => join(parts, " | "),
            Expression::Not(part) => format!("!{}", show(part)),
        }
    }

    #[test]
    fn conditions_are_lowered_to_numbers_of_bases() {
        for (condition, expected) in [
            ("login_failed and login_ok", Ok("(0 & 1)")),
            ("web and not (login_ok or login_failed)", Ok("(2 & !(1 | 0))")),
            ("id-web", Ok("2")),
            ("1 of login_*", Ok("(0 | 1)")),
            ("any of them", Ok("(0 | 1 | 2)")),
            ("all of login_*", Ok("(0 & 1)")),
            ("all of *in_o*", Ok("(1)")),
            ("2 of login_*", Ok("(0 & 1)")),
            ("2 of them", Err("`2 of them` can't stand among other conditions")),
            (
                "nobody",
                Err("the condition names `nobody`, which is not in `rules`"),
            ),
            (
                "1 of no_*",
                Err("the condition names `no_*`, which is not in `rules`"),
            ),
        ] {
            check(condition, expected);
        }
    }

    #[test]
    fn a_base_without_a_part_is_found() {
        let expression = Expression::All(vec![
            Expression::Base(0),
            Expression::Not(Box::new(Expression::Base(2))),
        ]);
        assert_eq!(unused(&expression, 3), Some(1));
        assert_eq!(unused(&expression, 1), None);
    }
}
