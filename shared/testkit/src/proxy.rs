//! A proxy that loses answers: the request reaches the server, and who asked never learns what became of it.

use anyhow::{Context, Result};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers that follow each other this closely are all lost: requests may be under way side by side, and the one
/// that is meant may not be the first to be answered.
const QUIET: Duration = Duration::from_millis(30);
/// The longest wait for a server that does not answer what it is to be cut off from.
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
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let of_connection = Arc::clone(&shared);
                let connection = tokio::spawn(async move {
                    // Whichever side ends it, the other end is closed too; a test sees it by what it asked for.
                    let _ = pass(client, server, &of_connection).await;
                });
                let mut state = lock(&shared);
                state.connections.retain(|connection| !connection.is_finished());
                state.connections.push(connection);
            }
        });
        Ok(Self { address, state, accepting })
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

async fn pass(mut client: TcpStream, server: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    // The end of what was passed before: a request may come in parts.
    let mut tail = Vec::new();
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let part = asked.get(..read?).unwrap_or_default();
                if part.is_empty() {
                    return Ok(());
                }
                tail.extend_from_slice(part);
                let (loss, beginning) = take(state, &tail);
                tail.drain(..tail.len().saturating_sub(beginning));
                server.write_all(part).await?;
                if let Some(loss) = loss {
                    return lose(client, server, loss).await;
                }
            }
            read = server.read(&mut answered) => {
                let part = answered.get(..read?).unwrap_or_default();
                if part.is_empty() {
                    return Ok(());
                }
                client.write_all(part).await?;
            }
        }
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

async fn lose(mut client: TcpStream, mut server: TcpStream, loss: Loss) -> io::Result<()> {
    let mut lost = vec![0; 64 * 1024];
    let mut patience = ANSWER_MAX;
    while let Ok(read) = tokio::time::timeout(patience, server.read(&mut lost)).await {
        if read? == 0 {
            break;
        }
        patience = QUIET;
    }
    if loss == Loss::Silence {
        // What the client says from now on reaches nobody.
        while client.read(&mut lost).await? > 0 {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
