//! Taking the word of whoever wrote an order, where no synchronization can say it: the ordered values become a
//! virtual resource of the repository, as though an export had shown them.
//!
//! The rules that must hold: a resource is written once by each order, in the order of its lane, so that
//! nothing older comes back over something newer; and what a synchronization has read since counts for more
//! than any word. Which entity types it is about, the catalog says: those of connectors without `export`.

use super::known::{complete, known};
use super::schema::EntityShape;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::comparison::Comparisons;
use crate::model::known_order::{KnownOrder, overlay};
use crate::store::changes::{self, Change};
use crate::store::resources::{self, Properties, text_of};
use crate::store::virtual_resources::{self, Mark};
use crate::store::{orders, sensitive_orders};
use provost_contract::fulfillment::v1::Verification;
use provost_contract::to_wire;
use provost_contract::types::v1::OrderRecord;
use provost_domain::{Order, OrderKind, ProvisioningState, Timestamp};
use provost_service_kit::Fault;
use sea_orm::DatabaseTransaction;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Orders that are looked at together.
const ORDERS_PER_PIECE: usize = 500;

/// Entity type and key.
type ResourceKey = (String, String);

/// The catalog by which `records` are believed; none when there is nothing to believe, or no catalog. Read before
/// the transaction begins: a database in memory has one connection. One that is applied in between does not
/// matter, since the first computation by it takes up what is passed over here.
pub(crate) async fn catalog_for(
    generator: &Generator,
    mut records: impl Iterator<Item = &OrderRecord>,
) -> Option<Arc<Loaded>> {
    if !records.any(is_written) {
        return None;
    }
    match generator.catalogs.current().await {
        Ok(loaded) => loaded,
        Err(fault) => {
            tracing::warn!(%fault, "virtual resources are written later");
            None
        }
    }
}

/// Writes the virtual resources of those of `records` that were executed. The changes that come of it are to be
/// noted at the end of the transaction.
///
/// # Errors
/// When the database fails.
pub(crate) async fn believe(
    generator: &Generator,
    transaction: &DatabaseTransaction,
    loaded: Arc<Loaded>,
    records: &[OrderRecord],
) -> Result<Vec<Change>, Fault> {
    let Some(mut writing) = Writing::of(generator, transaction, loaded, records).await? else { return Ok(vec![]) };
    writing.all();
    writing.save().await
}

