//! What is ordered, what is left alone, and what is remembered.

use super::*;

#[test]
fn new_account_is_an_addition_then_verified_then_nothing() {
    let mut world = World::new("Free");
    let generation = world.run(&ada(given("Analyst", &["staff"])));
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Addition);
    let properties: Vec<_> = order.changes.iter().map(|change| change.property.as_str()).collect();
    assert_eq!(properties, ["groups", "login", "password", "title"]);
    assert!(world.lanes.values().flatten().all(|order| order.state == ProvisioningState::Verified));
    let again = world.generate();
    assert_eq!((again.orders.len(), again.cancel.len()), (0, 0));
}

#[test]
fn generating_twice_submits_nothing_new() {
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(world.generate().orders.len(), 1);
    world.compute(&ada(given("Analyst", &[])));
    let again = world.generate();
    assert_eq!((again.orders.len(), again.duplicates, again.cancel.len()), (0, 1, 0));
}

#[test]
fn changed_title_is_one_change() {
    let mut world = settled("Analyst", &["staff"]);
    let generation = world.run(&ada(given("Manager", &["staff"])));
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Update);
    let [change] = order.changes.as_slice() else { panic!("one change expected: {:?}", order.changes) };
    assert_eq!((change.property.as_str(), change.current.clone()), ("title", Some(Value::from("Analyst"))));
}

#[test]
fn changed_groups_are_deltas() {
    let mut world = settled("Analyst", &["staff", "old"]);
    let generation = world.run(&ada(given("Analyst", &["staff", "new"])));
    let order = World::only_order(&generation);
    let changes: Vec<_> = order.changes.iter().map(|change| (change.operation, change.proposed.clone())).collect();
    assert_eq!(
        changes,
        [(ChangeOperation::Add, Some(list(&["new"]))), (ChangeOperation::Remove, Some(list(&["old"])))]
    );
    assert_eq!(world.accounts.get("ada").and_then(|account| account.get("groups")), Some(&list(&["staff", "new"])));
}

#[test]
fn executed_but_not_yet_seen_is_not_ordered_again() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(given("Manager", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    let before = world.accounts.clone();
    world.execute(id);
    // The repository still shows the old title; another change comes meanwhile.
    world.accounts = before;
    world.compute(&ada(given("Manager", &["staff", "new"])));
    let generation = world.generate();
    let order = World::only_order(&generation);
    assert!(order.changes.iter().all(|change| change.property == "groups"), "{:?}", order.changes);
}

#[test]
fn groups_of_others_are_left_alone() {
    let mut world = World::new("Free");
    let found = [("login".to_owned(), Value::from("ada")), ("groups".to_owned(), list(&["staff", "club"]))];
    world.accounts.insert("ada".into(), found.into());
    let generation = world.run(&ada(given("Analyst", &["staff"])));
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Update);
    assert_eq!(order.changes.iter().map(|change| change.property.as_str()).collect::<Vec<_>>(), ["title"]);
    let groups = world.assignment("ada").properties.get("groups").expect("a property");
    assert_eq!((groups.workflow, &groups.strange), (WorkflowState::PreExisting, &vec![Value::from("club")]));
    assert_eq!(world.accounts.get("ada").and_then(|account| account.get("groups")), Some(&list(&["staff", "club"])));
}

#[test]
fn drift_is_shown_and_left_alone_until_the_source_changes() {
    let mut world = settled("Analyst", &["staff"]);
    let account = world.accounts.get_mut("ada").expect("an account");
    account.insert("title".into(), Value::from("Emperor"));
    account.insert("groups".into(), list(&[]));
    world.synchronize();
    assert_eq!(world.run(&ada(given("Analyst", &["staff"]))).orders.len(), 0);
    assert_eq!(world.run(&ada(given("Analyst", &["staff"]))).orders.len(), 0, "and it is remembered");
    let assignment = world.assignment("ada");
    for property in ["title", "groups"] {
        let property = assignment.properties.get(property).expect("a property");
        assert_eq!(property.workflow, WorkflowState::NonConforming, "{property:?}");
    }
    let generation = world.run(&ada(given("Manager", &["staff"])));
    let changes: Vec<_> = World::only_order(&generation).changes.iter().map(|change| change.property.clone()).collect();
    assert_eq!(changes, ["title"]);
}

#[test]
fn account_deleted_outside_is_not_created_again_by_itself() {
    let mut world = settled("Analyst", &["staff"]);
    world.accounts.clear();
    world.synchronize();
    assert_eq!(world.run(&ada(given("Analyst", &["staff"]))).orders.len(), 0);
    assert_eq!(world.assignment("ada").workflow, WorkflowState::NonConforming);
}

#[test]
fn leaver_loses_the_account_and_nothing_is_left() {
    let mut world = settled("Analyst", &["staff"]);
    let generation = world.run(&BTreeMap::new());
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Deletion);
    assert!(order.why.iter().any(|reason| reason.detail == "no type rule gives it any more"), "{:?}", order.why);
    assert!(world.accounts.is_empty() && world.assignments.is_empty());
    assert!(world.lanes.values().flatten().all(|order| order.state == ProvisioningState::Verified));
}

