//! The outcome is unknown: the request reached the system and its answer was lost. Before anything is written again
//! the package looks, and the system's own log shows one effect.

use crate::harness::{System, groups};
use crate::ldap::{GROUPS, LdapSystem, PEOPLE, entities as directory_entities, settings};
use crate::orders::{creation, deletion, delta, list, set, update};
use crate::sql::{SqlSystem, entities};
use provost_agent::package::ldap::{Directory, LdapSettings};
use provost_agent::package::sql::Sql;
use provost_agent::package::{ALREADY_GONE, ALREADY_SO, Outcome, Package};
use provost_domain::{Change, ChangeOperation, Failure, FailureClass, Order, Value};
use provost_testkit::{AuditedEffect, Loss, Proxy};
use secrecy::SecretString;
use std::path::Path;
use std::time::Duration;

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("not failed: {other:?}"),
    }
}

fn note(outcome: Outcome) -> String {
    match outcome {
        Outcome::Executed { note } => note,
        other => panic!("not executed: {other:?}"),
    }
}

fn from(change: Change, current: impl Into<Option<Value>>) -> Change {
    Change { current: current.into(), ..change }
}

/// A title that was Analyst when the order was generated.
fn promotion() -> Order {
    update("ada", vec![from(set("title", Value::from("Head")), Value::from("Analyst"))])
}

/// A directory behind a proxy.
async fn behind(system: &LdapSystem) -> (Proxy, Directory) {
    let proxy = Proxy::start(system.slapd.address()).await;
    let settings = LdapSettings { url: format!("ldap://{}", proxy.address()), ..settings(&system.slapd) };
    let package = Directory::new(settings, directory_entities()).unwrap().with_timeout(Duration::from_secs(2));
    package.check().await.unwrap();
    (proxy, package)
}

/// What the directory's log says of an entry, and of memberships in a group: "added", "title", "+member" and so on.
fn effects(system: &LdapSystem, dn: &str) -> Vec<String> {
    let of_entry = system.slapd.audit().into_iter().filter(|audited| audited.dn == dn);
    let told = of_entry.flat_map(|audited| match audited.effect {
        AuditedEffect::Added(_) => vec!["added".to_owned()],
        AuditedEffect::Deleted => vec!["deleted".to_owned()],
        AuditedEffect::Modified(steps) => {
            steps.into_iter().map(|step| format!("{} {}", step.operation, step.attribute)).collect()
        }
    });
    told.collect()
}

