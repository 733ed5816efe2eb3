//! A server's keeper: a small shell that starts the server and stops it when the test process ends.
//!
//! The shell reads from a pipe whose other end only this process holds. However the process ends
//! (return, panic, `kill -9`), the pipe closes; the shell then ends the server and removes the
//! server's directory. Dropping a [`Watchdog`] closes the pipe and waits until that is done.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Arguments: the directory, the signal that ends the server at once, the server's own command line.
/// The file `pid` appears when the server runs, `exit` (with its code) when it has ended.
const SCRIPT: &str = r#"
directory=$1 last_signal=$2
shift 2
serve() {
    "$@" </dev/null >>"$directory/log" 2>&1 &
    echo $! >"$directory/pid.new" && mv "$directory/pid.new" "$directory/pid"
    wait $!
    echo $? >"$directory/exit.new" && mv "$directory/exit.new" "$directory/exit"
}
while read -r request; do
    case $request in
    setup)
        sh -c "$PROVOST_TESTKIT_SETUP" </dev/null >>"$directory/log" 2>&1
        echo $? ;;
    start)
        rm -f "$directory/pid" "$directory/exit"
        serve "$@" &
        started=yes
        echo 0 ;;
    esac
done
if [ "$started" ]; then
    until [ -e "$directory/pid" ]; do sleep 0.1; done
    if [ ! -e "$directory/exit" ]; then
        kill -s "$last_signal" "$(cat "$directory/pid")"
        # A server that was made to hang would not hear of it.
        kill -s CONT "$(cat "$directory/pid")"
    fi
    wait
fi
rm -rf "$directory"
"#;

/// What a watchdog keeps.
pub(crate) struct Kept<'a> {
    /// The server's name in messages.
    pub(crate) name: &'a str,
    /// The command line, environment and current directory. Without one the server's directory is current.
    pub(crate) command: &'a Command,
    /// Shell text for [`Watchdog::setup`], run in the server's directory.
    pub(crate) setup: &'a str,
    /// The signal that ends the server, its children included, without delay.
    pub(crate) last_signal: &'a str,
}

/// A server under watch, with a directory of its own.
pub(crate) struct Watchdog {
    name: String,
    directory: PathBuf,
    shell: Child,
    // Some until drop: closing it is the sign to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Makes a directory for a server. `nobody` owns it when root is the caller, since PostgreSQL refuses root.
pub(crate) fn directory(name: &str, unprivileged: bool) -> Result<PathBuf> {
    let directory = tempfile::Builder::new().prefix(&format!("provost-{name}-")).tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    if unprivileged && let Some((uid, gid)) = nobody()? {
        chown(directory.path(), Some(uid), Some(gid))?;
    }
    Ok(directory.keep())
}

impl Watchdog {
    /// Begins the watch over `directory`; the server is not started yet.
    pub(crate) fn new(directory: PathBuf, unprivileged: bool, kept: &Kept<'_>) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "watchdog"]).arg(&directory).arg(kept.last_signal);
        shell.arg(kept.command.get_program()).args(kept.command.get_args());
        shell.current_dir(kept.command.get_current_dir().unwrap_or(&directory));
        for (key, value) in kept.command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        shell.env("PROVOST_TESTKIT_SETUP", kept.setup);
        // A group of its own: Ctrl-C reaches the test, and by its end the watchdog, which then cleans up.
        // It must not hold the standard error either: whoever reads that would wait for the clean-up.
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        if unprivileged && let Some((uid, gid)) = nobody()? {
            shell.uid(uid).gid(gid);
        }
        let mut shell = shell.spawn().context("start sh")?;
        let requests = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("sh has no standard output")?);
        Ok(Self { name: kept.name.to_owned(), directory, shell, requests, answers })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs the setup text to its end.
    pub(crate) fn setup(&mut self) -> Result<()> {
        let code = self.ask("setup")?;
        ensure!(code == "0", "{} could not be set up\n{}", self.name, self.log());
        Ok(())
    }