#[test]
fn end_of_the_period_is_a_leave_and_return_is_an_addition() {
    let mut world = settled("Analyst", &["staff"]);
    let ended =
        Given { period: Period { from: None, until: Some(Timestamp::from_millis(5)) }, ..given("Analyst", &["staff"]) };
    let generation = world.run(&ada(ended.clone()));
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Deletion);
    assert!(order.why.iter().any(|reason| reason.detail.contains("the owner's time ended")), "{:?}", order.why);
    assert_eq!(world.run(&ada(ended.clone())).orders.len(), 0, "who had it and left is no news");
    assert_eq!(world.assignment("ada").wish, Wish::Gone);
    let generation = world.run(&ada(given("Analyst", &["staff"])));
    assert_eq!(World::only_order(&generation).kind, OrderKind::Addition);
}

#[test]
fn what_was_verified_later_ends_what_stayed_executed() {
    // A title that was executed, and put back outside before it was seen.
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(given("Manager", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    let before = world.accounts.clone();
    world.execute(id);
    world.accounts = before;
    world.synchronize();
    assert_eq!(World::only_order(&world.run(&ada(given("Clerk", &["staff"])))).kind, OrderKind::Update);
    // The same title again, later, is news.
    assert_eq!(world.run(&ada(given("Manager", &["staff"]))).orders.len(), 1);
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified);

    // A password stays Executed for ever; after a deletion the account is an addition all the same.
    let mut world = settled("Analyst", &["staff"]);
    world.run(&ada(Given { password: "second", ..given("Analyst", &["staff"]) }));
    assert_eq!(World::only_order(&world.run(&BTreeMap::new())).kind, OrderKind::Deletion);
    let generation = world.run(&ada(given("Analyst", &["staff"])));
    let order = World::only_order(&generation);
    assert_eq!(order.kind, OrderKind::Addition);
    assert!(order.changes.iter().any(|change| change.property == "password"));
}

#[test]
fn declined_link_stays_declined_beside_others() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(given("Analyst", &["staff", "root"])));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    let generation = world.run(&ada(given("Analyst", &["staff", "root", "mail"])));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("one change") };
    assert_eq!(change.proposed, Some(list(&["mail"])));
}

#[test]
fn leaver_whose_data_breaks_a_rule_leaves_all_the_same() {
    let failure = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "m".into() };
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let broken = Given { period: over, failure: Some(failure), ..given("Analyst", &["staff"]) };
    let mut world = settled("Analyst", &["staff"]);
    assert_eq!(World::only_order(&world.run(&ada(broken.clone()))).kind, OrderKind::Deletion);
    let mut world = World::new("Free");
    assert!(World::only_order(&world.run(&ada(broken))).expired, "who never had anything is Inactive, not in Error");
}

#[test]
fn return_right_after_our_own_deletion_is_an_addition() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&BTreeMap::new());
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    world.synchronize();
    // Back before anything was computed in between.
    let generation = world.run(&ada(given("Analyst", &["staff"])));
    assert_eq!(World::only_order(&generation).kind, OrderKind::Addition);
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified);
}

#[test]
fn accounts_that_were_never_ours_are_not_deleted() {
    let mut world = World::new("Free");
    world.accounts.insert("ada".into(), [("login".to_owned(), Value::from("ada"))].into());
    assert_eq!(world.run(&BTreeMap::new()).orders.len(), 0);
    let ended =
        Given { period: Period { from: None, until: Some(Timestamp::from_millis(5)) }, ..given("Analyst", &[]) };
    assert_eq!(world.run(&ada(ended)).orders.len(), 0);
    assert_eq!(world.assignment("ada").wish, Wish::Found);
    assert_eq!(world.assignment("ada").workflow, WorkflowState::PreExisting);
}

#[test]
fn future_owners_wait_and_past_ones_are_recorded_once() {
    let mut world = World::new("Free");
    let future = Period { from: Some(Timestamp::from_millis(1_000_000)), until: None };
    let past = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let rules: BTreeMap<_, _> = [
        ("joiner", Given { period: future, ..given("Analyst", &[]) }),
        ("gone", Given { period: past, ..given("Analyst", &[]) }),
    ]
    .into();
    let generation = world.run(&rules);
    let order = World::only_order(&generation);
    assert!(order.expired && order.owner.key == "gone");
    assert_eq!(world.run(&rules).orders.len(), 0);
    world.now = Timestamp::from_millis(2_000_000);
    assert_eq!(World::only_order(&world.run(&rules)).owner.key, "joiner");
}

#[test]
fn failed_rule_is_one_order_in_error_until_it_is_mended() {
    let mut world = World::new("Free");
    let failure = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "m".into() };
    let rules: BTreeMap<_, _> =
        [("ada", Given { failure: Some(failure.clone()), ..given("Analyst", &[]) }), ("bob", given("Clerk", &[]))]
            .into();
    let generation = world.run(&rules);
    assert_eq!(generation.orders.len(), 2);
    assert_eq!(world.assignment("ada").state, ProvisioningState::Error);
    assert_eq!(world.assignment("bob").state, ProvisioningState::Verified);
    assert_eq!(world.run(&rules).orders.len(), 0);
    let mended: BTreeMap<_, _> = [("ada", given("Analyst", &[])), ("bob", given("Clerk", &[]))].into();
    assert_eq!(World::only_order(&world.run(&mended)).owner.key, "ada");
    let states: Vec<_> = world.lanes.values().flatten().map(|order| order.state).collect();
    assert_eq!(states, [ProvisioningState::Inactive, ProvisioningState::Verified, ProvisioningState::Verified]);
}

#[test]
fn failed_rule_takes_nothing_away() {
    let mut world = settled("Analyst", &["staff"]);
    let failure = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "m".into() };
    let failing = ada(Given { failure: Some(failure), ..given("Analyst", &[]) });
    let generation = world.run(&failing);
    assert!(World::only_order(&generation).rule_failure.is_some());
    assert!(world.accounts.contains_key("ada"));
    // Afterwards the account is still ours: without a rule it goes.
    assert_eq!(World::only_order(&world.run(&BTreeMap::new())).kind, OrderKind::Deletion);
}

