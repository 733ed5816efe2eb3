//! Sentences and causes, of one person in a small organisation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::order::{OrderAsk, RunSeen, Step, Today};
use super::*;
use crate::model::assign::{AssignedProperty, Wanted, Wish};
use crate::model::evaluate::{self, Case, ExistingSeen, Ground};
use crate::model::grant::{Grant, Granted};
use crate::model::resource::{Repository, Resource};
use provost_domain::{BlockCause, Change, ChangeOperation, Order, OrderId, Reason};

const CATALOG: &str = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - name: Person
    connector: hr
    key: id
    display_name: owner.name
    properties: [ { name: id, type: string }, { name: name, type: string }, { name: kind, type: string } ]
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: pin, type: string, sensitive: true }
      - { name: groups, navigation: Group, multi_valued: true }
  - { name: Group, connector: app, key: name, properties: [ { name: name, type: string } ] }
roles:
  - { name: auditor, owner: Person, approval: 2 }
  - { name: staff, owner: Person, rules: [ {} ], approval: not_allowed }
  - { name: guard, owner: Person, rules: [ { when: owner.kind == 'guard' } ] }
composite_roles:
  - { name: watch, owner: Person, roles: [ guard ] }
resource_types:
  - name: App
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: title, value: owner.kind }
      - { property: pin, value: \"'1' + owner.id\" }
    navigation_rules:
      - { property: groups, role: staff, target: all }
      - { property: groups, role: guard, target: guards }
      - { property: groups, target: old }
      - { property: groups, target: old, denied: true }
";

fn at(day: &str) -> Timestamp {
    Timestamp::parse(day).unwrap()
}

fn owner() -> Owner {
    Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }
}

struct Told {
    catalog: Catalog,
    owner: Owner,
    seen: Option<Explanation>,
    today: Vec<Assignment>,
    kept: Vec<Kept>,
    said: Vec<Said>,
    rivals: Vec<Rival>,
    blocked: Option<Blocked>,
}

fn told(grants: &[Grant]) -> Told {
    let catalog = Catalog::compile(&[("catalog.yaml".to_owned(), CATALOG.to_owned())]).unwrap();
    let values = [("id", "E1"), ("name", "Ada"), ("kind", "clerk")];
    let values = values.map(|(name, value)| (name.to_owned(), Value::from(value))).into();
    let person = Resource { key: "E1".into(), values };
    let lookup = Repository::default();
    let ground = Ground { catalog: &catalog, revision: 1, now: at("2026-03-01"), lookup: &lookup, former: None };
    let case = Case { grants, ..Case::new("Person", &person) };
    let seen = evaluate::explain(&ground, &case);
    Told { catalog, owner: owner(), seen, today: vec![], kept: vec![], said: vec![], rivals: vec![], blocked: None }
}

impl Told {
    fn ask(&self) -> Ask<'_> {
        Ask {
            catalog: &self.catalog,
            owner: &self.owner,
            now: at("2026-03-01"),
            seen: self.seen.as_ref(),
            today: &self.today,
            kept: &self.kept,
            said: &self.said,
            rivals: &self.rivals,
            blocked: self.blocked.as_ref(),
        }
    }

    fn role(&self, name: &str) -> (Standing, Vec<(CauseKind, String)>) {
        let answer = self.ask().role(name).unwrap();
        (answer.standing, short(&answer.causes))
    }

    fn app(&self) -> (String, Vec<(CauseKind, String)>) {
        let answer = self.ask().resource_type("App").unwrap();
        let own = short(&answer.causes).into_iter().filter(|(kind, _)| *kind != CauseKind::GivenByRule);
        (answer.sentence.clone(), own.collect())
    }
}

fn short(causes: &[Cause]) -> Vec<(CauseKind, String)> {
    causes.iter().map(|cause| (cause.kind, cause.sentence.clone())).collect()
}

