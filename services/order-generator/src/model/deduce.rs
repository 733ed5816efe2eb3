//! Which roles an owner seems to have: navigation rules read backwards (domain.md, "Computing the role model",
//! step 7).
//!
//! The rule that must hold: a role is deduced only from what no other role could have given, and only when
//! all that it gives is there.

use super::Catalog;
use super::assign::{Assignment, Wish};
use super::catalog::{Comparison, Name};
use super::comparison::{Comparisons, form};
use super::found::{Item, Kind};
use provost_domain::{Owner, Value, WorkflowState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A link: resource type, property, and the form of what is linked.
type Link = (Name, Name, Value);

/// The navigation rules of a catalog, read backwards.
#[derive(Debug, Default)]
pub struct Reversed {
    /// Who gives a link; none stands for a rule without a role.
    givers: HashMap<Link, BTreeSet<Option<Name>>>,
    /// What a role gives.
    links: BTreeMap<Name, BTreeSet<Link>>,
}

impl Reversed {
    /// Of a catalog.
    pub fn new(catalog: &Catalog) -> Self {
        let mut found = Self::default();
        for resource_type in catalog.resource_types() {
            let Some(target) = catalog.entity_type(&resource_type.target) else { continue };
            let comparisons = Comparisons::new(catalog, target, Some(resource_type));
            for rule in resource_type.navigation_rules.iter().filter(|rule| !rule.denied) {
                let mode = comparisons.of(&rule.property);
                let link = (
                    Name::clone(&resource_type.name),
                    Name::clone(&rule.property),
                    form(mode, &Value::String(rule.target.clone())).into_owned(),
                );
                let role = rule.role.as_ref().map(|role| Name::clone(&role.name));
                if let Some(role) = &role {
                    found.links.entry(Name::clone(role)).or_default().insert(link.clone());
                }
                found.givers.entry(link).or_default().insert(role);
            }
        }
        found
    }

    /// Nothing can be deduced.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The roles that an owner seems to have, by what was found on the owner's resources: lines for a person.
    /// `found` are the lines on links; `has` says whether the owner has a role already.
    pub fn roles(
        &self,
        catalog: &Catalog,
        owner: &Owner,
        assignments: &[&Assignment],
        found: &[Item],
        has: impl Fn(&str) -> bool,
    ) -> Vec<Item> {
        if self.is_empty() {
            return vec![];
        }
        let mode = |resource_type: &str, property: &str| {
            let kind = catalog.resource_type(resource_type);
            let target = kind.and_then(|kind| catalog.entity_type(&kind.target));
            target.map_or(Comparison::Exact, |target| Comparisons::new(catalog, target, kind).of(property))
        };
        let mut evidence: BTreeMap<Name, Vec<&Item>> = BTreeMap::new();
        for line in found.iter().filter(|line| line.kind == Kind::Property && line.current.is_some()) {
            let Some(linked) = line.item.as_ref().or(line.current.as_ref()) else { continue };
            let form = form(mode(&line.resource_type, &line.name), linked).into_owned();
            let link: Link = (line.resource_type.as_str().into(), line.name.as_str().into(), form);
            let givers = self.givers.get(&link).map(|givers| givers.iter().collect::<Vec<_>>()).unwrap_or_default();
            if let [Some(only)] = givers.as_slice() {
                evidence.entry(Name::clone(only)).or_default().push(line);
            }
        }
        evidence.retain(|role, _| !has(role));
        if evidence.is_empty() {
            return vec![];
        }
        let there: BTreeSet<Link> = assignments
            .iter()
            .filter(|one| matches!(one.wish, Wish::Have | Wish::Unknown | Wish::Found))
            .flat_map(|one| one.properties.iter().map(move |(name, property)| (one, name, property)))
            .flat_map(|(one, name, property)| {
                let mode = mode(&one.resource_type, name);
                let links = property.current.as_ref().map_or(&[][..], Value::items);
                links.iter().map(move |linked| {
                    (one.resource_type.as_str().into(), name.as_str().into(), form(mode, linked).into_owned())
                })
            })
            .collect();
        let is_whole = |role: &Name| self.links.get(role).is_some_and(|links| links.is_subset(&there));
        evidence
            .into_iter()
            .filter(|(role, _)| is_whole(role))
            .map(|(role, lines)| {
                let is_old = lines.iter().all(|line| line.workflow == WorkflowState::PreExisting);
                let links: Vec<String> = lines
                    .iter()
                    .filter_map(|line| line.item.as_ref().or(line.current.as_ref()))
                    .map(ToString::to_string)
                    .collect();
                Item {
                    kind: Kind::Role,
                    owner: owner.clone(),
                    resource_type: String::new(),
                    entity_type: String::new(),
                    target_key: String::new(),
                    name: role.to_string(),
                    item: None,
                    proposed: None,
                    current: Some(Value::String(role.to_string())),
                    workflow: if is_old { WorkflowState::PreExisting } else { WorkflowState::NonConforming },
                    note: format!("deduced from what was found: {}", links.join(", ")),
                    why: vec![],
                    links: lines.iter().map(|line| line.id()).collect(),
                }
            })
            .collect()
    }
}
