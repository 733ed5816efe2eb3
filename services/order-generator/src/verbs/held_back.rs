//! What a threshold holds back: kept as a list for whoever decides, and compared with what there is to submit once
//! somebody has let it pass.
//!
//! The rule that must hold: who resumes a run lets through what it had shown. Of what breaks a threshold, a single
//! order that was not shown, or says something else than what was shown, blocks again, with a new list.

use super::generate::to_cancel;
use super::planned;
use super::survey::Survey;
use crate::generator::Generator;
use crate::model::generate::Counted;
use crate::store::computations::{self, Breach, Generated, Options};
use crate::store::{held_orders, jobs};
use futures::TryStreamExt;
use provost_contract::generator::v1::PlannedOrder;
use provost_service_kit::Fault;
use std::collections::{HashMap, HashSet};

/// Keeps what a blocked generation would have submitted and cancelled, in place of whatever was held before.
pub(super) async fn hold(
    generator: &Generator,
    survey: &Survey,
    options: &Options,
    actor: &str,
    generated: &Generated,
) -> Result<(), Fault> {
    let engine = generator.database.engine();
    let fingerprints = planned::fingerprints(generator).await?;
    let names = planned::Names::of(survey);
    let mut position = 1;
    let transaction = generator.begin_alone().await?;
    // Whoever let pass what was held before did not see this.
    jobs::forget_let_pass(&transaction, &survey.run.id).await?;
    held_orders::clear(&transaction).await?;
    let mut pieces = std::pin::pin!(survey.stored(generator, |orders| orders));
    while let Some(orders) = pieces.try_next().await? {
        let held: Vec<PlannedOrder> =
            orders.into_iter().map(|(intent, order)| planned::order(&fingerprints, &names, &intent, order)).collect();
        held_orders::add(&transaction, engine, &survey.run.id, position, &held).await?;
        position += held.len() as i64;
    }
    let held: Vec<PlannedOrder> = to_cancel(generator, &survey.decided.cancel)
        .await?
        .into_iter()
        .filter_map(|record| planned::cancelled(&fingerprints, record))
        .collect();
    held_orders::add(&transaction, engine, &survey.run.id, position, &held).await?;
    let now = generator.clock.now();
    computations::note_generation(&transaction, &survey.run.id, now, actor, options, generated).await?;
    Ok(transaction.commit().await?)
}

/// Says of each threshold that a resumed run breaks how many of what it counts the run had not shown.
///
/// # Errors
/// When the database fails.
pub(super) async fn compare(generator: &Generator, survey: &Survey, generated: &mut Generated) -> Result<(), Fault> {
    if generated.breaches.is_empty() {
        return Ok(());
    }
    let fingerprints = planned::fingerprints(generator).await?;
    let shown: HashSet<String> = held_orders::fingerprints(generator.database.read(), &survey.run.id).await?;
    if shown.is_empty() {
        // It was a synchronization that was let pass, or another run's list has taken the place of this one's.
        return Ok(());
    }
    let named = |breach: &Breach| ((breach.resource_type.clone(), breach.counted.clone()), 0);
    let mut unseen: HashMap<(String, String), i64> = generated.breaches.iter().map(named).collect();
    let mut pieces = std::pin::pin!(survey.stored(generator, |orders| orders));
    while let Some(orders) = pieces.try_next().await? {
        for (intent, order) in orders {
            let Some(standing) = survey.standings.get(intent.place) else { continue };
            let is_new = !shown.contains(&planned::fingerprint(&fingerprints, &intent, &order));
            for counted in Counted::of(&intent, standing) {
                let counted = unseen.get_mut(&(order.resource_type.clone(), counted.word().to_owned()));
                if let Some(unseen) = counted {
                    *unseen += i64::from(is_new);
                }
            }
        }
    }
    for breach in &mut generated.breaches {
        breach.unseen = unseen.get(&(breach.resource_type.clone(), breach.counted.clone())).copied();
    }
    Ok(())
}
