//! What only one kind of system can do wrong.

use crate::harness::{System, accounts, exported, groups};
use crate::ldap::{LdapSystem, entities as directory_entities, settings};
use crate::orders::{creation, deletion, delta, list, order, set, update};
use crate::sql::{SqlSystem, entities};
use provost_agent::package::ldap::{Directory, LdapSettings};
use provost_agent::package::sql::Sql;
use provost_agent::package::{ALREADY_SO, Outcome, Package, RowSender};
use provost_domain::{ChangeOperation, Failure, FailureClass, Order, OrderKind, Value};
use provost_testkit::{Postgres, Slapd};
use secrecy::SecretString;
use std::path::Path;
use std::time::{Duration, Instant};

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

#[tokio::test]
async fn link_table_with_room_for_one_group_changes_hands() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        system.sql("CREATE UNIQUE INDEX one_group ON memberships (account_login)").await;
        system.put("ada", "Analyst", &["staff"]).await;
        let move_to = |group| update("ada", vec![set("groups", list(&[group]))]);
        assert_eq!(note(system.package().as_ref(), &move_to("finance")).await, "updated");
        assert_eq!(system.account("ada").await.unwrap().groups, groups(&["finance"]));
        assert_eq!(note(system.package().as_ref(), &move_to("finance")).await, ALREADY_SO);
        let deltas = vec![delta(ChangeOperation::Add, &["staff"]), delta(ChangeOperation::Remove, &["finance"])];
        assert_eq!(note(system.package().as_ref(), &update("ada", deltas)).await, "updated");
        assert_eq!(system.account("ada").await.unwrap().groups, groups(&["staff"]));
        let second = update("ada", vec![delta(ChangeOperation::Add, &["finance"])]);
        let refused = failure(system.package().as_ref(), &second).await;
        assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::Conflict, Some("groups")), "{refused}");
        assert_eq!(system.account("ada").await.unwrap().groups, groups(&["staff"]));
    }
}

