//! Expected orders, and the orders that there are.

use crate::words::{self, NOTHING, Named};
use crate::yaml::{Data, Node, Reading, mistake};
use provost_contract::types::v1 as pb;
use std::collections::HashMap;

/// The argument that names the decision of which an order comes.
const DECISION: &str = "reconciliation";

/// Which orders an expectation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that there are.
    All,
    /// All that are newer than the last expectation of orders.
    New,
    /// Some of those that there are: the newest of each name.
    Among,
}

/// An expectation of orders.
#[derive(Debug)]
pub(crate) struct Orders {
    scope: Scope,
    orders: Vec<Expected>,
}

/// One expected order: what is not said may be anything.
#[derive(Debug)]
struct Expected {
    named: Named,
    fields: Vec<Field>,
}

/// Something that is said of an order.
#[derive(Debug)]
enum Field {
    /// It is equal to this.
    Is(Aspect, String),
    /// It has these words in it.
    Holds(Aspect, String),
    /// These changes and no others.
    Changes(Vec<(String, String)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    State,
    Key,
    Blocked,
    Why,
    WaitsFor,
    Arguments,
    Note,
    Priority,
    From,
    Until,
    NotBefore,
    Attempts,
    Connection,
}

impl Aspect {
    const ALL: [(Self, &'static str); 13] = [
        (Self::State, "state"),
        (Self::Key, "key"),
        (Self::Blocked, "blocked by"),
        (Self::Why, "why"),
        (Self::WaitsFor, "waits for"),
        (Self::Arguments, "arguments"),
        (Self::Note, "note"),
        (Self::Priority, "priority"),
        (Self::From, "from"),
        (Self::Until, "until"),
        (Self::NotBefore, "not before"),
        (Self::Attempts, "attempts"),
        (Self::Connection, "connection"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(aspect, _)| *aspect == self).map_or("", |(_, name)| name)
    }
}

impl Orders {
    /// Reads an expectation: a list of orders, each a name, or a name with what is said of it.
    pub(crate) fn read(scope: Scope, node: &Node) -> Reading<Self> {
        let none = matches!(&node.data, Data::Text { text, .. } if text == "none");
        let orders = if none { &[][..] } else { node.list("orders")? };
        Ok(Self { scope, orders: orders.iter().map(expected).collect::<Reading<_>>()? })
    }

    /// The lines expected, and the lines found.
    pub(crate) fn compare(&self, all: &[pb::OrderRecord], seen: usize) -> (Vec<String>, Vec<String>) {
        let names: HashMap<&str, Named> =
            all.iter().filter_map(|record| record.order.as_ref()).map(|one| (&*one.order_id, Named::of(one))).collect();
        let skipped = if self.scope == Scope::New { seen } else { 0 };
        let mut left: Vec<Shown<'_>> =
            all.iter().skip(skipped).filter_map(|record| Shown::of(record, &names)).collect();
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for (place, one) in self.orders.iter().enumerate() {
            let is_it = |shown: &Shown<'_>| shown.named == one.named;
            // Orders of one name are expected in their order; of some among many, the newest.
            let later = self.orders.iter().skip(place + 1).filter(|later| later.named == one.named).count();
            let mut places = left.iter().enumerate().filter(|(_, shown)| is_it(shown)).map(|(place, _)| place);
            let place = if self.scope == Scope::Among { places.rev().nth(later) } else { places.next() };
            match place.map(|place| left.remove(place)) {
                Some(shown) => {
                    expected.push(one.named.to_string());
                    found.push(one.named.to_string());
                    for field in &one.fields {
                        let (wanted, is) = field.compare(&shown);
                        expected.extend(wanted);
                        found.extend(is);
                    }
                }
                None => {
                    expected.push(one.named.to_string());
                    expected.extend(one.fields.iter().flat_map(Field::lines));
                }
            }
        }
        if self.scope != Scope::Among {
            found.extend(left.iter().flat_map(Shown::lines));
        }
        (expected, found)
    }
}

fn expected(node: &Node) -> Reading<Expected> {
    let entry = match &node.data {
        Data::Text { text, .. } => return Ok(Expected { named: Named::read(text, node.line)?, fields: vec![] }),
        Data::Map(entries) if entries.len() == 1 => &entries[0],
        _ => return mistake(node.line, "an order is a name, or a name and what is said of it"),
    };
    let named = Named::read(&entry.key, entry.line)?;
    if let Data::Text { .. } = entry.value.data {
        let state = entry.value.text("a state")?;
        return Ok(Expected { named, fields: vec![Field::Is(Aspect::State, state)] });
    }
    let mut known: Vec<&str> = Aspect::ALL.iter().map(|(_, name)| *name).collect();
    known.push("changes");
    let said = entry.value.fields("an order", &known)?;
    let mut fields = Vec::new();
    for (aspect, name) in Aspect::ALL {
        let Some(node) = said.get(name) else { continue };
        let texts = match &node.data {
            Data::Map(entries) => {
                let pair = |entry: &crate::yaml::Entry| Ok(format!("{} = {}", entry.key, entry.value.text(name)?));
                entries.iter().map(pair).collect::<Reading<Vec<_>>>()?
            }
            _ => node.texts(name)?,
        };
        match aspect {
            Aspect::Why | Aspect::Note => fields.extend(texts.into_iter().map(|text| Field::Holds(aspect, text))),
            Aspect::Blocked | Aspect::WaitsFor | Aspect::Arguments => {
                let mut texts = texts;
                texts.sort();
                fields.push(Field::Is(aspect, texts.join("; ")));
            }
            _ => fields.push(Field::Is(aspect, texts.join(", "))),
        }
    }
    if let Some(node) = said.get("changes") {
        fields.push(Field::Changes(changes(node)?));
    }
    Ok(Expected { named, fields })
}

fn changes(node: &Node) -> Reading<Vec<(String, String)>> {
    if matches!(&node.data, Data::Text { text, .. } if text == "none") {
        return Ok(vec![]);
    }
    let change = |entry: &crate::yaml::Entry| Ok((entry.key.clone(), entry.value.texts("a change")?.join(" ")));
    let mut changes = node.map("changes")?.iter().map(change).collect::<Reading<Vec<_>>>()?;
    changes.sort();
    Ok(changes)
}

impl Field {
    /// As it is expected.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Is(aspect, text) => vec![format!("    {}: {text}", aspect.name())],
            Self::Holds(aspect, text) => vec![format!("    {}: … {text} …", aspect.name())],
            Self::Changes(changes) => changes.iter().map(|(name, text)| format!("    {name}: {text}")).collect(),
        }
    }

