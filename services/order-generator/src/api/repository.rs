//! `RepositoryService`: what synchronization read. Sensitive values are left out.

use super::Api;
use crate::store::resources::{self, Stored};
use crate::store::virtual_resources;
use crate::verbs::schema::{EntityShape, unknown_name};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provost_contract::generator::v1::repository_service_server::RepositoryService;
use provost_contract::generator::v1::{GetResourceRequest, ListResourcesRequest, ListResourcesResponse, Resource};
use provost_contract::{Violations, to_wire};
use provost_service_kit::{Fault, page};
use std::collections::{BTreeSet, HashMap};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl RepositoryService for Api {
    async fn get_resource(&self, request: Request<GetResourceRequest>) -> Result<Response<Resource>, Status> {
        let GetResourceRequest { entity_type, key } = request.into_inner();
        let mut wrong = Violations::default();
        wrong.require_text("entity_type", &entity_type, provost_contract::NAME_MAX);
        wrong.require_text("key", &key, provost_contract::NAME_MAX);
        wrong.into_result(()).map_err(Fault::from)?;
        let mut shown = self.shown(&entity_type, Which::One(&key)).await?;
        let Some(shown) = shown.pop() else {
            self.known(&entity_type).await?;
            return Err(Fault::not_found(format!("{entity_type} '{key}'")).into());
        };
        Ok(Response::new(shown))
    }

    async fn list_resources(
        &self,
        request: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        let ListResourcesRequest { entity_type, page_size, page_token } = request.into_inner();
        let mut wrong = Violations::default();
        wrong.require_text("entity_type", &entity_type, provost_contract::NAME_MAX);
        wrong.into_result(()).map_err(Fault::from)?;
        let size = page::size(page_size).map_err(Fault::from)?;
        let after = key_of(&page_token).map_err(Fault::from)?;
        let resources = self.shown(&entity_type, Which::After(&after, size)).await?;
        if resources.is_empty() {
            self.known(&entity_type).await?;
        }
        let is_full = resources.len() as u64 >= size;
        let last = resources.last().filter(|_| is_full).map(|last| token_of(&last.key));
        Ok(Response::new(ListResourcesResponse { resources, next_page_token: last.unwrap_or_default() }))
    }
}

/// Which resources of an entity type are shown.
#[derive(Clone, Copy)]
enum Which<'a> {
    One(&'a str),
    /// So many, of those whose keys come after this one.
    After(&'a str, u64),
}

impl Api {
    /// That the catalog has an entity type, or had it when it was last read.
    async fn known(&self, entity_type: &str) -> Result<(), Fault> {
        let loaded = self.generator.catalogs.current().await?;
        let read = resources::readings(self.generator.database.read()).await?;
        let declared = loaded.iter().flat_map(|loaded| loaded.catalog.entity_types()).map(|one| &*one.name);
        let known: BTreeSet<&str> = declared.chain(read.keys().map(String::as_str)).collect();
        match known.contains(entity_type) {
            true => Ok(()),
            false => Err(unknown_name("entity type", entity_type, known)),
        }
    }

    /// Resources, with where they are known from. All of one instant: the values of one order must not be shown as
    /// another one's.
    async fn shown(&self, entity_type: &str, which: Which<'_>) -> Result<Vec<Resource>, Fault> {
        let shape = self.generator.catalogs.current().await?.and_then(|loaded| loaded.shape(entity_type));
        let database = &self.generator.database;
        let snapshot = database.snapshot().await?;
        let found = match which {
            Which::One(key) => resources::get(&snapshot, entity_type, key).await?.into_iter().collect(),
            Which::After(key, size) => resources::list(&snapshot, entity_type, key, size).await?,
        };
        let readings = resources::readings(&snapshot).await?;
        let seen_at = readings.get(entity_type).map(|reading| to_wire::timestamp(reading.export_started_at));
        let keys: Vec<String> = found.iter().map(|stored| stored.key.clone()).collect();
        let marks = virtual_resources::these(&snapshot, database.engine(), entity_type, &keys).await?;
        snapshot.commit().await?;
        let resource = |Stored { key, properties }| Resource {
            entity_type: entity_type.to_owned(),
            seen_at: marks.get(&key).map(|mark| to_wire::timestamp(mark.written_at)).or(seen_at),
            virtual_order_id: marks.get(&key).map(|mark| mark.order_id.clone()).unwrap_or_default(),
            key,
            properties: properties
                .iter()
                .filter(|(name, _)| may_be_shown(shape.as_ref(), name))
                .map(|(name, value)| (name.clone(), to_wire::value(value)))
                .collect::<HashMap<_, _>>(),
        };
        Ok(found.into_iter().map(resource).collect())
    }
}

/// What the catalog no longer knows might be sensitive: it is left out too.
fn may_be_shown(shape: Option<&EntityShape>, name: &str) -> bool {
    shape.and_then(|shape| shape.property(name)).is_some_and(|property| !property.sensitive)
}

fn token_of(key: &str) -> String {
    format!("k{}", URL_SAFE_NO_PAD.encode(key))
}

fn key_of(page_token: &str) -> Result<String, Violations> {
    if page_token.is_empty() {
        return Ok(String::new());
    }
    let bytes = page_token.strip_prefix('k').and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| Violations::one("page_token", "is not the next_page_token of a page before"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_go_there_and_back_and_others_are_refused() {
        assert_eq!(key_of(&token_of("Ä / 1")).unwrap(), "Ä / 1");
        assert_eq!(key_of("").unwrap(), "");
        for wrong in ["x", "n1", "k%%"] {
            assert!(key_of(wrong).is_err(), "{wrong}");
        }
    }
}
