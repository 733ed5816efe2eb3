//! When a generation is too large to be true (domain.md, "Generating orders").
//!
//! Counted are the orders that would be written, per resource type and kind; and beside them the failures of
//! resources that exist. A feed that lost its keys, or half of its people, makes no deletions where a rule fails
//! instead (a reference that finds nobody): so many Errors at once are as little to be believed as so many
//! deletions, and the limit is that of deletions.
//!
//! Percents count against the resources of the type that exist: seen, or written and not seen yet. For additions they
//! do not apply until something of the type was written, since a first load is all additions; nor while nothing of it
//! is there. Of a handful they say nothing (`limits`): so few are let pass, but for deletions (and failures) of half
//! of what there is, or of all of it. A feed that lost half of its people takes nothing from a small organisation
//! either.

use super::{Catalog, Intent, LaneKey, Standing};
use crate::model::catalog::ResourceType;
use crate::model::known_order::KnownOrder;
use crate::model::limits::{FEW, are_few, at_most, lowest, percent_of};
use provost_domain::{OrderKind, ProvisioningState};
use std::collections::{BTreeMap, HashSet};

/// What a threshold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Resources that are created, or linked with their owner.
    Additions,
    /// Resources that are changed.
    Updates,
    /// Resources that are deleted.
    Deletions,
    /// Resources that exist, and for which a rule fails anew.
    Failures,
}

impl Counted {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Additions => "additions",
            Self::Updates => "updates",
            Self::Deletions => "deletions",
            Self::Failures => "failures",
        }
    }

    /// As what an intent counts: what it does, and beside it a failure. What is certain is written, and what failed
    /// counts all the same: a rule that fails for everybody is no less of a reason to stop because something else changed,
    /// too.
    pub fn of(intent: &Intent, standing: &Standing) -> impl Iterator<Item = Self> + use<> {
        let does = match intent.kind {
            _ if intent.failed || intent.expired => None,
            // Who goes live links what is there, as others create it: before that, nothing is anybody's.
            OrderKind::Addition | OrderKind::Association => Some(Self::Additions),
            OrderKind::Update => Some(Self::Updates),
            OrderKind::Deletion => Some(Self::Deletions),
        };
        let fails = (intent.has_failure && standing.exists).then_some(Self::Failures);
        does.into_iter().chain(fails)
    }
}

/// One threshold of a resource type, and what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The resource type.
    pub resource_type: String,
    /// What is counted.
    pub counted: Counted,
    /// How many there would be.
    pub count: usize,
    /// How many there may be; none when no limit applies.
    pub limit: Option<usize>,
    /// The limit as the catalog says it, or why none applies.
    pub rule: String,
    /// The percentage that does not apply, because it is the type's first load.
    pub waived_percent: Option<u32>,
}

impl Verdict {
    /// There are not more than there may be.
    pub fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.count <= limit)
    }

    /// What it breaks, if it does.
    pub fn breach(&self) -> Option<Breach> {
        let limit = self.limit.filter(|limit| self.count > *limit)?;
        let (resource_type, rule) = (self.resource_type.clone(), self.rule.clone());
        Some(Breach { resource_type, counted: self.counted.word(), count: self.count, limit, rule })
    }
}

/// A threshold that a generation breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The resource type.
    pub resource_type: String,
    /// "additions", "updates", "deletions" or "failures".
    pub counted: &'static str,
    /// How many orders there would be.
    pub count: usize,
    /// How many there may be.
    pub limit: usize,
    /// The limit as the catalog says it.
    pub rule: String,
}

/// How many there are of each kind, of one resource type.
#[derive(Clone, Copy, Default)]
struct Counts {
    additions: usize,
    updates: usize,
    deletions: usize,
    failures: usize,
    existing: usize,
    is_provisioned: bool,
}

/// What limits count against, of each resource type, by its place in the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// How many resources exist and are somebody's, whoever is generated for.
    pub existing: Vec<usize>,
    /// Whether anything was ever written.
    pub provisioned: Vec<bool>,
}

impl Inventory {
    /// How many resources exist and are somebody's, when these are the standings of everybody.
    pub fn existing(catalog: &Catalog, standings: &[Standing]) -> Vec<usize> {
        let mut existing = vec![0; catalog.resource_types().len()];
        for standing in standings.iter().filter(|standing| standing.exists) {
            if let Some(existing) = existing.get_mut(standing.kind) {
                *existing += 1;
            }
        }
        existing
    }

