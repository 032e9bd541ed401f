//! Slack: Block Kit. Everything is `plain_text`, in which nothing is markup; only the line for the lock screen is not.

use serde_json::{Value, json};

use super::quiet;
use crate::notice::Brief;

/// Characters of a button.
const BUTTON_MAX: usize = 75;

pub(super) fn message(brief: &Brief) -> Value {
    let text = |text: &str| json!({ "type": "plain_text", "emoji": false, "text": text });
    let mut blocks = vec![json!({ "type": "header", "text": text(&quiet(&brief.title)) })];
    for (label, line) in &brief.lines {
        let line = format!("{}: {}", quiet(label), quiet(line));
        blocks.push(json!({ "type": "section", "text": text(&line) }));
    }
    let button: String = brief.button.chars().take(BUTTON_MAX).collect();
    blocks.push(json!({ "type": "actions", "elements": [
        { "type": "button", "text": text(&button), "url": brief.link }] }));
    json!({
        "text": escaped(&quiet(&brief.title)), "mrkdwn": false, "parse": "none", "link_names": false,
        // Slack would open the link itself to show what is behind it.
        "unfurl_links": false, "unfurl_media": false, "blocks": blocks,
    })
}

/// The three signs by which `<!channel>`, `<@user>` and `<https://…>` begin and end.
fn escaped(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;");
    plain.replace('>', "&gt;")
}
