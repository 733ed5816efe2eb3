//! Everything that one owner has, why, and where it stands: what was computed, under the light of
//! what the ledger says now.
//!
//! The rule that must hold: confidential values are left out.

use super::compute::{KnownOwner, catalog};
use super::explain::contexts;
use super::known::known;
use super::requested::{Told, goes_with, held_roles, roles_taken_away, shown_state};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{AssignedProperty, Assignment, Wanted};
use crate::model::evaluate::ContextSeen;
use crate::model::known_order::KnownOrder;
use crate::model::request::Request;
use crate::store::assignments::{self, Body};
use crate::store::{from_json, orders, requests, resources};
use provost_contract::types::v1::OrderRecord;
use provost_contract::{Violations, from_wire};
use provost_domain::{
    InactiveReason, Order, OrderKind, Owner, Period, ProvisioningState, Reason, Value, WorkflowState,
};
use provost_service_kit::Fault;

/// What one owner has.
pub(crate) struct Permissions {
    pub(crate) owner: Owner,
    pub(crate) period: Period,
    pub(crate) roles: Vec<HeldRole>,
    pub(crate) resources: Vec<HeldResource>,
    /// Resource types that were asked for, and of which the owner has no resource.
    pub(crate) asked: Vec<AskedType>,
    /// Positions, their times and dimensions.
    pub(crate) contexts: Vec<ContextSeen>,
}

/// A role that the owner has, or that was asked for.
pub(crate) struct HeldRole {
    pub(crate) role: String,
    pub(crate) is_composite: bool,
    pub(crate) display_name: String,
    pub(crate) why: Vec<Reason>,
    pub(crate) workflow: WorkflowState,
    pub(crate) period: Period,
    /// The newest request about it that still says something.
    pub(crate) request: Option<Request>,
}

/// A resource that the owner has, or shall have.
pub(crate) struct HeldResource {
    pub(crate) assignment: Assignment,
    pub(crate) connector: String,
    pub(crate) state: ProvisioningState,
    /// The newest order on it; empty when there is none.
    pub(crate) order_id: String,
    pub(crate) reason: String,
    pub(crate) properties: Vec<HeldProperty>,
    pub(crate) workflow: WorkflowState,
    /// The newest request about the resource type that still says something.
    pub(crate) request: Option<Request>,
}

/// A resource type that was asked for.
pub(crate) struct AskedType {
    pub(crate) connector: String,
    pub(crate) workflow: WorkflowState,
    pub(crate) request: Request,
}

/// One property of it. Confidential values are not in it.
pub(crate) struct HeldProperty {
    pub(crate) name: String,
    pub(crate) proposed: Option<Value>,
    pub(crate) current: Option<Value>,
    pub(crate) workflow: WorkflowState,
    pub(crate) state: ProvisioningState,
    pub(crate) why: Vec<Reason>,
    /// Its values must not be shown.
    pub(crate) is_sensitive: bool,
}

/// Reads what an owner has. An empty entity type means the only one that owns anything.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] when there is no such owner.
pub(crate) async fn permissions(generator: &Generator, entity_type: &str, key: &str) -> Result<Permissions, Fault> {
    let loaded = catalog(generator).await?;
    let entity_type = owner_type(&loaded, entity_type, key)?;
    let connection = generator.database.read();
    let kept = assignments::owner(connection, &entity_type, key).await?;
    let assigned = assignments::of_owner(connection, &entity_type, key).await?;
    let assigned = assigned.iter().map(Body::read).collect::<Result<Vec<_>, _>>()?;
    let KnownOwner { owner, period, roles, .. } = match kept {
        Some(body) => from_json(&body)?,
        // Gone from the source, and something is left; or new, and not computed yet.
        None => match assigned.first() {
            Some(left) => KnownOwner::unknown(left.owner.clone(), left.period),
            None if resources::get(connection, &entity_type, key).await?.is_some() => {
                let owner =
                    Owner { entity_type: entity_type.clone(), key: key.to_owned(), display_name: key.to_owned() };
                KnownOwner::unknown(owner, Period::default())
            }
            None => return Err(Fault::not_found(format!("{entity_type} '{key}'"))),
        },
    };
    let records = orders::of_owner(connection, &entity_type, key).await?;
    let ordered = records.into_iter().map(Ordered::read).collect::<Result<Vec<_>, _>>()?;
    let now = generator.clock.now();
    let requests = requests::of_owner(connection, &entity_type, key).await?;
    let taken_away = roles_taken_away(&loaded, &requests, now);
    let mut told = Told::of(requests, now);
    let mut resources: Vec<_> = assigned.into_iter().map(|assignment| held(&loaded, assignment, &ordered)).collect();
    resources.sort_by(|a, b| a.assignment.resource_type.cmp(&b.assignment.resource_type));
    for resource in &mut resources {
        resource.request = told.about(false, &resource.assignment.resource_type);
        if goes_with(&loaded, &resource.assignment, resource.request.as_ref(), &taken_away, now) {
            resource.workflow = WorkflowState::Cancellation;
        }
    }
    let roles = held_roles(&loaded, roles, &mut told, now);
    let asked = told.rest(false).into_iter().map(|request| AskedType {
        connector: loaded
            .catalog
            .resource_type(&request.name)
            .map(|kind| kind.connector.to_string())
            .unwrap_or_default(),
        workflow: shown_state(&request, now),
        request,
    });
    let asked = asked.collect();
    let contexts = contexts(generator, loaded, &(entity_type, key.to_owned())).await?;
    Ok(Permissions { owner, period, roles, resources, asked, contexts })
}

