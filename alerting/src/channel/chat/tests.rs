use super::*;

/// What would call people, make links, or look like something else.
const HOSTILE: &str = "<!channel> @all @here <@U123> ~town-square [x](http://evil.example) <https://evil.example|bank> `a` **b** _c_ #d ![p](q)\r\n# e &lt;!here&gt;";

fn brief() -> Brief {
    Brief {
        title: format!("ØVELSE: [Varde] Høy: {HOSTILE}"),
        lines: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
        button: "Åpne hendelsen".to_owned(),
        link: "https://varde.example/r/abc".to_owned(),
        is_exercise: true,
    }
}

/// Every text in a message.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, into)),
        Value::Object(all) => all.values().for_each(|one| texts(one, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_text_calls_anybody_in_any_format() {
    for format in [ChatFormat::Mattermost, ChatFormat::Slack, ChatFormat::Teams] {
        let message = written(format, &brief());
        let mut all = Vec::new();
        texts(&message, &mut all);
        for text in &all {
            assert!(!text.contains('@') && !text.contains('\n'), "{format:?}: {text}");
        }
        let whole = all.join("\n");
        assert!(
            whole.contains("ØVELSE") && whole.contains("https://varde.example/r/abc"),
            "{whole}"
        );
    }
}

#[test]
fn mattermosts_marks_are_switched_off() {
    let message = written(ChatFormat::Mattermost, &brief());
    let card = &message["attachments"][0];
    assert_eq!(
        card["fields"][0]["value"],
        "‹\\!channel› ＠all ＠here ‹＠U123› \\~town-square \\[x\\]\\(http://evil.example\\) ‹https://evil.example\\|bank› \
         \\`a\\` \\*\\*b\\*\\* \\_c\\_ \\#d \\!\\[p\\]\\(q\\)  \\# e &lt;\\!here&gt;"
    );
    assert_eq!(card["text"], "[Åpne hendelsen](https://varde.example/r/abc)");
    assert!(message.get("text").is_none(), "{message}");
    let list = Brief {
        lines: vec![("1. a".to_owned(), "- b".to_owned())],
        ..brief()
    };
    let message = written(ChatFormat::Mattermost, &list);
    assert_eq!(message["attachments"][0]["fields"][0]["title"], "\u{200b}1. a");
    assert_eq!(message["attachments"][0]["fields"][0]["value"], "\u{200b}- b");
}

#[test]
fn slacks_text_is_plain_and_its_one_line_is_escaped() {
    let message = written(ChatFormat::Slack, &brief());
    for block in message["blocks"].as_array().expect("blocks") {
        let text = block.get("text").unwrap_or(&block["elements"][0]["text"]);
        assert_eq!(text["type"], "plain_text", "{block}");
    }
    let line = message["text"].as_str().expect("a line");
    assert!(
        !line.contains('<') && line.contains("&lt;!channel&gt;") && line.contains("&amp;lt;"),
        "{line}"
    );
    assert_eq!(
        (&message["unfurl_links"], &message["link_names"]),
        (&Value::Bool(false), &Value::Bool(false))
    );
}

#[test]
fn a_card_has_text_runs_and_no_text_blocks() {
    let message = written(ChatFormat::Teams, &brief());
    let card = &message["attachments"][0]["content"];
    for block in card["body"].as_array().expect("a body") {
        assert_eq!(block["type"], "RichTextBlock", "{block}");
        for run in block["inlines"].as_array().expect("runs") {
            assert!(
                run["type"] == "TextRun" && run.get("selectAction").is_none(),
                "{run}"
            );
        }
    }
    assert_eq!(card["actions"][0]["url"], "https://varde.example/r/abc");
    assert!(card["msteams"].get("entities").is_none(), "{card}");
}
