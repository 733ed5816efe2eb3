//! The promises of reading.

use crate::harness::{System, accounts, exported};
use crate::orders::{creation, hired, list};
use provost_agent::package::{Outcome, RowSender};
use provost_domain::{FailureClass, Value};
use std::collections::BTreeSet;

pub async fn export_shows_typed_values_and_memberships(system: &dyn System) {
    let created = system.package().fulfill(&creation("Ada B", "Analyst", &["staff", "finance"])).await;
    assert!(matches!(created, Outcome::Executed { .. }), "{created:?}");
    let mut bare = creation("bob", "Analyst", &[]);
    bare.changes.retain(|change| ["login", "full_name", "last_name"].contains(&change.property.as_str()));
    let created = system.package().fulfill(&bare).await;
    assert!(matches!(created, Outcome::Executed { .. }), "{created:?}");
    let mut rows = exported(system.package().as_ref(), &accounts()).await.unwrap();
    rows.sort_by_key(|row| row[1].clone());
    let photo = Value::Bytes(vec![0xff, 0xd8, 0x00]);
    let groups = rows[0].pop().unwrap().unwrap();
    assert!(groups.same_as(&list(&["finance", "staff"])), "{groups}");
    assert_eq!(
        rows[0],
        [
            Some("Analyst".into()),
            Some("Ada B".into()),
            Some(Value::Integer(12)),
            Some(Value::Boolean(true)),
            Some(hired()),
            Some(photo)
        ]
    );
    assert_eq!(rows[1], [None, Some("bob".into()), None, None, None, None, None]);
}

pub async fn export_of_much_is_complete(system: &dyn System) {
    // More than the directory gives at once.
    for number in 0..620 {
        system.put(&format!("user{number}"), "Analyst", &[]).await;
    }
    let rows = exported(system.package().as_ref(), &accounts()).await.unwrap();
    let keys: BTreeSet<_> = rows.into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(keys.len(), 620);
}

pub async fn export_of_a_wrong_type_names_the_resource(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    system.spoil("ada").await;
    let failure = exported(system.package().as_ref(), &accounts()).await.unwrap_err();
    assert_eq!((failure.class, failure.property.as_deref()), (FailureClass::InvalidValue, Some("grade")));
    assert!(failure.message.contains("ada") && failure.message.contains("'high'"), "{failure}");
}

pub async fn export_stops_when_nobody_reads(system: &dyn System) {
    system.put("ada", "Analyst", &[]).await;
    let (sender, receiver) = RowSender::channel(1);
    drop(receiver);
    assert!(system.package().export(&accounts(), &sender).await.is_err());
}

pub async fn unreachable_system_fails_the_export(system: &dyn System) {
    system.stop().await;
    let failure = exported(system.package().as_ref(), &accounts()).await.unwrap_err();
    assert!(failure.class.is_passing(), "{failure:?}");
    system.restart().await;
}

pub async fn check_reaches_the_system(system: &dyn System) {
    let words = system.package().check().await.unwrap();
    assert!(words.contains("2 entity types"), "{words}");
    system.stop().await;
    assert!(system.package().check().await.is_err());
    system.restart().await;
    assert!(system.package().check().await.is_ok());
}
