//! Membership in groups, kept at the group: values of its member attribute come and go.
//!
//! Never sends a group's whole list: two writers would undo each other. Tolerates what is already
//! there and what is already gone. What several orders change at one group travels together.

use super::LdapEntities;
use super::connection::{Session, comparable, values_of};
use super::failure::{NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT, OBJECT_CLASS_VIOLATION, SUCCESS, VALUE_EXISTS, of_result};
use super::mapping::{LdapEntity, LdapLink};
use super::together::{Place, Step};
use crate::package::failure::{self, Difference, Particulars};
use ldap3::LdapResult;
use provost_domain::{Change, ChangeOperation, Failure, FailureClass, Value};
use std::collections::{BTreeSet, HashMap};

/// One multi-valued property that is kept at groups.
pub(super) struct Membership<'a> {
    pub(super) property: &'a str,
    pub(super) link: &'a LdapLink,
    pub(super) group: &'a LdapEntity,
}

impl<'a> Membership<'a> {
    /// The property's groups, if it is kept at groups.
    pub(super) fn of(entities: &'a LdapEntities, entity: &'a LdapEntity, property: &'a str) -> Option<Self> {
        let link = entity.links.get(property)?;
        Some(Self { property, link, group: entities.get(&link.entity)? })
    }

    /// The keys of the groups that have this member.
    async fn present(&self, session: &Session, member: &str) -> Result<BTreeSet<String>, Failure> {
        let filter = format!("(&{}({}={}))", self.group.filter, self.link.attribute, ldap3::ldap_escape(member));
        let attributes = vec![self.group.rdn_attribute.clone()];
        let entries = session.few(&self.group.base_dn, &filter, attributes).await?;
        Ok(entries.iter().filter_map(|entry| key_of(self.group, entry)).collect())
    }

    /// Makes the memberships what a change says. Returns how many came or went.
    pub(super) async fn apply(&self, session: &Session, member: &str, change: &Change) -> Result<u64, Failure> {
        let wanted = wanted(change)?;
        let (join, leave) = match change.operation {
            // Each join is an operation of its own: an order that was cut off goes on where it was.
            ChangeOperation::Add if wanted.len() > 1 => {
                let present = self.present(session, member).await?;
                (wanted.difference(&present).cloned().collect(), BTreeSet::new())
            }
            ChangeOperation::Add => (wanted, BTreeSet::new()),
            ChangeOperation::Remove => (BTreeSet::new(), wanted),
            ChangeOperation::Set => {
                let present = self.present(session, member).await?;
                (wanted.difference(&present).cloned().collect(), present.difference(&wanted).cloned().collect())
            }
        };
        // Side by side: groups know nothing of each other.
        let joined = futures::future::join_all(join.iter().map(|group| self.join(session, group, member))).await;
        let mut written = count(joined)?;
        let left = futures::future::join_all(leave.iter().map(|group| self.leave(session, group, member))).await;
        written += count(left)?;
        Ok(written)
    }

    /// Takes the member out of every group.
    pub(super) async fn clear(&self, session: &Session, member: &str) -> Result<(), Failure> {
        let present = self.present(session, member).await?;
        count(futures::future::join_all(present.iter().map(|group| self.leave(session, group, member))).await)?;
        Ok(())
    }

    /// The memberships that are there although a creation does not want them.
    pub(super) async fn surplus(
        &self,
        session: &Session,
        member: &str,
        change: &Change,
    ) -> Result<Option<Difference>, Failure> {
        let present = match change.operation {
            ChangeOperation::Set => self.present(session, member).await?,
            ChangeOperation::Add | ChangeOperation::Remove => return Ok(None),
        };
        if present.is_subset(&wanted(change)?) {
            return Ok(None);
        }
        let found = Value::List(present.into_iter().map(Value::String).collect());
        Ok(Some(Difference::of(change, Some(&found), change.proposed.as_ref())))
    }

