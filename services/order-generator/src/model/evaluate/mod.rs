//! What the rules give one owner (domain.md, "Computing the role model", steps 1, 2 and 5): contexts, composite
//! and single roles, resource types, links, values, and the key by which each resource is found again.
//!
//! Leaves to others whether a resource's time has begun, what was there before and what is there now. The
//! rules that must hold: a rule that fails costs only what depends on it; every value says which rules made it
//! so, and no reason shows a confidential value; the order in which positions, grants and resources come makes
//! no difference.

mod arguments;
mod contexts;
mod criteria;
mod explain;
mod grace;
mod links;
mod resource;
mod roles;
mod rules;
mod spans;
#[cfg(test)]
mod tests;
mod trace;
mod unmet;
mod verdict;

pub use arguments::{OrderArguments, order_arguments, order_arguments_of_nobody};
pub use grace::{Before, RoleBefore, TypeBefore, fingerprint};
pub use rules::Rules;
pub use trace::{
    Considered, ContextSeen, DimensionSeen, ExistingSeen, Explanation, Finding, Outcome, PropertySeen,
    ResourceTypeSeen, RoleSeen,
};

use super::catalog::{Catalog, EntityType, ResourceType};
use super::expected::Expected;
use super::expression::{Expression, Facts, Scope, Session};
use super::grant::Grant;
use super::resource::{Lookup, Resource};
use contexts::Contexts;
use provost_domain::{Owner, RuleFailure, Timestamp};
use roles::Roles;
use rules::{Matching, OwnerRules};
use spans::Edges;
use std::sync::Arc;
use trace::Recorder;

/// Most characters of a name for people.
const DISPLAY_NAME_MAX: usize = 200;

/// What all owners are evaluated with.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The rules.
    pub catalog: &'a Catalog,
    /// The catalog's revision.
    pub revision: i64,
    /// The instant for which they are evaluated.
    pub now: Timestamp,
    /// Finds what navigations point at, and what query rules look for.
    pub lookup: &'a dyn Lookup,
    /// The rules by which owners were evaluated the last time, where those are others.
    pub former: Option<Former<'a>>,
}

/// The rules of an earlier revision.
#[derive(Clone, Copy)]
pub struct Former<'a> {
    /// The rules.
    pub catalog: &'a Catalog,
    /// Their revision.
    pub revision: i64,
}

/// What one owner is evaluated with.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The owner's entity type.
    pub entity_type: &'a str,
    /// The owner.
    pub owner: &'a Resource,
    /// Its positions, in any order: the resources whose navigation to their owner points at it. Nobody looks
    /// at them when the owner's context has no positions.
    pub positions: &'a [&'a Resource],
    /// What people decided, in any order.
    pub grants: &'a [Grant],
    /// What was computed the last time; none when nothing was, or when nothing shall be prolonged.
    pub before: Option<&'a Before>,
}

impl<'a> Case<'a> {
    /// An owner of which nothing else is known.
    pub const fn new(entity_type: &'a str, owner: &'a Resource) -> Self {
        Self { entity_type, owner, positions: &[], grants: &[], before: None }
    }
}

/// Evaluates all rules for one owner. `None` when the catalog has no such entity type.
pub fn evaluate(ground: &Ground<'_>, case: &Case<'_>) -> Option<Expected> {
    run(ground, case, Matching::ByIndex, None, |evaluation| evaluation.expected())
}

/// As [`evaluate`], without a word of why: for whoever only wants to know whether something is another than
/// before. `None` when the catalog has no such entity type.
pub fn evaluate_without_reasons(ground: &Ground<'_>, case: &Case<'_>) -> Option<Expected> {
    run(ground, case, Matching::ByIndex, None, |evaluation| {
        evaluation.has_reasons = false;
        evaluation.expected()
    })
}

/// Evaluates all rules for one owner, and tells of each what it said. `None` when the catalog has no such
/// entity type.
pub fn explain(ground: &Ground<'_>, case: &Case<'_>) -> Option<Explanation> {
    let recorder = Recorder::default();
    let (contexts, expected) = run(ground, case, Matching::Each, Some(&recorder), |evaluation| {
        (evaluation.contexts_seen(), evaluation.expected())
    })?;
    Some(recorder.into_explanation(contexts, expected))
}

/// The text that an expression over the owner and its main position yields: the owner's side of a correlation
/// rule. `None` when the catalog has no such entity type.
///
/// # Errors
/// When the rule fails.
pub fn text_of(
    ground: &Ground<'_>,
    case: &Case<'_>,
    rule: &str,
    expression: &Expression,
) -> Option<Result<Option<String>, RuleFailure>> {
    run(ground, case, Matching::ByIndex, None, |evaluation| {
        let session = evaluation.main();
        let text = expression.text(session);
        text.map_err(|message| explain::failure(session.scope(), rule.to_owned(), None, expression, false, message))
    })
}

/// What an expression over the owner and its main position reads, with the values that may be shown: as reasons say
/// it. Empty when the catalog has no such entity type.
pub fn inputs_of(ground: &Ground<'_>, case: &Case<'_>, expression: &Expression) -> String {
    let seen = run(ground, case, Matching::ByIndex, None, |evaluation| {
        explain::inputs(evaluation.main().scope(), expression, false)
    });
    seen.unwrap_or_default()
}

/// What went wrong with a rule over a resource, as `target`.
pub(crate) fn failure_on(scope: &Scope<'_>, rule: String, expression: &Expression, message: String) -> RuleFailure {
    explain::failure(scope, rule, None, expression, false, message)
}

