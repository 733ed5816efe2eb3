//! `ReconciliationService`: what was found, and what people decide on it.

use super::Api;
use crate::model::catalog::Catalog;
use crate::model::decision::{Decision, Subject, Verdict};
use crate::model::found::{Item, Kind};
use crate::store::decisions::{self, Kept, KeptBaseline, Told};
use crate::store::found_items::Filter;
use crate::verbs::reconcile::{self, Baseline, Decide, Decided, Line, Outcome};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::reconciliation_service_server::ReconciliationService;
use provost_contract::types::v1::{ProvisioningState as WireProvisioningState, WorkflowState as WireWorkflowState};
use provost_contract::{Violations, to_wire};
use provost_domain::Value;
use provost_service_kit::{Caller, Fault, page};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl ReconciliationService for Api {
    async fn list_reconciliation_items(
        &self,
        request: Request<wire::ListReconciliationItemsRequest>,
    ) -> Result<Response<wire::ListReconciliationItemsResponse>, Status> {
        let wire::ListReconciliationItemsRequest { filter, page_size, page_token } = request.into_inner();
        let filter = filter_from_wire(filter.unwrap_or_default()).map_err(Fault::from)?;
        let size = page::size(page_size).map_err(Fault::from)?;
        let (lines, next_page_token) = reconcile::list(&self.generator, &filter, size, &page_token).await?;
        let items = lines.into_iter().map(line_to_wire).collect();
        Ok(Response::new(wire::ListReconciliationItemsResponse { items, next_page_token }))
    }

    async fn decide_reconciliation_items(
        &self,
        request: Request<wire::DecideReconciliationItemsRequest>,
    ) -> Result<Response<wire::DecideReconciliationItemsResponse>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wish = decide_from_wire(request.into_inner(), actor).map_err(Fault::from)?;
        let is_filtered = wish.filter.is_some();
        let decided = reconcile::decide(&self.generator, &wish).await?;
        Ok(Response::new(decided_to_wire(decided, is_filtered)))
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        let wire::ListDecisionsRequest { kind, owner_key, verdict, actor, only_standing, page_size, page_token } =
            request.into_inner();
        let mut wrong = Violations::default();
        let kind = match kind {
            0 => None,
            decisions::BASELINE_KIND => Some(kind),
            kind => kind_from_wire("kind", kind, &mut wrong).map(Kind::number),
        };
        let verdict = match wire::ReconciliationVerdict::try_from(verdict) {
            Ok(wire::ReconciliationVerdict::Baseline) => decisions::BASELINE_VERDICT,
            _ => verdict_from_wire(verdict, &mut wrong).map_or("", Verdict::name),
        };
        let verdict = verdict.to_owned();
        wrong.into_result(()).map_err(Fault::from)?;
        let size = page::size(page_size).map_err(Fault::from)?;
        let before = page::after(&page_token).map_err(Fault::from)?;
        let filter = decisions::Filter { kind, owner_key, verdict, actor, only_standing };
        let found = decisions::list(self.generator.database.read(), &filter, before, size).await?;
        let last = found.last().map(Told::sequence);
        let next_page_token = page::next(last, found.len(), size);
        let loaded = self.generator.catalogs.current().await?;
        let catalog = loaded.as_ref().map(|loaded| &*loaded.catalog);
        let decisions = found.iter().map(|told| told_to_wire(catalog, told)).collect();
        Ok(Response::new(wire::ListDecisionsResponse { decisions, next_page_token }))
    }

    async fn set_baseline(
        &self,
        request: Request<wire::SetBaselineRequest>,
    ) -> Result<Response<wire::SetBaselineResponse>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::SetBaselineRequest { resource_type, comment } = request.into_inner();
        let Baseline { decision_id, resources, values } =
            reconcile::baseline(&self.generator, &resource_type, &comment, &actor).await?;
        Ok(Response::new(wire::SetBaselineResponse { resources, values, decision_id }))
    }
}

fn kind_from_wire(field: &str, number: i32, wrong: &mut Violations) -> Option<Kind> {
    let kind = Kind::from_number(number);
    if kind.is_none() {
        wrong.add(field, "must be PROPERTY, RESOURCE, ORPHAN, UNAUTHORIZED or ROLE");
    }
    kind
}

