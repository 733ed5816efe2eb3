//! The projection of the ledger, as the model wants to see it: what is known of each lane's orders.

use crate::generator::Generator;
use crate::model::generate::{Afoot, LaneId, LaneKey, Newest, OwnerId, lane_of_order, unknown_key};
use crate::model::known_order::{self, KnownOrder};
use crate::store::orders::{self, Brief, BriefOrder, Counting};
use crate::store::sensitive_orders;
use provost_contract::from_wire;
use provost_contract::types::v1 as wire;
use provost_domain::{InactiveReason, Order, OrderKind, Owner, ProvisioningState, Timestamp};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is known of each lane's orders, oldest first.
pub(crate) type Lanes = BTreeMap<LaneKey, Vec<KnownOrder>>;

/// Reads what is known of all lanes; of quiet ones as [`lanes_of`] does.
pub(crate) async fn lanes(generator: &Generator) -> Result<Lanes, Fault> {
    let mut contents = sensitive_orders::all(generator.database.read()).await?;
    let mut lanes = Lanes::new();
    let each = |counting: Counting, is_open: bool| {
        let (lane, known) = match is_open {
            true => in_lane(complete(counting.whole()?, &mut contents))?,
            false => verified(counting.brief()?)?,
        };
        lanes.entry(lane).or_default().push(known);
        Ok(())
    };
    orders::that_count(generator.database.read(), each).await?;
    Ok(lanes)
}

/// Reads what is known of these lanes. Of a lane in which every order is verified, as most are, no more than whose
/// they were: nothing asks what they changed.
pub(crate) async fn lanes_of(generator: &Generator, lanes: &[LaneKey]) -> Result<Lanes, Fault> {
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let lanes: Vec<String> = lanes.iter().map(orders::lane_text).collect();
    let rows = orders::that_count_of(connection, engine, &lanes).await?;
    let open: HashSet<&str> = rows.iter().filter(|row| !row.is_verified()).map(|row| row.lane.as_str()).collect();
    let (whole, quiet): (Vec<&Counting>, Vec<&Counting>) =
        rows.iter().partition(|row| open.contains(row.lane.as_str()));
    let records = whole.into_iter().map(Counting::whole).collect::<Result<Vec<_>, Fault>>()?;
    let ids: Vec<&str> =
        records.iter().filter_map(|record| record.order.as_ref()).map(|order| order.order_id.as_str()).collect();
    let contents = sensitive_orders::these(connection, engine, &ids).await?;
    let mut lanes = in_lanes(records, contents)?;
    for row in quiet {
        let (lane, known) = verified(row.brief()?)?;
        lanes.entry(lane).or_default().push(known);
    }
    Ok(lanes)
}

/// A verified order, without what it changed.
fn verified(brief: Brief) -> Result<(LaneKey, KnownOrder), Fault> {
    let Brief { order, executed_at, .. } = brief;
    let BriefOrder { order_id, kind, resource_type, connector, entity_type, owner, target_key, generated_at } =
        order.unwrap_or_default();
    let wire::Owner { entity_type: owner_type, key: owner_key, display_name } = owner.unwrap_or_default();
    let owner = Owner { entity_type: owner_type, key: owner_key, display_name };
    let key = match target_key.as_str() {
        "" => unknown_key(&resource_type, &owner.entity_type, &owner.key),
        _ => target_key,
    };
    let known = KnownOrder {
        id: order_id.parse().map_err(|_| strange(format!("the order id '{order_id}'")))?,
        kind: OrderKind::from_number(kind).ok_or_else(|| strange(format!("the order kind {kind}")))?,
        owner,
        resource_type: resource_type.into(),
        state: ProvisioningState::Verified,
        inactive_reason: None,
        in_flight: false,
        changes: vec![],
        block_causes: vec![],
        fingerprint: String::new(),
        generated_at: from_wire::timestamp(&generated_at.unwrap_or_default()),
        executed_at: executed_at.as_ref().map(from_wire::timestamp),
    };
    Ok(((connector, entity_type, key), known))
}

fn strange(what: String) -> Fault {
    Fault::internal(anyhow::anyhow!("the ledger's feed holds {what}"))
}

/// What is afoot in all lanes.
pub(crate) async fn all_afoot(generator: &Generator) -> Result<Afoot, Fault> {
    let mut afoot = Afoot::default();
    orders::in_open_lanes(generator.database.read(), |brief| add(&mut afoot, brief, |_| true)).await?;
    Ok(afoot)
}

