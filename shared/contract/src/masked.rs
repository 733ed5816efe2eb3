//! What may be shown of an order to people and services that do not write it.

use crate::types::v1::Order;

/// The order without its confidential values; the mark that they are confidential stays.
pub fn masked(mut order: Order) -> Order {
    for change in order.changes.iter_mut().filter(|change| change.sensitive) {
        (change.proposed, change.current) = (None, None);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::v1::{Change, Value, value::Kind};

    #[test]
    fn confidential_values_are_taken_out_and_nothing_else() {
        let text = |text: &str| Some(Value { kind: Some(Kind::StringValue(text.to_owned())) });
        let change = |sensitive| Change { proposed: text("new"), current: text("old"), sensitive, ..Change::default() };
        let order = Order { changes: vec![change(false), change(true)], ..Order::default() };
        let shown = masked(order);
        let values: Vec<_> =
            shown.changes.iter().map(|c| (c.proposed.is_some(), c.current.is_some(), c.sensitive)).collect();
        assert_eq!(values, [(true, true, false), (false, false, true)]);
        assert_eq!(masked(shown.clone()), shown);
    }
}
