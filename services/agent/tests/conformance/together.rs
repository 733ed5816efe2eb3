//! Memberships of many orders at one group: together on the way, each with its own result.

use crate::harness::System;
use crate::ldap::{GROUPS, LdapSystem, NOBODY, PEOPLE};
use crate::orders::{creation, delta, list, update};
use futures::future::join_all;
use provost_agent::package::{ALREADY_SO, Outcome};
use provost_domain::{ChangeOperation, FailureClass, Order};
use provost_testkit::AuditedEffect;
use std::collections::{BTreeMap, BTreeSet};

const PEOPLE_COUNT: usize = 120;

/// A directory with as many people, in no group.
async fn town() -> LdapSystem {
    let system = LdapSystem::start_audited().await;
    let package = system.package();
    join_all((0..PEOPLE_COUNT).map(|number| {
        let package = package.clone();
        async move { package.fulfill(&creation(&format!("user{number}"), "Analyst", &[])).await }
    }))
    .await;
    assert_eq!(system.count().await, PEOPLE_COUNT);
    system
}

fn step(operation: ChangeOperation, number: usize, group: &str) -> Order {
    update(&format!("user{number}"), vec![delta(operation, &[group])])
}

async fn all(system: &LdapSystem, orders: Vec<Order>) -> Vec<Outcome> {
    let package = system.package();
    join_all(orders.iter().map(|order| package.fulfill(order))).await
}

fn executed(note: &str) -> Outcome {
    Outcome::Executed { note: note.to_owned() }
}

/// The modifies of a group, each as (members that came, members that went), by the directory's own log.
fn modifies(system: &LdapSystem, group: &str) -> Vec<(usize, usize)> {
    let dn = format!("cn={group},{GROUPS}");
    let of_group = system.slapd.audit().into_iter().filter(|audited| audited.dn == dn);
    let steps = of_group.filter_map(|audited| match audited.effect {
        AuditedEffect::Modified(steps) => Some(steps),
        AuditedEffect::Added(_) | AuditedEffect::Deleted => None,
    });
    let count = |steps: &[provost_testkit::AuditedStep], operation: &str| {
        steps.iter().filter(|step| step.operation == operation).map(|step| step.values.len()).sum()
    };
    steps.map(|steps| (count(&steps, "add"), count(&steps, "delete"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memberships_of_many_orders_travel_in_few_modifies_and_each_is_written_once() {
    let system = town().await;
    let joins = (0..PEOPLE_COUNT).map(|number| step(ChangeOperation::Add, number, "staff")).collect();
    let outcomes = all(&system, joins).await;
    assert!(outcomes.iter().all(|outcome| *outcome == executed("updated")), "{outcomes:?}");
    let written = modifies(&system, "staff");
    assert_eq!(written.iter().map(|(came, _)| came).sum::<usize>(), PEOPLE_COUNT);
    assert!(written.len() <= PEOPLE_COUNT / 4, "{written:?}");

    // Some come, some go: one group is changed both ways in one modify.
    let back_and_forth = (0..PEOPLE_COUNT).map(|number| match number % 2 {
        0 => step(ChangeOperation::Remove, number, "staff"),
        _ => step(ChangeOperation::Add, number, "finance"),
    });
    let outcomes = all(&system, back_and_forth.collect()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == executed("updated")), "{outcomes:?}");
    for number in 0..PEOPLE_COUNT {
        let groups = system.account(&format!("user{number}")).await.unwrap().groups;
        let expected: BTreeSet<_> = match number % 2 {
            0 => BTreeSet::new(),
            _ => ["finance", "staff"].map(str::to_owned).into(),
        };
        assert_eq!(groups, expected, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_batch_is_halved_until_each_order_has_its_own_result() {
    let system = town().await;
    // A third is there already: a modify with any of them is refused as a whole.
    let early = (0..PEOPLE_COUNT).filter(|number| number % 3 == 0);
    all(&system, early.map(|number| step(ChangeOperation::Add, number, "staff")).collect()).await;
    let before = modifies(&system, "staff").len();
    let joins = (0..PEOPLE_COUNT).map(|number| step(ChangeOperation::Add, number, "staff")).collect();
    let outcomes = all(&system, joins).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(*outcome, executed(if number % 3 == 0 { ALREADY_SO } else { "updated" }), "{number}");
    }
    let written = modifies(&system, "staff");
    assert_eq!(written.iter().map(|(came, _)| came).sum::<usize>(), PEOPLE_COUNT, "nobody twice");
    assert!(written.len() > before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_that_the_directory_refuses_does_not_sink_the_others() {
    let system = town().await;
    let joins = (0..20).map(|number| step(ChangeOperation::Add, number, "staff")).collect();
    all(&system, joins).await;
    // Without its placeholder the group cannot lose its last member: one of those who leave has to stay.
    let change = ldap3::Mod::Delete("member".to_owned(), std::collections::HashSet::from([NOBODY.to_owned()]));
    let group = format!("cn=staff,{GROUPS}");
    system.slapd.admin().await.modify(&group, vec![change]).await.unwrap().success().unwrap();
    // Those who are no members leave too, and those of a group that is not there join it.
    let leave = (0..40).map(|number| step(ChangeOperation::Remove, number, "staff"));
    let nowhere = (40..50).map(|number| step(ChangeOperation::Add, number, "nowhere"));
    let outcomes = all(&system, leave.chain(nowhere).collect()).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (number, outcome) in outcomes.iter().enumerate() {
        let told = match outcome {
            Outcome::Executed { note } => note.clone(),
            Outcome::Failed(failure) => {
                assert_eq!(failure.property.as_deref(), Some("groups"));
                format!("{:?} {}", failure.class, failure.code)
            }
            Outcome::HandedOver { .. } => unreachable!("directories take no tickets"),
        };
        if number >= 40 {
            assert_eq!(told, format!("{:?} 32", FailureClass::MissingDependency), "{number}");
        } else if number >= 20 {
            assert_eq!(told, ALREADY_SO, "{number}");
        } else {
            *counts.entry(told).or_default() += 1;
        }
    }
    let refused = format!("{:?} 65", FailureClass::Refused);
    assert_eq!(counts, BTreeMap::from([("updated".to_owned(), 19), (refused, 1)]));
    let members = system.slapd.entry(&group).await.unwrap().remove("member").unwrap();
    assert_eq!(members.len(), 1);
    assert!(members.iter().all(|member| member.ends_with(PEOPLE)), "{members:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_in_several_groups_joins_them_side_by_side_and_goes_on_where_it_was() {
    let system = town().await;
    let names = ["staff", "finance", "red", "green", "blue"];
    for name in ["red", "green"] {
        system.put_group(name).await;
    }
    let order = update("user1", vec![crate::orders::set("groups", list(&names))]);
    let refused = system.package().fulfill(&order).await;
    assert!(matches!(&refused, Outcome::Failed(failure) if failure.message.contains("'blue'")), "{refused:?}");
    system.put_group("blue").await;
    assert_eq!(system.package().fulfill(&order).await, executed("updated"));
    assert_eq!(system.account("user1").await.unwrap().groups, crate::harness::groups(&names));
    assert_eq!(system.package().fulfill(&order).await, executed(ALREADY_SO));
}
