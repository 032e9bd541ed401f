//! Webhooks, chats and syslog with real listeners: each body's notices hold nothing of another's, an exercise says so everywhere, and
//! who never answers delays nobody else.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use alerting::{clock, config::Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
    stores::on_both,
};

on_both!(
    no_notice_by_any_channel_holds_anything_of_another_body,
    whoever_never_answers_delays_nobody_else,
    a_receiver_that_asks_for_a_pause_is_told_after_it,
);

const KEY: &str = "0123456789abcdef";

/// A request that a receiver took.
#[derive(Clone, Debug)]
struct Request {
    path: String,
    head: String,
    body: String,
}

/// Takes requests; a path with `limited` in it is refused the first time, with a pause to be kept.
async fn receiver() -> (SocketAddr, watch::Receiver<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (sender, taken) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(request) = request(&mut stream).await else {
                continue;
            };
            let is_first = !sender
                .borrow()
                .iter()
                .any(|one: &Request| one.path == request.path);
            let is_limited = is_first && request.path.contains("limited");
            let status = if is_limited {
                "429 Too Many Requests\r\nretry-after: 1"
            } else {
                "200 OK"
            };
            // Noted first: who sees the answer finds the request.
            sender.send_modify(|all| all.push(request));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, taken)
}

async fn request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.ok().filter(|length| 0 < *length)?;
        bytes.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if body.len().to_string() == crate::header(head, "content-length") {
            return Some(Request {
                path: head.split(' ').nth(1)?.to_owned(),
                head: head.to_owned(),
                body: body.to_owned(),
            });
        }
    }
}

/// A line of RFC 5424, apart.
#[derive(Clone, Debug)]
struct Line {
    fields: BTreeMap<String, String>,
    text: String,
    whole: String,
}

/// Takes lines with their lengths before them (RFC 6587, 3.4.1).
async fn collector() -> (SocketAddr, watch::Receiver<Vec<Line>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (sender, taken) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut length = 0;
            while let Ok(byte) = stream.read_u8().await {
                if byte.is_ascii_digit() {
                    length = length * 10 + usize::from(byte - b'0');
                    continue;
                }
                assert_eq!(byte, b' ', "a length ends with a blank");
                let mut line = vec![0; std::mem::take(&mut length)];
                stream.read_exact(&mut line).await.expect("a whole line");
                let line = parsed(&String::from_utf8(line).expect("UTF-8"));
                sender.send_modify(|all| all.push(line));
            }
        }
    });
    (address, taken)
}

/// Reads a line as RFC 5424, section 6, writes it.
fn parsed(whole: &str) -> Line {
    let mut head = whole.splitn(7, ' ');
    let mut next = || head.next().expect("a field");
    let priority = next()
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">1"))
        .expect("PRI and VERSION");
    assert_eq!(priority.parse::<u8>().expect("a number") / 8, 4, "{whole}");
    assert!(next().ends_with('Z'), "{whole}");
    let (host, app, process, kind) = (next(), next(), next(), next());
    assert_eq!((app, process), ("varde-alerting", "-"), "{whole}");
    assert!(
        ["127.0.0.1", "-"].contains(&host) && ["opened", "test"].contains(&kind),
        "{whole}"
    );
    let rest = next().strip_prefix("[varde@32473").expect("structured data");
    let (mut fields, mut letters) = (BTreeMap::new(), rest.chars());
    loop {
        match letters.next() {
            Some(' ') => {}
            Some(']') => break,
            other => panic!("{other:?} in {whole}"),
        }
        let name: String = letters.by_ref().take_while(|letter| *letter != '=').collect();
        assert_eq!(letters.next(), Some('"'), "{whole}");
        let mut value = String::new();
        loop {
            match letters.next().expect("an end") {
                '"' => break,
                '\\' => value.push(letters.next().expect("what is escaped")),
                other => value.push(other),
            }
        }
        fields.insert(name, value);
    }
    let text: String = letters.collect();
    Line {
        fields,
        text: text
            .strip_prefix(" \u{feff}")
            .expect("a mark of UTF-8")
            .to_owned(),
        whole: whole.to_owned(),
    }
}

