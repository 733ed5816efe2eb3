//! Reading one entity type, page by page.

use super::LdapEntities;
use super::connection::{Session, comparable, values_of};
use super::mapping::LdapEntity;
use super::membership::{Membership, key_of};
use super::value;
use crate::package::failure::{self, Particulars};
use crate::package::{Entity, Property, Row, RowSender};
use ldap3::SearchEntry;
use provost_domain::{Failure, Value};
use std::collections::{HashMap, HashSet};

/// Where the value of a property comes from.
enum Source {
    Key,
    Attribute,
    /// The keys of groups, by the member's comparable DN. Held in memory: the directory gives
    /// members by group, and we need groups by member.
    Groups(HashMap<String, Vec<String>>),
}

pub(super) async fn export(
    session: &Session,
    entities: &LdapEntities,
    mapping: &LdapEntity,
    entity: &Entity,
    rows: &RowSender,
) -> Result<(), Failure> {
    if !mapping.is_key(&entity.key) {
        let message = format!("the catalog's key '{}' is not the attribute '{}'", entity.key, mapping.rdn_attribute);
        return Err(failure::invalid(message).with_property(&entity.key).with_hint("map it under 'attributes'"));
    }
    let mut sources = Vec::new();
    let mut attributes = vec![mapping.rdn_attribute.clone()];
    for property in &entity.properties {
        sources.push(if property.name == entity.key {
            Source::Key
        } else if let Some(membership) = Membership::of(entities, mapping, &property.name) {
            Source::Groups(membership.by_member(session).await?)
        } else {
            attributes.push(mapping.attribute(&property.name).to_owned());
            Source::Attribute
        });
    }
    let mut seen = HashSet::new();
    let mut entries = session.entries(&mapping.base_dn, &mapping.filter, attributes).await?;
    while let Some(entry) = entries.next().await? {
        rows.send(row(mapping, entity, &sources, &entry, &mut seen)?).await?;
    }
    Ok(())
}

fn row(
    mapping: &LdapEntity,
    entity: &Entity,
    sources: &[Source],
    entry: &SearchEntry,
    seen: &mut HashSet<String>,
) -> Result<Row, Failure> {
    let wrong = |property: &str, problem: String| {
        failure::invalid(format!("entry '{}': {problem}", entry.dn)).with_property(property)
    };
    let key = key_of(mapping, entry)
        .ok_or_else(|| wrong(&entity.key, format!("it has no readable '{}'", mapping.rdn_attribute)))?;
    if !seen.insert(key.clone()) {
        return Err(wrong(&entity.key, format!("another entry has the key '{key}'")));
    }
    let mut row = Row::with_capacity(sources.len());
    for (property, source) in entity.properties.iter().zip(sources) {
        let attribute = mapping.attribute(&property.name);
        row.push(match source {
            Source::Key => Some(property.value_type.read(&key).map_err(|problem| wrong(&property.name, problem))?),
            Source::Groups(groups) => groups
                .get(&comparable(&entry.dn))
                .map(|keys| Value::List(keys.iter().cloned().map(Value::String).collect())),
            Source::Attribute => read(property, values_of(entry, attribute))
                .map_err(|problem| wrong(&property.name, format!("attribute '{attribute}': {problem}")))?,
        });
    }
    Ok(row)
}

fn read(property: &Property, values: Vec<Vec<u8>>) -> Result<Option<Value>, String> {
    let count = values.len();
    if !property.multi_valued && count > 1 {
        return Err(format!("it has {count} values; declare the property multi_valued in the catalog"));
    }
    let values = values.into_iter().map(|bytes| value::decoded(bytes, property.value_type));
    let mut values: Vec<Value> = values.collect::<Result<_, _>>()?;
    Ok(if values.is_empty() {
        None
    } else if property.multi_valued {
        Some(Value::List(values))
    } else {
        values.pop()
    })
}
