//! The projection of the ledger: each order's record, as fulfillment's feed last showed it. Order
//! state lives in fulfillment; this is a copy that may lag, and never decides anything there.

use super::assignments::OwnerKey;
use super::dependencies::by_type;
use super::entity::order::{Column, Entity, Model};
use crate::model::generate::LaneKey;
use futures::TryStreamExt;
use prost::Message;
use provost_contract::from_wire;
use provost_contract::types::v1::{InactiveReason, Order, OrderRecord, Owner, ProvisioningState};
use provost_domain::{Lane, Timestamp};
use provost_service_kit::{Again, Engine, Fault, Wanted, between, each, each_of_sql, store};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    QueryTrait, Statement, StreamTrait,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Why orders no longer count: replaced, or cancelled.
const GONE: [i32; 2] = [InactiveReason::Superseded as i32, InactiveReason::Cancelled as i32];
/// In which states an order may be cancelled, or others may wait for it.
const OPEN: [i32; 6] = [
    ProvisioningState::Pending as i32,
    ProvisioningState::Transmitted as i32,
    ProvisioningState::Errored as i32,
    ProvisioningState::AwaitingApproval as i32,
    ProvisioningState::Error as i32,
    ProvisioningState::Executed as i32,
];
/// In which states an order was written.
const WRITTEN: [i32; 2] = [ProvisioningState::Executed as i32, ProvisioningState::Verified as i32];
/// In which states synchronized data can show an order.
const WAITING: [i32; 5] = [
    ProvisioningState::Pending as i32,
    ProvisioningState::Transmitted as i32,
    ProvisioningState::Errored as i32,
    ProvisioningState::AwaitingApproval as i32,
    ProvisioningState::Executed as i32,
];
/// The unit separator, which no catalog name and no key of sense holds.
const SEPARATOR: char = '\u{1f}';

/// The lane of an order on the wire. Without a key (the rule that gives it threw) each owner has a
/// lane of its own per resource type.
pub(crate) fn lane(order: &Order) -> String {
    if order.target_key.is_empty() {
        let owner = order.owner.clone().unwrap_or_default();
        format!("{SEPARATOR}{}{SEPARATOR}{}{SEPARATOR}{}", order.resource_type, owner.entity_type, owner.key)
    } else {
        Lane::new(&order.connector, &order.entity_type, &order.target_key).as_str().to_owned()
    }
}

/// The lane of these orders, as rows name it.
pub(crate) fn lane_text((connector, entity_type, key): &LaneKey) -> String {
    match key.starts_with(SEPARATOR) {
        true => key.clone(),
        false => Lane::new(connector, entity_type, key).as_str().to_owned(),
    }
}

fn row(record: &OrderRecord, cursor: i64) -> Option<Model> {
    let order = record.order.as_ref()?;
    let owner = order.owner.clone().unwrap_or_default();
    Some(Model {
        order_id: order.order_id.clone(),
        sequence: record.sequence,
        lane: lane(order),
        resource_type: order.resource_type.clone(),
        connection: order.connection.clone(),
        owner_type: owner.entity_type,
        owner_key: owner.key,
        generation_run: order.generation_run.clone(),
        state: record.state,
        inactive_reason: record.inactive_reason,
        version: record.version,
        record: record.encode_to_vec(),
        entity_type: order.entity_type.clone(),
        generated_at: order.generated_at.as_ref().map(from_wire::timestamp).map(Timestamp::millis),
        executed_at: record.executed_at.as_ref().map(from_wire::timestamp).map(Timestamp::millis),
        changed: cursor,
    })
}

fn read(row: &Model) -> Result<OrderRecord, Fault> {
    OrderRecord::decode(row.record.as_slice()).map_err(Fault::internal)
}

/// Takes over records that the feed told up to a cursor; one that is older than what is known changes nothing.
pub(crate) async fn save(connection: &impl ConnectionTrait, cursor: i64, records: &[OrderRecord]) -> Result<(), DbErr> {
    // One statement must not meet the same row twice.
    let mut newest: BTreeMap<String, Model> = BTreeMap::new();
    for row in records.iter().filter_map(|record| row(record, cursor)) {
        match newest.get(&row.order_id) {
            Some(known) if known.version > row.version => {}
            _ => {
                newest.insert(row.order_id.clone(), row);
            }
        }
    }
    let is_newer = Again::ReplacesIf("orders.version <= excluded.version");
    store::<Entity>(connection, newest.into_values().collect(), is_newer).await
}

