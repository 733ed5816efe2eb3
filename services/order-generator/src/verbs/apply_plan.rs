//! Applying a plan: computing anew, comparing, and submitting exactly what the plan says, or a part of it.
//!
//! The rule that must hold: nobody gets anything that was not planned. When the inputs have moved and
//! something would be other than planned, nothing is kept and nothing submitted.

use super::compute::{Keep, ROLE_MODEL, catalog};
use super::generate::{self, by_kind, wait_for, wire_messages};
use super::plan::{Head, Plan, digest, of_catalog};
use super::planned;
use super::regenerate::Left;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::generate::{Intent, verdicts};
use crate::model::plan::{Action, Anew, Comparison, Mark, Part, compare};
use crate::store::computations::{Breach, Generated, Options};
use crate::store::orders;
use futures::TryStreamExt;
use provost_domain::{OrderId, ProvisioningState};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Most differences that a refusal names.
const NAMED_MAX: usize = 20;

/// What to apply.
pub(crate) struct Applied {
    pub(crate) head: Head,
    pub(crate) marks: Vec<Mark>,
    pub(crate) part: Part,
    pub(crate) force_thresholds: bool,
    pub(crate) actor: String,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) generated: Generated,
    pub(crate) blocked: bool,
    pub(crate) already: usize,
    pub(crate) left_out: usize,
    pub(crate) message: String,
}

impl Applied {
    /// Something that would be done is not named, or was not shown.
    fn is_part(&self) -> bool {
        !(self.part.is_all() && self.head.shown.is_all())
    }
}

/// Applies a plan, or a part of it.
///
/// # Errors
/// [`provost_service_kit::FaultKind::InvalidInput`] when the part names nothing;
/// [`provost_service_kit::FaultKind::WrongState`] when something would be other than planned;
/// [`provost_service_kit::FaultKind::Conflict`] while somebody computes or generates.
pub(crate) async fn apply_plan(generator: &Generator, applied: Applied) -> Result<Outcome, Fault> {
    let mut wrong = provost_contract::Violations::default();
    for (field, name) in applied.part.names_nothing(&applied.marks) {
        wrong.add(format!("only.{field}"), format!("the plan has no order of '{name}'"));
    }
    wrong.into_result(())?;
    let loaded = catalog(generator).await?;
    if !applied.head.catalog_digest.is_empty() {
        let files = generator.catalogs.stored().await?.map(|stored| stored.files).unwrap_or_default();
        if digest(&files) != applied.head.catalog_digest {
            let other = "the plan is of a catalog that is not the current one; apply that catalog, then plan again or \
                         apply the plan";
            return Err(Fault::wrong_state("plan", other));
        }
    }
    generator.alone(ROLE_MODEL, apply_alone(generator, loaded, applied)).await
}

async fn apply_alone(generator: &Generator, loaded: Arc<Loaded>, applied: Applied) -> Result<Outcome, Fault> {
    generate::forget_sensitive(generator).await?;
    let plan = of_catalog(generator, loaded, applied.head.clone(), Keep::Both, &|_, _| {}).await?;
    let anew = anew(generator, &plan, &applied.marks).await?;
    let comparison = compare(&applied.marks, &anew.0, &applied.head.shown, &applied.part);
    if !comparison.differences.is_empty() {
        return Err(refusal(&applied.head, &plan, &comparison.differences));
    }
    let chosen = Chosen::of(&plan, &anew, &comparison)?;
    let options = Options {
        force_review: applied.head.force_review,
        waive_review: applied.head.waive_review,
        force_thresholds: applied.force_thresholds,
        resumed: false,
    };
    let mut generated = Generated {
        duplicates: comparison.already as i64,
        breaches: chosen.breaches(&plan, &applied),
        by_kind: by_kind(&chosen.intents),
        ..Generated::default()
    };
    let (already, left_out) = (comparison.already, comparison.left_out);
    if generated.is_blocked(&options) {
        let broken = match applied.is_part() {
            true => "the plan breaks a threshold, and so each part of it does",
            false => "a threshold is broken",
        };
        let message = format!("nothing was submitted, because {broken}; force_thresholds goes past it");
        return Ok(Outcome { generated, blocked: true, already, left_out, message });
    }
    plan.everybody.keep(generator).await?;
    let until = generate::newest(generator).await?;
    let total = chosen.intents.len();
    let written = plan.written(&chosen.intents, wire_messages);
    let refused = generate::submit(generator, &applied.actor, total, written, &mut generated, &|_, _| {}).await?;
    generate::cancel(generator, &chosen.cancel, &mut generated).await?;
    wait_for(generator).await?;
    let is_whole = !applied.is_part();
    // Whatever was left out waits for the next generation.
    let left = is_whole.then(|| Left {
        until,
        seen: None,
        again: plan.survey.owners_of(&refused.ids),
        everybody_again: refused.are_more,
        existing: Some(plan.survey.existing()),
    });
    generate::note(generator, &plan.head.id, &applied.actor, &options, &generated, left).await?;
    tracing::info!(
        generation_run = plan.head.id,
        actor = applied.actor,
        submitted = generated.submitted,
        cancelled = generated.cancelled,
        left_out,
        options.force_review,
        options.waive_review,
        options.force_thresholds,
        "plan applied"
    );
    let message = said(&generated, already, left_out);
    Ok(Outcome { generated, blocked: false, already, left_out, message })
}

