//! What a scenario expects, and where what was found differs from it.
//!
//! The rule that must hold: orders are expected whole. One that nobody expected is a difference, unless
//! the expectation says `orders among`.

use crate::assignments::{self, Owned, Roles};
use crate::diff::diff;
use crate::explained::Explains;
use crate::facts::Systems;
use crate::orders::{self, Orders};
use crate::reconcile::Waiting;
use crate::words::NOTHING;
use crate::yaml::{Data, Node, Reading, mistake};
use provost_contract::generator::v1::{ListAssignmentsResponse, ReconciliationItem};
use provost_contract::types::v1::OrderRecord;
use std::collections::BTreeMap;

/// What must hold.
#[derive(Debug, Default)]
pub(crate) struct Expectation {
    pub(crate) assignments: Vec<Owned>,
    pub(crate) roles: Vec<Roles>,
    pub(crate) orders: Option<Orders>,
    pub(crate) plan: Option<Orders>,
    pub(crate) held: Option<Orders>,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) explained: Vec<Explains>,
    systems: Vec<Held>,
}

/// What a managed system holds of one resource: values by property, or no such resource.
#[derive(Debug)]
struct Held {
    entity_type: String,
    key: String,
    values: Option<Vec<(String, String)>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By owner; none when there is no such owner.
    pub(crate) owners: BTreeMap<String, Option<ListAssignmentsResponse>>,
    /// All orders, oldest first.
    pub(crate) orders: Vec<OrderRecord>,
    /// What the newest plan would do.
    pub(crate) plan: Vec<OrderRecord>,
    /// What the newest generation held back.
    pub(crate) held: Vec<OrderRecord>,
    /// What waits for a decision.
    pub(crate) waiting: Vec<ReconciliationItem>,
    /// What explanations tell, in the order of the expectation.
    pub(crate) explained: Vec<Vec<String>>,
    /// How many of the orders stood in an expectation before.
    pub(crate) seen: usize,
}

impl Expectation {
    /// Reads an expectation.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        let known = [
            "assignments",
            "roles",
            "orders",
            "new orders",
            "orders among",
            "plan",
            "held",
            "to decide",
            "explained",
            "systems",
        ];
        let fields = node.fields("'expect'", &known)?;
        let mut expectation = Self::default();
        if let Some(node) = fields.get("assignments") {
            expectation.assignments = assignments::owned(node)?;
        }
        if let Some(node) = fields.get("roles") {
            expectation.roles = assignments::roles(node)?;
        }
        for (key, scope) in
            [("orders", orders::Scope::All), ("new orders", orders::Scope::New), ("orders among", orders::Scope::Among)]
        {
            let Some(node) = fields.get(key) else { continue };
            if expectation.orders.is_some() {
                return mistake(node.line, "an expectation speaks of orders once");
            }
            expectation.orders = Some(Orders::read(scope, node)?);
        }
        for (key, orders) in [("plan", &mut expectation.plan), ("held", &mut expectation.held)] {
            *orders = fields.get(key).map(|node| Orders::read(orders::Scope::All, node)).transpose()?;
        }
        if let Some(node) = fields.get("to decide") {
            expectation.waiting = Some(Waiting::read(node)?);
        }
        if let Some(node) = fields.get("explained") {
            expectation.explained = Explains::read(node)?;
        }
        if let Some(node) = fields.get("systems") {
            expectation.systems = systems(node)?;
        }
        Ok(expectation)
    }

    /// The owners that it speaks of.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &str> {
        self.assignments.iter().map(Owned::owner).chain(self.roles.iter().map(Roles::owner))
    }

    /// Every difference, under the name of what differs.
    pub(crate) fn differences(&self, found: &Found, systems: &Systems) -> Vec<String> {
        let mut differences = Vec::new();
        let mut note = |what: String, expected: &[String], found: &[String]| {
            differences.extend(diff(expected, found).map(|diff| format!("{what}\n{diff}")));
        };
        let of = |owner: &str| found.owners.get(owner).and_then(Option::as_ref);
        for owned in &self.assignments {
            let (expected, found) = owned.compare(of(owned.owner()));
            note(format!("assignments of {}", owned.owner()), &expected, &found);
        }
        for roles in &self.roles {
            let (expected, found) = roles.compare(of(roles.owner()));
            note(format!("roles of {}", roles.owner()), &expected, &found);
        }
        if let Some(orders) = &self.orders {
            let (expected, found) = orders.compare(&found.orders, found.seen);
            note("orders".to_owned(), &expected, &found);
        }
        for (what, orders, found) in
            [("the plan", &self.plan, &found.plan), ("what is held back", &self.held, &found.held)]
        {
            let Some(orders) = orders else { continue };
            let (expected, found) = orders.compare(found, 0);
            note(what.to_owned(), &expected, &found);
        }
        if let Some(waiting) = &self.waiting {
            let (expected, found) = waiting.compare(&found.waiting);
            note("what waits for a decision".to_owned(), &expected, &found);
        }
        for (wanted, told) in self.explained.iter().zip(&found.explained) {
            let (expected, found) = wanted.compare(told);
            note(format!("what explains {} of {}", wanted.name, wanted.owner), &expected, &found);
        }
        for held in &self.systems {
            let (expected, found) = held.compare(systems);
            note(format!("{} {} in its system", held.entity_type, held.key), &expected, &found);
        }
        differences
    }
}

fn systems(node: &Node) -> Reading<Vec<Held>> {
    let mut held = Vec::new();
    for entity_type in node.map("'systems'")? {
        for resource in entity_type.value.map("resources by key")? {
            let values = match &resource.value.data {
                Data::Text { text, .. } if text == "gone" => None,
                _ => Some(values(&resource.value)?),
            };
            held.push(Held { entity_type: entity_type.key.clone(), key: resource.key.clone(), values });
        }
    }
    Ok(held)
}

/// Values by property; several are a list.
fn values(node: &Node) -> Reading<Vec<(String, String)>> {
    let text = |node: &Node| -> Reading<String> {
        let mut texts = node.texts("a value")?;
        texts.sort();
        Ok(texts.join(", "))
    };
    node.map("values")?.iter().map(|entry| Ok((entry.key.clone(), text(&entry.value)?))).collect()
}

impl Held {
    fn compare(&self, systems: &Systems) -> (Vec<String>, Vec<String>) {
        let shown = systems.shown(&self.entity_type, &self.key);
        let (Some(values), Some(shown)) = (&self.values, &shown) else {
            let word = |is_there: bool| vec![if is_there { "there" } else { "gone" }.to_owned()];
            return (word(self.values.is_some()), word(shown.is_some()));
        };
        let line = |name: &str, value: &str| format!("{name}: {value}");
        let found = |name: &str| shown.get(name).map_or(NOTHING, String::as_str);
        (
            values.iter().map(|(name, value)| line(name, value)).collect(),
            values.iter().map(|(name, _)| line(name, found(name))).collect(),
        )
    }
}