/// How many orders there are of each resource type and state.
pub(crate) async fn counts(connection: &impl ConnectionTrait) -> Result<BTreeMap<(String, i32), i64>, DbErr> {
    let rows: Vec<(String, i32, i64)> = Entity::find()
        .select_only()
        .column(Column::ResourceType)
        .column(Column::State)
        .column_as(Column::OrderId.count(), "orders")
        .group_by(Column::ResourceType)
        .group_by(Column::State)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(rows.into_iter().map(|(resource_type, state, count)| ((resource_type, state), count)).collect())
}

/// The ids and versions of all orders in any of the states, oldest first: enough to see what changed,
/// without reading what did not.
pub(crate) async fn versions(
    connection: &impl ConnectionTrait,
    states: &[ProvisioningState],
) -> Result<Vec<(String, i64)>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::OrderId)
        .column(Column::Version)
        .filter(Column::State.is_in(states.iter().map(|state| *state as i32)))
        .order_by_asc(Column::Sequence)
        .into_tuple()
        .all(connection)
        .await
}

/// These orders, in no order.
pub(crate) async fn by_ids(
    connection: &impl ConnectionTrait,
    engine: Engine,
    ids: &[&str],
) -> Result<Vec<OrderRecord>, Fault> {
    let these = each(engine, Entity::find(), &[(Column::OrderId, Wanted::Texts(ids.to_vec()))]);
    Entity::find().from_raw_sql(these).all(connection).await?.iter().map(read).collect()
}

/// Where an order stands, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) order_id: String,
    pub(crate) lane: String,
    pub(crate) sequence: i64,
    pub(crate) state: i32,
    pub(crate) inactive_reason: i32,
}

type GlanceColumns = (String, String, i64, i32, i32);

fn glances() -> sea_orm::Select<Entity> {
    Entity::find().select_only().columns([
        Column::OrderId,
        Column::Lane,
        Column::Sequence,
        Column::State,
        Column::InactiveReason,
    ])
}

fn glance((order_id, lane, sequence, state, inactive_reason): GlanceColumns) -> Glance {
    Glance { order_id, lane, sequence, state, inactive_reason }
}

/// Where these orders stand.
pub(crate) async fn glances_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    ids: &[&str],
) -> Result<Vec<Glance>, DbErr> {
    let these = each(engine, glances(), &[(Column::OrderId, Wanted::Texts(ids.to_vec()))]);
    let rows = connection.query_all_raw(these).await?;
    rows.iter().map(|row| row.try_get_many_by_index().map(glance)).collect()
}

/// The newest order of each lane that was not replaced or cancelled, by lane.
pub(crate) async fn newest_of_lanes(
    connection: &impl ConnectionTrait,
    engine: Engine,
    lanes: &[&str],
) -> Result<HashMap<String, Glance>, DbErr> {
    let mut found = HashMap::with_capacity(lanes.len());
    // Each lane is named twice, and the reasons beside them.
    for chunk in lanes.chunks(engine.rows_per_statement(3)) {
        let of_lanes = || {
            Condition::all().add(Column::Lane.is_in(chunk.iter().copied())).add(Column::InactiveReason.is_not_in(GONE))
        };
        // Lanes grow for years: the engine picks the newest, so that the others are not sent.
        let newest = Entity::find()
            .select_only()
            .expr(Column::Sequence.max())
            .filter(of_lanes())
            .group_by(Column::Lane)
            .into_query();
        let query = glances().filter(Column::Sequence.in_subquery(newest)).filter(of_lanes());
        let newest: Vec<GlanceColumns> = query.into_tuple().all(connection).await?;
        found.extend(newest.into_iter().map(glance).map(|glance| (glance.lane.clone(), glance)));
    }
    Ok(found)
}

/// The orders that the role model looks at, oldest first: all that were not replaced, cancelled or
/// verified, and of the verified ones those that say more than an order before them, which are the lane's
/// newest and whatever came after an order that is not verified. Lanes grow for years, and what was
/// verified long ago says nothing that synchronization does not show.
///
/// `each` is shown one after another, with whether an order of its lane is not verified.
pub(crate) async fn that_count(
    connection: &(impl ConnectionTrait + StreamTrait),
    mut each: impl FnMut(Counting, bool) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let open = Entity::find().select_only().column(Column::Lane).distinct();
    let open = open.filter(Column::State.ne(ProvisioningState::Verified as i32));
    let open = open.filter(Column::InactiveReason.is_not_in(GONE)).into_tuple::<String>().all(connection).await?;
    let open: HashSet<String> = open.into_iter().collect();
    let backend = ConnectionTrait::get_database_backend(connection);
    let rows = connection.stream_raw(Statement::from_string(backend, that_count_in_all())).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = rows.try_next().await? {
        let counting = counting(&row)?;
        let is_open = open.contains(&counting.lane);
        each(counting, is_open)?;
    }
    Ok(())
}

