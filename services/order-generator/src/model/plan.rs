//! Plans: what a generation would do, in a form that can be compared with what it would do later.
//!
//! The rule that must hold: what is applied is what was planned. An order of a plan is applied only when
//! computing anew still comes to that very order, and nothing else has come up that the plan, or the part of
//! it that is applied, does not say.

use super::generate::Intent;
use provost_domain::{BlockCause, Order, OrderId, OrderKind};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What would become of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It is created.
    Add = 1,
    /// It is proposed as this owner's.
    Associate = 2,
    /// It is changed.
    Change = 3,
    /// It is deleted.
    Delete = 4,
    /// An open order on it is cancelled.
    Cancel = 5,
    /// A rule fails: nothing is written.
    Fail = 6,
    /// The period was over before anything was written.
    Expire = 7,
}

impl Action {
    /// All, by their numbers.
    pub const ALL: [Self; 7] =
        [Self::Add, Self::Associate, Self::Change, Self::Delete, Self::Cancel, Self::Fail, Self::Expire];

    /// What an intent comes to.
    pub const fn of(intent: &Intent) -> Self {
        match intent.kind {
            _ if intent.failed => Self::Fail,
            _ if intent.expired => Self::Expire,
            OrderKind::Addition => Self::Add,
            OrderKind::Association => Self::Associate,
            OrderKind::Update => Self::Change,
            OrderKind::Deletion => Self::Delete,
        }
    }

    /// The action of a number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|action| *action as i32 == number)
    }

    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Associate => "=",
            Self::Change => "~",
            Self::Delete => "-",
            Self::Cancel => "x",
            Self::Fail => "!",
            Self::Expire => "o",
        }
    }
}

/// Makes fingerprints: digests that change with what an order says. Keyed, since what is confidential goes in.
#[derive(Clone, Debug)]
pub struct Fingerprints {
    secret: String,
}

impl Fingerprints {
    /// With a secret that no plan tells.
    pub const fn new(secret: String) -> Self {
        Self { secret }
    }

    fn of(&self, parts: &[&str]) -> String {
        let mut hash = Sha256::new();
        for part in std::iter::once(&self.secret.as_str()).chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Of an order, with the reasons for which it waits for a review.
    pub fn order(&self, action: Action, order: &Order, is_queued: bool) -> String {
        let mut causes: Vec<u8> = order.block_causes.iter().map(|cause| *cause as u8).collect();
        causes.extend(is_queued.then_some(BlockCause::QueuedBehind as u8));
        causes.sort_unstable();
        causes.dedup();
        self.of(&[action.sign(), &order.fingerprint(), &format!("{causes:?}")])
    }

    /// Of an order that is cancelled.
    pub fn cancelled(&self, id: OrderId) -> String {
        self.of(&[Action::Cancel.sign(), &id.to_string()])
    }

    /// Of what a plan is computed from.
    pub fn inputs(&self, inputs: &[(String, String)]) -> String {
        let parts: Vec<&str> = inputs.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
        self.of(&parts)
    }
}

/// What a plan's order is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// What is done.
    pub action: Action,
    /// The resource type.
    pub resource_type: String,
    /// The owner's entity type.
    pub owner_entity_type: String,
    /// The owner's key.
    pub owner_key: String,
    /// The target resource's key.
    pub target_key: String,
    /// The order to cancel; empty for the others.
    pub order_id: String,
    /// What the order says.
    pub fingerprint: String,
}

impl Mark {
    /// What it is about, whatever it says of that.
    fn subject(&self) -> Subject<'_> {
        (&self.resource_type, &self.owner_entity_type, &self.owner_key, &self.target_key, &self.order_id)
    }
}

type Subject<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, resource_type, owner_entity_type, owner_key, target_key, .. } = self;
        let key = if target_key.is_empty() { "without a key" } else { target_key };
        write!(f, "{} {resource_type} {key} of {owner_entity_type} {owner_key}", action.sign())
    }
}

/// A part of a plan: what meets each of the lists that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The owner's entity type.
    pub owner_entity_type: String,
    /// Owners' keys.
    pub owner_keys: Vec<String>,
    /// Resource types.
    pub resource_types: Vec<String>,
    /// Fingerprints, or their beginnings.
    pub fingerprints: Vec<String>,
}

