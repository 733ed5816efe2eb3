//! Resources that nobody claims, and roles that people seem to have.

use super::*;
use crate::model::Resource;
use crate::model::catalog::ResourceType;
use crate::model::correlate::Suspect;
use crate::model::deduce::Reversed;
use crate::model::found::{Kind, Rules, Unclaimed, found};
use provost_domain::Reason;

/// Which classification rules hold, by resource type and place.
struct Held {
    holds: Vec<(&'static str, usize)>,
    fails: Vec<(&'static str, usize)>,
    is_unreadable: bool,
    is_known: bool,
}

fn failure(rule: &str) -> RuleFailure {
    RuleFailure { rule: rule.into(), property: None, input: "title = 'robot'".into(), message: "no number".into() }
}

impl Rules for Held {
    fn classifies(&self, resource_type: &ResourceType, rule: usize) -> Result<bool, RuleFailure> {
        let is_it = |(name, place): &(&str, usize)| *name == &*resource_type.name && *place == rule;
        if self.fails.iter().any(is_it) {
            return Err(failure(&format!("classification rule of {}", resource_type.name)));
        }
        Ok(self.holds.iter().any(is_it))
    }

    fn unreadable(&self, _: &ResourceType) -> Option<RuleFailure> {
        self.is_unreadable.then(|| failure("correlation rule 1"))
    }

    fn is_known(&self, _: &ResourceType) -> bool {
        self.is_known
    }
}

/// One resource type of accounts, or several with classification rules.
fn catalog(types: &[(&str, &str)]) -> Catalog {
    let (head, _) = CATALOG.split_once("resource_types:\n").expect("resource types");
    let one = |(name, more): &(&str, &str)| {
        format!(
            "  - name: {name}\n    owner: Person\n    target: Account\n    connection: app-sql\n    review: false\n{more}    \
             type_rules: [ {{}} ]\n    scalar_rules: [ {{ property: login, value: owner.id }}, {{ property: title, value: \"'x'\" }} ]\n"
        )
    };
    let text = format!("{head}resource_types:\n{}", types.iter().map(one).collect::<String>());
    Catalog::compile(&[("catalog.yaml".into(), text)]).expect("a right catalog")
}

struct Stray {
    catalog: Catalog,
    decisions: Vec<Decision>,
    lane: Vec<KnownOrder>,
    previous: Option<Assignment>,
    held: Held,
    owner: Option<(Owner, Suspect)>,
}

impl Stray {
    fn new(types: &[(&str, &str)]) -> Self {
        let held = Held { holds: vec![], fails: vec![], is_unreadable: false, is_known: false };
        Self { catalog: catalog(types), decisions: vec![], lane: vec![], previous: None, held, owner: None }
    }

    fn look(&mut self) -> Option<&Assignment> {
        let values = [("login".to_owned(), Value::from("svc")), ("title".to_owned(), Value::from("robot"))];
        let resource = Resource { key: "svc".into(), values: values.into() };
        let unclaimed = Unclaimed {
            catalog: &self.catalog,
            entity_type: self.catalog.entity_type("Account").expect("declared"),
            resource: &resource,
            previous: self.previous.as_ref(),
            lane: &self.lane,
            decisions: &Decisions::new(self.decisions.iter().cloned()),
            seen_at: Some(Timestamp::from_millis(100)),
            now: Timestamp::from_millis(1_000),
            arguments: &|_, _, _, _| OrderArguments::new(),
        };
        let owner = self.owner.as_ref().map(|(owner, suspect)| (owner, suspect));
        self.previous = found(&unclaimed, owner, &self.held);
        self.previous.as_ref()
    }

    fn line(&mut self) -> Item {
        let found = self.look().expect("found").clone();
        let [line] = &*items(&found) else { panic!("one line: {:?}", items(&found)) };
        line.clone()
    }

    fn decide(&mut self, verdict: Verdict, owner: Option<Owner>, takes_over: bool) {
        let line = self.line();
        let sequence = self.decisions.len() as i64 + 1;
        self.decisions.push(line.decided(Decision {
            sequence,
            id: format!("d{sequence}"),
            at: Timestamp::from_millis(500),
            actor: "grace".into(),
            comment: "seen to".into(),
            of: line.owner.clone(),
            subject: line.subject(),
            verdict,
            proposed: None,
            current: None,
            owner,
            takes_over,
        }));
    }
}

fn adas() -> Option<(Owner, Suspect)> {
    let why = Reason { rule: "resource type Free / correlation rule 1".into(), detail: String::new() };
    let candidate = Candidate { key: "svc".into(), why, confidence: 120, weight: 120 };
    Some((owner("ada"), Suspect { resource_type: "Free".into(), target: "Account".into(), candidate }))
}

#[test]
fn nobodys_account_is_an_orphan_and_somebodys_without_a_rule_is_unauthorized() {
    let mut stray = Stray::new(&[("Free", "")]);
    assert_eq!((stray.line().kind, stray.line().workflow), (Kind::Orphan, WorkflowState::PreExisting));
    assert_eq!((stray.line().owner.entity_type.as_str(), stray.line().owner.key.as_str()), ("Account", "svc"));
    let found = stray.look().expect("found");
    assert_eq!((found.wish, found.is_ours(), found.wanted.is_none()), (Wish::Found, false, true));
    assert!(!found.linked, "thresholds do not count it");
    stray.owner = adas();
    assert_eq!((stray.line().kind, stray.line().owner.key), (Kind::Unauthorized, "ada".into()));
}

#[test]
fn what_came_after_the_first_synchronization_is_non_conforming_and_stays_what_it_was() {
    let mut stray = Stray::new(&[("Free", "")]);
    stray.held.is_known = true;
    assert_eq!(stray.line().workflow, WorkflowState::NonConforming);
    let mut old = Stray::new(&[("Free", "")]);
    old.look();
    old.held.is_known = true;
    assert_eq!(old.line().workflow, WorkflowState::PreExisting);
    assert_eq!(old.line().workflow, WorkflowState::PreExisting);
}

#[test]
fn the_surest_classification_rule_that_holds_says_what_it_is() {
    let rules = |confidence: u32| {
        format!("    classification_rules: [ {{ when: target.title == 'robot', confidence: {confidence} }} ]\n")
    };
    let mut stray = Stray::new(&[("People", &rules(120)), ("Robots", &rules(130))]);
    let found = stray.look().expect("found");
    assert_eq!((found.resource_type.as_str(), found.confidence), ("People", 0), "no rule holds");
    assert!(found.note.contains("unclassified"), "{}", found.note);
    stray.previous = None;
    stray.held.holds = vec![("People", 0)];
    assert_eq!(stray.look().map(|found| found.resource_type.as_str()), Some("People"));
    stray.held.holds.push(("Robots", 0));
    assert_eq!(stray.look().map(|found| found.resource_type.as_str()), Some("Robots"));
    // Several resource types, and nothing to tell them apart: whoever has it to decide sees it all the same.
    let mut stray = Stray::new(&[("People", ""), ("Robots", "")]);
    let line = stray.line();
    assert_eq!((line.kind, line.resource_type.as_str()), (Kind::Orphan, "People"));
    stray.decide(Verdict::Delete, None, false);
    assert_eq!(stray.look().map(|found| found.confidence), Some(0), "and before it goes, somebody looks again");
    // One type without rules, beside others whose rules say no, is meant.
    let mut stray = Stray::new(&[("Robots", &rules(120)), ("People", "")]);
    assert_eq!(stray.look().map(|found| (found.resource_type.as_str(), found.confidence)), Some(("People", 100)));
    // The rules of the only type say that it is none: it is nobody's business.
    assert_eq!(Stray::new(&[("Robots", &rules(120))]).look(), None);
    // A guess is looked at before anything is deleted by it.
    let mut stray = Stray::new(&[("Robots", &rules(40))]);
    stray.held.holds = vec![("Robots", 0)];
    assert!(stray.line().note.contains("confidence 40"), "{:?}", stray.line());
    stray.decide(Verdict::Delete, None, false);
    assert_eq!(stray.look().map(|found| found.confidence), Some(40));
}

#[test]
fn a_rule_that_fails_on_a_resource_is_told_with_it() {
    let rules = "    classification_rules: [ { when: int(target.title) > 3, confidence: 90 } ]\n";
    let mut stray = Stray::new(&[("People", rules), ("Robots", &rules.replace("90", "120"))]);
    // A less sure rule that fails spoils nothing.
    (stray.held.holds, stray.held.fails) = (vec![("Robots", 0)], vec![("People", 0)]);
    let found = stray.look().expect("found").clone();
    assert_eq!((found.resource_type.as_str(), found.confidence, &found.failure), ("Robots", 100, &None));
    // A surer one that fails leaves in doubt what a less sure one says.
    (stray.held.holds, stray.held.fails) = (vec![("People", 0)], vec![("Robots", 0)]);
    let found = stray.look().expect("found").clone();
    assert_eq!((found.resource_type.as_str(), found.confidence), ("People", 0));
    let told = "classification rule of Robots failed on title = 'robot': no number";
    assert!(found.note.contains(told) && stray.line().note.contains(told), "{}", found.note);
    // No order comes of that: it is nobody's.
    let run = Run { id: "run".into(), force_review: false, waive_review: false, now: Timestamp::from_millis(1_000) };
    let generation = generate(&stray.catalog, &[found], &BTreeMap::new(), &run, || OrderId::new(Uuid::nil()));
    assert_eq!(generation.orders, []);
    // A failing side of a correlation rule is told of what nobody has, and changes nothing.
    let mut stray = Stray::new(&[("Free", "")]);
    stray.held.is_unreadable = true;
    assert!(stray.line().note.contains("correlation rule 1 failed on title = 'robot'"), "{:?}", stray.line());
    stray.owner = adas();
    assert!(!stray.line().note.contains("failed"), "it was found all the same");
}

#[test]
fn an_orphan_is_deleted_only_by_a_decision_and_its_order_names_itself() {
    let mut stray = Stray::new(&[("Free", "")]);
    stray.decide(Verdict::Delete, None, false);
    let found = stray.look().expect("found").clone();
    assert_eq!((found.wish, found.workflow), (Wish::Lose, WorkflowState::Cancellation));
    assert_eq!(stray.look(), Some(&found), "looking again changes nothing");
    let run = Run { id: "run".into(), force_review: false, waive_review: false, now: Timestamp::from_millis(1_000) };
    let generation = generate(&stray.catalog, &[found], &BTreeMap::new(), &run, || OrderId::new(Uuid::nil()));
    let order = World::only_order(&generation);
    assert_eq!(
        (order.kind, order.owner.entity_type.as_str(), order.owner.key.as_str()),
        (OrderKind::Deletion, "Account", "svc")
    );
    assert!(order.why.iter().any(|why| why.detail.contains("grace")), "{:?}", order.why);
}

#[test]
fn what_is_authorized_is_approved_and_its_values_with_it_if_that_is_said() {
    for takes_over in [true, false] {
        let mut stray = Stray { owner: adas(), ..Stray::new(&[("Free", "")]) };
        stray.decide(Verdict::Keep, None, takes_over);
        let found = stray.look().expect("found").clone();
        assert_eq!((found.workflow, found.wanted.is_none()), (WorkflowState::Approved, true));
        assert_eq!(stray.look(), Some(&found), "looking again changes nothing");
        let left: Vec<_> = items(&found).into_iter().map(|line| (line.kind, line.name)).collect();
        let expected = if takes_over { vec![] } else { vec![(Kind::Property, "title".to_owned())] };
        assert_eq!(left, expected, "{takes_over}");
    }
}

#[test]
fn an_orphan_that_was_given_to_somebody_is_theirs() {
    let mut stray = Stray::new(&[("Free", "")]);
    stray.decide(Verdict::Keep, Some(owner("ada")), true);
    let decisions = Decisions::new(stray.decisions.iter().cloned());
    let given = decisions.given_to(&owner("ada"), "Account");
    assert_eq!(given.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["svc"]);
    assert!(decisions.given_to(&owner("bob"), "Account").is_empty());
    stray.owner = adas();
    stray.previous = None;
    let found = stray.look().expect("found");
    assert_eq!((found.owner.key.as_str(), found.workflow), ("ada", WorkflowState::Approved));
}

const ROLES: &str = "roles:
  - { name: one, owner: Person }
  - { name: pair, owner: Person }
  - { name: twin, owner: Person }
";

fn with_roles() -> Catalog {
    let rules = "    navigation_rules:
      - { property: groups, role: one, target: alone }
      - { property: groups, role: pair, target: left }
      - { property: groups, role: pair, target: right }
      - { property: groups, role: pair, target: shared }
      - { property: groups, role: twin, target: shared }
      - { property: groups, role: twin, target: twin }
";
    let text = CATALOG.replacen(
        "resource_types:\n  - name: Free\n",
        &format!("{ROLES}resource_types:\n  - name: Free\n{rules}"),
        1,
    );
    Catalog::compile(&[("catalog.yaml".into(), text)]).expect("a right catalog")
}

#[test]
fn a_role_is_deduced_only_from_all_that_it_alone_gives() {
    for (groups, roles) in [
        (&["alone"][..], &["one"][..]),
        (&["left"], &[]),
        (&["left", "right"], &[]),
        (&["left", "right", "shared"], &["pair"]),
        (&["shared"], &[]),
        (&["alone", "left", "right", "shared", "twin"], &["one", "pair", "twin"]),
        (&["stranger"], &[]),
    ] {
        let mut world = World { catalog: with_roles(), ..World::new("Free") };
        let values = [("login".to_owned(), Value::from("ada")), ("groups".to_owned(), list(groups))];
        world.accounts.insert("ada".into(), values.into());
        world.synchronize();
        world.compute(&ada(given("Analyst", &[])));
        let assignment = world.assignment("ada");
        let lines = items(assignment);
        let reversed = Reversed::new(&world.catalog);
        let deduced =
            |has: &str| reversed.roles(&world.catalog, &owner("ada"), &[assignment], &lines, |role| role == has);
        let names: Vec<_> = deduced("").into_iter().map(|line| line.name).collect();
        assert_eq!(names, roles, "{groups:?}");
        assert!(deduced("").iter().all(|line| line.workflow == WorkflowState::PreExisting && !line.links.is_empty()));
        assert!(deduced("one").iter().all(|line| line.name != "one"), "who has it has it");
    }
}