/// Of these lanes, the orders that the role model looks at, oldest first in each lane.
pub(crate) async fn that_count_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    lanes: &[String],
) -> Result<Vec<Counting>, DbErr> {
    let these = each_of_sql(engine, "lane", &texts(lanes), that_count_of_lanes);
    connection.query_all_raw(these).await?.iter().map(counting).collect()
}

fn counting(row: &QueryResult) -> Result<Counting, DbErr> {
    let (lane, state, record) = row.try_get_many_by_index()?;
    Ok(Counting { lane, state, record })
}

fn texts(lanes: &[String]) -> Wanted<'_> {
    Wanted::Texts(lanes.iter().map(String::as_str).collect())
}

/// The lane, state and record of the orders that count, of lanes of which a condition holds.
fn that_count_of_lanes(condition: &str) -> String {
    let verified = ProvisioningState::Verified as i32;
    let [superseded, cancelled] = GONE;
    format!(
        "SELECT lane, state, record FROM (SELECT lane, state, record, sequence, \
         MAX(CASE WHEN state = {verified} THEN sequence END) OVER (PARTITION BY lane) AS newest_verified, \
         MIN(CASE WHEN state <> {verified} THEN sequence END) OVER (PARTITION BY lane) AS oldest_other \
         FROM orders WHERE {condition} AND inactive_reason NOT IN ({superseded}, {cancelled})) AS placed \
         WHERE state <> {verified} OR sequence = newest_verified OR sequence > oldest_other \
         ORDER BY sequence"
    )
}

/// An order that the role model looks at, not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counting {
    pub(crate) lane: String,
    pub(crate) state: i32,
    record: Vec<u8>,
}

impl Counting {
    /// It is verified.
    pub(crate) fn is_verified(&self) -> bool {
        self.state == ProvisioningState::Verified as i32
    }

    /// All of it.
    ///
    /// # Errors
    /// When the row is damaged.
    pub(crate) fn whole(&self) -> Result<OrderRecord, Fault> {
        OrderRecord::decode(self.record.as_slice()).map_err(Fault::internal)
    }

    /// All of it but what it changes, which is most: nothing asks for that in a lane of nothing but verified orders.
    ///
    /// # Errors
    /// When the row is damaged.
    pub(crate) fn brief(&self) -> Result<Brief, Fault> {
        Brief::decode(self.record.as_slice()).map_err(Fault::internal)
    }
}

/// The orders that count in all lanes; the records come last, so that windows do not carry them.
fn that_count_in_all() -> String {
    let verified = ProvisioningState::Verified as i32;
    let [superseded, cancelled] = GONE;
    format!(
        "SELECT lane, state, record FROM orders WHERE order_id IN (SELECT order_id FROM (\
         SELECT order_id, state, sequence, \
         MAX(CASE WHEN state = {verified} THEN sequence END) OVER (PARTITION BY lane) AS newest_verified, \
         MIN(CASE WHEN state <> {verified} THEN sequence END) OVER (PARTITION BY lane) AS oldest_other \
         FROM orders WHERE inactive_reason NOT IN ({superseded}, {cancelled})) AS placed \
         WHERE state <> {verified} OR sequence = newest_verified OR sequence > oldest_other) \
         ORDER BY sequence"
    )
}

/// Whom the orders concern that moved since the feed was at a cursor: their owners, and whoever has to do
/// with the resource.
pub(crate) async fn moved_since(
    connection: &impl ConnectionTrait,
    engine: Engine,
    cursor: i64,
) -> Result<Vec<Moved>, DbErr> {
    let query = moved_columns(Entity::find());
    let rows = connection.query_all_raw(between(engine, query, Column::Changed, cursor, i64::MAX)).await?;
    rows.iter().map(|row| row.try_get_many_by_index().map(moved_order)).collect()
}