#[test]
fn review_is_asked_unless_waived_and_can_be_forced() {
    let mut world = World::new("Reviewed");
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(World::only_order(&world.generate()).block_causes, [BlockCause::ResourceType]);
    let mut world = World::new("Reviewed");
    world.compute(&ada(given("Analyst", &[])));
    assert!(World::only_order(&world.generate_with(false, true)).block_causes.is_empty());
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(World::only_order(&world.generate_with(true, false)).block_causes, [BlockCause::Run]);
}

#[test]
fn declined_is_not_proposed_again_until_the_value_changes() {
    let mut world = World::new("Reviewed");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    assert_eq!(world.run(&ada(given("Analyst", &[]))).orders.len(), 0);
    assert_eq!(world.assignment("ada").workflow, WorkflowState::Declined);
    assert_eq!(world.run(&ada(given("Manager", &[]))).orders.len(), 1);
}

#[test]
fn declined_value_does_not_hold_up_the_others() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(given("Manager", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    let generation = world.run(&ada(given("Manager", &["staff", "new"])));
    let changes: Vec<_> = World::only_order(&generation).changes.iter().map(|change| change.property.clone()).collect();
    assert_eq!(changes, ["groups"]);
}

#[test]
fn what_is_no_longer_needed_is_cancelled_unless_in_flight() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(given("Manager", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    world.compute(&ada(given("Analyst", &["staff"])));
    assert_eq!(world.generate().cancel, [id]);

    world.compute(&ada(given("Manager", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    world.lanes.values_mut().flatten().filter(|order| order.id == id).for_each(|order| order.in_flight = true);
    world.compute(&ada(given("Analyst", &["staff"])));
    let generation = world.generate();
    // It is being written: the way back is an order of its own, behind it.
    assert!(generation.cancel.is_empty());
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("one change") };
    assert_eq!(change.proposed, Some(Value::from("Analyst")));
}

#[test]
fn write_only_values_go_with_the_account_and_again_when_they_change() {
    let mut world = settled("Analyst", &["staff"]);
    let changed = Given { password: "second", ..given("Analyst", &["staff"]) };
    let generation = world.run(&ada(changed.clone()));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("one change") };
    assert!(change.write_only && change.sensitive);
    assert_eq!(world.run(&ada(changed)).orders.len(), 0);
}

#[test]
fn changed_write_only_value_stays_open_until_it_is_sent() {
    let mut world = settled("Analyst", &["staff"]);
    let changed = ada(Given { password: "second", ..given("Analyst", &["staff"]) });
    world.compute(&changed);
    let id = World::only_order(&world.generate()).id;
    world.compute(&changed);
    let again = world.generate();
    assert_eq!((again.orders.len(), again.duplicates, again.cancel.len()), (0, 1, 0));
    world.execute(id);
    world.compute(&changed);
    let again = world.generate();
    assert_eq!((again.orders.len(), again.duplicates, again.cancel.len()), (0, 0, 0));
}

#[test]
fn write_only_value_of_a_found_account_is_not_ours_to_set() {
    let mut world = World::new("Free");
    let found = [("login".to_owned(), Value::from("ada")), ("title".to_owned(), Value::from("Analyst"))];
    world.accounts.insert("ada".into(), found.into());
    assert_eq!(world.run(&ada(given("Analyst", &[]))).orders.len(), 0);
}

#[test]
fn executed_but_contradicted_is_shown_and_not_sent_again() {
    let mut world = settled("Analyst", &["staff"]);
    let rules = ada(given("Manager", &["staff", "new"]));
    world.compute(&rules);
    let id = World::only_order(&world.generate()).id;
    let before = world.accounts.clone();
    world.execute(id);
    // Somebody put it back before it was ever seen.
    world.accounts = before;
    world.synchronize();
    assert_eq!(world.run(&rules).orders.len(), 0);
    for property in ["title", "groups"] {
        let property = world.assignment("ada").properties.get(property).expect("a property");
        assert_eq!((property.workflow, property.state), (WorkflowState::NonConforming, ProvisioningState::Executed));
    }
}

#[test]
fn links_are_taken_away_when_their_last_rule_goes() {
    let mut world = settled("Analyst", &["staff"]);
    let mut ruleless = expected("Free", "ada", &given("Analyst", &[]));
    ruleless.values.remove("groups");
    let assigned =
        world.assign_one(&owner("ada"), Some(&ruleless), Some(world.assignment("ada")), &Decisions::default());
    let wanted = assigned.and_then(|assignment| assignment.wanted).expect("an order");
    let [change] = wanted.changes.as_slice() else { panic!("one change: {:?}", wanted.changes) };
    assert_eq!((change.operation, change.proposed.clone()), (ChangeOperation::Remove, Some(list(&["staff"]))));
    world.tick();
}

#[test]
fn nothing_is_added_or_removed_where_that_is_not_allowed() {
    let mut world = World::new("Kept");
    assert_eq!(world.run(&ada(given("Analyst", &[]))).orders.len(), 0);
    assert!(world.assignment("ada").note.contains("allow_add"));
    let found = [("login".to_owned(), Value::from("ada")), ("title".to_owned(), Value::from("Analyst"))];
    world.accounts.insert("ada".into(), found.into());
    world.run(&ada(given("Analyst", &[])));
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified);
    assert_eq!(world.run(&BTreeMap::new()).orders.len(), 0);
    assert!(world.assignment("ada").note.contains("allow_remove"));
}

#[test]
fn only_a_later_export_verifies() {
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &["staff"])));
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    // The values are there, but the export that shows them is said to have begun before the order.
    world.compute(&ada(given("Analyst", &["staff"])));
    assert_eq!(
        world.lanes.values().flatten().map(|order| order.state).collect::<Vec<_>>(),
        [ProvisioningState::Executed]
    );
    world.synchronize();
    world.compute(&ada(given("Analyst", &["staff"])));
    assert_eq!(
        world.lanes.values().flatten().map(|order| order.state).collect::<Vec<_>>(),
        [ProvisioningState::Verified]
    );
}