fn grant(name: &str, denied: bool, from: Option<&str>) -> Grant {
    Grant {
        request_id: "r-1".into(),
        what: Granted::Role(name.into()),
        period: Period { from: from.map(at), until: None },
        denied,
        workflow: WorkflowState::Approved,
        because: "requested by eve, approved by bob".into(),
    }
}

fn assignment(wish: Wish) -> Assignment {
    Assignment { wish, target_key: "E1".into(), entity_type: "Account".into(), ..Assignment::empty(owner(), "App") }
}

fn assigned(policy: &str, current: Option<&str>) -> AssignedProperty {
    AssignedProperty {
        policy: Some(policy.into()),
        current: current.map(Value::from),
        workflow: WorkflowState::Calculated,
        state: ProvisioningState::Pending,
        why: vec![Reason { rule: "resource type App / scalar title".into(), detail: format!("kind = '{policy}'") }],
        granted: vec![],
        conformed: None,
        has_conformed: false,
        strange: vec![],
        missing: vec![],
        spent: vec![],
    }
}

fn addition() -> Wanted {
    Wanted { kind: OrderKind::Addition, changes: vec![] }
}

fn order_seen(state: ProvisioningState) -> OrderSeen {
    OrderSeen {
        id: "o-1".into(),
        kind: OrderKind::Addition,
        properties: vec!["title".into()],
        state,
        inactive_reason: None,
        said: "waits for a review".into(),
        declined: None,
    }
}

#[test]
fn requests_give_and_take_and_wait_and_are_declined() {
    use CauseKind as K;
    let mut nobody = told(&[]);
    let (standing, causes) = nobody.role("auditor");
    assert_eq!(standing, Standing::HasNot);
    assert_eq!(
        causes,
        [
            (K::NoRule, "no rule and no composite role gives it".to_owned()),
            (K::Requestable, "it can be asked for, and needs 2 approvals".to_owned())
        ]
    );
    let declined = Cause::new(K::RequestDeclined, "eve asked for it, and bob declined".into());
    nobody.said = vec![Said { name: "auditor".into(), property: None, cause: declined }];
    assert_eq!(nobody.role("auditor").1[0].0, K::RequestDeclined, "before what no rule says");
    let (standing, causes) = told(&[grant("auditor", false, None)]).role("auditor");
    assert_eq!(standing, Standing::Has);
    let given = "request r-1 gives it: requested by eve, approved by bob".to_owned();
    assert_eq!(causes, [(K::GivenByRequest, given)]);
    let (standing, causes) = told(&[grant("auditor", false, Some("2026-04-01"))]).role("auditor");
    assert_eq!(standing, Standing::NotYet);
    assert!(causes[0].1.starts_with("request r-1 gives it from 2026-04-01 on"), "{causes:?}");
    let (standing, causes) = told(&[grant("staff", true, None)]).role("staff");
    assert_eq!(standing, Standing::HasNot);
    assert_eq!(
        causes,
        [
            (K::DeniedByRequest, "request r-1 took it away: requested by eve, approved by bob".to_owned()),
            (K::Overridden, "rule 1 would give it, and request r-1 counts instead: it is for everybody".to_owned()),
            (K::Requestable, "nobody can ask for it".to_owned()),
        ]
    );
}

#[test]
fn composite_roles_are_told_of_by_the_roles_that_they_would_give() {
    let (_, causes) = told(&[]).role("guard");
    let sentences: Vec<&str> = causes.iter().map(|(_, sentence)| sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "rule 1 does not apply: kind is 'clerk', must be 'guard'",
            "composite role watch would give it, and the owner does not have that",
            "it can be asked for, and needs 1 approval",
        ]
    );
    let (standing, causes) = told(&[grant("watch", false, None)]).role("guard");
    assert_eq!(
        (standing, causes),
        (Standing::Has, vec![(CauseKind::GivenByRole, "composite role watch gives it".into())])
    );
    assert!(told(&[]).ask().role("nobody").is_none());
}

