//! The replicas of one service as one channel: each call goes to the next of them, and to another one when that one
//! cannot be reached, stops, or says that it is not available.

use super::replay::Recording;
use super::{Addresses, Backoff, Network};
use crate::calls;
use futures::future::BoxFuture;
use http::{Request, Response};
use std::collections::HashSet;
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tonic::{Code, TimeoutExpired};
use tower::{Service, ServiceExt};

/// How often all of them are asked, with pauses between, before a call fails.
const ROUNDS: usize = 3;

/// A channel to a service that may have several replicas. Cheap to clone.
///
/// With one address it is that channel and nothing more: a call that fails, fails. With several, calls go round, so that
/// a replica that starts gets its share; one that failed rests for a moment that doubles, up to two seconds. Through
/// this go only calls that may be repeated.
#[derive(Clone, Debug)]
pub struct Replicas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    replicas: Vec<Replica>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Replica {
    channel: Channel,
    rest: Mutex<Rest>,
}

/// When one that failed is asked again.
#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    pause: Backoff,
}

impl Replica {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) {
        let mut rest = self.rest();
        let pause = rest.pause.next_wait();
        rest.until = Some(Instant::now() + pause);
    }

    fn answered(&self) {
        *self.rest() = Rest::default();
    }
}

/// What came of asking one replica.
enum Asked {
    Answered(Result<Response<Body>, Error>),
    /// Another one may do better.
    Unavailable(Result<Response<Body>, Error>),
}

impl Replicas {
    /// A channel to all of `addresses`. Nothing is connected before the first call.
    ///
    /// # Errors
    /// When an address is none, or there is none.
    pub fn at(addresses: &Addresses) -> anyhow::Result<Self> {
        Self::over(&Network::default(), addresses)
    }

    /// As [`Replicas::at`], over a network.
    ///
    /// # Errors
    /// As there.
    pub fn over(network: &Network, addresses: &Addresses) -> anyhow::Result<Self> {
        let replica = |address: &str| Ok(Replica { channel: network.to(address)?, rest: Mutex::default() });
        let replicas = addresses.iter().map(replica).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(!replicas.is_empty(), "at least one address is needed");
        // Not all clients begin with the same one.
        let first = crate::clock::new_id().as_u128() % replicas.len() as u128;
        Ok(Self(Arc::new(Inner { replicas, turn: AtomicUsize::new(usize::try_from(first).unwrap_or(0)) })))
    }

    /// Whose turn it is among those that were not `asked`: the next one that does not rest, or the one that rests least.
    fn choose(&self, asked: &HashSet<usize>) -> Option<(usize, &Replica)> {
        let count = self.0.replicas.len();
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let candidates = (0..count).map(|step| turn.wrapping_add(step) % count).filter(|place| !asked.contains(place));
        let resting = |place: &usize| {
            let until = self.0.replicas.get(*place)?.rest().until?;
            Some(until.saturating_duration_since(now))
        };
        // The first of several that rest alike: those that do not rest are first of all.
        let place = candidates.min_by_key(|place| resting(place).unwrap_or(Duration::ZERO))?;
        Some((place, self.0.replicas.get(place)?))
    }

    async fn call_any(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (began, limit) = (Instant::now(), calls::deadline(request.headers()));
        let (parts, body) = request.into_parts();
        let recording = Recording::of(body);
        let (mut asked, mut round, mut pause) = (HashSet::new(), 1, Backoff::default());
        let mut last = None;
        loop {
            if asked.len() == self.0.replicas.len() {
                if round == ROUNDS {
                    break;
                }
                asked.clear();
                round += 1;
                tokio::time::sleep(pause.next_wait()).await;
            }
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                break;
            }
            let Some((place, replica)) = self.choose(&asked) else { break };
            let Some(body) = recording.play() else { break };
            asked.insert(place);
            match ask(replica, Request::from_parts(parts.clone(), body)).await {
                Asked::Answered(answer) => return answer,
                Asked::Unavailable(answer) => last = Some(answer),
            }
        }
        // Nobody was asked only when the caller's time was over before it began.
        last.unwrap_or_else(|| Ok(tonic::Status::deadline_exceeded("no replica was asked in time").into_http()))
    }
}

async fn ask(replica: &Replica, request: Request<Body>) -> Asked {
    let answer = replica.channel.clone().oneshot(request).await;
    let is_unavailable = match &answer {
        Ok(response) => {
            let code = response.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
            code == Some(Code::Unavailable)
        }
        Err(error) if is_late(error) => {
            // It may have hung; the caller's time is over all the same.
            replica.failed();
            return Asked::Answered(answer);
        }
        Err(_) => true,
    };
    if is_unavailable {
        replica.failed();
        Asked::Unavailable(answer)
    } else {
        replica.answered();
        Asked::Answered(answer)
    }
}

/// Whether the caller's own time was over.
fn is_late(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Service<Request<Body>> for Replicas {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.0.replicas.as_slice() {
            [only] => Box::pin(only.channel.clone().oneshot(request)),
            _ => Box::pin(self.clone().call_any(request)),
        }
    }
}