#[test]
fn thresholds_block_and_a_first_load_is_exempt() {
    const MANY: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let everybody: BTreeMap<_, _> = MANY.iter().map(|key| (*key, given("Analyst", &[]))).collect();
    let mut world = World::new("Guarded");
    let first = world.run(&everybody);
    assert_eq!(first.orders.len(), 10);
    assert_eq!(first.notes, ["Guarded: 10 additions are its first load, to which the 30 % limit does not apply"]);
    let few: BTreeMap<_, _> = MANY.iter().take(5).map(|key| (*key, given("Analyst", &[]))).collect();
    world.compute(&few);
    let generation = world.generate();
    let [breach] = generation.breaches.as_slice() else { panic!("one breach: {:?}", generation.breaches) };
    assert_eq!((breach.counted, breach.count, breach.limit), ("deletions", 5, 3));
    assert_eq!(breach.rule, "30 % of 10 resources");
    let most: BTreeMap<_, _> = MANY.iter().take(7).map(|key| (*key, given("Analyst", &[]))).collect();
    world.compute(&most);
    let last = world.generate();
    assert!(last.breaches.is_empty() && last.notes.is_empty());
}

#[test]
fn deletions_carry_the_arguments_as_last_computed() {
    let mut world = World::new("Free");
    let with = |server: &str| {
        let mut resource = expected("Free", "ada", &given("Analyst", &[]));
        resource.arguments = [("server".to_owned(), server.to_owned())].into();
        resource
    };
    let nothing = Decisions::default();
    let assigned = |world: &World, rules: Option<&ExpectedResource>, previous: Option<&Assignment>| {
        world.assign_one(&owner("ada"), rules, previous, &nothing).expect("an assignment")
    };
    world.run(&[("ada", given("Analyst", &[]))].into());
    let had = assigned(&world, Some(&with("a")), Some(world.assignment("ada")));
    let server = |assignment: &Assignment| assignment.arguments.get("server").cloned().unwrap_or_default();
    assert_eq!(server(&had), "a");
    // No rule gives it any more.
    let lost = assigned(&world, None, Some(&had));
    assert_eq!((lost.wish, server(&lost)), (Wish::Lose, "a".into()));
    // The owner's time is over, and it has moved since.
    let mut moved = with("b");
    moved.period = Period { from: None, until: Some(Timestamp::from_millis(1)) };
    let over = assigned(&world, Some(&moved), Some(&had));
    assert_eq!((over.wish, server(&over)), (Wish::Lose, "b".into()));
    // A rule failed meanwhile: what was computed before is kept.
    let mut failing = with("c");
    failing.failure =
        Some(RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "it fails".into() });
    let unknown = assigned(&world, Some(&failing), Some(&had));
    assert_eq!((unknown.wish, server(&unknown)), (Wish::Unknown, "a".into()));
    assert_eq!(server(&assigned(&world, None, Some(&unknown))), "a");
    // Who asked for the order before says nothing of this one.
    let mut asked = had;
    asked.arguments.insert("reconciliation".into(), "d".into());
    assert!(!assigned(&world, None, Some(&asked)).arguments.contains_key("reconciliation"));
}

#[test]
fn key_that_only_a_failing_rule_gave_is_never_ours() {
    // Jana has her account. A newcomer's login is hers by a typo, which is refused; then it is mended;
    // then the newcomer leaves.
    let mut world = World::new("Free");
    world.run(&[("jana", given("Analyst", &[]))].into());
    let refused = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "two owners".into() };
    let assigned =
        |world: &World, key: &str, failure: Option<&RuleFailure>, period: Period, previous: Option<&Assignment>| {
            let mut resource = expected("Free", key, &given("Clerk", &[]));
            resource.failure = failure.cloned();
            resource.period = period;
            let nothing = Decisions::default();
            world.assign_one(&owner("al"), Some(&resource), previous, &nothing).expect("an assignment")
        };
    let typo = assigned(&world, "jana", Some(&refused), Period::default(), None);
    assert_eq!((typo.wish, typo.linked), (Wish::Unknown, false));
    let mended = assigned(&world, "al", None, Period::default(), Some(&typo));
    assert_eq!(mended.target_key, "al");
    assert_eq!(mended.wanted.map(|wanted| wanted.kind), Some(OrderKind::Addition));
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let left = assigned(&world, "jana", None, over, Some(&typo));
    assert_eq!((left.wish, left.wanted), (Wish::Found, None));
    // Who has an account, and whose login is then a stranger's by a typo, keeps the own one.
    world.run(&[("jana", given("Analyst", &[])), ("al", given("Clerk", &[]))].into());
    let own = assigned(&world, "jana", Some(&refused), Period::default(), Some(world.assignment("al")));
    assert_eq!((own.target_key.as_str(), own.linked), ("al", true));
}

