//! Why an owner has something, and why not.

use super::facts::Facts;
use super::sources::Source;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::catalog::{Catalog, suggest};
use crate::model::evaluate::ContextSeen;
use crate::model::explain::{Answer, OwnerAnswer};
use crate::verbs::compute::catalog;
use crate::verbs::permissions::owner_type;
use provost_contract::{NAME_MAX, Violations};
use provost_domain::{Owner, Period, Timestamp};
use provost_service_kit::Fault;

/// Most characters of a value that somebody expected.
const VALUE_MAX: usize = 1_000;

/// Everything of an owner.
pub(crate) struct OfOwner {
    pub(crate) owner: Owner,
    pub(crate) period: Period,
    pub(crate) answer: OwnerAnswer,
    pub(crate) contexts: Vec<ContextSeen>,
    pub(crate) sources: Vec<Source>,
    pub(crate) revision: i64,
    pub(crate) now: Timestamp,
}

/// One thing of an owner.
pub(crate) struct OfThing {
    pub(crate) owner: Owner,
    pub(crate) answer: Answer,
    pub(crate) contexts: Vec<ContextSeen>,
    pub(crate) sources: Vec<Source>,
    pub(crate) revision: i64,
    pub(crate) now: Timestamp,
}

/// Explains everything that an owner has, and has not. An empty entity type means the only one that owns anything.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] when there is no such owner;
/// [`provost_service_kit::FaultKind::WrongState`] without a catalog, or before the managed systems were read.
pub(crate) async fn explain_owner(generator: &Generator, entity_type: &str, key: &str) -> Result<OfOwner, Fault> {
    let loaded = catalog(generator).await?;
    let entity_type = owner_type(&loaded, entity_type, key)?;
    let facts = Facts::of(generator, loaded, &(entity_type, key.to_owned())).await?;
    let answer = facts.ask().owner();
    let period = facts.seen.as_ref().map(|seen| seen.expected.period).unwrap_or_default();
    let contexts = facts.seen.map(|seen| seen.contexts).unwrap_or_default();
    let (revision, now) = (facts.loaded.revision, facts.now);
    Ok(OfOwner { owner: facts.owner, period, answer, contexts, sources: facts.sources, revision, now })
}

/// What is asked about.
pub(crate) struct Thing<'a> {
    /// A role, single or composite, or a resource type.
    pub(crate) name: &'a str,
    /// A property of it; empty for the whole.
    pub(crate) property: &'a str,
    /// A value of that; empty for all of it.
    pub(crate) value: &'a str,
}

/// Explains one thing of an owner.
///
/// # Errors
/// As [`explain_owner`]; [`provost_service_kit::FaultKind::NotFound`] too when the catalog has no such thing.
pub(crate) async fn explain_assignment(
    generator: &Generator,
    entity_type: &str,
    key: &str,
    thing: &Thing<'_>,
) -> Result<OfThing, Fault> {
    let loaded = catalog(generator).await?;
    let entity_type = owner_type(&loaded, entity_type, key)?;
    check(thing)?;
    let (thing, is_role) = find(&loaded, &entity_type, thing)?;
    let facts = Facts::of(generator, loaded, &(entity_type, key.to_owned())).await?;
    let ask = facts.ask();
    let value = (!thing.value.is_empty()).then_some(thing.value);
    let answer = match thing.property {
        "" if is_role => ask.role(thing.name),
        "" => ask.resource_type(thing.name),
        property => ask.property(thing.name, property, value),
    };
    let answer = answer.ok_or_else(|| Fault::not_found(format!("'{}' in the catalog", thing.name)))?;
    let contexts = facts.seen.map(|seen| seen.contexts).unwrap_or_default();
    let (revision, now) = (facts.loaded.revision, facts.now);
    Ok(OfThing { owner: facts.owner, answer, contexts, sources: facts.sources, revision, now })
}

fn check(thing: &Thing<'_>) -> Result<(), Violations> {
    let Thing { name, property, value } = *thing;
    let mut wrong = Violations::default();
    wrong.require_text("name", name, NAME_MAX);
    if property.chars().count() > NAME_MAX {
        wrong.add("property", format!("must have at most {NAME_MAX} characters"));
    }
    if value.chars().count() > VALUE_MAX {
        wrong.add("value", format!("must have at most {VALUE_MAX} characters"));
    }
    if property.is_empty() && !value.is_empty() {
        wrong.add("value", "needs the property whose value it is");
    }
    wrong.into_result(())
}

