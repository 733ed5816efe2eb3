//! A journal that cannot be trusted: told by what the database says of it, and set aside.
//!
//! The rule that must hold: nothing is deleted. What was in it and not yet acknowledged is offered again when its
//! leases run out, as a further attempt, and is looked up at the managed system before anything is written.

use anyhow::Context;
use provost_domain::Timestamp;
use sqlx::{Row, SqlitePool};
use std::path::{Path, PathBuf};

/// SQLITE_CORRUPT and SQLITE_NOTADB.
const CODES: [i32; 2] = [11, 26];
/// The files of one database.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// Whether the error says that the file is not what was written. A row that makes no sense is a sign of it too.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(|code| CODES.contains(&(code & 0xff)))
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => true,
        _ => false,
    }
}

/// Reads the whole file. Journals are small: they hold what was not acknowledged yet.
///
/// # Errors
/// The damage, or that the file cannot be read.
pub(super) async fn check(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let found: String = sqlx::query("PRAGMA integrity_check(1)").fetch_one(pool).await?.try_get(0)?;
    if found == "ok" { Ok(()) } else { Err(sqlx::Error::Decode(found.into())) }
}

/// Renames the journal's files, and says so.
///
/// # Errors
/// When they cannot be renamed.
pub(super) async fn set_aside(file: &Path, now: Timestamp, damage: &sqlx::Error) -> anyhow::Result<PathBuf> {
    let aside = beside(file, &format!(".damaged-{}", now.to_string().replace(':', "")));
    for part in PARTS {
        let (from, to) = (beside(file, part), beside(&aside, part));
        if tokio::fs::try_exists(&from).await.unwrap_or(true) {
            let what = || format!("the journal {} is damaged ({damage}) and cannot be set aside", from.display());
            tokio::fs::rename(&from, &to).await.with_context(what)?;
        }
    }
    tracing::error!(
        %damage,
        journal = %file.display(),
        set_aside = %aside.display(),
        "the journal is damaged: it was set aside and a new one begun; what was in it and not yet reported is offered \
         again when its leases run out, and looked up at the managed systems before anything is written; keep the file \
         until those orders are settled"
    );
    Ok(aside)
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}