#[test]
fn changed_key_makes_no_second_account() {
    let mut world = settled("Analyst", &["staff"]);
    let renamed = expected("Free", "lovelace", &given("Analyst", &["staff"]));
    let assigned =
        world.assign_one(&owner("ada"), Some(&renamed), Some(world.assignment("ada")), &Decisions::default());
    let assignment = assigned.expect("an assignment");
    assert!(assignment.wanted.is_none());
    assert!(assignment.failure.is_some_and(|failure| failure.message.contains("from 'ada' to 'lovelace'")));
    world.tick();
}

#[test]
fn account_that_comes_to_exist_while_its_order_is_cancelled_is_deleted() {
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let left = Given { period: over, ..given("Analyst", &[]) };
    let renamed = Given { login: Some("lovelace"), ..given("Analyst", &[]) };
    for open in [ProvisioningState::Pending, ProvisioningState::Errored, ProvisioningState::AwaitingApproval] {
        for (why, rules) in [("rule", BTreeMap::new()), ("period", ada(left.clone())), ("key", ada(renamed.clone()))] {
            let mut world = World::new("Free");
            world.compute(&ada(given("Analyst", &[])));
            let id = World::only_order(&world.generate()).id;
            world.set(id, open, None);
            world.compute(&rules);
            let kept = world.assignment("ada");
            assert_eq!((kept.wish, kept.target_key.as_str(), &kept.wanted), (Wish::Lose, "ada", &None), "{why} {open}");
            // An agent took it unseen, so that it cannot be cancelled any more.
            world.execute(id);
            world.synchronize();
            world.compute(&rules);
            let generation = world.generate();
            if why == "key" {
                assert!(World::only_order(&generation).rule_failure.is_some(), "{generation:?}");
                assert_eq!(world.assignment("ada").target_key, "ada");
            } else {
                assert_eq!(World::only_order(&generation).kind, OrderKind::Deletion, "{why} {open}");
            }
        }
    }
}

#[test]
fn what_was_cancelled_before_it_was_written_leaves_nothing() {
    let mut world = World::new("Reviewed");
    world.run(&ada(given("Analyst", &[])));
    let generation = world.run(&BTreeMap::new());
    assert_eq!((generation.orders.len(), generation.cancel.len()), (0, 1));
    assert!(world.assignments.is_empty());

    // The key changed: the order of the old key goes first, then comes that of the new one.
    let mut world = World::new("Reviewed");
    world.run(&ada(given("Analyst", &[])));
    let renamed = ada(Given { login: Some("lovelace"), ..given("Analyst", &[]) });
    let generation = world.run(&renamed);
    assert_eq!((generation.orders.len(), generation.cancel.len()), (0, 1));
    assert_eq!(World::only_order(&world.run(&renamed)).target_key, "lovelace");
}

#[test]
fn end_of_the_period_before_the_approval_is_settled_by_one_run() {
    let mut world = World::new("Reviewed");
    world.run(&ada(given("Analyst", &[])));
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let left = ada(Given { period: over, ..given("Analyst", &[]) });
    let generation = world.run(&left);
    assert_eq!((generation.orders.len(), generation.cancel.len()), (0, 1));
    for _ in 0..2 {
        let again = world.run(&left);
        assert_eq!((again.orders.len(), again.cancel.len(), again.duplicates), (0, 0, 0));
        let gone = world.assignment("ada");
        assert_eq!((gone.wish, gone.state), (Wish::Gone, ProvisioningState::Inactive));
        assert!(gone.note.contains("cancelled before anything was written"), "{}", gone.note);
    }
    assert_eq!(World::only_order(&world.run(&ada(given("Analyst", &[])))).kind, OrderKind::Addition, "back again");
}

#[test]
fn key_that_went_to_somebody_else_is_theirs() {
    // Ada's order was cancelled unwritten; before that is seen, Bob has an account of the same key.
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Cancelled));
    let bob = || BTreeMap::from([("bob", Given { login: Some("ada"), ..given("Clerk", &[]) })]);
    world.run(&bob());
    assert!(world.accounts.contains_key("ada"));
    assert_eq!(world.run(&bob()).orders.len(), 0);
    assert_eq!(world.assignments.keys().collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn account_that_was_written_before_a_rule_failed_is_still_ours() {
    let failure = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "m".into() };
    let failing = ada(Given { failure: Some(failure), ..given("Analyst", &[]) });
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    // The rule fails first, then an agent writes what it had taken.
    world.compute(&failing);
    assert_eq!((world.assignment("ada").wish, world.assignment("ada").linked), (Wish::Unknown, false));
    world.execute(id);
    world.synchronize();
    world.compute(&failing);
    assert!(world.assignment("ada").linked);
    assert_eq!(World::only_order(&world.run(&BTreeMap::new())).kind, OrderKind::Deletion);
}

#[test]
fn account_that_somebody_made_while_a_rule_failed_did_not_come_from_us() {
    let failure = RuleFailure { rule: "r".into(), property: None, input: "i".into(), message: "m".into() };
    let failing = ada(Given { failure: Some(failure), ..given("Analyst", &[]) });
    let mut world = World::new("Reviewed");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    world.compute(&failing);
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Cancelled));
    world.accounts.insert("ada".into(), [("login".to_owned(), Value::from("ada"))].into());
    world.synchronize();
    world.compute(&failing);
    assert!(!world.assignment("ada").linked);
}