const ADA: &str = "uid=ada,ou=people,dc=example,dc=org";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_that_was_written_and_cut_off_has_one_effect() {
    assert!(ADA.ends_with(PEOPLE));
    for loss in [Loss::Cut, Loss::Silence] {
        let system = LdapSystem::start_audited().await;
        let (proxy, package) = behind(&system).await;
        let staff = format!("cn=staff,{GROUPS}");
        // Each with bytes that its request holds and that the look before it does not; the deletion's are its tag,
        // its length and the DN.
        let cases: [(&[u8], Order, &str, &str, &str); 5] = [
            (b"Ada Byron", creation("ada", "Analyst", &[]), ALREADY_SO, ADA, "added"),
            (b"Head", promotion(), ALREADY_SO, ADA, "added, delete title, add title"),
            (
                b"member",
                update("ada", vec![delta(ChangeOperation::Add, &["staff"])]),
                ALREADY_SO,
                &staff,
                "added, add member",
            ),
            (
                b"member",
                update("ada", vec![delta(ChangeOperation::Remove, &["staff"])]),
                ALREADY_SO,
                &staff,
                "added, add member, delete member",
            ),
            (b"J#uid=ada", deletion("ada"), ALREADY_GONE, ADA, "added, delete title, add title, deleted"),
        ];
        let mut lost = 0;
        for (bytes, order, expected, dn, log) in cases {
            proxy.lose_answer_to(bytes, loss);
            let outcome = package.fulfill(&order).await;
            lost += 1;
            assert_eq!(proxy.lost(), lost, "{outcome:?}");
            // The package tried again on a new connection and found it; or it says that it does not know.
            let outcome = match outcome {
                Outcome::Failed(failure) => {
                    assert_eq!(failure.class, FailureClass::Transport, "{failure}");
                    package.fulfill_again(&order).await
                }
                other => other,
            };
            assert_eq!(note(outcome), expected, "{loss:?} {order:?}");
            assert_eq!(effects(&system, dn).join(", "), log, "{loss:?}");
            // And as often as one likes.
            assert_eq!(note(package.fulfill_again(&order).await), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_that_was_not_reached_is_written_when_asked_again() {
    let system = LdapSystem::start_audited().await;
    system.put("ada", "Analyst", &[]).await;
    let (_proxy, package) = behind(&system).await;
    system.stop().await;
    assert!(failure(package.fulfill(&promotion()).await).class.is_passing());
    system.restart().await;
    assert_eq!(note(package.fulfill_again(&promotion()).await), "updated");
    assert_eq!(system.account("ada").await.unwrap().title.as_deref(), Some("Head"));
}

/// What is neither as the order found it nor as it sets it was written by somebody else.
async fn strangers_change_is_a_conflict(system: &dyn System) {
    system.put("ada", "Director", &["finance"]).await;
    let package = system.package();
    let refused = failure(package.fulfill_again(&promotion()).await);
    assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::Conflict, Some("title")));
    assert!(refused.message.contains("title is 'Director', ordered is 'Head'"), "{refused}");
    assert!(!refused.hint.is_empty());
    assert_eq!(system.account("ada").await.unwrap().title.as_deref(), Some("Director"));
    // Neither asking again nor time makes it another answer: no loop ends in writing over it.
    assert_eq!(failure(package.fulfill_again(&promotion()).await), refused);

    let membership = |current: &[&str]| update("ada", vec![from(set("groups", list(&["staff"])), list(current))]);
    let refused = failure(package.fulfill_again(&membership(&[])).await);
    assert_eq!((refused.class, refused.property.as_deref()), (FailureClass::Conflict, Some("groups")));
    assert_eq!(system.account("ada").await.unwrap().groups, groups(&["finance"]));
    assert_eq!(note(package.fulfill_again(&membership(&["finance"])).await), "updated");
    assert_eq!(system.account("ada").await.unwrap().groups, groups(&["staff"]));

    // Confidential values stay out of it, and what cannot be read back is no sign of anybody.
    let hidden = |change: Change| Change { sensitive: true, ..change };
    let mut order = promotion();
    order.changes = order.changes.into_iter().map(hidden).collect();
    let refused = failure(package.fulfill_again(&order).await);
    assert_eq!(refused.class, FailureClass::Conflict);
    assert!(!format!("{refused:?}").contains("Director") && !format!("{refused:?}").contains("Head"), "{refused:?}");
    order.changes.iter_mut().for_each(|change| change.write_only = true);
    assert_eq!(note(package.fulfill_again(&order).await), "updated");

    // A first attempt writes what is ordered, as it always did.
    assert_eq!(note(package.fulfill(&update("ada", vec![set("title", Value::from("Analyst"))])).await), "updated");
    assert_eq!(note(package.fulfill_again(&promotion()).await), "updated");
    assert_eq!(note(package.fulfill_again(&promotion()).await), ALREADY_SO);
}

/// What a stranger created under the key meanwhile is not taken for ours.
async fn stranger_is_not_adopted(system: &dyn System) {
    system.put("ada", "Director", &[]).await;
    let refused = failure(system.package().fulfill_again(&creation("ada", "Analyst", &["staff"])).await);
    assert_eq!(refused.class, FailureClass::Conflict);
    assert!(refused.message.contains("title is 'Director'"), "{refused}");
    let account = system.account("ada").await.unwrap();
    assert_eq!((account.title.as_deref(), account.groups), (Some("Director"), groups(&[])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_change_since_an_unknown_attempt_is_a_conflict_that_a_person_sees() {
    strangers_change_is_a_conflict(&SqlSystem::sqlite().await).await;
    strangers_change_is_a_conflict(&SqlSystem::postgres().await).await;
    strangers_change_is_a_conflict(&LdapSystem::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_who_came_since_an_unknown_attempt_is_not_adopted() {
    stranger_is_not_adopted(&SqlSystem::sqlite().await).await;
    stranger_is_not_adopted(&SqlSystem::postgres().await).await;
    stranger_is_not_adopted(&LdapSystem::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modify_that_arrives_late_from_a_connection_given_up_does_nothing() {
    let system = LdapSystem::start_audited().await;
    system.put("ada", "Analyst", &[]).await;
    let package = Directory::new(settings(&system.slapd), directory_entities()).unwrap();
    let package = package.with_timeout(Duration::from_millis(300));
    package.check().await.unwrap();
    assert_eq!(note(package.fulfill(&update("ada", vec![])).await), ALREADY_SO);
    // The server hangs: what is sent waits in its sockets, and is carried out when it goes on.
    system.slapd.pause().await;
    for _ in 0..2 {
        assert_eq!(failure(package.fulfill_again(&promotion()).await).class, FailureClass::Transport);
    }
    system.slapd.resume().await;
    let outcome = package.fulfill_again(&promotion()).await;
    assert!(["updated", ALREADY_SO].contains(&note(outcome).as_str()));
    let log = effects(&system, ADA);
    assert_eq!(log.iter().filter(|effect| *effect == "add title").count(), 1, "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_committed_and_was_cut_off_has_one_effect() {
    for loss in [Loss::Cut, Loss::Silence] {
        let system = SqlSystem::postgres().await;
        system.sql("CREATE TABLE effects (at SERIAL, what TEXT)").await;
        system
            .sql(
                "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN INSERT INTO effects (what) VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$",
            )
            .await;
        for table in ["accounts", "memberships"] {
            let events = "AFTER INSERT OR UPDATE OR DELETE";
            let sql = format!("CREATE TRIGGER noted {events} ON {table} FOR EACH ROW EXECUTE FUNCTION noted()");
            system.sql(&sql).await;
        }
        let (proxy, url) = system.behind_proxy().await;
        let package = Sql::new(&SecretString::from(url), Path::new(""), 4, entities()).unwrap();
        let package = package.with_timeout(Duration::from_secs(2));
        package.check().await.unwrap();
        let cases = [
            (creation("ada", "Analyst", &["staff"]), ALREADY_SO, "INSERT accounts, INSERT memberships"),
            (promotion(), ALREADY_SO, "UPDATE accounts"),
            (update("ada", vec![delta(ChangeOperation::Add, &["finance"])]), ALREADY_SO, "INSERT memberships"),
            (deletion("ada"), ALREADY_GONE, "DELETE memberships, DELETE memberships, DELETE accounts"),
        ];
        let mut log = Vec::new();
        for (order, expected, effects) in cases {
            proxy.lose_answer_to(b"COMMIT", loss);
            let unknown = failure(package.fulfill(&order).await);
            assert_eq!(unknown.class, FailureClass::Transport, "{unknown}");
            assert_eq!(note(package.fulfill_again(&order).await), expected, "{loss:?} {order:?}");
            log.push(effects);
            assert_eq!(system.effects().await.join(", "), log.join(", "), "{loss:?}");
        }
        assert_eq!(proxy.lost(), 4);
    }
}
