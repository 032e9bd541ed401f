//! A pipeline's YAML to a [`Pipeline`]. A key, a type or a parameter that is not known is refused with its line.

use regex::Regex;
use rsigma_parser::{ConditionExpr, LogSource, SigmaString, SigmaValue, parse_condition, parse_field_spec};

use super::{
    Item, Pipeline,
    change::{Chosen, FieldName, Transformation},
    gate::{FieldCondition, Gate, ItemCondition, Link, Names, Op, RuleCondition, ValueTest},
};
use crate::{
    Code, Diagnostic, Level, Placeholders, SourceText,
    node::{self, Keys, Kind, Node, Wrong},
};

const MEND: &str = "docs/rules.md says which transformations and conditions there are; leave out what concerns the query language of another system";

/// Reads a pipeline.
pub(super) fn read(source: &SourceText) -> (Option<Pipeline>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let pipeline = node::read(&source.text).and_then(|node| pipeline(node, source, &mut diagnostics));
    match pipeline {
        Ok(pipeline) => (Some(pipeline), diagnostics),
        Err(wrong) => {
            diagnostics.push(say(source, Level::Error, &wrong));
            (None, diagnostics)
        }
    }
}

fn say(source: &SourceText, level: Level, wrong: &Wrong) -> Diagnostic {
    Diagnostic {
        code: Code::BadPipeline,
        level,
        path: source.path.clone(),
        line: wrong.line.max(1),
        piece: source
            .text
            .lines()
            .nth(wrong.line.saturating_sub(1))
            .unwrap_or_default()
            .to_owned(),
        detail: wrong.detail.clone(),
        mend: MEND.to_owned(),
    }
}

fn pipeline(node: Node, source: &SourceText, diagnostics: &mut Vec<Diagnostic>) -> Result<Pipeline, Wrong> {
    let mut keys = node.keys("a pipeline")?;
    let stem = source.path.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = stem.trim_end_matches(".yml").trim_end_matches(".yaml");
    let name = keys.take_text("name")?.unwrap_or_else(|| stem.to_owned());
    let priority = match keys.take("priority") {
        None => 0,
        Some(Node {
            kind: Kind::Integer(number),
            ..
        }) => number,
        Some(node) => return Err(Wrong::new(node.line, "`priority` is no whole number")),
    };
    let vars = match keys.take("vars") {
        None => Placeholders::default(),
        Some(node) => vars(node)?,
    };
    if let Some(backends) = keys.take("allowed_backends") {
        let wrong = Wrong::new(
            backends.line,
            "`allowed_backends` has no effect: events are matched here, not in another system",
        );
        diagnostics.push(say(source, Level::Warning, &wrong));
    }
    let mut items = Vec::new();
    match keys.take("transformations") {
        Some(Node {
            kind: Kind::List(list),
            ..
        }) => {
            for node in list {
                items.push(item(node)?);
            }
        }
        Some(node) => return Err(Wrong::new(node.line, "`transformations` is no list")),
        None => {}
    }
    keys.finish("a pipeline")?;
    Ok(Pipeline {
        name,
        priority,
        vars,
        items,
    })
}

fn vars(node: Node) -> Result<Placeholders, Wrong> {
    let mut lists = std::collections::BTreeMap::new();
    for (name, node) in node.keys("`vars`")?.into_entries() {
        let values = node
            .texts()
            .ok_or_else(|| Wrong::new(node.line, format!("`{name}` is no list of texts")))?;
        lists.insert(name, values);
    }
    Ok(Placeholders::new(lists))
}

fn item(node: Node) -> Result<Item, Wrong> {
    let mut keys = node.keys("a transformation")?;
    let id = keys.take_text("id")?;
    let rule = gate(&mut keys, "rule", rule_condition)?;
    let detection_item = gate(&mut keys, "detection_item", item_condition)?;
    let field_name = gate(&mut keys, "field_name", field_condition)?;
    let kind = keys.need_text("type")?;
    let transformation = transformation(&kind, &mut keys)?;
    keys.finish(&format!("the transformation `{kind}`"))?;
    Ok(Item {
        id,
        transformation,
        rule,
        detection_item,
        field_name,
    })
}

