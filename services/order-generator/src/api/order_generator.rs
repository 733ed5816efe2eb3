//! `OrderGeneratorService`: computing the role model, planning, and generating orders.

use super::Api;
use super::plan::{applied, asked, changes_to_wire, head_to_wire, summary};
use crate::generator::Generator;
use crate::store::computations::{Breach, Computed, Generated, Options};
use crate::store::held_orders::Filter;
use crate::verbs::apply_plan::{Outcome, apply_plan};
use crate::verbs::compute::{Whom, compute, these};
use crate::verbs::generate::generate;
use crate::verbs::held_orders::{Held, held_orders};
use crate::verbs::plan::plan;
use crate::verbs::regenerate::Which;
use futures::{Stream, TryStreamExt};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::order_generator_service_server::OrderGeneratorService;
use provost_contract::generator::v1::plan_orders_response::Part;
use provost_contract::to_wire;
use provost_service_kit::{Caller, Fault, new_id, page};
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// Planned orders, or changed assignments, in one message.
const ITEMS_PER_MESSAGE: usize = 500;

#[tonic::async_trait]
impl OrderGeneratorService for Api {
    async fn compute_role_model(
        &self,
        request: Request<wire::ComputeRoleModelRequest>,
    ) -> Result<Response<wire::ComputeRoleModelResponse>, Status> {
        let wire::ComputeRoleModelRequest { incremental, owner_keys, owner_entity_type } = request.into_inner();
        let generator = Arc::clone(&self.generator);
        let whom = whom(&generator, incremental, &owner_entity_type, &owner_keys).await?;
        // Goes on when its caller goes away: half a computation helps nobody.
        let computed = tokio::spawn(async move { compute(&generator, whom, &|_, _| {}).await }).await;
        Ok(Response::new(computed_to_wire(computed.map_err(Fault::internal)??)))
    }

    async fn generate_orders(
        &self,
        request: Request<wire::GenerateOrdersRequest>,
    ) -> Result<Response<wire::GenerateOrdersResponse>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::GenerateOrdersRequest { force_review, waive_review, force_thresholds, incremental } =
            request.into_inner();
        let which = if incremental { Which::Changed } else { Which::All };
        let options = Options { force_review, waive_review, force_thresholds, resumed: false };
        let (generator, run) = (Arc::clone(&self.generator), new_id().to_string());
        let generating = tokio::spawn(async move {
            let generated = generate(&generator, &run, which, &options, &actor, &|_, _| {}).await?;
            let blocked = generated.is_blocked(&options);
            Ok::<_, Fault>(generated_to_wire(run, generated, blocked))
        });
        Ok(Response::new(generating.await.map_err(Fault::internal)??))
    }

    type PlanOrdersStream = Pin<Box<dyn Stream<Item = Result<wire::PlanOrdersResponse, Status>> + Send>>;

    async fn plan_orders(
        &self,
        request: Request<wire::PlanOrdersRequest>,
    ) -> Result<Response<Self::PlanOrdersStream>, Status> {
        let plan = plan(&self.generator, asked(request.into_inner())).await?;
        let shown: Vec<_> = plan.shifts().iter().filter(|shift| plan.shows_shift(shift)).cloned().collect();
        let summary = summary(&plan);
        Ok(Response::new(Box::pin(async_stream::try_stream! {
            let part = |part: Part| wire::PlanOrdersResponse { part: Some(part) };
            yield part(Part::Head(head_to_wire(&plan.head)));
            let mut orders = std::pin::pin!(plan.orders());
            while let Some(orders) = orders.try_next().await? {
                for orders in orders.chunks(ITEMS_PER_MESSAGE) {
                    yield part(Part::Orders(wire::PlannedOrders { orders: orders.to_vec() }));
                }
            }
            for shifts in shown.chunks(ITEMS_PER_MESSAGE) {
                yield part(Part::Assignments(changes_to_wire(shifts)));
            }
            yield part(Part::Summary(summary));
        })))
    }

    async fn apply_plan(
        &self,
        request: Request<Streaming<wire::ApplyPlanRequest>>,
    ) -> Result<Response<wire::ApplyPlanResponse>, Status> {
        let Caller { actor } = Caller::of(&request);
        let applied = applied(request.into_inner(), actor).await?;
        let (generator, run) = (Arc::clone(&self.generator), applied.head.id.clone());
        let applying = tokio::spawn(async move { apply_plan(&generator, applied).await });
        let Outcome { generated, blocked, already, left_out, message } = applying.await.map_err(Fault::internal)??;
        Ok(Response::new(wire::ApplyPlanResponse {
            generated: Some(generated_to_wire(run, generated, blocked)),
            already_submitted: already as i64,
            left_out: left_out as i64,
            message,
        }))
    }

    async fn list_held_orders(
        &self,
        request: Request<wire::ListHeldOrdersRequest>,
    ) -> Result<Response<wire::ListHeldOrdersResponse>, Status> {
        let wire::ListHeldOrdersRequest { generation_run, resource_types, actions, owner_key, page_size, page_token } =
            request.into_inner();
        let size = page::size(page_size).map_err(Fault::from)?;
        let after = page::after(&page_token).map_err(Fault::from)?;
        let filter = Filter { resource_types, actions, owner_key };
        let held = held_orders(&self.generator, &generation_run, &filter, after, size).await?;
        let Held { generation_run, blocked_at, breaches, job_run_id, orders } = held;
        Ok(Response::new(wire::ListHeldOrdersResponse {
            next_page_token: page::next(orders.last().map(|(position, _)| *position), orders.len(), size),
            generation_run,
            blocked_at: blocked_at.map(to_wire::timestamp),
            breaches: breaches.into_iter().map(breach_to_wire).collect(),
            job_run_id,
            orders: orders.into_iter().map(|(_, order)| order).collect(),
        }))
    }
}

async fn whom(
    generator: &Generator,
    incremental: bool,
    owner_entity_type: &str,
    owner_keys: &[String],
) -> Result<Whom, Fault> {
    match (incremental, owner_keys) {
        (true, []) => Ok(Whom::Changed),
        (false, []) => Ok(Whom::Everybody),
        (true, _) => Err(Fault::invalid("owner_keys", "contradict incremental; leave one of them out")),
        (false, keys) => these(generator, owner_entity_type, keys).await,
    }
}

fn computed_to_wire(computed: Computed) -> wire::ComputeRoleModelResponse {
    let Computed { owners, assigned_resources, conforming, differing, failed, verified, non_conforming } = computed;
    wire::ComputeRoleModelResponse {
        owners,
        assigned_resources,
        conforming,
        differing,
        failed,
        verified,
        non_conforming,
    }
}

fn breach_to_wire(breach: Breach) -> wire::ThresholdBreach {
    let Breach { resource_type, counted, count, limit, rule, unseen: _ } = breach;
    wire::ThresholdBreach { resource_type, counted, count, limit, rule }
}

fn generated_to_wire(run: String, generated: Generated, blocked: bool) -> wire::GenerateOrdersResponse {
    let Generated { submitted, duplicates, superseded, cancelled, rejected, rejection, by_kind, notes, breaches } =
        generated;
    wire::GenerateOrdersResponse {
        generation_run: run,
        submitted,
        duplicates,
        superseded,
        cancelled,
        by_kind: by_kind.into_iter().collect(),
        blocked,
        breaches: breaches.into_iter().map(breach_to_wire).collect(),
        rejected,
        rejection,
        notes,
    }
}