#[test]
fn what_stands_between_rules_and_system_is_told() {
    use CauseKind as K;
    let mut app = told(&[]);
    app.today = vec![Assignment { wanted: Some(addition()), ..assignment(Wish::Have) }];
    let waits = "Ada (E1) shall have App 'E1', and it is not there yet.";
    let (sentence, causes) = app.app();
    assert_eq!(sentence, waits);
    assert_eq!(causes[0].0, K::NotComputed, "{causes:?}");
    app.kept = vec![Kept { assignment: app.today[0].clone(), order: None }];
    assert_eq!(app.app().1, [(K::NotGenerated, "no order was generated yet".to_owned())]);
    app.blocked = Some(Blocked {
        run: "g".into(),
        at: at("2026-02-28"),
        actor: "eve".into(),
        breaches: vec!["9 additions of App, at most 3 (absolute)".into()],
    });
    let (_, causes) = app.app();
    assert_eq!(causes[0].0, K::Threshold);
    assert!(causes[0].1.starts_with("the generation of 2026-02-28 by eve was blocked, and nothing was submitted: 9"));
    app.kept[0].order = Some(order_seen(ProvisioningState::AwaitingApproval));
    let on_its_way = "order o-1, its addition, is Awaiting Approval: waits for a review".to_owned();
    assert_eq!(app.app().1, [(K::Order, on_its_way)]);
    app.today[0].confidence = 80;
    let unsure = "the least sure rule behind it has confidence 80; below 100 a person looks at it first".to_owned();
    assert_eq!(app.app().1[0], (K::Confidence, unsure));
    for (today, sentence, kind) in [
        (
            Assignment { note: "begins".into(), ..assignment(Wish::Later) },
            "Ada (E1) does not have App 'E1' yet: from ever on.",
            K::NotYet,
        ),
        (
            Assignment { note: "left alone".into(), workflow: WorkflowState::NonConforming, ..assignment(Wish::Found) },
            "App 'E1' looks like one of Ada (E1), and no rule gives it.",
            K::Found,
        ),
        (
            Assignment { note: "kept by bob".into(), workflow: WorkflowState::Approved, ..assignment(Wish::Lose) },
            "Ada (E1) no longer gets App 'E1', and it is still there.",
            K::Decision,
        ),
    ] {
        app.today = vec![today];
        app.kept.clear();
        let (told, causes) = app.app();
        assert_eq!(told, sentence);
        assert!(causes.iter().any(|(one, _)| *one == kind), "{kind:?} is missing: {causes:?}");
    }
}

#[test]
fn a_decline_names_who_and_when_once_that_is_known() {
    let mut app = told(&[]);
    let note = "declined, and not proposed again until a proposed value changes";
    app.today = vec![Assignment { note: note.into(), workflow: WorkflowState::Declined, ..assignment(Wish::Have) }];
    let mut order = order_seen(ProvisioningState::Inactive);
    order.inactive_reason = Some(InactiveReason::Declined);
    app.kept = vec![Kept { assignment: app.today[0].clone(), order: Some(order) }];
    assert_eq!(app.app().1, [(CauseKind::ReviewDeclined, note.to_owned())]);
    let by_bob = Some(("bob".to_owned(), at("2026-02-27"), "not hers".to_owned()));
    app.kept[0].order.as_mut().unwrap().declined = by_bob;
    assert_eq!(app.app().1[0].1, format!("{note}; by bob on 2026-02-27: not hers"));
}

