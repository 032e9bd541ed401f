//! Words by mail over the site's own relay, while nobody else can be told: what matched and how grave it is, and not where.
//!
//! One mail at most an hour, the first at once. What can't be sent goes with the next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingest_event::{SensorId, Timestamp};
use lettre::message::{Mailbox, header::ContentType};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio_util::sync::CancellationToken;

use super::{Island, Word};
use crate::clock::Clock;
use crate::config::{Language, Mail};

/// Between mails.
const EVERY: Duration = Duration::from_secs(3_600);

/// How soon something new is noticed, and a relay that was away is tried again.
const LOOK: Duration = Duration::from_secs(30);

/// How long a relay may take.
const RELAY_MAX: Duration = Duration::from_secs(60);

/// So many rules are named in a mail; the others are counted.
const RULES_MAX: usize = 20;

/// Sends mails of one sensor.
#[derive(Debug)]
pub struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    language: Language,
    sensor: SensorId,
}

/// The words of a language.
struct Words {
    subject: &'static str,
    why: &'static str,
    found: &'static str,
    machines: [&'static str; 2],
    more: &'static str,
    what_to_do: &'static str,
    severities: [&'static str; 3],
}

const NB: Words = Words {
    subject: "Varde: sensoren har funnet noe mens sentralen er borte",
    why: "Hei!\n\nSensoren {sensor} får ikke kontakt med sentralen. Den følger med på nettet deres som før, og har funnet noe dere bør vite om nå:",
    found: "Dette slo ut",
    machines: ["maskin", "maskiner"],
    more: "og {count} til",
    what_to_do: "Hvilke maskiner det gjelder, står bare på sensoren. Der viser «varde-sensor alerts --config sensor.yml» dem.\n\
        Finn maskinen, og hvem som bruker den. Koble den fra nettet hvis trafikken ikke kan forklares.\n\n\
        Ingenting går tapt: alt blir sendt til sentralen når den er tilbake, det viktigste først.\n\n\
        Denne meldingen er laget av sensoren selv. Den sender høyst én i timen.",
    severities: ["middels", "høy", "kritisk"],
};

const NN: Words = Words {
    subject: "Varde: sensoren har funne noko medan sentralen er borte",
    why: "Hei!\n\nSensoren {sensor} får ikkje kontakt med sentralen. Han følgjer med på nettet dykkar som før, og har funne noko de bør vite om no:",
    found: "Dette slo ut",
    machines: ["maskin", "maskiner"],
    more: "og {count} til",
    what_to_do: "Kva maskiner det gjeld, står berre på sensoren. Der viser «varde-sensor alerts --config sensor.yml» dei.\n\
        Finn maskina, og kven som bruker ho. Kople ho frå nettet om trafikken ikkje kan forklarast.\n\n\
        Ingenting går tapt: alt blir sendt til sentralen når han er tilbake, det viktigaste først.\n\n\
        Denne meldinga er laga av sensoren sjølv. Han sender høgst éi i timen.",
    severities: ["middels", "høg", "kritisk"],
};

const EN: Words = Words {
    subject: "Varde: the sensor found something while the centre is away",
    why: "Hello!\n\nThe sensor {sensor} does not reach the centre. It watches your network as before, and has found something that you should know now:",
    found: "What matched",
    machines: ["machine", "machines"],
    more: "and {count} more",
    what_to_do: "Which machines it is about is on the sensor alone: `varde-sensor alerts --config sensor.yml` shows them there.\n\
        Find the machine and who uses it. Disconnect it if the traffic can't be explained.\n\n\
        Nothing is lost: all of it is sent to the centre when it is back, the most important first.\n\n\
        The sensor itself wrote this. It sends one mail an hour at most.",
    severities: ["medium", "high", "critical"],
};

impl Post {
    /// Of this configuration; connects only when there is something to send.
    ///
    /// # Errors
    /// If an address can't be used.
    pub fn open(mail: &Mail, sensor: &SensorId) -> anyhow::Result<Self> {
        let address = |text: &str| {
            text.parse::<Mailbox>()
                .with_context(|| format!("read `{text}` of `notify` as a mail address"))
        };
        let (host, port) = mail.relay();
        Ok(Self {
            // The site's own relay, in its own network: as its printers send.
            transport: AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
                .port(port)
                .timeout(Some(RELAY_MAX))
                .build(),
            from: address(&mail.from)?,
            to: mail.to.iter().map(|to| address(to)).collect::<Result<_, _>>()?,
            language: mail.language,
            sensor: sensor.clone(),
        })
    }

    /// Hands a mail about these words to the relay.
    ///
    /// # Errors
    /// What the relay says.
    pub async fn send(&self, told: &[Word]) -> anyhow::Result<()> {
        let (subject, text) = written(self.language, &self.sensor, told);
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.body(text).context("write the mail")?;
        self.transport
            .send(message)
            .await
            .context("hand the mail to the relay")?;
        Ok(())
    }
}

/// Sends what is told until the sensor stops.
pub(crate) async fn run(post: Post, island: Arc<Island>, clock: Clock, stop: CancellationToken) {
    let mut last: Option<Timestamp> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = clock.now();
        // Also where the clock was set back.
        let is_soon = last.is_some_and(|last| last <= now && now.since(last) < EVERY);
        if is_soon {
            continue;
        }
        let told = island.take_untold();
        if told.is_empty() {
            continue;
        }
        match post.send(&told).await {
            Ok(()) => last = Some(now),
            Err(error) => {
                // The relay's words may name who was written to.
                tracing::warn!("a mail about what matched could not be sent; it goes with the next");
                tracing::debug!(error = format!("{error:#}"), "send a mail");
                island.put_back(told);
            }
        }
    }
}

/// What is told has one of these severities, the least first; each language has a word for each.
const SEVERITIES: [&str; 3] = ["medium", "high", "critical"];

/// Subject and text of a mail.
fn written(language: Language, sensor: &SensorId, told: &[Word]) -> (String, String) {
    let words = match language {
        Language::Nb => &NB,
        Language::Nn => &NN,
        Language::En => &EN,
    };
    // The gravest first: of many, the last are only counted.
    let mut rules: BTreeMap<(Reverse<usize>, &str), BTreeSet<&str>> = BTreeMap::new();
    for word in told {
        let gravity = SEVERITIES.iter().position(|code| *code == word.severity);
        let gravity = Reverse(gravity.unwrap_or(0));
        rules
            .entry((gravity, &word.title))
            .or_default()
            .insert(&word.machine);
    }
    let mut text = words.why.replace("{sensor}", sensor.as_str());
    let _ = write!(text, "\n\n{}:\n", words.found);
    for ((Reverse(gravity), title), machines) in rules.iter().take(RULES_MAX) {
        let count = machines.len();
        let [one, several] = words.machines;
        let machines = if count == 1 { one } else { several };
        let severity = words.severities.get(*gravity).copied().unwrap_or_default();
        let _ = writeln!(text, "- {title} ({severity}, {count} {machines})");
    }
    if let Some(rest) = rules.len().checked_sub(RULES_MAX).filter(|rest| 0 < *rest) {
        let _ = writeln!(text, "- {}", words.more.replace("{count}", &rest.to_string()));
    }
    let _ = write!(text, "\n{}\n", words.what_to_do);
    (words.subject.to_owned(), text)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    fn word(title: &str, machine: &str) -> Word {
        Word {
            at: Timestamp::EPOCH,
            rule: "indicator:domain:secret.example".to_owned(),
            title: title.to_owned(),
            severity: "high".to_owned(),
            machine: machine.to_owned(),
            dataset: "network.dns".to_owned(),
        }
    }

    #[test]
    fn a_mail_says_what_matched_and_not_where() {
        let sensor: SensorId = "sensor-1".parse().expect("an id");
        let mut told = vec![
            word("Known bad domain", "10.20.0.15"),
            word("Known bad domain", "fd00:20::15"),
            // Again in the next hour, which is no other machine.
            word("Known bad domain", "fd00:20::15"),
        ];
        let grave = |title: &str, severity: &str| Word {
            severity: severity.to_owned(),
            ..word(title, "10.20.0.15")
        };
        // The gravest is shown whatever its name, and of the least only how many there are.
        told.extend([grave("Åpen dør", "critical"), grave("A Chain", "medium")]);
        told.extend((2..RULES_MAX).map(|number| word(&format!("Rule {number}"), "10.20.0.15")));
        for (language, parts) in [
            (
                Language::Nb,
                [
                    "Åpen dør (kritisk, 1 maskin)",
                    "Known bad domain (høy, 2 maskiner)",
                    "og 1 til",
                ],
            ),
            (
                Language::Nn,
                [
                    "Åpen dør (kritisk, 1 maskin)",
                    "Known bad domain (høg, 2 maskiner)",
                    "og 1 til",
                ],
            ),
            (
                Language::En,
                [
                    "Åpen dør (critical, 1 machine)",
                    "Known bad domain (high, 2 machines)",
                    "and 1 more",
                ],
            ),
        ] {
            let (subject, text) = written(language, &sensor, &told);
            for part in parts.into_iter().chain(["sensor-1"]) {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("A Chain"), "{text}");
            for secret in ["10.20.0.15", "fd00", "secret", "{"] {
                assert!(!text.contains(secret) && !subject.contains(secret), "{text}");
            }
        }
    }

    /// A relay that takes one mail, and what it got.
    async fn relay(listener: TcpListener) -> String {
        let (stream, _) = listener.accept().await.expect("a client");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 relay\r\n").await.expect("written");
        let (mut got, mut is_data) = (String::new(), false);
        while let Ok(Some(line)) = lines.next_line().await {
            got += &line;
            got.push('\n');
            let answer: &[u8] = match line.as_str() {
                "." => {
                    is_data = false;
                    b"250 taken\r\n"
                }
                _ if is_data => continue,
                "DATA" => {
                    is_data = true;
                    b"354 go on\r\n"
                }
                "QUIT" => b"221 bye\r\n",
                _ => b"250 good\r\n",
            };
            write.write_all(answer).await.expect("written");
            if answer.starts_with(b"250 taken") {
                break;
            }
        }
        got
    }

    #[tokio::test]
    async fn a_relay_gets_it_for_each_receiver() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let text = format!(
            "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\nbus: {{ embedded: {{ directory: unused }} }}\n\
             sources: []\nnotify: {{ mail: {{ relay: \"{}\", from: varde@vardedal.example, to: [it@vardedal.example, \
             vakt@vardedal.example], language: nn }} }}\n",
            listener.local_addr().expect("an address")
        );
        let config = crate::config::parse(&text, "sensor.yml").expect("reads");
        let mail = config.notify.mail.as_ref().expect("there");
        let post = Post::open(mail, &config.context.sensor).expect("opens");
        let told = [word("Known bad domain", "10.20.0.15")];
        let (got, sent) = tokio::join!(relay(listener), post.send(&told));
        sent.expect("sent");
        for part in [
            "MAIL FROM:<varde@vardedal.example>",
            "RCPT TO:<it@vardedal.example>",
            "RCPT TO:<vakt@vardedal.example>",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(got.contains(part), "{got}");
        }
        assert!(!got.contains("10.20.0.15"), "{got}");
    }
}
