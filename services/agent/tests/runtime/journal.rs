//! The journal of the real process: on a full disk, and damaged.

use crate::crashes::{Town, account, agent, command, directory, entry};
use crate::scene::{SOON, Scene, order};
use crate::servers::Reports;
use provost_contract::agent::v1::agent_service_client::AgentServiceClient;
use provost_contract::agent::v1::{GetStatusRequest, GetStatusResponse};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_domain::{Order, Value};
use provost_service_kit::channel;
use provost_testkit::{Process, Slapd, eventually};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

async fn status(agent: &Process) -> GetStatusResponse {
    let mut client = AgentServiceClient::new(channel::to(&agent.url()).unwrap());
    client.get_status(GetStatusRequest {}).await.unwrap().into_inner()
}

/// What an order was reported as, by attempt: the note of what was executed.
fn notes(scene: &Scene, order: &Order) -> Vec<(i32, String)> {
    let told = scene.servers.feedback_of(order).into_iter().map(|(attempt, outcome)| match outcome {
        Outcome::Executed(executed) => (attempt, executed.note),
        other => panic!("not executed: {other:?}"),
    });
    told.collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn full_disk_begins_nothing_new_and_keeps_what_is_in_hand_until_there_is_room() {
    let (scene, slapd) = (Scene::new().await, Slapd::start_audited().await);
    let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
    let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &["staff"]), ("member", &[nobody.as_str()])];
    slapd.add(&format!("cn=staff,ou=groups,{}", Slapd::SUFFIX), &attributes).await;
    scene.servers.with(|state| state.lease = Duration::from_secs(2));
    let (command, listen) = command(&scene, &directory(&slapd));
    let agent = Process::start(Process::spared(&command), listen).await;
    scene.servers.submit([entry(1)]);
    scene.reported(1).await;
    assert_eq!(status(&agent).await.journal_problem, "");

    // It is being written when the disk gets full.
    slapd.pause().await;
    let in_hand = entry(2);
    scene.servers.submit([in_hand.clone()]);
    scene.until("the order is taken", || scene.servers.with(|state| !state.leased.is_empty())).await;
    eventually("the write", SOON, async || match status(&agent).await.in_flight {
        1 => Ok(()),
        other => Err(format!("{other} in flight")),
    })
    .await;
    // The intent is on disk a moment after the order is in flight.
    tokio::time::sleep(Duration::from_millis(300)).await;
    agent.fill_disk(true).await;
    slapd.resume().await;
    let told = eventually("the result is in hand", SOON, async || match status(&agent).await {
        told if told.results_held == 1 => Ok(told),
        told => Err(format!("{told:?}")),
    })
    .await;
    for words in ["agent-journal.db cannot be written", "no order is begun", "make room on its disk"] {
        assert!(told.journal_problem.contains(words), "'{words}' is not in {}", told.journal_problem);
    }
    // Longer than a lease: what is in hand stays ours, and what is new is not begun.
    let new = entry(3);
    scene.servers.submit([new.clone()]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(notes(&scene, &in_hand), [], "nothing is reported that is not on disk");
    assert_eq!(scene.servers.with(|state| state.attempts.get(&in_hand.id.to_string()).copied()), Some(1));
    let dn = |number| format!("uid=user{number},ou=people,{}", Slapd::SUFFIX);
    assert!(slapd.entry(&dn(2)).await.is_some() && slapd.entry(&dn(3)).await.is_none());

    agent.fill_disk(false).await;
    scene.reported(3).await;
    assert_eq!(notes(&scene, &in_hand), [(1, "created".to_owned())]);
    assert_eq!(notes(&scene, &new).len(), 1);
    let told = status(&agent).await;
    assert_eq!((told.journal_problem.as_str(), told.results_held), ("", 0));
    let written = slapd.audit().into_iter().filter(|audited| audited.dn == dn(2)).count();
    assert_eq!(written, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_on_a_full_disk_what_was_in_hand_is_looked_up_and_not_written_again() {
    let (scene, slapd) = (Scene::new().await, Slapd::start_audited().await);
    let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
    let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &["staff"]), ("member", &[nobody.as_str()])];
    slapd.add(&format!("cn=staff,ou=groups,{}", Slapd::SUFFIX), &attributes).await;
    scene.servers.with(|state| state.lease = Duration::from_secs(2));
    let (command, listen) = command(&scene, &directory(&slapd));
    let agent = Process::start(Process::spared(&command), listen).await;
    slapd.pause().await;
    scene.servers.submit([entry(1)]);
    scene.until("the order is taken", || scene.servers.with(|state| !state.leased.is_empty())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    agent.fill_disk(true).await;
    slapd.resume().await;
    eventually("the result is in hand", SOON, async || match status(&agent).await.results_held {
        1 => Ok(()),
        other => Err(format!("{other}")),
    })
    .await;
    agent.kill9().await;
    agent.restart().await;
    scene.reported(1).await;
    let notes = notes(&scene, &entry(1));
    assert!(matches!(&notes[..], [(2.., note)] if note == "already so"), "{notes:?}");
    assert!(agent.log().await.contains("was cut off while it was written"));
    let dn = format!("uid=user1,ou=people,{}", Slapd::SUFFIX);
    assert_eq!(slapd.audit().into_iter().filter(|audited| audited.dn == dn).count(), 1);
}

/// A town whose agent wrote an order, and was killed before it could report it.
async fn unreported(lease: Duration) -> (Town, Order) {
    let town = Town::new(lease).await;
    town.scene.servers.with(|state| state.reports = Reports::Swallowed);
    let order = account(1);
    town.scene.servers.submit([order.clone()]);
    town.until("the report", || town.report_calls() > 0).await;
    town.agent.kill9().await;
    town.scene.servers.with(|state| state.reports = Reports::Taken);
    assert_eq!(town.effects("user1").await, 2);
    (town, order)
}

fn journal(town: &Town, end: &str) -> PathBuf {
    town.scene.folder.path().join(format!("agent-journal.db{end}"))
}

/// Writes garbage over a file, from there to its end.
fn spoil(file: &PathBuf, from: u64) {
    let length = std::fs::metadata(file).unwrap().len();
    assert!(length > from, "{} has {length} bytes", file.display());
    let mut open = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    open.seek(SeekFrom::Start(from)).unwrap();
    open.write_all(&vec![0xa5; usize::try_from(length - from).unwrap()]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_journal_is_set_aside_and_its_orders_are_looked_up_before_they_are_written() {
    let (town, order) = unreported(Duration::from_secs(2)).await;
    spoil(&journal(&town, ""), 0);
    let _ = std::fs::remove_file(journal(&town, "-wal"));
    town.agent.restart().await;
    let aside = status(&town.agent).await.journal_set_aside;
    assert!(aside.contains("agent-journal.db.damaged-") && std::fs::metadata(&aside).is_ok(), "{aside}");
    let log = town.agent.log().await;
    assert!(log.contains("the journal is damaged: it was set aside") && log.contains(&aside), "{log}");
    town.scene.reported(1).await;
    assert_eq!(notes(&town.scene, &order), [(2, "already so".to_owned())]);
    assert_eq!(town.effects("user1").await, 2, "written once");
    // The new one is a journal like any other.
    town.scene.servers.submit([account(2)]);
    town.scene.reported(2).await;
    town.agent.restart().await;
    assert_eq!(status(&town.agent).await.journal_set_aside, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_whose_rows_make_no_sense_is_set_aside() {
    let (town, order) = unreported(Duration::from_secs(2)).await;
    let file = format!("sqlite://{}", journal(&town, "").display());
    let open = sea_orm::Database::connect(file).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&open, "UPDATE journal SET outcome = '{\"exec'").await.unwrap();
    open.close().await.unwrap();
    town.agent.restart().await;
    assert!(status(&town.agent).await.journal_set_aside.contains(".damaged-"));
    town.scene.reported(1).await;
    assert_eq!(notes(&town.scene, &order), [(2, "already so".to_owned())]);
    assert_eq!(town.effects("user1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_with_a_broken_end_loses_the_end_and_no_order_is_written_twice() {
    let (town, order) = unreported(Duration::from_secs(2)).await;
    // The tail of the write-ahead log: the result is in it, and not yet in the file proper.
    let log = journal(&town, "-wal");
    spoil(&log, std::fs::metadata(&log).unwrap().len() - 3_000);
    town.agent.restart().await;
    assert_eq!(status(&town.agent).await.journal_set_aside, "", "what comes before the broken end is good");
    town.scene.reported(1).await;
    assert_eq!(notes(&town.scene, &order), [(2, "already so".to_owned())]);
    assert_eq!(town.effects("user1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_handed_over_has_one_ticket_whatever_became_of_the_report() {
    let scene = Scene::new().await;
    scene.servers.with(|state| (state.lease, state.reports) = (Duration::from_secs(2), Reports::Swallowed));
    let agent = agent(&scene, "package = 'manual-ticket'\n").await;
    let orders = [order(1, "app", "ada"), order(2, "app", "bob")];
    scene.servers.submit(orders.clone());
    scene.until("the report", || scene.servers.with(|state| state.report_calls) > 0).await;
    agent.kill9().await;
    // Nothing is left of it: the second attempt begins anew.
    std::fs::remove_file(scene.folder.path().join("agent-journal.db")).unwrap();
    let _ = std::fs::remove_file(scene.folder.path().join("agent-journal.db-wal"));
    scene.servers.with(|state| state.reports = Reports::AnswerLost);
    agent.restart().await;
    scene.reported(2).await;
    agent.kill9().await;
    scene.servers.with(|state| state.reports = Reports::Taken);
    agent.restart().await;
    scene.reported(4).await;
    for order in &orders {
        let tickets = scene.servers.feedback_of(order).into_iter().map(|(_, outcome)| match outcome {
            Outcome::HandedOver(handed) => handed.ticket,
            other => panic!("not handed over: {other:?}"),
        });
        let tickets: Vec<_> = tickets.collect();
        let expected = provost_agent::package::manual_ticket::reference(order.id);
        assert!(tickets.len() >= 2 && tickets.iter().all(|ticket| *ticket == expected), "{tickets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_change_between_two_attempts_is_a_conflict_unless_the_lane_was_written() {
    use crate::scene::set;
    for (lane_written, key) in [(false, 1), (true, 2)] {
        let (town, first) = unreported(Duration::from_secs(2)).await;
        town.agent.restart().await;
        town.scene.reported(1).await;
        let mut promotion = account(10 + key);
        promotion.kind = provost_domain::OrderKind::Update;
        promotion.target_key = first.target_key.clone();
        promotion.changes = vec![set("title", Value::from("Head"))];
        promotion.changes[0].current = Some(Value::from("Analyst"));
        town.sql("UPDATE accounts SET title = 'Director'").await;
        town.scene.servers.with(|state| {
            state.lane_written = lane_written;
            state.attempts.insert(promotion.id.to_string(), 1);
        });
        town.scene.servers.submit([promotion.clone()]);
        town.scene.reported(2).await;
        let outcome = town.scene.servers.feedback_of(&promotion).pop().unwrap();
        match outcome {
            (2, Outcome::Failed(failure)) if !lane_written => {
                assert!(failure.message.contains("title is 'Director', ordered is 'Head'"), "{failure:?}");
            }
            (2, Outcome::Executed(executed)) if lane_written => assert_eq!(executed.note, "updated"),
            other => panic!("{lane_written}: {other:?}"),
        }
    }
}