    /// Of which resource types something was written, as these lanes show it.
    pub fn provisioned(catalog: &Catalog, lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>) -> Vec<bool> {
        let is_written =
            |order: &&KnownOrder| matches!(order.state, ProvisioningState::Executed | ProvisioningState::Verified);
        let written: HashSet<&str> =
            lanes.values().flatten().filter(is_written).map(|order| &*order.resource_type).collect();
        catalog.resource_types().iter().map(|kind| written.contains(&*kind.name)).collect()
    }
}

/// The verdict on each resource type and kind that has anything to count.
pub fn verdicts(catalog: &Catalog, standings: &[Standing], inventory: &Inventory, new: &[Intent]) -> Vec<Verdict> {
    let mut counts = vec![Counts::default(); catalog.resource_types().len()];
    let Inventory { existing, provisioned } = inventory;
    for (counts, (existing, is_provisioned)) in counts.iter_mut().zip(existing.iter().zip(provisioned)) {
        (counts.existing, counts.is_provisioned) = (*existing, *is_provisioned);
    }
    for intent in new {
        let Some(standing) = standings.get(intent.place) else { continue };
        let Some(counts) = counts.get_mut(standing.kind) else { continue };
        for counted in Counted::of(intent, standing) {
            match counted {
                Counted::Additions => counts.additions += 1,
                Counted::Updates => counts.updates += 1,
                Counted::Deletions => counts.deletions += 1,
                Counted::Failures => counts.failures += 1,
            }
        }
    }
    catalog.resource_types().iter().zip(counts).flat_map(|(kind, counts)| of_type(kind, counts)).collect()
}

fn of_type(resource_type: &ResourceType, counts: Counts) -> impl Iterator<Item = Verdict> {
    let limits = &resource_type.thresholds;
    let counted = [
        (Counted::Additions, counts.additions, limits.additions, limits.additions_percent),
        (Counted::Updates, counts.updates, limits.updates, limits.updates_percent),
        (Counted::Deletions, counts.deletions, limits.deletions, limits.deletions_percent),
        (Counted::Failures, counts.failures, limits.deletions, limits.deletions_percent),
    ];
    let name = resource_type.name.to_string();
    counted.into_iter().filter_map(move |(counted, count, absolute, percent)| {
        let is_first_load = counted == Counted::Additions && (counts.existing == 0 || !counts.is_provisioned);
        let waived_percent = (percent > 0 && is_first_load).then_some(percent);
        let is_too_few = percent > 0 && !is_first_load && is_too_few(counted, count, counts.existing);
        let of_percent = if is_first_load || is_too_few { None } else { percent_of(percent, counts.existing) };
        let (limit, rule) = match (lowest([of_percent, at_most(absolute)]), waived_percent) {
            (Some((limit, rule)), _) => (Some(limit), rule),
            (None, Some(percent)) => (None, format!("first load: the {percent} % limit does not apply")),
            (None, None) if is_too_few => (None, format!("fewer than {FEW}: the {percent} % limit does not apply")),
            (None, None) => (None, "no limit is set".to_owned()),
        };
        let resource_type = name.clone();
        (count > 0).then_some(Verdict { resource_type, counted, count, limit, rule, waived_percent })
    })
}

/// A percentage says nothing of so few. Who takes away half of what there is, rounded down, is not let pass however
/// little there is, unless it is a single one: one leaver out of two is a leaver.
fn is_too_few(counted: Counted, count: usize, existing: usize) -> bool {
    let takes_half = match counted {
        Counted::Additions | Counted::Updates => false,
        Counted::Deletions | Counted::Failures => count > 1 && count >= existing / 2,
    };
    are_few(count) && !takes_half
}

/// What a run says of first loads, where a percentage would have counted.
pub(super) fn first_loads(verdicts: &[Verdict]) -> Vec<String> {
    let note = |Verdict { resource_type, count, waived_percent, .. }: &Verdict| {
        let percent = (*waived_percent)?;
        let what = format!("{resource_type}: {count} additions are its first load");
        Some(format!("{what}, to which the {percent} % limit does not apply"))
    };
    verdicts.iter().filter_map(note).collect()
}
