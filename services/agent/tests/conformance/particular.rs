//! What only one kind of system can do wrong.

use crate::harness::{System, accounts, exported};
use crate::ldap::{LdapSystem, entities as directory_entities, settings};
use crate::orders::{creation, deletion, delta, order, set, update};
use crate::sql::{SqlSystem, entities};
use provost_agent::package::ldap::{Directory, LdapSettings};
use provost_agent::package::sql::Sql;
use provost_agent::package::{ALREADY_SO, Outcome, Package, RowSender};
use provost_domain::{ChangeOperation, Failure, FailureClass, Order, OrderKind, Value};
use provost_testkit::{Postgres, Slapd};
use secrecy::SecretString;
use std::path::Path;

async fn failure(package: &dyn Package, order: &Order) -> Failure {
    match package.fulfill(order).await {
        Outcome::Failed(failure) => failure,
        other => panic!("not failed: {other:?}"),
    }
}

async fn note(package: &dyn Package, order: &Order) -> String {
    match package.fulfill(order).await {
        Outcome::Executed { note } => note,
        other => panic!("not executed: {other:?}"),
    }
}

#[tokio::test]
async fn unique_value_of_another_row_is_a_conflict_that_names_the_property() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        system.sql("CREATE UNIQUE INDEX one_title ON accounts (title)").await;
        system.put("bob", "Analyst", &[]).await;
        let refused = failure(system.package().as_ref(), &creation("ada", "Analyst", &[])).await;
        assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::Conflict, Some("title")), "{refused}");
        assert!(system.account("ada").await.is_none());
    }
}

#[tokio::test]
async fn value_that_must_not_be_empty_is_invalid_and_named() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        let mut order = creation("ada", "Analyst", &[]);
        order.changes.retain(|change| change.property != "last_name");
        order.changes.push(set("last_name", None));
        let refused = failure(system.package().as_ref(), &order).await;
        assert_eq!(refused.class, FailureClass::InvalidValue, "{refused}");
        assert_eq!(refused.property.as_deref(), Some("last_name"));
    }
}

#[tokio::test]
async fn row_that_others_refer_to_is_not_deleted() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        system.put("ada", "Analyst", &["staff"]).await;
        let mut order = order(OrderKind::Deletion, "staff", vec![]);
        order.entity_type = "Group".into();
        let refused = failure(system.package().as_ref(), &order).await;
        assert_eq!(refused.class, FailureClass::Refused, "{refused}");
        assert!(refused.hint.contains("still refer"), "{}", refused.hint);
        assert_eq!(system.account("ada").await.unwrap().groups.len(), 1);
    }
}

#[tokio::test]
async fn tables_and_columns_that_are_not_there_are_named() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        system.put("ada", "Analyst", &[]).await;
        let refused = failure(system.package().as_ref(), &update("ada", vec![set("colour", Value::from("red"))])).await;
        assert_eq!(refused.property.as_deref(), Some("colour"));
        assert!(
            refused.message.contains("no column 'colour'; it has") && refused.message.contains("title"),
            "{refused}"
        );
        // A column that comes later is found: tables change while the agent runs.
        system.sql("ALTER TABLE accounts ADD COLUMN colour TEXT").await;
        assert_eq!(
            note(system.package().as_ref(), &update("ada", vec![set("colour", Value::from("red"))])).await,
            "updated"
        );
        system.sql("DROP TABLE memberships").await;
        let failure = system.package().check().await.unwrap_err();
        assert!(failure.message.contains("'memberships' does not exist"), "{failure}");
    }
}

#[tokio::test]
async fn rows_without_a_key_of_their_own_fail_the_export() {
    let system = SqlSystem::sqlite().await;
    system.sql("ALTER TABLE accounts RENAME TO old").await;
    system.sql("CREATE TABLE accounts AS SELECT * FROM old").await;
    system.put("ada", "Analyst", &[]).await;
    system.put("ada", "Director", &[]).await;
    let twice = exported(system.package().as_ref(), &accounts()).await.unwrap_err();
    assert!(twice.message.contains("two rows have the key 'ada'"), "{twice}");
    let conflict = failure(system.package().as_ref(), &update("ada", vec![set("title", None)])).await;
    assert_eq!(conflict.class, FailureClass::Conflict);
    system.sql("UPDATE accounts SET login = NULL").await;
    let none = exported(system.package().as_ref(), &accounts()).await.unwrap_err();
    assert!(none.message.contains("a row has no key"), "{none}");
}