fn said(generated: &Generated, already: usize, left_out: usize) -> String {
    let mut said = match (generated.submitted + generated.cancelled, already) {
        (0, 0) => "nothing was submitted: there is nothing to do".to_owned(),
        (0, already) => format!("nothing new was submitted: what this plan says was ordered before ({already} orders)"),
        _ => format!("{} orders submitted, {} cancelled", generated.submitted, generated.cancelled),
    };
    if generated.submitted + generated.cancelled > 0 && already > 0 {
        said.push_str(&format!(", {already} ordered before"));
    }
    if left_out > 0 {
        said.push_str(&format!("; {left_out} orders of the plan were left out"));
    }
    if generated.rejected > 0 {
        let Generated { rejected, rejection, .. } = generated;
        said.push_str(&format!("; {rejected} refused by the ledger, the first because {rejection}"));
    }
    said
}

/// Where a mark of the new computation comes from.
enum Source {
    New(usize),
    Cancel(OrderId),
}

/// What would be done now, with where each of it comes from.
async fn anew(generator: &Generator, plan: &Plan, marks: &[Mark]) -> Result<(Anew, Vec<Source>), Fault> {
    let mut anew = Anew::default();
    let mut sources = Vec::new();
    let by_id: HashMap<OrderId, usize> =
        plan.survey.decided.new.iter().enumerate().map(|(place, intent)| (intent.id, place)).collect();
    let mut pieces = std::pin::pin!(plan.written(&plan.survey.decided.new, |orders| orders));
    while let Some(orders) = pieces.try_next().await? {
        for (intent, order) in orders {
            let action = Action::of(&intent);
            let fingerprint = plan.fingerprints.order(action, &order, intent.is_queued);
            let Some(place) = by_id.get(&intent.id) else { continue };
            sources.push(Source::New(*place));
            anew.marks.push(Mark {
                action,
                resource_type: order.resource_type,
                owner_entity_type: order.owner.entity_type,
                owner_key: order.owner.key,
                target_key: order.target_key,
                order_id: String::new(),
                fingerprint,
            });
        }
    }
    for record in &plan.cancel {
        let planned = planned::cancelled(&plan.fingerprints, record.clone());
        let Some((planned, mark)) = planned.and_then(|planned| Some((planned.clone(), planned::mark(&planned)?)))
        else {
            continue;
        };
        let id = planned.order.and_then(|order| order.order_id.parse().ok());
        if let Some(id) = id {
            sources.push(Source::Cancel(id));
            anew.marks.push(mark);
        }
    }
    let mut pieces = std::pin::pin!(plan.written(&plan.survey.decided.known, |orders| orders));
    while let Some(orders) = pieces.try_next().await? {
        for (intent, order) in orders {
            // The ledger's own order is what this one would be queued behind.
            for is_queued in [false, true] {
                anew.known.insert(plan.fingerprints.order(Action::of(&intent), &order, is_queued));
            }
        }
    }
    for record in orders::of_run(generator.database.read(), &plan.head.id).await? {
        let Some(order) = record.order else { continue };
        let owner = order.owner.unwrap_or_default();
        anew.done.insert([order.resource_type, owner.entity_type, owner.key, order.target_key]);
    }
    anew.cancelled = over(generator, marks).await?;
    Ok((anew, sources))
}

