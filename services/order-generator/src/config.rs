//! What can be told to this service from outside.

use provost_service_kit::configuration::Configuration;
use provost_service_kit::{Addresses, database_mistakes};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::SocketAddr;

/// The order generator's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The database: `sqlite://FILE` or `postgres://…`.
    pub database_url: SecretString,
    /// The PostgreSQL schema to use, when services share one database.
    pub database_schema: Option<String>,
    /// Where fulfillment is: an address, or those of its replicas.
    pub fulfillment: Addresses,
    /// Where review is, likewise.
    pub review: Addresses,
    /// How long the task "fulfill" waits for a connection on which nothing moves, before it goes on
    /// with a warning.
    pub fulfill_wait_seconds: u64,
    /// How long an export waits for an agent before it fails.
    pub export_wait_seconds: u64,
    /// How often to look whether a date fell due, so that the job "due" has something to do; 0 is never.
    pub due_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            database_url: "sqlite://generator.db".into(),
            database_schema: None,
            fulfillment: "http://127.0.0.1:7402".into(),
            review: "http://127.0.0.1:7403".into(),
            fulfill_wait_seconds: 60,
            export_wait_seconds: 120,
            due_seconds: 60,
        }
    }
}

impl Configuration for Config {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = database_mistakes(&self.database_url, self.database_schema.as_deref());
        mistakes.extend(self.fulfillment.mistakes("fulfillment", 7402));
        mistakes.extend(self.review.mistakes("review", 7403));
        for (key, seconds) in
            [("fulfill_wait_seconds", self.fulfill_wait_seconds), ("export_wait_seconds", self.export_wait_seconds)]
        {
            if !(1..=86_400).contains(&seconds) {
                mistakes.push(format!("{key}: must be 1 to 86400"));
            }
        }
        if self.due_seconds > 86_400 {
            mistakes.push("due_seconds: must be 0 (never) to 86400".to_owned());
        }
        mistakes
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
        assert_eq!(config.listen.port(), 7401);
    }

    #[test]
    fn commented_file_holds_the_defaults() {
        let file: Config = from_toml(include_str!("../order-generator.toml")).unwrap();
        assert_eq!(format!("{file:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn all_mistakes_come_together() {
        let text = "database_url = 'mysql://x'\nfulfillment = 'not an address'\nreview = 'nor this'\nfulfill_wait_seconds = 0\nexport_wait_seconds = 99999\ndue_seconds = 86401\n";
        let mistakes = from_toml::<Config>(text).unwrap_err().to_string();
        for key in [
            "database_url: must begin",
            "fulfillment:",
            "review:",
            "fulfill_wait_seconds: must",
            "export_wait_seconds: must",
            "due_seconds: must",
        ] {
            assert!(mistakes.contains(key), "{key} is missing in {mistakes}");
        }
    }
}
