//! When what the rules give counts.

use super::*;

fn from(at: i64) -> Period {
    Period { from: Some(Timestamp::from_millis(at)), until: None }
}

#[test]
fn an_order_may_go_out_some_hours_before_its_time() {
    const HOUR: i64 = 3_600_000;
    for (resource_type, hours, is_ordered) in [("Free", 1, false), ("Early", 23, true), ("Early", 25, false)] {
        let mut world = World::new(resource_type);
        let begins = world.now.millis() + hours * HOUR;
        let later = Given { period: from(begins), ..given("Analyst", &[]) };
        let generation = world.run(&ada(later));
        assert_eq!(generation.orders.len(), usize::from(is_ordered), "{resource_type} {hours}");
        let wish = if is_ordered { Wish::Have } else { Wish::Later };
        assert_eq!(world.assignment("ada").wish, wish, "{resource_type} {hours}");
        if let Some(order) = generation.orders.first() {
            assert_eq!(order.period.from.map(Timestamp::millis), Some(begins), "the time itself is not moved");
        }
    }
}

#[test]
fn what_waits_for_a_property_of_its_owner_is_not_created_and_says_so() {
    let mut world = World::new("Free");
    let waits = Given { waits_for: Some("mail of Person ada is empty"), ..given("Analyst", &[]) };
    assert!(world.run(&ada(waits.clone())).orders.is_empty());
    assert_eq!(world.assignment("ada").note, "not created yet: mail of Person ada is empty");
    assert_eq!(world.run(&ada(given("Analyst", &[]))).orders.len(), 1);
    // What is there already is kept up to date all the same.
    assert_eq!(world.run(&ada(Given { title: "Boss", ..waits })).orders.len(), 1);
}

#[test]
fn workflow_states_of_what_gives_it_are_shown() {
    for workflow in [WorkflowState::Approved, WorkflowState::GivenByARole, WorkflowState::Prolonged] {
        let mut world = World::new("Free");
        world.run(&ada(Given { workflow, ..given("Analyst", &[]) }));
        assert_eq!(world.assignment("ada").workflow, workflow);
    }
}

#[test]
fn what_expired_is_inactive_until_it_is_taken_away_and_after() {
    let mut world = settled("Analyst", &[]);
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let left = ada(Given { period: over, ..given("Analyst", &[]) });
    world.compute(&left);
    assert_eq!((world.assignment("ada").workflow, world.assignment("ada").wish), (WorkflowState::Inactive, Wish::Lose));
    assert_eq!(World::only_order(&world.run(&left)).kind, OrderKind::Deletion);
    assert_eq!((world.assignment("ada").workflow, world.assignment("ada").wish), (WorkflowState::Inactive, Wish::Gone));
}

#[test]
fn an_unsure_value_makes_the_order_wait_for_a_person() {
    let mut world = World::new("Free");
    let unsure = ada(Given { confidence: 60, ..given("Analyst", &[]) });
    world.compute(&unsure);
    let assignment = world.assignment("ada");
    assert_eq!((assignment.confidence, assignment.state), (60, ProvisioningState::AwaitingApproval));
    // Once it is there, nothing is unsure about it any more.
    world.run(&ada(given("Analyst", &[])));
    world.run(&unsure);
    assert_eq!((world.assignment("ada").confidence, world.assignment("ada").state), (100, ProvisioningState::Verified));
}

#[test]
fn an_account_made_by_hand_under_a_key_that_was_only_ordered_is_not_deleted() {
    let mut world = World::new("Reviewed");
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    // It was never approved. Somebody makes the account, and in the same moment the last rule goes.
    world.accounts.insert("ada".into(), [("login".to_owned(), Value::from("ada"))].into());
    world.synchronize();
    world.compute(&BTreeMap::new());
    let generation = world.generate();
    assert_eq!((generation.orders.len(), generation.cancel.as_slice()), (0, [id].as_slice()));
    world.compute(&BTreeMap::new());
    assert!(world.assignments.is_empty() && world.accounts.contains_key("ada"));
}