fn transformation(kind: &str, keys: &mut Keys) -> Result<Transformation, Wrong> {
    Ok(match kind {
        "add_condition" => add_condition(keys)?,
        "add_field" | "remove_field" => {
            keys.take_texts("field")?;
            Transformation::Nothing
        }
        "set_field" => {
            keys.take_texts("fields")?;
            Transformation::Nothing
        }
        "change_logsource" => Transformation::ChangeLogSource(log_source(keys)?),
        "detection_item_failure" => Transformation::DetectionItemFailure(keys.need_text("message")?),
        "drop_detection_item" => Transformation::DropDetectionItem,
        "field_name_mapping" => Transformation::FieldName(FieldName::Mapping(mapping(keys)?)),
        "field_name_prefix" => Transformation::FieldName(FieldName::Prefix(keys.need_text("prefix")?)),
        "field_name_prefix_mapping" => Transformation::FieldName(FieldName::PrefixMapping(mapping(keys)?)),
        "field_name_suffix" => Transformation::FieldName(FieldName::Suffix(keys.need_text("suffix")?)),
        "hashes_fields" => Transformation::HashesFields {
            algorithms: keys.take_texts("valid_hash_algos")?.unwrap_or_default(),
            prefix: keys
                .take_text("field_prefix")?
                .unwrap_or_else(|| "File".to_owned()),
            drops_algorithm: keys.take_flag("drop_algo_prefix")?,
        },
        "map_string" => Transformation::MapString(mapping(keys)?),
        "replace_string" => {
            let line = keys.line;
            let regex = regex(&keys.need_text("regex")?, line)?;
            Transformation::ReplaceString {
                regex,
                replacement: replacement(&keys.need_text("replacement")?),
                skips_special: keys.take_flag("skip_special")?,
            }
        }
        "rule_failure" => Transformation::RuleFailure(keys.need_text("message")?),
        "set_custom_attribute" => Transformation::SetCustomAttribute {
            attribute: keys.need_text("attribute")?,
            value: keys.need_text("value")?,
        },
        "set_state" => {
            let key = keys.need_text("key")?;
            let value = match keys.take_text("val")? {
                Some(value) => value,
                None => keys.need_text("value")?,
            };
            Transformation::SetState { key, value }
        }
        "set_value" => {
            let node = keys.take("value");
            let value = node.as_ref().map_or(Some(SigmaValue::Null), value);
            Transformation::SetValue(
                value.ok_or_else(|| Wrong::new(keys.line, "`value` is no single value"))?,
            )
        }
        "value_placeholders" => Transformation::ValuePlaceholders(chosen(keys)?),
        "wildcard_placeholders" => Transformation::WildcardPlaceholders(chosen(keys)?),
        other => {
            return Err(Wrong::new(
                keys.line,
                format!("the transformation `{other}` is not done here"),
            ));
        }
    })
}

fn add_condition(keys: &mut Keys) -> Result<Transformation, Wrong> {
    let line = keys.line;
    let node = keys
        .take("conditions")
        .ok_or_else(|| Wrong::new(line, "`conditions` is missing"))?;
    let mut conditions = Vec::new();
    for (name, node) in node.keys("`conditions`")?.into_entries() {
        let field = parse_field_spec(&name).map_err(|error| Wrong::new(node.line, error.to_string()))?;
        let values = match &node.kind {
            Kind::List(items) => items.iter().map(value).collect(),
            Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::Map(_) => {
                value(&node).map(|value| vec![value])
            }
        };
        let values = values.ok_or_else(|| Wrong::new(node.line, format!("`{name}` has no plain values")))?;
        conditions.push((field, values));
    }
    // Only a name for the selection: it has one that no condition means by accident.
    keys.take_text("name")?;
    Ok(Transformation::AddCondition {
        conditions,
        is_template: keys.take_flag("template")?,
        is_negated: keys.take_flag("negated")?,
    })
}

