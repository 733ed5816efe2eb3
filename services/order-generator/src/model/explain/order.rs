//! Why an order is what it is: the rules that led to it as it was generated, what made it wait, who decided; and
//! what the rules say today, where that is another thing.
//!
//! The rule that must hold: what an order itself says of why is the truth of then; today never rewrites it.

use super::causes::failed;
use super::{Answer, Cause, CauseKind, Standing, words};
use crate::model::assign::{Assignment, Wish};
use crate::model::catalog::Catalog;
use provost_domain::{
    BlockCause, Change, ChangeOperation, Order, OrderKind, ProvisioningState, Reason, Timestamp, Value,
};

/// Everything that is looked at to explain one order.
#[derive(Clone, Copy)]
pub struct OrderAsk<'a> {
    /// The rules of today; none when there are none.
    pub catalog: Option<&'a Catalog>,
    /// The order as it was generated, with confidential values where they are still known.
    pub order: &'a Order,
    /// Where it stands.
    pub state: ProvisioningState,
    /// One sentence on that; may be empty.
    pub said: &'a str,
    /// The run that generated it.
    pub run: Option<&'a RunSeen>,
    /// What was done to it, oldest first.
    pub steps: &'a [Step],
    /// What the owner has, or shall have, of the same resource by the data of now; none when that cannot be told.
    pub today: Option<Today<'a>>,
}

/// What the rules say today.
#[derive(Clone, Copy)]
pub struct Today<'a> {
    /// The explanation of the resource type.
    pub answer: &'a Answer,
    /// The resource; none when the owner has none of that type.
    pub assignment: Option<&'a Assignment>,
}

/// The run that generated an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSeen {
    /// When it ran.
    pub at: Timestamp,
    /// Who started it.
    pub actor: String,
    /// It made every order wait for a review.
    pub force_review: bool,
    /// It waived reviews that resource types require.
    pub waive_review: bool,
    /// It went past broken thresholds without a look.
    pub force_thresholds: bool,
    /// The thresholds that it broke: the resource type, and a sentence.
    pub breaches: Vec<(String, String)>,
}

/// What somebody did to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What: `approved`, `declined`.
    pub event: String,
    /// Who.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// In which words.
    pub reason: String,
}

/// An order, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAnswer {
    /// The answer.
    pub sentence: String,
    /// The reasons, in the order in which they came to bear.
    pub causes: Vec<Cause>,
    /// What the rules say today of each change, in the order's order; empty when they say the same.
    pub changes: Vec<String>,
    /// How today differs, a sentence each.
    pub differences: Vec<String>,
}