#[tokio::test]
async fn link_that_another_resource_holds_alone_is_a_conflict_and_nothing_is_lost() {
    for system in [SqlSystem::sqlite().await, SqlSystem::postgres().await] {
        system.sql("CREATE UNIQUE INDEX one_holder ON memberships (group_name)").await;
        system.put("ada", "Analyst", &["staff"]).await;
        system.put("bob", "Analyst", &["finance"]).await;
        for change in [set("groups", list(&["finance"])), delta(ChangeOperation::Add, &["finance"])] {
            let refused = failure(system.package().as_ref(), &update("ada", vec![change])).await;
            let at = (refused.class, refused.property.as_deref());
            assert_eq!(at, (FailureClass::Conflict, Some("groups")), "{refused}");
            assert_eq!(system.account("ada").await.unwrap().groups, groups(&["staff"]));
        }
        assert_eq!(system.account("bob").await.unwrap().groups, groups(&["finance"]));
    }
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
        bind_dn: Some("cn=agent".into()),
        bind_password: Some(SecretString::from("")),
        page_size: 0,
    };
    let mistakes = Directory::new(settings, wrong).err().unwrap();
    assert_eq!(mistakes.len(), 7, "{mistakes:?}");
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("bind_password: must not be empty")), "{mistakes:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn export_over_many_pages_is_whole_while_orders_are_written() {
    const PEOPLE: usize = 400;
    let system = LdapSystem::start().await;
    for number in 0..PEOPLE {
        system.put(&format!("user{number}"), "Analyst", &[]).await;
        system.put(&format!("leaver{number}"), "Analyst", &["staff"]).await;
    }
    let package = std::sync::Arc::new(directory(LdapSettings { page_size: 20, ..settings(&system.slapd) }));
    let writer = std::sync::Arc::clone(&package);
    let leaving = tokio::spawn(async move {
        for number in 0..PEOPLE {
            assert_eq!(note(writer.as_ref(), &deletion(&format!("leaver{number}"))).await, "deleted");
        }
    });
    let (mut exports, entity) = (0, accounts());
    while !leaving.is_finished() || exports == 0 {
        let (first, second) = tokio::join!(exported(package.as_ref(), &entity), exported(package.as_ref(), &entity));
        for rows in [first.unwrap(), second.unwrap()] {
            let stayed =
                rows.iter().filter(|row| matches!(&row[1], Some(Value::String(key)) if key.starts_with("user")));
            assert_eq!(stayed.count(), PEOPLE);
        }
        exports += 1;
    }
    leaving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn member_of_more_groups_than_one_answer_holds_leaves_them_all() {
    let system = LdapSystem::start().await;
    system.put("ada", "Analyst", &[]).await;
    let member = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    let names: Vec<String> = (0..Slapd::SIZE_LIMIT + 20).map(|number| format!("group{number}")).collect();
    let values = ["cn=nobody,dc=example,dc=org", member.as_str()];
    let attributes = |name| vec![("objectClass", &["groupOfNames"][..]), ("cn", name), ("member", &values[..])];
    let own: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let entries = own.iter().map(|name| (format!("cn={},ou=groups,{}", name[0], Slapd::SUFFIX), attributes(&name[..])));
    system.slapd.add_all(entries).await;
    assert_eq!(system.account("ada").await.unwrap().groups.len(), names.len());
    assert_eq!(note(system.package().as_ref(), &deletion("ada")).await, "deleted");
    let left = system.slapd.search(&format!("ou=groups,{}", Slapd::SUFFIX), &format!("(member={member})")).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_without_parentheses_is_as_good() {
    let system = LdapSystem::start().await;
    let mut bare = directory_entities();
    bare.get_mut("Account").unwrap().filter = "objectClass=inetOrgPerson".into();
    bare.get_mut("Group").unwrap().filter = " objectClass=groupOfNames ".into();
    let package = Directory::new(settings(&system.slapd), bare).unwrap();
    assert_eq!(note(&package, &creation("ada", "Analyst", &["staff", "finance"])).await, "created");
    let whole = update("ada", vec![set("groups", list(&["staff"]))]);
    assert_eq!(note(&package, &whole).await, "updated");
    assert_eq!(exported(&package, &accounts()).await.unwrap().len(), 1);
    assert_eq!(note(&package, &deletion("ada")).await, "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_added_and_removed_as_the_directory_compares_them() {
    let system = LdapSystem::start().await;
    system.put("ada", "Analyst", &[]).await;
    let dn = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    system.slapd.replace(&dn, "description", &["Night Shift", "Other"]).await;
    let package = system.package();
    let description = |operation, names: &[&str]| {
        update("ada", vec![provost_domain::Change { operation, ..set("description", list(names)) }])
    };
    let add = description(ChangeOperation::Add, &["night shift", "New"]);
    assert_eq!(note(package.as_ref(), &add).await, "updated");
    assert_eq!(note(package.as_ref(), &add).await, ALREADY_SO);
    let remove = description(ChangeOperation::Remove, &["NIGHT SHIFT", "new", "absent"]);
    assert_eq!(note(package.as_ref(), &remove).await, "updated");
    assert_eq!(note(package.as_ref(), &remove).await, ALREADY_SO);
    let held = system.slapd.entry(&dn).await.unwrap().remove("description").unwrap();
    assert_eq!(held.into_iter().collect::<Vec<_>>(), ["Other"]);
    let gone = update("eve", remove.changes);
    assert_eq!(failure(package.as_ref(), &gone).await.class, FailureClass::MissingDependency);
}

#[tokio::test]
async fn groups_that_were_joined_before_are_not_joined_again() {
    let system = LdapSystem::start().await;
    system.put("ada", "Analyst", &["staff"]).await;
    // In this group she is, but it has another name than the mapping makes: joining it would fail.
    let member = format!("uid=ada,ou=people,{}", Slapd::SUFFIX);
    let attributes =
        [("objectClass", &["groupOfNames"][..]), ("cn", &["joined"]), ("o", &["x"]), ("member", &[&member])];
    system.slapd.add(&format!("cn=joined+o=x,ou=groups,{}", Slapd::SUFFIX), &attributes).await;
    let join = update("ada", vec![delta(ChangeOperation::Add, &["finance", "joined", "staff"])]);
    assert_eq!(note(system.package().as_ref(), &join).await, "updated");
    assert_eq!(system.account("ada").await.unwrap().groups, groups(&["finance", "joined", "staff"]));
    assert_eq!(note(system.package().as_ref(), &join).await, ALREADY_SO);
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_that_hangs_lets_go_of_every_order_and_serves_again_later() {
    let system = LdapSystem::start().await;
    let package = std::sync::Arc::new(directory(settings(&system.slapd)).with_timeout(Duration::from_secs(3)));
    assert_eq!(note(package.as_ref(), &creation("ada", "Analyst", &["staff"])).await, "created");
    system.slapd.pause().await;
    let began = Instant::now();
    let orders = (0..8).map(|number| {
        let package = std::sync::Arc::clone(&package);
        tokio::spawn(async move { failure(package.as_ref(), &deletion(&format!("user{number}"))).await })
    });
    for refused in futures::future::join_all(orders).await {
        assert_eq!(refused.unwrap().class, FailureClass::Transport);
    }
    assert!(exported(package.as_ref(), &accounts()).await.unwrap_err().class.is_passing());
    // Far from 8 × the limit: those who wait for a connection share how it ended.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    system.slapd.resume().await;
    assert_eq!(note(package.as_ref(), &deletion("ada")).await, "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn database_that_hangs_lets_go_of_the_order_and_serves_again_later() {
    let system = SqlSystem::own_postgres().await;
    let package = system.package_within(Duration::from_secs(3));
    assert_eq!(note(&package, &creation("ada", "Analyst", &["staff"])).await, "created");
    system.pause().await;
    let refused = failure(&package, &deletion("ada")).await;
    assert_eq!(refused.class, FailureClass::Transport, "{refused}");
    assert!(!refused.hint.is_empty());
    system.resume().await;
    assert_eq!(note(&package, &deletion("ada")).await, "deleted");
}