fn chosen(keys: &mut Keys) -> Result<Chosen, Wrong> {
    let line = keys.line;
    match (keys.take_texts("include")?, keys.take_texts("exclude")?) {
        (None, None) => Ok(Chosen::All),
        (Some(names), None) => Ok(Chosen::Only(names)),
        (None, Some(names)) => Ok(Chosen::Except(names)),
        (Some(_), Some(_)) => Err(Wrong::new(line, "`include` and `exclude` exclude each other")),
    }
}

/// Names to one or several names.
fn mapping(keys: &mut Keys) -> Result<Vec<(String, Vec<String>)>, Wrong> {
    let line = keys.line;
    let node = keys
        .take("mapping")
        .ok_or_else(|| Wrong::new(line, "`mapping` is missing"))?;
    let mut mapping = Vec::new();
    for (name, node) in node.keys("`mapping`")?.into_entries() {
        if name.is_empty() {
            return Err(Wrong::new(node.line, "keywords can't be mapped to a field here"));
        }
        let names = node
            .texts()
            .filter(|names| !names.is_empty())
            .ok_or_else(|| Wrong::new(node.line, format!("`{name}` is mapped to no name")))?;
        mapping.push((name, names));
    }
    Ok(mapping)
}

fn log_source(keys: &mut Keys) -> Result<LogSource, Wrong> {
    let line = keys.line;
    let log_source = LogSource {
        category: keys.take_text("category")?,
        product: keys.take_text("product")?,
        service: keys.take_text("service")?,
        ..LogSource::default()
    };
    if log_source.category.is_none() && log_source.product.is_none() && log_source.service.is_none() {
        let detail = "`category`, `product` and `service` are missing: one is needed";
        return Err(Wrong::new(line, detail));
    }
    Ok(log_source)
}

fn gate<C>(
    keys: &mut Keys,
    of: &str,
    read: fn(&str, &mut Keys) -> Result<C, Wrong>,
) -> Result<Gate<C>, Wrong> {
    let mut nodes = Vec::new();
    match keys.take(&format!("{of}_conditions")) {
        None => {}
        Some(Node {
            kind: Kind::List(list),
            ..
        }) => nodes.extend((0_usize..).map(|place| format!("cond_{place}")).zip(list)),
        Some(node) => nodes.extend(node.keys(&format!("`{of}_conditions`"))?.into_entries()),
    }
    let mut conditions = Vec::new();
    for (mut name, node) in nodes {
        let mut keys = node.keys("a condition")?;
        if let Some(id) = keys.take_text("id")? {
            name = id;
        }
        let kind = keys.need_text("type")?;
        let condition = read(&kind, &mut keys)?;
        keys.finish(&format!("the condition `{kind}`"))?;
        conditions.push((name, condition));
    }
    let line = keys.line;
    let operator = keys.take_text(&format!("{of}_cond_op"))?;
    let link = match (keys.take_text(&format!("{of}_cond_expr"))?, operator.as_deref()) {
        (None, None | Some("and")) => Link::All,
        (None, Some("or")) => Link::Any,
        (None, Some(other)) => {
            return Err(Wrong::new(
                line,
                format!("`{other}` joins no conditions: write `and` or `or`"),
            ));
        }
        (Some(text), None) => Link::Expression(expression(&text, &conditions, line)?),
        (Some(_), Some(_)) => {
            let detail = format!("`{of}_cond_expr` and `{of}_cond_op` exclude each other");
            return Err(Wrong::new(line, detail));
        }
    };
    Ok(Gate {
        conditions,
        link,
        is_negated: keys.take_flag(&format!("{of}_cond_not"))?,
    })
}

