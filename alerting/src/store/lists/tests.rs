//! Lists, filters and searches against a naive look at the same incidents, on both stores, with everything bounded so tightly
//! that a few hundred incidents reach every bound.

use std::{collections::BTreeMap, path::Path};

use alerting_incident::{
    Change, ChangeKind, History,
    access::{Action, Grant, Login, Principal, Role},
    apply,
};
use detect_alert::{
    Alert, AlertId, Confidence, Entity, Pap, Producer, ProducerKind, RuleId, RulesetVersion, Tlp,
};
use ingest_event::{Marking, SensorId, Zone};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;
use crate::config::StoreSettings;

/// Organisation numbers are made from these, with their check digit.
const OWNERS: u32 = 9;

/// What the store should know.
#[derive(Clone, Debug)]
struct Known {
    number: i64,
    change: Change,
    owner: OrganizationNumber,
    search: String,
}

/// The same numbers for the same seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).expect("small")).expect("small")
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn some<T: Clone + Ord>(&mut self, of: &[T], most: usize) -> BTreeSet<T> {
        (0..self.below(most + 1)).map(|_| self.one_of(of)).collect()
    }
}

#[tokio::test]
async fn sqlite_says_what_a_naive_look_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = async || {
        Store::open(&StoreSettings::Sqlite, folder.path())
            .await
            .expect("open")
    };
    for seed in 0..3 {
        let store = open().await;
        compare(seed, store, &open).await;
        let file = folder.path().join("alerting.sqlite");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
    }
}