/// The harness's configuration with chats and collectors by name, and contacts of both bodies.
fn configured(
    folder: &Path,
    chats: &[(&str, &str, String)],
    collectors: &[(&str, SocketAddr)],
    contacts: [String; 2],
) -> Config {
    let file = folder.join("alerting.yml");
    let mut text = std::fs::read_to_string(&file).expect("readable");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str("chat:\n");
    for (name, format, url) in chats {
        let file = folder.join(format!("{name}.url"));
        std::fs::write(&file, format!("{url}\n")).expect("written");
        text.push_str(&format!(
            "  {name}: {{ format: {format}, url_file: {} }}\n",
            file.display()
        ));
    }
    text.push_str(if collectors.is_empty() { "" } else { "syslog:\n" });
    for (name, address) in collectors {
        let (host, port) = (address.ip(), address.port());
        text.push_str(&format!(
            "  {name}: {{ host: '{host}', port: {port}, transport: tcp }}\n"
        ));
    }
    std::fs::write(folder.join("hook.key"), KEY).expect("written");
    std::fs::write(folder.join("former.key"), "fedcba9876543210").expect("written");
    let [stavanger, bergen] = contacts;
    let responders = format!(
        "organizations:\n- {{ number: '{STAVANGER}', responders: [{stavanger}] }}\n- {{ number: '{BERGEN}', responders: [{bergen}] }}\n"
    );
    std::fs::write(folder.join("responders.yml"), responders).expect("written");
    std::fs::write(&file, text).expect("written");
    Config::read(&file).expect("a configuration")
}

async fn no_notice_by_any_channel_holds_anything_of_another_body() {
    let (address, mut requests) = receiver().await;
    let (siem_s, mut lines_s) = collector().await;
    let (siem_b, mut lines_b) = collector().await;
    let mut chats = Vec::new();
    for body in ["stavanger", "bergen"] {
        for format in ["mattermost", "slack", "teams"] {
            chats.push((
                format!("{format}-{body}"),
                format,
                format!("http://{address}/{body}/{format}"),
            ));
        }
    }
    let chats: Vec<(&str, &str, String)> = chats
        .iter()
        .map(|(name, format, url)| (name.as_str(), *format, url.clone()))
        .collect();
    let contacts = [("stavanger", "nb"), ("bergen", "nn")].map(|(body, language)| {
        let others = ["slack", "teams"].map(|format| {
            format!("{{ name: {format} i {body}, chat: {format}-{body}, language: {language} }}")
        });
        format!(
            "{{ name: Vakta i {body}, email: vakt@{body}.example, language: {language}, chat: mattermost-{body}, syslog: siem-{body}, \
             webhook: {{ url: 'http://{address}/{body}/hook', key_file: hook.key, former_key_file: former.key }} }}, {}",
            others.join(", ")
        )
    });
    let service = Service::steered(clock::machine(), |folder| {
        let collectors = [("siem-stavanger", siem_s), ("siem-bergen", siem_b)];
        configured(folder, &chats, &collectors, contacts)
    })
    .await;
    let hostile = "<!channel> @all [x](http://evil.example)\r\n<13>1 - a\" ] b";
    let alerts = [
        Alerts::new(STAVANGER).summary(hostile).make(1),
        Alerts::new(BERGEN)
            .entity("2001:db8::7")
            .rule("rule-2")
            .exercise()
            .make(2),
    ];
    service.publish(&alerts).await;
    let mails = service.mails(2).await;
    let requests = requests
        .wait_for(|all| 8 <= all.len())
        .await
        .expect("a receiver")
        .clone();
    let line_s = lines_s
        .wait_for(|all| !all.is_empty())
        .await
        .expect("a collector")[0]
        .clone();
    let line_b = lines_b
        .wait_for(|all| !all.is_empty())
        .await
        .expect("a collector")[0]
        .clone();
    assert_eq!(requests.len(), 8, "{requests:?}");

    let mut told: Vec<(&str, String, String)> = Vec::new();
    for mail in &mails {
        told.push(("mail", mail.to.clone(), mail.raw_text()));
    }
    for request in &requests {
        told.push(("request", request.path.clone(), request.body.clone()));
    }
    told.push(("line", "stavanger".to_owned(), line_s.whole.clone()));
    told.push(("line", "bergen".to_owned(), line_b.whole.clone()));
    for (kind, to, text) in &told {
        let (own, foreign) = if to.contains("stavanger") {
            ("10.1.2.3", ["Bergen", "bergen", BERGEN, "2001:db8::7", "rule-2"])
        } else {
            (
                "2001:db8::7",
                ["Stavanger", "stavanger", STAVANGER, "10.1.2.3", "evil"],
            )
        };
        assert!(text.contains(own), "{kind} to {to}: {text}");
        for word in foreign {
            assert!(!text.contains(word), "{word} in {kind} to {to}: {text}");
        }
        let has_mark =
            text.contains("ØVELSE") || text.contains("ØVING") || text.contains("\"exercise\":true");
        assert_eq!(has_mark, to.contains("bergen"), "{kind} to {to}: {text}");
    }
    // A line is no way to answer: logs are read by many.
    assert!(!line_s.whole.contains("/r/"), "{}", line_s.whole);
    assert_eq!(line_b.fields["labels.exercise"], "true");
    assert_eq!(
        (&*line_s.fields["rule.id"], &*line_s.fields["organization.id"]),
        ("rule-1", STAVANGER)
    );
    assert!(
        !line_s.whole.contains('\n') && line_s.text.contains("<13>1"),
        "{}",
        line_s.text
    );
    for request in requests.iter().filter(|one| !one.path.ends_with("hook")) {
        assert!(request.body.contains("/r/"), "a way to answer: {}", request.body);
        assert!(!request.body.contains("@all"), "{}", request.body);
    }
    let hook = requests
        .iter()
        .find(|one| one.path == "/stavanger/hook")
        .expect("a webhook");
    checked_as_documented(hook);
    service.stop().await;
}

