//! A million incidents in the store: lists, filters, searches and opening one, over the service's own HTTP, on SQLite and on
//! PostgreSQL (`VARDE_TEST_POSTGRES`). Each kind of question goes by turns with the others and with the cheapest route that asks the
//! store who asks.

mod client;
mod made;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use ingest_bus::{Bus, Cleanup, Topic, TopicSpec};
use serde_json::Value;
use sqlx::{AnyConnection, Connection as _};
use tokio_util::sync::CancellationToken;

use crate::measure::{Against, Bar, Contender, Row};
use client::Client;
use made::{LINES, Made, token};

/// Incidents, unless `VARDE_BENCH_INCIDENTS` says another number.
const COUNT: i64 = 1_000_000;
/// Times that each kind of question is asked; the 99th percentile is the third slowest.
const ROUNDS: usize = 300;
/// What is promised, milliseconds.
const PROMISED: f64 = 50.0;
/// Pages that are gone through before a deep one is measured.
const DEEP: usize = 100;

/// One kind of question.
struct Question {
    work: &'static str,
    asker: &'static str,
    /// One of these at a time, by turns.
    paths: Vec<String>,
    /// Rows that each answer must have; `None` for what is no list.
    rows: Option<usize>,
    /// The total that each answer must tell, and whether that is all, if it was worked out here.
    total: Option<(i64, bool)>,
    times: Vec<Duration>,
}

/// # Errors
/// If a store can't be filled, or an answer is not what it must be.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let count = match std::env::var("VARDE_BENCH_INCIDENTS") {
        Ok(text) => text.parse().context("VARDE_BENCH_INCIDENTS: a number")?,
        Err(_) => COUNT,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut rows = Vec::new();
        for (state, closed) in [("mostly closed", 95), ("all open", 0)] {
            for server in [None, std::env::var("VARDE_TEST_POSTGRES").ok()] {
                if server.is_none() && rows.iter().any(|row: &Row| row.corpus.contains(state)) {
                    continue; // No PostgreSQL to measure on.
                }
                let store = if server.is_some() { "PostgreSQL" } else { "SQLite" };
                let corpus = format!("{store}, {count} incidents, {state}");
                rows.extend(measure(&corpus, server.as_deref(), count, closed).await?);
            }
        }
        Ok(rows)
    })
}

async fn measure(corpus: &str, server: Option<&str>, count: i64, closed: i64) -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let database = match server {
        None => format!("sqlite:{}/data/alerting.sqlite", folder.path().display()),
        Some(server) => {
            let name = format!("bench_{}_{closed}", std::process::id());
            let mut connection = AnyConnection::connect(server).await?;
            made::run(&mut connection, &format!("CREATE DATABASE {name}")).await?;
            let (start, _) = server.rsplit_once('/').context("an address with a database")?;
            format!("{start}/{name}")
        }
    };
    let done = measured(corpus, folder.path(), &database, server.is_some(), count, closed).await;
    if let (Some(server), Some((_, name))) = (server, database.rsplit_once('/')) {
        let mut connection = AnyConnection::connect(server).await?;
        made::run(&mut connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    }
    done
}

async fn measured(
    corpus: &str,
    folder: &Path,
    database: &str,
    is_postgres: bool,
    count: i64,
    closed: i64,
) -> anyhow::Result<Vec<Row>> {
    let config = configuration(folder, database, is_postgres)?;
    let bus = Bus::open(&config.bus.clone().named("bench")).await?;
    let topic = Topic::parse(alerts_topic())?;
    let spec = TopicSpec {
        topic,
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention: Duration::from_secs(3_600),
        },
        max_record_bytes: 1 << 20,
    };
    bus.ensure_topics(&[spec]).await?;
    // Once, so that the tables are there.
    let (_, stop) = serve(&config, &bus).await?;
    stop.await?;
    let mut connection = AnyConnection::connect(database).await?;
    if !is_postgres {
        for pragma in ["PRAGMA cache_size = -1000000", "PRAGMA synchronous = OFF"] {
            made::run(&mut connection, pragma).await?;
        }
    }
    let made = made::fill(&mut connection, count, closed).await?;
    if is_postgres {
        // What filling leaves to be done is no part of answering.
        for text in ["VACUUM ANALYZE", "CHECKPOINT"] {
            made::run(&mut connection, text).await?;
        }
    }
    let mut questions = questions(&mut connection, &made).await?;
    connection.close().await?;
    let (address, stop) = serve(&config, &bus).await?;
    if is_postgres {
        // Nor is what taking them into what is searched leaves.
        let mut connection = AnyConnection::connect(database).await?;
        made::run(&mut connection, "CHECKPOINT").await?;
        connection.close().await?;
    }
    let mut client = Client::connect(address)?;
    deepen(&mut client, &mut questions)?;
    for question in &mut questions {
        question.ask(&mut client, 0)?;
        question.times.clear();
    }
    for round in 0..ROUNDS {
        for question in &mut questions {
            question.ask(&mut client, round)?;
        }
    }
    drop(client);
    stop.await?;
    let (floor, rest) = questions.split_first_mut().context("a floor")?;
    floor.times.sort();
    let rows = rest.iter_mut().map(|question| question.row(corpus, &floor.times));
    Ok(rows.collect())
}

