//! Kafka misbehaving, played by librdkafka's mock cluster: refused requests, brokers that go and come back, and no
//! broker at all. A publish still delivers exactly what was accepted, once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says on stdout what it skips"
)]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ingest_bus::KafkaConfig;
use ingest_bus::{
    Bus, BusConfig, Cleanup, Delivery, ErrorClass, PollLimit, Record, Subscription, Topic, TopicSpec,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn refused_requests_are_repeated_and_double_nothing() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT as LOST, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as FEW_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as NOT_LEADER,
    };
    check(|bus, cluster, topic| async move {
        let producer = bus.producer().unwrap();
        for (call, error) in [NOT_LEADER, FEW_REPLICAS, LOST].into_iter().enumerate() {
            cluster.request_errors(RDKafkaApiKey::Produce, &[error, error]);
            let places = producer.publish(&topic, records(call)).await.unwrap();
            assert_eq!(places.len(), 10);
        }
        expect(&bus, &topic, 3).await;
    });
}

#[test]
fn a_broker_that_comes_back_gets_what_was_waiting() {
    check(|bus, cluster, topic| async move {
        let producer = bus.producer().unwrap();
        producer.publish(&topic, records(0)).await.unwrap();
        cluster.broker_down(1).unwrap();
        let waiting = {
            let (producer, topic) = (producer.clone(), topic.clone());
            tokio::spawn(async move { producer.publish(&topic, records(1)).await })
        };
        let early = tokio::time::timeout(Duration::from_millis(300), producer.publish(&topic, Vec::new()));
        assert_eq!(
            early.await.unwrap().unwrap(),
            [],
            "nothing to publish needs no broker"
        );
        assert!(!waiting.is_finished(), "acknowledged with the broker down");
        cluster.broker_up(1).unwrap();
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        expect(&bus, &topic, 2).await;
    });
}

#[test]
fn commits_refused_for_a_moment_are_repeated() {
    use RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS as REBALANCING;
    check(|bus, cluster, topic| async move {
        bus.producer().unwrap().publish(&topic, records(0)).await.unwrap();
        let mut consumer = bus
            .consumer("commits", Subscription::Topics(vec![topic.clone()]))
            .unwrap();
        let mut read = Vec::new();
        while read.len() < 10 {
            read.extend(consumer.poll(limit()).await.unwrap().deliveries);
        }
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[REBALANCING, REBALANCING]);
        consumer.commit(&[read[6].position.next()]).await.unwrap();
        consumer.close().await;
        let mut again = bus
            .consumer("commits", Subscription::Topics(vec![topic]))
            .unwrap();
        let mut read: Vec<Delivery> = Vec::new();
        while read.is_empty() {
            read.extend(again.poll(limit()).await.unwrap().deliveries);
        }
        assert_eq!(read[0].record.value, b"0/7");
    });
}

#[test]
fn no_broker_is_a_transient_error() {
    block_on(async {
        // Bound and never listened on: connecting is refused, and no one else can take the port meanwhile.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let bus = open(socket.local_addr().unwrap().to_string()).await;
        let topic = Topic::parse("nowhere").unwrap();
        let spec = TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            cleanup: Cleanup::Compact,
            max_record_bytes: 1000,
        };
        let specs = [spec];
        let (made, listed, ends) = tokio::join!(
            bus.ensure_topics(&specs),
            bus.topics(""),
            bus.end_positions(&topic)
        );
        assert_eq!(made.unwrap_err().class(), ErrorClass::Transient);
        assert_eq!(listed.unwrap_err().class(), ErrorClass::Transient);
        assert_eq!(ends.unwrap_err().class(), ErrorClass::Transient);

        let mut consumer = bus
            .consumer("nobody", Subscription::Prefix("varde.".to_owned()))
            .unwrap();
        assert_eq!(
            consumer.poll(limit()).await.unwrap_err().class(),
            ErrorClass::Transient
        );
        consumer.close().await;
    });
}

fn check<F: Future<Output = ()>>(
    test: impl FnOnce(Bus, Rc<MockCluster<'static, DefaultProducerContext>>, Topic) -> F,
) {
    let cluster = Rc::new(MockCluster::new(1).unwrap());
    cluster.create_topic("faults", 1, 1).unwrap();
    block_on(async {
        let bus = open(cluster.bootstrap_servers()).await;
        test(bus, Rc::clone(&cluster), Topic::parse("faults").unwrap()).await;
    });
}

async fn open(bootstrap: String) -> Bus {
    let config = KafkaConfig {
        bootstrap,
        client_id: "faults".to_owned(),
        properties: BTreeMap::new(),
    };
    Bus::open(&BusConfig::Kafka(config)).await.unwrap()
}

/// Exactly the records of so many calls, each once and in order.
async fn expect(bus: &Bus, topic: &Topic, calls: usize) {
    let mut consumer = bus
        .consumer("expect", Subscription::Topics(vec![topic.clone()]))
        .unwrap();
    let expected: Vec<Vec<u8>> = (0..calls).flat_map(records).map(|record| record.value).collect();
    let mut read: Vec<Vec<u8>> = Vec::new();
    while read.len() < expected.len() {
        let batch = consumer.poll(limit()).await.unwrap();
        assert!(!batch.is_empty(), "{} of {} came", read.len(), expected.len());
        read.extend(batch.deliveries.into_iter().map(|delivery| delivery.record.value));
    }
    assert_eq!(read, expected);
    let end = bus.end_positions(topic).await.unwrap();
    assert_eq!(
        end[0].offset,
        u64::try_from(expected.len()).unwrap(),
        "more is there than was accepted"
    );
}

fn records(call: usize) -> Vec<Record> {
    (0..10).map(|n| Record::new(format!("{call}/{n}"))).collect()
}

fn limit() -> PollLimit {
    PollLimit {
        records: 1000,
        bytes: 1 << 20,
        wait: PATIENCE,
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}