/// Whom the orders concern of which an export can say, for the first time, that it shows them or does not:
/// those of an entity type that were generated or executed since the export before it began.
pub(crate) async fn spoken_of(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    since: i64,
) -> Result<Vec<Moved>, DbErr> {
    moved(connection, not_settled_since(entity_type, since)).await
}

fn not_settled_since(entity_type: &str, since: i64) -> Condition {
    Condition::all().add(Column::EntityType.is_in([entity_type, ""])).add(Column::State.is_in(WAITING)).add(
        Condition::any()
            .add(Column::GeneratedAt.is_null())
            .add(Column::GeneratedAt.gte(since))
            .add(Column::ExecutedAt.gte(since)),
    )
}

async fn moved(connection: &impl ConnectionTrait, which: Condition) -> Result<Vec<Moved>, DbErr> {
    let query = moved_columns(Entity::find()).filter(which);
    let rows = query.into_tuple::<MovedColumns>().all(connection).await?;
    Ok(rows.into_iter().map(moved_order).collect())
}

type MovedColumns = (String, String, String, String);

fn moved_columns(query: sea_orm::Select<Entity>) -> sea_orm::Select<Entity> {
    query.select_only().columns([Column::OwnerType, Column::OwnerKey, Column::EntityType, Column::Lane])
}

fn moved_order((owner_type, owner_key, entity_type, lane): MovedColumns) -> Moved {
    Moved { owner: (owner_type, owner_key), entity_type, lane }
}

/// An order that moved: whose it is, and in which lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) owner: (String, String),
    entity_type: String,
    lane: String,
}

impl Moved {
    /// The resource that the lane is of; none of an order without a key, whose lane is its owner's alone.
    pub(crate) fn resource(&self) -> Option<(&str, &str)> {
        let mut parts = self.lane.splitn(3, SEPARATOR).skip(1);
        let (entity_type, key) = (parts.next()?, parts.next()?);
        (!self.lane.starts_with(SEPARATOR)).then_some((entity_type, key))
    }
}

/// The orders that wait to be seen and that an export, begun at `seen_at`, may show: of an entity type, and
/// generated since `since`.
pub(crate) async fn to_be_shown(
    connection: &(impl ConnectionTrait + StreamTrait),
    entity_type: &str,
    since: i64,
    seen_at: i64,
) -> Result<Vec<OrderRecord>, Fault> {
    let which = Condition::all()
        .add(not_settled_since(entity_type, since))
        .add(Condition::any().add(Column::GeneratedAt.is_null()).add(Column::GeneratedAt.lt(seen_at)));
    let mut rows = Entity::find().filter(which).order_by_asc(Column::Sequence).stream(connection).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(read(&row)?);
    }
    Ok(found)
}

/// The orders on entity types that no synchronization reads whose word was taken: the virtual resource is by them,
/// or by a newer one of their lane.
pub(crate) async fn believed(
    connection: &impl ConnectionTrait,
    entity_types: &[String],
) -> Result<Vec<OrderRecord>, Fault> {
    unverified(connection, entity_types, "EXISTS").await
}

/// Those whose word is still to be taken.
pub(crate) async fn not_believed(
    connection: &impl ConnectionTrait,
    entity_types: &[String],
) -> Result<Vec<OrderRecord>, Fault> {
    unverified(connection, entity_types, "NOT EXISTS").await
}

