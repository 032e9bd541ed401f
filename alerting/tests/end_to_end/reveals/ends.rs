//! What was told is forgotten and hidden in time, whatever becomes of the configuration, of other rows and of the walk over them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use alerting::clock::Clock;
use ingest_event::Timestamp;
use serde_json::{Value, json};

use super::scene::{CLEAR, FOUR, SIX, Scene, steps, told, until};
use crate::{
    STAVANGER,
    stores::{count_by_hand, on_both, on_sqlite},
};

on_both!(
    what_was_told_is_forgotten_where_sites_are_no_longer_asked,
    what_cannot_be_read_holds_up_no_other_and_is_forgotten_too,
);

/// A clock that begins now and is moved on by hours.
fn hours() -> (Arc<AtomicI64>, Clock) {
    let hours = Arc::new(AtomicI64::new(0));
    let (start, hand) = (alerting::clock::machine().now().as_millis(), Arc::clone(&hours));
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(start + hand.load(Ordering::Relaxed) * 3_600_000)
    });
    (hours, clock)
}

/// A request that was answered.
async fn revealed(scene: &Scene, pseudonyms: &[&str]) -> String {
    let id = scene.agreed(pseudonyms).await;
    scene.answer(STAVANGER, told(&id, pseudonyms)).await;
    scene.until_state(&id, "revealed").await;
    id
}

async fn what_was_told_is_forgotten_where_sites_are_no_longer_asked() {
    let (hours, clock) = hours();
    let scene = Scene::at(clock.clone(), &[]).await;
    let id = revealed(&scene, &[FOUR]).await;
    let Scene {
        service,
        cookies,
        incident,
        bus,
        producer,
    } = scene;
    let stopped = service.stopped().await;
    let path = stopped.folder().join("alerting.yml");
    let text = std::fs::read_to_string(&path).expect("there");
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("reveal:")).collect();
    std::fs::write(&path, kept.join("\n") + "\n").expect("written");
    let service = stopped.again(clock).await;
    let scene = Scene {
        service,
        cookies,
        incident,
        bus,
        producer,
    };
    // Used now and then, so that the session lasts.
    for hour in [0, 23, 46] {
        hours.store(hour, Ordering::Relaxed);
        assert_eq!(
            scene.get("kari", "").await.1["askable"],
            json!([]),
            "nobody asks any more"
        );
    }
    assert!(scene.get("kari", &format!("/{id}")).await.1["revealed"].is_array());
    hours.store(49, Ordering::Relaxed);
    let view = until!({
        let view = scene.get("kari", &format!("/{id}")).await.1;
        (view["kept_until"].is_null()).then_some(view)
    });
    assert_eq!(
        (&view["revealed"], steps(&view).last()),
        (&Value::Null, Some(&("forgotten", "Varde")))
    );
    let data = scene.service.path().join("data");
    let kept = "SELECT count(*) FROM reveal WHERE revealed IS NOT NULL";
    assert_eq!(count_by_hand(&data, kept).await, 0);
    scene.service.stop().await;
}

async fn what_cannot_be_read_holds_up_no_other_and_is_forgotten_too() {
    let (hours, clock) = hours();
    let scene = Scene::at(clock, &[]).await;
    let good = revealed(&scene, &[FOUR]).await;
    let data = scene.service.path().join("data");
    // Three rows that can't be read, before all others: told of something, asked of the bus, and asked of the site.
    for text in [
        "INSERT INTO reveal (id, incident, organization, key_name, pseudonyms, reason, asked_by, asked_at, ends_at, state, revealed,
             forget_at, bus) SELECT '00000000000000000000000000000001', incident, organization, key_name, pseudonyms, reason, asked_by,
             asked_at, ends_at, 'of a newer version', 'what it told', forget_at, 'none' FROM reveal",
        "INSERT INTO reveal (id, incident, organization, key_name, pseudonyms, reason, asked_by, asked_at, ends_at, state, bus)
             SELECT '00000000000000000000000000000002', incident, organization, key_name, 'no list', reason, asked_by,
             asked_at, ends_at, 'asked', 'put' FROM reveal WHERE state = 'revealed'",
        "INSERT INTO reveal (id, incident, organization, key_name, pseudonyms, reason, asked_by, asked_at, ends_at, state, bus)
             SELECT '00000000000000000000000000000003', incident, organization, key_name, pseudonyms, reason, asked_by,
             asked_at, ends_at, 'asked', 'by pigeon' FROM reveal WHERE state = 'revealed'",
    ] {
        scene.service.by_hand(text).await;
    }
    // The bus: what comes after it is asked. The answers: what comes after one that can't be kept is kept.
    let next = scene.agreed(&[SIX]).await;
    scene.until_asked(1).await;
    scene
        .answer(STAVANGER, told("00000000000000000000000000000003", &[FOUR]))
        .await;
    scene.answer(STAVANGER, told(&next, &[SIX])).await;
    scene.until_state(&next, "revealed").await;
    scene
        .until_metric("alerting_reveal_answers_refused_total{why=\"broken\"}", "1")
        .await;
    scene
        .until_metric("alerting_rows_passed_over_total{of=\"reveal\"}", "1")
        .await;
    // The end: the good ones are forgotten, and so is what nobody can read.
    for hour in [23, 46] {
        hours.store(hour, Ordering::Relaxed);
        assert_eq!(scene.get("kari", "").await.0, 200);
    }
    hours.store(49, Ordering::Relaxed);
    for id in [&good, &next] {
        until!({
            let view = scene.get("kari", &format!("/{id}")).await.1;
            view["kept_until"].is_null().then_some(())
        });
    }
    let kept = "SELECT count(*) FROM reveal WHERE revealed IS NOT NULL OR forget_at IS NOT NULL";
    until!((count_by_hand(&data, kept).await == 0).then_some(()));
    // Each is told of once by each walk, not at each look.
    let passed = scene
        .metric("alerting_rows_passed_over_total{of=\"reveal\"}")
        .await;
    assert_eq!(passed, "4", "one on its way to the bus, and three at their end");
    scene.service.stop().await;
}

/// The walk can't empty anything; what is shown goes by the time alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_no_longer_is_not_shown_though_it_is_there_still() {
    on_sqlite(async {
        let (hours, clock) = hours();
        let scene = Scene::at(clock, &[]).await;
        let id = revealed(&scene, &[FOUR]).await;
        scene
            .service
            .by_hand(
                "CREATE TRIGGER kept BEFORE UPDATE ON reveal WHEN NEW.revealed IS NULL BEGIN SELECT raise(ABORT, 'kept'); END",
            )
            .await;
        for hour in [23, 46] {
            hours.store(hour, Ordering::Relaxed);
            let view = scene.get("kari", &format!("/{id}")).await.1;
            assert_eq!(view["revealed"][0]["stood_for"], CLEAR[0], "{view}");
        }
        hours.store(49, Ordering::Relaxed);
        let view = scene.get("kari", &format!("/{id}")).await.1;
        assert_eq!(view["revealed"], Value::Null, "{view}");
        let kept = "SELECT count(*) FROM reveal WHERE revealed IS NOT NULL";
        assert_eq!(count_by_hand(&scene.service.path().join("data"), kept).await, 1, "it is there");
        scene.service.stop().await;
    })
    .await;
}