#[tokio::test]
async fn postgres_says_what_a_naive_look_says() {
    let Ok(server) = std::env::var("VARDE_TEST_POSTGRES") else {
        assert!(std::env::var("CI").is_err(), "VARDE_TEST_POSTGRES is not set");
        println!("passed over: VARDE_TEST_POSTGRES is not set (scripts/postgres start prints it)");
        return;
    };
    let name = format!("lists_{}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.expect("connected");
    let mut run = async |text: String| {
        let query = sqlx::query(AssertSqlSafe(text)).execute(&mut connection);
        query.await.expect("done");
    };
    for seed in 10..12 {
        run(format!("CREATE DATABASE {name}")).await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("url");
        let (start, _) = server.rsplit_once('/').expect("a database");
        std::fs::write(&file, format!("{start}/{name}")).expect("written");
        let settings = format!("postgres: {{ url_file: {} }}", file.display());
        let settings: StoreSettings = serde_saphyr::from_str(&settings).expect("settings");
        let open = async || Store::open(&settings, Path::new(".")).await.expect("open");
        compare(seed, open().await, &open).await;
        run(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

async fn compare(seed: u64, mut store: Store, open: &impl AsyncFn() -> Store) {
    let mut draw = Draw(seed);
    let mut known: BTreeMap<IncidentId, Known> = BTreeMap::new();
    for round in 0..12 {
        let mut write = store.begin().await.expect("begun");
        for _ in 0..draw.below(60) {
            change_something(&mut draw, &mut write, &mut known).await;
        }
        store.commit(write).await.expect("committed");
        if round == 6 {
            // As before this version: nothing is sealed, and it opens.
            for table in ["search_gram", "search_chunk"] {
                let text = AssertSqlSafe(format!("DELETE FROM {table}"));
                sqlx::query(text).execute(&store.writer).await.expect("deleted");
            }
            drop(store);
            store = open().await;
        }
        let open = known
            .values()
            .filter(|one| one.change.incident.state != State::Closed)
            .count();
        assert_eq!(
            store.open_incidents().await.expect("counted"),
            i64::try_from(open).expect("few")
        );
        for _ in 0..30 {
            ask(&mut draw, &store, &known).await;
        }
        leaf_through_while_some_change(&mut draw, &store, &mut known).await;
    }
    store.writer.close().await;
    store.reader.close().await;
}

fn organization(number: u32) -> OrganizationNumber {
    let mut tens = (0..10).map(|digit| format!("91{number:06}{digit}"));
    tens.find_map(|text| OrganizationNumber::parse(&text).ok())
        .unwrap_or_else(|| organization(number + 100))
}

fn owners() -> Vec<OrganizationNumber> {
    (0..OWNERS).map(organization).collect()
}

const WORDS: [&str; 8] = [
    "portskanning",
    "ægir",
    "100%",
    "a_b\\c",
    "10.20.3.4",
    "2001:db8::7",
    "šuorggis",
    "x",
];

async fn change_something(
    draw: &mut Draw,
    write: &mut super::super::Write,
    known: &mut BTreeMap<IncidentId, Known>,
) {
    let is_new = known.is_empty() || draw.below(3) < 2;
    let mut one = if is_new {
        let alert = alert(u32::try_from(known.len()).expect("few"));
        let nothing = History {
            applied: false,
            latest: None,
            crowd: None,
            near: 0,
            silence: None,
        };
        let opened = apply(nothing, &alert, Timestamp::from_nanos(0)).expect("an incident");
        Known {
            number: i64::try_from(known.len()).expect("few") + 1,
            change: opened,
            owner: organization(0),
            search: String::new(),
        }
    } else {
        let place = draw.below(known.len());
        known.values().nth(place).expect("one").clone()
    };
    let incident = &mut one.change.incident;
    incident.state = draw.one_of(State::ALL);
    incident.lead.severity = draw.one_of(&Severity::ALL);
    // Many at the same time, and clocks are set back.
    incident.updated_at = Timestamp::from_nanos(i64::try_from(draw.below(40)).expect("few"));
    one.change.kind = ChangeKind::Progressed;
    one.change.timeline.clear();
    // One has most of them.
    one.owner = if draw.below(2) == 0 {
        organization(0)
    } else {
        draw.one_of(&owners())
    };
    let words = (0..=draw.below(4)).map(|_| draw.one_of(&WORDS));
    one.search = words.collect::<Vec<_>>().join("\n");
    let (change, owner) = (&one.change, one.owner);
    Store::save_change(write, change, owner, &serde_json::json!([]), &one.search)
        .await
        .expect("saved");
    known.insert(one.change.incident.id.clone(), one);
}

fn alert(number: u32) -> Alert {
    Alert {
        id: AlertId::derive(&RuleId("r".to_owned()), organization(0), &[&number.to_string()]),
        timestamp: Timestamp::EPOCH,
        organization: organization(0),
        sensor: SensorId::parse("s").expect("valid"),
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: false,
        severity: Severity::High,
        confidence: Confidence::Medium,
        tlp: Tlp::Amber,
        pap: Pap::Green,
        producer: Producer {
            kind: ProducerKind::Sigma,
            id: RuleId("r".to_owned()),
            name: "n".to_owned(),
            version: "v".to_owned(),
            ruleset: RulesetVersion("s".to_owned()),
            authors: vec![],
            license: None,
            description: String::new(),
            references: vec![],
            tags: vec![],
            false_positives: vec![],
            incident: None,
            summary: BTreeMap::new(),
            first_step: BTreeMap::new(),
        },
        indicator: None,
        entity: Entity {
            field: "source.ip".to_owned(),
            value: number.to_string(),
        },
        evidence: vec![],
        window: None,
        events: vec![],
    }
}

fn question(draw: &mut Draw) -> (Option<BTreeSet<OrganizationNumber>>, Seen, Filter) {
    let few = match draw.below(3) {
        0 => None,
        1 => Some(draw.some(&owners(), 2)),
        _ => Some(draw.some(&owners(), 12)),
    };
    let grants: Vec<Grant> = match &few {
        None => vec![Grant::of_all(Role::Analyst)],
        Some(few) => few
            .iter()
            .map(|owner| Grant {
                role: Role::Responder,
                organization: Some(*owner),
                until: None,
            })
            .collect(),
    };
    let principal = Principal::new("p".to_owned(), Login::Local, &grants, Timestamp::EPOCH, |one| {
        [one].into()
    });
    let mut filter = Filter::default();
    if draw.below(2) == 0 {
        filter.states = draw.some(State::ALL, 3).into_iter().collect();
    }
    if draw.below(2) == 0 {
        filter.severities = draw.some(&Severity::ALL, 3).into_iter().collect();
    }
    if draw.below(4) == 0 {
        filter.organizations = draw.some(&owners(), 2);
    }
    if draw.below(2) == 0 {
        let word: Vec<char> = draw.one_of(&WORDS).chars().collect();
        let start = draw.below(word.len());
        let length = 1 + draw.below(word.len() - start);
        filter.text = word[start..start + length].iter().collect();
        match draw.below(8) {
            0 => filter.text.push_str("zzz"),
            1 => filter.text = filter.text.to_uppercase(),
            2 => filter.called = draw.some(&owners(), 2),
            _ => {}
        }
    }
    (few, Seen::by(&principal, Action::Read), filter)
}

fn naive<'known>(
    known: &'known BTreeMap<IncidentId, Known>,
    few: Option<&BTreeSet<OrganizationNumber>>,
    filter: &Filter,
) -> Vec<&'known Known> {
    let is_meant = |one: &&Known| {
        let incident = &one.change.incident;
        few.is_none_or(|few| few.contains(&one.owner))
            && (filter.states.is_empty() || filter.states.contains(&incident.state))
            && (filter.severities.is_empty() || filter.severities.contains(&incident.severity()))
            && (filter.organizations.is_empty() || filter.organizations.contains(&one.owner))
            && (one.search.contains(&filter.text.to_lowercase()) || filter.called.contains(&one.owner))
    };
    let mut meant: Vec<&Known> = known.values().filter(is_meant).collect();
    meant.sort_by_key(|one| {
        let incident = &one.change.incident;
        let listed = (-incident.updated_at.as_nanos(), incident.id.clone());
        if filter.text.is_empty() {
            listed
        } else {
            (-one.number, incident.id.clone())
        }
    });
    meant
}

async fn ask(draw: &mut Draw, store: &Store, known: &BTreeMap<IncidentId, Known>) {
    let (few, seen, filter) = question(draw);
    let expected = naive(known, few.as_ref(), &filter);
    let limit = u32::try_from(1 + draw.below(9)).expect("few");
    let (mut shown, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .page(&seen, &filter, after.as_ref(), limit)
            .await
            .expect("a page");
        assert!(page.incidents.len() <= usize::try_from(limit).expect("few"));
        let all = u64::try_from(expected.len()).expect("few");
        let total = page.total;
        assert!(
            total.count == all || (!total.is_exact && total.count < all),
            "{total:?} of {all}: {filter:?}"
        );
        assert!(
            total.is_exact || !filter.text.is_empty(),
            "a list is counted: {filter:?}"
        );
        shown.extend(page.incidents.into_iter().map(|stored| stored.incident.id));
        if page.next.is_none() {
            break;
        }
        assert_ne!(page.next, after, "it goes on: {filter:?}");
        after = page.next;
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|one| one.change.incident.id.clone())
        .collect();
    assert_eq!(shown, expected, "{few:?} {filter:?} by {limit}");
    let owned: BTreeSet<_> = naive(known, few.as_ref(), &Filter::default())
        .iter()
        .map(|one| one.owner)
        .collect();
    let owners = store.owners(&seen).await.expect("owners");
    assert_eq!(owners, owned.into_iter().collect::<Vec<_>>());
}

/// What does not change is shown once, whatever is added and changed meanwhile.
async fn leaf_through_while_some_change(
    draw: &mut Draw,
    store: &Store,
    known: &mut BTreeMap<IncidentId, Known>,
) {
    let (few, seen, filter) = question(draw);
    let before = known.clone();
    let (mut shown, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .page(&seen, &filter, after.as_ref(), 3)
            .await
            .expect("a page");
        shown.extend(page.incidents.into_iter().map(|stored| stored.incident.id));
        if page.next.is_none() {
            break;
        }
        after = page.next;
        let mut write = store.begin().await.expect("begun");
        for _ in 0..draw.below(3) {
            change_something(draw, &mut write, known).await;
        }
        store.commit(write).await.expect("committed");
    }
    let is_same = |id: &IncidentId| {
        let (now, then) = (&known[id], before.get(id));
        then.is_some_and(|then| {
            then.owner == now.owner && then.search == now.search && then.change == now.change
        })
    };
    for one in naive(&before, few.as_ref(), &filter) {
        let id = &one.change.incident.id;
        let times = shown.iter().filter(|other| *other == id).count();
        assert!(!is_same(id) || times == 1, "{times} times {id}: {filter:?}");
    }
}