    /// Starts the server, which must not be running, and waits until `ready` answers.
    pub(crate) async fn start(&mut self, timeout: Duration, mut ready: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        self.ask("start")?;
        let deadline = Instant::now() + timeout;
        loop {
            let asked = tokio::time::timeout_at(deadline, ready()).await;
            if matches!(asked, Ok(Ok(()))) {
                return Ok(());
            }
            if let Some(code) = self.exit_code() {
                bail!("{} ended with code {code} before it was ready\n{}", self.name, self.log());
            }
            match asked {
                Ok(Err(error)) if Instant::now() >= deadline => {
                    return Err(error.context(format!("{} not ready after {timeout:?}\n{}", self.name, self.log())));
                }
                Err(_) => bail!("{} not ready after {timeout:?}\n{}", self.name, self.log()),
                Ok(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Sends a signal and waits until the server has ended; its exit code (128 + n after signal n).
    pub(crate) async fn end(&mut self, signal: &str, timeout: Duration) -> Result<i32> {
        if let Some(code) = self.exit_code() {
            return Ok(code);
        }
        let pid = self.pid().with_context(|| format!("{} was not started", self.name))?;
        Command::new("kill").args(["-s", signal, &pid.to_string()]).status().context("run kill")?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(code) = self.exit_code() {
                return Ok(code);
            }
            if Instant::now() >= deadline {
                bail!("{} still runs {timeout:?} after {signal}\n{}", self.name, self.log());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Makes the server and its children hang, or go on.
    pub(crate) fn signal_all(&self, signal: &str) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} was not started", self.name))?;
        let kill = |pid: &str| Command::new("kill").args(["-s", signal, pid]).stderr(Stdio::null()).status();
        // The server first: once it hangs, it starts no further child that would be missed.
        let status = kill(&pid.to_string()).context("run kill")?;
        ensure!(status.success(), "{} does not take {signal}", self.name);
        let children = Command::new("pgrep").args(["-P", &pid.to_string()]).output().context("run pgrep")?;
        for child in String::from_utf8(children.stdout)?.split_whitespace() {
            // Children may end at any time; one that is gone needs no signal.
            kill(child).context("run kill")?;
        }
        Ok(())
    }

    /// The server's process id, once it has been started.
    pub(crate) fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.directory.join("pid")).ok()?.trim().parse().ok()
    }

    /// The server's exit code, once it has ended.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        fs::read_to_string(self.directory.join("exit")).ok()?.trim().parse().ok()
    }

    /// What the server has printed since its first start.
    pub(crate) fn log(&self) -> String {
        fs::read(self.directory.join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        let requests = self.requests.as_mut().context("the watchdog has ended")?;
        writeln!(requests, "{request}").and_then(|()| requests.flush()).context("write to the watchdog")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("read from the watchdog")?;
        ensure!(!answer.is_empty(), "the watchdog of {} died", self.name);
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.requests.take());
        self.shell.wait().ok();
    }
}

/// Who `nobody` is, when this process is root.
fn nobody() -> Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> Result<u32> {
        let output = Command::new("id").args(arguments).output().context("run id")?;
        ensure!(output.status.success(), "there is no user nobody on this machine, and root cannot run PostgreSQL");
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?)))
}

/// Finds a program in PATH, then in `elsewhere`.
pub(crate) fn find_program(name: &str, elsewhere: impl IntoIterator<Item = PathBuf>, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(elsewhere)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is not installed; run `make test-deps` (Debian package: {package})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn missing_program_names_package_and_remedy() {
        let error =
            find_program("no-such-server", [PathBuf::from("/usr/sbin")], "some-package").expect_err("not there");
        assert_eq!(
            error.to_string(),
            "no-such-server is not installed; run `make test-deps` (Debian package: some-package)"
        );
    }

    #[tokio::test]
    async fn server_whose_children_come_and_go_hangs_and_goes_on() {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do /bin/true; done"]);
        let kept = Kept { name: "restless", command: &command, setup: "", last_signal: "KILL" };
        let mut watchdog = Watchdog::new(directory("restless", false).expect("a directory"), false, &kept).expect("sh");
        let (directory, timeout) = (watchdog.directory().to_owned(), Duration::from_secs(20));
        watchdog.start(timeout, async || Ok(fs::metadata(directory.join("pid")).map(drop)?)).await.expect("it starts");
        for _ in 0..50 {
            watchdog.signal_all("STOP").expect("it hangs");
            watchdog.signal_all("CONT").expect("it goes on");
        }
        assert_eq!(watchdog.exit_code(), None);
    }

    #[test]
    fn failed_setup_shows_what_was_printed_and_leaves_nothing() {
        let directory = directory("failing", false).expect("a directory");
        let kept = Kept {
            name: "failing",
            command: &Command::new("true"),
            setup: "echo disk full; false",
            last_signal: "KILL",
        };
        let mut watchdog = Watchdog::new(directory.clone(), false, &kept).expect("sh starts");
        let error = watchdog.setup().expect_err("the setup fails");
        assert_eq!(error.to_string(), "failing could not be set up\ndisk full\n");
        drop(watchdog);
        assert!(!directory.exists());
    }
}
