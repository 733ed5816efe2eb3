//! Feeds: news that travels against the direction of calls. A server-streaming call that starts at
//! a cursor, replays what was missed, then stays open.
//!
//! The rule that must hold: a consumer stores its cursor in the same transaction as what it did
//! with the events ([`advance`]), so every event takes effect exactly once, through any crash on
//! either side.

use crate::channel::Backoff;
use crate::fault::{Fault, FaultKind};
use crate::wake::Listener;
use futures::{Stream, StreamExt};
use sea_orm::sea_query::{Alias, ColumnDef, Expr, ExprTrait, OnConflict, Query, Table, TableCreateStatement};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Most events that a consumer handles in one transaction.
const BATCH_MAX: usize = 500;

/// A stream that was open for so long works, also when it brought nothing.
const SETTLED: Duration = Duration::from_secs(30);

/// Serves a feed: everything after `after`, then live until `stop`. `fetch` reads the next events
/// after a cursor, in their order, with their cursors.
pub fn serve<T, F, Fut>(
    after: i64,
    mut bell: Listener,
    stop: CancellationToken,
    fetch: F,
) -> impl Stream<Item = Result<T, Status>> + Send + 'static
where
    T: Send + 'static,
    F: Fn(i64) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Vec<(i64, T)>, Fault>> + Send,
{
    async_stream::stream! {
        let mut cursor = after;
        loop {
            let events = match fetch(cursor).await {
                Ok(events) => events,
                Err(fault) => { yield Err(fault.into()); return; }
            };
            let is_empty = events.is_empty();
            for (at, event) in events {
                cursor = at;
                yield Ok(event);
            }
            if stop.is_cancelled() {
                yield Err(Status::unavailable("the service stops; call again with the last cursor"));
                return;
            }
            if is_empty {
                tokio::select! {
                    () = bell.wait(Duration::MAX) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

/// Follows a feed until `stop`: reads the stored cursor, opens the stream there, hands over events
/// in batches, and starts over after any error. `handle` applies a batch and advances the cursor in
/// one transaction.
pub async fn follow<T, C, CFut, O, OFut, S, H, HFut>(
    name: &str,
    stop: CancellationToken,
    cursor: C,
    open: O,
    mut handle: H,
) -> anyhow::Result<()>
where
    C: Fn() -> CFut,
    CFut: Future<Output = Result<i64, DbErr>>,
    O: Fn(i64) -> OFut,
    OFut: Future<Output = Result<S, Status>>,
    S: Stream<Item = Result<T, Status>> + Unpin,
    H: FnMut(Vec<T>) -> HFut,
    HFut: Future<Output = Result<(), Fault>>,
{
    let mut backoff = Backoff::default();
    let mut trouble = Trouble { feed: name, said: None };
    let once = async {
        loop {
            let attempt: Result<(), Fault> = async {
                let stream = open(cursor().await?).await.map_err(|status| {
                    Fault::new(FaultKind::Unavailable, format!("{}: {}", status.code(), status.message()))
                })?;
                consume(stream, &mut handle, &mut backoff, &mut trouble, SETTLED).await
            }
            .await;
            if let Err(fault) = attempt {
                trouble.say(&fault);
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    };
    // Dropping the work between two awaits is safe: a batch and its cursor commit together.
    stop.run_until_cancelled(once).await;
    Ok(())
}

/// Hands over what an open stream brings, until it ends or breaks. The trouble before it is over with the first
/// events that were handled, and also when the stream was open for `settled`: a quiet feed is a feed that works.
async fn consume<T, S, H, HFut>(
    stream: S,
    handle: &mut H,
    backoff: &mut Backoff,
    trouble: &mut Trouble<'_>,
    settled: Duration,
) -> Result<(), Fault>
where
    S: Stream<Item = Result<T, Status>> + Unpin,
    H: FnMut(Vec<T>) -> HFut,
    HFut: Future<Output = Result<(), Fault>>,
{
    let mut batches = stream.ready_chunks(BATCH_MAX);
    let mut settling = std::pin::pin!(tokio::time::sleep(settled));
    loop {
        let batch = tokio::select! {
            biased;
            batch = batches.next() => batch,
            () = &mut settling, if !settling.is_elapsed() => {
                backoff.reset();
                trouble.is_over();
                continue;
            }
        };
        let Some(batch) = batch else { return Ok(()) };
        let mut events = Vec::with_capacity(batch.len());
        let mut broken = None;
        for item in batch {
            match item {
                Ok(event) => events.push(event),
                Err(status) => broken = Some(status),
            }
        }
        if !events.is_empty() {
            handle(events).await?;
            backoff.reset();
            trouble.is_over();
        }
        if let Some(status) = broken {
            let message = format!("{}: {}", status.code(), status.message());
            return Err(Fault::new(FaultKind::Unavailable, message));
        }
    }
}

/// What the log was told of a feed that breaks: once, not at each try, and again only when it is worse.
struct Trouble<'a> {
    feed: &'a str,
    said: Option<FaultKind>,
}

impl Trouble<'_> {
    fn say(&mut self, fault: &Fault) {
        let feed = self.feed;
        match (self.said, fault.kind()) {
            // Our own mistake does not pass by itself: the feed stands still until somebody looks.
            (None | Some(FaultKind::Unavailable), FaultKind::Internal) => {
                tracing::error!(feed, %fault, "the feed stands still; opening it again");
                self.said = Some(FaultKind::Internal);
            }
            // Another replica was faster, which is how several share the work.
            (None, FaultKind::Conflict) => tracing::debug!(feed, %fault, "the feed broke; opening it again"),
            (None, _) => {
                tracing::warn!(feed, %fault, "the feed broke; opening it again");
                self.said = Some(FaultKind::Unavailable);
            }
            (Some(_), _) => tracing::debug!(feed, %fault, "the feed is still broken; opening it again"),
        }
    }

    /// The feed works.
    fn is_over(&mut self) {
        if self.said.take().is_some() {
            tracing::info!(feed = self.feed, "the feed goes on");
        }
    }
}

/// The table that keeps a service's cursors; each service's first migration creates it.
pub fn cursor_table() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("feed_cursors"))
        .if_not_exists()
        .col(ColumnDef::new(Alias::new("feed")).string().not_null().primary_key())
        .col(ColumnDef::new(Alias::new("cursor")).big_integer().not_null())
        .to_owned()
}

/// The stored cursor of a feed; 0 before the first event.
///
/// # Errors
/// When the database cannot be reached.
pub async fn cursor(connection: &impl ConnectionTrait, feed: &str) -> Result<i64, DbErr> {
    let query = Query::select()
        .column(Alias::new("cursor"))
        .from(Alias::new("feed_cursors"))
        .and_where(Expr::col(Alias::new("feed")).eq(feed))
        .to_owned();
    match connection.query_one(&query).await? {
        Some(row) => row.try_get("", "cursor"),
        None => Ok(0),
    }
}

/// Moves the stored cursor from one place to another, in the transaction that applies the events.
///
/// # Errors
/// [`FaultKind::Conflict`] when another consumer was faster: nothing of this batch may be applied.
pub async fn advance(transaction: &DatabaseTransaction, feed: &str, from: i64, to: i64) -> Result<(), Fault> {
    let insert = Query::insert()
        .into_table(Alias::new("feed_cursors"))
        .columns([Alias::new("feed"), Alias::new("cursor")])
        .values_panic([feed.into(), 0_i64.into()])
        .on_conflict(OnConflict::column(Alias::new("feed")).do_nothing().to_owned())
        .to_owned();
    transaction.execute(&insert).await?;
    let update = Query::update()
        .table(Alias::new("feed_cursors"))
        .value(Alias::new("cursor"), to)
        .and_where(Expr::col(Alias::new("feed")).eq(feed))
        .and_where(Expr::col(Alias::new("cursor")).eq(from))
        .to_owned();
    if transaction.execute(&update).await?.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Fault::new(FaultKind::Conflict, format!("the feed {feed} was read by another replica")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    /// What is said of a broken feed after its stream was open and quiet, and then broke.
    async fn said_after(settled: Duration, quiet_for: Duration) -> Option<FaultKind> {
        let quiet = stream::once(Box::pin(async move {
            tokio::time::timeout(quiet_for, std::future::pending::<()>()).await.ok();
            Err::<i64, _>(Status::unavailable("gone"))
        }));
        let mut trouble = Trouble { feed: "orders", said: Some(FaultKind::Unavailable) };
        let mut handle = |_: Vec<i64>| async { Ok(()) };
        let broken = consume(quiet, &mut handle, &mut Backoff::default(), &mut trouble, settled).await;
        assert!(broken.is_err_and(|fault| fault.kind() == FaultKind::Unavailable));
        trouble.said
    }

    #[tokio::test]
    async fn trouble_is_over_when_a_quiet_stream_stays_open_and_not_when_it_only_opens() {
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(200));
        assert_eq!(said_after(short, long).await, None);
        assert_eq!(said_after(SETTLED, short).await, Some(FaultKind::Unavailable));
    }
}