/// A resource's name for people: its display name, or its key when that has none.
pub fn display_name(catalog: &Catalog, entity_type: &str, resource: &Resource, lookup: &dyn Lookup) -> String {
    let named = catalog.entity_type(entity_type).and_then(|entity_type| {
        let scope = Scope::new(catalog, entity_type, &resource.values, lookup);
        name(entity_type, &Session::new(&scope))
    });
    named.unwrap_or_else(|| resource.key.clone())
}

fn name(entity_type: &EntityType, session: &Session<'_>) -> Option<String> {
    let name = entity_type.display_name.as_ref()?.text(session).ok().flatten()?;
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return None;
    }
    Some(trimmed.chars().take(DISPLAY_NAME_MAX).collect())
}

/// One owner under evaluation.
struct Evaluation<'a> {
    ground: &'a Ground<'a>,
    case: &'a Case<'a>,
    entity_type: &'a EntityType,
    rules: &'a OwnerRules,
    facts: &'a Arc<Facts<'a>>,
    /// Evaluates what is said of the owner alone.
    owner: &'a Session<'a>,
    contexts: Contexts<'a>,
    /// By request.
    grants: Vec<&'a Grant>,
    has_grants: bool,
    has_reasons: bool,
    /// The single roles, as soon as they are judged.
    roles: Roles,
    /// In milliseconds.
    now: i64,
    edges: Edges,
    matching: Matching,
    recorder: Option<&'a Recorder>,
    /// What the rules of an earlier revision say of the owner as it is; asked only when something is lost.
    former: std::cell::OnceCell<Option<grace::ByFormerRules>>,
}

fn run<T>(
    ground: &Ground<'_>,
    case: &Case<'_>,
    matching: Matching,
    recorder: Option<&Recorder>,
    take: impl FnOnce(&mut Evaluation<'_>) -> T,
) -> Option<T> {
    let Ground { catalog, lookup, .. } = *ground;
    let entity_type = catalog.entity_type(case.entity_type)?;
    let rules = catalog.rules().of_owner(&entity_type.name)?;
    let now = ground.now.millis();
    let facts = Arc::new(Facts::new(entity_type, &case.owner.values));
    let positions = positions(catalog, entity_type, case);
    let scope = |position| Scope::of_owner(catalog, lookup, Arc::clone(&facts), position);
    // The owner alone when there are no positions: its name is still wanted.
    let mut scopes: Vec<Scope<'_>> = match &positions {
        Some((of, positions)) => {
            positions.iter().map(|position| scope(Some(Arc::new(Facts::new(of, &position.values))))).collect()
        }
        None => vec![],
    };
    if scopes.is_empty() {
        scopes.push(scope(None));
    }
    let sessions: Vec<Session<'_>> = scopes.iter().map(Session::new).collect();
    let owner = sessions.first()?;
    let positions = positions.map(|(_, positions)| positions);
    let contexts = Contexts::of(entity_type, catalog.dimensions(), positions.as_deref(), &sessions, now);
    let mut grants: Vec<&Grant> = case.grants.iter().collect();
    grants.sort_by(|a, b| (&a.request_id, a.denied).cmp(&(&b.request_id, b.denied)));
    let mut evaluation = Evaluation {
        ground,
        case,
        entity_type,
        rules,
        facts: &facts,
        owner,
        edges: Edges::after(now),
        contexts,
        has_grants: !grants.is_empty(),
        has_reasons: true,
        grants,
        roles: Roles::default(),
        now,
        matching,
        recorder,
        former: std::cell::OnceCell::new(),
    };
    Some(take(&mut evaluation))
}

/// The positions of an owner, by key, and what they are; none when its context has none.
fn positions<'a>(
    catalog: &'a Catalog,
    entity_type: &EntityType,
    case: &Case<'a>,
) -> Option<(&'a EntityType, Vec<&'a Resource>)> {
    let declared = entity_type.context.as_ref()?.positions.as_ref()?;
    let mut positions = case.positions.to_vec();
    positions.sort_by(|a, b| a.key.cmp(&b.key));
    Some((catalog.entity_type(&declared.entity_type)?, positions))
}

impl Evaluation<'_> {
    fn expected(&mut self) -> Expected {
        let catalog = self.ground.catalog;
        self.contexts.all.iter().for_each(|context| self.edges.span(context.span));
        let composites = self.composite_roles();
        self.roles = self.single_roles(&composites);
        let (types, links) = (self.candidates(&self.rules.types), self.candidates(&self.rules.links));
        let one = |place: &usize| {
            let resource_type: &ResourceType = catalog.resource_types().get(*place)?;
            let types = self.rules.types.for_place(&types, *place);
            let may_be_given = !types.is_empty() || self.has_grants || self.had_type(&resource_type.name).is_some();
            if !may_be_given && self.recorder.is_none() {
                return None;
            }
            self.resource(*place, resource_type, types, self.rules.links.for_place(&links, *place))
        };
        let places = catalog.resource_type_places_of(&self.entity_type.name);
        let mut resources: Vec<_> = places.iter().filter_map(one).collect();
        resources.sort_by(|a, b| a.resource_type.cmp(&b.resource_type));
        let owner = &self.case.owner;
        Expected {
            owner: Owner {
                entity_type: self.entity_type.name.to_string(),
                key: owner.key.clone(),
                display_name: name(self.entity_type, self.owner).unwrap_or_else(|| owner.key.clone()),
            },
            period: self.contexts.period(self.now),
            roles: self.expected_roles(&composites),
            resources,
            suspects: vec![],
            next_change: self.edges.next(),
            dimensions: self.contexts.told(catalog.dimensions()),
        }
    }
}
