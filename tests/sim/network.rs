//! The simulated network and clocks, as the services see them.

use async_stream::stream;
use hyper_util::rt::TokioIo;
use provost_domain::Timestamp;
use provost_service_kit::Clock;
use provost_service_kit::channel::Network;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Uri};
use turmoil::net::{TcpListener, TcpStream};

/// When the simulation begins: 2026-01-01, to the millisecond.
const EPOCH_MILLIS: i64 = 1_767_225_600_000;

/// A host's clock: the virtual time, and how wrong it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostClock(Arc<AtomicI64>);

impl HostClock {
    /// From now on the clock is wrong by so much.
    pub(crate) fn set_off(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let passed = turmoil::sim_elapsed().unwrap_or_default();
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(EPOCH_MILLIS + passed + self.0.load(Ordering::SeqCst))
    }
}

/// The simulated network.
pub(crate) fn network() -> Network {
    Network::dialled_by(|endpoint: Endpoint| {
        endpoint.connect_with_connector_lazy(tower::service_fn(|uri: Uri| async move {
            let host = uri.host().unwrap_or_default().to_owned();
            let stream = TcpStream::connect((host, uri.port_u16().unwrap_or_default())).await?;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }))
    })
}

/// The connections that arrive at a port of this host.
///
/// # Errors
/// When the port is taken.
pub(crate) async fn arrivals(port: u16) -> io::Result<impl Stream<Item = io::Result<Arrived>> + Send> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    Ok(stream! {
        loop {
            // One future for each connection, polled until it is there: one made anew at each poll loses its waker.
            yield listener.accept().await.map(|(stream, _)| Arrived(stream));
        }
    })
}

/// A connection that arrived.
pub(crate) struct Arrived(TcpStream);

impl Connected for Arrived {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Arrived {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Arrived {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