/// Orders that were executed and are not verified, oldest first. Errored ones among them: an order that was not
/// verified in time was written all the same.
async fn unverified(
    connection: &impl ConnectionTrait,
    entity_types: &[String],
    whether: &str,
) -> Result<Vec<OrderRecord>, Fault> {
    let places = (1..=entity_types.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let (executed, errored) = (ProvisioningState::Executed as i32, ProvisioningState::Errored as i32);
    let sql = format!(
        "SELECT * FROM orders o WHERE (o.state = {executed} OR (o.state = {errored} AND o.executed_at IS NOT NULL)) \
         AND o.entity_type IN ({places}) AND {whether} (SELECT 1 FROM virtual_resources v WHERE v.lane = o.lane \
         AND v.sequence >= o.sequence) ORDER BY o.sequence"
    );
    let values = entity_types.iter().map(|name| name.as_str().into());
    let backend = ConnectionTrait::get_database_backend(connection);
    let rows = Entity::find().from_raw_sql(Statement::from_sql_and_values(backend, sql, values));
    rows.all(connection).await?.iter().map(read).collect()
}

/// The orders of these lanes that wait to be seen.
pub(crate) async fn waiting_in(
    connection: &impl ConnectionTrait,
    engine: Engine,
    lanes: &[String],
) -> Result<Vec<OrderRecord>, Fault> {
    let these = each(engine, Entity::find().filter(Column::State.is_in(WAITING)), &[(Column::Lane, texts(lanes))]);
    let mut rows = Entity::find().from_raw_sql(these).all(connection).await?;
    rows.sort_unstable_by_key(|row| row.sequence);
    rows.iter().map(read).collect()
}

/// Whether there is any order.
pub(crate) async fn any(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let first = Entity::find().select_only().column(Column::OrderId).limit(1);
    Ok(first.into_tuple::<String>().one(connection).await?.is_some())
}

/// Of these resource types, those of which something was written.
pub(crate) async fn written<'a>(
    connection: &impl ConnectionTrait,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, DbErr> {
    let mut found = HashSet::new();
    for name in names {
        for state in WRITTEN {
            let first = written_sql(name, state);
            if first.into_tuple::<String>().one(connection).await?.is_some() {
                found.insert(name.to_owned());
                break;
            }
        }
    }
    Ok(found)
}

fn written_sql(resource_type: &str, state: i32) -> sea_orm::Select<Entity> {
    let of_type = Entity::find().select_only().column(Column::OrderId).filter(Column::State.eq(state));
    of_type.filter(Column::ResourceType.eq(resource_type)).limit(1)
}

/// Whose orders are open.
pub(crate) async fn owners_of_open(
    connection: &(impl ConnectionTrait + StreamTrait),
) -> Result<BTreeSet<OwnerKey>, DbErr> {
    let query = Entity::find().select_only().columns([Column::OwnerType, Column::OwnerKey]);
    let query = query.filter(Column::State.is_in(OPEN)).into_tuple::<OwnerKey>();
    query.stream(connection).await?.try_collect().await
}

/// Of these owners, those who have open orders, and the lanes of these.
pub(crate) async fn open_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<BTreeMap<OwnerKey, BTreeSet<String>>, DbErr> {
    let mut found: BTreeMap<OwnerKey, BTreeSet<String>> = BTreeMap::new();
    for (entity_type, keys) in by_type(owners) {
        let these = each(engine, open_of_type(entity_type), &[(Column::OwnerKey, Wanted::Texts(keys))]);
        for row in connection.query_all_raw(these).await? {
            let (key, lane) = row.try_get_many_by_index()?;
            found.entry((entity_type.to_owned(), key)).or_default().insert(lane);
        }
    }
    Ok(found)
}

fn open_of_type(entity_type: &str) -> sea_orm::Select<Entity> {
    let query = Entity::find().select_only().columns([Column::OwnerKey, Column::Lane]);
    query.filter(Column::OwnerType.eq(entity_type)).filter(Column::State.is_in(OPEN))
}

/// An order as its record says it, but for whatever it changes: a hundred thousand are read at once.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Brief {
    #[prost(message, optional, tag = "1")]
    pub(crate) order: Option<BriefOrder>,
    #[prost(int32, tag = "2")]
    pub(crate) state: i32,
    /// There when an agent holds it; who, and until when, is passed over.
    #[prost(message, optional, tag = "8")]
    pub(crate) lease: Option<Held>,
    #[prost(message, optional, tag = "13")]
    pub(crate) executed_at: Option<prost_types::Timestamp>,
}

/// What a lane is judged by.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct BriefOrder {
    #[prost(string, tag = "1")]
    pub(crate) order_id: String,
    #[prost(int32, tag = "2")]
    pub(crate) kind: i32,
    #[prost(string, tag = "3")]
    pub(crate) resource_type: String,
    #[prost(string, tag = "4")]
    pub(crate) connector: String,
    #[prost(string, tag = "6")]
    pub(crate) entity_type: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) owner: Option<Owner>,
    #[prost(string, tag = "8")]
    pub(crate) target_key: String,
    #[prost(message, optional, tag = "21")]
    pub(crate) generated_at: Option<prost_types::Timestamp>,
}

/// An agent holds it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Held {}