/// What is afoot in these lanes, as rows name them; of what can be cancelled, that of these owners.
pub(crate) async fn afoot_in(
    generator: &Generator,
    lanes: &[String],
    owners: &HashSet<OwnerId>,
) -> Result<Afoot, Fault> {
    let mut afoot = Afoot::default();
    for brief in orders::briefs_of(generator.database.read(), generator.database.engine(), lanes).await? {
        add(&mut afoot, brief, |owner| owners.contains(&owner))?;
    }
    Ok(afoot)
}

fn add(afoot: &mut Afoot, brief: Brief, is_theirs: impl Fn(OwnerId) -> bool) -> Result<(), Fault> {
    let Brief { order, state, lease, .. } = brief;
    let BriefOrder { order_id, kind, resource_type, connector, entity_type, owner, target_key, .. } =
        order.unwrap_or_default();
    let owner = owner.unwrap_or_default();
    let id = order_id.parse().map_err(|_| strange(format!("the order id '{order_id}'")))?;
    let state = ProvisioningState::from_number(state).ok_or_else(|| strange(format!("the state {state}")))?;
    let kind = OrderKind::from_number(kind).ok_or_else(|| strange(format!("the order kind {kind}")))?;
    let key = match target_key.as_str() {
        "" => unknown_key(&resource_type, &owner.entity_type, &owner.key),
        _ => target_key,
    };
    let lane = LaneId::named(&connector, &entity_type, &key);
    afoot.add(lane, Newest { id, kind, state });
    let owner = OwnerId::named(&owner.entity_type, &owner.key);
    if known_order::gives_way(state, state == ProvisioningState::Pending && lease.is_some()) && is_theirs(owner) {
        afoot.add_giving_way(lane, owner, id);
    }
    Ok(())
}

fn in_lanes(records: Vec<wire::OrderRecord>, mut contents: HashMap<String, wire::Order>) -> Result<Lanes, Fault> {
    let mut lanes = Lanes::new();
    for record in records {
        let (lane, known) = in_lane(complete(record, &mut contents))?;
        lanes.entry(lane).or_default().push(known);
    }
    Ok(lanes)
}

/// A record with the values that the feed leaves out, where they are kept.
pub(crate) fn complete(
    mut record: wire::OrderRecord,
    contents: &mut HashMap<String, wire::Order>,
) -> wire::OrderRecord {
    let content = record.order.as_ref().and_then(|order| contents.remove(&order.order_id));
    record.order = record.order.map(|told| whole(told, content));
    record
}

/// An order with the values that the feed leaves out of sensitive changes. Why it is reviewed, the ledger
/// knows better than what was submitted.
fn whole(told: wire::Order, content: Option<wire::Order>) -> wire::Order {
    match content {
        Some(content) => wire::Order { block_causes: told.block_causes, ..content },
        None => told,
    }
}

/// One order: what was submitted, and what is known of it.
pub(crate) fn known(record: wire::OrderRecord) -> Result<(Order, KnownOrder), Fault> {
    let (order, standing) = read(record)?;
    let known = standing.known(order.clone());
    Ok((order, known))
}

/// One order among very many: its lane, and what is known of it.
pub(crate) fn in_lane(record: wire::OrderRecord) -> Result<(LaneKey, KnownOrder), Fault> {
    let (order, standing) = read(record)?;
    Ok((lane_of_order(&order), standing.known(order)))
}

/// Where an order stands.
struct Standing {
    state: ProvisioningState,
    inactive_reason: Option<InactiveReason>,
    is_leased: bool,
    executed_at: Option<Timestamp>,
}

impl Standing {
    fn known(self, order: Order) -> KnownOrder {
        let Self { state, inactive_reason, is_leased, executed_at } = self;
        // Most lanes hold one order, which was verified: what it asked for is compared with nothing any more.
        let is_compared = state != ProvisioningState::Verified;
        let fingerprint = if is_compared { order.fingerprint() } else { String::new() };
        let Order { id, kind, owner, resource_type, changes, block_causes, generated_at, .. } = order;
        KnownOrder {
            id,
            kind,
            owner,
            resource_type: resource_type.into(),
            state,
            inactive_reason,
            // Whether the lease is still live is not known here: agents renew it without the feed's knowledge.
            // Taking it for live is safe: what comes after it waits in its lane.
            in_flight: state == ProvisioningState::Pending && is_leased,
            changes,
            block_causes,
            fingerprint,
            generated_at,
            executed_at,
        }
    }
}

