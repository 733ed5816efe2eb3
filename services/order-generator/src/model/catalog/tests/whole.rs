//! A catalog that uses the whole vocabulary, and what is made of it.

use super::*;
use crate::model::expression::Variable;

pub(super) const WHOLE: &str = include_str!("whole.yaml");

const DAY: u32 = 24 * 60;

fn whole() -> Catalog {
    Catalog::compile(&files(&[("catalog.yaml", WHOLE)])).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn dimensions_are_said_by_place_and_values_once() {
    let catalog = whole();
    assert_eq!(catalog.dimensions().iter().map(|name| &**name).collect::<Vec<_>>(), ["country", "department"]);
    let context = catalog.entity_type("Person").unwrap().context.as_ref().unwrap();
    let given: Vec<_> = context.dimensions.iter().map(|(place, value)| (*place, value.source())).collect();
    assert_eq!(given, [(0, "position.country"), (1, "position.department")]);
    let rules = &catalog.role("finance").unwrap().rules;
    assert_eq!(
        rules[0].criteria.dimensions,
        [(0, vec!["FR".to_owned()]), (1, vec!["Finance".to_owned(), "Audit".to_owned()])]
    );
    assert!(!rules[0].denied && rules[1].denied);
    let everyone = &catalog.role("staff").unwrap().rules[0].criteria;
    assert!(everyone.dimensions.is_empty() && everyone.when.is_none());
}

#[test]
fn positions_are_known_and_read() {
    let catalog = whole();
    let context = catalog.entity_type("Person").unwrap().context.as_ref().unwrap();
    let positions = context.positions.as_ref().unwrap();
    assert_eq!((&*positions.entity_type, &*positions.owner), ("Contract", "person"));
    assert!(context.valid_from.as_ref().unwrap().reads(Variable::Position));
    let kind = catalog.resource_type("AppAccount").unwrap();
    let name = kind.scalar_rules.iter().find(|rule| &*rule.property == "name").unwrap();
    let read: Vec<_> =
        name.value.references().iter().map(|reference| (reference.variable, reference.property.as_str())).collect();
    assert_eq!(read, [(Variable::Owner, "sort_name"), (Variable::Position, "title")]);
}

#[test]
fn computed_properties_come_after_those_that_they_need_and_are_not_stored() {
    let catalog = whole();
    let person = catalog.entity_type("Person").unwrap();
    let order: Vec<&str> = person.computed.iter().map(|(place, _)| &*person.properties[*place].name).collect();
    assert_eq!(order, ["full_name", "sort_name", "manager_mail", "pin_end"]);
    assert!(person.navigates_to_compute("manager_mail") && !person.navigates_to_compute("sort_name"));
    let stored: Vec<&str> = person.stored().map(|property| &*property.name).collect();
    assert_eq!(stored, ["id", "first_name", "last_name", "mail", "pin", "manager"]);
}

#[test]
fn roles_have_what_they_say_or_what_the_policy_says() {
    let catalog = whole();
    let time_zone = TimeZone::from_name("Europe/Paris").unwrap();
    let policy = Policy { grace_period_minutes: 30 * DAY, max_duration_minutes: 365 * DAY, time_zone };
    assert_eq!(catalog.policy(), policy);
    let staff = catalog.role("staff").unwrap();
    assert_eq!((staff.approval, staff.grace_period_minutes), (Approval::NotAllowed, 30 * DAY));
    let finance = catalog.role("finance").unwrap();
    assert_eq!((finance.approval, finance.grace_period_minutes), (Approval::Steps(2), 0));
    assert_eq!(finance.max_duration_minutes, 36 * 60);
    assert_eq!(catalog.role("on-contract").unwrap().approval, Approval::Steps(1));
    let accountant = catalog.composite_role("accountant").unwrap();
    assert_eq!((accountant.approval, accountant.grace_period_minutes), (Approval::Steps(3), 12 * 60));
    assert_eq!(accountant.roles, [catalog.role_ref("staff").unwrap(), catalog.role_ref("finance").unwrap()]);
    assert!(catalog.composite_role("staff").is_none() && catalog.role("accountant").is_none());
}

#[test]
fn resource_types_have_all_their_attributes() {
    let catalog = whole();
    let kind = catalog.resource_type("AppAccount").unwrap();
    assert_eq!(kind.depends_on_owner_property.as_deref(), Some("mail"));
    assert_eq!((kind.fulfill_ahead_hours, kind.approval), (48, Approval::Steps(1)));
    assert!(kind.correlate_multiple && kind.discard_manual_assignments);
    let around = Offset { reference: OffsetReference::Around, before_minutes: 7 * DAY, after_minutes: 30 * DAY };
    assert_eq!(kind.type_rules[0].offset, around);
    assert!(kind.type_rules[1].denied && kind.navigation_rules[2].denied);
    let compared: Vec<_> = kind.scalar_rules.iter().map(|rule| (&*rule.property, rule.comparison.name())).collect();
    assert_eq!(compared[..3], [("login", "ignore_case"), ("mail", "ignore_case"), ("name", "ignore_diacritics")]);
    let references: Vec<_> = kind.scalar_rules.iter().map(|rule| rule.offset.reference).collect();
    assert_eq!(references[3..], [OffsetReference::Default, OffsetReference::Before, OffsetReference::After]);
    let groups = catalog.entity_type("Account").unwrap().property("groups").unwrap();
    assert_eq!(groups.comparison, Comparison::DistinguishedName);
}

#[test]
fn rules_stand_in_the_order_of_their_confidence() {
    let catalog = whole();
    let kind = catalog.resource_type("AppAccount").unwrap();
    let queries: Vec<_> = kind.query_rules.iter().map(|rule| (rule.confidence, rule.target.source())).collect();
    assert_eq!(queries, [(100, "target.name"), (80, "target.code")]);
    assert_eq!(kind.correlation_rules.iter().map(|rule| rule.confidence).collect::<Vec<_>>(), [120, 60]);
    assert_eq!(kind.classification_rules.iter().map(|rule| rule.confidence).collect::<Vec<_>>(), [100, 20]);
}

#[test]
fn a_rule_for_one_step_of_approval_counts_instead_of_one_for_all() {
    let catalog = whole();
    let of = |name: Option<&str>| {
        let rules = catalog.automation_rules().iter().filter(|rule| rule.of.as_deref() == name);
        let mut shown: Vec<_> = rules.map(|rule| (rule.state as u32, rule.after_hours, rule.approves)).collect();
        shown.sort_unstable();
        shown
    };
    assert_eq!(of(None), [8, 9, 10, 11, 12, 13].map(|state| (state, 72, false)));
    let finance = of(Some("finance"));
    assert_eq!(finance.len(), 6);
    assert_eq!(finance[..3], [(8, 48, false), (9, 24, true), (10, 48, false)]);
    assert_eq!(of(Some("AppAccount")), [(4, 720, false)]);
    assert_eq!(of(Some("accountant")), [(4, 0, true)]);
}

#[test]
fn all_of_it_is_counted() {
    let declared = whole().declared();
    let count = |what: &str| declared[what];
    assert_eq!((count("dimensions"), count("roles"), count("composite roles")), (2, 3, 1));
    assert_eq!((count("resource types"), count("contexts"), count("automation rules")), (1, 1, 5));
}

#[test]
fn policies_and_dimensions_of_several_files_are_one() {
    let two = [("a.yaml", WHOLE), ("b.yaml", "dimensions: [ site ]\n")];
    assert_eq!(Catalog::compile(&files(&two)).unwrap().dimensions().len(), 3);
    let problems = Catalog::compile(&files(&[("a.yaml", WHOLE), ("b.yaml", "policy: {}\n")])).unwrap_err();
    assert_eq!(problems[0].message, "the policy is declared twice; the first is on line 1 of a.yaml");
}

#[test]
fn resource_type_that_can_be_asked_for_needs_no_type_rule() {
    let text = WHOLE.replace("      - { role: staff, offset: { reference: around, before: 7d, after: 30d } }\n", "");
    let text = text.replace("      - { dimensions: { country: KP }, denied: true }\n", "");
    assert!(text.contains("type_rules:\n    scalar_rules"), "{text}");
    Catalog::compile(&files(&[("catalog.yaml", &text)])).unwrap();
    let problems =
        Catalog::compile(&files(&[("catalog.yaml", &text.replace("approval: 1\n", "approval: not_allowed\n"))]));
    assert!(problems.unwrap_err()[0].message.contains("has no type rule, so nobody would have it"));
}