#[tokio::test]
async fn link_rows_stay_single_without_a_constraint() {
    let system = SqlSystem::sqlite().await;
    system.sql("DROP TABLE memberships").await;
    system.sql("CREATE TABLE memberships (account_login TEXT, group_name TEXT)").await;
    system.put("ada", "Analyst", &["staff"]).await;
    let join = update("ada", vec![delta(ChangeOperation::Add, &["staff", "finance", "finance"])]);
    assert_eq!(note(system.package().as_ref(), &join).await, "updated");
    assert_eq!(note(system.package().as_ref(), &join).await, ALREADY_SO);
    let failure = exported(system.package().as_ref(), &accounts()).await;
    assert_eq!(failure.unwrap()[0][6].as_ref().unwrap().items().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn export_that_nobody_takes_keeps_no_writer_out() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        for number in 0..50 {
            system.put(&format!("user{number}"), "Analyst", &["staff"]).await;
        }
        let (sender, mut rows) = RowSender::channel(1);
        let package = system.package();
        let export = tokio::spawn(async move { package.export(&accounts(), &sender).await });
        assert!(rows.recv().await.is_some());
        system.put("late", "Analyst", &[]).await;
        assert_eq!(note(system.package().as_ref(), &creation("later", "Analyst", &["staff"])).await, "created");
        let mut left = 0;
        while rows.recv().await.is_some() {
            left += 1;
        }
        assert_eq!(left, 49, "what came later is not part of it");
        export.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn absent_database_and_wrong_user_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let absent = Sql::new(&SecretString::from("sqlite://nowhere.db"), folder.path(), 1, entities()).unwrap();
    assert_eq!(absent.check().await.unwrap_err().code, "SQLITE_CANTOPEN");
    assert!(!folder.path().join("nowhere.db").exists(), "a managed system is never created");
    let url = Postgres::shared().await.database().await.url.replace("provost@", "stranger:s3cret@");
    let stranger = Sql::new(&SecretString::from(url), folder.path(), 1, entities()).unwrap();
    let failure = stranger.check().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Authentication, "{failure}");
    assert!(!format!("{failure:?}").contains("s3cret"));
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let mut wrong = entities();
    wrong.get_mut("Group").unwrap().table = "a\"b".into();
    let mistakes = Sql::new(&SecretString::from("mysql://x"), Path::new(""), 1, wrong).unwrap_err();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    let mut wrong = directory_entities();
    let account = wrong.get_mut("Account").unwrap();
    account.base_dn = "people".into();
    account.filter = "objectClass=*)(".into();
    account.rdn_attribute = "u id".into();
    account.links.get_mut("groups").unwrap().entity = "Nobody".into();
    let settings = LdapSettings {
        url: "ldaps://x".into(),
        start_tls: true,
        ca_file: None,
        bind_dn: None,
        bind_password: None,
        page_size: 0,
    };
    let mistakes = Directory::new(settings, wrong).err().unwrap();
    assert_eq!(mistakes.len(), 6, "{mistakes:?}");
}

