//! What crosses services is tested here: see `end_to_end`, `reflection`, `chaos`, `sim` and `bench` beside this folder.
//! Answers for what several of these share.

use anyhow::{Result, bail};
use provost_service_kit::channel::Backoff;
use std::error::Error as _;
use std::time::{Duration, Instant};
use tonic::{Code, Response, Status};

/// Calls until there is an answer that counts, as README's "How to retry" says: again, after a pause that doubles,
/// when the service was not available, somebody else was at it, the time was over, or the line broke.
///
/// # Errors
/// What else is answered, and whatever is answered when `patience` is over; `what` names the wish.
pub async fn retried<T, F>(what: &str, patience: Duration, mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let (mut pause, began) = (Backoff::default(), Instant::now());
    loop {
        let status = match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        let is_passing = matches!(status.code(), Code::Unavailable | Code::Aborted | Code::DeadlineExceeded);
        let is_line = status.source().is_some();
        if !(is_passing || is_line) || began.elapsed() > patience {
            bail!("{what}: {:?}: {}", status.code(), status.message());
        }
        tokio::time::sleep(pause.next_wait()).await;
    }
}
