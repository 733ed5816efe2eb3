//! What of all that exists may be one owner's, what would be, and what speaks against it.
//!
//! The rules that must hold: what a person kept, or what classification takes for something else, is taken by a
//! person's word alone; nothing is surer than what speaks against it; and a rule that fails spoils no surer answer.

use super::{CERTAIN, Existing, Sorting};
use crate::model::catalog::{CONFIDENT, Name, ResourceType};
use crate::model::decision::{Decided, KeptFor};
use crate::model::evaluate::{Considered, ExistingSeen, Finding};
use crate::model::expected::Candidate;
use crate::model::known_order::{KnownOrder, declined_deletion};
use provost_domain::{InactiveReason, OrderKind, Owner, Reason, RuleFailure};
use std::collections::BTreeMap;
use std::fmt;

/// How sure anything is at most against a person's word.
const DOUBTFUL: u32 = CONFIDENT - 1;

/// Why a resource that is the owner's by its key or by rules is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A reviewer said that it is not this owner's.
    Denied,
    /// A person decided to delete it: who.
    ToBeDeleted(String),
    /// A person decided to delete it, and a reviewer declined that: who decided.
    DeletionDeclined(String),
    /// An order deletes it.
    Going,
    /// An order makes it another owner's.
    Anothers,
    /// A person kept it for somebody else: who that is, and who said so.
    KeptFor(String, String),
    /// Classification takes it for another type.
    IsAnother(Name),
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => to.write_str("a reviewer declined that it is this owner's"),
            Self::ToBeDeleted(by) => write!(to, "it is to be deleted, as decided by {by}"),
            Self::DeletionDeclined(by) => {
                write!(to, "its deletion, decided by {by}, was declined: decide again what becomes of it")
            }
            Self::Going => to.write_str("it is to be deleted"),
            Self::Anothers => to.write_str("an order makes it somebody else's"),
            Self::KeptFor(whose, by) => write!(to, "it is kept for {whose} by {by}"),
            Self::IsAnother(kind) => write!(to, "classification takes it for a {kind}"),
        }
    }
}

/// What existing resources may be one owner's of one resource type, and what each rule found, for whoever wants to
/// know why. `key` is what the rules say; may be empty.
pub(crate) fn seen(
    (kind, key): (&ResourceType, &str),
    owner: &Owner,
    decided: Decided<'_>,
    existing: &dyn Existing,
    saw: impl Fn(&ResourceType, usize) -> String,
) -> (Vec<Considered>, Vec<ExistingSeen>) {
    let weighed = Asked { kind, key, owner, decided, existing, is_given: true }.weighed();
    let mut rules: Vec<(usize, Considered)> = kind
        .correlation_rules
        .iter()
        .enumerate()
        .map(|(place, rule)| {
            let asks = format!("{} == {}, confidence {}", rule.source.source(), rule.target.source(), rule.confidence);
            let finding = match existing.text(kind, place) {
                Ok(Some(text)) if !existing.by_rule(kind, place, &text).is_empty() => Finding::Gives,
                Ok(_) => Finding::DoesNotApply,
                Err(failure) => Finding::Failed(failure),
            };
            (rule.number, Considered::looking(correlation_rule(kind, place), asks, saw(kind, place), finding))
        })
        .collect();
    rules.sort_by_key(|(number, _)| *number);
    let one = |Candidate { key, why, confidence, .. }: Candidate, refusal: Option<Refusal>| ExistingSeen {
        key,
        why,
        confidence,
        refusal: refusal.map(|refusal| refusal.to_string()),
    };
    let open = weighed.open.into_iter().map(|candidate| one(candidate, None));
    let closed = weighed.closed.into_iter().map(|(candidate, refusal)| one(candidate, Some(refusal)));
    (rules.into_iter().map(|(_, rule)| rule).collect(), open.chain(closed).collect())
}

/// What is asked for one owner and one resource type.
pub(super) struct Asked<'a> {
    pub(super) kind: &'a ResourceType,
    /// The key that the rules say; may be empty.
    pub(super) key: &'a str,
    pub(super) owner: &'a Owner,
    pub(super) decided: Decided<'a>,
    pub(super) existing: &'a dyn Existing,
    /// The rules give the owner one: then what is about to go is no candidate.
    pub(super) is_given: bool,
}

/// What was weighed for one owner and one resource type.
#[derive(Default)]
pub(super) struct Weighed {
    /// What may be the owner's, best first.
    pub(super) open: Vec<Candidate>,
    /// What would be, and why it is not taken.
    pub(super) closed: Vec<(Candidate, Refusal)>,
    /// The surest rule that failed, and how sure it is.
    pub(super) failed: Option<(u32, RuleFailure)>,
}

