//! Reading orders: one with its history, lists, counts, agents.

use crate::model::record::record;
use crate::store::entries::Full;
use crate::store::{Ledger, agents, archive, connections, dependencies, entries, history, list};
use provost_contract::fulfillment::v1::{
    Agent, GetOrderResponse, ListOrdersRequest, ListOrdersResponse, OrderCount, OrderFilter,
};
use provost_contract::types::v1::{OrderKind, OrderRecord};
use provost_contract::{NAME_MAX, Violations, from_wire, masked};
use provost_domain::{OrderId, ProvisioningState, State, Timestamp, is_urgent};
use provost_service_kit::{Fault, page};
use std::collections::BTreeMap;

/// Most values of one field of a filter.
const FILTER_VALUES_MAX: usize = 100;
/// Oldest age that can be asked for: ten years.
pub(crate) const AGE_MINUTES_MAX: i32 = 5_256_000;

impl Ledger {
    /// One order with its whole history.
    ///
    /// # Errors
    /// When there is no such order.
    pub(crate) async fn order(&self, order_id: &str) -> Result<GetOrderResponse, Fault> {
        let mut wrong = Violations::default();
        let Some(id) = from_wire::order_id("order_id", order_id, &mut wrong) else { return Err(wrong.into()) };
        // First the history: a line that comes between is missed, but the record is never older.
        let history = history::of(self.read(), id).await?;
        if let Some(full) = entries::full_by_ids(self.read(), &[id]).await?.remove(&id) {
            let record = self.records(vec![full]).await?.pop();
            return Ok(GetOrderResponse { record, history, archived_at: None });
        }
        let archived = archive::bodies(self.read(), &[id]).await?.remove(&id);
        let mut archived = archived.ok_or_else(|| Fault::not_found(format!("order {id}")))?;
        // What came late is not in the archive. What was read above may have been archived since.
        let last = archived.history.last().map_or(0, |line| line.cursor);
        archived.history.extend(history.into_iter().filter(|line| line.cursor > last));
        Ok(archived)
    }

    /// A page of orders, oldest first.
    ///
    /// # Errors
    /// When the filter or the page is wrong, or the database cannot be reached.
    pub(crate) async fn list(&self, request: ListOrdersRequest) -> Result<ListOrdersResponse, Fault> {
        let ListOrdersRequest { filter, page_size, page_token } = request;
        let filter = filter_of(filter.unwrap_or_default(), self.now())?;
        let (size, after) = (page::size(page_size)?, page::after(&page_token)?);
        let list::Page { orders, next_page_token } = list::after(self.read(), &filter, after, size).await?;
        Ok(ListOrdersResponse { orders: self.records(orders).await?, next_page_token })
    }

    /// Counts by resource type and state.
    ///
    /// # Errors
    /// When the filter is wrong, or the database cannot be reached.
    pub(crate) async fn count(&self, filter: Option<OrderFilter>) -> Result<Vec<OrderCount>, Fault> {
        let now = self.now();
        let filter = filter_of(filter.unwrap_or_default(), now)?;
        let counts = list::count(self.read(), &filter, now).await?;
        let to_wire = |list::Count { resource_type, state, count, in_flight, archived }: list::Count| OrderCount {
            resource_type,
            state,
            count,
            in_flight,
            archived,
        };
        Ok(counts.into_iter().map(to_wire).collect())
    }

    /// The cursor of the newest event of the feed; 0 before the first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn newest_cursor(&self) -> Result<i64, Fault> {
        history::newest(self.read()).await
    }

    /// The agents that have called.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn agents(&self) -> Result<Vec<Agent>, Fault> {
        agents::list(self.read(), self.now()).await
    }

    /// Orders as everybody may see them: without confidential values, with what they wait for.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn records(&self, orders: Vec<Full>) -> Result<Vec<OrderRecord>, Fault> {
        let waiting: Vec<OrderId> =
            orders.iter().filter(|full| full.entry.standing.unmet_dependencies > 0).map(|full| full.entry.id).collect();
        let unmet = dependencies::of(self.read(), &waiting).await?;
        let now = self.now();
        let is_pending = |full: &&Full| matches!(full.entry.standing.state, State::Pending { .. });
        let mut names: Vec<String> = orders.iter().filter(is_pending).map(|f| f.entry.connection.clone()).collect();
        names.sort();
        names.dedup();
        let known = if names.is_empty() { BTreeMap::new() } else { connections::load(self.read(), &names).await? };
        let loads = connections::loads(self.read(), &known, now).await?;
        let records = orders.into_iter().map(|Full { entry, order }| {
            let load = loads.get(&entry.connection).copied().unwrap_or_default();
            let (urgent, deletion) = (is_urgent(order.priority), order.kind() == OrderKind::Deletion);
            let hold = known.get(&entry.connection).and_then(|one| one.hold(load, urgent, deletion, now));
            let dependencies = unmet.get(&entry.id).map_or(&[][..], Vec::as_slice);
            record(masked(order), &entry, dependencies, hold.as_ref(), now)
        });
        Ok(records.collect())
    }
}

/// So many minutes before an instant.
pub(crate) fn instant_before(now: Timestamp, minutes: i32) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(i64::from(minutes) * 60_000))
}

/// Notes an age that is out of range; none when it does not narrow.
pub(crate) fn since_at_most(
    field: &str,
    older_than_minutes: i32,
    now: Timestamp,
    wrong: &mut Violations,
) -> Option<Timestamp> {
    if !(0..=AGE_MINUTES_MAX).contains(&older_than_minutes) {
        wrong.add(field, format!("must be 0 to {AGE_MINUTES_MAX}"));
    }
    (older_than_minutes > 0).then(|| instant_before(now, older_than_minutes))
}

pub(crate) fn filter_of(filter: OrderFilter, now: Timestamp) -> Result<list::Filter, Violations> {
    let OrderFilter {
        states,
        resource_types,
        connector,
        connection,
        owner_key,
        target_key,
        generation_run,
        error_cause,
        older_than_minutes,
    } = filter;
    let mut wrong = Violations::default();
    let number = |(index, number): (usize, &i32)| {
        let state = from_wire::state(*number).filter(|state| *state != ProvisioningState::None);
        if state.is_none() {
            wrong.add(format!("filter.states[{index}]"), "must be one of the states 1 to 8");
        }
        state
    };
    let mut parsed: Vec<_> = states.iter().enumerate().filter_map(number).collect();
    parsed.sort();
    parsed.dedup();
    if resource_types.len() > FILTER_VALUES_MAX {
        wrong.add("filter.resource_types", format!("holds more than {FILTER_VALUES_MAX} names"));
    }
    for (index, name) in resource_types.iter().enumerate().take(FILTER_VALUES_MAX) {
        wrong.check_text(format_args!("filter.resource_types[{index}]"), name, NAME_MAX);
    }
    let texts = [
        ("connector", &connector),
        ("connection", &connection),
        ("owner_key", &owner_key),
        ("target_key", &target_key),
        ("generation_run", &generation_run),
        ("error_cause", &error_cause),
    ];
    for (name, text) in texts {
        wrong.check_text(format_args!("filter.{name}"), text, NAME_MAX);
    }
    let since_at_most = since_at_most("filter.older_than_minutes", older_than_minutes, now, &mut wrong);
    wrong.into_result(list::Filter {
        states: parsed,
        resource_types,
        connector,
        connection,
        owner_key,
        target_key,
        generation_run,
        error_cause,
        since_at_most,
        ..list::Filter::default()
    })
}
