//! Manual provisioning: what waits for a person, and what the person says became of it.

use crate::model::record::record;
use crate::model::{Note, suggestion};
use crate::store::entries::Full;
use crate::store::{Ledger, entries, list};
use crate::verbs::each::{Step, check_size};
use crate::verbs::read::since_at_most;
use crate::verbs::resolve::WORDS_MAX;
use provost_contract::fulfillment::v1::{
    ConfirmOrdersRequest, CountManualOrdersRequest, ListManualOrdersRequest, ListManualOrdersResponse, ManualCount,
    ManualDecision, ManualOrder, ReportOrderErrorsRequest,
};
use provost_contract::types::v1::ItemResult;
use provost_contract::{NAME_MAX, Violations, from_wire, masked, to_wire};
use provost_domain::{Event, Failure, FailureClass, ProvisioningState, State, Timestamp};
use provost_service_kit::{Fault, page};

impl Ledger {
    /// A page of what waits for a person, oldest first; confidential values are left out.
    ///
    /// # Errors
    /// When the page is wrong, or the database cannot be reached.
    pub(crate) async fn manual_list(
        &self,
        request: ListManualOrdersRequest,
    ) -> Result<ListManualOrdersResponse, Fault> {
        let now = self.now();
        let (size, after) = (page::size(request.page_size)?, page::after(&request.page_token)?);
        let filter = filter_of(request, "", now)?;
        let list::Page { orders, next_page_token } = list::after(self.read(), &filter, after, size).await?;
        let masked = |full: Full| manual_order(Full { order: masked(full.order), ..full }, now);
        Ok(ListManualOrdersResponse { orders: orders.into_iter().map(masked).collect(), next_page_token })
    }

    /// Counts what waits for a person.
    ///
    /// # Errors
    /// When the filter is wrong, or the database cannot be reached.
    pub(crate) async fn manual_counts(&self, request: CountManualOrdersRequest) -> Result<Vec<ManualCount>, Fault> {
        let CountManualOrdersRequest { filter } = request;
        let filter = filter_of(filter.unwrap_or_default(), "filter.", self.now())?;
        let counts = list::by_hand(self.read(), &filter).await?;
        let to_wire = |counted: list::ByHand| {
            let list::ByHand { connector, entity_type, resource_type, count, unassigned, oldest_since } = counted;
            let oldest_since = Some(to_wire::timestamp(oldest_since));
            ManualCount { connector, entity_type, resource_type, count, unassigned, oldest_since }
        };
        Ok(counts.into_iter().map(to_wire).collect())
    }

    /// One order with what to do for it, confidential values included: the person must enter them.
    ///
    /// # Errors
    /// When there is no such order, or it does not wait for a person.
    pub(crate) async fn manual_order(&self, order_id: &str) -> Result<ManualOrder, Fault> {
        let mut wrong = Violations::default();
        let Some(id) = from_wire::order_id("order_id", order_id, &mut wrong) else { return Err(wrong.into()) };
        let found = entries::full_by_ids(self.read(), &[id]).await?.remove(&id);
        let full = found.ok_or_else(|| Fault::not_found(format!("order {id}")))?;
        match &full.entry.standing.state {
            State::Transmitted { .. } => Ok(manual_order(full, self.now())),
            state => {
                let message = format!("order {id} is {}; only a Transmitted order waits for a person", state.number());
                Err(Fault::wrong_state(format!("order {id}"), message))
            }
        }
    }

    /// Confirms that orders were written.
    ///
    /// # Errors
    /// When nothing could be recorded at all.
    pub(crate) async fn confirm(&self, actor: &str, request: ConfirmOrdersRequest) -> Result<Vec<ItemResult>, Fault> {
        let ConfirmOrdersRequest { decisions, comment } = request;
        let mut wrong = Violations::default();
        wrong.check_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        self.decide_manually(actor, &decisions, &comment, &Event::Confirmed).await
    }

    /// Records that orders could not be written.
    ///
    /// # Errors
    /// When the comment is missing, or nothing could be recorded at all.
    pub(crate) async fn report_errors(
        &self,
        actor: &str,
        request: ReportOrderErrorsRequest,
    ) -> Result<Vec<ItemResult>, Fault> {
        let ReportOrderErrorsRequest { decisions, comment } = request;
        let mut wrong = Violations::default();
        wrong.require_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        let failure = Failure {
            hint: "mend the cause in the managed system, then unblock the order".into(),
            ..Failure::new(FailureClass::Refused, comment.as_str())
        };
        self.decide_manually(actor, &decisions, &comment, &Event::ErrorReported { failure }).await
    }

    async fn decide_manually(
        &self,
        actor: &str,
        decisions: &[ManualDecision],
        comment: &str,
        event: &Event,
    ) -> Result<Vec<ItemResult>, Fault> {
        check_size("decisions", decisions.len())?;
        let ids: Vec<String> = decisions.iter().map(|decision| decision.order_id.clone()).collect();
        self.each(&ids, |index, _, _| {
            let version = decisions.get(index).map_or(0, |decision| decision.version);
            Ok(Step { event: event.clone(), note: Note::new(actor, comment), version })
        })
        .await
    }
}

/// The filter of the list; its page is not looked at. `place` is where it stands in the message.
fn filter_of(request: ListManualOrdersRequest, place: &str, now: Timestamp) -> Result<list::Filter, Violations> {
    let ListManualOrdersRequest {
        entity_type,
        resource_type,
        connector,
        owner_key,
        page_size: _,
        page_token: _,
        older_than_minutes,
        assignee,
        unassigned,
    } = request;
    let mut wrong = Violations::default();
    for (name, text) in [
        ("entity_type", &entity_type),
        ("resource_type", &resource_type),
        ("connector", &connector),
        ("owner_key", &owner_key),
        ("assignee", &assignee),
    ] {
        wrong.check_text(format_args!("{place}{name}"), text, NAME_MAX);
    }
    if unassigned && !assignee.is_empty() {
        wrong.add(format!("{place}unassigned"), "cannot be asked for together with an assignee");
    }
    let since_at_most = since_at_most(&format!("{place}older_than_minutes"), older_than_minutes, now, &mut wrong);
    wrong.into_result(list::Filter {
        states: vec![ProvisioningState::Transmitted],
        resource_types: Some(resource_type).filter(|name| !name.is_empty()).into_iter().collect(),
        entity_type,
        connector,
        owner_key,
        since_at_most,
        assignee,
        is_unassigned: unassigned,
        ..list::Filter::default()
    })
}

fn manual_order(full: Full, now: Timestamp) -> ManualOrder {
    let Full { order, entry } = full;
    let (suggestion, values) = (suggestion::sentence(&order), suggestion::values(&order));
    ManualOrder { suggestion, values, record: Some(record(order, &entry, &[], None, now)) }
}