impl Weighed {
    /// The failure of a rule that could have found something surer than what is found.
    pub(super) fn spoilt_by(&self) -> Option<RuleFailure> {
        let best = self.open.first().map(|best| best.weight);
        let (_, failure) = self.failed.as_ref().filter(|(confidence, _)| best.is_none_or(|best| best < *confidence))?;
        Some(failure.clone())
    }

    /// Why nothing can stand under the owner's key: what stands there already must not be taken.
    pub(super) fn refused_key(&self, asked: &Asked<'_>) -> Option<RuleFailure> {
        let is_key = |one: &Candidate| one.why.rule == by_key(asked.kind).rule;
        // Whom an order of another one's concerns, and what goes by itself, is judged when it is there no more.
        let stays = |why: &Refusal| !matches!(why, Refusal::Going | Refusal::Anothers | Refusal::ToBeDeleted(_));
        let (refused, why) = self.closed.iter().find(|(one, why)| is_key(one) && stays(why))?;
        Some(RuleFailure {
            rule: format!("resource type {} / key", asked.kind.name),
            property: None,
            input: format!("key = '{}'", refused.key),
            message: format!(
                "{} '{}' stands under this key, and {why}{} give the owner another key",
                asked.kind.target,
                refused.key,
                if matches!(why, Refusal::DeletionDeclined(_)) { ", or" } else { ":" },
            ),
        })
    }

    /// That what stands under the owner's key is to be deleted by a person's decision: nobody gets it as it is.
    pub(super) fn behind(&self, asked: &Asked<'_>) -> Option<String> {
        let is_key = |one: &Candidate| one.why.rule == by_key(asked.kind).rule;
        let is_decided = |why: &Refusal| matches!(why, Refusal::ToBeDeleted(_) | Refusal::DeletionDeclined(_));
        let (refused, why) = self.closed.iter().find(|(one, why)| is_key(one) && is_decided(why))?;
        let what = format!("{} '{}' stands under this key, and {why}", asked.kind.target, refused.key);
        Some(format!("not created yet: {what}; it is created once that is gone"))
    }
}

