//! Requests for assignments: the whole as JSON, and beside it what lists and the evaluation look for.
//!
//! The rule that must hold: whoever writes requests takes turns ([`turn`]) until the transaction ends, so that
//! what was read of a request, and of others about the same, is still so when it is written.

use super::assignments::OwnerKey;
use super::dependencies::wanted;
use super::entity::request::{ActiveModel, Column, Entity};
use super::{from_json, to_json};
use crate::model::grant::Grant;
use crate::model::request::{Kind, Request};
use provost_domain::{Timestamp, WorkflowState};
use provost_service_kit::{Database, Engine, Fault, each};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::HashMap;

/// The unit separator, which no catalog name and no key of sense holds.
const SEPARATOR: char = '\u{1f}';

/// The states in which a request waits to be decided.
pub(crate) const OPEN: [WorkflowState; 7] = [
    WorkflowState::Requested,
    WorkflowState::PendingApproval,
    WorkflowState::PendingApproval1Of2,
    WorkflowState::PendingApproval2Of2,
    WorkflowState::PendingApproval1Of3,
    WorkflowState::PendingApproval2Of3,
    WorkflowState::PendingApproval3Of3,
];

fn numbers(states: &[WorkflowState]) -> impl Iterator<Item = i32> {
    states.iter().map(|state| state.number())
}

/// Waits for whoever else writes requests, and lets others wait until the transaction ends.
pub(crate) async fn turn(database: &Database, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    database.serialize(transaction, "requests").await
}

fn row(request: &Request) -> Result<ActiveModel, Fault> {
    let Request { owner, kind, name, .. } = request;
    // A role is one thing, whether the catalog makes it single or composite.
    let what = if *kind == Kind::ResourceType { "resource type" } else { "role" };
    let open_for = [&owner.entity_type, &owner.key, what, name].join(&SEPARATOR.to_string());
    Ok(ActiveModel {
        sequence: NotSet,
        id: Set(request.id.clone()),
        owner_type: Set(owner.entity_type.clone()),
        owner_key: Set(owner.key.clone()),
        kind: Set(*kind as i32),
        name: Set(name.clone()),
        requested_by: Set(request.asked.by.clone()),
        state: Set(request.state.number()),
        since: Set(request.since.millis()),
        until: Set(request.period.until.map(Timestamp::millis)),
        open_for: Set(request.is_open().then_some(open_for)),
        body: Set(to_json(request)?),
    })
}

/// Keeps a new request.
pub(crate) async fn insert(transaction: &DatabaseTransaction, request: &Request) -> Result<(), Fault> {
    Entity::insert(row(request)?).exec_without_returning(transaction).await?;
    Ok(())
}

/// Writes what changed in a request.
pub(crate) async fn save(transaction: &DatabaseTransaction, request: &Request) -> Result<(), Fault> {
    let row = ActiveModel { id: NotSet, ..row(request)? };
    Entity::update_many().set(row).filter(Column::Id.eq(&request.id)).exec(transaction).await?;
    Ok(())
}

/// One request.
pub(crate) async fn get(connection: &impl ConnectionTrait, id: &str) -> Result<Option<Request>, Fault> {
    let found = Entity::find().filter(Column::Id.eq(id)).one(connection).await?;
    found.map(|row| from_json(&row.body)).transpose()
}

/// The requests about one owner and one thing that wait, or are approved; oldest first.
pub(crate) async fn about(
    connection: &impl ConnectionTrait,
    (owner_type, owner_key): (&str, &str),
    is_role: bool,
    name: &str,
) -> Result<Vec<Request>, Fault> {
    let of_kind = Column::Kind.eq(Kind::ResourceType as i32);
    let query = Entity::find()
        .filter(Column::OwnerType.eq(owner_type))
        .filter(Column::OwnerKey.eq(owner_key))
        .filter(if is_role { of_kind.not() } else { of_kind })
        .filter(Column::Name.eq(name))
        .filter(Column::State.is_in(numbers(&OPEN).chain([WorkflowState::Approved.number()])))
        .order_by_asc(Column::Sequence);
    query.all(connection).await?.iter().map(|row| from_json(&row.body)).collect()
}