#[test]
fn what_a_removed_resource_type_gave_is_known_as_long_as_it_is_there_or_may_come() {
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let left = |world: &World, previous: &Assignment, is_read: bool| {
        let lane = world.lanes.get(&lane("ada")).map_or(&[][..], Vec::as_slice);
        let resource = is_read.then(|| world.accounts.get("ada"));
        left_behind(previous, &Remains { resource, lane })
    };
    assert_eq!(left(&world, world.assignment("ada"), true), None, "nothing was ordered");
    let id = World::only_order(&world.generate()).id;
    let ordered = left(&world, world.assignment("ada"), true).expect("an open order");
    assert!(!ordered.linked && ordered.note.ends_with("its order is cancelled"), "{}", ordered.note);
    // An agent took it before it was cancelled.
    world.execute(id);
    let written = left(&world, &ordered, true).expect("a written account");
    assert!(written.linked && written.note.ends_with("left alone"), "{}", written.note);
    world.synchronize();
    world.compute(&ada(given("Analyst", &[])));
    world.accounts.clear();
    assert_eq!(left(&world, &written, true), None, "somebody deleted it");
    assert!(left(&world, &written, false).is_some(), "nobody looks any more");
}

#[test]
fn unreviewed_order_does_not_stand_for_one_that_must_be_reviewed() {
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let unreviewed = World::only_order(&world.generate()).id;
    let forced = world.generate_with(true, false);
    assert_eq!(World::only_order(&forced).block_causes, [BlockCause::Run]);
    assert_eq!(world.known(unreviewed).inactive_reason, Some(InactiveReason::Superseded));
    // It waits for its review now, and that is not asked for twice.
    let again = world.generate_with(true, false);
    assert_eq!((again.orders.len(), again.duplicates), (0, 1));
    // Approved, it is Pending and was reviewed.
    world.set(World::only_order(&forced).id, ProvisioningState::Pending, None);
    assert_eq!(world.generate_with(true, false).duplicates, 1);

    // What an agent has in its hands cannot be stopped.
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    world.known(id).in_flight = true;
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(world.generate_with(true, false).orders.len(), 0);
}

#[test]
fn drift_from_no_value_is_left_alone_too() {
    let mut world = settled("", &["staff"]);
    let account = world.accounts.get_mut("ada").expect("an account");
    account.insert("title".into(), Value::from("Emperor"));
    world.synchronize();
    for _ in 0..2 {
        assert_eq!(world.run(&ada(given("", &["staff"]))).orders.len(), 0);
        let title = world.assignment("ada").properties.get("title").expect("a property");
        assert_eq!(title.workflow, WorkflowState::NonConforming);
    }
    assert_eq!(world.run(&ada(given("Manager", &["staff"]))).orders.len(), 1, "another value is another matter");
}

#[test]
fn what_was_never_seen_has_not_conformed() {
    let mut world = World::new("Free");
    world.compute(&ada(given("", &[])));
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    let mut accounts = std::mem::take(&mut world.accounts);
    world.compute(&ada(given("", &[])));
    let title = world.assignment("ada").properties.get("title").expect("a property");
    assert_eq!((title.has_conformed, title.state), (false, ProvisioningState::Executed));
    // The system gives a title of its own to whoever is new: it is set right, and is no drift.
    accounts.entry("ada".into()).or_default().insert("title".into(), Value::from("New"));
    world.accounts = accounts;
    world.synchronize();
    let generation = world.run(&ada(given("", &[])));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("one change: {generation:?}") };
    assert_eq!((change.property.as_str(), &change.proposed), ("title", &None));
}

#[test]
fn a_found_value_for_which_rules_yield_nothing_waits_for_a_person() {
    let mut world = World::new("Free");
    world.accounts.insert(
        "ada".into(),
        [("login", "ada"), ("title", "Queen")].map(|(name, value)| (name.to_owned(), Value::from(value))).into(),
    );
    world.synchronize();
    for _ in 0..2 {
        assert_eq!(world.run(&ada(given("", &[]))).orders.len(), 0, "no rule of ours ever gave it");
        assert_eq!(world.property("title").workflow, WorkflowState::PreExisting);
        assert!(!world.assignment("ada").created);
    }
    world.by_hand("title", Value::from("Empress"));
    for _ in 0..2 {
        assert_eq!(world.run(&ada(given("", &[]))).orders.len(), 0);
        assert_eq!(world.property("title").workflow, WorkflowState::NonConforming);
    }
    let lines = items(world.assignment("ada"));
    assert_eq!(lines.iter().map(|line| (line.name.as_str(), &line.proposed)).collect::<Vec<_>>(), [("title", &None)]);
    // A person says that it is to be emptied: it is, and what stays unwritten for a while is not asked again.
    let mut written = World { accounts: world.accounts.clone(), ..World::new("Free") };
    written.assignments.clone_from(&world.assignments);
    written.synchronize();
    written.compute(&ada(given("", &[])));
    written.decide(Verdict::Write, "title", None);
    for _ in 0..2 {
        written.compute(&ada(given("", &[])));
        let wanted = written.assignment("ada").wanted.clone().expect("an order");
        assert_eq!(
            wanted.changes.iter().map(|change| (change.property.as_str(), &change.proposed)).collect::<Vec<_>>(),
            [("title", &None)]
        );
    }
    // A value that rules give is written, as ever; and what they gave is emptied when they give it no more.
    assert_eq!(world.run(&ada(given("Boss", &[]))).orders.len(), 1);
    world.compute(&ada(given("", &[])));
    for _ in 0..2 {
        world.compute(&ada(given("", &[])));
        let wanted = world.assignment("ada").wanted.clone().expect("an order");
        assert_eq!(wanted.changes.len(), 1, "ours, as long as it is there: {wanted:?}");
    }
    world.run(&ada(given("", &[])));
    assert_eq!(world.accounts.get("ada").and_then(|account| account.get("title")), None);
}

