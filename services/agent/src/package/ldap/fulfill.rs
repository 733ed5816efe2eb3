//! Writing one order: add, modify as deltas, delete, then the memberships.
//!
//! A directory has no transactions over several entries. The rule that must hold: every step can be
//! asked again, and the entry comes before its memberships (when it goes, after them), so that asking
//! again completes what was cut off. A modify names the values that it takes away: one that arrives late, from a
//! connection that was given up, finds them gone and does nothing.

use super::connection::{Attribute, Session, values_of};
use super::failure::{
    CONSTRAINT_VIOLATION, ENTRY_EXISTS, INAPPROPRIATE_MATCHING, NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT, SUCCESS,
    VALUE_EXISTS, of_result, of_write,
};
use super::mapping::LdapEntity;
use super::membership::Membership;
use super::{LdapEntities, value};
use crate::package::failure::{self, Difference, Particulars};
use crate::package::{ALREADY_GONE, ALREADY_SO, Attempt, Outcome};
use ldap3::{Mod, SearchEntry};
use provost_domain::{Change, ChangeOperation, Failure, Order, OrderKind, Value, ValueType};
use std::collections::HashSet;

/// How often an update looks, for somebody else may change the same entry.
const LOOKS: usize = 4;

/// How an update takes values away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// Those that it saw and no others: had it been written before, it is refused.
    ByValue,
    /// Whatever is there, where the directory cannot tell values apart.
    Whole,
}

/// An order, in terms of entries.
struct Plan<'a> {
    order: &'a Order,
    entity: &'a LdapEntity,
    dn: String,
    attributes: Vec<Wanted<'a>>,
    memberships: Vec<(&'a Change, Membership<'a>)>,
}

/// One attribute and the values of its change.
struct Wanted<'a> {
    change: &'a Change,
    attribute: &'a str,
    values: HashSet<Vec<u8>>,
}

pub(super) async fn fulfill(
    session: &Session,
    entities: &LdapEntities,
    entity: &LdapEntity,
    order: &Order,
    attempt: Attempt,
) -> Result<Outcome, Failure> {
    let plan = plan(entities, entity, order)?;
    let note = match order.kind {
        OrderKind::Addition => add(session, &plan).await?,
        OrderKind::Update | OrderKind::Association => update(session, &plan, attempt).await?,
        OrderKind::Deletion => {
            for property in entity.links.keys() {
                if let Some(membership) = Membership::of(entities, entity, property) {
                    membership.clear(session, &plan.dn).await?;
                }
            }
            let result = session.delete(&plan.dn).await?;
            match result.rc {
                SUCCESS => "deleted",
                NO_SUCH_OBJECT => ALREADY_GONE,
                _ => return Err(of_result(&result)),
            }
        }
    };
    Ok(Outcome::Executed { note: note.to_owned() })
}

fn plan<'a>(entities: &'a LdapEntities, entity: &'a LdapEntity, order: &'a Order) -> Result<Plan<'a>, Failure> {
    let mut plan = Plan { order, entity, dn: entity.dn(&order.target_key), attributes: vec![], memberships: vec![] };
    for change in &order.changes {
        if let Some(membership) = Membership::of(entities, entity, &change.property) {
            plan.memberships.push((change, membership));
        } else if entity.is_key(&change.property) {
            if change.proposed.as_ref().is_none_or(|value| value.to_string() != order.target_key) {
                return Err(failure::invalid("the key of a resource cannot be changed").with_property(&change.property));
            }
        } else {
            let attribute = entity.attribute(&change.property);
            plan.attributes.push(Wanted { change, attribute, values: value::encoded(change.proposed.as_ref()) });
        }
    }
    Ok(plan)
}

