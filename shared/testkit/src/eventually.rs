//! Waiting for a condition, in place of sleeping.

use std::fmt::Display;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PERIOD: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, and returns it. `what` completes the sentence "waited for …"; the
/// last `Err` is the reason in the message of the failure. The probe itself counts against the time.
pub async fn eventually<T, E: Display>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + timeout;
    let mut last = "the first answer did not come".to_owned();
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => {}
        }
        // Asked here, since a probe that answers at once never meets its own time-out.
        if Instant::now() >= deadline {
            panic!("waited {timeout:?} for {what}; last: {last}");
        }
        sleep(PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answer_is_returned_when_it_comes() {
        let mut asked = 0;
        let answer = eventually("three", Duration::from_secs(1), async || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err(format!("only {asked}")) }
        });
        assert_eq!(answer.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited 50ms for the moon; last: it is day")]
    async fn failure_names_wish_and_last_reason() {
        eventually("the moon", Duration::from_millis(50), async || Err::<(), _>("it is day")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 50ms for an answer; last: the first answer did not come")]
    async fn probe_that_hangs_fails_in_time() {
        eventually("an answer", Duration::from_millis(50), async || std::future::pending::<Result<(), String>>().await)
            .await;
    }
}
