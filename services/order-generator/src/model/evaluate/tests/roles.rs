//! Composite roles, denials, and what people decided.

use super::*;

const RULES: &str = "
roles:
  - { name: ledger, owner: Person, rules: [ { dimensions: { country: FR } } ] }
  - { name: reports, owner: Person, rules: [ { when: owner.kind == 'guest', denied: true } ] }
  - { name: vault, owner: Person }
composite_roles:
  - { name: accountant, owner: Person, roles: [ ledger, reports ], rules: [ { dimensions: { department: Finance } } ] }
  - { name: auditor, owner: Person, roles: [ reports, vault ] }
resource_types:
  - name: Vault
    owner: Person
    target: Account
    connection: app-sql
    type_rules:
      - { role: vault }
      - { when: owner.kind == 'guard' }
      - { dimensions: { country: DE }, denied: true }
    scalar_rules: [ { property: login, value: owner.id } ]
    navigation_rules: [ { property: groups, role: reports, target: readers } ]
";

fn finance(values: &[(&str, &str)]) -> Resource {
    let mut all = vec![("department", "Finance")];
    all.extend(values);
    contract("1", "2026-01-01", "2027-01-01", &all)
}

fn shown(expected: &Expected) -> Vec<(&str, WorkflowState)> {
    expected.roles.iter().map(|role| (&*role.role, role.workflow)).collect()
}

#[test]
fn composite_roles_give_single_roles_and_say_so() {
    use WorkflowState::{Calculated, GivenByARole};
    let expected = Fixture::with_positions(RULES).contracts(&[finance(&[("country", "FR")])]).at("2026-02-01");
    // What a rule gives as well shows the rule.
    assert_eq!(shown(&expected), [("accountant", Calculated), ("ledger", Calculated), ("reports", GivenByARole)]);
    assert!(role(&expected, "accountant").unwrap().is_composite);
    let why = &role(&expected, "reports").unwrap().why;
    assert_eq!((why[0].rule.as_str(), why[0].detail.as_str()), ("composite role accountant", "gives role reports"));
    assert_eq!(why[1].rule, "composite role accountant / rule 1");
}

#[test]
fn denied_wins_over_rules_composite_roles_and_requests() {
    let fixture = Fixture::with_positions(RULES).person(&[("kind", "guest")]).contracts(&[finance(&[])]).grants(&[
        grant("reports", "", ""),
        grant("vault", "", ""),
        denial("vault"),
    ]);
    assert_eq!(roles(&fixture.at("2026-02-01")), ["accountant", "ledger"]);
    let mut fixture = fixture;
    fixture.grants = vec![denial("accountant")];
    assert!(roles(&fixture.at("2026-02-01")).is_empty());
}

#[test]
fn a_denial_lasts_as_long_as_what_it_is_about() {
    let german = contract("2", "2026-05-01", "2026-09-01", &[("country", "DE")]);
    let fixture =
        Fixture::with_positions(RULES).person(&[("kind", "guard")]).contracts(&[finance(&[("country", "FR")]), german]);
    for (now, counts) in [("2026-02-01", ("2026-01-01", "2026-05-01")), ("2026-06-01", ("2026-09-01", "2027-01-01"))] {
        let expected = fixture.at(now);
        assert_eq!(of(&expected, "Vault").unwrap().period, period(counts.0, counts.1), "{now}");
    }
}

#[test]
fn what_was_approved_is_given_within_the_owners_time() {
    let mut fixture =
        Fixture::with_positions(RULES).contracts(&[finance(&[])]).grants(&[grant("vault", "2026-03-01", "2030-01-01")]);
    let expected = fixture.at("2026-02-01");
    let vault = role(&expected, "vault").unwrap();
    assert_eq!((vault.workflow, vault.period), (WorkflowState::Approved, period("2026-03-01", "2027-01-01")));
    assert_eq!(
        (vault.why[0].rule.as_str(), vault.why[0].detail.as_str()),
        ("request r-vault", "asked by Ada, approved by Bob")
    );
    assert_eq!(expected.next_change, Some(at("2026-03-01")));
    let account = of(&expected, "Vault").unwrap();
    assert_eq!((account.workflow, account.period), (WorkflowState::GivenByARole, vault.period));
    let whys: Vec<&str> = account.why.iter().map(|why| why.detail.as_str()).collect();
    assert_eq!(whys, ["has role vault", "asked by Ada, approved by Bob"]);
    fixture.grants[0].period.until = Some(at("2026-04-01"));
    assert_eq!(role(&fixture.at("2026-03-15"), "vault").unwrap().period.until, Some(at("2026-04-01")));
}

#[test]
fn a_rule_and_a_request_show_the_rule_and_last_as_long_as_both() {
    let mut fixture = Fixture::with_positions(RULES)
        .contracts(&[finance(&[("country", "FR")]), contract("2", "2027-01-01", "2028-01-01", &[])])
        .grants(&[grant("ledger", "2026-06-01", "2027-06-01")]);
    let expected = fixture.at("2026-02-01");
    let ledger = role(&expected, "ledger").unwrap();
    assert_eq!((ledger.workflow, ledger.period), (WorkflowState::Calculated, period("2026-01-01", "2027-06-01")));
    assert_eq!(ledger.why.len(), 2);
    fixture.contracts[0] = finance(&[]);
    let expected = fixture.at("2026-02-01");
    assert_eq!(role(&expected, "ledger").unwrap().workflow, WorkflowState::GivenByARole);
}

#[test]
fn a_composite_role_that_was_requested_gives_what_it_holds() {
    let fixture = Fixture::with_positions(RULES).contracts(&[contract("1", "", "", &[])]).grants(&[grant(
        "auditor",
        "2026-01-01",
        "2026-02-01",
    )]);
    let expected = fixture.at("2026-01-10");
    assert_eq!(
        shown(&expected),
        [
            ("auditor", WorkflowState::Approved),
            ("reports", WorkflowState::GivenByARole),
            ("vault", WorkflowState::GivenByARole)
        ]
    );
    let account = of(&expected, "Vault").unwrap();
    assert_eq!(value(account, "groups").value, Some(list(&["readers"])));
    assert_eq!(account.period, period("2026-01-01", "2026-02-01"));
}

#[test]
fn a_resource_type_can_be_requested_and_taken_away_by_itself() {
    let on_vault = |grant: Grant| Grant { what: Granted::ResourceType("Vault".into()), ..grant };
    let mut fixture = Fixture::with_positions(RULES)
        .contracts(&[contract("1", "", "", &[])])
        .grants(&[on_vault(grant("vault", "2026-01-01", ""))]);
    let expected = fixture.at("2026-02-01");
    let account = of(&expected, "Vault").unwrap();
    assert_eq!((account.workflow, account.target_key.as_str()), (WorkflowState::Approved, "ada"));
    assert_eq!(account.why[0].rule, "request r-vault");
    assert!(expected.roles.is_empty());
    fixture.grants.push(on_vault(denial("vault")));
    assert_eq!(of(&fixture.at("2026-02-01"), "Vault"), None);
    // Rules give way to a person's denial, too.
    let fixture = fixture.person(&[("kind", "guard")]);
    assert_eq!(of(&fixture.at("2026-02-01"), "Vault"), None);
}

#[test]
fn decisions_on_what_the_catalog_does_not_have_change_nothing() {
    let fixture = Fixture::with_positions(RULES).contracts(&[contract("1", "", "", &[])]);
    let before = fixture.at("2026-02-01");
    let fixture = fixture.grants(&[grant("gone", "", ""), denial("gone-too")]);
    assert_eq!(fixture.at("2026-02-01"), before);
}