/// What is meant, and whether that is a role; refuses what the catalog does not have, with the nearest that it has.
///
/// A resource type may have the name of a role. Then a property says which is meant, or the words before the name:
/// `role x`, `resource type x`. No name has a space.
fn find<'a>(loaded: &Loaded, owner: &str, thing: &Thing<'a>) -> Result<(Thing<'a>, bool), Fault> {
    let catalog: &Catalog = &loaded.catalog;
    let Thing { name, property, value } = *thing;
    let (name, is_role) = match (name.strip_prefix("role "), name.strip_prefix("resource type ")) {
        (Some(name), _) => (name, Some(true)),
        (None, Some(name)) => (name, Some(false)),
        (None, None) => (name, None),
    };
    let role = catalog.role(name).map(|role| &role.owner);
    let role = role.or_else(|| catalog.composite_role(name).map(|role| &role.owner));
    let role = role.filter(|_| is_role != Some(false));
    let kind = catalog.resource_type(name).filter(|_| is_role != Some(true));
    let (role, of) = match (role, kind) {
        (Some(_), Some(_)) if property.is_empty() => {
            let message =
                format!("'{name}' is a role and a resource type: say 'role {name}' or 'resource type {name}'");
            return Err(Fault::invalid("name", message));
        }
        (_, Some(kind)) => (None, Some(&kind.owner)),
        (role, None) => (role, role),
    };
    let Some(of) = of else {
        let composites = catalog.composite_roles().iter().filter(|role| *role.owner == *owner).map(|role| &*role.name);
        let roles = catalog.roles_of(owner).map(|role| &*role.name);
        let types = catalog.resource_types_of(owner).map(|kind| &*kind.name);
        let known: Vec<&str> = composites.chain(roles).chain(types).collect();
        return Err(unknown(&format!("role or resource type '{name}'"), name, &known));
    };
    if **of != *owner {
        return Err(Fault::not_found(format!("'{name}' for a {owner}; it is for a {of}")));
    }
    let meant = (Thing { name, property, value }, role.is_some());
    match (property, kind) {
        ("", _) => Ok(meant),
        (_, None) => Err(Fault::invalid("property", format!("'{name}' is a role, and has no properties"))),
        (property, Some(kind)) => {
            let target = catalog.entity_type(&kind.target);
            let known: Vec<&str> = target
                .map(|target| target.properties.iter().map(|property| &*property.name).collect())
                .unwrap_or_default();
            match known.contains(&property) {
                true => Ok(meant),
                false => Err(unknown(&format!("property '{property}' of {name}"), property, &known)),
            }
        }
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Fault {
    Fault::not_found(format!("{what}; {}", suggest::hint(name, known.iter().copied())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CATALOG: &str = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - { name: Person, connector: hr, key: id, properties: [ { name: id, type: string } ] }
  - { name: Desk, connector: app, key: number, properties: [ { name: number, type: string } ] }
roles:
  - { name: desk, owner: Person }
  - { name: chair, owner: Person }
resource_types:
  - name: desk
    owner: Person
    target: Desk
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules: [ { property: number, value: owner.id } ]
";

    #[test]
    fn of_a_role_and_a_resource_type_of_one_name_either_can_be_meant() {
        let catalog = Catalog::compile(&[("catalog.yaml".into(), CATALOG.into())]).unwrap();
        let loaded = Loaded::of(catalog, 1, Timestamp::from_millis(0));
        let meant = |name: &str, property: &str| {
            let thing = Thing { name, property, value: "" };
            find(&loaded, "Person", &thing).map(|(thing, is_role)| (thing.name.to_owned(), is_role))
        };
        assert_eq!(meant("role desk", "").unwrap(), ("desk".into(), true));
        assert_eq!(meant("resource type desk", "").unwrap(), ("desk".into(), false));
        assert_eq!(meant("desk", "number").unwrap(), ("desk".into(), false), "a role has no properties");
        assert_eq!(meant("chair", "").unwrap(), ("chair".into(), true));
        let refused = |name: &str, property: &str| meant(name, property).unwrap_err().to_string();
        assert!(refused("desk", "").contains("say 'role desk' or 'resource type desk'"), "{}", refused("desk", ""));
        assert!(refused("role desk", "number").contains("'desk' is a role, and has no properties"));
        assert!(refused("resource type chair", "").contains("role or resource type 'chair'"));
    }
}
