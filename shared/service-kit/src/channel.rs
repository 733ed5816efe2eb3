//! Channels to other services: to the one address of a service, or to several replicas of it.
//!
//! The rule that must hold: what goes through [`Replicas`] may be repeated. A call whose answer was lost is made once
//! more at another replica, which cannot know whether the first one did it. Every call of the suite that writes is
//! made so that this is safe: by an id, by an attempt, or because doing it again changes nothing.

mod addresses;
mod replay;
mod replicas;

pub use addresses::Addresses;
pub use replicas::Replicas;

use anyhow::Context;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// How an endpoint is dialled, where it is not over the machine's own network.
type Dial = Arc<dyn Fn(Endpoint) -> Channel + Send + Sync>;

/// The network that other services are reached over: the machine's, or one that a simulation puts in its place.
#[derive(Clone, Default)]
pub struct Network(Option<Dial>);

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Network(its own)" } else { "Network(the machine's)" })
    }
}

impl Network {
    /// A network in which `dial` makes the channels.
    pub fn dialled_by(dial: impl Fn(Endpoint) -> Channel + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(dial)))
    }

    /// As [`to`], over this network.
    ///
    /// # Errors
    /// As there.
    pub fn to(&self, address: &str) -> anyhow::Result<Channel> {
        let endpoint = endpoint(address)?;
        Ok(match &self.0 {
            Some(dial) => dial(endpoint),
            None => endpoint.connect_lazy(),
        })
    }
}

/// A channel that connects when it is first used, and again whenever it broke. Keep-alive pings
/// notice a peer that is gone although its connection is not.
///
/// # Errors
/// When `address` is not a URI such as `http://127.0.0.1:7402`.
pub fn to(address: &str) -> anyhow::Result<Channel> {
    Network::default().to(address)
}

fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .with_context(|| format!("'{address}' is not an address; write for example http://127.0.0.1:7402"))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

/// The waits between tries: doubling from 50 ms, at most 2 seconds.
#[derive(Clone, Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Backoff {
    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Duration::from_secs(2));
        wait
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_start_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.next_wait().as_millis(), 50);
    }

    #[test]
    fn wrong_address_says_what_would_be_right() {
        let error = to("not an address").map(|_| ()).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("http://127.0.0.1:7402")));
    }
}
