//! What one replica does at a time, guarded by the database: a lock that ends with the session that took it.
//!
//! The rules that must hold: no clock decides who has it; a holder whose process is killed, or whose machine is gone,
//! has it no more, at once in the first case and within [`SILENCE_MAX`] in the others. Whoever writes under it asks
//! besides, in the transaction that writes, whether it is still its own: a holder that was stopped for a while does not
//! know that it lost it.

use crate::database::{Database, Engine};
use sea_orm::DbErr;
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the holder's session is used, so that its end is seen from both sides.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long a holder may be silent before the database ends its session.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How long giving it back may take.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// A lock that is held. Dropped, it is given back as soon as its session has ended.
#[derive(Debug)]
pub struct Exclusive {
    lost: oneshot::Receiver<sqlx::Error>,
    keeping: JoinHandle<()>,
    stop: DropGuard,
}

impl Database {
    /// Takes the lock of a name, unless somebody else holds it, here or at another replica. Names are those of one
    /// service: each has its schema, or its database. An SQLite file has one process, which needs no such lock.
    ///
    /// # Errors
    /// When the database cannot be reached, or is SQLite.
    pub async fn try_exclusive(&self, name: &str) -> Result<Option<Exclusive>, DbErr> {
        if self.engine() == Engine::Sqlite {
            return Err(DbErr::Custom("SQLite has one process, and no locks between several".to_owned()));
        }
        let failed = |error: sqlx::Error| DbErr::Conn(sea_orm::RuntimeErr::SqlxError(std::sync::Arc::new(error)));
        let mut session = self.write().get_postgres_connection_pool().acquire().await.map_err(failed)?;
        let take = "SELECT pg_try_advisory_lock(hashtext(current_schema()), hashtext($1))";
        let is_taken: bool =
            sqlx::query_scalar(take).bind(format!("provost {name}")).fetch_one(&mut *session).await.map_err(failed)?;
        if !is_taken {
            return Ok(None);
        }
        // Not the pool's any more: the lock lives as long as this session, and nobody else may use it.
        let mut session = session.detach();
        watch_silence(&mut session).await;
        let (stop, (tell, lost)) = (CancellationToken::new(), oneshot::channel());
        let keeping = tokio::spawn(keep(session, tell, stop.clone()));
        Ok(Some(Exclusive { lost, keeping, stop: stop.drop_guard() }))
    }
}

/// Has the database end the session of a holder that is gone without a word.
async fn watch_silence(session: &mut PgConnection) {
    let silence = format!("{}ms", SILENCE_MAX.as_millis());
    for (setting, value) in [
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // PostgreSQL 14 and later.
        ("idle_session_timeout", silence.as_str()),
    ] {
        let set = sqlx::query("SELECT set_config($1, $2, false)").bind(setting).bind(value);
        if let Err(error) = set.execute(&mut *session).await {
            tracing::debug!(setting, %error, "the database does not know this setting; the session is watched without");
        }
    }
}

async fn keep(mut session: PgConnection, tell: oneshot::Sender<sqlx::Error>, stop: CancellationToken) {
    let pinging = async {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            match tokio::time::timeout(PING_EVERY * 2, session.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => return sqlx::Error::PoolTimedOut,
            }
        }
    };
    match stop.run_until_cancelled(pinging).await {
        // Whoever waited for it may be gone.
        Some(error) => drop(tell.send(error)),
        None => {
            // Free when this is answered: the end of a session takes the database a moment to see.
            if let Err(error) = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session).await {
                tracing::debug!(%error, "a lock was not given back in words; it ends with its session");
            }
            // It may not close well either.
            let _ = session.close().await;
        }
    }
}

impl Exclusive {
    /// Waits until it is lost, and says why; for ever, while it is held.
    pub async fn lost(&mut self) -> String {
        match (&mut self.lost).await {
            Ok(error) => error.to_string(),
            Err(_) => "the task that keeps it ended".to_owned(),
        }
    }

    /// Gives it back. When this returns it can be taken, unless the database was too slow to say so.
    pub async fn release(self) {
        let Self { lost: _, keeping, stop } = self;
        drop(stop);
        if tokio::time::timeout(RELEASE_MAX, keeping).await.is_err() {
            tracing::warn!("giving a lock back took too long; it ends with its session");
        }
    }
}
