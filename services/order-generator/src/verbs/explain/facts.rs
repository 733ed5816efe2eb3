//! Everything that is known of one owner, read once.

use super::said::said;
use super::sources::{Source, of_today};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::evaluate::Explanation;
use crate::model::explain::{Ask, Blocked, Kept, OrderSeen, Rival, Said};
use crate::model::need::Need;
use crate::store::assignments::{self, Body, OwnerKey};
use crate::store::computations::Breach;
use crate::store::generations::{self, Generation};
use crate::store::{dependencies, from_json, orders, resources};
use crate::verbs::compute::{KnownOwner, of_now};
use crate::verbs::inputs::Batch;
use crate::verbs::permissions::Ordered;
use provost_contract::from_wire;
use provost_contract::types::v1::OrderEvent;
use provost_domain::{InactiveReason, Owner, Timestamp};
use provost_service_kit::Fault;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most others that are looked at for who has a resource.
const RIVALS_MAX: usize = 100;

/// What is known of one owner.
pub(super) struct Facts {
    pub(super) loaded: Arc<Loaded>,
    pub(super) owner: Owner,
    pub(super) now: Timestamp,
    /// None when the owner is gone.
    pub(super) seen: Option<Explanation>,
    pub(super) today: Vec<Assignment>,
    pub(super) sources: Vec<Source>,
    kept: Vec<Kept>,
    said: Vec<Said>,
    rivals: Vec<Rival>,
    blocked: Option<Blocked>,
}

impl Facts {
    /// Reads it.
    ///
    /// # Errors
    /// [`provost_service_kit::FaultKind::NotFound`] when nothing is known of such an owner;
    /// [`provost_service_kit::FaultKind::WrongState`] before the managed systems were read.
    pub(super) async fn of(generator: &Generator, loaded: Arc<Loaded>, key: &OwnerKey) -> Result<Self, Fault> {
        let connection = generator.database.read();
        let known = assignments::owner(connection, &key.0, &key.1).await?;
        let bodies = assignments::of_owner(connection, &key.0, &key.1).await?;
        let before = bodies.iter().map(Body::read).collect::<Result<Vec<_>, _>>()?;
        if known.is_none() && before.is_empty() && resources::get(connection, &key.0, &key.1).await?.is_none() {
            return Err(Fault::not_found(format!("{} '{}'", key.0, key.1)));
        }
        let (ground, today) = of_now(generator, Arc::clone(&loaded), key).await?;
        let batch = Batch::evaluated(generator, &ground, vec![key.clone()]).await?;
        let seen = batch.explained(generator).await?.into_iter().next().flatten();
        let owner = match (&seen, known, before.first()) {
            (Some(seen), ..) => seen.expected.owner.clone(),
            (None, Some(known), _) => from_json::<KnownOwner>(&known)?.owner,
            (None, None, Some(left)) => left.owner.clone(),
            (None, None, None) => Owner { entity_type: key.0.clone(), key: key.1.clone(), display_name: key.1.clone() },
        };
        let rivals = rivals(generator, &loaded, key, seen.as_ref()).await?;
        let kept = kept(generator, key, before).await?;
        let blocked = generations::newest(connection).await?.and_then(blocked);
        let sources = of_today(generator, &ground, key, seen.as_ref(), &today).await?;
        let said = said(generator, &ground, key, &today).await?;
        Ok(Self { loaded, owner, now: ground.now, seen, today, sources, kept, said, rivals, blocked })
    }

    pub(super) fn ask(&self) -> Ask<'_> {
        Ask {
            catalog: &self.loaded.catalog,
            owner: &self.owner,
            now: self.now,
            seen: self.seen.as_ref(),
            today: &self.today,
            kept: &self.kept,
            said: &self.said,
            rivals: &self.rivals,
            blocked: self.blocked.as_ref(),
        }
    }
}