/// Shows `each` the orders that count of all lanes in which one is open, oldest first.
pub(crate) async fn in_open_lanes(
    connection: &(impl ConnectionTrait + StreamTrait),
    mut each: impl FnMut(Brief) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let open = Entity::find().select_only().column(Column::Lane).filter(Column::State.is_in(OPEN)).into_query();
    let query = Entity::find()
        .select_only()
        .column(Column::Record)
        .filter(Column::Lane.in_subquery(open))
        .filter(Column::InactiveReason.is_not_in(GONE))
        .order_by_asc(Column::Sequence);
    let mut rows = query.into_tuple::<Vec<u8>>().stream(connection).await?;
    while let Some(record) = rows.try_next().await? {
        each(Brief::decode(record.as_slice()).map_err(Fault::internal)?)?;
    }
    Ok(())
}

/// Of these lanes, the orders that count, oldest first in each lane.
pub(crate) async fn briefs_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    lanes: &[String],
) -> Result<Vec<Brief>, Fault> {
    let query = Entity::find().select_only().columns([Column::Sequence, Column::Record]);
    let query = query.filter(Column::InactiveReason.is_not_in(GONE));
    let rows = connection.query_all_raw(each(engine, query, &[(Column::Lane, texts(lanes))])).await?;
    let mut records: Vec<(i64, Vec<u8>)> =
        rows.iter().map(QueryResult::try_get_many_by_index).collect::<Result<_, _>>()?;
    records.sort_unstable_by_key(|(sequence, _)| *sequence);
    records.into_iter().map(|(_, record)| Brief::decode(record.as_slice()).map_err(Fault::internal)).collect()
}

/// The orders of a generation run, in no order.
pub(crate) async fn of_run(connection: &impl ConnectionTrait, run: &str) -> Result<Vec<OrderRecord>, Fault> {
    Entity::find().filter(Column::GenerationRun.eq(run)).all(connection).await?.iter().map(read).collect()
}

/// All orders of one owner, oldest first.
pub(crate) async fn of_owner(
    connection: &impl ConnectionTrait,
    owner_type: &str,
    owner_key: &str,
) -> Result<Vec<OrderRecord>, Fault> {
    let query = Entity::find()
        .filter(Column::OwnerType.eq(owner_type))
        .filter(Column::OwnerKey.eq(owner_key))
        .order_by_asc(Column::Sequence);
    query.all(connection).await?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use ProvisioningState as S;
    use provost_service_kit::Database;

    fn record(id: &str, sequence: i64, target: &str, state: ProvisioningState, reason: InactiveReason) -> OrderRecord {
        let order = Order { order_id: id.into(), target_key: target.into(), ..Default::default() };
        let (state, inactive_reason) = (state.into(), reason.into());
        OrderRecord { order: Some(order), state, inactive_reason, sequence, version: 1, ..Default::default() }
    }

    #[tokio::test]
    async fn of_verified_orders_only_those_count_that_say_more_than_others() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let none = InactiveReason::Unspecified;
            let records = [
                record("old", 1, "ada", S::Verified, none),
                record("declined", 2, "ada", S::Inactive, InactiveReason::Declined),
                record("after", 3, "ada", S::Verified, none),
                record("newest", 4, "ada", S::Verified, none),
                record("first", 5, "bob", S::Verified, none),
                record("last", 6, "bob", S::Verified, none),
                record("cancelled", 7, "bob", S::Inactive, InactiveReason::Cancelled),
                record("seen", 8, "eve", S::Verified, none),
                record("open", 9, "eve", S::Pending, none),
            ];
            save(database.write(), 7, &records).await.unwrap();
            let mut found = Vec::new();
            let each = |one: Counting, is_open: bool| {
                let id = one.whole()?.order.unwrap().order_id;
                found.push(if is_open { id } else { format!("{id}, quiet") });
                Ok(())
            };
            that_count(database.read(), each).await.unwrap();
            assert_eq!(found, ["declined", "after", "newest", "last, quiet", "seen", "open"], "{}", engine.name);

            let lanes = ["ada", "bob", "eve", "nobody"]
                .map(|key| lane(&Order { target_key: key.into(), ..Default::default() }));
            let lanes: Vec<&str> = lanes.iter().map(String::as_str).collect();
            let newest = newest_of_lanes(database.read(), database.engine(), &lanes).await.unwrap();
            let ids: Vec<_> =
                lanes.iter().map(|lane| newest.get(*lane).map(|newest| newest.order_id.as_str())).collect();
            assert_eq!(ids, [Some("newest"), Some("last"), Some("open"), None], "{}", engine.name);
        }
    }
}
