//! Packets of an interface, as they pass: the kernel's ring, shared by as many threads as are asked for.
//!
//! Each thread has a ring and a [`Tracker`](crate::capture::Tracker) of its own ([`member`]); the kernel gives both
//! directions of a flow to the same one. What they find goes through a bounded channel to the intake. A thread never
//! waits for the spool: what can't be taken is shed and counted, so that the kernel's room is left for packets. An
//! interface that goes away is waited for, and flows end by the clock meanwhile.

mod interface;
mod member;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingest_ring::{Group, OpenError, Ring, RingOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::member::{Batch, Member};
use crate::agent::Intake;
use crate::capture::CaptureOptions;
use crate::config::CaptureSource;
use crate::rights;

/// Of a label and of records' format.
const KIND: &str = "capture";

/// Batches that wait for the spool: with those of [`member::RECORDS_PER_BATCH`], what a slow disk takes to sync.
const BATCHES_WAITING_MAX: usize = 64;

/// Records taken into one transaction of the spool, so that a flood is not held up by one sync each.
const RECORDS_PER_OFFER: usize = 4_000;

/// Between attempts to open an interface that is not there.
const RETRY: Duration = Duration::from_secs(1);

/// Which interface a source listens to now.
///
/// # Errors
/// If it is to be chosen and there is none to choose.
pub fn interface_of(source: &CaptureSource) -> anyhow::Result<String> {
    if source.interface != CaptureSource::AUTO {
        return Ok(source.interface.clone());
    }
    interface::choose_here().context(
        "choose an interface: none has packets and no address, and none has a default route; name one with \
         `sources: [{ capture: { interface: eth1 } }]`, and there what else is to be read",
    )
}

/// Opens a source's rings, all with their gates shut.
///
/// # Errors
/// As [`Ring::open`], and if there is no interface to choose.
pub fn open_rings(source: &CaptureSource) -> anyhow::Result<Vec<Ring>> {
    open_rings_of(source, &interface_of(source)?)
}

fn open_rings_of(source: &CaptureSource, interface: &str) -> anyhow::Result<Vec<Ring>> {
    let mut rings: Vec<Ring> = Vec::new();
    for _ in 0..source.threads.get() {
        let group = match rings.first() {
            _ if source.threads.get() == 1 => Group::Alone,
            None => Group::New,
            Some(first) => Group::Join(first.group().context("share packets among threads")?),
        };
        let options = RingOptions {
            bytes: source.buffer_bytes,
            promiscuous: source.promiscuous,
            filter: source.filter.clone(),
            group,
        };
        rings.push(rights::with_raw(|| Ring::open(interface, options))?);
    }
    Ok(rings)
}

/// Listens until told to stop.
///
/// # Errors
/// If it is not permitted or can never work, and if the spool fails.
pub async fn serve_capture(
    source: CaptureSource,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Whatever ends this ends the threads.
    let stop = stop.child_token();
    let ending = stop.clone().drop_guard();
    let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING_MAX);
    let listening = {
        let intake = Arc::clone(&intake);
        tokio::task::spawn_blocking(move || listen(&source, &intake, sender, &stop))
    };
    let mut waiting: Option<Batch> = None;
    while let Some(batch) = match waiting.take() {
        Some(batch) => Some(batch),
        None => receiver.recv().await,
    } {
        let Batch {
            identity,
            mut records,
        } = batch;
        while records.len() < RECORDS_PER_OFFER
            && let Ok(next) = receiver.try_recv()
        {
            if Arc::ptr_eq(&identity, &next.identity) {
                records.extend(next.records);
            } else {
                waiting = Some(next);
                break;
            }
        }
        intake.offer(KIND, KIND, &identity, records).await?;
    }
    drop(ending);
    listening.await.context("join the threads of a capture")?
}

