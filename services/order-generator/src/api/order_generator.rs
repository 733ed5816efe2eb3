//! `OrderGeneratorService`: computing the role model, and generating orders from it.

use super::Api;
use crate::generator::Generator;
use crate::store::computations::{Breach, Computed, Generated, Options};
use crate::verbs::compute::{Whom, compute, these};
use crate::verbs::generate::generate;
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::order_generator_service_server::OrderGeneratorService;
use provost_service_kit::{Caller, Fault, new_id};
use std::sync::Arc;
use tonic::{Request, Response, Status};

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
        let wire::GenerateOrdersRequest { force_review, waive_review, force_thresholds } = request.into_inner();
        let options = Options { force_review, waive_review, force_thresholds, approved: vec![] };
        let (generator, run) = (Arc::clone(&self.generator), new_id().to_string());
        let generating = tokio::spawn(async move {
            let generated = generate(&generator, &run, &options, &actor, &|_, _| {}).await?;
            Ok::<_, Fault>(generated_to_wire(run, generated, &options))
        });
        Ok(Response::new(generating.await.map_err(Fault::internal)??))
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

fn generated_to_wire(run: String, generated: Generated, options: &Options) -> wire::GenerateOrdersResponse {
    let blocked = generated.is_blocked(options);
    let Generated { submitted, duplicates, superseded, cancelled, rejected, rejection, by_kind, notes, breaches } =
        generated;
    let breach = |Breach { resource_type, counted, count, limit, rule }| wire::ThresholdBreach {
        resource_type,
        counted,
        count,
        limit,
        rule,
    };
    wire::GenerateOrdersResponse {
        generation_run: run,
        submitted,
        duplicates,
        superseded,
        cancelled,
        by_kind: by_kind.into_iter().collect(),
        blocked,
        breaches: breaches.into_iter().map(breach).collect(),
        rejected,
        rejection,
        notes,
    }
}
