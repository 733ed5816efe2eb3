//! Where facts come from: which synchronization read them, and when.

use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::evaluate::Explanation;
use crate::store::assignments::OwnerKey;
use crate::store::{resources, synchronizations};
use crate::verbs::world::Ground;
use provost_domain::{Order, Timestamp};
use provost_service_kit::Fault;

/// Where the facts on one resource come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) entity_type: String,
    pub(crate) key: String,
    pub(crate) connector: String,
    /// Empty when it was never read.
    pub(crate) synchronization_id: String,
    pub(crate) export_started_at: Option<Timestamp>,
    /// It shows such a resource.
    pub(crate) is_there: bool,
}

/// The owner, its positions, and its resources, as they were read last.
pub(super) async fn of_today(
    generator: &Generator,
    ground: &Ground,
    (entity_type, key): &OwnerKey,
    seen: Option<&Explanation>,
    today: &[Assignment],
) -> Result<Vec<Source>, Fault> {
    let mut named: Vec<(String, String)> = vec![(entity_type.clone(), key.clone())];
    let declared = ground.catalog().entity_type(entity_type).and_then(|declared| declared.context.as_ref());
    if let Some(positions) = declared.and_then(|context| context.positions.as_ref()) {
        let keys = seen.iter().flat_map(|seen| &seen.contexts).filter_map(|context| context.position.clone());
        named.extend(keys.map(|key| (positions.entity_type.to_string(), key)));
    }
    let targets = today.iter().filter(|one| !one.target_key.is_empty());
    named.extend(targets.map(|one| (one.entity_type.clone(), one.target_key.clone())));
    named.dedup();
    let mut sources = Vec::with_capacity(named.len());
    for (entity_type, key) in named {
        let Some(declared) = ground.catalog().entity_type(&entity_type) else { continue };
        let reading = ground.readings.get(&entity_type);
        let is_there = resources::get(generator.database.read(), &entity_type, &key).await?.is_some();
        sources.push(Source {
            connector: declared.connector.to_string(),
            synchronization_id: reading.map(|reading| reading.synchronization_id.clone()).unwrap_or_default(),
            export_started_at: reading.map(|reading| reading.export_started_at),
            entity_type,
            key,
            is_there,
        });
    }
    Ok(sources)
}

/// The owner and the resource of an order, as they had been read when it was generated.
pub(super) async fn of_then(
    generator: &Generator,
    loaded: Option<&Loaded>,
    order: &Order,
) -> Result<Vec<Source>, Fault> {
    let of_owner = loaded.and_then(|loaded| loaded.catalog.entity_type(&order.owner.entity_type));
    let owner = of_owner.map(|declared| (&order.owner.entity_type, &order.owner.key, declared.connector.to_string()));
    let target = (&order.entity_type, &order.target_key, order.connector.clone());
    let mut sources = Vec::new();
    for (entity_type, key, connector) in owner.into_iter().chain([target]) {
        let connection = generator.database.read();
        let read = synchronizations::applied_before(connection, &connector, order.generated_at).await?;
        let is_owner = sources.is_empty();
        sources.push(Source {
            entity_type: entity_type.clone(),
            key: key.clone(),
            connector,
            synchronization_id: read.as_ref().map(|read| read.id.clone()).unwrap_or_default(),
            export_started_at: read.and_then(|read| read.started_at),
            is_there: is_owner || order.kind != provost_domain::OrderKind::Addition,
        });
    }
    Ok(sources)
}
