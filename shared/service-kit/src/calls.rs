//! One layer around every call: a span with request id and actor, the caller's deadline, and one
//! log line per call. Metadata only; never a message's content.

use crate::caller::{ACTOR, REQUEST_ID};
use crate::clock::new_id;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;

/// The transport watches the same deadline and answers CANCELLED; the right answer must come first.
const AHEAD: Duration = Duration::from_millis(2);

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request being served; empty outside a call.
pub(crate) fn current_request_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallLayer;

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Calls<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Calls<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let text = |name: &str| {
            let value = request.headers().get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
        };
        let request_id = text(REQUEST_ID).unwrap_or_else(|| new_id().to_string());
        let actor = text(ACTOR).unwrap_or_default();
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let deadline = deadline(request.headers());
        let span = tracing::info_span!("call", method, request_id, actor);
        // The clone that was made ready must be the one that is called.
        let clone = self.inner.clone();
        let call = std::mem::replace(&mut self.inner, clone).call(request);
        let started = Instant::now();
        let served = async move {
            let result = match deadline {
                Some(deadline) => match tokio::time::timeout(deadline.saturating_sub(AHEAD), call).await {
                    Ok(result) => result,
                    Err(_) => Ok(Status::deadline_exceeded("the caller's deadline is over").into_http()),
                },
                None => call.await,
            };
            result.map(|mut response| {
                note(response.headers(), started.elapsed());
                if let Ok(id) = HeaderValue::from_str(&current_request_id()) {
                    response.headers_mut().insert(REQUEST_ID, id);
                }
                response
            })
        };
        Box::pin(CURRENT.scope(request_id, served).instrument(span))
    }
}

/// One line per call. A streaming answer is noted when it begins.
fn note(headers: &HeaderMap, elapsed: Duration) {
    let code = headers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<i32>().ok());
    let code = code.map_or(Code::Ok, Code::from);
    tracing::debug!(?code, elapsed_ms = elapsed.as_millis() as u64, "call served");
}

/// How long the caller waits for an answer, where it says so.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    headers.get("grpc-timeout").and_then(|value| timeout(value.to_str().ok()?))
}

/// The `grpc-timeout` header: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.checked_mul(3600)?),
        "M" => Duration::from_secs(number.checked_mul(60)?),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        assert_eq!(timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(timeout("5"), None);
        assert_eq!(timeout(""), None);
        assert_eq!(timeout("5x"), None);
    }
}