/// Who else has what may be the owner's, as far as it is open: whatever else speaks against it is told without them.
async fn rivals(
    generator: &Generator,
    loaded: &Loaded,
    key: &OwnerKey,
    seen: Option<&Explanation>,
) -> Result<Vec<Rival>, Fault> {
    let types = seen.iter().flat_map(|seen| &seen.resource_types);
    let open = types.flat_map(|seen| {
        let target = loaded.catalog.resource_type(&seen.resource_type).map(|kind| &*kind.target);
        let existing = seen.existing.iter().filter(|one| one.refusal.is_none());
        existing.filter_map(move |one| Some((target?, one.key.as_str())))
    });
    let open: BTreeSet<(&str, &str)> = open.collect();
    if open.is_empty() {
        return Ok(vec![]);
    }
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    // Whoever has a resource was computed from it.
    let needs = open.iter().map(|(entity_type, key)| Need::resource(entity_type, key)).collect();
    let owners = dependencies::dependents(connection, engine, &needs).await?;
    let others: Vec<&OwnerKey> = owners.iter().filter(|owner| *owner != key).take(RIVALS_MAX).collect();
    let bodies = assignments::of_owners(connection, engine, &others).await?;
    let mut rivals = Vec::new();
    for body in bodies.values() {
        let rival = Rival::of(&body.read()?);
        rivals.extend(rival.filter(|rival| open.contains(&(rival.entity_type.as_str(), rival.key.as_str()))));
    }
    rivals.sort_by(|a, b| (&a.owner.entity_type, &a.owner.key).cmp(&(&b.owner.entity_type, &b.owner.key)));
    Ok(rivals)
}

/// What the last computation kept, with the newest order on each.
async fn kept(generator: &Generator, key: &OwnerKey, before: Vec<Assignment>) -> Result<Vec<Kept>, Fault> {
    let records = orders::of_owner(generator.database.read(), &key.0, &key.1).await?;
    let ordered = records.into_iter().map(Ordered::read).collect::<Result<Vec<_>, _>>()?;
    let mut kept = Vec::with_capacity(before.len());
    for assignment in before {
        let newest = ordered.iter().rev().find(|ordered| ordered.counts() && ordered.is_of(&assignment));
        let mut order = newest.map(seen);
        if let Some(order) = order.as_mut().filter(|order| order.inactive_reason == Some(InactiveReason::Declined)) {
            order.declined = declined(generator, &order.id).await;
        }
        kept.push(Kept { assignment, order });
    }
    Ok(kept)
}

fn seen(ordered: &Ordered) -> OrderSeen {
    OrderSeen {
        id: ordered.order.id.to_string(),
        kind: ordered.order.kind,
        properties: ordered.order.changes.iter().map(|change| change.property.clone()).collect(),
        state: ordered.known.state,
        inactive_reason: ordered.known.inactive_reason,
        said: ordered.said.clone(),
        declined: None,
    }
}

/// Who declined an order, when, and in which words. Only the ledger knows; that it is away is no reason to tell
/// nothing at all.
async fn declined(generator: &Generator, order_id: &str) -> Option<(String, Timestamp, String)> {
    let answer = generator.ledger.get(order_id).await.inspect_err(|fault| {
        tracing::info!(%fault, order_id, "who declined the order is not told");
    });
    let history = answer.ok()??.history;
    let entry = history.into_iter().rev().find(|entry| entry.event() == OrderEvent::Declined)?;
    Some((entry.actor, from_wire::timestamp(&entry.at?), entry.reason))
}

fn blocked(newest: Generation) -> Option<Blocked> {
    let Generation { id, at, actor, options, generated } = newest;
    generated.is_blocked(&options).then(|| Blocked {
        run: id,
        at,
        actor,
        breaches: generated.breaches.iter().map(breach).collect(),
    })
}

/// A broken threshold, in words.
pub(super) fn breach(Breach { resource_type, counted, count, limit, rule, .. }: &Breach) -> String {
    format!("{count} {counted} of {resource_type}, at most {limit} ({rule})")
}
