//! Waiting before calling again a server that did not answer.

use provost_service_kit::channel::Backoff;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// Remembers how often in a row a server failed, and says so in the log once, not each time.
pub(super) struct Patience {
    what: &'static str,
    backoff: Backoff,
    failing: bool,
}

impl Patience {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, backoff: Backoff::default(), failing: false }
    }

    /// The server answered.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!("{} answers again", self.what);
        }
        self.backoff.reset();
    }

    /// The server did not answer, or refused; waits. Returns whether to go on.
    pub(super) async fn failed(&mut self, status: &Status, stop: &CancellationToken) -> bool {
        let (code, message) = (status.code(), status.message());
        let first = !std::mem::replace(&mut self.failing, true);
        if first && matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded) {
            tracing::warn!(?code, message, "{} does not answer; trying again", self.what);
        } else if first {
            tracing::error!(?code, message, "{} refuses; trying again", self.what);
        } else {
            tracing::debug!(?code, message, "{} still fails", self.what);
        }
        stop.run_until_cancelled(tokio::time::sleep(self.backoff.next_wait())).await.is_some()
    }
}