fn expression<C>(text: &str, conditions: &[(String, C)], line: usize) -> Result<ConditionExpr, Wrong> {
    let expression = parse_condition(text)
        .map_err(|_| Wrong::new(line, format!("the expression `{text}` can't be read")))?;
    let mut unknown = None;
    names(&expression, &mut |name| {
        if !conditions.iter().any(|(known, _)| known == name) {
            unknown = Some(name.to_owned());
        }
    });
    match unknown {
        None => Ok(expression),
        Some(name) => Err(Wrong::new(
            line,
            format!("the expression `{text}` names no condition: `{name}`"),
        )),
    }
}

fn names(expression: &ConditionExpr, each: &mut dyn FnMut(&str)) {
    match expression {
        ConditionExpr::And(parts) | ConditionExpr::Or(parts) => {
            parts.iter().for_each(|part| names(part, each))
        }
        ConditionExpr::Not(part) => names(part, each),
        ConditionExpr::Identifier(name) => each(name),
        ConditionExpr::Selector { pattern, .. } => each(&pattern.to_string()),
    }
}

fn rule_condition(kind: &str, keys: &mut Keys) -> Result<RuleCondition, Wrong> {
    Ok(match kind {
        "contains_detection_item" => {
            let field = keys.need_text("field")?;
            let node = keys.take("value");
            let value = node.as_ref().map_or(Some(SigmaValue::Null), value);
            RuleCondition::ContainsItem {
                field,
                value: value.ok_or_else(|| Wrong::new(keys.line, "`value` is no single value"))?,
            }
        }
        "contains_field" => RuleCondition::ContainsField(keys.need_text("field")?),
        "is_sigma_correlation_rule" => RuleCondition::IsCorrelation,
        "is_sigma_rule" => RuleCondition::IsRule,
        "logsource" => RuleCondition::LogSource(log_source(keys)?),
        "processing_item_applied" => RuleCondition::ItemApplied(keys.need_text("processing_item_id")?),
        "processing_state" => {
            let (key, value) = state(keys)?;
            RuleCondition::State { key, value }
        }
        "rule_attribute" => {
            let op = keys.take_text("op")?;
            RuleCondition::Attribute {
                name: keys.need_text("attribute")?,
                value: keys.need_text("value")?,
                op: operator(op.as_deref().unwrap_or("eq"), keys.line)?,
            }
        }
        "tag" => RuleCondition::Tag(keys.need_text("tag")?),
        other => return Err(unknown_condition(other, keys)),
    })
}

fn operator(text: &str, line: usize) -> Result<Op, Wrong> {
    Ok(match text {
        "eq" => Op::Equal,
        "ne" => Op::NotEqual,
        "gt" => Op::Greater,
        "gte" => Op::GreaterOrEqual,
        "lt" => Op::Less,
        "lte" => Op::LessOrEqual,
        "in" => Op::In,
        "not_in" => Op::NotIn,
        other => return Err(Wrong::new(line, format!("`{other}` compares nothing"))),
    })
}

fn item_condition(kind: &str, keys: &mut Keys) -> Result<ItemCondition, Wrong> {
    let line = keys.line;
    let test = match kind {
        "processing_item_applied" => {
            return Ok(ItemCondition::ItemApplied(keys.need_text("processing_item_id")?));
        }
        "processing_state" => {
            let (key, value) = state(keys)?;
            return Ok(ItemCondition::State { key, value });
        }
        "contains_wildcard" => ValueTest::HasWildcard,
        "is_null" => ValueTest::IsNull,
        "match_string" => ValueTest::Matches {
            regex: at_beginning(&keys.need_text("pattern")?, line)?,
            is_negated: keys.take_flag("negate")?,
        },
        "match_value" => {
            let node = keys.take("value");
            let value = node.as_ref().and_then(value);
            ValueTest::Equals(value.ok_or_else(|| Wrong::new(line, "`value` is no single value"))?)
        }
        other => return Err(unknown_condition(other, keys)),
    };
    let all = match keys.take_text("cond")?.as_deref() {
        None | Some("any") => false,
        Some("all") => true,
        Some(other) => {
            return Err(Wrong::new(
                line,
                format!("`cond` is `any` or `all`, not `{other}`"),
            ));
        }
    };
    Ok(ItemCondition::Values { all, test })
}

