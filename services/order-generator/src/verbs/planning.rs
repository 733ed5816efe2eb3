//! What a plan is made from, owner by owner, while the role model is computed: so that of most people nothing
//! but a few words stays in memory.

use super::compute::KnownOwner;
use super::inputs::Person;
use super::world::World;
use crate::model::assign::{Assignment, Wish};
use crate::model::generate::Standing;
use crate::store::assignments::Body;
use crate::store::from_json;
use provost_domain::{Owner, Reason};
use provost_service_kit::Fault;
use std::collections::HashMap;

/// What a plan is made from, of one owner.
#[derive(Debug, Default)]
pub(crate) struct Planning {
    /// Of each assignment, by resource type; with the assignment where it may need an order.
    pub(crate) standings: Vec<(Standing, Option<Assignment>)>,
    /// What the owner would gain or lose.
    pub(crate) shifts: Vec<Shift>,
}

/// What one owner would gain or lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) owner: Owner,
    pub(crate) thing: Thing,
    pub(crate) name: String,
    pub(crate) gained: bool,
    pub(crate) why: Vec<Reason>,
}

/// What somebody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Role,
    ResourceType,
}

impl Planning {
    /// What a plan is made from, of an owner that was just computed.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    pub(crate) fn of(person: &Person, world: &World) -> Result<Self, Fault> {
        let standing = |assignment: &Assignment| {
            let standing = Standing::of(world.ground().catalog(), assignment)?;
            let in_need = standing.needs_a_look().then(|| assignment.clone());
            Some((standing, in_need))
        };
        let before: Option<KnownOwner> = person.kept.owner.as_deref().map(from_json).transpose()?;
        let mut shifts = Vec::new();
        role_shifts(before.as_ref(), person.known(world).as_ref(), &mut shifts);
        let previous = person.kept.assignments.values().map(Body::read);
        resource_shifts(&previous.collect::<Result<Vec<_>, Fault>>()?, &person.assignments, &mut shifts);
        shifts.sort_by(|a, b| (a.thing, &a.name).cmp(&(b.thing, &b.name)));
        Ok(Self { standings: person.assignments.iter().filter_map(standing).collect(), shifts })
    }
}

fn role_shifts(before: Option<&KnownOwner>, now: Option<&KnownOwner>, shifts: &mut Vec<Shift>) {
    let side = |of: Option<&KnownOwner>, other: Option<&KnownOwner>, gained: bool, shifts: &mut Vec<Shift>| {
        let Some(of) = of else { return };
        let has = |role: &str| other.is_some_and(|other| other.roles.iter().any(|known| known.role == role));
        shifts.extend(of.roles.iter().filter(|role| !has(&role.role)).map(|role| Shift {
            owner: of.owner.clone(),
            thing: Thing::Role,
            name: role.role.clone(),
            gained,
            why: role.why.clone(),
        }));
    };
    side(now, before, true, shifts);
    side(before, now, false, shifts);
}

fn resource_shifts(before: &[Assignment], now: &[Assignment], shifts: &mut Vec<Shift>) {
    // What a failing rule hides is neither gained nor lost.
    let has = |assignment: &Assignment| assignment.wish == Wish::Have;
    let has_still = |assignment: &Assignment| matches!(assignment.wish, Wish::Have | Wish::Unknown);
    let by_place = |of: &[Assignment]| -> HashMap<String, usize> {
        of.iter().enumerate().map(|(place, one)| (one.place(), place)).collect()
    };
    let (old, new) = (by_place(before), by_place(now));
    for gained in now.iter().filter(|one| has(one)) {
        let before = old.get(&gained.place()).and_then(|place| before.get(*place));
        if !before.is_some_and(has_still) {
            shifts.push(shift(gained, true, &gained.why));
        }
    }
    for lost in before.iter().filter(|one| has(one)) {
        let after = new.get(&lost.place()).and_then(|place| now.get(*place));
        if !after.is_some_and(has_still) {
            shifts.push(shift(lost, false, after.map_or(&lost.why, |after| &after.why)));
        }
    }
}

fn shift(assignment: &Assignment, gained: bool, why: &[Reason]) -> Shift {
    let (owner, name) = (assignment.owner.clone(), assignment.resource_type.clone());
    Shift { owner, thing: Thing::ResourceType, name, gained, why: why.to_vec() }
}
