//! Going live: what differs in resources that were there before is taken for Pre-existing, and waits for people
//! instead of being written.
//!
//! Who said so, when and why is kept where decisions are kept, in the same transaction. The rule that must hold: only
//! what was found is taken for found. What an order of ours wrote, or is about to write, stays as it is.

use crate::generator::Generator;
use crate::model::baseline::take;
use crate::model::found::{Item, items};
use crate::model::known_order;
use crate::store::assignments::{self, Body};
use crate::store::changes::{self, Change};
use crate::store::decisions::{self, KeptBaseline};
use crate::store::{computations, found_items};
use crate::verbs::compute::{ROLE_MODEL, catalog};
use crate::verbs::known::lanes;
use crate::verbs::schema::unknown_name;
use provost_contract::Violations;
use provost_service_kit::{Fault, new_id};
use std::collections::HashMap;

/// Most characters of a comment.
const COMMENT_MAX: usize = 2_000;

/// How much was taken for Pre-existing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// Under which id that is kept among the decisions.
    pub(crate) decision_id: String,
    pub(crate) resources: i64,
    pub(crate) values: i64,
}

/// Takes what differs for Pre-existing; an empty resource type means all.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] for an unknown resource type;
/// [`provost_service_kit::FaultKind::WrongState`] before the role model was computed;
/// [`provost_service_kit::FaultKind::Conflict`] while it is computed.
pub(crate) async fn baseline(
    generator: &Generator,
    resource_type: &str,
    comment: &str,
    actor: &str,
) -> Result<Baseline, Fault> {
    let mut wrong = Violations::default();
    wrong.check_text("comment", comment, COMMENT_MAX);
    wrong.into_result(()).map_err(Fault::from)?;
    let loaded = catalog(generator).await?;
    if !resource_type.is_empty() && loaded.catalog.resource_type(resource_type).is_none() {
        let names: Vec<&str> = loaded.catalog.resource_types().iter().map(|kind| &*kind.name).collect();
        return Err(unknown_name("resource type", resource_type, names));
    }
    generator
        .alone(ROLE_MODEL, async {
            if computations::newest_revision(generator.database.read()).await?.is_none() {
                let early = "the role model was never computed; compute it first";
                return Err(Fault::wrong_state("role model", early));
            }
            let done = take_all(generator, resource_type, comment, actor).await?;
            tracing::info!(actor, comment, resource_type, done.resources, done.values, "taken for pre-existing");
            Ok(done)
        })
        .await
}

async fn take_all(generator: &Generator, resource_type: &str, comment: &str, actor: &str) -> Result<Baseline, Fault> {
    let loaded = catalog(generator).await?;
    let lanes = lanes(generator).await?;
    let before = assignments::assignments(generator.database.read()).await?;
    let mut done = Baseline { decision_id: new_id().to_string(), ..Baseline::default() };
    let mut after = Vec::new();
    let mut lines: Vec<Item> = Vec::new();
    for (key, body) in &before {
        let mut assignment = body.read()?;
        if !resource_type.is_empty() && assignment.resource_type != resource_type {
            continue;
        }
        let Some(kind) = loaded.catalog.resource_type(&assignment.resource_type) else { continue };
        let lane = (kind.connector.to_string(), kind.target.to_string(), assignment.target_key.clone());
        let lane = lanes.get(&lane).map_or(&[][..], Vec::as_slice);
        // An order of ours made it what it is.
        if known_order::newest_written(lane).is_some() {
            continue;
        }
        let values = take(&mut assignment);
        if values > 0 {
            done.resources += 1;
            done.values += values as i64;
            lines.extend(items(&assignment));
            after.push((key, Body::of(&assignment)));
        }
    }
    let engine = generator.database.engine();
    let transaction = generator.begin_alone().await?;
    let rows: Vec<_> = after.iter().map(|(key, body)| (*key, body)).collect();
    assignments::save(&transaction, &rows).await?;
    found_items::replace(&transaction, engine, &HashMap::new(), &lines).await?;
    let changed = after
        .iter()
        .map(|((entity_type, key, _), _)| Change::Owner { entity_type: entity_type.clone(), key: key.clone() });
    changes::note(&generator.database, &transaction, changed).await?;
    // As with decisions: who says so later is told later.
    generator.database.serialize(&transaction, "decisions").await?;
    let kept = KeptBaseline {
        id: done.decision_id.clone(),
        at: generator.clock.now(),
        actor: actor.to_owned(),
        comment: comment.to_owned(),
        resource_type: resource_type.to_owned(),
        resources: done.resources,
        values: done.values,
    };
    decisions::add_baseline(&transaction, kept).await?;
    transaction.commit().await?;
    Ok(done)
}