fn read(record: wire::OrderRecord) -> Result<(Order, Standing), Fault> {
    let wire::OrderRecord { order, state, inactive_reason, lease, executed_at, .. } = record;
    let order = from_wire::order("order", order.unwrap_or_default()).map_err(|wrong| strange(wrong.to_string()))?;
    let state = ProvisioningState::from_number(state).ok_or_else(|| strange(format!("the state {state}")))?;
    let inactive_reason = match wire::InactiveReason::try_from(inactive_reason) {
        Ok(wire::InactiveReason::Expired) => Some(InactiveReason::Expired),
        Ok(wire::InactiveReason::Declined) => Some(InactiveReason::Declined),
        Ok(wire::InactiveReason::Cancelled) => Some(InactiveReason::Cancelled),
        Ok(wire::InactiveReason::Superseded) => Some(InactiveReason::Superseded),
        Ok(wire::InactiveReason::Unspecified) | Err(_) => None,
    };
    let executed_at = executed_at.as_ref().map(from_wire::timestamp);
    Ok((order, Standing { state, inactive_reason, is_leased: lease.is_some(), executed_at }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_contract::to_wire;
    use provost_domain::{OrderId, Period};

    fn record() -> wire::OrderRecord {
        let order = Order {
            id: OrderId::new(uuid::Uuid::from_u128(1)),
            kind: OrderKind::Deletion,
            resource_type: "A".into(),
            connector: "app".into(),
            connection: "app-sql".into(),
            entity_type: "Account".into(),
            owner: Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() },
            target_key: "ada".into(),
            changes: vec![],
            arguments: [].into(),
            why: vec![],
            priority: 0,
            not_before: None,
            period: Period::default(),
            generation_run: "g".into(),
            depends_on: vec![],
            block_causes: vec![],
            transmitted_validity_minutes: 0,
            rule_failure: None,
            expired: false,
            generated_at: Timestamp::from_millis(1),
        };
        wire::OrderRecord {
            order: Some(to_wire::order(&order)),
            state: wire::ProvisioningState::Pending.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_leased_order_is_in_flight() {
        let mut record = record();
        assert!(!known(record.clone()).unwrap().1.in_flight);
        record.lease = Some(wire::Lease { agent_id: "a".into(), attempt: 1, expires_at: None });
        assert!(known(record).unwrap().1.in_flight);
    }

    #[test]
    fn of_verified_orders_nothing_is_left_out_but_what_they_changed() {
        let mut record = record();
        record.state = wire::ProvisioningState::Verified.into();
        record.executed_at = Some(to_wire::timestamp(Timestamp::from_millis(7)));
        record.order.as_mut().unwrap().changes = vec![wire::Change { property: "title".into(), ..Default::default() }];
        let brief = verified(prost::Message::decode(prost::Message::encode_to_vec(&record).as_slice()).unwrap());
        record.order.as_mut().unwrap().changes.clear();
        assert_eq!(brief.unwrap(), in_lane(record).unwrap());
        let wrong = |order| verified(Brief { order: Some(order), ..Brief::default() }).unwrap_err().to_string();
        assert!(wrong(BriefOrder { order_id: "x".into(), ..Default::default() }).contains("the order id 'x'"));
        let kind = BriefOrder { order_id: uuid::Uuid::nil().to_string(), kind: 9, ..Default::default() };
        assert!(wrong(kind).contains("the order kind 9"));
    }

    #[test]
    fn causes_that_the_ledger_adds_are_known_of_sensitive_orders_too() {
        let submitted = record().order.unwrap();
        let told = wire::Order { block_causes: vec![3], priority: 7, ..submitted.clone() };
        let whole = whole(told.clone(), Some(submitted.clone()));
        assert_eq!(whole, wire::Order { block_causes: vec![3], ..submitted });
        assert_eq!(super::whole(told.clone(), None), told);
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        assert!(known(wire::OrderRecord { state: 99, ..record() }).unwrap_err().to_string().contains("the state 99"));
        assert!(known(wire::OrderRecord { order: None, ..record() }).unwrap_err().to_string().contains("order_id"));
    }
}
