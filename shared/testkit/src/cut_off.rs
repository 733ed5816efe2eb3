//! Cutting a call off where it waits, as the end of its client, or of its process, does.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// What comes of a future that is dropped at its `polls`-th poll, unless it is done by then: asked for 1, 2, 3 and so on
/// it is dropped at every point at which it waits.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use provost_testkit::cut_off;
/// let waits_once = async || tokio::task::yield_now().await;
/// assert_eq!(cut_off(1, waits_once()).await, None);
/// assert_eq!(cut_off(2, waits_once()).await, Some(()));
/// # });
/// ```
pub async fn cut_off<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
