//! `ExplainService`: why, and why not.

use super::Api;
use crate::model::evaluate::{Considered, ContextSeen, Finding};
use crate::model::explain::{Answer, Cause, CauseKind, Kind, Line, Standing};
use crate::store::computations::Breach;
use crate::verbs::explain::{
    Explained, OfOwner, OfThing, Prerequisite, Ran, Source, Thing, explain_assignment, explain_order, explain_owner,
};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::explain_service_server::ExplainService;
use provost_contract::to_wire;
use provost_contract::types::v1::Change;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl ExplainService for Api {
    async fn explain_order(
        &self,
        request: Request<wire::ExplainOrderRequest>,
    ) -> Result<Response<wire::ExplainOrderResponse>, Status> {
        let wire::ExplainOrderRequest { order_id } = request.into_inner();
        let explained = explain_order(&self.generator, &order_id).await?;
        Ok(Response::new(order_to_wire(explained)))
    }

    async fn explain_owner(
        &self,
        request: Request<wire::ExplainOwnerRequest>,
    ) -> Result<Response<wire::ExplainOwnerResponse>, Status> {
        let wire::ExplainOwnerRequest { owner_entity_type, owner_key } = request.into_inner();
        let OfOwner { owner, period, answer, contexts, sources, revision, now } =
            explain_owner(&self.generator, &owner_entity_type, &owner_key).await?;
        Ok(Response::new(wire::ExplainOwnerResponse {
            owner: Some(to_wire::owner(&owner)),
            answer: answer.sentence,
            period: to_wire::period(period),
            contexts: contexts.into_iter().map(context_to_wire).collect(),
            sources: sources.into_iter().map(source_to_wire).collect(),
            has: answer.has.into_iter().map(answer_to_wire).collect(),
            has_not: answer.has_not.into_iter().map(answer_to_wire).collect(),
            catalog_revision: revision,
            as_of: Some(to_wire::timestamp(now)),
        }))
    }

    async fn explain_assignment(
        &self,
        request: Request<wire::ExplainAssignmentRequest>,
    ) -> Result<Response<wire::ExplainAssignmentResponse>, Status> {
        let wire::ExplainAssignmentRequest { owner_entity_type, owner_key, name, property, value } =
            request.into_inner();
        let thing = Thing { name: &name, property: &property, value: &value };
        let OfThing { owner, answer, contexts, sources, revision, now } =
            explain_assignment(&self.generator, &owner_entity_type, &owner_key, &thing).await?;
        Ok(Response::new(wire::ExplainAssignmentResponse {
            owner: Some(to_wire::owner(&owner)),
            explained: Some(answer_to_wire(answer)),
            contexts: contexts.into_iter().map(context_to_wire).collect(),
            sources: sources.into_iter().map(source_to_wire).collect(),
            catalog_revision: revision,
            as_of: Some(to_wire::timestamp(now)),
        }))
    }
}

fn order_to_wire(from: Explained) -> wire::ExplainOrderResponse {
    let Explained { mut record, answer, sources, run, history, prerequisites, today, notes } = from;
    let prerequisite = |Prerequisite { order_id, is_waited_for, sentence }| wire::ExplainedPrerequisite {
        order_id,
        is_waited_for,
        sentence,
    };
    let order = record.order.as_mut();
    order.into_iter().flat_map(|order| &mut order.changes).for_each(withhold);
    let changes = record.order.iter().flat_map(|order| &order.changes).cloned();
    wire::ExplainOrderResponse {
        answer: answer.sentence,
        causes: answer.causes.into_iter().map(cause_to_wire).collect(),
        changes: changes
            .zip(answer.changes)
            .map(|(change, today)| wire::ExplainedChange { change: Some(change), today })
            .collect(),
        sources: sources.into_iter().map(source_to_wire).collect(),
        run: run.map(run_to_wire),
        history,
        prerequisites: prerequisites.into_iter().map(prerequisite).collect(),
        today: today.map(answer_to_wire),
        differences: answer.differences,
        notes,
        record: Some(record),
    }
}