fn directory(settings: LdapSettings) -> Directory {
    Directory::new(settings, directory_entities()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_is_reached_encrypted_and_only_with_a_trusted_certificate() {
    let system = LdapSystem::start().await;
    let trusted = Some(system.slapd.ca_file().to_owned());
    let plain = settings(&system.slapd);
    let localhost = |url: String| url.replace("127.0.0.1", "localhost");
    let by_start_tls =
        LdapSettings { start_tls: true, ca_file: trusted.clone(), url: localhost(plain.url.clone()), ..plain.clone() };
    let by_ldaps = LdapSettings { ca_file: trusted, url: localhost(system.slapd.ldaps_url()), ..plain.clone() };
    for settings in [by_start_tls.clone(), by_ldaps.clone()] {
        let package = directory(settings.clone());
        assert!(package.check().await.is_ok());
        let key = settings.url;
        assert_eq!(note(&package, &creation(&key, "Analyst", &["staff"])).await, "created");
    }
    let folder = tempfile::tempdir().unwrap();
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap().cert.pem();
    std::fs::write(folder.path().join("other.pem"), other).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    for settings in [by_start_tls, by_ldaps] {
        let failure = directory(LdapSettings { ca_file: Some(folder.path().join("other.pem")), ..settings.clone() });
        assert_eq!(failure.check().await.unwrap_err().class, FailureClass::Transport);
        for (file, words) in [("empty.pem", "no certificate"), ("absent.pem", "absent.pem")] {
            let wrong = directory(LdapSettings { ca_file: Some(folder.path().join(file)), ..settings.clone() });
            let failure = wrong.check().await.unwrap_err();
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_an_authentication_failure() {
    let system = LdapSystem::start().await;
    let wrong = LdapSettings { bind_password: Some(SecretString::from("s3cret")), ..settings(&system.slapd) };
    let refused = failure(&directory(wrong), &creation("ada", "Analyst", &[])).await;
    assert_eq!((refused.class, refused.code.as_str()), (FailureClass::Authentication, "49"));
    assert!(!format!("{refused:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn last_member_of_a_group_stays_with_a_hint() {
    let system = LdapSystem::start().await;
    system.put("ada", "Analyst", &["staff"]).await;
    let member = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    system.slapd.replace(&format!("cn=staff,ou=groups,{}", Slapd::SUFFIX), "member", &[&member]).await;
    let leave = update("ada", vec![delta(ChangeOperation::Remove, &["staff"])]);
    for order in [leave, deletion("ada")] {
        let refused = failure(system.package().as_ref(), &order).await;
        assert_eq!((refused.class, refused.code.as_str()), (FailureClass::Refused, "65"), "{refused}");
        assert!(refused.message.contains("last member of Group 'staff'"), "{refused}");
        assert!(refused.hint.contains("placeholder"), "{}", refused.hint);
        assert!(system.account("ada").await.is_some(), "the entry comes last, so it is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_broke_while_idle_is_made_again_at_once() {
    let system = LdapSystem::start().await;
    assert_eq!(note(system.package().as_ref(), &creation("ada", "Analyst", &[])).await, "created");
    system.slapd.kill9().await;
    system.slapd.restart().await;
    assert_eq!(note(system.package().as_ref(), &creation("bob", "Analyst", &[])).await, "created");
}

#[tokio::test(flavor = "multi_thread")]
async fn entry_of_another_class_is_a_conflict() {
    let system = LdapSystem::start().await;
    let dn = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    let attributes = [("objectClass", &["account"][..]), ("uid", &["ada"])];
    system.slapd.add(&dn, &attributes).await;
    let refused = failure(system.package().as_ref(), &creation("ada", "Analyst", &[])).await;
    assert_eq!(refused.class, FailureClass::Conflict);
    assert!(refused.message.contains("objectClass is 'account', ordered is 'inetOrgPerson'"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_values_are_changed_one_by_one() {
    let system = LdapSystem::start().await;
    system.put("ada", "Analyst", &[]).await;
    let dn = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    let list = |names: &[&str]| Value::List(names.iter().map(|name| Value::from(*name)).collect());
    let phones = |operation, names: &[&str]| {
        update("ada", vec![provost_domain::Change { operation, ..set("telephoneNumber", list(names)) }])
    };
    let package = system.package();
    for (operation, names, expected) in [
        (ChangeOperation::Set, &["1", "2", "3"][..], &["1", "2", "3"][..]),
        (ChangeOperation::Add, &["3", "4"], &["1", "2", "3", "4"]),
        (ChangeOperation::Remove, &["1", "9"], &["2", "3", "4"]),
        (ChangeOperation::Set, &["2", "5"], &["2", "5"]),
    ] {
        let order = phones(operation, names);
        assert_eq!(note(package.as_ref(), &order).await, "updated", "{operation:?}");
        assert_eq!(note(package.as_ref(), &order).await, ALREADY_SO, "{operation:?}");
        let held = system.slapd.entry(&dn).await.unwrap().remove("telephoneNumber").unwrap();
        assert_eq!(held.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}
