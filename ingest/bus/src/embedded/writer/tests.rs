//! A full disk, played by a limit on the file's pages: the one failure a test can bring about and take back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::error::ErrorClass;
use crate::topic::Cleanup;

#[test]
fn a_full_disk_refuses_the_whole_group_and_is_got_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = store::open_writer(&directory.path().join("bus.sqlite")).unwrap();
    let topic = Topic::parse("t").unwrap();
    let cleanup = Cleanup::Delete {
        retention: Duration::from_secs(60),
    };
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup,
        max_record_bytes: u32::MAX,
    };
    let (reply, made) = oneshot::channel();
    write(&mut connection, &mut vec![Command::Ensure { spec, reply }]);
    made.blocking_recv().unwrap().unwrap();

    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages + 4)
        .unwrap();
    let (small, small_done) = append(&topic, 10);
    let (large, large_done) = append(&topic, 1 << 20);
    write(&mut connection, &mut vec![small, large]);
    for done in [small_done, large_done] {
        let refused = done.blocking_recv().unwrap().unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Transient, "{refused}");
    }
    assert_eq!(
        store::end_positions(&mut connection, &topic).unwrap().unwrap()[0].offset,
        0
    );

    connection
        .pragma_update(None, "max_page_count", pages + 4000)
        .unwrap();
    let (again, done) = append(&topic, 1 << 20);
    write(&mut connection, &mut vec![again]);
    assert_eq!(done.blocking_recv().unwrap().unwrap()[0].offset, 0);
}

#[test]
fn a_refused_call_does_not_hold_back_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = store::open_writer(&directory.path().join("bus.sqlite")).unwrap();
    let topic = Topic::parse("t").unwrap();
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup: Cleanup::Compact,
        max_record_bytes: 100,
    };
    let (reply, made) = oneshot::channel();
    let (keyless, refused) = append(&topic, 10);
    let (large, too_large) = append(&topic, 101);
    let (nowhere, unknown) = append(&Topic::parse("nowhere").unwrap(), 10);
    write(
        &mut connection,
        &mut vec![Command::Ensure { spec, reply }, keyless, large, nowhere],
    );
    made.blocking_recv().unwrap().unwrap();
    assert!(matches!(
        refused.blocking_recv().unwrap(),
        Err(PublishError::KeyMissing { .. })
    ));
    assert!(matches!(
        too_large.blocking_recv().unwrap(),
        Err(PublishError::TooLarge { .. })
    ));
    assert!(matches!(
        unknown.blocking_recv().unwrap(),
        Err(PublishError::UnknownTopic { .. })
    ));
    assert!(store::topic(&connection, &topic).unwrap().is_some());
}

fn append(topic: &Topic, bytes: usize) -> (Command, oneshot::Receiver<Result<Vec<Position>, PublishError>>) {
    let (reply, done) = oneshot::channel();
    let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let records = vec![Record::new(vec![0; bytes])];
    (
        Command::Append {
            topic: topic.clone(),
            records,
            keyless: 0,
            reply,
            room,
        },
        done,
    )
}