/// Writes the virtual resources that are missing: of orders that were executed before the catalog said that
/// their system is not synchronized, or while it could not be read.
///
/// # Errors
/// When the database fails.
pub(crate) async fn catch_up(generator: &Generator, loaded: &Arc<Loaded>) -> Result<(), Fault> {
    let entity_types = loaded.unsynchronized();
    if entity_types.is_empty() {
        return Ok(());
    }
    let missing = orders::not_believed(generator.database.read(), &entity_types).await?;
    for piece in missing.chunks(ORDERS_PER_PIECE) {
        let transaction = generator.database.begin().await?;
        let noted = believe(generator, &transaction, Arc::clone(loaded), piece).await?;
        changes::note(&generator.database, &transaction, noted).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// The verifications of orders whose values the repository shows because their word was taken.
///
/// # Errors
/// When the database fails.
pub(crate) async fn verifications(generator: &Generator, loaded: &Loaded) -> Result<Vec<Verification>, Fault> {
    let entity_types = loaded.unsynchronized();
    if entity_types.is_empty() {
        return Ok(vec![]);
    }
    let mut found = Vec::new();
    for record in orders::believed(generator.database.read(), &entity_types).await? {
        let (order, known) = known(record)?;
        // Of what cannot be read back, Executed is the end, whoever says so.
        let is_verifiable = known.kind != OrderKind::Update || known.changes.iter().any(|change| !change.write_only);
        if is_verifiable {
            found.push(verification(&order, known.executed_at));
        }
    }
    Ok(found)
}

fn verification(order: &Order, executed_at: Option<Timestamp>) -> Verification {
    // Two clocks: the ledger's may be behind ours. The word was given after the order was all the same.
    let said_at = executed_at.unwrap_or_default().max(order.generated_at.plus(Duration::from_millis(1)));
    Verification {
        order_id: order.id.to_string(),
        export_started_at: Some(to_wire::timestamp(said_at)),
        synchronization_id: String::new(),
        unsynchronized: true,
    }
}

/// The ledger was told that it was written, whatever became of it since.
fn is_written(record: &OrderRecord) -> bool {
    record.executed_at.is_some()
}

/// Resources while orders write them.
struct Writing<'a> {
    generator: &'a Generator,
    transaction: &'a DatabaseTransaction,
    loaded: Arc<Loaded>,
    /// What was executed, in the order of the lanes.
    orders: Vec<(i64, Order, KnownOrder)>,
    before: HashMap<ResourceKey, Properties>,
    after: BTreeMap<ResourceKey, Option<Properties>>,
    marks: HashMap<ResourceKey, Mark>,
    written: BTreeSet<ResourceKey>,
}

impl<'a> Writing<'a> {
    /// Reads what is needed; none when nothing is to be written.
    async fn of(
        generator: &'a Generator,
        transaction: &'a DatabaseTransaction,
        loaded: Arc<Loaded>,
        records: &[OrderRecord],
    ) -> Result<Option<Self>, Fault> {
        let engine = generator.database.engine();
        let ours = |record: &&OrderRecord| {
            let order = record.order.as_ref();
            is_written(record) && order.is_some_and(|order| unsynchronized(&loaded, order).is_some())
        };
        let mut records: Vec<OrderRecord> = records.iter().filter(ours).cloned().collect();
        if records.is_empty() {
            return Ok(None);
        }
        records.sort_by_key(|record| record.sequence);
        records.dedup_by_key(|record| record.sequence);
        // Whoever writes them takes turns: two must not both find that theirs is the newest order.
        generator.database.serialize(transaction, "virtual resources").await?;
        let ids: Vec<&str> = records.iter().filter_map(|one| Some(one.order.as_ref()?.order_id.as_str())).collect();
        let mut contents = sensitive_orders::these(transaction, engine, &ids).await?;
        let readings = resources::readings(transaction).await?;
        let mut orders = Vec::with_capacity(records.len());
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in records {
            let sequence = record.sequence;
            let (order, known) = known(complete(record, &mut contents))?;
            let read_at = readings.get(&order.entity_type).map(|reading| reading.export_started_at);
            // It was synchronized once, and after that order: what was read then is the truth.
            if known.executed_at.zip(read_at).is_some_and(|(executed_at, read_at)| executed_at < read_at) {
                continue;
            }
            keys.entry(order.entity_type.clone()).or_default().push(order.target_key.clone());
            orders.push((sequence, order, known));
        }
        let (mut before, mut marks) = (HashMap::new(), HashMap::new());
        for (entity_type, keys) in keys {
            for stored in resources::these(transaction, engine, &entity_type, &keys).await? {
                before.insert((entity_type.clone(), stored.key), stored.properties);
            }
            for (key, mark) in virtual_resources::these(transaction, engine, &entity_type, &keys).await? {
                marks.insert((entity_type.clone(), key), mark);
            }
        }
        let (after, written) = (BTreeMap::new(), BTreeSet::new());
        Ok(Some(Self { generator, transaction, loaded, orders, before, after, marks, written }))
    }

    /// Lets each order write its resource.
    fn all(&mut self) {
        for (sequence, order, known) in std::mem::take(&mut self.orders) {
            self.one(sequence, &order, known);
        }
    }

    fn one(&mut self, sequence: i64, order: &Order, known: KnownOrder) {
        let at = (order.entity_type.clone(), order.target_key.clone());
        if self.marks.get(&at).is_some_and(|mark| mark.sequence >= sequence) {
            return;
        }
        let catalog = &self.loaded.catalog;
        let Some(target) = catalog.entity_type(&order.entity_type) else { return };
        let Some(shape) = self.loaded.shape(&order.entity_type) else { return };
        let comparisons = Comparisons::new(catalog, target, catalog.resource_type(&order.resource_type));
        let written_at = known.executed_at.unwrap_or_default();
        let written = KnownOrder { state: ProvisioningState::Executed, ..known };
        let current = self.after.get(&at).cloned().unwrap_or_else(|| self.before.get(&at).cloned());
        let values = overlay(current.as_ref(), [&written], comparisons);
        let values = values.map(|values| readable(&shape, &order.target_key, values.into_owned()));
        let mark = Mark {
            entity_type: at.0.clone(),
            key: at.1.clone(),
            lane: orders::lane_text(&(order.connector.clone(), at.0.clone(), at.1.clone())),
            order_id: order.id.to_string(),
            sequence,
            is_gone: values.is_none(),
            written_at,
        };
        self.marks.insert(at.clone(), mark);
        self.after.insert(at.clone(), values);
        self.written.insert(at);
    }

    /// Stores what was written, and says what changed.
    async fn save(self) -> Result<Vec<Change>, Fault> {
        let Self { generator, transaction, before, after, marks, written, .. } = self;
        let engine = generator.database.engine();
        let mut texts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut noted = Vec::new();
        for ((entity_type, key), values) in after {
            let was = before.get(&(entity_type.clone(), key.clone()));
            if was == values.as_ref() {
                continue;
            }
            let properties = was.zip(values.as_ref()).map(|(was, is)| differing(was, is));
            noted.push(Change::Resource { entity_type: entity_type.clone(), key: key.clone(), properties });
            match values {
                Some(values) => texts.entry(entity_type).or_default().push((key, text_of(&values)?)),
                None => gone.entry(entity_type).or_default().push(key),
            }
        }
        for (entity_type, rows) in &texts {
            let rows: Vec<(&String, &String)> = rows.iter().map(|(key, text)| (key, text)).collect();
            resources::save(transaction, entity_type, &rows).await?;
        }
        for (entity_type, keys) in &gone {
            let keys: Vec<&String> = keys.iter().collect();
            resources::delete(transaction, engine, entity_type, &keys).await?;
        }
        let marks: Vec<Mark> = marks.into_iter().filter(|(at, _)| written.contains(at)).map(|(_, mark)| mark).collect();
        virtual_resources::save(transaction, engine, &marks).await?;
        if !marks.is_empty() {
            tracing::info!(resources = marks.len(), "virtual resources written");
        }
        Ok(noted)
    }
}

/// The shape of what an order writes, when no synchronization reads it.
fn unsynchronized(loaded: &Loaded, order: &provost_contract::types::v1::Order) -> Option<EntityShape> {
    let shape = loaded.shape(&order.entity_type)?;
    let is_ours = shape.connector == order.connector && loaded.is_unsynchronized(&shape.name);
    (is_ours && !order.target_key.is_empty()).then_some(shape)
}

/// What an export would show: the properties that can be read, and the key, which the order names.
fn readable(shape: &EntityShape, key: &str, mut values: Properties) -> Properties {
    if let Some(property) = shape.property(&shape.key).filter(|property| !values.contains_key(&property.name))
        && let Ok(value) = property.value_type.read(key)
    {
        values.insert(property.name.clone(), value);
    }
    values.retain(|name, value| {
        let is_read =
            shape.property(name).is_some_and(|property| !property.write_only && property.misfit(value).is_none());
        is_read && !value.items().is_empty()
    });
    values
}

/// The properties in which two states of a resource differ.
fn differing(before: &Properties, after: &Properties) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::verbs::schema::PropertyShape;
    use provost_domain::{Value, ValueType};

    #[test]
    fn what_an_export_would_show_is_kept_and_nothing_else() {
        let property = |name: &str, value_type, write_only| PropertyShape {
            name: name.into(),
            value_type,
            multi_valued: name == "doors",
            sensitive: false,
            write_only,
        };
        let shape = EntityShape {
            name: "Card".into(),
            connector: "desk".into(),
            key: "number".into(),
            properties: vec![
                property("number", ValueType::Integer, false),
                property("doors", ValueType::String, false),
                property("zone", ValueType::String, false),
                property("pin", ValueType::String, true),
            ],
        };
        let values: Properties = [
            ("doors".to_owned(), Value::List(vec![])),
            ("zone".to_owned(), "north".into()),
            ("pin".to_owned(), "1234".into()),
            ("colour".to_owned(), "red".into()),
        ]
        .into();
        let kept = readable(&shape, "17", values);
        let expected: Properties =
            [("number".to_owned(), Value::Integer(17)), ("zone".to_owned(), "north".into())].into();
        assert_eq!(kept, expected);
        let mut other = kept.clone();
        other.insert("zone".into(), "south".into());
        other.remove("number");
        assert_eq!(differing(&kept, &other), ["number", "zone"]);
    }
}
