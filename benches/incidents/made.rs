//! A store full of incidents, made from a seed by the database itself: of all municipalities in turn and of one more than of
//! others, with forty rules, addresses of both families, and three samples each.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use detect_alert::{
    Alert, AlertId, Confidence, Entity, EventSample, Evidence, Pap, Producer, ProducerKind, RuleId,
    RulesetVersion, Severity, Tlp,
};
use ingest_event::{EventId, Fields, Marking, OrganizationNumber, SensorId, Timestamp, Zone};
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

/// Rules; each is found by its own words, and half of them by a common one.
const RULES: usize = 40;
/// The time at which the first is opened, in nanoseconds; the others follow by the second.
const START: i64 = 1_772_438_400_000_000_000;
/// Lines of the timeline of the incident that has many.
pub(super) const LINES: i64 = 10_000;

/// Who asks: their token and for how many organisations they are responders; `None` is an analyst of the CERT.
pub(super) const ASKERS: [(&str, Option<usize>); 4] = [
    ("analyst", None),
    ("of-one", Some(1)),
    ("of-hundred", Some(100)),
    ("of-all", Some(400)),
];

/// The token of one of them, in the shape of those that the service makes.
pub(super) fn token(asker: &str) -> String {
    format!("{asker:A<43}")
}

/// What was made, for questions and for what answers must count.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Whose they are; the first has a tenth more than the others together have on average.
    pub(super) owners: Vec<OrganizationNumber>,
    pub(super) count: i64,
}

/// The municipalities of the registry.
pub(super) fn owners() -> anyhow::Result<Vec<OrganizationNumber>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing/municipalities.csv");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let numbers = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(8)?.parse().ok());
    Ok(numbers.collect())
}

/// Fills a store that has this version's tables and no incidents. Of a hundred, `closed` are closed.
pub(super) async fn fill(connection: &mut AnyConnection, count: i64, closed: i64) -> anyhow::Result<Made> {
    let owners = owners()?;
    run(
        connection,
        "CREATE TABLE made_rule (slot BIGINT PRIMARY KEY, lead TEXT NOT NULL, search TEXT NOT NULL)",
    )
    .await?;
    run(
        connection,
        "CREATE TABLE made_owner (slot BIGINT PRIMARY KEY, number TEXT NOT NULL)",
    )
    .await?;
    for slot in 0..RULES {
        let (lead, search) = rule(slot)?;
        let query = sqlx::query("INSERT INTO made_rule (slot, lead, search) VALUES ($1, $2, $3)");
        query
            .bind(i64::try_from(slot)?)
            .bind(lead)
            .bind(search)
            .execute(&mut *connection)
            .await?;
    }
    for (slot, owner) in owners.iter().enumerate() {
        let query = sqlx::query("INSERT INTO made_owner (slot, number) VALUES ($1, $2)");
        query
            .bind(i64::try_from(slot)?)
            .bind(owner.as_str())
            .execute(&mut *connection)
            .await?;
    }
    let bodies = owners.len();
    // Every tenth is of the first, whoever's turn it is. Numbers without a pattern are multiples in a prime field.
    let text = format!(
        "INSERT INTO incident (id, dedup, lead, organization, owner, severity, count, first_seen, last_seen, state, priority,
             opened_at, updated_at, version, route, search, change, number, kin)
         WITH RECURSIVE counted(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM counted WHERE n < {count}),
         drawn AS (SELECT n, (n * 7919317) % 100000007 + 100000000 AS id, (n * 48271) % 2147483647 AS draw FROM counted),
         placed AS (SELECT n, id, draw, CASE WHEN draw % 10 = 0 THEN 0 ELSE draw % {bodies} END AS body,
             (draw / 11) % {RULES} AS rule, (draw / 7) % 5 + 1 AS severity, CASE
                 WHEN (draw / 13) % 100 < {closed} THEN 'closed' WHEN draw % 4 = 0 THEN 'new' WHEN draw % 4 = 1 THEN 'seen'
                 WHEN draw % 4 = 2 THEN 'acknowledged' ELSE 'notified' END AS state,
             CASE WHEN draw % 2 = 0 THEN '10.' || CAST((draw / 65536) % 256 AS TEXT) || '.' || CAST((draw / 256) % 256 AS TEXT)
                     || '.' || CAST(draw % 256 AS TEXT)
                 ELSE '2001:db8:' || CAST(draw % 9973 AS TEXT) || '::' || CAST(n AS TEXT) END AS entity,
             {START} + n * 1000000000 AS at FROM drawn)
         SELECT CAST(id AS TEXT) || '0123456789abcdef0123456', 'made-' || CAST(n AS TEXT),
             replace(replace(lead, '10.99.99.99', entity), '958935420', number), number, number, severity, 1, at, at, state, 'normal',
             at, at + (draw % 86400) * 1000000000, 1, '[]',
             CAST(id AS TEXT) || '0123456789abcdef0123456' || replace(replace(search, '10.99.99.99', entity), '958935420', number),
             n, n, 'made'
         FROM placed JOIN made_rule ON made_rule.slot = rule JOIN made_owner ON made_owner.slot = body ORDER BY n"
    );
    run(connection, &text).await.context("fill in incidents")?;
    run(
        connection,
        "INSERT INTO incident_tally (owner, state, severity, count)
             SELECT owner, state, severity, count(*) FROM incident GROUP BY owner, state, severity",
    )
    .await?;
    let text = format!(
        "INSERT INTO timeline (incident, number, at, kind, actor, text)
         WITH RECURSIVE counted(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM counted WHERE n < {LINES})
         SELECT id, n, updated_at, 'comment', 'varde', 'what happened, line ' || CAST(n AS TEXT)
         FROM counted CROSS JOIN (SELECT id, updated_at FROM incident WHERE number = 1) AS first"
    );
    run(connection, &text).await.context("fill in a timeline")?;
    run(connection, "DROP TABLE made_rule").await?;
    run(connection, "DROP TABLE made_owner").await?;
    accounts(connection, &owners).await?;
    let query = sqlx::query("SELECT count(*) FROM incident");
    let stored: i64 = query.fetch_one(&mut *connection).await?.try_get(0)?;
    anyhow::ensure!(stored == count, "{stored} incidents were made, not {count}");
    Ok(Made { owners, count })
}

