//! What the rules give one owner: the result of evaluating, before anything is compared with what
//! exists (domain.md, "Computing the role model", steps 1, 2 and 5).

use super::catalog::Name;
use provost_domain::{Owner, Period, Reason, RuleFailure, Value};
use std::collections::{BTreeMap, HashMap};

/// What the rules give one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Who.
    pub owner: Owner,
    /// When the owner counts.
    pub period: Period,
    /// Roles, by name.
    pub roles: Vec<ExpectedRole>,
    /// Resources, by resource type; whether the period has begun or is over is not yet judged.
    pub resources: Vec<ExpectedResource>,
}

/// A role that a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedRole {
    /// The role.
    pub role: Name,
    /// The rule that gave it.
    pub why: Vec<Reason>,
}

/// A resource that a type rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedResource {
    /// The resource type.
    pub resource_type: Name,
    /// The target resource's key; empty when its rule failed.
    pub target_key: String,
    /// A value for every property that a rule speaks of; links as a list.
    pub values: BTreeMap<Name, ExpectedValue>,
    /// Hints for the package.
    pub arguments: BTreeMap<String, String>,
    /// The rules that gave the resource, outermost first.
    pub why: Vec<Reason>,
    /// The first rule that failed; then nothing of this resource is written (state 7).
    pub failure: Option<RuleFailure>,
}

/// A value that a rule gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedValue {
    /// The value; none means that the property shall be empty.
    pub value: Option<Value>,
    /// The rules that gave it.
    pub why: Vec<Reason>,
}

/// What an owner has to do with a key that its rules give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The owner shall have it now.
    Now,
    /// The owner's time is over, and what was given is yet to be taken away.
    Leaving,
    /// The owner shall not have it, and never had.
    None,
}

/// A resource that nobody's rules give any more, and that is yet to be taken away from somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its entity type.
    pub entity_type: String,
    /// Its key.
    pub key: String,
    /// Who is losing it, for people.
    pub who: String,
}

/// Who claims one key: where it stands among the expected, how, and who that is for people.
type Claims = Vec<(Option<(usize, usize)>, Claim, String)>;

/// Fails every resource that two owners would share: no lane has two masters. Of those who shall have
/// it now, all fail; while somebody is still leaving it, only they. `entity_type_of` says where a
/// resource type's resources live, `claim` how an owner stands to a resource. A resource with a failed
/// rule keeps its failure, and its claim.
pub fn refuse_shared_keys<'a>(
    all: &mut [Expected],
    leaving: Vec<Leaving>,
    entity_type_of: impl Fn(&str) -> Option<&'a str>,
    claim: impl Fn(&Expected, &ExpectedResource) -> Claim,
) {
    let mut claims: HashMap<(String, String), Claims> = HashMap::new();
    for Leaving { entity_type, key, who } in leaving {
        claims.entry((entity_type, key)).or_default().push((None, Claim::Leaving, who));
    }
    for (person, expected) in all.iter().enumerate() {
        for (place, resource) in expected.resources.iter().enumerate() {
            let claim = claim(expected, resource);
            let Some(entity_type) = entity_type_of(&resource.resource_type) else { continue };
            if claim == Claim::None || resource.target_key.is_empty() {
                continue;
            }
            let Owner { entity_type: owner_type, key, .. } = &expected.owner;
            let who = format!("{owner_type} {key} by {}", resource.resource_type);
            let key = (entity_type.to_owned(), resource.target_key.clone());
            claims.entry(key).or_default().push((Some((person, place)), claim, who));
        }
    }
    for ((entity_type, key), claims) in claims.into_iter().filter(|(_, claims)| claims.len() > 1) {
        let names: Vec<_> = claims.iter().map(|(_, _, who)| who.as_str()).collect();
        for (place, _, _) in claims.iter().filter(|(_, claim, _)| *claim == Claim::Now) {
            let resource =
                place.and_then(|(person, place)| all.get_mut(person).and_then(|one| one.resources.get_mut(place)));
            let Some(resource) = resource.filter(|resource| resource.failure.is_none()) else { continue };
            resource.failure = Some(RuleFailure {
                rule: format!("resource type {}", resource.resource_type),
                property: None,
                input: format!("key = '{key}'"),
                message: format!("{entity_type} '{key}' has more than one owner: {}", names.join(", ")),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(key: &str, target_key: &str) -> Expected {
        Expected {
            owner: Owner { entity_type: "Person".into(), key: key.into(), display_name: key.into() },
            period: Period::default(),
            roles: vec![],
            resources: vec![ExpectedResource {
                resource_type: "AppAccount".into(),
                target_key: target_key.into(),
                values: BTreeMap::new(),
                arguments: BTreeMap::new(),
                why: vec![],
                failure: None,
            }],
        }
    }

    #[test]
    fn two_owners_of_one_key_both_fail_and_others_do_not() {
        let mut all = [somebody("1", "ada"), somebody("2", "bob"), somebody("3", "ada")];
        refuse_shared_keys(&mut all, vec![], |_| Some("Account"), |_, _| Claim::Now);
        let failures: Vec<_> = all
            .iter()
            .map(|expected| expected.resources.iter().find_map(|resource| resource.failure.clone()))
            .collect();
        assert!(failures.iter().map(Option::is_some).eq([true, false, true]));
        let message = failures.into_iter().flatten().next().map(|failure| failure.message).unwrap_or_default();
        assert!(message.contains("Person 1 by AppAccount, Person 3 by AppAccount"), "{message}");
    }

    #[test]
    fn newcomer_waits_for_who_is_leaving_and_not_for_who_never_had_it() {
        for (other, waits) in [(Claim::Leaving, true), (Claim::None, false)] {
            let mut all = [somebody("1", "ada"), somebody("2", "ada")];
            let claim = |expected: &Expected, _: &ExpectedResource| {
                if expected.owner.key == "2" { Claim::Now } else { other }
            };
            refuse_shared_keys(&mut all, vec![], |_| Some("Account"), claim);
            let failed: Vec<_> = all
                .iter()
                .map(|expected| expected.resources.iter().any(|resource| resource.failure.is_some()))
                .collect();
            assert_eq!(failed, [false, waits]);
        }
    }

    #[test]
    fn newcomer_waits_for_what_is_taken_away_and_for_whose_rule_failed() {
        let mut all = [somebody("2", "ada")];
        let who = "Person 1 by Mailbox".to_owned();
        let leaving = vec![Leaving { entity_type: "Account".into(), key: "ada".into(), who }];
        refuse_shared_keys(&mut all, leaving, |_| Some("Account"), |_, _| Claim::Now);
        let message = |expected: &Expected| {
            let failure = expected.resources.iter().find_map(|resource| resource.failure.clone());
            failure.map(|failure| failure.message).unwrap_or_default()
        };
        assert!(all.iter().all(|expected| message(expected).contains("Person 1 by Mailbox")), "{all:?}");

        let mut all = [somebody("1", "ada"), somebody("2", "ada")];
        let own = RuleFailure { rule: "r".into(), property: None, input: String::new(), message: "own".into() };
        all.iter_mut().take(1).flat_map(|one| &mut one.resources).for_each(|one| one.failure = Some(own.clone()));
        refuse_shared_keys(&mut all, vec![], |_| Some("Account"), |_, _| Claim::Now);
        assert!(all.iter().map(message).eq(["own".to_owned(), all.iter().map(message).nth(1).unwrap_or_default()]));
        assert!(all.iter().skip(1).all(|expected| message(expected).contains("Person 1 by AppAccount")), "{all:?}");
    }
}
