//! The promises of writing.

use crate::harness::{Account, System, groups};
use crate::orders::{creation, deletion, delta, list, set, update};
use provost_agent::package::{ALREADY_GONE, ALREADY_SO, Outcome};
use provost_domain::{Change, ChangeOperation, Failure, FailureClass, Order, Value};
use std::time::Duration;

async fn written(system: &dyn System, order: &Order) -> String {
    match system.package().fulfill(order).await {
        Outcome::Executed { note } => note,
        other => panic!("not executed: {other:?}"),
    }
}

async fn failure(system: &dyn System, order: &Order) -> Failure {
    match system.package().fulfill(order).await {
        Outcome::Failed(failure) => failure,
        other => panic!("not failed: {other:?}"),
    }
}

fn account(title: &str, names: &[&str]) -> Option<Account> {
    Some(Account { title: Some(title.to_owned()), groups: groups(names) })
}

pub async fn creation_asked_twice_has_one_effect(system: &dyn System) {
    let order = creation("ada", "Analyst", &["staff", "finance"]);
    assert_eq!(written(system, &order).await, "created");
    assert_eq!(written(system, &order).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("Analyst", &["finance", "staff"]));
    assert_eq!(system.count().await, 1);
}

pub async fn creation_beside_something_else_is_a_conflict_and_touches_nothing(system: &dyn System) {
    system.put("ada", "Director", &["staff"]).await;
    let failure = failure(system, &creation("ada", "Analyst", &["staff"])).await;
    assert_eq!(failure.class, FailureClass::Conflict, "{failure}");
    assert!(failure.message.contains("title is 'Director', ordered is 'Analyst'"), "{failure}");
    assert!(failure.message.contains("Person '1001'"), "{failure}");
    assert_eq!(failure.property.as_deref(), Some("title"));
    assert_eq!(system.account("ada").await, account("Director", &["staff"]));
}

pub async fn creation_with_foreign_memberships_is_a_conflict(system: &dyn System) {
    system.put("ada", "Analyst", &["finance"]).await;
    let failure = failure(system, &creation("ada", "Analyst", &["staff"])).await;
    assert_eq!((failure.class, failure.property.as_deref()), (FailureClass::Conflict, Some("groups")));
    assert_eq!(system.account("ada").await, account("Analyst", &["finance"]));
}

pub async fn half_done_creation_is_completed(system: &dyn System) {
    system.put("ada", "Analyst", &["staff"]).await;
    assert_eq!(written(system, &creation("ada", "Analyst", &["staff", "finance"])).await, "completed");
    assert_eq!(system.account("ada").await, account("Analyst", &["finance", "staff"]));
}

pub async fn update_sets_values_and_tolerates_that_they_are_there(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    let order = update("ada", vec![set("title", Value::from("Head; DROP")), set("grade", Value::Integer(-3))]);
    assert_eq!(written(system, &order).await, "updated");
    assert_eq!(written(system, &order).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("Head; DROP", &[]));
}

pub async fn update_clears_values(system: &dyn System) {
    system.put("ada", "Analyst", &["staff"]).await;
    let order = update("ada", vec![set("title", None), set("groups", None)]);
    assert_eq!(written(system, &order).await, "updated");
    assert_eq!(written(system, &order).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, Some(Account::default()));
}

pub async fn memberships_are_deltas(system: &dyn System) {
    system.put("ada", "Analyst", &["staff"]).await;
    let join = update("ada", vec![delta(ChangeOperation::Add, &["staff", "finance"])]);
    assert_eq!(written(system, &join).await, "updated");
    assert_eq!(written(system, &join).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("Analyst", &["finance", "staff"]));
    let leave = update("ada", vec![delta(ChangeOperation::Remove, &["staff"])]);
    assert_eq!(written(system, &leave).await, "updated");
    assert_eq!(written(system, &leave).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("Analyst", &["finance"]));
}

pub async fn memberships_are_set_as_a_whole(system: &dyn System) {
    system.put("ada", "Analyst", &["staff"]).await;
    let order = update("ada", vec![set("groups", list(&["finance"]))]);
    assert_eq!(written(system, &order).await, "updated");
    assert_eq!(written(system, &order).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("Analyst", &["finance"]));
}

