//! What a person should do for an order, in words that can be acted on.
//!
//! The sentence is for lists, so it never holds a confidential value; the values beside it do, when
//! the one order is opened.

use provost_contract::from_wire;
use provost_contract::fulfillment::v1::SuggestedValue;
use provost_contract::types::v1::{Change, ChangeOperation, Order, OrderKind, Value};

/// One sentence: create, edit or delete which resource, for whom.
pub(crate) fn sentence(order: &Order) -> String {
    let resource = format!("the {} {}", order.entity_type, order.target_key);
    let owner = owner(order);
    match order.kind() {
        OrderKind::Addition => {
            let values = order.changes.iter().filter_map(|change| {
                let value = shown(change, change.proposed.as_ref())?;
                Some(format!("{} = {value}", change.property))
            });
            with(format!("Create {resource} for {owner}"), values.collect())
        }
        OrderKind::Update => {
            with(format!("Edit {resource} of {owner}"), order.changes.iter().filter_map(edit).collect())
        }
        OrderKind::Association => {
            with(format!("Assign {resource} to {owner}"), order.changes.iter().filter_map(edit).collect())
        }
        OrderKind::Deletion => format!("Delete {resource} of {owner}."),
        OrderKind::Unspecified => format!("See to {resource} of {owner}."),
    }
}

/// The values to enter: all of them for a creation, old and new for an edit, none for a deletion.
pub(crate) fn values(order: &Order) -> Vec<SuggestedValue> {
    if order.kind() == OrderKind::Deletion {
        return Vec::new();
    }
    let values = order.changes.iter().map(|change| SuggestedValue {
        property: change.property.clone(),
        operation: change.operation,
        old_value: change.current.clone(),
        new_value: change.proposed.clone(),
    });
    values.collect()
}

fn owner(order: &Order) -> String {
    let Some(owner) = &order.owner else { return "nobody".to_owned() };
    if owner.display_name.is_empty() || owner.display_name == owner.key {
        return format!("{} {}", owner.entity_type, owner.key);
    }
    format!("{} ({} {})", owner.display_name, owner.entity_type, owner.key)
}

fn with(start: String, parts: Vec<String>) -> String {
    if parts.is_empty() { format!("{start}.") } else { format!("{start}: {}.", parts.join("; ")) }
}

fn edit(change: &Change) -> Option<String> {
    let property = &change.property;
    if change.sensitive {
        return Some(format!("{property} → (confidential)"));
    }
    let new = shown(change, change.proposed.as_ref());
    Some(match change.operation() {
        ChangeOperation::Set | ChangeOperation::Unspecified => {
            let old = shown(change, change.current.as_ref()).unwrap_or_else(|| "(empty)".into());
            format!("{property}: {old} → {}", new.unwrap_or_else(|| "(empty)".into()))
        }
        ChangeOperation::Add => format!("add {} to {property}", new?),
        ChangeOperation::Remove => format!("remove {} from {property}", new?),
    })
}

/// A value in a few words; of a sensitive change, that it is confidential.
pub(crate) fn shown(change: &Change, value: Option<&Value>) -> Option<String> {
    if change.sensitive {
        return Some("(confidential)".to_owned());
    }
    let value = from_wire::value("value", value?.clone(), &mut Default::default())?;
    let text = value.to_string();
    let cut: String = text.chars().take(200).collect();
    Some(if cut.len() < text.len() { format!("{cut}…") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::submission::tests::{a_change, an_order};
    use provost_contract::to_wire;
    use provost_domain as domain;

    #[test]
    fn each_kind_says_what_to_do() {
        let mut order = an_order();
        assert_eq!(
            sentence(&to_wire::order(&order)),
            "Create the Badge 4711 for Ada Byron (Person 1001): number = 4711."
        );
        order.kind = domain::OrderKind::Update;
        let mut edit = a_change("zone", "north");
        edit.current = Some("south".into());
        let mut add = a_change("doors", "x");
        add.operation = domain::ChangeOperation::Add;
        add.proposed = Some(domain::Value::List(vec!["lab".into(), "roof".into()]));
        let mut clear = a_change("pin", "x");
        (clear.proposed, clear.current) = (None, Some("old".into()));
        order.changes = vec![edit, add, clear];
        assert_eq!(
            sentence(&to_wire::order(&order)),
            "Edit the Badge 4711 of Ada Byron (Person 1001): zone: south → north; add lab, roof to doors; \
             pin: old → (empty)."
        );
        assert_eq!(values(&to_wire::order(&order)).len(), 3);
        order.kind = domain::OrderKind::Deletion;
        assert_eq!(sentence(&to_wire::order(&order)), "Delete the Badge 4711 of Ada Byron (Person 1001).");
        assert!(values(&to_wire::order(&order)).is_empty());
    }

    #[test]
    fn confidential_values_stay_out_of_the_sentence() {
        let mut order = an_order();
        order.changes = vec![a_change("pin", "1234")];
        order.changes.iter_mut().for_each(|change| change.sensitive = true);
        for kind in [domain::OrderKind::Addition, domain::OrderKind::Update] {
            order.kind = kind;
            let text = sentence(&to_wire::order(&order));
            assert!(text.contains("(confidential)") && !text.contains("1234"), "{text}");
        }
        assert_eq!(values(&to_wire::order(&order)).len(), 1);
    }
}