fn alerts_topic() -> &'static str {
    detect_alert::topic::ALERTS
}

/// Starts the service; what is given back ends it.
async fn serve(
    config: &alerting::config::Config,
    bus: &Bus,
) -> anyhow::Result<(
    std::net::SocketAddr,
    impl Future<Output = anyhow::Result<()>> + use<>,
)> {
    let stop = CancellationToken::new();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let service = tokio::spawn(alerting::service::run(
        config.clone(),
        bus.clone(),
        alerting::clock::machine(),
        stop.clone(),
        move |running| {
            let _ = ready.send(running.address);
        },
    ));
    let Ok(address) = is_ready.await else {
        service.await??;
        anyhow::bail!("alerting ended before it was ready");
    };
    Ok((address, async move {
        stop.cancel();
        service.await?
    }))
}

fn configuration(
    folder: &Path,
    database: &str,
    is_postgres: bool,
) -> anyhow::Result<alerting::config::Config> {
    std::fs::write(folder.join("responders.yml"), "organizations: []\n")?;
    std::fs::write(folder.join("store.url"), database)?;
    let municipalities = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing/municipalities.csv");
    let store = if is_postgres {
        format!(
            "store: {{ postgres: {{ url_file: {}/store.url }} }}\n",
            folder.display()
        )
    } else {
        String::new()
    };
    let path = folder.join("alerting.yml");
    std::fs::write(
        &path,
        format!(
            "bus: {{ embedded: {{ directory: {folder}/bus }} }}\ndata: {folder}/data\nlisten: 127.0.0.1:0\n\
             registry: {{ municipalities: {}, responders: {folder}/responders.yml }}\n\
             cert: {{ name: Bench, phone: \"+47 22 00 00 00\", email: vakt@cert.example }}\n\
             access: {{ organization: '958935420' }}\n{store}",
            municipalities.display(),
            folder = folder.display()
        ),
    )?;
    Ok(alerting::config::Config::read(&path)?)
}

