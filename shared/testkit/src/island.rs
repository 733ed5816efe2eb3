//! A place that can be cut off from everybody else: what runs there keeps its connections, and not a packet gets through
//! in either direction, until the way is open again. Nobody is told; that is what a partition of a network is like.
//!
//! Where it is allowed (Linux, as root, with `ip`, `unshare` and `nsenter`), it is a network namespace with a pair of
//! virtual interfaces of which one end is taken down. Elsewhere the ways to it lead through forwarders that stop passing
//! anything on. The rule that must hold: the namespace ends with the process that made it, also by `kill -9`.

use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A place that can be cut off. Dropped, it is gone.
pub struct Island {
    namespace: Option<Namespace>,
    is_cut: watch::Sender<bool>,
    forwarding: Mutex<Vec<JoinHandle<()>>>,
}

impl Island {
    /// A namespace, or, where that is not possible, forwarders.
    pub fn new() -> Self {
        let namespace =
            Namespace::new().inspect_err(|error| eprintln!("no network namespace, so forwarders: {error:#}"));
        Self { namespace: namespace.ok(), is_cut: watch::Sender::new(false), forwarding: Mutex::default() }
    }

    /// Forwarders, whatever is possible.
    pub fn of_forwarders() -> Self {
        Self { namespace: None, is_cut: watch::Sender::new(false), forwarding: Mutex::default() }
    }

    /// What keeps it apart, in words.
    pub fn how(&self) -> &'static str {
        if self.namespace.is_some() { "network namespace" } else { "forwarders" }
    }

    /// An address on it that a program there can listen on, and that is reached from here.
    pub fn free_address(&self) -> SocketAddr {
        let address = crate::free_address();
        match &self.namespace {
            Some(namespace) => SocketAddr::from((namespace.there, address.port())),
            None => address,
        }
    }

    /// The address under which `server`, which listens here, is reached from there.
    pub async fn way_to(&self, server: SocketAddr) -> SocketAddr {
        let host = self.namespace.as_ref().map_or(Ipv4Addr::LOCALHOST, |namespace| namespace.here);
        let listener = crate::or_fail(TcpListener::bind((host, 0)).await.context("bind a port for a way to an island"));
        let address = crate::or_fail(listener.local_addr().context("a way to an island"));
        let is_cut = self.is_cut.subscribe();
        let forwarding = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let is_cut = is_cut.clone();
                tokio::spawn(async move {
                    // Whichever side ends it, the other one is closed too.
                    let _ = forward(client, server, is_cut).await;
                });
            }
        });
        self.forwarding.lock().unwrap_or_else(PoisonError::into_inner).push(forwarding);
        address
    }

    /// The command, so that it runs there.
    pub fn command(&self, command: &Command) -> Command {
        let Some(namespace) = &self.namespace else { return copy(command, Command::new(command.get_program())) };
        let mut there = Command::new("nsenter");
        there.arg(namespace.path()).arg("--").arg(command.get_program());
        copy(command, there)
    }

    /// Cuts it off, or opens the way again.
    pub fn cut(&self, is_cut: bool) {
        match &self.namespace {
            Some(namespace) => crate::or_fail(namespace.set_up(!is_cut)),
            None => drop(self.is_cut.send_replace(is_cut)),
        }
    }
}

impl Default for Island {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        for forwarding in self.forwarding.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            forwarding.abort();
        }
    }
}

fn copy(command: &Command, mut to: Command) -> Command {
    to.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => to.env(key, value),
            None => to.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        to.current_dir(folder);
    }
    to
}

async fn forward(client: TcpStream, server: SocketAddr, is_cut: watch::Receiver<bool>) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::select! {
        passed = pass(client_reads, server_writes, is_cut.clone()) => passed,
        passed = pass(server_reads, client_writes, is_cut) => passed,
    }
}

