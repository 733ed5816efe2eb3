//! The ldap package: reads and writes the entries of a directory.
//!
//! Leaves passwords' policy and group nesting to the directory. The rule that must hold: attributes
//! are changed by what differs and memberships one value at a time, so that what others wrote stays.

mod connection;
mod dn;
mod export;
mod failure;
mod fulfill;
mod mapping;
mod membership;
mod together;
mod value;

pub use mapping::{LdapEntity, LdapLink};

use super::failure::{Particulars, missing, redacted, unmapped_entity};
use super::{Abilities, Attempt, Entity, Outcome, Package, RowSender};
use async_trait::async_trait;
use connection::Connector;
use provost_domain::{Failure, FailureClass, Order};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The mappings of a connection, by entity type.
pub(crate) type LdapEntities = BTreeMap<String, LdapEntity>;

/// How to reach a directory.
#[derive(Clone, Debug)]
pub struct LdapSettings {
    /// `ldap://` or `ldaps://`, with host and port.
    pub url: String,
    /// Encrypts an `ldap://` connection before anything else is said.
    pub start_tls: bool,
    /// The certificates to trust (PEM); the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// Who to log in as; nobody when absent.
    pub bind_dn: Option<String>,
    /// The password.
    pub bind_password: Option<SecretString>,
    /// Entries per page.
    pub page_size: i32,
}

/// Reads and writes one directory.
pub struct Directory {
    connector: Connector,
    entities: LdapEntities,
}

impl Directory {
    /// A package over one directory. Connects at first use.
    ///
    /// # Errors
    /// All mistakes in the settings, one sentence each.
    pub fn new(settings: LdapSettings, mut entities: LdapEntities) -> Result<Self, Vec<String>> {
        entities.values_mut().for_each(LdapEntity::enclose_filter);
        let mut mistakes = Vec::new();
        let secure = settings.url.starts_with("ldaps://");
        if !secure && !settings.url.starts_with("ldap://") {
            mistakes.push("url: must begin with ldap:// or ldaps://".to_owned());
        }
        if secure && settings.start_tls {
            mistakes.push("start_tls: an ldaps:// connection is encrypted already; remove one of the two".to_owned());
        }
        if settings.bind_password.as_ref().is_some_and(|password| password.expose_secret().is_empty()) {
            // A directory takes it for a login as nobody, and says that it went well.
            mistakes.push("bind_password: must not be empty; leave it and bind_dn out to log in as nobody".to_owned());
        }
        if !(1..=100_000).contains(&settings.page_size) {
            mistakes.push("page_size: must be 1 to 100,000".to_owned());
        }
        mistakes.extend(Self::entity_mistakes(&entities));
        if mistakes.is_empty() { Ok(Self { connector: Connector::new(settings), entities }) } else { Err(mistakes) }
    }

    /// What is wrong with the mappings, one sentence each.
    pub(crate) fn entity_mistakes(entities: &LdapEntities) -> Vec<String> {
        let of = |(name, entity): (&String, &LdapEntity)| {
            let wrong = entity.mistakes(entities);
            wrong.into_iter().map(|mistake| format!("entities.{name}.{mistake}")).collect::<Vec<_>>()
        };
        entities.iter().flat_map(of).collect()
    }

    /// Gives every operation another time limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.connector.set_timeout(timeout);
        self
    }

    fn entity(&self, name: &str) -> Result<&LdapEntity, Failure> {
        self.entities.get(name).ok_or_else(|| unmapped_entity(name))
    }

    async fn carry_out(&self, order: &Order, attempt: Attempt) -> Outcome {
        let (again, mut result) = self.try_fulfill(order, attempt).await;
        if again {
            result = self.try_fulfill(order, Attempt::Again).await.1;
        }
        result.unwrap_or_else(|failure| Outcome::Failed(redacted(failure, order)))
    }

    /// One try; says whether to try again at once.
    async fn try_fulfill(&self, order: &Order, attempt: Attempt) -> (bool, Result<Outcome, Failure>) {
        let entity = match self.entity(&order.entity_type) {
            Ok(entity) => entity,
            Err(failure) => return (false, Err(failure)),
        };
        let session = match self.connector.session().await {
            Ok(session) => session,
            Err(failure) => return (false, Err(failure)),
        };
        let result = fulfill::fulfill(&session, &self.entities, entity, order, attempt).await;
        let lost = result.as_ref().is_err_and(is_lost);
        if lost {
            self.connector.forget(session.generation()).await;
        }
        // An idle connection breaks unnoticed. Asking again is safe.
        (lost && session.reused, result)
    }
}

fn is_lost(failure: &Failure) -> bool {
    failure.class == FailureClass::Transport
}

#[async_trait]
impl Package for Directory {
    fn abilities(&self) -> Abilities {
        Abilities { export: true, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        // A connection of its own: the check is about reaching the directory and getting in.
        let session = self.connector.connection().await?;
        for (name, entity) in &self.entities {
            if session.read(&entity.base_dn, vec!["1.1".to_owned()]).await?.is_none() {
                return Err(missing(format!("{name}: there is no entry '{}'", entity.base_dn))
                    .with_hint("create it, or mend the connection's 'base_dn'"));
            }
        }
        Ok(format!("the directory answers; {} entity types mapped", self.entities.len()))
    }

    async fn export(&self, entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
        let mapping = self.entity(&entity.name)?;
        // A connection of its own: orders go on beside it, and its pages are not theirs.
        let session = self.connector.connection().await?;
        export::export(&session, &self.entities, mapping, entity, rows).await
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        self.carry_out(order, Attempt::First).await
    }

    async fn fulfill_again(&self, order: &Order) -> Outcome {
        self.carry_out(order, Attempt::Again).await
    }
}