/// Listens, and when that ends hands out what is still open, whatever ended it.
fn listen(
    source: &CaptureSource,
    intake: &Arc<Intake>,
    sender: mpsc::Sender<Batch>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let options = options(source, intake);
    let started = intake.clock().now();
    let mut members: Vec<Member> = (0..source.threads.get())
        .map(|index| {
            let name = format!("{KIND}:{}", source.interface);
            Member::new(
                &name,
                index,
                started,
                options.clone(),
                Arc::clone(intake),
                sender.clone(),
            )
        })
        .collect();
    drop(sender);
    let ended = watch(source, intake, &mut members, stop);
    for member in &mut members {
        member.finish();
    }
    ended
}

/// Opens the interface, again and again, and lets a thread for each ring read it until it is lost.
fn watch(
    source: &CaptureSource,
    intake: &Arc<Intake>,
    members: &mut [Member],
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut told = String::new();
    while !stop.is_cancelled() {
        let opened =
            interface_of(source).and_then(|interface| Ok((open_rings_of(source, &interface)?, interface)));
        match opened {
            Ok((mut rings, interface)) => {
                told.clear();
                for ring in &mut rings {
                    ring.start().context("put the filter in its place")?;
                }
                tracing::info!(interface, threads = rings.len(), "listening to an interface");
                intake.metrics().capture.listening();
                read_all(members, rings, stop);
                intake.metrics().capture.ended();
                if !stop.is_cancelled() {
                    intake.metrics().capture.lost();
                    tracing::warn!(interface, "the interface is lost; waiting for it");
                    // As a rule it is gone for longer; if not, little is missed.
                    wait(members, stop, member::PATIENCE);
                }
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                // Once for each reason, however long it lasts.
                let error = format!("{error:#}");
                if told != error {
                    tracing::warn!(error, "the interface can't be listened to yet; trying again");
                    told = error;
                }
                wait(members, stop, RETRY);
            }
        }
    }
    Ok(())
}

/// Each member reads its ring, in a thread of its own, until told to stop or the interface is lost.
fn read_all(members: &mut [Member], rings: Vec<Ring>, stop: &CancellationToken) {
    // One that ends ends all: a share of packets that nobody reads would be lost for good.
    let stop = &stop.child_token();
    std::thread::scope(|scope| {
        for (index, (member, mut ring)) in members.iter_mut().zip(rings).enumerate() {
            let thread = std::thread::Builder::new().name(format!("{KIND}-{index}"));
            let spawned = thread.spawn_scoped(scope, move || member.read(&mut ring, stop));
            if let Err(error) = spawned {
                tracing::error!(%error, "start a thread of a capture");
                stop.cancel();
            }
        }
    });
}

/// Waits before the next attempt; flows end by the clock meanwhile.
fn wait(members: &mut [Member], stop: &CancellationToken, time: Duration) {
    for _ in 0..time.as_millis() / member::PATIENCE.as_millis() {
        if stop.is_cancelled() {
            return;
        }
        for member in members.iter_mut() {
            member.tick();
        }
        std::thread::sleep(member::PATIENCE);
    }
}

/// Whether trying again is of no use.
fn is_final(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::NotPermitted { .. } | OpenError::NotEthernet { .. }) => true,
        Some(OpenError::NoInterface { .. } | OpenError::Down { .. } | OpenError::System { .. }) | None => {
            false
        }
    }
}

/// How packets become flows, in each of the threads.
fn options(source: &CaptureSource, intake: &Intake) -> CaptureOptions {
    let usual = CaptureOptions::default();
    let secs = |secs: Option<u64>, usual| secs.map_or(usual, Duration::from_secs);
    CaptureOptions {
        home_networks: intake.home_networks().to_vec(),
        flow_idle: secs(source.flow_idle_secs, usual.flow_idle),
        flow_idle_tcp: secs(source.flow_idle_tcp_secs, usual.flow_idle_tcp),
        flow_active: secs(source.flow_active_secs, usual.flow_active),
        flows_max: source.flows_max.unwrap_or(usual.flows_max) / source.threads.get(),
        kept_bytes_max: usual.kept_bytes_max / source.threads.get(),
        vlans: source.vlans,
        metadata: source.metadata,
    }
}