/// The name for people of a role, single or composite; empty when it has none, or is gone.
pub(super) fn display_name(loaded: &Loaded, role: &str) -> String {
    let single = loaded.catalog.role(role).map(|found| &found.display_name);
    let composite = || loaded.catalog.composite_role(role).map(|found| &found.display_name);
    single.or_else(composite).cloned().unwrap_or_default()
}

/// The entity type of an owner; an empty one means the only one that owns anything.
///
/// # Errors
/// When it is none, or the key cannot be one.
pub(crate) fn owner_type(loaded: &Loaded, entity_type: &str, key: &str) -> Result<String, Violations> {
    let mut wrong = Violations::default();
    wrong.require_text("owner_key", key, provost_contract::NAME_MAX);
    let owners: Vec<_> = loaded.catalog.owner_entity_types().iter().map(|owner| owner.name.to_string()).collect();
    let found = match (entity_type, owners.as_slice()) {
        ("", [only]) => only.clone(),
        ("", _) => {
            wrong.add("owner_entity_type", format!("must be one of {}", owners.join(", ")));
            String::new()
        }
        (name, _) => {
            if !owners.iter().any(|owner| owner == name) {
                wrong.add("owner_entity_type", format!("'{name}' owns nothing; must be one of {}", owners.join(", ")));
            }
            name.to_owned()
        }
    };
    wrong.into_result(found)
}

/// An order of the owner.
pub(super) struct Ordered {
    pub(super) order: Order,
    pub(super) known: KnownOrder,
    pub(super) said: String,
}

impl Ordered {
    pub(super) fn read(record: OrderRecord) -> Result<Self, Fault> {
        let said = said(&record);
        let (order, known) = known(record)?;
        Ok(Self { order, known, said })
    }

    pub(super) fn counts(&self) -> bool {
        !matches!(self.known.inactive_reason, Some(InactiveReason::Superseded | InactiveReason::Cancelled))
    }

    pub(super) fn is_of(&self, assignment: &Assignment) -> bool {
        // What was refused because the key is somebody else's is an order without one.
        let is_refused = self.order.target_key.is_empty() && assignment.failure.is_some();
        let is_on_it = self.order.target_key == assignment.target_key || is_refused;
        self.order.resource_type == assignment.resource_type && is_on_it
    }

    fn touches(&self, property: &str) -> bool {
        self.order.kind == OrderKind::Deletion || self.order.changes.iter().any(|change| change.property == property)
    }

    /// It asks for just what is wanted, so its state is the answer, also when it is over.
    fn answers(&self, wanted: Option<&Wanted>) -> bool {
        wanted.is_some_and(|wanted| {
            let asks = |changes: &[provost_domain::Change]| {
                let mut asks: Vec<_> = changes
                    .iter()
                    .map(|change| (change.property.clone(), change.operation, change.proposed.clone()))
                    .collect();
                asks.sort();
                asks
            };
            wanted.kind == self.order.kind && asks(&wanted.changes) == asks(&self.order.changes)
        })
    }
}

fn held(loaded: &Loaded, assignment: Assignment, ordered: &[Ordered]) -> HeldResource {
    let newest = ordered.iter().rev().find(|ordered| ordered.counts() && ordered.is_of(&assignment));
    // An order that is under way says more than what was computed before it moved.
    let speaking = newest.filter(|newest| !newest.known.state.is_final() || newest.answers(assignment.wanted.as_ref()));
    let (state, reason) = match speaking {
        Some(newest) => (newest.known.state, newest.said.clone()),
        None if assignment.wanted.is_some() => {
            (assignment.state, "differs from what is wanted; no order was generated yet".into())
        }
        None => (assignment.state, assignment.note.clone()),
    };
    let resource_type = loaded.catalog.resource_type(&assignment.resource_type);
    let target = resource_type.and_then(|resource_type| loaded.catalog.entity_type(&resource_type.target));
    let property = |(name, assigned): (&String, &AssignedProperty)| {
        let is_shown = target.and_then(|target| target.property(name)).is_some_and(|property| !property.sensitive);
        HeldProperty {
            name: name.clone(),
            proposed: assigned.policy.clone().filter(|_| is_shown),
            current: assigned.current.clone().filter(|_| is_shown),
            workflow: assigned.workflow,
            state: speaking
                .filter(|speaking| speaking.touches(name))
                .map_or(assigned.state, |speaking| speaking.known.state),
            why: assigned.why.clone(),
            is_sensitive: !is_shown,
        }
    };
    HeldResource {
        connector: resource_type.map(|resource_type| resource_type.connector.to_string()).unwrap_or_default(),
        state,
        order_id: newest.map(|newest| newest.order.id.to_string()).unwrap_or_default(),
        reason,
        properties: assignment.properties.iter().map(property).collect(),
        workflow: assignment.workflow,
        request: None,
        assignment,
    }
}

