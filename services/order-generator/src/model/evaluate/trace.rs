//! How an evaluation came to its result: every rule that was considered, in order, and what it said. The
//! answer to "why" and to "why not".
//!
//! The rules that must hold: it is recorded while evaluating, by the same code, so it tells no other story;
//! and no confidential value is in it.

use super::Evaluation;
use super::contexts::Contexts;
use super::roles::Subject;
use super::spans::Spans;
use super::verdict::{Judged, Verdict};
use crate::model::catalog::{Criteria, Name, Property, ResourceType, RoleRef};
use crate::model::expected::{Expected, ExpectedResource, ExpectedValue};
use provost_domain::{Period, Reason, RuleFailure, Value, WorkflowState};
use std::cell::RefCell;
use std::sync::Arc;

/// What the rules give one owner, and how they came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What they give: the same as without an explanation.
    pub expected: Expected,
    /// The owner's contexts; by position, if it has any.
    pub contexts: Vec<ContextSeen>,
    /// Every composite role that such owners can have, in catalog order.
    pub composite_roles: Vec<RoleSeen>,
    /// Every single role that such owners can have, in catalog order.
    pub roles: Vec<RoleSeen>,
    /// Every resource type that such owners can have, in catalog order.
    pub resource_types: Vec<ResourceTypeSeen>,
}

/// One context of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextSeen {
    /// The key of the position behind it; none when the owner is its own context.
    pub position: Option<String>,
    /// When it counts.
    pub period: Period,
    /// Values are read from this one.
    pub is_main: bool,
    /// The dimensions of the catalog, in its order.
    pub dimensions: Vec<DimensionSeen>,
    /// Why it cannot be told; then all that the owner has fails.
    pub failure: Option<RuleFailure>,
}

/// The value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionSeen {
    /// The dimension.
    pub name: Name,
    /// Its value; none when it has none, or when that is confidential.
    pub value: Option<String>,
    /// It has one, which is confidential.
    pub is_withheld: bool,
}

/// One role, single or composite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSeen {
    /// The role.
    pub role: Name,
    /// What came out.
    pub outcome: Outcome,
    /// Everything that was considered, in order.
    pub considered: Vec<Considered>,
}

/// One resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceTypeSeen {
    /// The resource type.
    pub resource_type: Name,
    /// What came out.
    pub outcome: Outcome,
    /// Everything that was considered, in order.
    pub considered: Vec<Considered>,
    /// The properties that rules speak of, links among them; empty when the resource type is not given.
    pub properties: Vec<PropertySeen>,
    /// The correlation rules, as declared: what each of them found.
    pub correlation: Vec<Considered>,
    /// The existing resources that may be the owner's, or would be, best first.
    pub existing: Vec<ExistingSeen>,
}

/// One existing resource that is the owner's by its key, by a person's word or by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingSeen {
    /// Its key.
    pub key: String,
    /// By which rule, and on what.
    pub why: Reason,
    /// How sure that is, with all that speaks against it.
    pub confidence: u32,
    /// Why it is not taken, whatever else there is; none when it may be.
    pub refusal: Option<String>,
}

/// One property of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertySeen {
    /// The property.
    pub property: Name,
    /// What it shall be; none when it shall be empty, when no rule speaks of it now, or when it is confidential.
    pub value: Option<Value>,
    /// It has a value, which is confidential.
    pub is_withheld: bool,
    /// Everything that was considered, in order.
    pub considered: Vec<Considered>,
}

/// What came out for a role or a resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is given.
    Given {
        /// When.
        period: Period,
        /// How it came to be approved.
        workflow: WorkflowState,
    },
    /// It is not given.
    Refused,
    /// Nobody knows, since a rule failed.
    Failed(RuleFailure),
}

/// One rule, role or decision of a person that was considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The rule, as reasons name it.
    pub rule: String,
    /// What it asks for, in the words of the catalog; empty when it asks for nothing.
    pub asks: String,
    /// What it saw.
    pub saw: String,
    /// Of what does not apply: each part of what it asks for that does not hold, with what it saw.
    pub unmet: Vec<String>,
    /// What it said.
    pub finding: Finding,
    /// When that holds: now, else the next time, else the last; none when it never does.
    pub period: Option<Period>,
    pub(super) given: Spans,
}

/// What a rule said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It gives.
    Gives,
    /// It is not for this owner; of a rule that finds a resource by value: it finds none.
    DoesNotApply,
    /// It applies at another time than now.
    NotNow,
    /// It denies, whatever else gives.
    Denies,
    /// It would give, and something else counts.
    Overridden {
        /// What counts instead.
        by: String,
    },
    /// It could not be evaluated.
    Failed(RuleFailure),
}

impl Considered {
    pub(super) fn of(rule: String, saw: String, judged: &Judged, is_denied: bool) -> Self {
        let finding = match (&judged.failure, judged.given.is_empty()) {
            (_, false) if is_denied => Finding::Denies,
            (_, false) => Finding::Gives,
            (Some(failure), true) => Finding::Failed((**failure).clone()),
            (None, true) => Finding::DoesNotApply,
        };
        Self { rule, asks: String::new(), saw, unmet: vec![], finding, period: None, given: judged.given.clone() }
    }

    pub(super) fn asking(mut self, asks: String) -> Self {
        self.asks = asks;
        self
    }

    /// A rule that looks for existing resources, at any time.
    pub(crate) fn looking(rule: String, asks: String, saw: String, finding: Finding) -> Self {
        Self { rule, asks, saw, unmet: vec![], finding, period: None, given: Spans::default() }
    }

    fn dated(mut self, now: i64) -> Self {
        self.period = self.given.chosen(now).map(Period::from);
        self
    }
}

