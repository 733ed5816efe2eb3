//! When the role model was computed and orders were generated, what came of it, and who waived or
//! forced what.

use super::entity::{computation, generation};
use super::{from_json, to_json};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a computation of the role model found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Computed {
    pub(crate) owners: i64,
    pub(crate) assigned_resources: i64,
    pub(crate) conforming: i64,
    pub(crate) differing: i64,
    pub(crate) failed: i64,
    pub(crate) verified: i64,
    pub(crate) non_conforming: i64,
}

/// The catalog revision that the newest computation evaluated; none before the first.
pub(crate) async fn newest_revision(connection: &impl ConnectionTrait) -> Result<Option<i64>, Fault> {
    Ok(newest(connection).await?.map(|newest| newest.revision))
}

/// The newest computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The catalog revision that it evaluated.
    pub(crate) revision: i64,
    /// The cursor of the order feed up to which it saw; none when it was not yet noted.
    pub(crate) orders_until: Option<i64>,
}

/// The newest computation; none before the first.
pub(crate) async fn newest(connection: &impl ConnectionTrait) -> Result<Option<Newest>, Fault> {
    let row = computation::Entity::find().order_by_desc(computation::Column::Sequence).one(connection).await?;
    Ok(row.map(|row| Newest { revision: row.catalog_revision, orders_until: row.orders_until }))
}

/// The sequence of the newest computation; none before the first.
pub(crate) async fn newest_sequence(connection: &impl ConnectionTrait) -> Result<Option<i64>, Fault> {
    let newest = computation::Entity::find().select_only().expr(computation::Column::Sequence.max());
    Ok(newest.into_tuple::<Option<i64>>().one(connection).await?.flatten())
}

/// When the newest generation was; none before the first.
pub(crate) async fn newest_generation(connection: &impl ConnectionTrait) -> Result<Option<i64>, Fault> {
    let newest = generation::Entity::find().select_only().expr(generation::Column::At.max());
    Ok(newest.into_tuple::<Option<i64>>().one(connection).await?.flatten())
}

/// When a computation was, and how much of the order feed it saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) orders_until: i64,
}

/// Keeps a computation.
pub(crate) async fn note_computation(
    connection: &impl ConnectionTrait,
    catalog_revision: i64,
    times: &Times,
    computed: &Computed,
) -> Result<(), Fault> {
    let Times { started_at, ended_at, orders_until } = *times;
    let row = computation::ActiveModel {
        catalog_revision: Set(catalog_revision),
        started_at: Set(started_at.millis()),
        ended_at: Set(ended_at.millis()),
        summary: Set(to_json(computed)?),
        orders_until: Set(Some(orders_until)),
        ..Default::default()
    };
    computation::Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

/// How a generation was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    /// Block everything until review.
    pub(crate) force_review: bool,
    /// Do not block because a resource type requires review.
    pub(crate) waive_review: bool,
    /// Go past broken thresholds.
    pub(crate) force_thresholds: bool,
    /// A person saw what the run held back, and let that pass, and nothing else.
    #[serde(default)]
    pub(crate) resumed: bool,
}

/// A threshold that a generation breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Breach {
    pub(crate) resource_type: String,
    pub(crate) counted: String,
    pub(crate) count: i64,
    pub(crate) limit: i64,
    pub(crate) rule: String,
    /// Of a run that somebody resumed: how many of them were not among what it had shown. None of any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unseen: Option<i64>,
}

/// What a generation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generated {
    pub(crate) submitted: i64,
    pub(crate) duplicates: i64,
    pub(crate) superseded: i64,
    pub(crate) cancelled: i64,
    /// Orders that the ledger refused, with its words for the first of them.
    pub(crate) rejected: i64,
    pub(crate) rejection: String,
    pub(crate) by_kind: BTreeMap<String, i64>,
    /// Something about the run that is worth a sentence.
    pub(crate) notes: Vec<String>,
    pub(crate) breaches: Vec<Breach>,
}

impl Generated {
    /// A threshold stopped it; nothing was submitted. What was let pass is what was seen: anything else of what
    /// breaks a threshold blocks again.
    pub(crate) fn is_blocked(&self, options: &Options) -> bool {
        let was_seen = |breach: &Breach| options.resumed && breach.unseen == Some(0);
        !options.force_thresholds && !self.breaches.iter().all(was_seen)
    }
}

/// When a generation last ran, and what it did or would have done.
pub(crate) async fn generation_at(
    connection: &impl ConnectionTrait,
    id: &str,
) -> Result<Option<(Timestamp, Generated)>, Fault> {
    let row = generation::Entity::find_by_id(id.to_owned()).one(connection).await?;
    row.map(|row| Ok((Timestamp::from_millis(row.at), from_json(&row.summary)?))).transpose()
}

/// Keeps a generation. The same id again (a job's task that ran twice) keeps the later one.
pub(crate) async fn note_generation(
    connection: &impl ConnectionTrait,
    id: &str,
    at: Timestamp,
    actor: &str,
    options: &Options,
    generated: &Generated,
) -> Result<(), Fault> {
    let row = generation::ActiveModel {
        id: Set(id.to_owned()),
        at: Set(at.millis()),
        actor: Set(actor.to_owned()),
        options: Set(to_json(options)?),
        summary: Set(to_json(generated)?),
    };
    generation::Entity::insert(row)
        .on_conflict(
            OnConflict::column(generation::Column::Id)
                .update_columns([
                    generation::Column::At,
                    generation::Column::Actor,
                    generation::Column::Options,
                    generation::Column::Summary,
                ])
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach(counted: &str, unseen: Option<i64>) -> Breach {
        let (resource_type, counted) = ("AppAccount".to_owned(), counted.to_owned());
        Breach { resource_type, counted, count: 80, limit: 3, rule: "30 % of 10 resources".into(), unseen }
    }

    #[test]
    fn only_what_was_seen_is_let_pass() {
        let generated = |breaches| Generated { breaches, ..Generated::default() };
        let resumed = Options { resumed: true, ..Options::default() };
        let (new, seen) = (|| breach("deletions", Some(1)), || breach("deletions", Some(0)));
        assert!(generated(vec![breach("deletions", None)]).is_blocked(&Options::default()));
        assert!(generated(vec![breach("deletions", None)]).is_blocked(&resumed), "nobody compared it");
        assert!(!generated(vec![seen()]).is_blocked(&resumed));
        assert!(generated(vec![seen()]).is_blocked(&Options::default()), "nobody let it pass");
        assert!(generated(vec![new()]).is_blocked(&resumed), "one came since");
        assert!(generated(vec![seen(), breach("updates", Some(2))]).is_blocked(&resumed), "another threshold");
        let forced = Options { force_thresholds: true, ..Options::default() };
        assert!(!generated(vec![new()]).is_blocked(&forced));
        assert!(!Generated::default().is_blocked(&Options::default()));
    }
}