/// The example of the documentation, as it stands there, takes what is signed, once, and nothing that was changed.
fn checked_as_documented(hook: &Request) {
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md"))
            .expect("there");
    let example = document
        .split("```python\n")
        .find(|part| part.starts_with("# A webhook"))
        .expect("an example");
    let example = example.split("```").next().expect("an end");
    let value = |name: &str| crate::header(&hook.head, name);
    let input = serde_json::json!({
        "timestamp": value("x-varde-timestamp"), "id": value("x-varde-notification-id"),
        "signature": value("x-varde-signature"), "body": hook.body,
    });
    assert_eq!(
        value("x-varde-signature").matches("sha256=").count(),
        2,
        "both keys sign"
    );
    let script = format!(
        "{example}\nimport json, sys\nit = json.load(sys.stdin)\nbody = it['body'].encode()\n\
         def takes(keys, **other):\n    one = dict(it, **other)\n    headers = {{'x-varde-timestamp': one['timestamp'],\n        \
         'x-varde-notification-id': one['id'], 'x-varde-signature': one['signature']}}\n    \
         return is_new_and_ours(headers, one['body'].encode(), keys)\n\
         new, old = b'{KEY}', b'fedcba9876543210'\n\
         late = {{'x-varde-timestamp': it['timestamp'], 'x-varde-notification-id': it['id'], 'x-varde-signature': it['signature']}}\n\
         assert not is_new_and_ours(late, body, [new], minutes=-1), 'too late'\n\
         assert not takes([new], body=it['body'] + ' '), 'a changed body'\n\
         assert not takes([new], id='0' * 32), 'a changed id'\n\
         assert not takes([new], timestamp=str(int(it['timestamp']) - 1)), 'a changed time'\n\
         assert not takes([b'another key of 16']), 'another key'\n\
         assert takes([old]), 'by the key that goes'\n\
         assert not takes([new]), 'taken once'\n"
    );
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3");
    std::io::Write::write_all(
        &mut child.stdin.take().expect("piped"),
        input.to_string().as_bytes(),
    )
    .expect("given");
    assert!(child.wait().expect("done").success(), "{script}");
}

async fn whoever_never_answers_delays_nobody_else() {
    // Takes connections and says nothing, by each channel.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let dead = silent.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
        }
    });
    let (address, mut requests) = receiver().await;
    let (siem, mut lines) = collector().await;
    let service = Service::steered(clock::machine(), |folder| {
        let chats = [
            ("dead", "slack", format!("http://{dead}/")),
            ("alive", "teams", format!("http://{address}/chat")),
        ];
        let contacts = [
            format!("{{ name: A, chat: dead, webhook: {{ url: 'http://{dead}/', key_file: hook.key }} }}"),
            format!(
                "{{ name: B, email: vakt@bergen.example, chat: alive, syslog: siem, webhook: {{ url: 'http://{address}/hook', key_file: hook.key }} }}"
            ),
        ];
        configured(folder, &chats, &[("siem", siem)], contacts)
    })
    .await;
    let many: Vec<_> = (0..4)
        .map(|number| {
            Alerts::new(STAVANGER)
                .rule(&format!("rule-{number}"))
                .make(number)
        })
        .chain([Alerts::new(BERGEN).make(9)])
        .collect();
    service.publish(&many).await;
    service.mails(1).await;
    requests.wait_for(|all| 2 <= all.len()).await.expect("a receiver");
    lines.wait_for(|all| !all.is_empty()).await.expect("a collector");
    // All of it came before the first of those who never answer was given up: each has that long and nobody waited for it.
    let list = service
        .get(&format!("/api/v1/incidents?organization={STAVANGER}"))
        .await
        .1;
    for incident in list["incidents"].as_array().expect("a list") {
        let id = incident["id"].as_str().expect("an id");
        let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
        for sent in detail["notifications"].as_array().expect("a list") {
            assert_eq!(
                (&sent["state"], &sent["attempts"]),
                (&"pending".into(), &0.into()),
                "{detail}"
            );
        }
    }
    service.stop().await;
}

