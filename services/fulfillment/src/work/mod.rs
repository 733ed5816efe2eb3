//! Loops beside the calls. Each is woken by a signal and by a period, does a bounded piece of work,
//! and may run twice at once (on two replicas) without harm.

mod decisions;
mod drains;
mod relay;
mod validity;

pub(crate) use decisions::follow_decisions;
pub(crate) use drains::watch_drains;
pub(crate) use relay::relay_reviews;
pub(crate) use validity::watch_validity;

/// Runs `round` until `stop`, again at once while it says that there is more, otherwise after
/// `rest`. A failed round is noted and tried again.
async fn rounds<W, R>(
    name: &'static str,
    stop: tokio_util::sync::CancellationToken,
    mut rest: impl FnMut() -> W,
    mut round: impl FnMut() -> R,
) -> anyhow::Result<()>
where
    W: Future<Output = ()>,
    R: Future<Output = Result<bool, provost_service_kit::Fault>>,
{
    let once = async {
        loop {
            let has_more = round().await.unwrap_or_else(|fault| {
                tracing::warn!(work = name, %fault, "tried again");
                false
            });
            if !has_more {
                rest().await;
            }
        }
    };
    // Dropping a round between two awaits is safe: what must hold together is in one transaction.
    stop.run_until_cancelled(once).await;
    Ok(())
}
