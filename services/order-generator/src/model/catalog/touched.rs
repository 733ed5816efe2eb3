//! Whom it can concern that a catalog was replaced by another one.
//!
//! Goes by what is declared otherwise, and errs on the side of too many. The rule that must hold: whoever is neither
//! of an entity type that is named, nor has a result that was computed from what is named, is given the same by both
//! catalogs, and for the same reasons.

use super::difference::{Sections, Tree, sections};
use super::{Catalog, Criteria, RoleRule};
use crate::model::need::Need;
use std::collections::{BTreeMap, BTreeSet};

/// Whom it concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Entity types, of which it is all owners.
    pub owner_types: BTreeSet<String>,
    /// It is those, too, whose results were computed from any of these.
    pub needs: BTreeSet<Need>,
}

impl Touched {
    /// Whether it concerns nobody.
    pub fn is_nobody(&self) -> bool {
        self.owner_types.is_empty() && self.needs.is_empty()
    }
}

/// What may differ in a connector without anybody being given anything else.
const OF_CONNECTORS: [&str; 2] = ["display_name", "thresholds"];
/// What may differ in a role, single or composite, and concerns at most those whom its rules are for.
const OF_ROLES: [&str; 2] = ["display_name", "rules"];
/// What may differ in a resource type, and concerns those who have it or shall have it.
const OF_HOLDERS: [&str; 12] = [
    "arguments",
    "depends_on",
    "depends_on_owner_property",
    "discard_manual_assignments",
    "display_name",
    "fulfill_ahead_hours",
    "navigation_rules",
    "priority",
    "review",
    "scalar_rules",
    "thresholds",
    "transmitted_validity_minutes",
];
/// What may differ in a resource type, and concerns any owner of its entity type.
const OF_OWNERS: [&str; 1] = ["type_rules"];

/// Whom it concerns that `after` takes the place of `before`; files are names and texts, each beside what they compile
/// to. None is everybody, and what nobody owns.
pub fn touched(before: (&[(&str, &str)], &Catalog), after: (&[(&str, &str)], &Catalog)) -> Option<Touched> {
    let (old, new) = (sections(before.0), sections(after.0));
    let catalogs = [before.1, after.1];
    let mut touched = Touched::default();
    for (section, name, old, new) in differing(&old, &new) {
        let keys = keys(old, new);
        let is_within = |known: &[&str]| keys.as_ref().is_some_and(|keys| keys.iter().all(|key| known.contains(key)));
        match section {
            // They decide instead of people, on what was computed.
            "automation_rules" => {}
            "connectors" if is_within(&OF_CONNECTORS) => {}
            "roles" | "composite_roles" => {
                for (owner, rules) in catalogs.iter().filter_map(|catalog| role(catalog, section, name)) {
                    if is_within(&["display_name"]) {
                        continue;
                    }
                    if is_within(&OF_ROLES) {
                        rules.iter().for_each(|rule| touched.criteria(catalogs, owner, &rule.criteria));
                    } else {
                        touched.owner_types.insert(owner.to_owned());
                    }
                }
            }
            "resource_types" if is_within(&OF_HOLDERS) => {
                touched.needs.insert(Need::resource_type(name));
            }
            "resource_types" if is_within(&[OF_HOLDERS.as_slice(), &OF_OWNERS].concat()) => {
                let owners = catalogs.iter().filter_map(|catalog| catalog.resource_type(name));
                touched.owner_types.extend(owners.map(|kind| kind.owner.to_string()));
            }
            _ => return None,
        }
    }
    let mut owner_types = after.1.owner_entity_types().into_iter();
    let is_everybody = owner_types.all(|owner| touched.owner_types.contains(&*owner.name));
    (!is_everybody || touched.owner_types.is_empty()).then_some(touched)
}

impl Touched {
    /// Whomever the criteria of a rule may be for: who has one of the values that it asks for.
    fn criteria(&mut self, catalogs: [&Catalog; 2], owner: &str, criteria: &Criteria) {
        let Some((place, values)) = criteria.dimensions.first() else {
            self.owner_types.insert(owner.to_owned());
            return;
        };
        // The list of dimensions is the same in both, or it concerns everybody.
        let Some(dimension) = catalogs.iter().find_map(|catalog| catalog.dimensions().get(*place)) else { return };
        self.needs.extend(values.iter().map(|value| Need::dimension(owner, dimension, Some(value))));
        self.needs.insert(Need::dimension(owner, dimension, None));
    }
}

/// Whose a role is, and its rules.
fn role<'a>(catalog: &'a Catalog, section: &str, name: &str) -> Option<(&'a str, &'a [RoleRule])> {
    if section == "roles" {
        return catalog.role(name).map(|role| (&*role.owner, role.rules.as_slice()));
    }
    catalog.composite_role(name).map(|role| (&*role.owner, role.rules.as_slice()))
}

type Differing<'a> = (&'a str, &'a str, &'a [Tree], &'a [Tree]);

/// What is not the same in both, with its section and its name.
fn differing<'a>(old: &'a Sections, new: &'a Sections) -> Vec<Differing<'a>> {
    let nothing: &'a [Tree] = &[];
    let names = |sections: &'a Sections| {
        sections.iter().flat_map(|(section, things)| things.keys().map(|name| (section.as_str(), name.as_str())))
    };
    let things = |sections: &'a Sections, section: &str, name: &str| {
        sections.get(section).and_then(|things| things.get(name)).map_or(nothing, Vec::as_slice)
    };
    let all: BTreeSet<(&str, &str)> = names(old).chain(names(new)).collect();
    let both =
        all.into_iter().map(|(section, name)| (section, name, things(old, section, name), things(new, section, name)));
    both.filter(|(_, _, old, new)| old != new).collect()
}