fn field_condition(kind: &str, keys: &mut Keys) -> Result<FieldCondition, Wrong> {
    Ok(match kind {
        "exclude_fields" => FieldCondition::Exclude(field_names(keys)?),
        "include_fields" => FieldCondition::Include(field_names(keys)?),
        "processing_item_applied" => FieldCondition::ItemApplied(keys.need_text("processing_item_id")?),
        "processing_state" => {
            let (key, value) = state(keys)?;
            FieldCondition::State { key, value }
        }
        other => return Err(unknown_condition(other, keys)),
    })
}

fn field_names(keys: &mut Keys) -> Result<Names, Wrong> {
    let line = keys.line;
    let fields = keys
        .take_texts("fields")?
        .ok_or_else(|| Wrong::new(line, "`fields` is missing"))?;
    match keys.take_text("mode")?.as_deref() {
        None | Some("plain") => Ok(Names::Plain(fields)),
        Some("re") => {
            let patterns = fields.iter().map(|field| at_beginning(field, line));
            Ok(Names::Patterns(patterns.collect::<Result<_, _>>()?))
        }
        Some(other) => Err(Wrong::new(
            line,
            format!("`mode` is `plain` or `re`, not `{other}`"),
        )),
    }
}

fn state(keys: &mut Keys) -> Result<(String, String), Wrong> {
    let (key, line) = (keys.need_text("key")?, keys.line);
    let value = keys.need_text("val")?;
    match keys.take_text("op")?.as_deref() {
        None | Some("eq") => Ok((key, value)),
        Some(other) => Err(Wrong::new(
            line,
            format!("states are compared with `eq` only, not `{other}`"),
        )),
    }
}

fn unknown_condition(kind: &str, keys: &Keys) -> Wrong {
    Wrong::new(keys.line, format!("the condition `{kind}` is not known here"))
}

fn value(node: &Node) -> Option<SigmaValue> {
    match &node.kind {
        Kind::Null => Some(SigmaValue::Null),
        Kind::Bool(flag) => Some(SigmaValue::Bool(*flag)),
        Kind::Integer(number) => Some(SigmaValue::Integer(*number)),
        Kind::Float(number) => Some(SigmaValue::Float(*number)),
        Kind::Text(text) => Some(SigmaValue::String(SigmaString::new(text))),
        Kind::List(_) | Kind::Map(_) => None,
    }
}

fn regex(pattern: &str, line: usize) -> Result<Regex, Wrong> {
    Regex::new(pattern).map_err(|error| {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim();
        Wrong::new(
            line,
            format!("the regular expression `{pattern}` can't be read: {last}"),
        )
    })
}

fn at_beginning(pattern: &str, line: usize) -> Result<Regex, Wrong> {
    regex(pattern, line)?;
    regex(&format!("^(?:{pattern})"), line)
}

/// Python's `\1` and `\g<name>` as `${1}` and `${name}`.
fn replacement(python: &str) -> String {
    let mut text = String::new();
    let mut rest = python.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, rest.peek().copied()) {
            ('$', _) => text.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                text.push_str("${");
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    text.push(digit);
                }
                text.push('}');
            }
            ('\\', Some('g')) => {
                rest.next();
                let name: String = rest
                    .by_ref()
                    .skip_while(|at| *at == '<')
                    .take_while(|at| *at != '>')
                    .collect();
                text.push_str("${");
                text.push_str(&name);
                text.push('}');
            }
            ('\\', Some('\\')) => {
                rest.next();
                text.push('\\');
            }
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::replacement;

    #[test]
    fn replacements_are_written_as_in_python() {
        for (python, expected) in [
            ("plain", "plain"),
            (r"\1-\2", "${1}-${2}"),
            (r"\g<name>!", "${name}!"),
            ("a$b", "a$$b"),
            (r"\\", r"\"),
            (r"\*", r"\*"),
        ] {
            assert_eq!(replacement(python), expected, "{python}");
        }
    }
}