/// What is asked; the first is the floor.
async fn questions(connection: &mut AnyConnection, made: &Made) -> anyhow::Result<Vec<Question>> {
    use sqlx::Row as _;
    let list = |query: &str| format!("/api/v1/incidents?{query}");
    let count = async |connection: &mut AnyConnection, condition: String| -> anyhow::Result<i64> {
        let text = format!("SELECT count(*) FROM incident WHERE {condition}");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .fetch_one(connection)
            .await?;
        Ok(row.try_get(0)?)
    };
    let quoted = |owners: &[&str]| format!("owner IN ('{}')", owners.join("', '"));
    let reversed: Vec<&str> = made.owners.iter().rev().map(|owner| owner.as_str()).collect();
    let (one, hundred) = (
        quoted(reversed.get(..1).unwrap_or_default()),
        quoted(reversed.get(..100).unwrap_or_default()),
    );
    let mut questions = vec![
        Question::new("cheapest", "analyst", vec!["/api/v1/me".to_owned()], None, None),
        Question::new(
            "list, all",
            "analyst",
            vec![list("")],
            Some(50),
            Some((made.count, true)),
        ),
    ];
    let states = count(connection, "state IN ('new', 'seen')".to_owned()).await?;
    questions.push(Question::new(
        "list, two states",
        "analyst",
        vec![list("state=new,seen")],
        Some(50),
        Some((states, true)),
    ));
    let high = count(connection, "severity IN (4, 5)".to_owned()).await?;
    questions.push(Question::new(
        "list, two severities",
        "analyst",
        vec![list("severity=high,critical")],
        Some(50),
        Some((high, true)),
    ));
    let both = count(connection, "state = 'acknowledged' AND severity = 5".to_owned()).await?;
    questions.push(Question::new(
        "list, a state and a severity",
        "analyst",
        vec![list("state=acknowledged&severity=critical")],
        Some(50),
        Some((both, true)),
    ));
    let owners = made
        .owners
        .iter()
        .map(|owner| list(&format!("organization={owner}")))
        .collect();
    questions.push(Question::new(
        "list, an organisation",
        "analyst",
        owners,
        Some(50),
        None,
    ));
    let of_one = count(connection, one.clone()).await?;
    questions.push(Question::new(
        "list, a responder of one organisation",
        "of-one",
        vec![list("")],
        Some(50),
        Some((of_one, true)),
    ));
    let of_hundred = count(connection, hundred.clone()).await?;
    questions.push(Question::new(
        "list, a responder of a hundred",
        "of-hundred",
        vec![list("")],
        Some(50),
        Some((of_hundred, true)),
    ));
    let new = count(connection, format!("{hundred} AND state = 'new'")).await?;
    questions.push(Question::new(
        "list, a state, a responder of a hundred",
        "of-hundred",
        vec![list("state=new")],
        Some(50),
        Some((new, true)),
    ));
    questions.push(Question::new(
        "list, a state, a responder of all",
        "of-all",
        vec![list("state=new")],
        Some(50),
        None,
    ));
    // Filled in by `deepen`.
    questions.push(Question::new(
        "list, hundred pages down",
        "analyst",
        vec![list("limit=50")],
        Some(50),
        None,
    ));
    questions.push(Question::new(
        "search, hundred pages down",
        "analyst",
        vec![list("limit=50&q=portskanning")],
        Some(50),
        None,
    ));
    for (work, asker, query, rows, total) in [
        (
            "search, a common word",
            "analyst",
            "q=portskanning",
            Some(50),
            Some((500, false)),
        ),
        (
            "search, a common word, a responder of one",
            "of-one",
            "q=portskanning",
            Some(50),
            None,
        ),
        (
            "search, a common word, a responder of a hundred",
            "of-hundred",
            "q=portskanning",
            Some(50),
            Some((500, false)),
        ),
        (
            "search, a common word and a state",
            "analyst",
            "q=portskanning&state=new",
            Some(50),
            None,
        ),
        (
            "search, nothing found",
            "analyst",
            "q=finnes-ikke",
            Some(0),
            Some((0, true)),
        ),
        (
            "search, nothing found of common letters",
            "analyst",
            "q=klienterskanning",
            Some(0),
            Some((0, true)),
        ),
        (
            "search, nothing found, a responder of a hundred",
            "of-hundred",
            "q=finnes-ikke",
            Some(0),
            Some((0, true)),
        ),
    ] {
        questions.push(Question::new(work, asker, vec![list(query)], rows, total));
    }
    // Text that one or a few have: addresses, all over the store.
    let few = sqlx::query("SELECT number FROM incident WHERE number % 9973 = 1 ORDER BY number")
        .fetch_all(&mut *connection)
        .await?;
    let mut rare = Vec::new();
    let mut ids = Vec::new();
    for row in few.iter().take(ROUNDS) {
        let number: i64 = row.try_get(0)?;
        let query = sqlx::query("SELECT id, search FROM incident WHERE number = $1").bind(number);
        let row = query.fetch_one(&mut *connection).await?;
        let (id, search): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let entity = search.lines().nth(3).context("what it is about")?;
        rare.push(list(&format!("q={entity}")));
        ids.push(format!("/api/v1/incidents/{id}"));
    }
    questions.push(Question::new("search, an address", "analyst", rare, None, None));
    questions.push(Question::new("open one", "analyst", ids, None, None));
    let first = sqlx::query("SELECT id FROM incident WHERE number = 1")
        .fetch_one(connection)
        .await?;
    let first: String = first.try_get(0)?;
    questions.push(Question::new(
        "open one with 10,000 lines of timeline",
        "analyst",
        vec![format!("/api/v1/incidents/{first}")],
        None,
        None,
    ));
    questions.push(Question::new(
        "organisations",
        "analyst",
        vec!["/api/v1/organizations".to_owned()],
        None,
        None,
    ));
    Ok(questions)
}

