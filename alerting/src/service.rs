//! The service: opens what it needs, starts intake, outbox and HTTP, and stops them together.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64},
    },
};

use alerting_incident::Actor;
use anyhow::Context;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use ingest_bus::{Bus, Subscription, Topic};
use ingest_event::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{login::Gate, oidc::Providers, passkeys::RelyingParty},
    api,
    audit::Deed,
    channel::{Chats, Collectors, Email, Webhook},
    clock::Clock,
    config::{self, Config},
    intake,
    letters::{self, Post},
    link::LinkKey,
    metrics::Metrics,
    notice::Notices,
    outbox::{self, Sender},
    private, registry,
    reveal::{self, Desk},
    state::{Neighbours, State, Wake},
    store::Store,
    ticker::{self, Steadily},
};

/// Says that the service takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Where, with the port that was bound.
    pub address: SocketAddr,
}

/// Runs until `shutdown`; `ready` is called once, when requests are taken.
///
/// # Errors
/// If something it needs can't be opened, or the bus says that it won't get better.
pub async fn run(
    config: Config,
    bus: Bus,
    clock: Clock,
    shutdown: CancellationToken,
    ready: impl FnOnce(Running) + Send,
) -> anyhow::Result<()> {
    run_beside(config, bus, clock, shutdown, Neighbours::default(), ready).await
}

/// As [`run`], serving the metrics of `neighbours` too.
///
/// # Errors
/// As [`run`].
pub async fn run_beside(
    config: Config,
    bus: Bus,
    clock: Clock,
    shutdown: CancellationToken,
    neighbours: Neighbours,
    ready: impl FnOnce(Running) + Send,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listen on {}", config.listen))?;
    let address = listener
        .local_addr()
        .context("ask for the address that was bound")?;
    // Boxed, as the compiler does not see through sqlx's driver for any database that these may change threads.
    let state = Arc::new(open(&config, clock, address, neighbours).boxed().await?);
    let email = config
        .mail
        .as_ref()
        .map(|mail| Email::open(mail).map(Arc::new))
        .transpose()
        .context("prepare the mail channel")?;
    let webhook =
        Webhook::open(state.registry.load().ways.webhooks.clone()).context("prepare the webhook channel")?;
    let chats = Chats::open(&config.chat).context("prepare the chats")?;
    let collectors = Collectors::open(&config.syslog).context("prepare the collectors of syslog")?;
    let topic = Topic::parse(detect_alert::topic::ALERTS).context("name the topic of alerts")?;
    let consumer = bus
        .consumer(&config.group, Subscription::Topics(vec![topic]))
        .context("join the consumer group of the alerting services")?;

    // Whichever part ends first, by an error too, takes the others with it.
    let stop = shutdown.child_token();
    let outboxes = [
        Sender::Email(email.clone()),
        Sender::Webhook(webhook),
        Sender::Chat(chats),
        Sender::Syslog(collectors),
    ]
    .map(|sender| {
        tokio::spawn(outbox::run(
            Arc::clone(&state),
            sender,
            config.retry.clone(),
            stop.clone(),
        ))
    });
    let post = tokio::spawn(letters::run(
        Arc::clone(&state),
        email,
        config.retry.clone(),
        stop.clone(),
    ));
    let reveals = reveal::start(&state, &bus, &config.group, &stop)?;
    let router = api::router(Arc::clone(&state), address, stop.clone());
    let follower = tokio::spawn(registry::live::follow(Arc::clone(&state), stop.clone()));
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        let served = axum::serve(
            listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(stopped.clone().cancelled_owned())
        .await;
        stopped.cancel();
        served
    });
    ready(Running { address });
    let (ticking, ticker_stop) = (Arc::clone(&state), stop.clone());
    let ticker = tokio::spawn(async move {
        // However it ends, by a defect too, the service ends with it: else nobody would be told next.
        let _end = ticker_stop.clone().drop_guard();
        ticker::run(&ticking, &ticker_stop).await;
    });
    let taken_in = intake::run(&state, &bus, consumer, &stop).boxed().await;
    stop.cancel();
    ticker.await.context("stop the ticker")?;
    for outbox in outboxes {
        outbox.await.context("stop the outbox")?;
    }
    post.await.context("stop sending letters")?;
    for reveals in reveals {
        reveals.await.context("stop asking sites")?;
    }
    follower.await.context("stop following the registry")?;
    server
        .await
        .context("stop the HTTP server")?
        .context("serve HTTP")?;
    taken_in.context("take in alerts")
}

async fn open(
    config: &Config,
    clock: Clock,
    address: SocketAddr,
    neighbours: Neighbours,
) -> anyhow::Result<State> {
    private::make_folder(&config.data)
        .with_context(|| format!("make the folder {}", config.data.display()))?;
    let public_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let now = clock.now();
    let ticked_ms = u64::try_from(clock.read().monotonic.as_millis()).unwrap_or(u64::MAX);
    let store = Store::open(&config.store, &config.data).await?;
    note_start(&store, now).await.context("begin the audit log")?;
    let registry = registry::live::open(config, &store).await?;
    let stored = store.steady().await.context("read the clock of deadlines")?;
    let duty = registry.routes.registry().duty().clone();
    let (name, is_alone) = store.instance();
    Ok(State {
        ladder: config.escalation.ladder(duty),
        inhibitions: config::inhibitions(&config.inhibitions)
            .map_err(|(key, mend)| anyhow::anyhow!("{key}: {mend}"))?,
        incidents: config.incidents.clone(),
        steadily: Mutex::new(Steadily::new(name, is_alone, stored, clock.read())),
        key: LinkKey::of(&store, &config.data).await?,
        store,
        registry: ArcSwap::from_pointee(registry),
        metrics: Metrics::new().context("register the metrics")?,
        notices: Notices::new(config.templates.as_deref()).context("prepare the templates")?,
        post: Post::of(config)?,
        cert: config.cert.clone(),
        access: config.access.clone(),
        reveal: config.reveal.as_ref().map(Desk::open).transpose()?,
        gate: Gate::default(),
        providers: Providers::open(config.access.as_ref(), &clock)
            .context("prepare the identity providers")?,
        passkeys: RelyingParty::open(config).context("prepare the passkeys")?,
        clock,
        public_url: public_url.trim_end_matches('/').to_owned(),
        decided: Wake::default(),
        neighbours,
        started_at: now,
        polled_at: AtomicI64::new(now.as_nanos()),
        ticked_ms: AtomicU64::new(ticked_ms),
        mailbox: config.demo.then(|| Mutex::new(VecDeque::new())),
    })
}

/// Writes down that this version runs from now on, and tells the journal how far the audit log goes: a witness outside of it.
async fn note_start(store: &Store, now: Timestamp) -> sqlx::Result<()> {
    let version = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
    let deed = Deed::by(&Actor::Varde, now, "service.start", "varde-alerting").after(Some(&version));
    let mut write = store.begin().await?;
    let head = Store::audit(&mut write, deed).await?;
    store.commit(write).await?;
    tracing::info!(%head, "the audit log goes on");
    Ok(())
}
