//! Which orders synchronization shows, and telling the ledger.
//!
//! The rule that must hold: asked of the orders, not of assignments. What was deleted has no assignment any
//! more, and its order is verified all the same.

use super::catch_up::catch_up;
use super::known::{complete, in_lane};
use super::world::Ground;
use crate::generator::Generator;
use crate::model::comparison::Comparisons;
use crate::model::generate::LaneKey;
use crate::model::known_order::KnownOrder;
use crate::model::verify;
use crate::store::resources::{self, Properties, Reading};
use crate::store::{orders, sensitive_orders};
use provost_contract::fulfillment::v1::Verification;
use provost_contract::to_wire;
use provost_contract::types::v1::OrderRecord;
use provost_domain::OrderId;
use provost_service_kit::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// Orders that are looked at together.
const ORDERS_PER_PIECE: usize = 2_000;

/// Which orders may be shown by now.
pub(crate) enum Candidates {
    /// Any that waits to be seen.
    All,
    /// Those of resources that changed, or whose lane moved; and of each of these entity types those that came
    /// since the export before began.
    These { resources: BTreeSet<(String, String)>, read_again: BTreeMap<String, i64> },
}

/// The verifications of the orders that the repository shows, each with the export that shows it.
///
/// # Errors
/// When the database fails.
pub(crate) async fn verifications(
    generator: &Generator,
    ground: &Ground,
    candidates: &Candidates,
) -> Result<Vec<Verification>, Fault> {
    let connection = generator.database.read();
    let mut found = BTreeMap::new();
    // Of what the catalog no longer has, nothing can be said.
    for entity_type in ground.catalog().entity_types() {
        let Some(reading) = ground.readings.get(&*entity_type.name) else { continue };
        let since = match candidates {
            Candidates::All => i64::MIN,
            Candidates::These { read_again, .. } => match read_again.get(&*entity_type.name) {
                Some(since) => *since,
                None => continue,
            },
        };
        let seen_at = reading.export_started_at.millis();
        let records = orders::to_be_shown(connection, &entity_type.name, since, seen_at).await?;
        for piece in records.chunks(ORDERS_PER_PIECE) {
            shown(generator, ground, piece.to_vec(), &mut found).await?;
        }
    }
    if let Candidates::These { resources, .. } = candidates {
        let lane = |(entity_type, key): &(String, String)| {
            let connector = ground.catalog().entity_type(entity_type)?.connector.to_string();
            Some(orders::lane_text(&(connector, entity_type.clone(), key.clone())))
        };
        let lanes: Vec<String> = resources.iter().filter_map(lane).collect();
        for piece in lanes.chunks(ORDERS_PER_PIECE) {
            let records = orders::waiting_in(connection, generator.database.engine(), piece).await?;
            shown(generator, ground, records, &mut found).await?;
        }
    }
    Ok(found.into_values().collect())
}

async fn shown(
    generator: &Generator,
    ground: &Ground,
    records: Vec<OrderRecord>,
    found: &mut BTreeMap<OrderId, Verification>,
) -> Result<(), Fault> {
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let ids: Vec<&str> =
        records.iter().filter_map(|record| record.order.as_ref()).map(|order| order.order_id.as_str()).collect();
    let mut contents = sensitive_orders::these(connection, engine, &ids).await?;
    let mut lanes: BTreeMap<LaneKey, Vec<KnownOrder>> = BTreeMap::new();
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let (lane, known) = in_lane(complete(record, &mut contents))?;
        keys.entry(lane.1.clone()).or_default().push(lane.2.clone());
        lanes.entry(lane).or_default().push(known);
    }
    let mut values: BTreeMap<(String, String), Properties> = BTreeMap::new();
    for (entity_type, keys) in keys {
        let Some(shape) = ground.loaded.shape(&entity_type) else { continue };
        for mut stored in resources::these(connection, engine, &entity_type, &keys).await? {
            shape.keep_fitting(&mut stored.properties);
            values.insert((entity_type.clone(), stored.key), stored.properties);
        }
    }
    let resource = |entity_type: &str, key: &str| values.get(&(entity_type.to_owned(), key.to_owned()));
    let seen_at = |connector: &str, entity_type: &str| {
        let known = ground.catalog().entity_type(entity_type)?;
        let reading = ground.readings.get(entity_type).filter(|_| *known.connector == *connector)?;
        Some(reading.export_started_at)
    };
    let comparisons = |entity_type: &str, resource_type: &str| {
        let catalog = ground.catalog();
        let target = catalog.entity_type(entity_type);
        target.map_or(Comparisons::EXACT, |target| {
            Comparisons::new(catalog, target, catalog.resource_type(resource_type))
        })
    };
    for (id, entity_type) in verify::shown(&lanes, resource, seen_at, comparisons) {
        if let Some(reading) = ground.readings.get(&entity_type) {
            found.insert(id, verification(id.to_string(), reading));
        }
    }
    Ok(())
}

/// Reports what was verified, and waits until the projection shows it.
///
/// # Errors
/// When the ledger cannot be reached.
pub(crate) async fn verify(generator: &Generator, verifications: &[Verification]) -> Result<i64, Fault> {
    if verifications.is_empty() {
        return Ok(0);
    }
    let results = generator.ledger.verify(verifications).await?;
    // An order that moved on meanwhile is refused, and looked at again by the next computation.
    let verified = results.iter().filter(|result| result.error.is_none()).count() as i64;
    catch_up(generator).await?;
    Ok(verified)
}

/// A verification of one order, by the export that the repository shows.
pub(crate) fn verification(order_id: String, reading: &Reading) -> Verification {
    Verification {
        order_id,
        export_started_at: Some(to_wire::timestamp(reading.export_started_at)),
        synchronization_id: reading.synchronization_id.clone(),
    }
}
