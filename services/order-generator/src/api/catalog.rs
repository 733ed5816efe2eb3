//! `CatalogService`: applying a catalog, reading it back, and what its files may hold.

use super::Api;
use crate::catalogs::{File, Stored};
use crate::model::catalog::difference::Difference;
use crate::model::catalog::{Problem, SCHEMA};
use crate::verbs::apply_catalog::{Applied, apply_catalog};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::catalog_service_server::CatalogService;
use provost_contract::to_wire;
use provost_service_kit::{Caller, Fault};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl CatalogService for Api {
    async fn apply_catalog(
        &self,
        request: Request<wire::ApplyCatalogRequest>,
    ) -> Result<Response<wire::ApplyCatalogResponse>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::ApplyCatalogRequest { files, validate_only } = request.into_inner();
        let files = files.into_iter().map(|wire::CatalogFile { name, content }| File { name, content }).collect();
        let applied = apply_catalog(&self.generator, files, validate_only, &actor).await?;
        Ok(Response::new(applied_to_wire(applied)))
    }

    async fn get_catalog(
        &self,
        _request: Request<wire::GetCatalogRequest>,
    ) -> Result<Response<wire::GetCatalogResponse>, Status> {
        let stored = self.generator.catalogs.stored().await?;
        let stored = stored.ok_or_else(|| Fault::not_found("catalog; apply one first"))?;
        let Stored { revision, files, applied_at, applied_by } = stored;
        let file = |File { name, content }| wire::CatalogFile { name, content };
        Ok(Response::new(wire::GetCatalogResponse {
            revision,
            files: files.into_iter().map(file).collect(),
            applied_at: Some(to_wire::timestamp(applied_at)),
            applied_by,
        }))
    }

    async fn get_catalog_schema(
        &self,
        _request: Request<wire::GetCatalogSchemaRequest>,
    ) -> Result<Response<wire::GetCatalogSchemaResponse>, Status> {
        Ok(Response::new(wire::GetCatalogSchemaResponse { schema: SCHEMA.to_owned() }))
    }
}

fn applied_to_wire(applied: Applied) -> wire::ApplyCatalogResponse {
    let Applied { is_applied, revision, problems, declared, changes, warnings } = applied;
    let change = |Difference { section, name, change, details }: Difference| wire::CatalogChange {
        section,
        name,
        change: change.word().to_owned(),
        details,
    };
    let problem =
        |Problem { file, line, column, message, hint }| wire::CatalogProblem { file, line, column, message, hint };
    wire::ApplyCatalogResponse {
        applied: is_applied,
        revision,
        problems: problems.into_iter().map(problem).collect(),
        declared: declared.into_iter().map(|(what, count)| (what, i32::try_from(count).unwrap_or(i32::MAX))).collect(),
        changes: changes.into_iter().map(change).collect(),
        warnings,
    }
}
