//! Serving: a service adds its gRPC services and its background work, then everything runs until
//! told to stop. One service alone, or the whole suite on one port: the same code.
//!
//! The rule that must hold: on stop, health says not serving, streams end, calls under way finish
//! within the grace period, and the first failure of any background work stops everything and is
//! the result.

use crate::calls::CallLayer;
use crate::channel::Network;
use crate::clock::{Clock, SystemClock};
use anyhow::Context;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::server::Connected;

/// How long calls may go on after the stop.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long who begins to watch the health at the moment of the stop may do so.
const LAST_WATCH: Duration = Duration::from_secs(1);
/// After how long a connection is asked to be made anew, while what runs over it goes on: clients behind one name come to
/// replicas that were not there before.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// Largest message that any server or client takes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What comes from outside: time, the network, and the signal to stop.
#[derive(Clone)]
pub struct Runtime {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when everything shall end.
    pub stop: CancellationToken,
    /// How other services are reached.
    pub network: Network,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), stop: CancellationToken::new(), network: Network::default() }
    }
}

type Work = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

/// What will be served.
pub struct Server {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    work: Vec<(&'static str, Work)>,
    connection_age: Duration,
}

impl Default for Server {
    fn default() -> Self {
        let (routes, names, work) = Default::default();
        Self { routes, names, work, connection_age: CONNECTION_AGE_MAX }
    }
}

impl Server {
    /// Adds a gRPC service.
    pub fn add<S>(&mut self, service: S) -> &mut Self
    where
        S: tower::Service<
                http::Request<tonic::body::Body>,
                Response = http::Response<tonic::body::Body>,
                Error = std::convert::Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Adds background work. It gets the stop signal, and ends soon after it.
    pub fn work<F, Fut>(&mut self, name: &'static str, work: F) -> &mut Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.work.push((name, Box::new(move |stop| Box::pin(work(stop)))));
        self
    }

    /// Has connections made anew after another time than the usual ten minutes.
    pub fn reconnecting_after(&mut self, age: Duration) -> &mut Self {
        self.connection_age = age;
        self
    }

    /// Serves on `listener` until `stop`, or until background work fails.
    ///
    /// # Errors
    /// The first failure of background work, or of the listener.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        // A small answer must not wait for the acknowledgement of the one before (40 ms).
        let incoming = TcpListenerStream::new(listener).map(|connection| {
            let connection = connection?;
            connection.set_nodelay(true)?;
            Ok::<_, std::io::Error>(connection)
        });
        self.serve(incoming, stop).await
    }

    /// As [`Self::run`], on connections that come from wherever.
    ///
    /// # Errors
    /// As there.
    pub async fn serve<I, C>(mut self, incoming: I, stop: CancellationToken) -> anyhow::Result<()>
    where
        I: Stream<Item = std::io::Result<C>> + Send + 'static,
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let (mut health, health_service) = tonic_health::server::health_reporter();
        self.routes.add_service(health_service);
        self.routes.add_service(reflection().build_v1().context("reflection cannot be built")?);
        self.routes.add_service(reflection().build_v1alpha().context("reflection cannot be built")?);
        let mut work = JoinSet::new();
        for (name, start) in self.work {
            let running = start(stop.clone());
            work.spawn(async move { running.await.with_context(|| format!("{name} failed")) });
        }
        for name in &self.names {
            health.set_service_status(*name, tonic_health::ServingStatus::Serving).await;
        }
        let names = self.names;
        let stopping = {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                for name in names.iter().copied().chain([""]) {
                    health.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
                    // Who watches hears of the stop; then its stream ends, which would else hold the server.
                    health.clear_service_status(name).await;
                    // Who asks only now hears of it too, instead of being told that there is no such service.
                    health.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
                }
                tokio::spawn(async move {
                    tokio::time::sleep(LAST_WATCH).await;
                    for name in names.iter().copied().chain([""]) {
                        health.clear_service_status(name).await;
                    }
                });
            }
        };
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .max_connection_age(self.connection_age)
            .layer(CallLayer)
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(incoming, stopping);
        let mut serving = tokio::spawn(serving);
        let mut failure = None;
        let mut overtime = pin!(async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        });
        loop {
            tokio::select! {
                Some(ended) = work.join_next() => {
                    if let Err(error) = ended.context("background work panicked").and_then(|result| result) {
                        tracing::error!(error = format!("{error:#}"), "stopping");
                        failure.get_or_insert(error);
                        stop.cancel();
                    }
                }
                served = &mut serving => {
                    stop.cancel();
                    served.context("the listener panicked")?.context("the listener failed")?;
                    break;
                }
                () = &mut overtime => {
                    tracing::warn!("calls were still under way after {} s; ending them", GRACE.as_secs());
                    serving.abort();
                    break;
                }
            }
        }
        let finish = async {
            while let Some(ended) = work.join_next().await {
                if let Err(error) = ended.context("background work panicked").and_then(|result| result) {
                    failure.get_or_insert(error);
                }
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::warn!("background work was still under way after {} s; ending it", GRACE.as_secs());
        }
        failure.map_or(Ok(()), Err)
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(provost_contract::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
