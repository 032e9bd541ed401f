//! Publishes findings while the loop goes on scanning: in their order, one publish under way at a time, and what was
//! found meanwhile goes along with the next.

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::outlet::{Outlet, Output};

/// So many batches of findings wait at the most; then the loop waits too.
const WAITING_MAX: usize = 8;

/// Alerts of several batches go out together up to about this number.
const TOGETHER_MAX: usize = 4_096;

/// The loop's side. Dropping it gives up what is not out yet, as a crash would.
pub(super) struct Publisher {
    orders: mpsc::Sender<Order>,
    task: JoinSet<anyhow::Result<()>>,
}

enum Order {
    Publish(Output),
    /// Answered when all that was ordered before is durable.
    Flush(oneshot::Sender<()>),
}

impl Publisher {
    pub(super) fn start(outlet: Outlet) -> Self {
        let (orders, ordered) = mpsc::channel(WAITING_MAX);
        let mut task = JoinSet::new();
        task.spawn(run(outlet, ordered));
        Self { orders, task }
    }

    /// Has findings published; waits while too many wait already.
    pub(super) async fn publish(&mut self, output: Output) -> anyhow::Result<()> {
        let sent = self.orders.send(Order::Publish(output)).await;
        match sent {
            Ok(()) => Ok(()),
            Err(_) => self.why_ended().await,
        }
    }

    /// Waits until everything is durable.
    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        let (done, is_done) = oneshot::channel();
        let is_flushed = self.orders.send(Order::Flush(done)).await.is_ok() && is_done.await.is_ok();
        if is_flushed {
            Ok(())
        } else {
            self.why_ended().await
        }
    }

    async fn why_ended(&mut self) -> anyhow::Result<()> {
        match self.task.join_next().await {
            Some(ended) => ended.context("publish findings")?,
            None => Ok(()),
        }
        .and(Err(anyhow::anyhow!("publishing has ended")))
    }
}

async fn run(outlet: Outlet, mut orders: mpsc::Receiver<Order>) -> anyhow::Result<()> {
    while let Some(order) = orders.recv().await {
        let (mut output, mut flushed) = (Output::default(), None);
        take(order, &mut output, &mut flushed);
        while flushed.is_none()
            && output.findings.alerts.len() + output.findings.quarantined.len() + output.signals.len()
                < TOGETHER_MAX
            && let Ok(order) = orders.try_recv()
        {
            take(order, &mut output, &mut flushed);
        }
        outlet.publish(output).await?;
        if let Some(flushed) = flushed {
            // Who asked may be gone.
            let _ = flushed.send(());
        }
    }
    Ok(())
}

fn take(order: Order, output: &mut Output, flushed: &mut Option<oneshot::Sender<()>>) {
    match order {
        Order::Publish(more) => {
            output.findings.alerts.extend(more.findings.alerts);
            output.findings.quarantined.extend(more.findings.quarantined);
            output.signals.extend(more.signals);
        }
        Order::Flush(done) => *flushed = Some(done),
    }
}