    /// The memberships that are there although the order neither found nor sets them.
    pub(super) async fn strangers(
        &self,
        session: &Session,
        member: &str,
        change: &Change,
    ) -> Result<Option<Difference>, Failure> {
        if change.operation != ChangeOperation::Set {
            return Ok(None);
        }
        let present = self.present(session, member).await?;
        let known: BTreeSet<String> = wanted(change)?.into_iter().chain(keys(change.current.as_ref())).collect();
        if present.is_subset(&known) {
            return Ok(None);
        }
        let found = Value::List(present.into_iter().map(Value::String).collect());
        Ok(Some(Difference::of(change, Some(&found), change.proposed.as_ref())))
    }

    async fn step(&self, session: &Session, group: &str, step: Step, member: &str) -> Result<LdapResult, Failure> {
        let place = Place { group: self.group.dn(group), attribute: self.link.attribute.clone() };
        session.together().change(session, place, step, member).await
    }

    async fn join(&self, session: &Session, group: &str, member: &str) -> Result<bool, Failure> {
        let result = self.step(session, group, Step::Join, member).await?;
        match result.rc {
            SUCCESS => Ok(true),
            VALUE_EXISTS => Ok(false),
            NO_SUCH_OBJECT => Err(failure::missing(format!("{} '{group}' does not exist", self.link.entity))
                .with_code(result.rc.to_string())
                .with_property(self.property)
                .with_hint("create the group first, or mend the rule that names it")),
            _ => Err(of_result(&result).with_property(self.property)),
        }
    }

    async fn leave(&self, session: &Session, group: &str, member: &str) -> Result<bool, Failure> {
        let result = self.step(session, group, Step::Leave, member).await?;
        match result.rc {
            SUCCESS => Ok(true),
            NO_SUCH_ATTRIBUTE | NO_SUCH_OBJECT => Ok(false),
            OBJECT_CLASS_VIOLATION => {
                let mut failure = of_result(&result);
                failure.class = FailureClass::Refused;
                failure.message =
                    format!("cannot remove the last member of {} '{group}': {}", self.link.entity, result.text);
                Err(failure.with_property(self.property).with_hint(
                    "the group's class (groupOfNames) needs at least one member: add a placeholder member, or delete the group",
                ))
            }
            _ => Err(of_result(&result).with_property(self.property)),
        }
    }

    /// For every member, by comparable DN, the keys of its groups.
    pub(super) async fn by_member(&self, session: &Session) -> Result<HashMap<String, Vec<String>>, Failure> {
        let attributes = vec![self.group.rdn_attribute.clone(), self.link.attribute.clone()];
        let mut groups: HashMap<String, Vec<String>> = HashMap::new();
        let mut entries = session.entries(&self.group.base_dn, &self.group.filter, attributes).await?;
        while let Some(entry) = entries.next().await? {
            let key = key_of(self.group, &entry);
            for member in values_of(&entry, &self.link.attribute) {
                let member = comparable(&String::from_utf8_lossy(&member));
                groups.entry(member).or_default().extend(key.clone());
            }
        }
        Ok(groups)
    }
}

/// How many came or went; the first failure, if there is one.
fn count(steps: Vec<Result<bool, Failure>>) -> Result<u64, Failure> {
    steps.into_iter().try_fold(0, |written, step| Ok(written + u64::from(step?)))
}

fn wanted(change: &Change) -> Result<BTreeSet<String>, Failure> {
    let items = change.proposed.as_ref().map(Value::items).unwrap_or_default();
    let keys = items.iter().map(|item| match item {
        Value::List(_) | Value::Bytes(_) => {
            Err(failure::invalid("a group is named by its key, which is text").with_property(&change.property))
        }
        key => Ok(key.to_string()),
    });
    keys.collect()
}

/// The keys that a value lists.
fn keys(value: Option<&Value>) -> impl Iterator<Item = String> {
    value.map(Value::items).unwrap_or_default().iter().map(Value::to_string)
}

/// The key of an entry: of several values of the naming attribute, the one that stands in the DN.
pub(super) fn key_of(entity: &LdapEntity, entry: &ldap3::SearchEntry) -> Option<String> {
    let values = values_of(entry, &entity.rdn_attribute);
    let mut values: Vec<String> = values.into_iter().filter_map(|value| String::from_utf8(value).ok()).collect();
    if values.len() > 1 {
        let dn = comparable(&entry.dn);
        values.retain(|value| comparable(&entity.dn(value)) == dn);
    }
    values.into_iter().next()
}