impl Asked<'_> {
    /// What a person gave the owner.
    pub(super) fn given(&self) -> impl Iterator<Item = Candidate> {
        let given = self.decided.all.map(|all| all.given_to(self.owner, &self.kind.target)).unwrap_or_default();
        given.into_iter().map(|(key, decision)| {
            let detail = format!("given by {}", decision.by());
            Candidate::certain(key.to_owned(), Reason { rule: "reconciliation".to_owned(), detail })
        })
    }

    /// What may be the owner's, and what would be.
    pub(super) fn weighed(&self) -> Weighed {
        let Self { kind, key, existing, .. } = *self;
        let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
        let mut add = |candidate: Candidate| match found.get(&candidate.key) {
            Some(better) if better.weight >= candidate.weight => {}
            _ => {
                found.insert(candidate.key.clone(), candidate);
            }
        };
        let same_key = if key.is_empty() { vec![] } else { existing.by_key(kind, key) };
        // Just this key is surer than another spelling of it.
        let same_key = if same_key.iter().any(|one| one == key) { vec![key.to_owned()] } else { same_key };
        for key in same_key {
            add(Candidate::certain(key, by_key(kind)));
        }
        self.given().for_each(&mut add);
        let mut failed: Option<(u32, RuleFailure)> = None;
        for (place, rule) in kind.correlation_rules.iter().enumerate() {
            let text = match existing.text(kind, place) {
                Ok(text) => text.filter(|text| !text.is_empty()),
                Err(failure) => {
                    // They stand in the order of their confidence: the first is the surest.
                    failed = failed.or(Some((rule.confidence, failure)));
                    continue;
                }
            };
            let Some(text) = text else { continue };
            let why = correlation_reason(kind, place);
            for key in existing.by_rule(kind, place, &text) {
                add(Candidate { key, why: why.clone(), confidence: rule.confidence, weight: rule.confidence });
            }
        }
        let mut weighed = Weighed { failed, ..Weighed::default() };
        for mut candidate in found.into_values() {
            match self.doubt(&mut candidate) {
                Some(refusal) => weighed.closed.push((candidate, refusal)),
                None => weighed.open.push(candidate),
            }
        }
        weighed.open.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.key.cmp(&b.key)));
        weighed
    }

    /// Why a candidate is not taken; else it is made as unsure as whatever speaks against it.
    fn doubt(&self, candidate: &mut Candidate) -> Option<Refusal> {
        let Self { kind, owner, decided, existing, is_given, .. } = *self;
        let lane = existing.lane(kind, &candidate.key);
        let decision = decided.all.and_then(|all| all.of_resource(&kind.target, &candidate.key));
        if let Some(delete) = decision.filter(|decision| is_given && decision.deletes(lane)) {
            return Some(match declined_deletion(lane).is_some_and(|order| delete.at <= order.generated_at) {
                true => Refusal::DeletionDeclined(delete.by()),
                false => Refusal::ToBeDeleted(delete.by()),
            });
        }
        let under_way = lane.iter().rev().find(|order| order.is_under_way());
        if under_way.is_some_and(|order| !order.is_of(owner)) {
            return Some(Refusal::Anothers);
        }
        let is_deleted = under_way.is_some_and(|order| order.kind == OrderKind::Deletion);
        if is_given && is_deleted {
            return Some(Refusal::Going);
        }
        let kept = decision.and_then(|decision| Some((decision, decision.kept_for(owner)?)));
        match kept {
            Some((_, KeptFor::Owner)) => {}
            Some((by, KeptFor::Another(whose))) => {
                return Some(Refusal::KeptFor(format!("{} {}", whose.entity_type, whose.key), by.by()));
            }
            Some((by, KeptFor::Nobody)) if !is_given => return Some(Refusal::KeptFor("nobody".to_owned(), by.by())),
            Some((by, KeptFor::Nobody)) => {
                candidate.confidence = candidate.confidence.min(DOUBTFUL);
                candidate.why.detail = format!("{}; kept for nobody by {}", candidate.why.detail, by.by());
            }
            None => {}
        }
        // A person knows better than rules.
        let is_given = matches!(kept, Some((_, KeptFor::Owner)));
        let sorting = if is_given { Sorting::Is(CERTAIN) } else { existing.sorting(kind, &candidate.key) };
        let (most, doubt) = match sorting {
            Sorting::Another(other) => return Some(Refusal::IsAnother(other)),
            Sorting::Is(confidence) if confidence < CONFIDENT => {
                (confidence, format!("it is taken for a {} with confidence {confidence}", kind.name))
            }
            Sorting::Unsorted | Sorting::Not if !kind.classification_rules.is_empty() => {
                (0, format!("no classification rule takes it for a {}", kind.name))
            }
            Sorting::Failed(failure) => (0, format!("{} failed", failure.rule)),
            Sorting::Is(_) | Sorting::Unsorted | Sorting::Not => (CERTAIN, String::new()),
        };
        if most < candidate.confidence {
            candidate.confidence = most;
            candidate.why.detail = format!("{}; {doubt}", candidate.why.detail);
        }
        (candidate.confidence < CONFIDENT && is_denied(lane, owner)).then_some(Refusal::Denied)
    }
}

impl Candidate {
    pub(super) fn certain(key: String, why: Reason) -> Self {
        Self { key, why, confidence: CERTAIN, weight: CERTAIN }
    }

    /// By what the best of several is told: what is sure goes before what is not.
    pub(super) const fn rank(&self) -> (bool, u32) {
        (self.confidence >= CONFIDENT, self.weight)
    }
}

/// Why a resource is found by a correlation rule, by its place.
fn correlation_reason(kind: &ResourceType, place: usize) -> Reason {
    // Without the text itself, which may be confidential.
    let detail = kind
        .correlation_rules
        .get(place)
        .map(|rule| format!("{} is {}, confidence {}", rule.target.source(), rule.source.source(), rule.confidence));
    Reason { rule: correlation_rule(kind, place), detail: detail.unwrap_or_default() }
}

/// The name of a correlation rule, by its place.
pub(crate) fn correlation_rule(kind: &ResourceType, place: usize) -> String {
    let number = kind.correlation_rules.get(place).map_or(place + 1, |rule| rule.number);
    format!("resource type {} / correlation rule {number}", kind.name)
}

/// A reviewer said that the resource is not this owner's.
fn is_denied(lane: &[KnownOrder], owner: &Owner) -> bool {
    let mut own = lane.iter().rev().filter(|order| order.kind == OrderKind::Association && order.is_of(owner));
    own.find(|order| !matches!(order.inactive_reason, Some(InactiveReason::Cancelled | InactiveReason::Superseded)))
        .is_some_and(|order| order.inactive_reason == Some(InactiveReason::Declined))
}

pub(super) fn by_key(kind: &ResourceType) -> Reason {
    Reason { rule: format!("resource type {} / key", kind.name), detail: "a resource with this key exists".to_owned() }
}