/// All requests about one owner, oldest first.
pub(crate) async fn of_owner(
    connection: &impl ConnectionTrait,
    owner_type: &str,
    owner_key: &str,
) -> Result<Vec<Request>, Fault> {
    let query = Entity::find()
        .filter(Column::OwnerType.eq(owner_type))
        .filter(Column::OwnerKey.eq(owner_key))
        .order_by_asc(Column::Sequence);
    query.all(connection).await?.iter().map(|row| from_json(&row.body)).collect()
}

/// What narrows a list. An empty text does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) states: Vec<WorkflowState>,
    pub(crate) owner_type: String,
    pub(crate) owner_key: String,
    pub(crate) role: String,
    pub(crate) resource_type: String,
    pub(crate) requested_by: String,
}

/// The requests after a place in the list, oldest first, each with its place.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, Request)>, Fault> {
    let mut query =
        Entity::find().filter(Column::Sequence.gt(after)).filter(Column::State.is_in(numbers(&filter.states)));
    let of_type = || Column::Kind.eq(Kind::ResourceType as i32);
    for (column, wanted) in [
        (Column::OwnerType, &filter.owner_type),
        (Column::OwnerKey, &filter.owner_key),
        (Column::RequestedBy, &filter.requested_by),
    ] {
        if !wanted.is_empty() {
            query = query.filter(column.eq(wanted));
        }
    }
    let about = |name: &str, kind: Expr| Condition::all().add(Column::Name.eq(name)).add(kind);
    let mut either = Condition::any();
    if !filter.role.is_empty() {
        either = either.add(about(&filter.role, of_type().not()));
    }
    if !filter.resource_type.is_empty() {
        either = either.add(about(&filter.resource_type, of_type()));
    }
    if !either.is_empty() {
        query = query.filter(either);
    }
    let rows = query.order_by_asc(Column::Sequence).limit(limit).all(connection).await?;
    rows.iter().map(|row| Ok((row.sequence, from_json(&row.body)?))).collect()
}

/// The open requests after a place that have stood where they stand since an instant, oldest first.
pub(crate) async fn waiting_since(
    connection: &impl ConnectionTrait,
    since: Timestamp,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, Request)>, Fault> {
    let query = Entity::find()
        .filter(Column::State.is_in(numbers(&OPEN)))
        .filter(Column::Sequence.gt(after))
        .filter(Column::Since.lte(since.millis()))
        .order_by_asc(Column::Sequence)
        .limit(limit);
    query.all(connection).await?.iter().map(|row| Ok((row.sequence, from_json(&row.body)?))).collect()
}