    /// As it is expected, and as it is.
    fn compare(&self, shown: &Shown<'_>) -> (Vec<String>, Vec<String>) {
        let expected = self.lines();
        let found = match self {
            Self::Is(aspect, _) => vec![format!("    {}: {}", aspect.name(), shown.aspect(*aspect))],
            Self::Holds(aspect, text) => {
                let is = shown.aspect(*aspect);
                if is.contains(text.as_str()) { expected.clone() } else { vec![format!("    {}: {is}", aspect.name())] }
            }
            Self::Changes(changes) => {
                let wanted = |name: &str| changes.iter().find(|(known, _)| known == name).map(|(_, text)| text);
                let line = |(name, text): &(String, String)| {
                    // Who does not say what was there before does not ask.
                    let is_asked = wanted(name).is_none_or(|wanted| wanted.contains('→'));
                    let after = text.rsplit_once(" → ").map_or(text.as_str(), |(_, after)| after);
                    format!("    {name}: {}", if is_asked { text } else { after })
                };
                shown.changes.iter().map(line).collect()
            }
        };
        (expected, found)
    }
}

/// An order, in words.
struct Shown<'a> {
    named: Named,
    record: &'a pb::OrderRecord,
    order: &'a pb::Order,
    changes: Vec<(String, String)>,
    waits_for: Vec<String>,
}

impl<'a> Shown<'a> {
    fn of(record: &'a pb::OrderRecord, names: &HashMap<&str, Named>) -> Option<Self> {
        let order = record.order.as_ref()?;
        let name = |id: &String| names.get(id.as_str()).map_or_else(|| id.clone(), Named::to_string);
        let mut waits_for: Vec<String> = order.depends_on.iter().map(name).collect();
        waits_for.sort();
        Some(Self { named: Named::of(order), record, order, changes: change_words(&order.changes), waits_for })
    }

    fn aspect(&self, aspect: Aspect) -> String {
        let Self { record, order, .. } = self;
        let listed = |mut texts: Vec<String>| {
            texts.sort();
            if texts.is_empty() { "nothing".to_owned() } else { texts.join("; ") }
        };
        match aspect {
            // What is only planned has no state.
            Aspect::State if record.state == 0 => record.state_reason.clone(),
            Aspect::State => words::state(record.state, record.inactive_reason),
            Aspect::Key if order.target_key.is_empty() => NOTHING.to_owned(),
            Aspect::Key => order.target_key.clone(),
            Aspect::Blocked => {
                listed(order.block_causes.iter().map(|cause| words::block_cause(*cause).to_owned()).collect())
            }
            Aspect::Why => {
                let all = order.why.iter().chain(order.changes.iter().flat_map(|change| &change.why));
                let lines = all.map(|reason| format!("{}: {}", reason.rule, reason.detail));
                let failure = order.rule_failure.iter().map(|failure| {
                    format!("{} {}: {} ({})", failure.rule, failure.property, failure.message, failure.input)
                });
                lines.chain(failure).collect::<Vec<_>>().join("; ")
            }
            Aspect::WaitsFor => listed(self.waits_for.clone()),
            Aspect::Arguments => listed(
                order
                    .arguments
                    .iter()
                    .filter(|(name, _)| *name != DECISION)
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect(),
            ),
            Aspect::Note => {
                let failure = record.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
                format!("{} {failure}", record.state_reason)
            }
            Aspect::Priority => order.priority.to_string(),
            Aspect::From => words::wire_instant(order.period.as_ref().and_then(|period| period.valid_from.as_ref())),
            Aspect::Until => words::wire_instant(order.period.as_ref().and_then(|period| period.valid_until.as_ref())),
            Aspect::NotBefore => words::wire_instant(order.not_before.as_ref()),
            Aspect::Attempts => record.attempts.to_string(),
            Aspect::Connection => order.connection.clone(),
        }
    }