#[test]
fn an_account_that_an_order_made_is_known_to_be_ours() {
    let world = settled("Analyst", &["staff"]);
    assert!(world.assignment("ada").created);
    let mut world = world;
    // Also once its order is forgotten.
    world.lanes.clear();
    world.run(&ada(given("Analyst", &["staff"])));
    assert!(world.assignment("ada").created);
}

#[test]
fn only_a_link_that_a_rule_gave_is_cleared() {
    let at = |home| ada(Given { home, ..given("Analyst", &[]) });
    let home = |world: &World| world.accounts.get("ada").and_then(|account| account.get("home")).cloned();
    let mut world = World::new("Free");
    let found = [("login", "ada"), ("title", "Analyst"), ("home", "attic")];
    let found = found.map(|(name, value)| (name.to_owned(), Value::from(value)));
    world.accounts.insert("ada".into(), found.into());
    world.synchronize();
    for _ in 0..2 {
        assert_eq!(world.run(&at(Some(None))).orders.len(), 0, "somebody else's link");
        let assignment = world.assignment("ada");
        let property = assignment.properties.get("home").expect("a property");
        assert_eq!((property.workflow, property.state), (WorkflowState::PreExisting, ProvisioningState::Verified));
    }
    world.run(&at(Some(Some("cellar"))));
    assert_eq!(home(&world), Some("cellar".into()));
    world.run(&at(Some(Some("roof"))));
    assert_eq!(world.run(&at(Some(None))).orders.len(), 1, "ours");
    assert_eq!(home(&world), None);
    // Its last rule goes with the catalog: what was ours goes too.
    world.run(&at(Some(Some("cellar"))));
    assert_eq!(world.run(&at(None)).orders.len(), 1);
    assert_eq!(home(&world), None);
}

#[test]
fn addition_waits_for_what_its_resource_type_depends_on() {
    let dependent = CATALOG.replacen("  - name: Reviewed\n", "  - name: Reviewed\n    depends_on: Free\n", 1);
    let catalog = Catalog::compile(&[("catalog.yaml".into(), dependent)]).expect("a right catalog");
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &[])));
    let account = world.assignment("ada").clone();
    let mailbox = Assignment { resource_type: "Reviewed".into(), target_key: "ada-mail".into(), ..account.clone() };
    let run = Run { id: "run".into(), force_review: false, waive_review: false, now: world.now };
    let mut ids = 0;
    let mut generated = |assignments: &[Assignment], lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>| {
        generate(&catalog, assignments, lanes, &run, || {
            ids += 1;
            OrderId::new(Uuid::from_u128(ids))
        })
        .orders
    };
    // Both new: the account comes first, and the mailbox names it.
    let orders = generated(&[mailbox.clone(), account.clone()], &world.lanes);
    let [first, second] = orders.as_slice() else { panic!("two orders expected: {orders:?}") };
    assert_eq!((&*first.resource_type, &*second.resource_type), ("Free", "Reviewed"));
    assert_eq!(second.depends_on, [first.id]);
    // The account is ordered already: the mailbox waits for that order.
    let open = World::only_order(&world.generate()).id;
    let orders = generated(&[mailbox.clone(), account.clone()], &world.lanes);
    let [order] = orders.as_slice() else { panic!("one order expected: {orders:?}") };
    assert_eq!(order.depends_on, [open]);
    // The account is there: nothing to wait for. It was declined, or nobody shall have it: no mailbox.
    let linked = Assignment { linked: true, wanted: None, ..account.clone() };
    assert!(generated(&[mailbox.clone(), linked], &BTreeMap::new()).iter().all(|order| order.depends_on.is_empty()));
    let declined = Assignment { wanted: None, ..account };
    assert_eq!(generated(&[mailbox.clone(), declined], &BTreeMap::new()).len(), 0);
    assert_eq!(generated(&[mailbox], &BTreeMap::new()).len(), 0);
}

fn any_rules() -> impl Strategy<Value = BTreeMap<&'static str, Given>> {
    let person = (
        prop::sample::select(vec!["Analyst", "Manager", "Clerk"]),
        prop::sample::subsequence(vec!["a", "b", "c"], 0..=3),
    );
    proptest::collection::btree_map(
        prop::sample::select(vec!["ada", "bob", "cyd", "dan", "eve"]),
        person.prop_map(|(title, groups)| given(title, &groups)),
        0..5,
    )
}

