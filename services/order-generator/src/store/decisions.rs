//! What people decided on what was found: kept for ever, and of each item the newest stands. Baselines are kept among
//! them: who took what differed for found, when and why.
//!
//! The rule that must hold: a baseline is told and never computed with. What it did stands in the assignments.

use super::entity::decision::{ActiveModel, Column, Entity, Model};
use super::{from_json, to_json};
use crate::model::catalog::Name;
use crate::model::claims::OwnerKey;
use crate::model::decision::{Decision, Decisions};
use crate::model::found::Kind;
use crate::model::grant::{Grant, Granted};
use provost_domain::{Period, Timestamp, WorkflowState};
use provost_service_kit::{Engine, Fault};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A decision, and the item that it is on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) item_id: String,
    pub(crate) kind: Kind,
    /// Nobody decided otherwise since.
    pub(crate) is_standing: bool,
    pub(crate) decision: Decision,
}

/// That somebody took what differed on a day for found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptBaseline {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) comment: String,
    /// Empty for all.
    pub(crate) resource_type: String,
    /// How much it was.
    pub(crate) resources: i64,
    pub(crate) values: i64,
}

/// What of a baseline has no column.
#[derive(Serialize, Deserialize)]
struct BaselineBody {
    comment: String,
    resources: i64,
    values: i64,
}

/// The kind of a baseline, as decisions have kinds.
pub(crate) const BASELINE_KIND: i32 = 6;
/// What a baseline says, as decisions have verdicts.
pub(crate) const BASELINE_VERDICT: &str = "baseline";

/// One line of the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Decision(Box<Kept>),
    /// With its place among all.
    Baseline(i64, KeptBaseline),
}

impl Told {
    /// Its place among all.
    pub(crate) const fn sequence(&self) -> i64 {
        match self {
            Self::Decision(kept) => kept.decision.sequence,
            Self::Baseline(sequence, _) => *sequence,
        }
    }
}

fn told(row: Model) -> Result<Told, Fault> {
    if row.kind != BASELINE_KIND {
        return read(row).map(|kept| Told::Decision(Box::new(kept)));
    }
    let Model { sequence, id, resource_type, actor, at, body, .. } = row;
    let BaselineBody { comment, resources, values } = from_json(&body)?;
    let at = Timestamp::from_millis(at);
    Ok(Told::Baseline(sequence, KeptBaseline { id, at, actor, comment, resource_type, resources, values }))
}

fn read(row: Model) -> Result<Kept, Fault> {
    let kind = Kind::from_number(row.kind)
        .ok_or_else(|| Fault::internal(anyhow::anyhow!("the store holds a decision on the kind {}", row.kind)))?;
    let decision = Decision { sequence: row.sequence, ..from_json(&row.body)? };
    Ok(Kept { item_id: row.item_id, kind, is_standing: row.is_standing, decision })
}

/// The decisions that stand.
pub(crate) async fn standing(connection: &impl ConnectionTrait) -> Result<Decisions, Fault> {
    let rows =
        Entity::find().filter(Column::IsStanding.eq(true)).order_by_asc(Column::Sequence).all(connection).await?;
    let kept = rows.into_iter().map(|row| Ok(read(row)?.decision)).collect::<Result<Vec<_>, Fault>>()?;
    Ok(Decisions::new(kept))
}

/// The decisions that stand on these items, by item.
pub(crate) async fn on_items(
    connection: &impl ConnectionTrait,
    engine: Engine,
    items: &[&str],
) -> Result<HashMap<String, Decision>, Fault> {
    let mut found = HashMap::new();
    for chunk in items.chunks(engine.rows_per_statement(1)) {
        let query = Entity::find()
            .filter(Column::IsStanding.eq(true))
            .filter(Column::ItemId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Sequence);
        for row in query.all(connection).await? {
            let kept = read(row)?;
            found.insert(kept.item_id, kept.decision);
        }
    }
    Ok(found)
}

