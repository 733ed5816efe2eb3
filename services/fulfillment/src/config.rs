//! The configuration.

use provost_service_kit::configuration::Configuration;
use provost_service_kit::{Addresses, database_mistakes};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};

/// Longest retention: a hundred years.
const RETENTION_DAYS_MAX: u32 = 36_500;

/// What fulfillment needs to know from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen when it runs alone.
    pub listen: SocketAddr,
    /// The database: `sqlite://FILE` or `postgres://…`.
    pub database_url: SecretString,
    /// The PostgreSQL schema, when services share one database.
    pub database_schema: Option<String>,
    /// Where review is: an address, or those of its replicas.
    pub review: Addresses,
    /// How long an agent may hold an order without renewing its lease.
    pub lease_seconds: u32,
    /// After how many days finished orders leave the lists for the archive; 0 keeps them there for ever.
    pub finished_retention_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7402)),
            database_url: "sqlite://fulfillment.db".to_owned().into(),
            database_schema: None,
            review: "http://127.0.0.1:7403".into(),
            lease_seconds: 60,
            finished_retention_days: 400,
        }
    }
}

impl Configuration for Config {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = database_mistakes(&self.database_url, self.database_schema.as_deref());
        if !(5..=3_600).contains(&self.lease_seconds) {
            mistakes.push("lease_seconds: must be 5 to 3600".to_owned());
        }
        if self.finished_retention_days > RETENTION_DAYS_MAX {
            mistakes.push(format!("finished_retention_days: must be 1 to {RETENTION_DAYS_MAX}, or 0 for ever"));
        }
        mistakes.extend(self.review.mistakes("review", 7403));
        mistakes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_service_kit::configuration::from_toml;

    #[test]
    fn defaults_are_right_and_stay_on_loopback() {
        let config: Config = from_toml("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.lease_seconds, 60);
    }

    #[test]
    fn commented_file_holds_the_defaults() {
        let file: Config = from_toml(include_str!("../fulfillment.toml")).unwrap();
        assert_eq!(format!("{file:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn all_mistakes_come_in_one_answer() {
        let text = "lease_seconds = 1\nreview = \"nowhere at all\"\ndatabase_schema = \"ledger\"\n\
                    finished_retention_days = 40000";
        let mistakes = from_toml::<Config>(text).unwrap_err().0;
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("database_schema: SQLite has none")));
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("lease_seconds: must be 5 to 3600")));
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("finished_retention_days: must be 1 to 36500")));
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("review: ")));
        assert!(from_toml::<Config>("colour = \"red\"").is_err());
    }
}
