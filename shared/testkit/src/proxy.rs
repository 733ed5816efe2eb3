//! A proxy that loses answers: the request reaches the server, and who asked never learns what became of it.
//!
//! The server never sees a connection end before it has answered all that was asked over it: a server may leave out of
//! its own log what it did for somebody who is gone, and its log is what tests count by.

use anyhow::{Context, Result};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A server that was silent for so long has answered everything. Requests may be under way side by side, and the one
/// that is meant may not be the first to be answered.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait for the first answer that is to be lost.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What happens to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The connection ends, on both sides, when the server has answered.
    Cut,
    /// The connection stays, and nothing more comes.
    Silence,
}

/// A way to a server through which answers can be lost. Dropped, all its connections end.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Nobody gets through while it is so.
    closed: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The next request with these bytes loses its answer so.
    armed: Option<(Vec<u8>, Loss)>,
    lost: usize,
    connections: Vec<JoinHandle<()>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Passes everything on to `server`, until told otherwise.
    pub async fn start(server: SocketAddr) -> Self {
        crate::or_fail(Self::try_start(server).await)
    }

    async fn try_start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("bind a port for the proxy")?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let (closed, is_closed) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *is_closed.borrow() {
                    continue;
                }
                let (of_connection, is_closed) = (Arc::clone(&shared), is_closed.clone());
                let connection = tokio::spawn(async move {
                    // Whichever side ends it, the other end is closed too; a test sees it by what it asked for.
                    let _ = pass(client, server, &of_connection, is_closed).await;
                });
                let mut state = lock(&shared);
                state.connections.retain(|connection| !connection.is_finished());
                state.connections.push(connection);
            }
        });
        Ok(Self { address, state, closed, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request that holds these bytes reaches the server, and its answer does not come back. Without bytes
    /// it is the next request of all.
    pub fn lose_answer_to(&self, request: &[u8], loss: Loss) {
        lock(&self.state).armed = Some((request.to_vec(), loss));
    }

    /// Cuts every connection off, and lets nobody through any more: as if the server were gone. Returns when the
    /// server has answered all that had reached it; those answers are lost.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        let connections = std::mem::take(&mut lock(&self.state).connections);
        for connection in connections {
            // One that broke has ended too.
            let _ = connection.await;
        }
    }

    /// Lets everybody through again.
    pub fn open(&self) {
        self.closed.send_replace(false);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        lock(&self.state).lost
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in &lock(&self.state).connections {
            connection.abort();
        }
    }
}

async fn pass(
    mut client: TcpStream,
    server: SocketAddr,
    state: &Mutex<State>,
    mut is_closed: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    // The end of what was passed before: a request may come in parts.
    let mut tail = Vec::new();
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let part = asked.get(..read.unwrap_or(0)).unwrap_or_default();
                if part.is_empty() {
                    return answered_all(&mut server, QUIET * 5).await;
                }
                tail.extend_from_slice(part);
                let (loss, beginning) = take(state, &tail);
                tail.drain(..tail.len().saturating_sub(beginning));
                server.write_all(part).await?;
                if let Some(loss) = loss {
                    return lose(client, server, loss, &mut is_closed).await;
                }
            }
            read = server.read(&mut answered) => {
                let part = answered.get(..read?).unwrap_or_default();
                if part.is_empty() {
                    return Ok(());
                }
                if client.write_all(part).await.is_err() {
                    return answered_all(&mut server, QUIET * 5).await;
                }
            }
            () = until(&mut is_closed) => return answered_all(&mut server, QUIET * 5).await,
        }
    }
}

/// Waits until nobody gets through any more; for ever, when the proxy ends before.
async fn until(is_closed: &mut watch::Receiver<bool>) {
    if is_closed.wait_for(|is_closed| *is_closed).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How the answer to what was asked is lost, if it is the one that is waited for; and how many bytes at the end of
/// what was asked may be its beginning.
fn take(state: &Mutex<State>, asked: &[u8]) -> (Option<Loss>, usize) {
    let mut state = lock(state);
    let Some((bytes, _)) = &state.armed else { return (None, 0) };
    if !bytes.is_empty() && !asked.windows(bytes.len()).any(|window| window == bytes.as_slice()) {
        return (None, bytes.len() - 1);
    }
    state.lost += 1;
    (state.armed.take().map(|(_, loss)| loss), 0)
}

async fn lose(
    mut client: TcpStream,
    mut server: TcpStream,
    loss: Loss,
    is_closed: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    answered_all(&mut server, ANSWER_MAX).await?;
    if loss == Loss::Silence {
        // What the client says from now on reaches nobody.
        let mut unheard = vec![0; 4 * 1024];
        let ignored = async {
            while client.read(&mut unheard).await? > 0 {}
            Ok(())
        };
        return tokio::select! {
            ended = ignored => ended,
            () = until(is_closed) => Ok(()),
        };
    }
    Ok(())
}

/// Waits until the server is silent; what it says is lost.
async fn answered_all(server: &mut TcpStream, first: Duration) -> io::Result<()> {
    let (mut lost, mut patience) = (vec![0; 64 * 1024], first);
    while let Ok(read) = tokio::time::timeout(patience, server.read(&mut lost)).await {
        if read? == 0 {
            break;
        }
        patience = QUIET;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A server that answers every line, and counts them.
    async fn echo() -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut line = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut line).await {
                        count.fetch_add(1, Ordering::SeqCst);
                        stream.write_all(&line[..read]).await.unwrap();
                    }
                });
            }
        });
        (address, asked)
    }

    #[tokio::test]
    async fn answer_is_lost_after_the_request_arrived_and_then_all_is_well_again() {
        let (server, asked) = echo().await;
        let proxy = Proxy::start(server).await;
        let mut line = [0; 64];
        for (loss, number) in [(Loss::Cut, 1), (Loss::Silence, 2)] {
            let mut client = TcpStream::connect(proxy.address()).await.unwrap();
            client.write_all(b"one").await.unwrap();
            assert_eq!(client.read(&mut line).await.unwrap(), 3);
            proxy.lose_answer_to(b"two", loss);
            client.write_all(b"a tw").await.unwrap();
            assert_eq!(client.read(&mut line).await.unwrap(), 4, "not the one that is waited for");
            client.write_all(b"o").await.unwrap();
            let ended = tokio::time::timeout(Duration::from_millis(500), client.read(&mut line)).await;
            match loss {
                Loss::Cut => assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}"),
                Loss::Silence => assert!(ended.is_err(), "{ended:?}"),
            }
            assert_eq!((asked.load(Ordering::SeqCst), proxy.lost()), (number * 3, number));
        }
    }
}