fn dated(considered: Vec<Considered>, now: i64) -> Vec<Considered> {
    considered.into_iter().map(|one| one.dated(now)).collect()
}

impl Outcome {
    pub(super) fn of(verdict: &Verdict, now: i64) -> Self {
        match (verdict.judged.failure_at(now), verdict.outcome(now)) {
            (Some(failure), _) => Self::Failed(failure.clone()),
            (None, Some((span, workflow))) => Self::Given { period: span.into(), workflow },
            (None, None) => Self::Refused,
        }
    }
}

impl RoleSeen {
    pub(super) fn of(subject: &Subject<'_>, verdict: &Verdict, now: i64, considered: Vec<Considered>) -> (bool, Self) {
        let role = Arc::clone(subject.name);
        let seen = Self { role, outcome: Outcome::of(verdict, now), considered: dated(considered, now) };
        (subject.is_composite, seen)
    }
}

/// Keeps what evaluation tells of itself.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    composite_roles: RefCell<Vec<RoleSeen>>,
    roles: RefCell<Vec<RoleSeen>>,
    resource_types: RefCell<Vec<ResourceTypeSeen>>,
}

impl Recorder {
    pub(super) fn role(&self, (is_composite, seen): (bool, RoleSeen)) {
        let kept = if is_composite { &self.composite_roles } else { &self.roles };
        kept.borrow_mut().push(seen);
    }

    pub(super) fn resource_type(
        &self,
        resource_type: &ResourceType,
        outcome: Outcome,
        considered: Vec<Considered>,
        now: i64,
    ) {
        self.resource_types.borrow_mut().push(ResourceTypeSeen {
            resource_type: Arc::clone(&resource_type.name),
            outcome,
            considered: dated(considered, now),
            properties: Vec::new(),
            correlation: Vec::new(),
            existing: Vec::new(),
        });
    }

    /// A property of the resource type that was recorded last.
    pub(super) fn property(
        &self,
        property: &Property,
        value: Option<&ExpectedValue>,
        considered: Vec<Considered>,
        now: i64,
    ) {
        let is_confidential = property.sensitive || property.write_only;
        let value = value.and_then(|value| value.value.clone());
        let seen = PropertySeen {
            property: Arc::clone(&property.name),
            is_withheld: is_confidential && value.is_some(),
            value: value.filter(|_| !is_confidential),
            considered: dated(considered, now),
        };
        if let Some(last) = self.resource_types.borrow_mut().last_mut() {
            last.properties.push(seen);
        }
    }

    pub(super) fn into_explanation(self, contexts: Vec<ContextSeen>, expected: Expected) -> Explanation {
        let failures = |seen: &mut ResourceTypeSeen| {
            // What fails later, a context or a value, decides as well.
            let of_it = |resource: &&ExpectedResource| resource.resource_type == seen.resource_type;
            if let Some(failure) = expected.resources.iter().find(of_it).and_then(|found| found.failure.clone()) {
                seen.outcome = Outcome::Failed(failure);
            }
        };
        let mut resource_types = self.resource_types.into_inner();
        resource_types.iter_mut().for_each(failures);
        Explanation {
            expected,
            contexts,
            composite_roles: self.composite_roles.into_inner(),
            roles: self.roles.into_inner(),
            resource_types,
        }
    }
}

impl Evaluation<'_> {
    /// What a rule with criteria said.
    pub(super) fn considered(
        &self,
        rule: String,
        role: Option<&RoleRef>,
        criteria: &Criteria,
        judged: &Judged,
        is_denied: bool,
    ) -> Considered {
        let mut saw = String::new();
        if let Some(role) = role {
            let held = self.roles.get(role.place).map(|held| held.judged());
            saw.push_str(match held {
                Some(held) if !held.given.is_empty() => "has role ",
                Some(_) => "may have role ",
                None => "does not have role ",
            });
            saw.push_str(&role.name);
        }
        for context in &self.contexts.all {
            self.append_seen(&mut saw, criteria, context);
        }
        let mut considered = Considered::of(rule, saw, judged, is_denied).asking(self.asks(role, criteria));
        if considered.finding == Finding::DoesNotApply {
            considered.unmet = self.unmet(role, criteria);
        }
        considered
    }

    fn asks(&self, role: Option<&RoleRef>, criteria: &Criteria) -> String {
        let mut asks: Vec<String> = role.map(|role| format!("role {}", role.name)).into_iter().collect();
        for (dimension, values) in &criteria.dimensions {
            let name = self.ground.catalog.dimensions().get(*dimension).map_or("", |name| name);
            asks.push(format!("dimension {name} in [{}]", values.join(", ")));
        }
        asks.extend(criteria.when.as_ref().map(|when| when.source().to_owned()));
        asks.join(", ")
    }

    pub(super) fn contexts_seen(&self) -> Vec<ContextSeen> {
        let Contexts { all, main, .. } = &self.contexts;
        let one = |(place, context): (usize, &super::contexts::Context<'_>)| ContextSeen {
            position: context.position.map(|position| position.key.clone()),
            period: context.period,
            is_main: *main == Some(place),
            dimensions: self
                .ground
                .catalog
                .dimensions()
                .iter()
                .enumerate()
                .map(|(dimension, name)| {
                    let value = context.dimension(dimension).ok().flatten().map(str::to_owned);
                    let is_withheld = value.is_some() && self.is_secret_dimension(dimension);
                    DimensionSeen { name: Arc::clone(name), value: value.filter(|_| !is_withheld), is_withheld }
                })
                .collect(),
            failure: context.failure.as_deref().cloned(),
        };
        all.iter().enumerate().map(one).collect()
    }
}