impl Part {
    /// It is the whole.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// An order of this owner and resource type may be in it.
    pub fn has(&self, resource_type: &str, owner_entity_type: &str, owner_key: &str) -> bool {
        let is_one = |list: &[String], one: &str| list.is_empty() || list.iter().any(|known| known == one);
        (self.owner_entity_type.is_empty() || self.owner_entity_type == owner_entity_type)
            && is_one(&self.owner_keys, owner_key)
            && is_one(&self.resource_types, resource_type)
    }

    /// It is in it.
    pub fn holds(&self, mark: &Mark) -> bool {
        self.has(&mark.resource_type, &mark.owner_entity_type, &mark.owner_key)
            && (self.fingerprints.is_empty()
                || self.fingerprints.iter().any(|print| mark.fingerprint.starts_with(print.as_str())))
    }

    /// The names in it that none of the marks answers to: field and name.
    pub fn names_nothing(&self, marks: &[Mark]) -> Vec<(String, String)> {
        let missing = |field: &str, names: &[String], is_it: &dyn Fn(&Mark, &str) -> bool| {
            let absent = |(_, name): &(usize, &String)| !marks.iter().any(|mark| is_it(mark, name));
            let found = names.iter().enumerate().filter(absent);
            found.map(|(index, name)| (format!("{field}[{index}]"), name.clone())).collect::<Vec<_>>()
        };
        [
            missing("resource_types", &self.resource_types, &|mark, name| mark.resource_type == name),
            missing("owner_keys", &self.owner_keys, &|mark, name| mark.owner_key == name),
            missing("fingerprints", &self.fingerprints, &|mark, name| mark.fingerprint.starts_with(name)),
        ]
        .concat()
    }
}

/// What computing anew came to.
#[derive(Debug, Default)]
pub struct Anew {
    /// What would be done, in the order of the generation.
    pub marks: Vec<Mark>,
    /// Fingerprints of orders that the ledger has already, for the same.
    pub known: HashSet<String>,
    /// What this plan has submitted or cancelled before: of orders the subject, without an id.
    pub done: HashSet<[String; 4]>,
    /// Orders that cannot be cancelled any more, because they were.
    pub cancelled: HashSet<String>,
}

/// How a plan compares with what would be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The places among [`Anew::marks`] that are applied.
    pub apply: Vec<usize>,
    /// Marks of the part that need nothing any more.
    pub already: usize,
    /// Marks of the plan that are not in the part.
    pub left_out: usize,
    /// What is other than planned, a line each.
    pub differences: Vec<String>,
}