async fn accounts(connection: &mut AnyConnection, owners: &[OrganizationNumber]) -> anyhow::Result<()> {
    let far = i64::MAX / 2;
    for (index, (name, few)) in ASKERS.iter().enumerate() {
        let id = format!("{index:032x}");
        run(
            connection,
            &format!("INSERT INTO account (id, login, name, kind, totp_step, created_at) VALUES ('{id}', '{name}', '{name}', 'machine', 0, 0)"),
        )
        .await?;
        let grants: Vec<(&str, &str)> = match few {
            None => vec![("analyst", "")],
            Some(few) => owners
                .iter()
                .rev()
                .take(*few)
                .map(|owner| ("responder", owner.as_str()))
                .collect(),
        };
        for (role, organization) in grants {
            run(
                connection,
                &format!("INSERT INTO account_grant (account, role, organization) VALUES ('{id}', '{role}', '{organization}')"),
            )
            .await?;
        }
        let digest: String = Sha256::digest(token(name).as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        run(
            connection,
            &format!("INSERT INTO api_token (digest, account, actions, created_at, ends_at) VALUES ('{digest}', '{id}', 'read,read_internals', 0, {far})"),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn run(connection: &mut AnyConnection, text: &str) -> anyhow::Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await;
    done.map(|_| ())
        .with_context(|| text.chars().take(80).collect::<String>())
}

/// The alert of a rule, as it is stored, and what a search looks in.
fn rule(slot: usize) -> anyhow::Result<(String, String)> {
    const THINGS: [&str; 8] = [
        "Portskanning",
        "Passordgjetting",
        "Fjernstyring",
        "Utførsel",
        "Kodekjøring",
        "Varsellampe",
        "Sideflytting",
        "Utpressing",
    ];
    const PLACES: [&str; 5] = [
        "mot klienter",
        "i skolenettet",
        "på rådhuset",
        "fra leverandør",
        "i vannverket",
    ];
    let thing = THINGS.get(slot % THINGS.len()).copied().unwrap_or_default();
    let place = PLACES
        .get(slot / THINGS.len() % PLACES.len())
        .copied()
        .unwrap_or_default();
    let name = format!("{thing} {place}");
    let organization = OrganizationNumber::parse("958935420")?;
    let entity = "10.99.99.99";
    let id = RuleId(format!("varde-{slot:02}-rule"));
    let sample = |number: usize| {
        let mut fields = Fields::new();
        for (field, value) in [
            ("source.ip", entity),
            ("destination.ip", "2001:db8::53"),
            ("user.name", "made"),
            ("dns.question.name", "made.example"),
        ] {
            fields.set(field, value);
        }
        EventSample {
            id: EventId::derive(&[&number.to_le_bytes()]),
            timestamp: Timestamp::from_nanos(START),
            dataset: "network.flow".to_owned(),
            fields,
        }
    };
    let texts = |text: &str| -> BTreeMap<String, String> {
        ["nb", "nn", "en"]
            .map(|language| (language.to_owned(), text.to_owned()))
            .into()
    };
    let summary = format!("{name}: en maskin gjør noe som den ikke pleier, og noen bør se på den i dag.");
    let alert = Alert {
        id: AlertId::derive(&id, organization, &[entity]),
        timestamp: Timestamp::from_nanos(START),
        organization,
        sensor: SensorId::parse("s-1")?,
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: false,
        severity: Severity::High,
        confidence: Confidence::Medium,
        tlp: Tlp::Amber,
        pap: Pap::Green,
        producer: Producer {
            kind: ProducerKind::Sigma,
            id: id.clone(),
            name: name.clone(),
            version: "0011223344556677".to_owned(),
            ruleset: RulesetVersion("8899aabbccddeeff".to_owned()),
            authors: vec!["Varde".to_owned()],
            license: None,
            description: "Hva som skjedde og hvorfor det er verdt å se på, over noen linjer. ".repeat(6),
            references: vec!["https://made.example/reference".to_owned()],
            tags: vec!["attack.t1046".to_owned()],
            false_positives: vec!["En sårbarhetsskanner som dere selv kjører".to_owned()],
            incident: None,
            summary: texts(&summary),
            first_step: texts("Koble maskinen fra nettet, og la den stå på."),
        },
        indicator: None,
        entity: Entity {
            field: "source.ip".to_owned(),
            value: entity.to_owned(),
        },
        evidence: vec![Evidence {
            event: EventId::derive(&[b"made"]),
            field: "source.ip".to_owned(),
            value: entity.to_owned(),
            matched: "is it".to_owned(),
        }],
        window: None,
        events: (0..3).map(sample).collect(),
    };
    let search = format!(
        "\n{name}\n{}\n{entity}\n{organization}\n{summary}\n{summary}\n{summary}",
        id.0
    );
    let lead = String::from_utf8(detect_alert::encode(&alert))?;
    Ok((lead, search.to_lowercase()))
}