/// Adds decisions, which stand instead of those before on the same items.
pub(crate) async fn add(connection: &impl ConnectionTrait, engine: Engine, new: &[Kept]) -> Result<(), Fault> {
    for chunk in new.chunks(engine.rows_per_statement(12)) {
        let items: Vec<&str> = chunk.iter().map(|kept| kept.item_id.as_str()).collect();
        Entity::update_many()
            .col_expr(Column::IsStanding, Expr::value(false))
            .filter(Column::IsStanding.eq(true))
            .filter(Column::ItemId.is_in(items))
            .exec(connection)
            .await?;
        let rows = chunk.iter().map(row).collect::<Result<Vec<_>, Fault>>()?;
        Entity::insert_many(rows).exec_without_returning(connection).await?;
    }
    Ok(())
}

/// Adds a baseline.
pub(crate) async fn add_baseline(connection: &impl ConnectionTrait, new: KeptBaseline) -> Result<(), Fault> {
    let KeptBaseline { id, at, actor, comment, resource_type, resources, values } = new;
    let row = ActiveModel {
        sequence: NotSet,
        id: Set(id),
        item_id: Set(String::new()),
        // Those that stand are computed with.
        is_standing: Set(false),
        kind: Set(BASELINE_KIND),
        owner_type: Set(String::new()),
        owner_key: Set(String::new()),
        resource_type: Set(resource_type),
        property: Set(String::new()),
        verdict: Set(BASELINE_VERDICT.to_owned()),
        actor: Set(actor),
        at: Set(at.millis()),
        body: Set(to_json(&BaselineBody { comment, resources, values })?),
    };
    Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

fn row(kept: &Kept) -> Result<ActiveModel, Fault> {
    let Kept { item_id, kind, is_standing, decision } = kept;
    let (resource_type, property) = match &decision.subject {
        crate::model::decision::Subject::Property { resource_type, property, .. } => {
            (resource_type.clone(), property.clone())
        }
        crate::model::decision::Subject::Resource { .. } => (String::new(), String::new()),
        crate::model::decision::Subject::Role { role } => (String::new(), role.clone()),
    };
    Ok(ActiveModel {
        sequence: NotSet,
        id: Set(decision.id.clone()),
        item_id: Set(item_id.clone()),
        is_standing: Set(*is_standing),
        kind: Set(kind.number()),
        owner_type: Set(decision.of.entity_type.clone()),
        owner_key: Set(decision.of.key.clone()),
        resource_type: Set(resource_type),
        property: Set(property),
        verdict: Set(decision.verdict.name().to_owned()),
        actor: Set(decision.actor.clone()),
        at: Set(decision.at.millis()),
        body: Set(to_json(decision)?),
    })
}

/// What narrows a list of decisions. An empty field does not narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) kind: Option<i32>,
    pub(crate) owner_key: String,
    pub(crate) verdict: String,
    pub(crate) actor: String,
    pub(crate) only_standing: bool,
}

/// A page of decisions and baselines, newest first. `before` is the sequence of the last one of the page before; 0 begins.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    before: i64,
    limit: u64,
) -> Result<Vec<Told>, Fault> {
    let Filter { kind, owner_key, verdict, actor, only_standing } = filter;
    let mut query = Entity::find().order_by_desc(Column::Sequence).limit(limit);
    if before > 0 {
        query = query.filter(Column::Sequence.lt(before));
    }
    if let Some(kind) = kind {
        query = query.filter(Column::Kind.eq(*kind));
    }
    for (column, text) in [(Column::OwnerKey, owner_key), (Column::Verdict, verdict), (Column::Actor, actor)] {
        if !text.is_empty() {
            query = query.filter(column.eq(text.as_str()));
        }
    }
    if *only_standing {
        query = query.filter(Column::IsStanding.eq(true).or(Column::Kind.eq(BASELINE_KIND)));
    }
    query.all(connection).await?.into_iter().map(told).collect()
}

/// The roles that people let owners keep, as grants.
pub(crate) fn grants(decisions: &Decisions) -> HashMap<OwnerKey, Vec<Grant>> {
    let mut grants: HashMap<OwnerKey, Vec<Grant>> = HashMap::new();
    for (owner, role, decision) in decisions.on_roles().filter(|(.., decision)| decision.is_kept()) {
        grants.entry(owner.clone()).or_default().push(Grant {
            request_id: decision.id.clone(),
            what: Granted::Role(Name::from(role)),
            period: Period::default(),
            denied: false,
            workflow: WorkflowState::Approved,
            because: format!("found, and kept by {}", decision.by()),
        });
    }
    grants
}