/// The keys that one thing has otherwise than the other; none where one of them is not there, or there is no telling.
fn keys<'a>(old: &'a [Tree], new: &'a [Tree]) -> Option<BTreeSet<&'a str>> {
    let ([Tree::Mapping(old)], [Tree::Mapping(new)]) = (old, new) else { return None };
    let of = |entries: &'a BTreeMap<String, Tree>| entries.keys().map(String::as_str);
    Some(of(old).chain(of(new)).filter(|key| old.get(*key) != new.get(*key)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CATALOG: &str = "
dimensions: [site, grade]
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, display_name: App, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - { name: Person, connector: hr, key: id, properties: [ { name: id, type: string }, { name: site, type: string }, { name: grade, type: string } ] }
  - { name: Device, connector: hr, key: id, properties: [ { name: id, type: string } ] }
  - { name: Account, connector: app, key: login, properties: [ { name: login, type: string }, { name: title, type: string } ] }
contexts:
  - { entity_type: Person, dimensions: { site: owner.site, grade: owner.grade } }
roles:
  - { name: clerk, owner: Person, rules: [ { dimensions: { site: [rome, oslo], grade: a } } ] }
  - { name: anybody, owner: Person, rules: [ {} ] }
composite_roles:
  - { name: staff, owner: Person, roles: [clerk], rules: [ { dimensions: { grade: [b] } } ] }
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: clerk } ]
    scalar_rules: [ { property: login, value: owner.id }, { property: title, value: owner.grade } ]
  - name: DeviceAccount
    owner: Device
    target: Account
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
automation_rules:
  - { role: clerk, state: requested, after_hours: 24, decision: approve }
";

    /// Whom it concerns that this text of the catalog becomes another one.
    fn of(old: &str, new: &str) -> Option<Touched> {
        assert!(CATALOG.contains(old), "{old}");
        let other = CATALOG.replacen(old, new, 1);
        let compiled = |text: &str| Catalog::compile(&[("a.yaml".to_owned(), text.to_owned())]).unwrap();
        let (before, after) = (compiled(CATALOG), compiled(&other));
        touched((&[("a.yaml", CATALOG)], &before), (&[("b.yaml", &other)], &after))
    }

    fn needs(needs: &[Need]) -> Option<Touched> {
        Some(Touched { needs: needs.iter().copied().collect(), ..Touched::default() })
    }

    fn owners(name: &str) -> Option<Touched> {
        Some(Touched { owner_types: [name.to_owned()].into(), ..Touched::default() })
    }

    #[test]
    fn nobody_is_concerned_by_what_gives_nothing() {
        for (old, new) in [
            ("app", "app"),
            ("display_name: App", "display_name: Application"),
            ("{ name: anybody, owner: Person", "{ owner: Person, name: anybody"),
            ("after_hours: 24", "after_hours: 48"),
            ("{ name: clerk, owner", "{ name: clerk, display_name: Clerks, owner"),
        ] {
            assert_eq!(of(old, new), Some(Touched::default()), "{old}");
        }
    }

    #[test]
    fn rule_of_a_role_concerns_whoever_has_what_it_asks_for_or_asked_for() {
        let site = |value| Need::dimension("Person", "site", value);
        let both = [site(Some("rome")), site(Some("oslo")), site(Some("bonn")), site(None)];
        assert_eq!(of("[rome, oslo]", "[rome, bonn]"), needs(&both));
        let grade = |value| Need::dimension("Person", "grade", value);
        assert_eq!(of("grade: [b]", "grade: [b, c]"), needs(&[grade(Some("b")), grade(Some("c")), grade(None)]));
        assert_eq!(of("rules: [ {} ]", "rules: [ { when: owner.grade == 'a' } ]"), owners("Person"));
    }

    #[test]
    fn role_that_is_new_or_gone_or_asked_for_otherwise_concerns_its_owners() {
        for (old, new) in [
            ("  - { name: anybody, owner: Person, rules: [ {} ] }\n", ""),
            ("composite_roles:\n", "composite_roles:\n  - { name: led, owner: Person, roles: [clerk] }\n"),
            ("{ name: anybody, owner: Person,", "{ name: anybody, owner: Person, grace_period: 72h,"),
            ("roles: [clerk]", "roles: [clerk, anybody]"),
        ] {
            assert_eq!(of(old, new), owners("Person"), "{old}");
        }
    }

    #[test]
    fn resource_type_concerns_its_holders_or_those_who_may_become_it() {
        let holders = |name: &str| needs(&[Need::resource_type(name)]);
        assert_eq!(of("value: owner.grade", "value: \"'x'\""), holders("AppAccount"));
        assert_eq!(of("    target: Account\n", "    target: Account\n    review: false\n"), holders("AppAccount"));
        assert_eq!(of("[ { role: clerk } ]", "[ { role: anybody } ]"), owners("Person"));
    }

    #[test]
    fn everybody_is_concerned_by_the_rest() {
        for (old, new) in [
            ("dimensions: [site, grade]", "dimensions: [site, grade, more]"),
            ("connectors:\n", "policy: { grace_period: 72h }\nconnectors:\n"),
            ("{ name: title,", "{ name: title, comparison: ignore_case,"),
            ("grade: owner.grade }", "grade: owner.site }"),
            ("    target: Account\n", "    target: Account\n    remove_orphans: true\n"),
            (
                "    target: Account\n",
                "    target: Account\n    correlation_rules: [ { source: owner.id, target: target.login } ]\n",
            ),
            ("package: sql", "package: ldap"),
        ] {
            assert_eq!(of(old, new), None, "{old}");
        }
    }
}