#[test]
fn values_and_links_are_told_apart_by_what_is_wanted_and_what_is_there() {
    let mut app = told(&[]);
    let groups = |policy: &[&str], current: &[&str]| AssignedProperty {
        policy: Some(Value::List(policy.iter().map(|one| Value::from(*one)).collect())),
        current: Some(Value::List(current.iter().map(|one| Value::from(*one)).collect())),
        ..assigned("", None)
    };
    let properties = [
        ("title".to_owned(), assigned("clerk", Some("boss"))),
        ("pin".to_owned(), assigned("1E1", Some("0000"))),
        ("groups".to_owned(), groups(&["all"], &["all", "old"])),
    ];
    app.today = vec![Assignment { linked: true, properties: properties.into(), ..assignment(Wish::Have) }];
    let told = |property: &str, value: Option<&str>| {
        let answer = app.ask().property("App", property, value).unwrap();
        (answer.standing, answer.sentence)
    };
    let of = "App 'E1' of Ada (E1)";
    assert_eq!(told("title", None), (Standing::Waits, format!("title of {of} shall be 'clerk', and is 'boss'.")));
    assert_eq!(told("groups", Some("all")).0, Standing::Has);
    assert_eq!(told("groups", Some("old")).0, Standing::Found);
    let answer = app.ask().property("App", "groups", Some("guards")).unwrap();
    assert_eq!(answer.standing, Standing::HasNot);
    assert_eq!(answer.considered.len(), 1, "only the rule that speaks of it: {:?}", answer.considered);
    assert_eq!(answer.causes[0].sentence, "navigation groups -> guards does not apply: does not have role guard");
    let denied = app.ask().property("App", "groups", Some("old")).unwrap();
    assert_eq!(denied.causes[0].kind, CauseKind::DeniedByRule);
    let all = app.ask().property("App", "groups", Some("all")).unwrap();
    assert_eq!(all.causes[0].kind, CauseKind::GivenByRule, "that another link is denied says nothing of this one");
    let pin = app.ask().property("App", "pin", Some("0000")).unwrap();
    assert_eq!((pin.standing, pin.proposed, pin.current), (Standing::Unknown, None, None));
    let whole = format!("{:?}", app.ask().owner());
    assert!(!whole.contains("0000") && !whole.contains("1E1"), "{whole}");
    assert!(app.ask().property("App", "nothing", None).is_none());
}

fn change(property: &str, operation: ChangeOperation, proposed: Value) -> Change {
    Change {
        property: property.into(),
        operation,
        proposed: Some(proposed),
        current: None,
        sensitive: property == "pin",
        write_only: false,
        why: vec![Reason { rule: "resource type App / scalar title".into(), detail: "kind = 'clerk'".into() }],
    }
}

fn order(changes: Vec<Change>, block_causes: Vec<BlockCause>) -> Order {
    Order {
        id: OrderId::new(uuid::Uuid::from_u128(1)),
        kind: OrderKind::Addition,
        resource_type: "App".into(),
        connector: "app".into(),
        connection: "app-sql".into(),
        entity_type: "Account".into(),
        owner: owner(),
        target_key: "E1".into(),
        changes,
        arguments: [].into(),
        why: vec![Reason { rule: "request r-1".into(), detail: "requested by eve".into() }],
        priority: 0,
        not_before: None,
        period: Period::default(),
        generation_run: "g".into(),
        depends_on: vec![],
        block_causes,
        transmitted_validity_minutes: 0,
        rule_failure: None,
        expired: false,
        generated_at: at("2026-02-01"),
    }
}

