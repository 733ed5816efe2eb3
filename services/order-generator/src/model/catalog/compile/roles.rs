//! Roles, single and composite. One name space: a rule, a request or a person says a name alone.

use super::shapes::Shapes;
use super::{Name, Reader, Taken, Text, declaration, unknown};
use crate::model::catalog::{CompositeRole, EntityType, Policy, Role, RoleRef, RoleRule};
use std::collections::HashMap;
use std::sync::Arc;

/// The roles of both kinds.
pub(super) struct Roles {
    pub(super) roles: Vec<Role>,
    pub(super) composite_roles: Vec<CompositeRole>,
    places: HashMap<Name, RoleRef>,
}

impl Roles {
    /// Compiles them.
    pub(super) fn compile(
        reader: &mut Reader<'_>,
        shapes: &Shapes<'_>,
        policy: Policy,
        declared: Vec<declaration::Role>,
        composite: Vec<declaration::CompositeRole>,
    ) -> Self {
        let mut taken = Taken::default();
        let mut found = Self { roles: Vec::new(), composite_roles: Vec::new(), places: HashMap::new() };
        for declared in declared {
            let is_new = taken.take(reader, "role", &declared.name, "");
            let Some(owner) = shapes.named(reader, declared.owner.as_ref()) else {
                reader.spoilt.insert(declared.name.text);
                continue;
            };
            let rules = role_rules(reader, shapes, &declared.rules, owner);
            if is_new {
                let role = role(declared, owner, rules, policy);
                let place = RoleRef { name: Arc::clone(&role.name), place: found.roles.len() };
                found.places.insert(Arc::clone(&role.name), place);
                found.roles.push(role);
            }
        }
        let composite_names: Vec<String> = composite.iter().map(|declared| declared.role.name.text.clone()).collect();
        for declaration::CompositeRole { role: declared, roles } in composite {
            let is_new = taken.take(reader, "role", &declared.name, "");
            let Some(owner) = shapes.named(reader, declared.owner.as_ref()) else {
                reader.spoilt.insert(declared.name.text);
                continue;
            };
            let rules = role_rules(reader, shapes, &declared.rules, owner);
            let mut given: Vec<RoleRef> = Vec::new();
            for named in &roles {
                if composite_names.contains(&named.text) && !found.places.contains_key(named.text.as_str()) {
                    let message = format!("'{}' is a composite role itself", named.text);
                    reader.wrong(
                        &named.place,
                        message,
                        "name its single roles: composite roles hold single roles only",
                    );
                    continue;
                }
                let Some(role) = found.named(reader, named, owner) else { continue };
                if given.contains(&role) {
                    let message = format!("role '{}' is given twice", named.text);
                    reader.wrong(&named.place, message, "keep one of them");
                    continue;
                }
                given.push(role);
            }
            if is_new {
                found.composite_roles.push(composite_role(role(declared, owner, rules, policy), given));
            }
        }
        found
    }

    /// The single role that a text names, for those owners; or a problem.
    pub(super) fn named(&self, reader: &mut Reader<'_>, named: &Text, owner: &EntityType) -> Option<RoleRef> {
        let Some(found) = self.places.get(named.text.as_str()) else {
            if let Some(composite) = self.composite_roles.iter().find(|role| *role.name == *named.text) {
                let roles: Vec<&str> = composite.roles.iter().map(|role| &*role.name).collect();
                let message = format!("'{}' is a composite role; rules name single roles", named.text);
                reader.wrong(&named.place, message, format!("name one of its roles: {}", roles.join(", ")));
                return None;
            }
            unknown(reader, "role", named, "", self.roles.iter().map(|role| &*role.name));
            return None;
        };
        let role = self.roles.get(found.place)?;
        if role.owner != owner.name {
            let message = format!("role '{}' is for {}, this is for {}", role.name, role.owner, owner.name);
            reader.wrong(&named.place, message, format!("name a role whose owner is {}", owner.name));
            return None;
        }
        Some(found.clone())
    }
}

fn role_rules<'a>(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'a>,
    declared: &[declaration::RoleRule],
    owner: &'a EntityType,
) -> Vec<RoleRule> {
    let compile = |rule: &declaration::RoleRule| {
        let criteria = shapes.criteria(reader, &rule.criteria, owner)?;
        Some(RoleRule { criteria, denied: rule.denied })
    };
    declared.iter().filter_map(compile).collect()
}

fn role(declared: declaration::Role, owner: &EntityType, rules: Vec<RoleRule>, policy: Policy) -> Role {
    let name: Name = declared.name.text.as_str().into();
    Role {
        display_name: declared.display_name.map_or_else(|| name.to_string(), |text| text.text),
        name,
        owner: Arc::clone(&owner.name),
        rules,
        approval: declared.approval,
        grace_period_minutes: declared.grace_period_minutes.unwrap_or(policy.grace_period_minutes),
        max_duration_minutes: declared.max_duration_minutes.unwrap_or(policy.max_duration_minutes),
    }
}

fn composite_role(role: Role, roles: Vec<RoleRef>) -> CompositeRole {
    let Role { name, display_name, owner, rules, approval, grace_period_minutes, max_duration_minutes } = role;
    CompositeRole { name, display_name, owner, rules, roles, approval, grace_period_minutes, max_duration_minutes }
}
