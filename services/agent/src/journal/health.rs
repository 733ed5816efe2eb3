//! Whether the disk takes what the journal writes.
//!
//! A disk that does not stops what is new: an order is in the journal before it is written. What was written already
//! stays in hand, and is tried again until there is room.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// SQLITE_FULL, and SQLITE_IOERR, as which a limit on files shows.
const NO_ROOM: [i32; 2] = [13, 10];

/// What the journal's last write said, and what waits for the next.
#[derive(Debug)]
pub(super) struct Health {
    file: PathBuf,
    set_aside: Option<PathBuf>,
    problem: Mutex<Option<String>>,
    held: AtomicI64,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Why it cannot be written, and what to do; empty when it can.
    pub(crate) problem: String,
    /// Results that wait for the disk.
    pub(crate) held: i64,
    /// The damaged file that was found at the start; empty when there was none.
    pub(crate) set_aside: String,
}

/// A result in hand, until dropped.
pub(super) struct Held<'a>(&'a AtomicI64);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Health {
    pub(super) fn new(file: &Path, set_aside: Option<PathBuf>) -> Self {
        Self { file: file.to_owned(), set_aside, problem: Mutex::default(), held: AtomicI64::new(0) }
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how a write went, and says so in the log when that changes.
    pub(super) fn noted<T>(&self, written: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let mut problem = self.problem();
        match &written {
            Ok(_) => {
                if problem.take().is_some() {
                    tracing::info!(journal = %self.file.display(), "the journal can be written again");
                }
            }
            Err(error) => {
                let now = self.told(error);
                if problem.is_none() {
                    tracing::error!(%error, "{now}");
                }
                *problem = Some(now);
            }
        }
        written
    }

    fn told(&self, error: &sqlx::Error) -> String {
        let code = match error {
            sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()),
            _ => None,
        };
        let remedy = if code.is_some_and(|code| NO_ROOM.contains(&(code & 0xff))) {
            "make room on its disk"
        } else if super::damage::is_damage(error) {
            "it is damaged: restart the agent, which sets it aside"
        } else {
            "see to its disk"
        };
        let file = self.file.display();
        format!(
            "the journal {file} cannot be written ({error}): no order is begun and results are kept in hand; {remedy}"
        )
    }

    pub(super) fn is_well(&self) -> bool {
        self.problem().is_none()
    }

    /// A result waits for the disk.
    pub(super) fn hold(&self) -> Held<'_> {
        self.held.fetch_add(1, Ordering::Relaxed);
        Held(&self.held)
    }

    pub(super) fn trouble(&self) -> Trouble {
        Trouble {
            problem: self.problem().clone().unwrap_or_default(),
            held: self.held.load(Ordering::Relaxed),
            set_aside: self.set_aside.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
        }
    }
}