#[test]
fn an_order_tells_review_run_and_history() {
    let told = told(&[]);
    let order = order(vec![], vec![BlockCause::ResourceType, BlockCause::Run, BlockCause::QueuedBehind]);
    let run = RunSeen {
        at: at("2026-02-01"),
        actor: "eve".into(),
        force_review: true,
        force_thresholds: true,
        breaches: vec![("App".into(), "9 additions of App".into()), ("Other".into(), "1 deletion of Other".into())],
        ..RunSeen::default()
    };
    let steps = [Step { event: "declined".into(), actor: "bob".into(), at: at("2026-02-02"), reason: "no".into() }];
    let ask = OrderAsk {
        catalog: Some(&told.catalog),
        order: &order,
        state: ProvisioningState::Inactive,
        said: "declined",
        run: Some(&run),
        steps: &steps,
        today: None,
    };
    let answer = ask.explain();
    assert_eq!(answer.sentence, "It was to create App 'E1' of Ada (E1) in app; Inactive: declined.");
    let sentences: Vec<&str> = answer.causes.iter().map(|cause| cause.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "request r-1: requested by eve",
            "App requires a review of every order",
            "its run forced a review of everything, as eve wanted",
            "another order of the same resource was waiting for a review",
            "its run went past a threshold unseen, as eve wanted: 9 additions of App",
            "declined by bob on 2026-02-02: no",
        ]
    );
    assert_eq!((answer.causes[0].kind, answer.causes[0].reference.as_str()), (CauseKind::GivenByRequest, "r-1"));
    let waived = RunSeen { waive_review: true, breaches: vec![], ..run.clone() };
    let free = Order { block_causes: vec![], ..order.clone() };
    let ask = OrderAsk { order: &free, run: Some(&waived), steps: &[], ..ask };
    assert_eq!(
        ask.explain().causes[1].sentence,
        "its run waived the reviews that resource types require, as eve wanted"
    );
}

#[test]
fn what_the_rules_say_today_never_rewrites_what_they_said_then() {
    let told = told(&[]);
    let list = |items: &[&str]| Value::List(items.iter().map(|item| Value::from(*item)).collect());
    let order = order(
        vec![
            change("title", ChangeOperation::Set, "clerk".into()),
            change("pin", ChangeOperation::Set, "1E1".into()),
            change("groups", ChangeOperation::Add, list(&["all", "old"])),
        ],
        vec![],
    );
    let answer = told.ask().resource_type("App").unwrap();
    let today = |assignment: Option<&Assignment>| {
        let today = Some(Today { answer: &answer, assignment });
        let state = ProvisioningState::Verified;
        OrderAsk { catalog: None, order: &order, state, said: "", run: None, steps: &[], today }.explain()
    };
    let mut assignment = assignment(Wish::Have);
    assignment.properties = [
        ("title".to_owned(), assigned("boss", None)),
        ("pin".to_owned(), assigned("2E1", None)),
        ("groups".to_owned(), AssignedProperty { policy: Some(list(&["all"])), why: vec![], ..assigned("", None) }),
    ]
    .into();
    let differences = today(Some(&assignment)).differences;
    assert_eq!(
        differences,
        [
            "title: at generation 'clerk', today 'boss' (kind = 'boss')",
            "pin: the rules say another value today",
            "groups: 'old' is not given today",
        ]
    );
    let gone = today(None).differences;
    assert_eq!(gone, ["today the rules do not give it: Ada (E1) does not have App"]);
    assignment.target_key = "E2".into();
    assert_eq!(today(Some(&assignment)).differences, ["its key was 'E1', and is 'E2' today"]);
    assert_eq!(today(None).sentence, "It created App 'E1' of Ada (E1) in app; Verified.");
    // What the order says of itself is no difference.
    let expired = Order { expired: true, ..order.clone() };
    let past = super::tests::assignment(Wish::Past);
    let ask = OrderAsk {
        catalog: None,
        order: &expired,
        state: ProvisioningState::Inactive,
        said: "",
        run: None,
        steps: &[],
        today: Some(Today { answer: &answer, assignment: Some(&past) }),
    };
    assert!(ask.explain().differences.is_empty());
}