async fn add(session: &Session, plan: &Plan<'_>) -> Result<&'static str, Failure> {
    let set = |values: &[String]| values.iter().map(|value| value.clone().into_bytes()).collect();
    let mut attributes: Vec<Attribute> = vec![
        (b"objectClass".to_vec(), set(&plan.entity.object_classes)),
        (plan.entity.rdn_attribute.clone().into_bytes(), set(std::slice::from_ref(&plan.order.target_key))),
    ];
    let given = plan.attributes.iter().filter(|wanted| wanted.change.operation != ChangeOperation::Remove);
    let given = given.filter(|wanted| !wanted.values.is_empty());
    attributes.extend(given.map(|wanted| (wanted.attribute.as_bytes().to_vec(), wanted.values.clone())));
    let result = session.add(&plan.dn, attributes).await?;
    match result.rc {
        SUCCESS => {
            memberships(session, plan).await?;
            Ok("created")
        }
        ENTRY_EXISTS => complete(session, plan).await,
        _ => Err(of_write(&result, plan.entity, plan.order)),
    }
}

/// The entry is there: ours, perhaps half done, or somebody else's.
async fn complete(session: &Session, plan: &Plan<'_>) -> Result<&'static str, Failure> {
    let Some(entry) = session.read(&plan.dn, attributes_of(plan)).await? else {
        return Err(failure::conflict("the entry came and went while it was written").with_hint("try again"));
    };
    let mut differences: Vec<Difference> = class_difference(plan, &entry).into_iter().collect();
    // A write-only property cannot be read back: what is in its attribute says nothing.
    for wanted in plan.attributes.iter().filter(|wanted| !wanted.change.write_only) {
        let present: HashSet<Vec<u8>> = values_of(&entry, wanted.attribute).into_iter().collect();
        let same = match wanted.change.operation {
            ChangeOperation::Set => present == wanted.values,
            ChangeOperation::Add => wanted.values.is_subset(&present),
            ChangeOperation::Remove => wanted.values.is_disjoint(&present),
        };
        if !same {
            let found = shown(present);
            differences.push(Difference::of(wanted.change, found.as_ref(), wanted.change.proposed.as_ref()));
        }
    }
    for (change, membership) in &plan.memberships {
        differences.extend(membership.surplus(session, &plan.dn, change).await?);
    }
    if !differences.is_empty() {
        return Err(failure::occupied(plan.order, &differences));
    }
    let written = memberships(session, plan).await?;
    Ok(if written == 0 { ALREADY_SO } else { "completed" })
}

fn class_difference(plan: &Plan<'_>, entry: &SearchEntry) -> Option<Difference> {
    let present = values_of(entry, "objectClass");
    let present: Vec<String> = present.iter().map(|class| String::from_utf8_lossy(class).into_owned()).collect();
    let has = |class: &String| present.iter().any(|there| there.eq_ignore_ascii_case(class));
    (!plan.entity.object_classes.iter().all(has)).then(|| Difference {
        property: "objectClass".to_owned(),
        found: format!("'{}'", present.join(", ")),
        ordered: format!("'{}'", plan.entity.object_classes.join(", ")),
    })
}

async fn update(session: &Session, plan: &Plan<'_>, attempt: Attempt) -> Result<&'static str, Failure> {
    let mut changed = false;
    let mut taking = Taking::ByValue;
    for look in 1..=LOOKS {
        let Some(entry) = session.read(&plan.dn, attributes_of(plan)).await? else {
            return Err(failure::resource_missing(plan.order));
        };
        if look == 1 && attempt == Attempt::Again {
            strangers(session, plan, &entry).await?;
        }
        let set = plan.attributes.iter().filter(|wanted| wanted.change.operation == ChangeOperation::Set);
        let deltas: Vec<Mod<Vec<u8>>> = set.flat_map(|wanted| deltas(wanted, &entry, taking)).collect();
        if deltas.is_empty() {
            break;
        }
        let result = session.modify(&plan.dn, deltas).await?;
        match result.rc {
            SUCCESS => {
                changed = true;
                break;
            }
            NO_SUCH_OBJECT => return Err(failure::resource_missing(plan.order)),
            // An attribute without a rule to tell its values apart (jpegPhoto).
            INAPPROPRIATE_MATCHING if taking == Taking::ByValue => taking = Taking::Whole,
            // Somebody else changed the entry between our look and our write: look again. Twice in a row, and it
            // is the directory that does not take away the very value that it shows.
            NO_SUCH_ATTRIBUTE | VALUE_EXISTS if look < LOOKS => {
                taking = if look == 1 { taking } else { Taking::Whole };
            }
            // Or an attribute with room for one value got one meanwhile; else the rules refuse it once more.
            CONSTRAINT_VIOLATION if look == 1 => {}
            _ => return Err(of_write(&result, plan.entity, plan.order)),
        }
    }
    for wanted in &plan.attributes {
        changed |= add_and_remove(session, plan, wanted).await?;
    }
    let written = memberships(session, plan).await?;
    Ok(if changed || written > 0 { "updated" } else { ALREADY_SO })
}

/// Fails when something is neither as the order found it nor as it sets it: somebody else was there since.
async fn strangers(session: &Session, plan: &Plan<'_>, entry: &SearchEntry) -> Result<(), Failure> {
    let mut differences = Vec::new();
    let set = plan.attributes.iter().filter(|wanted| wanted.change.operation == ChangeOperation::Set);
    for wanted in set.filter(|wanted| !wanted.change.write_only) {
        let present: HashSet<Vec<u8>> = values_of(entry, wanted.attribute).into_iter().collect();
        if present != wanted.values && present != value::encoded(wanted.change.current.as_ref()) {
            let found = shown(present);
            differences.push(Difference::of(wanted.change, found.as_ref(), wanted.change.proposed.as_ref()));
        }
    }
    for (change, membership) in &plan.memberships {
        differences.extend(membership.strangers(session, &plan.dn, change).await?);
    }
    if differences.is_empty() { Ok(()) } else { Err(failure::changed_since(plan.order, &differences)) }
}

/// Adds or removes values one by one. The directory says which are there: it knows which attributes do not
/// tell cases or spaces apart, and bytes do not.
async fn add_and_remove(session: &Session, plan: &Plan<'_>, wanted: &Wanted<'_>) -> Result<bool, Failure> {
    let mut changed = false;
    for value in &wanted.values {
        let (name, value) = (wanted.attribute.as_bytes().to_vec(), HashSet::from([value.clone()]));
        let change = match wanted.change.operation {
            ChangeOperation::Set => return Ok(false),
            ChangeOperation::Add => Mod::Add(name, value),
            ChangeOperation::Remove => Mod::Delete(name, value),
        };
        let result = session.modify(&plan.dn, vec![change]).await?;
        match result.rc {
            SUCCESS => changed = true,
            VALUE_EXISTS | NO_SUCH_ATTRIBUTE => {}
            NO_SUCH_OBJECT => return Err(failure::resource_missing(plan.order)),
            _ => return Err(of_write(&result, plan.entity, plan.order)),
        }
    }
    Ok(changed)
}

/// What takes an attribute from the values that are there to those that are set.
fn deltas(wanted: &Wanted<'_>, entry: &SearchEntry, taking: Taking) -> Vec<Mod<Vec<u8>>> {
    let name = wanted.attribute.as_bytes().to_vec();
    let present: HashSet<Vec<u8>> = values_of(entry, wanted.attribute).into_iter().collect();
    let missing: HashSet<Vec<u8>> = wanted.values.difference(&present).cloned().collect();
    let surplus: HashSet<Vec<u8>> = present.difference(&wanted.values).cloned().collect();
    // What the directory keeps of a write-only value (a hash) cannot be compared.
    let single = present.len() <= 1 && wanted.values.len() <= 1;
    let whole = taking == Taking::Whole && single && !(missing.is_empty() && surplus.is_empty());
    if wanted.change.write_only || whole {
        return vec![Mod::Replace(name, wanted.values.clone())];
    }
    let mut deltas = Vec::new();
    if !surplus.is_empty() {
        deltas.push(Mod::Delete(name.clone(), surplus));
    }
    if !missing.is_empty() {
        deltas.push(Mod::Add(name, missing));
    }
    deltas
}

async fn memberships(session: &Session, plan: &Plan<'_>) -> Result<u64, Failure> {
    let mut written = 0;
    for (change, membership) in &plan.memberships {
        written += membership.apply(session, &plan.dn, change).await?;
    }
    Ok(written)
}

fn attributes_of(plan: &Plan<'_>) -> Vec<String> {
    let own = plan.attributes.iter().map(|wanted| wanted.attribute.to_owned());
    own.chain(["objectClass".to_owned()]).collect()
}

/// What is there, for a message.
fn shown(values: HashSet<Vec<u8>>) -> Option<Value> {
    let read = |bytes: Vec<u8>| value::decoded(bytes.clone(), ValueType::String).unwrap_or(Value::Bytes(bytes));
    let mut values: Vec<Value> = values.into_iter().map(read).collect();
    values.sort();
    match values.len() {
        0 | 1 => values.pop(),
        _ => Some(Value::List(values)),
    }
}
