//! Mattermost: an attachment whose text is Markdown; `@all`, `~channel` and `#tag` are looked for in it too.

use serde_json::{Value, json};

use super::quiet;
use crate::notice::Brief;

/// What it takes for Markdown, and lets a backslash switch off.
const MARKS: &[char] = &[
    '\\', '`', '*', '_', '{', '}', '[', ']', '(', ')', '#', '!', '~', '|',
];

pub(super) fn message(brief: &Brief) -> Value {
    let fields = brief
        .lines
        .iter()
        .map(|(label, text)| json!({ "short": false, "title": plain(label), "value": plain(text) }));
    json!({
        // Without a text beside the attachment there is nothing that a search for mentions reads first.
        "attachments": [{
            "fallback": plain(&brief.title),
            "color": if brief.is_exercise { "#8a8a8a" } else { "#b3261e" },
            "title": plain(&brief.title),
            "title_link": brief.link,
            "fields": fields.collect::<Value>(),
            "text": format!("[{}]({})", plain(&brief.button), brief.link),
        }],
    })
}

/// Text that stays text.
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in quiet(text).chars() {
        match letter {
            // No backslash helps against `<https://…>`.
            '<' => written.push('‹'),
            '>' => written.push('›'),
            mark if MARKS.contains(&mark) => written.extend(['\\', mark]),
            other => written.push(other),
        }
    }
    // At the beginning of a line more is a mark: a list, a headline, a line across.
    if written.starts_with(['-', '+', '=']) || written.starts_with(|first: char| first.is_ascii_digit()) {
        written.insert(0, '\u{200b}');
    }
    written
}
