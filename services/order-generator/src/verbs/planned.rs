//! Orders as plans and lists of held orders show them.
//!
//! The rule that must hold: confidential values are left out, here, before anything is kept or sent.

use super::survey::Survey;
use crate::generator::Generator;
use crate::model::generate::Intent;
use crate::model::plan::{Action, Fingerprints, Mark};
use crate::store::plan_keys;
use provost_contract::generator::v1::{PlannedAction, PlannedOrder};
use provost_contract::types::v1::{BlockCause, Order as WireOrder, OrderRecord};
use provost_contract::{masked, to_wire};
use provost_domain::{Order, OrderId};
use provost_service_kit::{Fault, new_id};
use std::collections::HashMap;

/// What makes this installation's fingerprints.
pub(super) async fn fingerprints(generator: &Generator) -> Result<Fingerprints, Fault> {
    let new = format!("{}{}", new_id(), new_id());
    Ok(Fingerprints::new(plan_keys::secret(generator.database.write(), new).await?))
}

/// The names of new orders that others go after. Their ids mean nothing to anybody yet.
pub(super) struct Names(HashMap<OrderId, String>);

impl Names {
    pub(super) fn of(survey: &Survey) -> Self {
        let new = &survey.decided.new;
        let mut named: HashMap<OrderId, String> =
            new.iter().flat_map(|intent| &intent.depends_on).map(|id| (*id, id.to_string())).collect();
        if !named.is_empty() {
            for intent in new {
                let standing = survey.standings.get(intent.place);
                if let Some((name, standing)) = named.get_mut(&intent.id).zip(standing) {
                    *name = standing.named(&survey.loaded.catalog);
                }
            }
        }
        Self(named)
    }
}

/// What tells a new order from one that says something else.
pub(super) fn fingerprint(fingerprints: &Fingerprints, intent: &Intent, order: &Order) -> String {
    fingerprints.order(Action::of(intent), order, intent.is_queued)
}

/// A new order, as it would be submitted.
pub(super) fn order(fingerprints: &Fingerprints, names: &Names, intent: &Intent, order: Order) -> PlannedOrder {
    let action = Action::of(intent);
    let fingerprint = self::fingerprint(fingerprints, intent, &order);
    let goes_after = order.depends_on.iter().filter_map(|id| names.0.get(id).cloned()).collect();
    let mut order = masked(to_wire::order(&order));
    order.order_id.clear();
    order.depends_on.clear();
    order.generation_run.clear();
    if intent.is_queued {
        order.block_causes.push(BlockCause::QueuedBehind.into());
    }
    PlannedOrder { action: action_to_wire(action).into(), order: Some(order), fingerprint, goes_after }
}

/// An open order that would be cancelled.
pub(super) fn cancelled(fingerprints: &Fingerprints, record: OrderRecord) -> Option<PlannedOrder> {
    let order = masked(record.order?);
    let fingerprint = fingerprints.cancelled(order.order_id.parse().ok()?);
    let action = PlannedAction::Cancel.into();
    Some(PlannedOrder { action, order: Some(order), fingerprint, goes_after: vec![] })
}

/// What a planned order is known by.
pub(super) fn mark(planned: &PlannedOrder) -> Option<Mark> {
    let WireOrder { order_id, resource_type, owner, target_key, .. } = planned.order.as_ref()?;
    let owner = owner.as_ref()?;
    Some(Mark {
        action: Action::from_number(planned.action)?,
        resource_type: resource_type.clone(),
        owner_entity_type: owner.entity_type.clone(),
        owner_key: owner.key.clone(),
        target_key: target_key.clone(),
        order_id: order_id.clone(),
        fingerprint: planned.fingerprint.clone(),
    })
}

pub(super) const fn action_to_wire(action: Action) -> PlannedAction {
    match action {
        Action::Add => PlannedAction::Add,
        Action::Associate => PlannedAction::Associate,
        Action::Change => PlannedAction::Change,
        Action::Delete => PlannedAction::Delete,
        Action::Cancel => PlannedAction::Cancel,
        Action::Fail => PlannedAction::Fail,
        Action::Expire => PlannedAction::Expire,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_contract::types::v1::{Change, Owner, Value, value::Kind};

    #[test]
    fn numbers_are_the_same_on_the_wire() {
        for action in Action::ALL {
            assert_eq!(action_to_wire(action) as i32, action as i32);
        }
    }

    #[test]
    fn cancelled_order_shows_no_confidential_value_and_is_known_by_its_id() {
        let change = Change {
            proposed: Some(Value { kind: Some(Kind::StringValue("1234".into())) }),
            sensitive: true,
            ..Change::default()
        };
        let order = WireOrder {
            order_id: "00000000-0000-0000-0000-000000000001".into(),
            owner: Some(Owner::default()),
            changes: vec![change],
            ..WireOrder::default()
        };
        let fingerprints = Fingerprints::new("secret".into());
        let record = OrderRecord { order: Some(order.clone()), ..OrderRecord::default() };
        let planned = cancelled(&fingerprints, record).unwrap();
        assert!(planned.order.as_ref().unwrap().changes.iter().all(|change| change.proposed.is_none()));
        assert_eq!(mark(&planned).unwrap().order_id, order.order_id);
    }
}