/// Passes on what comes, while the way is open; the end of a connection does not get through a closed one either.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_cut: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut part = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut part).await?;
        if is_cut.wait_for(|is_cut| !is_cut).await.is_err() || read == 0 {
            return Ok(());
        }
        to.write_all(part.get(..read).unwrap_or_default()).await?;
    }
}

/// A network namespace that lives as long as its keeper, which ends when nobody holds its standard input any more.
struct Namespace {
    keeper: Child,
    name: String,
    here: Ipv4Addr,
    there: Ipv4Addr,
}

impl Namespace {
    fn new() -> Result<Self> {
        ensure!(cfg!(target_os = "linux"), "only Linux has them");
        let keeper = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo ready; read forever"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("run unshare")?;
        let pid = keeper.id();
        // Not the networks that people use at home; another one for each process of tests.
        let (high, low) = (u8::try_from(pid / 64 % 256).unwrap_or(0), u8::try_from(pid % 64 * 4).unwrap_or(0));
        let address = |last: u8| Ipv4Addr::new(10, 213, high, low | last);
        let mut namespace = Self { keeper, name: format!("pv{pid}"), here: address(1), there: address(2) };
        namespace.furnish()?;
        Ok(namespace)
    }

    fn furnish(&mut self) -> Result<()> {
        use std::io::{BufRead, BufReader};
        let mut line = String::new();
        let said = self.keeper.stdout.take().context("unshare was not started")?;
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line.trim() == "ready", "a network namespace is not allowed here");
        let (own, pid, path) = (self.name.clone(), self.keeper.id().to_string(), self.path());
        let peer = format!("{own}p");
        run("ip", &["link", "add", &own, "type", "veth", "peer", "name", &peer])?;
        run("ip", &["link", "set", &peer, "netns", &pid])?;
        run("ip", &["addr", "add", &format!("{}/30", self.here), "dev", &own])?;
        let inside = |arguments: &[&str]| run("nsenter", &[&[path.as_str(), "--", "ip"], arguments].concat());
        inside(&["addr", "add", &format!("{}/30", self.there), "dev", &peer])?;
        inside(&["link", "set", &peer, "up"])?;
        inside(&["link", "set", "lo", "up"])?;
        self.set_up(true)
    }

    /// For `nsenter`.
    fn path(&self) -> String {
        format!("--net=/proc/{}/ns/net", self.keeper.id())
    }

    fn set_up(&self, is_up: bool) -> Result<()> {
        run("ip", &["link", "set", &self.name, if is_up { "up" } else { "down" }])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may have ended by itself. The interfaces go with the namespace, once what runs in it has ended too.
        let _ = run("ip", &["link", "del", &self.name]);
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    /// A server here that answers what it is asked.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut part = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut part).await {
                        stream.write_all(&part[..read]).await.unwrap();
                    }
                });
            }
        });
        address
    }

    /// From a program on the island: bash connects, says something and hears the answer.
    async fn asked(island: &Island, server: SocketAddr, patience: Duration) -> bool {
        let mut ask = Command::new("bash");
        let script = format!(
            "exec 3<>/dev/tcp/{}/{} && echo hello >&3 && read -r line <&3 && test $line = hello",
            server.ip(),
            server.port()
        );
        ask.args(["-c", &script]);
        let mut ask: tokio::process::Command = island.command(&ask).into();
        ask.kill_on_drop(true).stderr(Stdio::null());
        matches!(timeout(patience, ask.status()).await, Ok(Ok(status)) if status.success())
    }

    #[tokio::test]
    async fn nothing_gets_through_while_it_is_cut_off() {
        for island in [Island::new(), Island::of_forwarders()] {
            let way = island.way_to(echo().await).await;
            assert!(asked(&island, way, Duration::from_secs(10)).await, "{}", island.how());
            island.cut(true);
            assert!(!asked(&island, way, Duration::from_millis(700)).await, "{}", island.how());
            island.cut(false);
            assert!(asked(&island, way, Duration::from_secs(10)).await, "{}", island.how());
        }
    }
}