fn verdict_from_wire(number: i32, wrong: &mut Violations) -> Option<Verdict> {
    match wire::ReconciliationVerdict::try_from(number) {
        Ok(wire::ReconciliationVerdict::Write) => Some(Verdict::Write),
        Ok(wire::ReconciliationVerdict::Keep) => Some(Verdict::Keep),
        Ok(wire::ReconciliationVerdict::Postpone) => Some(Verdict::Postpone),
        Ok(wire::ReconciliationVerdict::Delete) => Some(Verdict::Delete),
        Ok(wire::ReconciliationVerdict::Unspecified) => None,
        Ok(wire::ReconciliationVerdict::Baseline) | Err(_) => {
            wrong.add("verdict", "must be WRITE, KEEP, POSTPONE or DELETE");
            None
        }
    }
}

const fn verdict_to_wire(verdict: Verdict) -> wire::ReconciliationVerdict {
    match verdict {
        Verdict::Write => wire::ReconciliationVerdict::Write,
        Verdict::Keep => wire::ReconciliationVerdict::Keep,
        Verdict::Postpone => wire::ReconciliationVerdict::Postpone,
        Verdict::Delete => wire::ReconciliationVerdict::Delete,
    }
}

fn filter_from_wire(from: wire::ReconciliationFilter) -> Result<Filter, Violations> {
    let wire::ReconciliationFilter { kinds, resource_type, owner_key, property, workflow_states } = from;
    let mut wrong = Violations::default();
    let kind = |(index, number): (usize, i32)| kind_from_wire(&format!("filter.kinds[{index}]"), number, &mut wrong);
    let kinds = kinds.into_iter().enumerate().filter_map(kind).collect();
    for (index, number) in workflow_states.iter().enumerate() {
        if !matches!(WireWorkflowState::try_from(*number), Ok(state) if state != WireWorkflowState::Unspecified) {
            wrong.add(format!("filter.workflow_states[{index}]"), "is not a workflow state");
        }
    }
    wrong.into_result(Filter { kinds, resource_type, owner_key, property, workflow_states })
}

fn decide_from_wire(from: wire::DecideReconciliationItemsRequest, actor: String) -> Result<Decide, Violations> {
    let wire::DecideReconciliationItemsRequest {
        items,
        filter,
        verdict,
        comment,
        owner_key,
        owner_entity_type,
        take_over,
    } = from;
    let mut wrong = Violations::default();
    let verdict = verdict_from_wire(verdict, &mut wrong);
    let filter = filter.map(filter_from_wire).transpose()?;
    let items = items.into_iter().map(|wire::ItemToDecide { item_id, version }| (item_id, version)).collect();
    let wish = Decide { items, filter, verdict, comment, owner_key, owner_entity_type, takes_over: take_over, actor };
    wrong.into_result(wish)
}

fn decided_to_wire(from: Decided, is_filtered: bool) -> wire::DecideReconciliationItemsResponse {
    let Decided { outcomes, more } = from;
    let decided = outcomes.iter().filter(|outcome| outcome.decided.is_ok()).count() as i64;
    let shown = outcomes.into_iter().filter(|outcome| !is_filtered || outcome.decided.is_err());
    let result = |Outcome { item_id, decided }: Outcome| match decided {
        Ok((decision_id, with)) => wire::DecidedItem { item_id, decision_id, error: None, with },
        Err(fault) => {
            let error = fault.to_item("", WireProvisioningState::None).error;
            wire::DecidedItem { item_id, error, ..wire::DecidedItem::default() }
        }
    };
    wire::DecideReconciliationItemsResponse { results: shown.map(result).collect(), decided, more }
}

fn line_to_wire(from: Line) -> wire::ReconciliationItem {
    let Line { item, is_sensitive, decision } = from;
    let (item_id, version) = (item.id(), item.version());
    let decision = decision.map(|decision| {
        let kept = Kept { item_id: item_id.clone(), kind: item.kind, is_standing: true, decision };
        decision_to_wire(&kept, is_sensitive)
    });
    let Item { kind, owner, resource_type, target_key, name, item, proposed, current, workflow, note, why, .. } = item;
    let shown = |value: Option<Value>| value.filter(|_| !is_sensitive).as_ref().map(to_wire::value);
    wire::ReconciliationItem {
        item_id,
        kind: kind.number(),
        owner: Some(to_wire::owner(&owner)),
        resource_type,
        target_key,
        property: name,
        item: shown(item),
        proposed: shown(proposed),
        current: shown(current),
        sensitive: is_sensitive,
        workflow_state: to_wire::workflow_state(workflow).into(),
        note,
        why: to_wire::reasons(&why),
        decision,
        version,
    }
}

