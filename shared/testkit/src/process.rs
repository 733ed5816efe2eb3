//! A built program of the workspace, run as its users run it.

use crate::watchdog::{Kept, Watchdog, directory};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

const READY_MAX: Duration = Duration::from_secs(30);
const END_MAX: Duration = Duration::from_secs(30);

/// A program that runs and listens. Dropped, it is killed; what it printed is shown if the test failed.
pub struct Process {
    name: String,
    address: SocketAddr,
    watchdog: Mutex<Watchdog>,
}

impl Process {
    /// Runs the command (its arguments, environment and current directory) and waits until `address` accepts.
    pub async fn start(command: Command, address: SocketAddr) -> Self {
        crate::or_fail(Self::try_start(&command, address).await)
    }

    async fn try_start(command: &Command, address: SocketAddr) -> Result<Self> {
        let program = PathBuf::from(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kept = Kept { name: &name, command, setup: "", last_signal: "KILL" };
        let watchdog = Watchdog::new(directory(&name, false)?, false, &kept)?;
        let process = Self { name, address, watchdog: Mutex::new(watchdog) };
        process.run().await?;
        Ok(process)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…`, for a gRPC channel.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As a full disk would, keeps it from writing anything into files, or lets it write again. A limit on the size of
    /// files (`prlimit`, of util-linux), so the program must have been started by [`Self::spared`].
    pub async fn fill_disk(&self, is_full: bool) {
        let limit = if is_full { "--fsize=0:unlimited" } else { "--fsize=unlimited:unlimited" };
        let pid = self.watchdog.lock().await.pid().context("the program was not started");
        let status = pid.and_then(|pid| {
            let arguments = ["--pid", &pid.to_string(), limit];
            Command::new("prlimit").args(arguments).stderr(Stdio::null()).status().context("run prlimit")
        });
        // A program that has just ended has no limit to set, and none is needed.
        crate::or_fail(status);
    }

    /// The command, so that it is not ended by the signal of a limit on files, and what it prints has none.
    pub fn spared(command: &Command) -> Command {
        let mut spared = Command::new("bash");
        spared.args(["-c", r#"trap '' XFSZ; exec "$@" > >(cat) 2>&1"#]).arg(command.get_program());
        spared.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => spared.env(key, value),
                None => spared.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            spared.current_dir(folder);
        }
        spared
    }

    /// Ends it by SIGKILL.
    pub async fn kill9(&self) {
        crate::or_fail(self.watchdog.lock().await.end("KILL", END_MAX).await);
    }

    /// Asks it to end by SIGTERM and waits; its exit code.
    pub async fn terminate(&self) -> i32 {
        crate::or_fail(self.watchdog.lock().await.end("TERM", END_MAX).await)
    }

    /// Runs the same command again, after killing it if it still runs.
    pub async fn restart(&self) {
        self.kill9().await;
        crate::or_fail(self.run().await);
    }

    /// What it has printed, over all its starts.
    pub async fn log(&self) -> String {
        self.watchdog.lock().await.log()
    }

    /// Its exit code, if it has ended.
    pub async fn exit_code(&self) -> Option<i32> {
        self.watchdog.lock().await.exit_code()
    }

    async fn run(&self) -> Result<()> {
        let ready = async || TcpStream::connect(self.address).await.map(drop).context(self.address);
        self.watchdog.lock().await.start(READY_MAX, ready).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.watchdog.get_mut().log();
            // Through the test harness, which shows it under the failed test.
            eprintln!("---- {} printed ----\n{log}---- end of {} ----", self.name, self.name);
        }
    }
}

/// The program of this workspace with that name, built beside the running test.
pub fn binary(name: &str) -> PathBuf {
    crate::or_fail(find_binary(name))
}

fn find_binary(name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(format!("CARGO_BIN_EXE_{name}")) {
        return Ok(path.into());
    }
    let test = std::env::current_exe().context("find the running test")?;
    // target/debug/deps/test-0123 or target/debug/bench: the programs are in target/debug.
    test.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("program {name} is not built; run: cargo build --workspace"))
}