/// What somebody does by hand in the managed system.
#[derive(Clone, Debug)]
enum Deed {
    Rename(usize, &'static str),
    Link(usize, &'static str),
    Unlink(usize, &'static str),
    Delete(usize),
    /// An account that no rule gives anybody.
    Make,
}

impl Deed {
    /// Does it, to the account of one of `owners`.
    fn done(&self, accounts: &mut BTreeMap<String, Values>, owners: &[&str]) {
        let chosen = |place: &usize| owners.get(place % owners.len().max(1)).copied().unwrap_or_default();
        let links = |account: &Values| account.get("groups").map(|held| held.items().to_vec()).unwrap_or_default();
        match self {
            Self::Rename(place, title) => {
                let account = accounts.get_mut(chosen(place));
                account.map(|account| account.insert("title".into(), Value::from(*title)));
            }
            Self::Link(place, group) => {
                if let Some(account) = accounts.get_mut(chosen(place)) {
                    let mut held = links(account);
                    held.retain(|link| *link != Value::from(*group));
                    held.push(Value::from(*group));
                    account.insert("groups".into(), Value::List(held));
                }
            }
            Self::Unlink(place, group) => {
                if let Some(account) = accounts.get_mut(chosen(place)) {
                    let mut held = links(account);
                    held.retain(|link| *link != Value::from(*group));
                    account.insert("groups".into(), Value::List(held));
                }
            }
            Self::Delete(place) => {
                accounts.remove(chosen(place));
            }
            Self::Make => {
                accounts.insert("service".into(), [("login".to_owned(), Value::from("service"))].into());
            }
        }
    }
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let group = || prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        (0..5_usize, prop::sample::select(vec!["Emperor", "Clerk", ""]))
            .prop_map(|(place, title)| Deed::Rename(place, title)),
        (0..5_usize, group()).prop_map(|(place, group)| Deed::Link(place, group)),
        (0..5_usize, group()).prop_map(|(place, group)| Deed::Unlink(place, group)),
        (0..5_usize).prop_map(Deed::Delete),
        Just(Deed::Make),
    ]
}

impl Given {
    /// The rules give the same.
    fn says_what(&self, other: &Self) -> bool {
        self.title == other.title && self.groups == other.groups
    }
}

/// The change writes what a rule gives anew, or takes away what one no longer gives.
fn is_of_rules(change: &Change, was: &Given, is: &Given) -> bool {
    let items = || change.proposed.iter().flat_map(|value| value.items());
    let has = |given: &Given, item: &Value| given.groups.iter().any(|group| Value::from(*group) == *item);
    match (change.property.as_str(), change.operation) {
        ("title", ChangeOperation::Set) => was.title != is.title,
        ("groups", ChangeOperation::Add) => items().all(|item| has(is, item) && !has(was, item)),
        ("groups", ChangeOperation::Remove) => items().all(|item| has(was, item) && !has(is, item)),
        _ => false,
    }
}

proptest! {
    /// Whatever changes: once everything ordered has arrived, nothing more is wanted, the systems
    /// show what the rules say, and what nobody of ours gave is untouched.
    #[test]
    fn every_change_settles(changes in proptest::collection::vec(any_rules(), 1..6)) {
        let mut world = World::new("Free");
        let stranger: Values = [("login".to_owned(), Value::from("service")), ("title".to_owned(), Value::from("robot"))].into();
        world.accounts.insert("service".into(), stranger.clone());
        for rules in &changes {
            world.run(rules);
            prop_assert!(world.generate().orders.is_empty());
            for (key, given) in rules {
                let account = world.accounts.get(*key);
                prop_assert_eq!(account.and_then(|account| account.get("title")), Some(&Value::from(given.title)));
                let groups = account.and_then(|account| account.get("groups"));
                prop_assert!(provost_domain::value::same(groups, Some(&list(&given.groups))));
            }
            prop_assert_eq!(world.accounts.len(), rules.len() + 1);
            prop_assert_eq!(world.accounts.get("service"), Some(&stranger));
        }
    }

    /// Whatever people do by hand in the system: while no rule changes nothing is ordered, and once one does,
    /// just what it gives anew or no longer gives.
    #[test]
    fn nothing_is_touched_that_no_rule_asked_for(
        before in any_rules(),
        after in any_rules(),
        by_hand in proptest::collection::vec(any_deed(), 0..6),
    ) {
        let mut world = World::new("Free");
        world.run(&before);
        let theirs: Vec<&str> = before.keys().copied().collect();
        by_hand.iter().for_each(|deed| deed.done(&mut world.accounts, &theirs));
        let left = world.accounts.clone();
        world.synchronize();
        prop_assert_eq!(world.run(&before).orders, vec![]);
        prop_assert_eq!(&world.accounts, &left);
        let orders = world.run(&after).orders;
        for order in &orders {
            let key = order.target_key.as_str();
            match (before.get(key), after.get(key)) {
                (Some(_), None) => prop_assert_eq!(order.kind, OrderKind::Deletion),
                (Some(was), Some(is)) => {
                    prop_assert!(!is.says_what(was), "no rule changed: {:?}", order);
                    let of_rules = |change: &Change| is_of_rules(change, was, is);
                    let is_whole = order.kind == OrderKind::Addition && !left.contains_key(key);
                    prop_assert!(is_whole || order.changes.iter().all(of_rules), "{order:?}");
                }
                (None, Some(_)) => {
                    prop_assert_ne!(order.kind, OrderKind::Deletion);
                    let is_removal = |change: &Change| change.operation == ChangeOperation::Remove;
                    prop_assert!(!order.changes.iter().any(is_removal), "{order:?}");
                }
                (None, None) => prop_assert!(false, "nobody's: {order:?}"),
            }
        }
    }

    /// The order of the input decides nothing.
    #[test]
    fn order_of_input_decides_nothing(rules in any_rules()) {
        let mut world = World::new("Free");
        world.compute(&rules);
        let run = Run { id: "run".into(), force_review: false, waive_review: false, now: world.now };
        let mut assignments: Vec<_> = world.assignments.values().cloned().collect();
        let same_id = || OrderId::new(Uuid::nil());
        let forward = generate(&world.catalog, &assignments, &world.lanes, &run, same_id);
        assignments.reverse();
        let mut backward = generate(&world.catalog, &assignments, &world.lanes, &run, same_id);
        backward.orders.reverse();
        prop_assert_eq!(forward, backward);
    }
}