pub async fn update_of_what_is_gone_says_so(system: &dyn System) {
    let failure = failure(system, &update("ada", vec![set("title", Value::from("Analyst"))])).await;
    assert_eq!(failure.class, FailureClass::MissingDependency, "{failure}");
    assert!(failure.message.contains("'ada' does not exist"), "{failure}");
    assert_eq!(system.count().await, 0);
}

pub async fn deletion_takes_memberships_along_and_tolerates_that_all_is_gone(system: &dyn System) {
    system.put("ada", "Analyst", &["staff", "finance"]).await;
    system.put("bob", "Analyst", &["staff"]).await;
    assert_eq!(written(system, &deletion("ada")).await, "deleted");
    assert_eq!(written(system, &deletion("ada")).await, ALREADY_GONE);
    assert_eq!(system.account("ada").await, None);
    assert_eq!(system.account("bob").await, account("Analyst", &["staff"]));
    // A namesake does not inherit what the old one had.
    system.put("ada", "Analyst", &[]).await;
    assert_eq!(system.account("ada").await, account("Analyst", &[]));
}

pub async fn values_of_a_wrong_type_are_refused_and_named(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    let change = system.wrong_type();
    let property = change.property.clone();
    let refused = failure(system, &update("ada", vec![change, set("title", Value::from("Head"))])).await;
    assert_eq!(refused.class, FailureClass::InvalidValue, "{refused}");
    assert_eq!(refused.property, Some(property));
    assert_eq!(system.account("ada").await, account("Analyst", &[]));
}

pub async fn refusals_of_the_system_carry_its_code(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    let (change, class, code) = system.refused();
    let refused = failure(system, &update("ada", vec![change])).await;
    assert_eq!((refused.class, refused.code.as_str()), (class, code), "{refused}");
    assert!(!refused.hint.is_empty());
    assert_eq!(system.account("ada").await, account("Analyst", &[]));
}

pub async fn missing_dependency_is_named_and_mended_by_asking_again(system: &dyn System) {
    let order = creation("ada", "Analyst", &["staff", "new-group"]);
    let refused = failure(system, &order).await;
    assert_eq!(refused.class, FailureClass::MissingDependency, "{refused}");
    assert_eq!(refused.property.as_deref(), Some("groups"));
    system.put_group("new-group").await;
    written(system, &order).await;
    assert_eq!(system.account("ada").await, account("Analyst", &["new-group", "staff"]));
    assert_eq!(system.count().await, 1);
}

pub async fn key_cannot_be_changed(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    let refused = failure(system, &update("ada", vec![set("login", Value::from("eve"))])).await;
    assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::InvalidValue, Some("login")));
}

pub async fn strange_keys_are_harmless(system: &dyn System) {
    for key in ["o'neil", "a,b=c", "x\" OR \"1\"=\"1", "(*)", "tab\\2c", "Zoë +#", "'; DROP TABLE accounts; --"] {
        assert_eq!(written(system, &creation(key, "Analyst", &["staff"])).await, "created", "{key}");
        assert_eq!(written(system, &creation(key, "Analyst", &["staff"])).await, ALREADY_SO, "{key}");
        assert_eq!(system.account(key).await, account("Analyst", &["staff"]), "{key}");
    }
    for key in ["(*)", "o'neil"] {
        assert_eq!(written(system, &deletion(key)).await, "deleted", "{key}");
    }
    assert_eq!(system.count().await, 5);
}

pub async fn confidential_values_stay_out_of_failures(system: &dyn System) {
    let confidential = |change: Change| Change { sensitive: true, ..change };
    system.put("ada", "Director-s3cret", &[]).await;
    let mut order = creation("ada", "Analyst-s3cret", &[]);
    order.changes = order.changes.into_iter().map(confidential).collect();
    let refused = failure(system, &order).await;
    assert_eq!(refused.class, FailureClass::Conflict);
    assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    let wrong = confidential(system.wrong_type());
    let value = wrong.proposed.clone().unwrap().to_string();
    let refused = failure(system, &update("ada", vec![wrong])).await;
    assert!(!format!("{refused:?}").contains(&value), "{refused:?}");
}