/// What is told of the account old-1, which a rule finds to be the owner's.
fn of_old(refusal: Option<&str>, today: Vec<Assignment>, rivals: Vec<Rival>) -> Vec<String> {
    let why = Reason {
        rule: "resource type App / correlation rule 2".into(),
        detail: "target.mail is owner.mail, confidence 120".into(),
    };
    let mut told = Told { today, rivals, ..told(&[]) };
    let types = told.seen.iter_mut().flat_map(|seen| &mut seen.resource_types);
    let refusal = refusal.map(str::to_owned);
    for seen in types.filter(|seen| &*seen.resource_type == "App") {
        let (key, why, refusal) = ("old-1".into(), why.clone(), refusal.clone());
        seen.existing = vec![ExistingSeen { key, why, confidence: 120, refusal }];
    }
    let causes = told.app().1.into_iter();
    causes.filter(|(kind, _)| *kind == CauseKind::Found).map(|(_, sentence)| sentence).collect()
}

fn not_taken(why: &str) -> Vec<String> {
    vec![format!(
        "Account 'old-1' exists and was found by correlation rule 2 (target.mail is owner.mail, confidence 120), and is \
         not taken: {why}"
    )]
}

#[test]
fn an_existing_resource_that_is_not_taken_is_told_with_the_reason() {
    let found = |refusal: Option<&str>, today: Vec<Assignment>| of_old(refusal, today, vec![]);
    let has = || Assignment { linked: true, ..assignment(Wish::Have) };
    assert_eq!(found(Some("it is kept for nobody by grace"), vec![has()]), not_taken("it is kept for nobody by grace"));
    assert_eq!(found(None, vec![has()]), not_taken("the owner has 'E1' already"));
    assert_eq!(found(None, vec![assignment(Wish::Have)]), not_taken("somebody else has it, or is surer of it"));
    let its = Assignment { target_key: "old-1".into(), ..has() };
    assert_eq!(found(None, vec![its]), Vec::<String>::new(), "it is taken");
    assert_eq!(found(None, vec![]), Vec::<String>::new(), "no rule gives one");
}

#[test]
fn who_has_what_the_owner_does_not_get_is_told_by_name_and_how_sure_that_is() {
    let bob = Owner { entity_type: "Person".into(), key: "E2".into(), display_name: "Bob".into() };
    let rival = |confidence: Option<u32>, is_proposed: bool| Rival {
        owner: bob.clone(),
        entity_type: "Account".into(),
        key: "old-1".into(),
        correlated: confidence.map(|confidence| Correlated {
            why: Reason { rule: "resource type App / correlation rule 1".into(), detail: "by number".into() },
            confidence,
            rule_key: "bob".into(),
        }),
        is_proposed,
    };
    let told = |rivals: Vec<Rival>| of_old(None, vec![assignment(Wish::Have)], rivals);
    let by_rule = "resource type App / correlation rule 1 (by number), confidence";
    assert_eq!(told(vec![rival(Some(130), false)]), not_taken(&format!("Bob (E2) is surer of it: {by_rule} 130")));
    assert_eq!(told(vec![rival(Some(90), false)]), not_taken(&format!("Bob (E2) has it: {by_rule} 90")));
    assert_eq!(told(vec![rival(Some(90), true)]), not_taken(&format!("Bob (E2) may get it: {by_rule} 90")));
    let by_key = "Bob (E2) has it: it stands under the key that the rules give Bob (E2)";
    assert_eq!(told(vec![rival(None, false)]), not_taken(by_key));
    // Of another account they say nothing, and where two claim it nobody knows whose it is.
    let other = Rival { key: "old-2".into(), ..rival(None, false) };
    assert_eq!(told(vec![other]), not_taken("somebody else has it, or is surer of it"));
    let both = vec![rival(None, false), rival(Some(130), false)];
    assert_eq!(told(both), not_taken("somebody else has it, or is surer of it"));
}

#[test]
fn only_what_is_somebody_s_makes_a_rival() {
    let of = |assignment: Assignment| Rival::of(&assignment).is_some();
    assert!(of(assignment(Wish::Have)) && of(Assignment { proposed: true, ..assignment(Wish::Have) }));
    assert!(!of(assignment(Wish::Gone)) && !of(assignment(Wish::Found)));
    assert!(!of(Assignment { found: true, ..assignment(Wish::Lose) }));
}