/// The ledger withholds them already; whatever else an order is read from, nobody sees them here.
fn withhold(change: &mut Change) {
    if change.sensitive || change.write_only {
        (change.proposed, change.current) = (None, None);
    }
}

fn run_to_wire(Ran { generation, revision, applied }: Ran) -> wire::ExplainedRun {
    let breach = |Breach { resource_type, counted, count, limit, rule, .. }| wire::ThresholdBreach {
        resource_type,
        counted,
        count,
        limit,
        rule,
    };
    let (catalog_applied_by, at) = applied.unzip();
    wire::ExplainedRun {
        generation_run: generation.id,
        at: Some(to_wire::timestamp(generation.at)),
        actor: generation.actor,
        forced_review: generation.options.force_review,
        waived_review: generation.options.waive_review,
        forced_thresholds: generation.options.force_thresholds,
        breaches: generation.generated.breaches.into_iter().map(breach).collect(),
        catalog_revision: revision,
        catalog_applied_by: catalog_applied_by.unwrap_or_default(),
        catalog_applied_at: at.map(to_wire::timestamp),
    }
}

fn source_to_wire(from: Source) -> wire::ExplainedSource {
    let Source { entity_type, key, connector, synchronization_id, export_started_at, is_there } = from;
    let export_started_at = export_started_at.map(to_wire::timestamp);
    wire::ExplainedSource { entity_type, key, connector, synchronization_id, export_started_at, is_there }
}

/// A context, as it is shown.
pub(super) fn context_to_wire(from: ContextSeen) -> wire::ExplainedContext {
    let ContextSeen { position, period, is_main, dimensions, failure } = from;
    let dimension = |seen: crate::model::evaluate::DimensionSeen| wire::ExplainedDimension {
        name: seen.name.to_string(),
        value: seen.value.unwrap_or_default(),
        withheld: seen.is_withheld,
    };
    wire::ExplainedContext {
        position: position.unwrap_or_default(),
        period: to_wire::period(period),
        is_main,
        dimensions: dimensions.into_iter().map(dimension).collect(),
        failure: failure.as_ref().map(to_wire::rule_failure),
    }
}

fn answer_to_wire(from: Answer) -> wire::Explained {
    let Answer {
        kind,
        name,
        display_name,
        property,
        target_key,
        standing,
        sentence,
        period,
        workflow,
        state,
        proposed,
        current,
        is_withheld,
        causes,
        considered,
        parts,
        order_id,
    } = from;
    wire::Explained {
        kind: kind_to_wire(kind).into(),
        name,
        display_name,
        property,
        target_key,
        standing: standing_to_wire(standing).into(),
        answer: sentence,
        period: to_wire::period(period),
        workflow_state: workflow.map(|workflow| to_wire::workflow_state(workflow).into()).unwrap_or_default(),
        provisioning_state: to_wire::state(state).into(),
        proposed: proposed.as_ref().map(to_wire::value),
        current: current.as_ref().map(to_wire::value),
        withheld: is_withheld,
        causes: causes.into_iter().map(cause_to_wire).collect(),
        considered: considered.into_iter().map(line_to_wire).collect(),
        parts: parts.into_iter().map(answer_to_wire).collect(),
        order_id,
    }
}

fn cause_to_wire(from: Cause) -> wire::ExplainedCause {
    let Cause { kind, sentence, by, at, reference } = from;
    wire::ExplainedCause {
        kind: cause_kind_to_wire(kind).into(),
        sentence,
        by,
        at: at.map(to_wire::timestamp),
        reference,
    }
}