pub async fn write_only_values_are_written_and_never_compared_or_told(system: &dyn System) {
    let write_only = |change: Change| Change { write_only: true, ..change };
    let with_title = |title: &str| {
        let mut order = creation("ada", title, &["staff"]);
        order.changes = order
            .changes
            .into_iter()
            .map(|change| if change.property == "title" { write_only(change) } else { change })
            .collect();
        order
    };
    assert_eq!(written(system, &with_title("s3cret")).await, "created");
    assert_eq!(written(system, &with_title("s3cret")).await, ALREADY_SO);
    assert_eq!(system.account("ada").await, account("s3cret", &["staff"]));
    // What the system holds of such a value may look like anything: it is no sign of somebody else.
    assert_eq!(written(system, &with_title("0ther")).await, ALREADY_SO);
    let order = update("ada", vec![write_only(set("title", Value::from("n3w")))]);
    written(system, &order).await;
    written(system, &order).await;
    assert_eq!(system.account("ada").await, account("n3w", &["staff"]));
    let mut conflicting = with_title("s3cret");
    conflicting.changes.push(set("grade", Value::Integer(13)));
    conflicting.changes.retain(|change| change.property != "grade" || change.proposed == Some(Value::Integer(13)));
    let refused = failure(system, &conflicting).await;
    assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::Conflict, Some("grade")));
    assert!(!format!("{refused:?}").contains("s3cret") && !format!("{refused:?}").contains("n3w"), "{refused:?}");
}

pub async fn the_same_creation_side_by_side_has_one_effect(system: &dyn System) {
    let order = creation("ada", "Analyst", &["staff", "finance"]);
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let (package, order) = (system.package(), order.clone());
            tokio::spawn(async move { package.fulfill(&order).await })
        })
        .collect();
    for outcome in tries {
        let outcome = outcome.await.unwrap();
        assert!(matches!(outcome, Outcome::Executed { .. }), "{outcome:?}");
    }
    assert_eq!(system.account("ada").await, account("Analyst", &["finance", "staff"]));
    assert_eq!(system.count().await, 1);
}

/// Drops the work at some moment, as a crash would.
async fn cut_off(system: &dyn System, order: &Order, after: Duration) {
    let (package, order) = (system.package(), order.clone());
    let work = tokio::spawn(async move { package.fulfill(&order).await });
    tokio::time::sleep(after).await;
    work.abort();
    // Cancelled, or ready before the abort: both are moments at which an agent can be killed.
    drop(work.await);
}

pub async fn creation_cut_off_anywhere_is_completed_by_asking_again(system: &dyn System) {
    for moment in 0..40_u32 {
        let key = format!("user{moment}");
        let order = creation(&key, "Analyst", &["staff", "finance"]);
        cut_off(system, &order, Duration::from_micros(150) * moment).await;
        written(system, &order).await;
        assert_eq!(system.account(&key).await, account("Analyst", &["finance", "staff"]), "{moment}");
    }
    assert_eq!(system.count().await, 40);
}

pub async fn deletion_cut_off_anywhere_is_completed_by_asking_again(system: &dyn System) {
    for moment in 0..30_u32 {
        system.put("ada", "Analyst", &["staff", "finance"]).await;
        cut_off(system, &deletion("ada"), Duration::from_micros(150) * moment).await;
        written(system, &deletion("ada")).await;
        system.put("ada", "Analyst", &[]).await;
        assert_eq!(system.account("ada").await, account("Analyst", &[]), "{moment}");
        written(system, &deletion("ada")).await;
    }
    assert_eq!(system.count().await, 0);
}

pub async fn unreachable_system_is_a_passing_failure(system: &dyn System) {
    written(system, &creation("ada", "Analyst", &["staff"])).await;
    system.stop().await;
    let order = creation("bob", "Analyst", &["staff"]);
    let refused = failure(system, &order).await;
    assert!(refused.class.is_passing(), "{refused:?}");
    system.restart().await;
    assert_eq!(written(system, &order).await, "created");
    assert_eq!(system.count().await, 2);
}

pub async fn unknown_entity_types_are_refused(system: &dyn System) {
    let mut order = creation("ada", "Analyst", &[]);
    order.entity_type = "Mailbox".into();
    let refused = failure(system, &order).await;
    assert_eq!(refused.class, FailureClass::InvalidValue);
    assert!(refused.message.contains("'Mailbox'"), "{refused}");
}