/// One sentence on an order's state: what it waits for, or what went wrong.
pub(super) fn said(record: &OrderRecord) -> String {
    let order = record.order.clone().unwrap_or_default();
    let failure = record.failure.as_ref().map(|failure| {
        let hint = if failure.hint.is_empty() { String::new() } else { format!("; {}", failure.hint) };
        format!("{}{hint}", failure.message)
    });
    let own = match ProvisioningState::from_number(record.state) {
        Some(ProvisioningState::Pending) => match (&record.lease, &record.next_attempt_at, record.waits_for.as_slice())
        {
            (Some(lease), ..) => format!("in flight at {}", lease.agent_id),
            (None, Some(at), _) => {
                let at = from_wire::timestamp(at);
                format!("tried again at {at}: {}", failure.unwrap_or_default())
            }
            (None, None, []) => format!("waits for an agent that serves {}", order.connection),
            (None, None, before) => format!("waits for the order {}", before.join(", ")),
        },
        Some(ProvisioningState::Errored) => failure.unwrap_or_default(),
        Some(ProvisioningState::Error) => order.rule_failure.map_or_else(String::new, |failure| {
            let property = if failure.property.is_empty() { String::new() } else { format!(" ({})", failure.property) };
            format!("{}{property}: {}", failure.rule, failure.message)
        }),
        Some(ProvisioningState::AwaitingApproval) => "waits for a review".to_owned(),
        Some(ProvisioningState::Transmitted) if record.ticket.is_empty() => "waits for a person".to_owned(),
        Some(ProvisioningState::Transmitted) => format!("waits for a person: {}", record.ticket),
        Some(ProvisioningState::Executed) => "written; waits until a synchronization shows it".to_owned(),
        Some(ProvisioningState::Inactive | ProvisioningState::Verified | ProvisioningState::None) | None => {
            String::new()
        }
    };
    if own.is_empty() { record.state_reason.clone() } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::to_wire;
    use provost_contract::types::v1 as wire;

    fn record(state: ProvisioningState) -> OrderRecord {
        let order = wire::Order { connection: "app-sql".into(), ..Default::default() };
        OrderRecord { order: Some(order), state: state.number(), state_reason: "as told".into(), ..Default::default() }
    }

    #[test]
    fn a_pending_order_says_what_it_waits_for() {
        let pending = record(ProvisioningState::Pending);
        assert_eq!(said(&pending), "waits for an agent that serves app-sql");
        let behind = OrderRecord { waits_for: vec!["7f3a".into()], ..pending.clone() };
        assert_eq!(said(&behind), "waits for the order 7f3a");
        let lease = Some(wire::Lease { agent_id: "agent-1".into(), ..Default::default() });
        assert_eq!(said(&OrderRecord { lease, ..pending.clone() }), "in flight at agent-1");
        let retried = OrderRecord {
            next_attempt_at: Some(to_wire::timestamp(provost_domain::Timestamp::from_millis(0))),
            failure: Some(wire::Failure { message: "no route".into(), ..Default::default() }),
            ..pending
        };
        assert_eq!(said(&retried), "tried again at 1970-01-01T00:00:00.000Z: no route");
    }

    #[test]
    fn a_failed_order_says_what_went_wrong() {
        let failure = wire::Failure { message: "taken".into(), hint: "free the number".into(), ..Default::default() };
        let errored = OrderRecord { failure: Some(failure), ..record(ProvisioningState::Errored) };
        assert_eq!(said(&errored), "taken; free the number");
        let mut error = record(ProvisioningState::Error);
        error.order = Some(wire::Order {
            rule_failure: Some(wire::RuleFailure {
                rule: "scalar size".into(),
                property: "size".into(),
                message: "not a number".into(),
                ..Default::default()
            }),
            ..Default::default()
        });
        assert_eq!(said(&error), "scalar size (size): not a number");
        assert_eq!(said(&record(ProvisioningState::Transmitted)), "waits for a person");
        assert_eq!(said(&record(ProvisioningState::Inactive)), "as told");
    }
}
