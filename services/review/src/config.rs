//! What can be told to this service from outside.

use provost_service_kit::configuration::Configuration;
use provost_service_kit::database_mistakes;
use secrecy::SecretString;
use serde::Deserialize;
use std::net::SocketAddr;

/// The review service's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The database: `sqlite://FILE` or `postgres://…`.
    pub database_url: SecretString,
    /// The PostgreSQL schema to use, when services share one database.
    pub database_schema: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7403)),
            database_url: "sqlite://review.db".into(),
            database_schema: None,
        }
    }
}

impl Configuration for Config {
    fn mistakes(&self) -> Vec<String> {
        database_mistakes(&self.database_url, self.database_schema.as_deref())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_service_kit::configuration::from_toml;

    #[test]
    fn defaults_stay_on_loopback() {
        let config: Config = from_toml("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.listen.port(), 7403);
    }

    #[test]
    fn all_mistakes_come_together_and_show_no_password() {
        let text = "database_url = 'mysql://ada:hunter2@localhost/x'\ncolour = 'red'\nlisten = 'nowhere'\n";
        let mistakes = from_toml::<Config>(text).unwrap_err().to_string();
        for wrong in ["database_url: must begin", "colour", "listen"] {
            assert!(mistakes.contains(wrong), "{wrong} is missing in {mistakes}");
        }
        assert!(!mistakes.contains("hunter2"), "{mistakes}");
    }

    #[test]
    fn schema_needs_postgres() {
        let mistakes = from_toml::<Config>("database_schema = 'review'").unwrap_err().to_string();
        assert!(mistakes.contains("database_schema: SQLite has none"), "{mistakes}");
        let url = "database_url = 'postgres://localhost/provost'\n";
        from_toml::<Config>(&format!("{url}database_schema = 'review'")).unwrap();
    }
}
