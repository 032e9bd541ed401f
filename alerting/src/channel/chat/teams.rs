//! Teams: an Adaptive Card, as its Workflows take it (connectors and their `MessageCard` are gone).
//!
//! Text runs are not read as Markdown, as text blocks are; who is called would be named in `msteams.entities`, which is not there.

use serde_json::{Value, json};

use super::quiet;
use crate::notice::Brief;

pub(super) fn message(brief: &Brief) -> Value {
    let run = |text: &str, weight: &str| json!({ "type": "TextRun", "text": text, "weight": weight });
    let title =
        json!({ "type": "TextRun", "text": quiet(&brief.title), "weight": "Bolder", "size": "Large" });
    let mut body = vec![json!({ "type": "RichTextBlock", "inlines": [title] })];
    for (label, line) in &brief.lines {
        let runs = [
            run(&format!("{}: ", quiet(label)), "Bolder"),
            run(&quiet(line), "Default"),
        ];
        body.push(json!({ "type": "RichTextBlock", "inlines": runs }));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                // What Workflows show everywhere, telephones too.
                "version": "1.4",
                "fallbackText": quiet(&brief.title),
                "msteams": { "width": "Full" },
                "body": body,
                "actions": [{ "type": "Action.OpenUrl", "title": brief.button, "url": brief.link }],
            },
        }],
    })
}
