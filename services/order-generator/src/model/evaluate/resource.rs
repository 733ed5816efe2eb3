//! One resource type for one owner: whether it is given, and which key, values, links and arguments
//! its resource shall have.

use super::{Evaluation, Roles, Verdict};
use crate::model::catalog::{EntityType, NavigationRule, Property, ResourceType, RoleRef, ScalarRule, TypeRule};
use crate::model::expected::{ExpectedResource, ExpectedValue};
use provost_domain::{Period, Reason, RuleFailure, Value, WorkflowState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most characters of a key; what the contract takes.
const KEY_MAX: usize = 500;

impl Evaluation<'_> {
    /// The resource that type rules give; none when they give none.
    pub(super) fn resource(
        &self,
        resource_type: &ResourceType,
        roles: &Roles,
        period: Period,
    ) -> Option<ExpectedResource> {
        let target = self.catalog.entity_type(&resource_type.target)?;
        let (why, mut failure) = match self.given(resource_type, roles) {
            Verdict::Given(why) => (why, None),
            Verdict::Refused => return None,
            Verdict::Failed(failure) => (vec![], Some(failure)),
        };
        let mut expected = ExpectedResource {
            resource_type: Arc::clone(&resource_type.name),
            period,
            workflow: WorkflowState::Calculated,
            target_key: String::new(),
            values: BTreeMap::new(),
            arguments: BTreeMap::new(),
            why,
            failure: None,
            waits_for: None,
            slot: String::new(),
            correlated: None,
            candidates: vec![],
        };
        // The key comes first: an order in state 7 belongs to the lane of its resource, if that is known.
        let (key_rules, others): (Vec<&ScalarRule>, Vec<&ScalarRule>) =
            resource_type.scalar_rules.iter().partition(|rule| rule.property == target.key);
        for rule in key_rules {
            match self.key(resource_type, target, rule) {
                Ok((key, value)) => {
                    expected.target_key = key;
                    expected.values.insert(Arc::clone(&rule.property), value);
                }
                Err(wrong) => failure = failure.or(Some(wrong)),
            }
        }
        for rule in others {
            match self.scalar(resource_type, target, rule) {
                Ok(value) => {
                    expected.values.insert(Arc::clone(&rule.property), value);
                }
                Err(wrong) => failure = failure.or(Some(wrong)),
            }
        }
        failure = failure.or(self.links(resource_type, target, roles, &mut expected).err());
        for (name, expression) in &resource_type.arguments {
            match expression.text(self.session) {
                Ok(Some(text)) => {
                    expected.arguments.insert(name.clone(), text);
                }
                Ok(None) => {}
                Err(message) => {
                    let rule = format!("resource type {} / argument {name}", resource_type.name);
                    let wrong = self.explain.failure(rule, None, expression, false, message);
                    failure = failure.or(Some(wrong));
                }
            }
        }
        expected.failure = failure;
        Some(expected)
    }

    fn given(&self, resource_type: &ResourceType, roles: &Roles) -> Verdict {
        let mut failed = None;
        for (index, TypeRule { role, criteria, .. }) in resource_type.type_rules.iter().enumerate() {
            let rule = || format!("resource type {} / type rule {}", resource_type.name, index + 1);
            match self.role_and_condition(roles, role.as_ref(), criteria.when.as_ref(), rule) {
                Verdict::Given(why) => return Verdict::Given(why),
                Verdict::Refused => {}
                Verdict::Failed(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Verdict::Refused, Verdict::Failed)
    }

    /// Both must hold. What is known to be false is false, whatever else failed.
    fn role_and_condition(
        &self,
        roles: &Roles,
        role: Option<&RoleRef>,
        when: Option<&crate::model::expression::Expression>,
        rule: impl Fn() -> String,
    ) -> Verdict {
        let Some(role) = role else { return self.condition(when, rule) };
        let by_role = match roles.verdict(role) {
            Verdict::Refused => return Verdict::Refused,
            verdict => verdict,
        };
        let by_condition = match when {
            Some(_) => self.condition(when, &rule),
            None => Verdict::Given(vec![]),
        };
        match (by_role, by_condition) {
            (_, Verdict::Refused) | (Verdict::Refused, _) => Verdict::Refused,
            (Verdict::Failed(failure), _) => Verdict::Failed(failure.clone()),
            (_, Verdict::Failed(failure)) => Verdict::Failed(failure),
            (Verdict::Given(inner), Verdict::Given(condition)) => {
                let mut why = vec![Reason { rule: rule(), detail: format!("has role {}", role.name) }];
                // The rule itself is already named; what its condition saw goes with it.
                if let (Some(first), Some(seen)) = (why.first_mut(), condition.into_iter().next()) {
                    first.detail = format!("{}, {}", first.detail, seen.detail);
                }
                why.extend(inner.iter().cloned());
                Verdict::Given(why)
            }
        }
    }

    fn scalar(
        &self,
        resource_type: &ResourceType,
        target: &EntityType,
        rule: &ScalarRule,
    ) -> Result<ExpectedValue, RuleFailure> {
        let name = format!("resource type {} / scalar {}", resource_type.name, rule.property);
        let Some(property) = target.property(&rule.property) else { return Ok(ExpectedValue::default()) };
        let is_confidential = property.sensitive || property.write_only;
        match rule.value.value(self.session, property.value_type(), property.multi_valued) {
            Ok(value) => {
                let detail = self.explain.inputs(&rule.value, is_confidential);
                let detail = if detail.is_empty() { "always the same".to_owned() } else { detail };
                Ok(ExpectedValue { value, why: vec![Reason { rule: name, detail }], ..ExpectedValue::default() })
            }
            Err(message) => {
                Err(self.explain.failure(name, Some(&rule.property), &rule.value, is_confidential, message))
            }
        }
    }

    /// Step 5: the key by which the resource is found, or created.
    fn key(
        &self,
        resource_type: &ResourceType,
        target: &EntityType,
        rule: &ScalarRule,
    ) -> Result<(String, ExpectedValue), RuleFailure> {
        let value = self.scalar(resource_type, target, rule)?;
        let key = value.value.as_ref().map(Value::to_string).unwrap_or_default();
        let wrong = if key.trim().is_empty() {
            Some("the key is empty".to_owned())
        } else if key.chars().count() > KEY_MAX {
            Some(format!("the key has more than {KEY_MAX} characters"))
        } else if key.chars().any(char::is_control) {
            Some("the key holds a control character".to_owned())
        } else {
            None
        };
        match wrong {
            None => Ok((key, value)),
            Some(message) => {
                let name = format!("resource type {} / scalar {}", resource_type.name, rule.property);
                Err(self.explain.failure(name, Some(&rule.property), &rule.value, false, message))
            }
        }
    }

    /// The links that navigation rules give. A property that a rule speaks of is in the values even
    /// when nothing is linked, so that what was linked before can go.
    fn links(
        &self,
        resource_type: &ResourceType,
        target: &EntityType,
        roles: &Roles,
        expected: &mut ExpectedResource,
    ) -> Result<(), RuleFailure> {
        let mut failed = None;
        for rule in &resource_type.navigation_rules {
            let Some(property) = target.property(&rule.property) else { continue };
            let value = expected.values.entry(Arc::clone(&rule.property)).or_insert_with(|| ExpectedValue {
                value: property.multi_valued.then(|| Value::List(vec![])),
                ..ExpectedValue::default()
            });
            let name =
                || format!("resource type {} / navigation {} -> {}", resource_type.name, rule.property, rule.target);
            match self.role_and_condition(roles, rule.role.as_ref(), rule.criteria.when.as_ref(), name) {
                Verdict::Refused => {}
                Verdict::Failed(failure) => failed = failed.or(Some(failure)),
                Verdict::Given(why) => {
                    if let Err(failure) = link(property, rule, value, why, &name()) {
                        failed = failed.or(Some(failure));
                    }
                }
            }
        }
        for value in expected.values.values_mut() {
            if let Some(list @ Value::List(_)) = &mut value.value {
                *list = list.canonical();
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn link(
    property: &Property,
    rule: &NavigationRule,
    value: &mut ExpectedValue,
    why: Vec<Reason>,
    name: &str,
) -> Result<(), RuleFailure> {
    let linked = Value::String(rule.target.clone());
    match &mut value.value {
        Some(Value::List(items)) => items.push(linked),
        None => value.value = Some(linked),
        Some(other) if *other == linked => {}
        Some(other) => {
            return Err(RuleFailure {
                rule: name.to_owned(),
                property: Some(property.name.to_string()),
                input: format!("'{other}', '{linked}'"),
                message: format!(
                    "two rules link '{}', which holds one value, to '{other}' and '{linked}'",
                    property.name
                ),
            });
        }
    }
    value.why.extend(why);
    Ok(())
}
