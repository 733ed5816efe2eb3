//! The data directory, and the lock that keeps two suites out of the same one.
//!
//! The lock is the operating system's, on an open file: it ends with the process, however that ends.

use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The lock's file.
pub const LOCK_FILE: &str = "provost.lock";

/// Creates a directory that only its owner may enter, since confidential values go there. One that
/// exists keeps the permissions that somebody gave it.
///
/// # Errors
/// When it cannot be created.
pub fn create_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A data directory that is ours as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Opens a data directory, and creates it when there is none.
    ///
    /// # Errors
    /// When it is in use by another process, or cannot be created or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create_private(path).with_context(|| format!("cannot create the data directory {}", path.display()))?;
        // Absolute, so that it means the same to every service.
        let absolute =
            path.canonicalize().with_context(|| format!("cannot use the data directory {}", path.display()))?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(absolute.join(LOCK_FILE))
            .with_context(|| format!("cannot write to the data directory {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message; the lock itself has decided.
                let _ = lock.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    process => format!("process {process}"),
                };
                bail!("the data directory {} is in use by {holder}; end that first, or choose another", path.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock the data directory {}", path.display()));
            }
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .with_context(|| format!("cannot write to the data directory {}", path.display()))?;
        Ok(Self { path: absolute, _lock: lock })
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The URL of an SQLite file in it.
    pub fn sqlite(&self, file: &str) -> String {
        sqlite_url(&self.path.join(file))
    }
}

/// The URL of an SQLite file; what has a meaning in URLs is escaped.
fn sqlite_url(file: &Path) -> String {
    let escaped: String = file
        .display()
        .to_string()
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3F".to_owned(),
            '#' => "%23".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("sqlite://{escaped}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn directory_in_use_is_refused_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDirectory::open(&path).unwrap();
        let refused = DataDirectory::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(&format!("is in use by process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(DataDirectory::open(&path).is_ok());
    }

    #[test]
    fn file_in_its_place_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, "not a folder").unwrap();
        let error = DataDirectory::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("cannot create the data directory"), "{error}");
    }

    #[test]
    fn odd_paths_stay_whole_in_urls() {
        assert_eq!(sqlite_url(Path::new("/a b/50%?/#x.db")), "sqlite:///a b/50%25%3F/%23x.db");
    }
}