fn line_to_wire(Line { considered, sentence }: Line) -> wire::ConsideredRule {
    let Considered { rule, asks, saw, unmet, finding, period, .. } = considered;
    let mut line = wire::ConsideredRule {
        rule,
        asks,
        saw,
        unmet,
        period: period.and_then(to_wire::period),
        sentence,
        ..wire::ConsideredRule::default()
    };
    let finding = match finding {
        Finding::Gives => wire::RuleFinding::Gives,
        Finding::DoesNotApply => wire::RuleFinding::DoesNotApply,
        Finding::NotNow => wire::RuleFinding::NotNow,
        Finding::Denies => wire::RuleFinding::Denies,
        Finding::Overridden { by } => {
            line.overridden_by = by;
            wire::RuleFinding::Overridden
        }
        Finding::Failed(failure) => {
            line.failure = Some(to_wire::rule_failure(&failure));
            wire::RuleFinding::Failed
        }
    };
    line.set_finding(finding);
    line
}

const fn kind_to_wire(kind: Kind) -> wire::ExplainedKind {
    match kind {
        Kind::Role => wire::ExplainedKind::Role,
        Kind::CompositeRole => wire::ExplainedKind::CompositeRole,
        Kind::ResourceType => wire::ExplainedKind::ResourceType,
        Kind::Property => wire::ExplainedKind::Property,
    }
}

const fn standing_to_wire(standing: Standing) -> wire::ExplainedStanding {
    match standing {
        Standing::Has => wire::ExplainedStanding::Has,
        Standing::Waits => wire::ExplainedStanding::Waits,
        Standing::HasNot => wire::ExplainedStanding::HasNot,
        Standing::NotYet => wire::ExplainedStanding::NotYet,
        Standing::NoLonger => wire::ExplainedStanding::NoLonger,
        Standing::Leaves => wire::ExplainedStanding::Leaves,
        Standing::Found => wire::ExplainedStanding::Found,
        Standing::Unknown => wire::ExplainedStanding::Unknown,
    }
}

const fn cause_kind_to_wire(kind: CauseKind) -> wire::ExplainedCauseKind {
    use wire::ExplainedCauseKind as W;
    match kind {
        CauseKind::OwnerGone => W::OwnerGone,
        CauseKind::RuleFailed => W::RuleFailed,
        CauseKind::DeniedByRequest => W::DeniedByRequest,
        CauseKind::DeniedByRule => W::DeniedByRule,
        CauseKind::Overridden => W::Overridden,
        CauseKind::GivenByRule => W::GivenByRule,
        CauseKind::GivenByRole => W::GivenByRole,
        CauseKind::GivenByRequest => W::GivenByRequest,
        CauseKind::Prolonged => W::Prolonged,
        CauseKind::NoResource => W::NoResource,
        CauseKind::NotYet => W::NotYet,
        CauseKind::Over => W::Over,
        CauseKind::WaitsForValue => W::WaitsForValue,
        CauseKind::AddNotAllowed => W::AddNotAllowed,
        CauseKind::ReviewDeclined => W::ReviewDeclined,
        CauseKind::RemoveNotAllowed => W::RemoveNotAllowed,
        CauseKind::Found => W::Found,
        CauseKind::Decision => W::Decision,
        CauseKind::Confidence => W::Confidence,
        CauseKind::WaitsForResource => W::WaitsForResource,
        CauseKind::Order => W::Order,
        CauseKind::NotComputed => W::NotComputed,
        CauseKind::Threshold => W::Threshold,
        CauseKind::NotGenerated => W::NotGenerated,
        CauseKind::RequestWaits => W::RequestWaits,
        CauseKind::RequestDeclined => W::RequestDeclined,
        CauseKind::RequestOver => W::RequestOver,
        CauseKind::RuleDoesNotApply => W::RuleDoesNotApply,
        CauseKind::NoRule => W::NoRule,
        CauseKind::Requestable => W::Requestable,
        CauseKind::ReviewRequired => W::ReviewRequired,
        CauseKind::Run => W::Run,
        CauseKind::History => W::History,
    }
}