/// Compares a plan with what would be done now. `shown` is what the plan was limited to when it was made, `part`
/// what is to be applied of it.
pub fn compare(planned: &[Mark], anew: &Anew, shown: &Part, part: &Part) -> Comparison {
    let mut by_subject: HashMap<Subject<'_>, usize> = HashMap::with_capacity(anew.marks.len());
    by_subject.extend(anew.marks.iter().enumerate().map(|(place, mark)| (mark.subject(), place)));
    let mut comparison = Comparison::default();
    let mut planned_for: HashSet<Subject<'_>> = HashSet::with_capacity(planned.len());
    for mark in planned {
        planned_for.insert(mark.subject());
        if !part.holds(mark) {
            comparison.left_out += 1;
            continue;
        }
        let now = by_subject.get(&mark.subject()).and_then(|place| Some((*place, anew.marks.get(*place)?)));
        let subject = || {
            let Mark { resource_type, owner_entity_type, owner_key, target_key, .. } = mark;
            [resource_type, owner_entity_type, owner_key, target_key].map(String::clone)
        };
        let is_done = || match mark.action {
            Action::Cancel => anew.cancelled.contains(&mark.order_id),
            _ => anew.known.contains(&mark.fingerprint) || anew.done.contains(&subject()),
        };
        match now {
            Some((place, now)) if now.fingerprint == mark.fingerprint => comparison.apply.push(place),
            None if is_done() => comparison.already += 1,
            Some((_, now)) => comparison.differences.push(format!("changed: {now}")),
            None => comparison.differences.push(format!("gone: {mark}")),
        }
    }
    // A fingerprint names an order of the plan, and nothing that is new.
    if part.fingerprints.is_empty() {
        let is_ours =
            |mark: &&Mark| shown.has(&mark.resource_type, &mark.owner_entity_type, &mark.owner_key) && part.holds(mark);
        let new = anew.marks.iter().filter(is_ours).filter(|mark| !planned_for.contains(&mark.subject()));
        comparison.differences.extend(new.map(|mark| format!("new: {mark}")));
    }
    comparison.apply.sort_unstable();
    comparison.differences.sort();
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(action: Action, key: &str, says: &str) -> Mark {
        Mark {
            action,
            resource_type: "Account".into(),
            owner_entity_type: "Person".into(),
            owner_key: key.into(),
            target_key: key.to_lowercase(),
            order_id: if action == Action::Cancel { says.into() } else { String::new() },
            fingerprint: says.into(),
        }
    }

    fn anew(marks: &[Mark]) -> Anew {
        Anew { marks: marks.to_vec(), ..Anew::default() }
    }

    fn all(planned: &[Mark], anew: &Anew) -> Comparison {
        compare(planned, anew, &Part::default(), &Part::default())
    }

    #[test]
    fn what_is_as_planned_is_applied_in_the_order_of_the_generation() {
        let (ada, bob) = (mark(Action::Add, "ADA", "a1"), mark(Action::Delete, "BOB", "b1"));
        let comparison = all(&[bob.clone(), ada.clone()], &anew(&[ada, bob]));
        assert_eq!(comparison, Comparison { apply: vec![0, 1], ..Comparison::default() });
    }

    #[test]
    fn new_gone_and_changed_are_told_by_name() {
        let planned = [mark(Action::Add, "ADA", "a1"), mark(Action::Change, "BOB", "b1")];
        let now = anew(&[mark(Action::Change, "BOB", "b2"), mark(Action::Delete, "CYD", "c1")]);
        assert_eq!(
            all(&planned, &now).differences,
            [
                "changed: ~ Account bob of Person BOB",
                "gone: + Account ada of Person ADA",
                "new: - Account cyd of Person CYD"
            ]
        );
    }

    #[test]
    fn what_was_submitted_before_is_done() {
        let planned =
            [mark(Action::Add, "ADA", "a1"), mark(Action::Change, "BOB", "b1"), mark(Action::Cancel, "CYD", "order-1")];
        let now = Anew {
            known: HashSet::from(["a1".to_owned()]),
            done: HashSet::from([["Account", "Person", "BOB", "bob"].map(str::to_owned)]),
            cancelled: HashSet::from(["order-1".to_owned()]),
            ..Anew::default()
        };
        let comparison = all(&planned, &now);
        assert_eq!((comparison.already, comparison.apply.len(), comparison.differences.len()), (3, 0, 0));
    }

    #[test]
    fn only_the_named_part_is_compared() {
        let planned = [mark(Action::Add, "ADA", "a1"), mark(Action::Change, "BOB", "b1")];
        let now = anew(&[mark(Action::Change, "BOB", "b2"), mark(Action::Add, "ADA", "a1")]);
        let of_ada = Part { owner_keys: vec!["ADA".into()], ..Part::default() };
        let comparison = compare(&planned, &now, &Part::default(), &of_ada);
        assert_eq!(comparison, Comparison { apply: vec![1], left_out: 1, ..Comparison::default() });
        let by_print = Part { fingerprints: vec!["a".into()], ..Part::default() };
        assert_eq!(compare(&planned, &now, &Part::default(), &by_print), comparison);
    }

    #[test]
    fn what_the_plan_did_not_show_is_not_compared() {
        let planned = [mark(Action::Add, "ADA", "a1")];
        let now = anew(&[mark(Action::Add, "ADA", "a1"), mark(Action::Add, "BOB", "b1")]);
        let shown = Part { owner_keys: vec!["ADA".into()], ..Part::default() };
        assert!(compare(&planned, &now, &shown, &Part::default()).differences.is_empty());
        assert_eq!(all(&planned, &now).differences, ["new: + Account bob of Person BOB"]);
    }

    #[test]
    fn names_that_mean_nothing_are_found() {
        let part = Part {
            resource_types: vec!["Account".into(), "Acount".into()],
            owner_keys: vec!["EVE".into()],
            fingerprints: vec!["a".into()],
            ..Part::default()
        };
        assert_eq!(
            part.names_nothing(&[mark(Action::Add, "ADA", "a1")]),
            [("resource_types[1]".to_owned(), "Acount".to_owned()), ("owner_keys[0]".to_owned(), "EVE".to_owned())]
        );
    }

    #[test]
    fn fingerprints_depend_on_the_secret() {
        let id = OrderId::new(uuid::Uuid::nil());
        let [one, other] = ["one", "other"].map(|secret| Fingerprints::new(secret.into()).cancelled(id));
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
    }
}