impl OrderAsk<'_> {
    /// Explains the order.
    pub fn explain(&self) -> OrderAnswer {
        let changes: Vec<String> = self.order.changes.iter().map(|change| self.change_today(change)).collect();
        let mut differences: Vec<String> = self.difference().into_iter().collect();
        if differences.is_empty() {
            differences.extend(changes.iter().filter(|today| !today.is_empty()).cloned());
        }
        OrderAnswer { sentence: self.sentence(), causes: self.causes(), changes, differences }
    }

    fn sentence(&self) -> String {
        let Order { kind, resource_type, target_key, owner, connector, .. } = self.order;
        use ProvisioningState as S;
        let (does, did) = match kind {
            OrderKind::Addition => ("create", "created"),
            OrderKind::Association => ("link", "linked"),
            OrderKind::Update => ("change", "changed"),
            OrderKind::Deletion => ("delete", "deleted"),
        };
        let does = match self.state {
            S::Executed | S::Verified => did.to_owned(),
            S::Error | S::Errored | S::Inactive => format!("was to {does}"),
            S::None | S::Pending | S::Transmitted | S::AwaitingApproval => format!("is to {does}"),
        };
        let key = if target_key.is_empty() { String::new() } else { format!(" '{target_key}'") };
        let who = words::who(owner);
        format!("It {does} {resource_type}{key} of {who} in {connector}; {}.", words::state(self.state, self.said))
    }

    fn causes(&self) -> Vec<Cause> {
        let order = self.order;
        let mut causes: Vec<Cause> = order.why.iter().map(because).collect();
        causes.extend(order.rule_failure.as_ref().map(failed));
        if order.expired {
            let over = format!("its period was over on {}, before anything was written", words::until(order.period));
            causes.push(Cause::new(CauseKind::Over, over));
        }
        if let Some(decision) = order.arguments.get("reconciliation") {
            let asked = "a person decided that it is written".to_owned();
            causes.push(Cause::new(CauseKind::Decision, asked).about(decision));
        }
        causes.extend(order.block_causes.iter().map(|cause| self.blocked(*cause)));
        causes.extend(self.run.into_iter().flat_map(|run| self.by_run(run)));
        causes.extend(self.steps.iter().map(|step| {
            let words = words::comment(&step.reason);
            let sentence = format!("{} by {} on {}{words}", step.event, step.actor, words::at(step.at));
            Cause::new(CauseKind::History, sentence).done(&step.actor, step.at)
        }));
        causes
    }

    fn blocked(&self, cause: BlockCause) -> Cause {
        let sentence = match cause {
            BlockCause::ResourceType => format!("{} requires a review of every order", self.order.resource_type),
            BlockCause::Run => match self.run {
                Some(run) => format!("its run forced a review of everything, as {} wanted", run.actor),
                None => "its run forced a review of everything".to_owned(),
            },
            BlockCause::QueuedBehind => "another order of the same resource was waiting for a review".to_owned(),
            BlockCause::Confidence => {
                let today = self
                    .today
                    .and_then(|today| today.answer.causes.iter().find(|cause| cause.kind == CauseKind::Confidence));
                let sure = today.map_or_else(String::new, |cause| format!(": {}", cause.sentence));
                format!("a rule behind it has a confidence below 100{sure}")
            }
        };
        Cause::new(CauseKind::ReviewRequired, sentence)
    }

    fn by_run(&self, run: &RunSeen) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut say = |sentence: String| {
            causes
                .push(Cause::new(CauseKind::Run, sentence).done(&run.actor, run.at).about(&self.order.generation_run));
        };
        let kind = self.catalog.and_then(|catalog| catalog.resource_type(&self.order.resource_type));
        let is_reviewed = self.order.block_causes.contains(&BlockCause::ResourceType);
        if run.waive_review && !is_reviewed && kind.is_none_or(|kind| kind.review) {
            say(format!("its run waived the reviews that resource types require, as {} wanted", run.actor));
        }
        for (_, breach) in run.breaches.iter().filter(|(of, _)| *of == self.order.resource_type) {
            let how =
                if run.force_thresholds { "its run went past a threshold unseen" } else { "a threshold was let pass" };
            say(format!("{how}, as {} wanted: {breach}", run.actor));
        }
        causes
    }

    /// What today says of the resource as a whole, when that is another thing than the order.
    fn difference(&self) -> Option<String> {
        let Today { answer, assignment } = self.today?;
        let wish = assignment.map(|assignment| assignment.wish);
        let today = answer.sentence.trim_end_matches('.');
        match (self.order.kind, wish) {
            (OrderKind::Deletion, Some(Wish::Have)) => Some(format!("today the rules give it: {today}")),
            (OrderKind::Deletion, _) | (_, Some(Wish::Have | Wish::Later | Wish::Behind)) => match assignment {
                Some(assignment) if self.order.kind != OrderKind::Deletion => {
                    let (then, now) = (&self.order.target_key, &assignment.target_key);
                    (then != now && !then.is_empty() && !now.is_empty())
                        .then(|| format!("its key was '{then}', and is '{now}' today"))
                }
                _ => None,
            },
            // It says so itself.
            (_, Some(Wish::Past)) if self.order.expired => None,
            (_, Some(Wish::Unknown)) if self.order.rule_failure.is_some() => None,
            (_, Some(Wish::Unknown)) => Some(today.to_owned()),
            _ if answer.standing == Standing::Unknown => Some(today.to_owned()),
            _ => Some(format!("today the rules do not give it: {today}")),
        }
    }

    /// What today says of one change; empty when that is the same.
    fn change_today(&self, change: &Change) -> String {
        let Some(Today { assignment: Some(assignment), .. }) = self.today else { return String::new() };
        if assignment.wish != Wish::Have || assignment.leaves_open(&change.property) {
            return String::new();
        }
        let name = &change.property;
        let Some(assigned) = assignment.properties.get(name) else {
            return format!("{name}: no rule speaks of it today");
        };
        let policy = assigned.policy.as_ref();
        let is_confidential = change.sensitive || change.write_only;
        if is_confidential && change.proposed.is_none() && change.operation != ChangeOperation::Set {
            return String::new();
        }
        let items = |value: Option<&Value>| value.map(|value| value.items().to_vec()).unwrap_or_default();
        let (asked, today) = (items(change.proposed.as_ref()), items(policy));
        let named = |of: Vec<&Value>| of.iter().map(|item| words::value(Some(item))).collect::<Vec<_>>().join(", ");
        let said = match change.operation {
            ChangeOperation::Set => {
                let same = change.proposed.as_ref().map(Value::canonical) == policy.map(Value::canonical);
                // A confidential value that is no longer known cannot be compared.
                let is_lost = is_confidential && change.proposed.is_none();
                match (same || is_lost, is_confidential) {
                    (true, _) => String::new(),
                    (false, true) => "the rules say another value today".to_owned(),
                    (false, false) => {
                        let (then, now) = (words::value(change.proposed.as_ref()), words::value(policy));
                        format!("at generation {then}, today {now}")
                    }
                }
            }
            ChangeOperation::Add => match asked.iter().filter(|item| !today.contains(item)).collect::<Vec<_>>() {
                gone if gone.is_empty() => String::new(),
                _ if is_confidential => "not all of it is given today".to_owned(),
                gone => format!("{} is not given today", named(gone)),
            },
            ChangeOperation::Remove => match asked.iter().filter(|item| today.contains(item)).collect::<Vec<_>>() {
                given if given.is_empty() => String::new(),
                _ if is_confidential => "some of it is given again today".to_owned(),
                given => format!("{} is given again today", named(given)),
            },
        };
        match (said.as_str(), rule_of(&change.why), rule_of(&assigned.why)) {
            ("", Some(then), Some(now)) if then.rule != now.rule => {
                format!("{name}: the same, and today by {}", now.rule)
            }
            ("", ..) => String::new(),
            (_, _, Some(now)) if !now.detail.is_empty() && !is_confidential => {
                format!("{name}: {said} ({})", now.detail)
            }
            _ => format!("{name}: {said}"),
        }
    }
}

fn because(reason: &Reason) -> Cause {
    let kind = match reason.rule.as_str() {
        rule if rule.starts_with("request ") => CauseKind::GivenByRequest,
        rule if rule.starts_with("composite role ") && !rule.contains(" / ") => CauseKind::GivenByRole,
        rule if rule.contains(" / correlation") => CauseKind::Confidence,
        _ => CauseKind::GivenByRule,
    };
    let request = reason.rule.strip_prefix("request ").unwrap_or_default();
    Cause::new(kind, format!("{}{}", reason.rule, words::comment(&reason.detail))).about(request)
}

/// The rule that gave just this: the outermost of the chain.
fn rule_of(why: &[Reason]) -> Option<&Reason> {
    why.first()
}
