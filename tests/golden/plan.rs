//! Plans in a scenario: what would be done, and applying exactly that.

use crate::suite::Suite;
use crate::yaml::{Data, Node, Reading};
use anyhow::{Context as _, Result};
use futures::stream;
use provost_contract::generator::v1 as pb;
use provost_contract::types::v1 as types;
use provost_service_kit::caller::request_as;

/// A plan, as it was shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    head: Option<pb::PlanHead>,
    orders: Vec<pb::PlannedOrder>,
    changes: Vec<pb::AssignmentChange>,
    summary: pb::PlanSummary,
}

/// What is asked of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Changes of the catalog: what would they do?
    pub(crate) with: Option<Node>,
    scope: pb::PlanScope,
    force_review: bool,
    waive_review: bool,
}

impl Asked {
    /// Reads it: `all`, or what is narrower.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        if matches!(&node.data, Data::Text { text, .. } if text == "all") {
            return Ok(Self::default());
        }
        let fields = node.fields("'plan'", &["with", "owner", "resource types", "force review", "waive review"])?;
        let scope = pb::PlanScope {
            owner_entity_type: String::new(),
            owner_key: fields.text("owner")?.unwrap_or_default(),
            resource_types: fields.texts("resource types")?,
        };
        Ok(Self {
            with: fields.get("with").cloned(),
            scope,
            force_review: fields.is_on("force review")?,
            waive_review: fields.is_on("waive review")?,
        })
    }
}

/// Which part of a plan is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) resource_types: Vec<String>,
    pub(crate) owners: Vec<String>,
    pub(crate) despite_thresholds: bool,
}

impl Part {
    /// Reads it: `all`, or what is narrower.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        if matches!(&node.data, Data::Text { text, .. } if text == "all") {
            return Ok(Self::default());
        }
        let fields = node.fields("'apply'", &["resource types", "owners", "despite thresholds"])?;
        Ok(Self {
            resource_types: fields.texts("resource types")?,
            owners: fields.texts("owners")?,
            despite_thresholds: fields.is_on("despite thresholds")?,
        })
    }
}

impl Plan {
    /// Asks for a plan, of another catalog if there are files of one.
    pub(crate) async fn ask(
        suite: &Suite,
        asked: &Asked,
        catalog_files: Vec<pb::CatalogFile>,
        person: &str,
    ) -> Result<Self> {
        use pb::plan_orders_response::Part;
        let request = pb::PlanOrdersRequest {
            scope: Some(asked.scope.clone()),
            force_review: asked.force_review,
            waive_review: asked.waive_review,
            catalog_files,
        };
        let mut stream = suite.generator().plan_orders(request_as(person, request)).await?.into_inner();
        let mut plan = Self::default();
        while let Some(message) = stream.message().await? {
            match message.part.context("a part of a plan that says nothing")? {
                Part::Head(head) => plan.head = Some(head),
                Part::Orders(orders) => plan.orders.extend(orders.orders),
                Part::Assignments(changes) => plan.changes.extend(changes.changes),
                Part::Summary(summary) => plan.summary = summary,
            }
        }
        Ok(plan)
    }

    /// Applies a part of it, or all.
    pub(crate) async fn apply(&self, suite: &Suite, part: &Part, person: &str) -> Result<pb::ApplyPlanResponse> {
        use pb::apply_plan_request::Part as Wire;
        let mark = |planned: &pb::PlannedOrder| {
            let order = planned.order.clone().unwrap_or_default();
            let owner = order.owner.unwrap_or_default();
            pb::PlanMark {
                action: planned.action,
                resource_type: order.resource_type,
                owner_entity_type: owner.entity_type,
                owner_key: owner.key,
                target_key: order.target_key,
                order_id: order.order_id,
                fingerprint: planned.fingerprint.clone(),
            }
        };
        let only = pb::PlanSelection {
            resource_types: part.resource_types.clone(),
            owner_keys: part.owners.clone(),
            fingerprints: vec![],
        };
        let head = pb::ApplyPlanHead {
            plan: self.head.clone(),
            orders: self.orders.len() as i64,
            only: Some(only),
            force_thresholds: part.despite_thresholds,
        };
        let marks = pb::PlanMarks { marks: self.orders.iter().map(mark).collect() };
        let parts = [Wire::Head(head), Wire::Marks(marks)].map(|part| pb::ApplyPlanRequest { part: Some(part) });
        Ok(suite.generator().apply_plan(request_as(person, stream::iter(parts))).await?.into_inner())
    }

    /// The plan in words, but for its orders.
    pub(crate) fn words(&self) -> String {
        let mut lines = vec![format!("{} orders", self.orders.len())];
        for change in &self.changes {
            let owner = change.owner.as_ref().map(|owner| owner.key.as_str()).unwrap_or_default();
            let does = if change.gained { "gains" } else { "loses" };
            let thing = match change.thing() {
                pb::AssignedThing::Role => "role",
                _ => "resource type",
            };
            let why: Vec<String> =
                change.why.iter().map(|reason| format!("{}: {}", reason.rule, reason.detail)).collect();
            lines.push(format!("{owner} {does} the {thing} {} ({})", change.name, why.join("; ")));
        }
        for verdict in &self.summary.verdicts {
            let holds = if verdict.holds { "holds" } else { "is broken" };
            let limit = verdict.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("at most {limit}"));
            let pb::ThresholdVerdict { resource_type, counted, count, rule, .. } = verdict;
            lines.push(format!("{resource_type}: {count} {counted}, {limit} ({rule}): {holds}"));
        }
        lines.push(if self.summary.blocked { "blocked" } else { "not blocked" }.to_owned());
        lines.extend(self.summary.notes.iter().cloned());
        lines.join("\n")
    }

    /// Its orders, each with what would be done in place of a state.
    pub(crate) fn orders(&self) -> Vec<types::OrderRecord> {
        self.orders.iter().map(record).collect()
    }
}

/// A planned order as one to compare. It has no state yet; the reason of the state says what would be done.
fn record(planned: &pb::PlannedOrder) -> types::OrderRecord {
    let action = match planned.action() {
        pb::PlannedAction::Add => "to add",
        pb::PlannedAction::Associate => "to associate",
        pb::PlannedAction::Change => "to change",
        pb::PlannedAction::Delete => "to delete",
        pb::PlannedAction::Cancel => "to cancel",
        pb::PlannedAction::Fail => "fails",
        pb::PlannedAction::Expire => "expired",
        pb::PlannedAction::Unspecified => "unknown",
    };
    types::OrderRecord { order: planned.order.clone(), state_reason: action.to_owned(), ..Default::default() }
}

/// What the newest generation held back.
pub(crate) async fn held(suite: &Suite) -> Result<Vec<types::OrderRecord>> {
    let request = pb::ListHeldOrdersRequest { page_size: 1_000, ..Default::default() };
    match suite.generator().list_held_orders(request).await {
        Ok(held) => Ok(held.into_inner().orders.iter().map(record).collect()),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(vec![]),
        Err(status) => Err(status.into()),
    }
}