fn told_to_wire(catalog: Option<&Catalog>, told: &Told) -> wire::ReconciliationDecision {
    let KeptBaseline { id, at, actor, comment, resource_type, resources, values } = match told {
        Told::Decision(kept) => return kept_to_wire(catalog, kept),
        Told::Baseline(_, baseline) => baseline.clone(),
    };
    wire::ReconciliationDecision {
        decision_id: id,
        kind: wire::ReconciliationKind::Baseline.into(),
        verdict: wire::ReconciliationVerdict::Baseline.into(),
        resource_type,
        actor,
        comment,
        at: Some(to_wire::timestamp(at)),
        standing: true,
        resources,
        values,
        ..wire::ReconciliationDecision::default()
    }
}

fn kept_to_wire(catalog: Option<&Catalog>, kept: &Kept) -> wire::ReconciliationDecision {
    let entity_type = match &kept.decision.subject {
        Subject::Property { resource_type, .. } => {
            catalog.and_then(|catalog| catalog.resource_type(resource_type)).map(|kind| &*kind.target)
        }
        Subject::Resource { .. } | Subject::Role { .. } => None,
    };
    let property = match &kept.decision.subject {
        Subject::Property { property, .. } => property.as_str(),
        Subject::Resource { .. } | Subject::Role { .. } => "",
    };
    let is_sensitive = reconcile::is_sensitive(catalog, &kept.kind, entity_type.unwrap_or_default(), property);
    decision_to_wire(kept, is_sensitive)
}

fn decision_to_wire(kept: &Kept, is_sensitive: bool) -> wire::ReconciliationDecision {
    let Kept { item_id, kind, is_standing, decision } = kept;
    let Decision { id, at, actor, comment, of, subject, verdict, proposed, current, owner, takes_over, .. } = decision;
    let shown = |value: &Option<Value>| value.as_ref().filter(|_| !is_sensitive).map(to_wire::value);
    let (resource_type, target_key, property, item) = match subject {
        Subject::Property { resource_type, target_key, property, item } => {
            (resource_type.clone(), target_key.clone(), property.clone(), shown(item))
        }
        Subject::Resource { target_key, .. } => (String::new(), target_key.clone(), String::new(), None),
        Subject::Role { role } => (String::new(), String::new(), role.clone(), None),
    };
    wire::ReconciliationDecision {
        decision_id: id.clone(),
        item_id: item_id.clone(),
        kind: kind.number(),
        owner: Some(to_wire::owner(of)),
        resource_type,
        target_key,
        property,
        item,
        verdict: verdict_to_wire(*verdict).into(),
        proposed: shown(proposed),
        current: shown(current),
        actor: actor.clone(),
        comment: comment.clone(),
        at: Some(to_wire::timestamp(*at)),
        given_to: owner.as_ref().map(to_wire::owner),
        takes_over: *takes_over,
        standing: *is_standing,
        resources: 0,
        values: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_verdicts_have_the_same_numbers_on_both_sides() {
        for kind in Kind::ALL {
            let wire = wire::ReconciliationKind::try_from(kind.number());
            assert!(
                wire.is_ok_and(|wire| wire.as_str_name().to_lowercase().ends_with(&format!("{kind:?}").to_lowercase()))
            );
        }
        assert_eq!(decisions::BASELINE_KIND, i32::from(wire::ReconciliationKind::Baseline));
        assert_eq!(Kind::from_number(decisions::BASELINE_KIND), None, "no item is of that kind");
        for verdict in Verdict::ALL {
            let mut wrong = Violations::default();
            assert_eq!(verdict_from_wire(verdict_to_wire(verdict).into(), &mut wrong), Some(verdict));
        }
    }

    #[test]
    fn what_a_filter_does_not_know_is_named() {
        let filter =
            wire::ReconciliationFilter { kinds: vec![1, 9], workflow_states: vec![1, 0], ..Default::default() };
        let wrong = filter_from_wire(filter).err().map(|wrong| wrong.to_string()).unwrap_or_default();
        assert!(wrong.contains("filter.kinds[1]") && wrong.contains("filter.workflow_states[1]"), "{wrong}");
    }
}
