//! What a review is about: when two deliveries are about the same.

use provost_contract::masked;
use provost_contract::types::v1::{Change, Order};

/// Whether two deliveries ask for the same decision: the same order, for the same resource and
/// owner, with the same changes. Confidential values do not count, since they may come or not.
/// Neither does why: a rule may have been renamed between two deliveries.
pub(crate) fn is_same(one: &Order, other: &Order) -> bool {
    let place = |order: &Order| {
        let owner = order.owner.clone().unwrap_or_default();
        (
            order.order_id.to_lowercase(),
            order.kind,
            [order.resource_type.clone(), order.connector.clone(), order.entity_type.clone(), order.target_key.clone()],
            [owner.entity_type, owner.key],
        )
    };
    let changes = |order: &Order| -> Vec<Change> {
        masked(order.clone()).changes.into_iter().map(|change| Change { why: vec![], ..change }).collect()
    };
    place(one) == place(other) && changes(one) == changes(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{Owner, Reason, Value, value::Kind};

    fn text(text: &str) -> Option<Value> {
        Some(Value { kind: Some(Kind::StringValue(text.to_owned())) })
    }

    fn order() -> Order {
        let change = |property: &str, sensitive| Change {
            property: property.to_owned(),
            proposed: text("new"),
            current: text("old"),
            sensitive,
            ..Change::default()
        };
        Order {
            order_id: "A".into(),
            owner: Some(Owner { key: "1".into(), ..Owner::default() }),
            changes: vec![change("title", false), change("password", true)],
            ..Order::default()
        }
    }

    #[test]
    fn delivery_with_and_without_confidential_values_is_the_same() {
        assert!(is_same(&order(), &masked(order())));
    }

    #[test]
    fn explanation_does_not_make_another_subject() {
        let mut other = order();
        other.why.push(Reason::default());
        other.changes.iter_mut().for_each(|change| change.why.push(Reason::default()));
        assert!(is_same(&order(), &other));
    }

    #[test]
    fn other_order_resource_owner_or_value_is_another_subject() {
        let others: [fn(&mut Order); 6] = [
            |order| order.order_id = "B".into(),
            |order| order.kind = 4,
            |order| order.target_key = "bob".into(),
            |order| order.owner = None,
            |order| order.changes.truncate(1),
            |order| order.changes.iter_mut().for_each(|change| change.proposed = text("newer")),
        ];
        for (index, make) in others.into_iter().enumerate() {
            let mut other = order();
            make(&mut other);
            assert!(!is_same(&order(), &other), "case {index}");
        }
    }
}