/// Goes down page by page to where the deep ones begin; each incident is there once.
fn deepen(client: &mut Client, questions: &mut [Question]) -> anyhow::Result<()> {
    for question in questions
        .iter_mut()
        .filter(|question| question.work.ends_with("pages down"))
    {
        let Some(first) = question.paths.first().cloned() else {
            continue;
        };
        let (mut path, mut seen) = (first.clone(), std::collections::BTreeSet::new());
        for _ in 0..DEEP {
            let answer = client.get(&path, &token(question.asker))?;
            for incident in answer
                .get("incidents")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let id = incident.get("id").and_then(Value::as_str).unwrap_or_default();
                anyhow::ensure!(seen.insert(id.to_owned()), "{} shows {id} twice", question.work);
            }
            let next = answer
                .get("next_cursor")
                .and_then(Value::as_str)
                .context("a next page")?;
            path = format!("{first}&cursor={next}");
        }
        anyhow::ensure!(
            seen.len() == DEEP * 50,
            "{}: {} incidents",
            question.work,
            seen.len()
        );
        question.paths = vec![path];
    }
    Ok(())
}

impl Question {
    const fn new(
        work: &'static str,
        asker: &'static str,
        paths: Vec<String>,
        rows: Option<usize>,
        total: Option<(i64, bool)>,
    ) -> Self {
        Self {
            work,
            asker,
            paths,
            rows,
            total,
            times: Vec::new(),
        }
    }

    /// Asks it, and looks whether the answer is what it must be.
    fn ask(&mut self, client: &mut Client, round: usize) -> anyhow::Result<()> {
        let path = self.paths.get(round % self.paths.len()).context("a path")?;
        let answer = client.get(path, &token(self.asker))?;
        self.times.push(client.took());
        let rows = answer.get("incidents").and_then(Value::as_array).map(Vec::len);
        let total = answer.get("total").and_then(Value::as_i64);
        let is_exact = answer.get("total_is_exact").and_then(Value::as_bool);
        if let Some(wanted) = self.rows {
            anyhow::ensure!(rows == Some(wanted), "{}: {rows:?} rows, not {wanted}", self.work);
        }
        if let Some((wanted, all)) = self.total {
            let is_it = if all {
                total == Some(wanted)
            } else {
                Some(wanted) <= total
            };
            anyhow::ensure!(
                is_it && is_exact == Some(all),
                "{}: a total of {total:?} ({is_exact:?}), not {wanted}",
                self.work
            );
        }
        if self.work == "search, an address" {
            anyhow::ensure!(0 < total.unwrap_or(0), "{path}: nothing found");
        }
        if self.work.starts_with("open one with") {
            let lines = answer.get("timeline").and_then(Value::as_array).map(Vec::len);
            let most = usize::try_from(LINES)?;
            anyhow::ensure!(
                lines.is_some_and(|lines| 0 < lines && lines < most),
                "{lines:?} lines"
            );
        }
        Ok(())
    }

    fn row(&mut self, corpus: &str, floor: &[Duration]) -> Row {
        self.times.sort();
        let milliseconds = |times: &[Duration], percent: usize| {
            let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times
                .get(at)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
        };
        let (median, slow) = (milliseconds(&self.times, 50), milliseconds(&self.times, 99));
        let (floor_median, floor_slow) = (milliseconds(floor, 50), milliseconds(floor, 99));
        Row {
            bench: "incidents",
            work: self.work,
            corpus: corpus.to_owned(),
            unit: "1/s at p99",
            ours: 1_000.0 / slow,
            floor: Some(Contender {
                name: "the promise, 50 ms".to_owned(),
                figure: 1_000.0 / PROMISED,
            }),
            peer: Some(Contender {
                name: "the cheapest route".to_owned(),
                figure: 1_000.0 / floor_slow,
            }),
            bar: Some(Bar {
                against: Against::Floor,
                at_least: 1.0,
            }),
            checked: format!(
                "{} answers; the median is {:.2} of the promise, and {:.1} times that of the cheapest route",
                self.times.len(),
                median / PROMISED,
                median / floor_median
            ),
        }
    }
}