/// Of the orders that a plan cancels, those that are over.
async fn over(generator: &Generator, marks: &[Mark]) -> Result<HashSet<String>, Fault> {
    let cancelled = marks.iter().filter(|mark| mark.action == Action::Cancel);
    let ids: Vec<&str> = cancelled.map(|mark| mark.order_id.as_str()).collect();
    let glances = orders::glances_of(generator.database.read(), generator.database.engine(), &ids).await?;
    let is_over = |state: i32| ProvisioningState::from_number(state).is_none_or(ProvisioningState::is_final);
    Ok(glances.into_iter().filter(|glance| is_over(glance.state)).map(|glance| glance.order_id).collect())
}

/// The part of a plan that is applied.
struct Chosen {
    intents: Vec<Intent>,
    cancel: Vec<OrderId>,
}

impl Chosen {
    fn of(plan: &Plan, (anew, sources): &(Anew, Vec<Source>), comparison: &Comparison) -> Result<Self, Fault> {
        let (mut intents, mut cancel) = (Vec::new(), Vec::new());
        for place in &comparison.apply {
            match sources.get(*place) {
                Some(Source::New(place)) => intents.extend(plan.survey.decided.new.get(*place).cloned()),
                Some(Source::Cancel(id)) => cancel.push(*id),
                None => {}
            }
        }
        let chosen: HashSet<OrderId> = intents.iter().map(|intent| intent.id).collect();
        let new: BTreeMap<OrderId, &Mark> = sources
            .iter()
            .zip(&anew.marks)
            .filter_map(|(source, mark)| match source {
                Source::New(place) => Some((plan.survey.decided.new.get(*place)?.id, mark)),
                Source::Cancel(_) => None,
            })
            .collect();
        for intent in &intents {
            let missing = intent.depends_on.iter().filter(|on| !chosen.contains(*on)).find_map(|on| new.get(on));
            if let (Some(first), Some(second)) = (missing, new.get(&intent.id)) {
                let message = format!("{second} goes after {first}, which is not in the part; name that too");
                return Err(Fault::invalid("only", message));
            }
        }
        Ok(Self { intents, cancel })
    }

    /// The thresholds that it breaks. What is too much to be true as a whole is not let pass piece by piece; where
    /// nothing is left to do, nothing is too much.
    fn breaches(&self, plan: &Plan, applied: &Applied) -> Vec<Breach> {
        if self.intents.is_empty() && self.cancel.is_empty() {
            return vec![];
        }
        let survey = &plan.survey;
        if applied.is_part() {
            return survey.decided.breaches().into_iter().map(generate::breach).collect();
        }
        let inventory = &survey.decided.inventory;
        let verdicts = verdicts(&survey.loaded.catalog, &survey.standings, inventory, &self.intents);
        verdicts.iter().filter_map(|verdict| verdict.breach()).map(generate::breach).collect()
    }
}

/// Something would be other than planned: which inputs have moved, and the first differences by name.
fn refusal(planned: &Head, now: &Plan, differences: &[String]) -> Fault {
    let value = |inputs: &[(String, String)], name: &str| {
        inputs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let names = planned.inputs.iter().chain(&now.head.inputs).map(|(name, _)| name.as_str());
    let mut moved: Vec<&str> =
        names.filter(|name| value(&planned.inputs, name) != value(&now.head.inputs, name)).collect();
    moved.sort_unstable();
    moved.dedup();
    let why = match moved.as_slice() {
        [] => "time has gone on".to_owned(),
        moved => format!("moved since it was made: {}", moved.join(", ")),
    };
    let mut named = differences.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more @ 1..) = differences.len().checked_sub(NAMED_MAX) {
        named.push_str(&format!("; and {more} more"));
    }
    let message = format!("nothing was done: the plan is out of date ({why}). {named}. Plan again");
    Fault::wrong_state(format!("plan {}", planned.id), message)
}