/// The requests that wait or count although their period is over by now.
pub(crate) async fn past(connection: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Request>, Fault> {
    let states = numbers(&OPEN).chain([WorkflowState::Approved.number()]);
    let query = Entity::find()
        .filter(Column::State.is_in(states))
        .filter(Column::Until.lte(now.millis()))
        .order_by_asc(Column::Sequence)
        .limit(limit);
    query.all(connection).await?.iter().map(|row| from_json(&row.body)).collect()
}

/// What people decided that owners shall have, or shall not have, beside what rules say: of these owners, or of
/// everybody. What is over is among it when it ended after an instant. Whoever has nothing of it is not there.
pub(crate) async fn grants(
    connection: &impl ConnectionTrait,
    engine: Engine,
    of: Option<&[&OwnerKey]>,
    ended_after: Option<Timestamp>,
) -> Result<HashMap<OwnerKey, Vec<Grant>>, Fault> {
    let in_state = |state: WorkflowState| Column::State.eq(state.number());
    let approved = || match ended_after {
        None => Entity::find().filter(in_state(WorkflowState::Approved)),
        Some(instant) => {
            let is_over = in_state(WorkflowState::Inactive).and(Column::Until.gt(instant.millis()));
            Entity::find().filter(in_state(WorkflowState::Approved).or(is_over))
        }
    };
    let mut rows = match of {
        None => approved().all(connection).await?,
        Some(owners) => {
            let these = each(engine, approved(), &wanted([Column::OwnerType, Column::OwnerKey], owners));
            Entity::find().from_raw_sql(these).all(connection).await?
        }
    };
    rows.sort_unstable_by_key(|row| row.sequence);
    let mut found: HashMap<OwnerKey, Vec<Grant>> = HashMap::new();
    for row in rows {
        let request: Request = from_json(&row.body)?;
        if let Some(grant) = request.grant() {
            found.entry((row.owner_type, row.owner_key)).or_default().push(grant);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::request::{Action, Asked, Effect, Outcome};
    use crate::store::Migrator;
    use provost_domain::{Owner, Period};

    fn request(id: &str, owner: &str, effect: Effect, state: WorkflowState) -> Request {
        Request {
            id: id.into(),
            owner: Owner { entity_type: "Person".into(), key: owner.into(), display_name: owner.into() },
            kind: Kind::Role,
            name: id.into(),
            display_name: String::new(),
            action: Action::Give,
            asked: Asked { period: Period::default(), comment: String::new(), by: "eve".into() },
            period: Period::default(),
            effect,
            ends: vec![],
            steps: 1,
            state,
            since: Timestamp::from_millis(1),
            ending: None,
            counted: false,
            notes: vec![],
            decisions: vec![],
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1),
        }
    }

    #[tokio::test]
    async fn grants_are_what_is_approved_of_everybody_or_of_some() {
        use WorkflowState as S;
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let transaction = database.begin().await.unwrap();
            turn(&database, &transaction).await.unwrap();
            for request in [
                request("given", "E1", Effect::Gives, S::Approved),
                request("denied", "E1", Effect::Denies, S::Approved),
                request("ended", "E1", Effect::Ends, S::Approved),
                request("waiting", "E1", Effect::Gives, S::Requested),
                request("declined", "E1", Effect::Gives, S::Declined),
                request("over", "E1", Effect::Gives, S::Inactive),
                request("other", "E2", Effect::Gives, S::PendingApproval),
                request("third", "E3", Effect::Gives, S::Approved),
            ] {
                insert(&transaction, &request).await.unwrap();
            }
            let mut other = get(&transaction, "other").await.unwrap().unwrap();
            assert_eq!(other.approve(Timestamp::from_millis(2)), Outcome::Approved);
            save(&transaction, &other).await.unwrap();
            transaction.commit().await.unwrap();

            let key = |key: &str| ("Person".to_owned(), key.to_owned());
            let names = |found: &HashMap<OwnerKey, Vec<Grant>>| {
                let mut names: Vec<String> =
                    found.values().flatten().map(|grant| format!("{} {}", grant.request_id, grant.denied)).collect();
                names.sort();
                names
            };
            let all = grants(database.read(), database.engine(), None, None).await.unwrap();
            assert_eq!(names(&all), ["denied true", "given false", "other false", "third false"], "{}", engine.name);
            assert_eq!(all.get(&key("E1")).map(Vec::len), Some(2));
            let (one, three, nobody) = (key("E1"), key("E3"), key("E9"));
            let some = grants(database.read(), database.engine(), Some(&[&three, &nobody]), None).await.unwrap();
            assert_eq!(names(&some), ["third false"], "{}", engine.name);
            let more = grants(database.read(), database.engine(), Some(&[&one, &three]), None).await.unwrap();
            assert_eq!(names(&more), ["denied true", "given false", "third false"]);
            assert!(grants(database.read(), database.engine(), Some(&[]), None).await.unwrap().is_empty());

            // What is over counts on until nothing reaches back to its end.
            let transaction = database.begin().await.unwrap();
            let mut third = get(&transaction, "third").await.unwrap().unwrap();
            third.period.until = Some(Timestamp::from_millis(5));
            assert!(third.expire(Timestamp::from_millis(6)));
            save(&transaction, &third).await.unwrap();
            transaction.commit().await.unwrap();
            for (ended_after, found) in [(4, &["third false"][..]), (5, &[])] {
                let ended_after = Some(Timestamp::from_millis(ended_after));
                let all = grants(database.read(), database.engine(), Some(&[&three]), ended_after).await.unwrap();
                assert_eq!(names(&all), found, "{}", engine.name);
            }
            assert!(grants(database.read(), database.engine(), Some(&[&three]), None).await.unwrap().is_empty());

            // An open request for the same is refused by the table too.
            let transaction = database.begin().await.unwrap();
            let twice = Request { id: "another".into(), ..request("waiting", "E1", Effect::Gives, S::PendingApproval) };
            assert!(insert(&transaction, &twice).await.is_err(), "{}", engine.name);
        }
    }
}