    /// All that is worth a line of an order that nobody expected.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.named.to_string(), format!("    state: {}", self.aspect(Aspect::State))];
        lines.extend(self.changes.iter().map(|(name, text)| format!("    {name}: {text}")));
        lines
    }
}

/// Changes by property: `before → after`, or `+added -removed`.
fn change_words(changes: &[pb::Change]) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    for change in changes {
        let value = words::wire_value(change.proposed.as_ref());
        let signed = |sign: char| {
            let items: Vec<String> = value.split(", ").map(|item| format!("{sign}{item}")).collect();
            items.join(" ")
        };
        let text = match (change.operation(), &change.current) {
            (pb::ChangeOperation::Add, _) => signed('+'),
            (pb::ChangeOperation::Remove, _) => signed('-'),
            _ if change.sensitive && change.proposed.is_none() => "(confidential)".to_owned(),
            (_, None) => value,
            (_, Some(current)) => format!("{} → {value}", words::wire_value(Some(current))),
        };
        match shown.iter_mut().find(|(name, _)| *name == change.property) {
            Some((_, before)) => *before = format!("{before} {text}"),
            None => shown.push((change.property.clone(), text)),
        }
    }
    shown.sort();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::diff;
    use pb::{ChangeOperation, OrderKind, ProvisioningState};

    fn text(text: &str) -> Option<pb::Value> {
        Some(pb::Value { kind: Some(pb::value::Kind::StringValue(text.to_owned())) })
    }

    fn record(kind: OrderKind, state: ProvisioningState) -> pb::OrderRecord {
        let change = pb::Change {
            property: "title".into(),
            operation: ChangeOperation::Set.into(),
            proposed: text("Boss"),
            current: text("Clerk"),
            ..Default::default()
        };
        let order = pb::Order {
            kind: kind.into(),
            resource_type: "A".into(),
            owner: Some(pb::Owner { key: "E1".into(), ..Default::default() }),
            changes: vec![change],
            block_causes: vec![1],
            ..Default::default()
        };
        pb::OrderRecord { order: Some(order), state: state.into(), ..Default::default() }
    }

    fn difference(scope: Scope, expected: &str, all: &[pb::OrderRecord]) -> Option<String> {
        let orders = Orders::read(scope, &crate::yaml::read(expected).unwrap()).unwrap();
        let (expected, found) = orders.compare(all, 0);
        diff(&expected, &found)
    }

    #[test]
    fn what_is_said_is_compared_and_nothing_else() {
        let all = [record(OrderKind::Update, ProvisioningState::AwaitingApproval)];
        for right in [
            "- Update of A for E1",
            "- Update of A for E1: Awaiting Approval",
            "- Update of A for E1: { changes: { title: Boss }, blocked by: resource type }",
            "- Update of A for E1: { changes: { title: Clerk → Boss } }",
        ] {
            assert_eq!(difference(Scope::All, right, &all), None, "{right}");
        }
        let wrong = "- Update of A for E1: { state: Pending, changes: { title: Clark → Boss } }";
        let said = difference(Scope::All, wrong, &all).unwrap();
        assert!(said.contains("-     state: Pending\n+     state: Awaiting Approval"), "{said}");
        assert!(said.contains("-     title: Clark → Boss\n+     title: Clerk → Boss"), "{said}");
    }

    #[test]
    fn an_order_that_nobody_expected_is_a_difference() {
        let all = [
            record(OrderKind::Update, ProvisioningState::Pending),
            record(OrderKind::Deletion, ProvisioningState::Pending),
        ];
        let said = difference(Scope::All, "- Update of A for E1", &all).unwrap();
        assert!(said.contains("+ Deletion of A for E1"), "{said}");
        assert_eq!(difference(Scope::Among, "- Update of A for E1", &all), None);
        assert!(difference(Scope::All, "none", &all).is_some());
        assert!(difference(Scope::Among, "- Addition of A for E1", &all).unwrap().contains("- Addition of A for E1"));
    }
}