async fn a_receiver_that_asks_for_a_pause_is_told_after_it() {
    let (address, mut requests) = receiver().await;
    let service = Service::steered(clock::machine(), |folder| {
        let chats = [("room", "mattermost", format!("http://{address}/limited"))];
        let contacts = [
            "{ name: A, chat: room }".to_owned(),
            "{ name: B, email: b@bergen.example }".to_owned(),
        ];
        configured(folder, &chats, &[], contacts)
    })
    .await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    requests
        .wait_for(|all| !all.is_empty())
        .await
        .expect("a receiver");
    let id = loop {
        let list = service.get("/api/v1/incidents").await.1;
        if let Some(id) = list["incidents"][0]["id"].as_str() {
            break id.to_owned();
        }
    };
    let path = format!("/api/v1/incidents/{id}");
    let waits = loop {
        let detail = service.get(&path).await.1;
        if detail["notifications"][0]["attempts"] == 1 {
            break detail;
        }
    };
    assert!(
        waits["notifications"][0]["error"]
            .to_string()
            .contains("left alone for 1 s"),
        "{waits}"
    );
    requests.wait_for(|all| 2 <= all.len()).await.expect("a receiver");
    let sent = loop {
        let detail = service.get(&path).await.1;
        if detail["notifications"][0]["state"] == "sent" {
            break detail;
        }
    };
    // Waits of the configuration are a fiftieth of it: without the pause there were many more attempts.
    assert_eq!(sent["notifications"][0]["attempts"], 2, "{sent}");
    assert_eq!(requests.borrow().len(), 2);
    service.stop().await;
}

#[test]
fn what_cannot_be_used_is_named_and_a_test_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    crate::service::configure(folder.path(), 9);
    let binary = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_varde-alerting"));
        let file = folder.path().join("alerting.yml");
        let done = command
            .args(arguments)
            .arg("--config")
            .arg(file)
            .output()
            .expect("run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (address, requests) = runtime.block_on(receiver());
    let (siem, lines) = runtime.block_on(collector());
    let chats = [("room", "slack", format!("http://{address}/room"))];
    let contact = format!(
        "{{ name: A, chat: room, syslog: siem, webhook: {{ url: 'http://{address}/hook', key_file: hook.key }} }}"
    );
    let contacts = [contact, "{ name: B, email: b@bergen.example }".to_owned()];
    configured(folder.path(), &chats, &[("siem", siem)], contacts);
    assert_eq!(binary(&["check"]).0, Some(0));
    let tried = ["test-notice", "--organization", STAVANGER, "--contact", "A"];
    let (code, told, error) = binary(&tried);
    assert_eq!(code, Some(0), "{told}{error}");
    for word in [
        "chat room: 200 OK",
        "syslog siem: written",
        "webhook http://127.0.0.1",
    ] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert!(
        requests.borrow().iter().any(|one| one.body.contains("ØVELSE")),
        "{requests:?}"
    );
    drop(lines);
    let (code, told, _) = binary(&["test-notice"]);
    assert_eq!(code, Some(1), "nobody listens for mail: {told}");
    assert!(told.contains("email d…@cert.example: failed"), "{told}");
    // Each flaw, not the first alone.
    std::fs::write(folder.path().join("room.url"), "ftp://secret.example").expect("written");
    let file = folder.path().join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("there");
    let bad = text.replace("mail: {", "mail: { pgp_signing: { key_file: /nowhere.asc },");
    std::fs::write(&file, &bad).expect("written");
    let (code, _, error) = binary(&["check"]);
    assert_eq!(code, Some(78), "{error}");
    assert!(
        error.contains("room.url") && error.contains("/nowhere.asc"),
        "{error}"
    );
    assert!(!error.contains("secret.example"), "{error}");
    let unknown = text.replace("  room:", "  other:");
    std::fs::write(&file, unknown).expect("written");
    let (code, _, error) = binary(&["check"]);
    assert_eq!(code, Some(78), "{error}");
    assert!(error.contains("no `chat` of this name; known: other"), "{error}");
}
