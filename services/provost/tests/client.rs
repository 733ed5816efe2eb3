//! The client against a suite in the same process: what people type, and what they read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use clap::Parser;
use provost::arguments::Arguments;
use provost::client::Clients;
use provost::console::{Console, Style};
use provost::demo::workplace;
use provost::failure::{Failure, Outcome};
use provost::suite::{DataDirectory, Suite};
use provost_contract::fulfillment::v1::feedback::Outcome as Reported;
use provost_contract::fulfillment::v1::{
    Executed, Feedback, HandedOver, PullOrdersRequest, ReportFeedbackRequest, SubmitOrdersRequest,
};
use provost_contract::types::v1::{self as types, Change, Order, Owner, RuleFailure, Value, value::Kind};
use provost_sample::Organisation;
use provost_service_kit::Runtime;
use provost_testkit::eventually;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A suite without an agent: the test plays it.
struct World {
    suite: Suite,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&folder.path().join("data")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let suite = Suite::start(directory, listener, None, Runtime::default()).await.unwrap();
        Self { suite, folder }
    }

    /// A suite with the sample organisation's systems, and an agent that reaches them.
    async fn with_sample() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&folder.path().join("data")).unwrap();
        let organisation = Organisation::generate(workplace::SEED, 250, chrono::Utc::now().date_naive());
        workplace::write(directory.path(), &organisation).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        workplace::write_agent_file(directory.path(), listener.local_addr().unwrap()).unwrap();
        let suite = Suite::start(directory, listener, None, Runtime::default()).await.unwrap();
        Self { suite, folder }
    }

    async fn run(&self, arguments: &[&str]) -> (Result<Outcome, Failure>, String) {
        let captured = Captured::default();
        let url = self.suite.url();
        // Who speaks for somebody else says so.
        let actor: &[&str] = if arguments.contains(&"--as") { &[] } else { &["--as", "ada"] };
        let whole =
            ["provost", "--server", &url].into_iter().chain(actor.iter().copied()).chain(arguments.iter().copied());
        let console = Console::to(captured.clone(), Style::new(false));
        let result = provost::command::run(Arguments::try_parse_from(whole).unwrap(), console).await;
        (result, captured.text())
    }

    /// The first lines of a command that has no end.
    async fn watched(&self, arguments: &[&str], lines: usize) -> String {
        let captured = Captured::default();
        let url = self.suite.url();
        let whole = ["provost", "--server", &url].into_iter().chain(arguments.iter().copied());
        let console = Console::to(captured.clone(), Style::new(false));
        let watching = provost::command::run(Arguments::try_parse_from(whole).unwrap(), console);
        let enough = eventually("enough of what is watched", PATIENCE, async || {
            let text = captured.text();
            if text.lines().count() > lines { Ok(text) } else { Err(text) }
        });
        tokio::select! {
            text = enough => text,
            ended = watching => panic!("the feed ended: {:?}", ended.map_err(|failure| failure.text())),
        }
    }

    /// The output of a command that did all that it was asked for.
    async fn done(&self, arguments: &[&str]) -> String {
        let (result, text) = self.run(arguments).await;
        assert_eq!(result.unwrap(), Outcome::Done, "{arguments:?}\n{text}");
        text
    }

    /// What a command says that cannot be carried out.
    async fn refused(&self, arguments: &[&str]) -> String {
        self.run(arguments).await.0.map(|_| ()).unwrap_err().text().unwrap()
    }

    fn clients(&self) -> Clients {
        Clients::new(&[self.suite.url().parse().unwrap()], "test").unwrap()
    }

    async fn submit(&self, orders: Vec<Order>) {
        let parts = tokio_stream::iter([SubmitOrdersRequest { orders }]);
        let answer = self.clients().orders().submit_orders(parts).await.unwrap().into_inner();
        assert_eq!(answer.rejected, 0, "{answer:?}");
    }

    /// Plays the agent once: takes what is there, and reports `outcome` for each.
    async fn agent(&self, connection: &str, outcome: Reported) {
        let clients = self.clients();
        let pull = PullOrdersRequest {
            agent_id: "agent-t".into(),
            connections: vec![connection.into()],
            max_orders: 10,
            wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
            agent_version: "1".into(),
            urgent_only: false,
        };
        let leased = clients.dispatch().pull_orders(pull).await.unwrap().into_inner().orders;
        assert!(!leased.is_empty());
        let feedback = leased
            .into_iter()
            .map(|leased| Feedback {
                order_id: leased.order.unwrap().order_id,
                attempt: leased.attempt,
                outcome: Some(outcome.clone()),
                at: None,
            })
            .collect();
        let report = ReportFeedbackRequest { agent_id: "agent-t".into(), feedback };
        let results = clients.dispatch().report_feedback(report).await.unwrap().into_inner().results;
        assert!(results.iter().all(|item| item.error.is_none()), "{results:?}");
    }
}

/// An order of a person whose number is `n`, with an id that ends in it.
fn order(n: u128, resource_type: &str, connection: &str) -> Order {
    let title = Change {
        property: "title".into(),
        operation: types::ChangeOperation::Set.into(),
        proposed: Some(Value { kind: Some(Kind::StringValue("Clerk".into())) }),
        ..Change::default()
    };
    let phone = Change { property: "phone".into(), sensitive: true, ..title.clone() };
    Order {
        order_id: uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n).to_string(),
        kind: types::OrderKind::Addition.into(),
        resource_type: resource_type.into(),
        connector: "app".into(),
        connection: connection.into(),
        entity_type: "Account".into(),
        owner: Some(Owner { entity_type: "Person".into(), key: format!("E{n}"), display_name: format!("Person {n}") }),
        target_key: format!("login{n}"),
        changes: vec![title, phone],
        generated_at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
        ..Order::default()
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[tokio::test]
async fn empty_suite_says_that_there_is_nothing() {
    let world = World::start().await;
    for (arguments, said) in [
        (["orders", "list"], "no such orders\n"),
        (["orders", "count"], "no such orders\n"),
        (["review", "list"], "nothing waits for a review\n"),
        (["manual", "list"], "nothing is left to do by hand\n"),
        (["syncs", "list"], "nothing was synchronized yet\n"),
        (["agents", "list"], "no agent has called yet\n"),
        (["jobs", "runs"], "no job was run yet: provost jobs run complete --watch\n"),
    ] {
        assert_eq!(world.done(&arguments).await, said);
        let mut with_json = arguments.to_vec();
        with_json.extend(["-o", "json"]);
        assert_eq!(json(&world.done(&with_json).await), serde_json::json!([]), "{arguments:?}");
    }
    assert!(world.refused(&["jobs", "run", "complete"]).await.contains("catalog"));
    assert!(world.refused(&["orders", "get", "abcdef12"]).await.contains("there is no order 'abcdef12'"));
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn mistakes_in_a_catalog_are_told_like_a_compiler_tells_them() {
    let world = World::start().await;
    let file = world.folder.path().join("wrong.yaml");
    std::fs::write(&file, "connectors:\n  - nmae: hr\n").unwrap();
    let path = file.to_str().unwrap();
    let (result, text) = world.run(&["catalog", "apply", path]).await;
    assert_eq!(result.unwrap(), Outcome::Failed);
    assert!(text.contains(&format!("{path}:2:")), "{text}");
    assert!(text.contains("the catalog was not applied"), "{text}");
    assert!(world.refused(&["catalog", "show"]).await.contains("catalog"));

    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/sample/catalog");
    assert!(world.done(&["catalog", "apply", "--check", sample]).await.contains("nothing was applied"));
    assert!(world.done(&["catalog", "apply", sample]).await.contains("revision 1 is the current catalog"));
    assert!(world.done(&["catalog", "show"]).await.contains("applied"));
    let schema: serde_json::Value = serde_json::from_str(&world.done(&["catalog", "schema"]).await).unwrap();
    assert_eq!(schema["title"], "Provost catalog");
    let whole = world.done(&["--output", "json", "catalog", "schema"]).await;
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(whole["schema"].as_str().unwrap()).unwrap(), schema);
    assert!(world.done(&["jobs", "list"]).await.contains("complete"));
    let unknown = world.refused(&["jobs", "run", "nosuch"]).await;
    assert!(unknown.starts_with("there is no job 'nosuch'; there are ") && unknown.contains("complete"), "{unknown}");
    world.done(&["jobs", "run", "complete"]).await;
    let second = world.refused(&["jobs", "run", "complete"]).await;
    assert!(second.contains("provost jobs runs") && !second.contains("somebody else"), "{second}");
    assert!(world.refused(&["permissions", "nobody"]).await.contains("nobody"));
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn orders_are_listed_shown_counted_and_cancelled() {
    let world = World::start().await;
    let failed = RuleFailure { rule: "scalar title".into(), message: "no number".into(), ..RuleFailure::default() };
    let broken = Order { rule_failure: Some(failed), ..order(3, "App", "app-sql") };
    world.submit(vec![order(1, "App", "app-sql"), order(2, "App", "app-sql"), broken]).await;

    let text = world.done(&["orders", "list", "--limit", "2"]).await;
    assert!(text.contains("000000000001  Addition  App") && text.contains("there are more"), "{text}");
    assert!(!text.contains("000000000003"), "{text}");
    let listed = json(&world.done(&["orders", "list", "--state", "pending", "-o", "json"]).await);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["state"], "PROVISIONING_STATE_PENDING");

    let text = world.done(&["orders", "get", "000000000003"]).await;
    for part in ["state        Error (rule)", "rule         scalar title", "message      no number", "Person 3 (E3)"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(text.contains("phone     set   –        ••••••"), "{text}");
    let text = world.done(&["orders", "count"]).await;
    assert!(text.contains("1 PENDING") && text.contains("7 ERROR (RULE)"), "{text}");

    let unknown = "01900000-0000-7000-8000-00000000ffff";
    let (result, text) = world.run(&["orders", "cancel", "000000000001", unknown, "--reason", "test"]).await;
    assert_eq!(result.unwrap(), Outcome::Failed, "{text}");
    assert!(text.contains("✓ 000000000001 cancelled, now Inactive") && text.contains("✗ 00000000ffff: "), "{text}");
    let text = world.done(&["orders", "get", "000000000001"]).await;
    assert!(text.contains("Inactive (cancelled)") && text.contains("ada"), "{text}");
    let several = world.refused(&["orders", "get", "01900000"]).await;
    assert!(several.contains("fits 3 of them"), "{several}");
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn reviews_are_shown_and_decided() {
    let world = World::start().await;
    let blocked = |n| Order { block_causes: vec![types::BlockCause::ResourceType.into()], ..order(n, "Vault", "v") };
    world.submit((1..=3).map(blocked).collect()).await;
    let text = eventually("three reviews", PATIENCE, async || {
        let text = world.done(&["review", "list"]).await;
        if text.lines().count() == 4 { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(text.contains("title = Clerk, phone = ••••••"), "{text}");
    let text = world.done(&["review", "show", "000000000001"]).await;
    assert!(text.contains("the resource type requires review") && text.contains("Person 1 (E1)"), "{text}");

    let shown = json(&world.done(&["review", "show", "000000000001", "-o", "json"]).await);
    assert_eq!((&shown["state"], &shown["order"]["owner"]["key"]), (&"REVIEW_STATE_OPEN".into(), &"E1".into()));
    assert!(!shown.to_string().contains("decisions"), "{shown}");

    world.done(&["review", "approve", "000000000001", "--comment", "yes"]).await;
    let decided = json(&world.done(&["review", "decline", "000000000002", "--comment", "no", "-o", "json"]).await);
    assert_eq!(decided[0]["state"], "REVIEW_STATE_DECLINED");
    assert_eq!(decided[0]["decisions"][0]["comment"], "no");
    let decided = json(&world.done(&["review", "postpone", "000000000003", "-o", "json"]).await);
    assert_eq!((decided.as_array().unwrap().len(), &decided[0]["state"]), (1, &"REVIEW_STATE_POSTPONED".into()));
    let (result, _) = world.run(&["review", "approve", "000000000002"]).await;
    assert_eq!(result.unwrap(), Outcome::Failed, "what was declined cannot be approved");
    let states = json(&world.done(&["review", "list", "--state", "approved,declined,postponed", "-o", "json"]).await);
    let states: Vec<_> = states.as_array().unwrap().iter().map(|review| review["state"].clone()).collect();
    assert_eq!(states, ["REVIEW_STATE_APPROVED", "REVIEW_STATE_DECLINED", "REVIEW_STATE_POSTPONED"]);

    world.agent("v", Reported::Executed(Executed::default())).await;
    let text = world.done(&["orders", "get", "000000000001"]).await;
    assert!(text.contains("Executed") && text.contains("approved"), "{text}");
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn manual_orders_are_confirmed_and_reported() {
    let world = World::start().await;
    world.submit((1..=6).map(|n| order(n, "Badge", "desk")).collect()).await;
    world.agent("desk", Reported::HandedOver(HandedOver { ticket: "line".into() })).await;
    let text = world.done(&["manual", "list"]).await;
    assert_eq!(text.lines().count(), 7, "{text}");
    let text = world.done(&["manual", "show", "000000000001"]).await;
    assert!(text.contains("title") && text.contains("provost manual confirm 000000000001"), "{text}");

    let shown = json(&world.done(&["manual", "show", "000000000001", "-o", "json"]).await);
    assert_eq!(shown["record"]["order"]["owner"]["key"], "E1");
    assert_eq!(shown["values"].as_array().unwrap().len(), 2);

    let text = world.done(&["manual", "confirm", "000000000001"]).await;
    assert_eq!(text, "✓ 000000000001 confirmed, now Executed\n");
    let text = world.done(&["manual", "report-error", "000000000002", "--comment", "no cards"]).await;
    assert_eq!(text, "✓ 000000000002 reported, now Errored (system)\n");
    let results = json(&world.done(&["manual", "confirm", "000000000005", "-o", "json"]).await);
    assert_eq!(results[0]["state"], "PROVISIONING_STATE_EXECUTED");
    let report = ["manual", "report-error", "000000000006", "--comment", "no ink", "-o", "json"];
    assert_eq!(json(&world.done(&report).await)[0]["state"], "PROVISIONING_STATE_ERRORED");
    let (result, text) = world.run(&report).await;
    assert!(result.is_err() || json(&text)[0]["error"]["message"].is_string(), "reported twice: {text}");
    let text = world.done(&["manual", "confirm", "--all"]).await;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(world.done(&["manual", "confirm", "--all"]).await.starts_with("nothing to confirm"));
    assert!(world.refused(&["manual", "confirm", "000000000001"]).await.contains("there is no order"));

    assert!(world.done(&["orders", "list", "--state", "errored"]).await.contains("no cards"));
    let text = world.done(&["orders", "unblock", "000000000002", "--comment", "cards came"]).await;
    assert_eq!(text, "✓ 000000000002 unblocked, now Pending\n");
    let unblock = ["orders", "unblock", "000000000006", "--comment", "ink came", "-o", "json"];
    assert_eq!(json(&world.done(&unblock).await)[0]["state"], "PROVISIONING_STATE_PENDING");
    let shown = json(&world.done(&["orders", "get", "000000000006", "-o", "json"]).await);
    assert_eq!(shown["record"]["state"], "PROVISIONING_STATE_PENDING");
    let events: Vec<_> = shown["history"].as_array().unwrap().iter().map(|entry| entry["reason"].clone()).collect();
    assert!(events.contains(&"no ink".into()) && events.contains(&"ink came".into()), "{events:?}");
    assert!(world.done(&["agents", "list"]).await.contains("agent-t"));
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn errors_of_one_cause_are_shown_and_unblocked_together() {
    let world = World::start().await;
    assert!(world.done(&["orders", "causes"]).await.starts_with("no order is Errored"));
    world.submit((1..=3).map(|n| order(n, "Badge", "desk")).collect()).await;
    let failure = types::Failure {
        failure_class: types::FailureClass::Refused.into(),
        code: "507".into(),
        message: "the quota is used up".into(),
        ..Default::default()
    };
    world.agent("desk", Reported::Failed(failure)).await;
    let text = world.done(&["orders", "causes"]).await;
    assert!(text.contains("desk") && text.contains("the quota is used up"), "{text}");
    let causes = json(&world.done(&["orders", "causes", "-o", "json"]).await);
    assert_eq!(causes[0]["count"], 3);
    let cause = causes[0]["error_cause"].as_str().unwrap();
    let listed = json(&world.done(&["orders", "list", "--cause", cause, "-o", "json"]).await);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let text = world.done(&["orders", "unblock", "--cause", cause, "--max", "1", "--comment", "a probe"]).await;
    assert_eq!(text, "✓ 1 unblocked; 2 stay Errored\n");
    let rest = ["orders", "unblock", "--cause", cause, "--connection", "desk", "--per-minute", "1", "-o", "json"];
    let rest = json(&world.done(&rest).await);
    assert_eq!((&rest["unblocked"], rest["last_at"].is_string()), (&2.into(), true), "{rest}");
    assert!(world.refused(&["orders", "unblock", "--cause", cause]).await.contains("see 'orders causes'"));
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn connections_are_paused_limited_probed_and_released() {
    let world = World::start().await;
    assert!(world.done(&["connections", "list"]).await.starts_with("no connection is known yet"));
    world.submit((1..=8).map(|n| order(n, "Badge", "desk")).collect()).await;
    let text = world.done(&["connections", "pause", "desk", "--comment", "the desk moves"]).await;
    assert!(text.starts_with("✓ desk: paused\n"), "{text}");
    assert!(text.contains("by ada: the desk moves") && text.contains("8 pending, 0 in flight"), "{text}");
    let text = world.done(&["orders", "get", "000000000001"]).await;
    assert!(text.contains("Pending, held: connection paused"), "{text}");
    assert!(text.contains("waits for    connection desk is paused"), "{text}");
    let listed = json(&world.done(&["connections", "list", "-o", "json"]).await);
    assert_eq!(listed[0]["mode"], "CONNECTION_MODE_PAUSED");
    assert!(world.done(&["connections", "list"]).await.contains("connection desk is paused since"));
    assert!(world.refused(&["connections", "drain", "desk", "-c", "x"]).await.contains("paused already"));
    assert!(world.refused(&["connections", "pause", "dsek", "-c", "x"]).await.contains("no agent serves it"));

    assert!(world.done(&["connections", "resume", "desk"]).await.contains("active since"));
    assert!(world.refused(&["connections", "probe", "desk"]).await.contains("breaker is not open"));
    assert!(world.refused(&["connections", "release-brake", "desk", "-c", "x"]).await.contains("has not tripped"));
    let limit = ["connections", "limit", "desk", "--in-flight", "4", "--orders", "2", "--deletions", "10,5%"];
    let text = world.done(&limit).await;
    assert!(text.contains("at once           4") && text.contains("0 of 2 went, 2 in 24 hours"), "{text}");
    let down = types::Failure {
        failure_class: types::FailureClass::Transport.into(),
        message: "the door is locked".into(),
        ..Default::default()
    };
    world.agent("desk", Reported::Failed(down)).await;
    let text = world.done(&["connections", "show", "desk"]).await;
    assert!(text.contains("2 of 5 failures in a row"), "{text}");
    assert!(text.contains("brake tripped") && text.contains("limits set"), "{text}");
    let text = world.done(&["connections", "release-brake", "desk", "--kind", "orders", "-c", "a big day"]).await;
    assert!(text.starts_with("✓ desk: brake released"), "{text}");
    let shown = json(&world.done(&["connections", "show", "desk", "-o", "json"]).await);
    let events: Vec<_> = shown["history"].as_array().unwrap().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["brake released", "brake tripped", "limits set", "resumed", "paused"]);
    let text = world.done(&["connections", "drain", "desk", "-c", "upgrade"]).await;
    assert!(text.contains("paused since") && text.contains("by ada: upgrade"), "nothing is in flight: {text}");
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_job_did_can_be_watched_listed_and_explained() {
    let world = World::with_sample().await;
    let catalog = world.folder.path().join("data/catalog");
    world.done(&["catalog", "apply", catalog.to_str().unwrap()]).await;
    let text = world.done(&["jobs", "run", "complete", "--watch"]).await;
    assert!(text.contains("✓ export hr") && text.contains("job complete: completed"), "{text}");
    assert!(
        text.ends_with("  not done: 1 Errored (system), 1 Error (rule); provost orders list --state errored,error\n")
    );
    assert!(!text.contains('…'), "a pipe gets whole lines: {text}");
    let listed = json(&world.done(&["connections", "list", "-o", "json"]).await);
    let known = |name: &str| {
        let all = listed.as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} is missing in {listed}"))
    };
    assert!(known("app-sql")["resources"].is_number(), "the generation told how many there are: {listed}");
    let text = world.done(&["jobs", "runs"]).await;
    assert!(text.lines().count() == 2 && text.contains("complete") && text.contains("ada"), "{text}");
    let text = world.done(&["catalog", "show"]).await;
    assert!(text.starts_with("# revision 1, applied ") && text.contains("AppAccount"), "{text}");

    let text = world.done(&["permissions", provost_sample::special::DEMO_EXECUTIVE]).await;
    for part in ["ROLE", "AppAccount", "workflow Calculated, provisioning ", "PROPERTY"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }

    let shown = json(&world.done(&["permissions", provost_sample::special::DEMO_EXECUTIVE, "-o", "json"]).await);
    assert_eq!(shown["owner"]["key"], provost_sample::special::DEMO_EXECUTIVE);
    assert!(!shown["roles"].as_array().unwrap().is_empty() && !shown["resources"].as_array().unwrap().is_empty());
    let applied = json(&world.done(&["catalog", "apply", catalog.to_str().unwrap(), "-o", "json"]).await);
    assert_eq!((&applied["applied"], applied["problems"].as_array().map_or(0, Vec::len)), (&true.into(), 0));

    let text = world.watched(&["orders", "watch"], 100).await;
    assert!(text.contains("AppAccount") && text.contains("generated → Pending"), "{text}");
    for line in world.watched(&["orders", "watch", "-o", "json"], 100).await.lines().take(100) {
        assert!(json(line)["entry"]["event"].as_str().unwrap().starts_with("ORDER_EVENT_"), "{line}");
    }
    world.suite.stop().await.unwrap();
}

#[tokio::test]
async fn watched_run_that_ends_badly_is_a_failure() {
    let world = World::with_sample().await;
    let catalog = world.folder.path().join("data/catalog");
    world.done(&["catalog", "apply", catalog.to_str().unwrap()]).await;
    let text = world.done(&["jobs", "run", "complete", "--watch", "-o", "json"]).await;
    let last = json(text.lines().last().unwrap());
    assert_eq!(last["state"], "JOB_RUN_STATE_COMPLETED", "each line is a state of the run, and the last is its end");

    // Nearly everybody moves: more than a threshold allows.
    let feed = world.folder.path().join("data").join(provost_sample::workplace::PEOPLE_CSV_PATH);
    let people = std::fs::read_to_string(&feed).unwrap();
    std::fs::write(
        &feed,
        people.replace(",London,", ",Leeds,").replace(",Lyon,", ",Lille,").replace(",Austin,", ",Dallas,"),
    )
    .unwrap();
    let (result, text) = world.run(&["jobs", "run", "complete", "--watch"]).await;
    assert_eq!(result.unwrap(), Outcome::Failed, "{text}");
    assert!(text.contains("job complete: blocked") && text.contains("provost jobs resume"), "{text}");

    // The feed is gone.
    std::fs::remove_file(&feed).unwrap();
    let (result, text) = world.run(&["jobs", "run", "complete", "--watch"]).await;
    assert_eq!(result.unwrap(), Outcome::Failed, "{text}");
    assert!(text.contains("job complete: failed"), "{text}");
    let (result, text) = world.run(&["jobs", "run", "complete", "--watch", "-o", "json"]).await;
    assert_eq!(result.unwrap(), Outcome::Failed, "{text}");
    assert_eq!(json(text.lines().last().unwrap())["state"], "JOB_RUN_STATE_ERRORED");
    world.suite.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_made_approved_shown_and_withdrawn() {
    let world = World::with_sample().await;
    let catalog = world.folder.path().join("data/catalog");
    world.done(&["catalog", "apply", catalog.to_str().unwrap()]).await;
    world.done(&["jobs", "run", "synchronize", "--watch"]).await;
    let refused = world.refused(&["request", "add", "E000008", "publisher"]).await;
    assert!(refused.contains("there is no role publisher; did you mean 'publishing'?"), "{refused}");
    let refused = world.refused(&["request", "revoke", "E000008", "publishing", "--comment", "no"]).await;
    assert!(refused.contains("does not have the role publishing"), "{refused}");
    let text =
        world.done(&["request", "add", "E000008", "publishing", "--until", "2099-01-01", "--comment", "Ada"]).await;
    assert!(
        text.contains("give role publishing of") && text.contains("takes 1 approval, by others than you"),
        "{text}"
    );
    let id = json(&world.done(&["request", "list", "-o", "json"]).await)[0]["request"]["request_id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let text = eventually("the review", PATIENCE, async || {
        let text = world.done(&["review", "list", "--kind", "request", "--role", "publishing"]).await;
        if text.contains("give role publishing") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(text.contains("Request"), "{text}");
    let text = world.done(&["review", "show", &id]).await;
    assert!(text.contains("asks to     give role publishing") && text.contains("approvals   0 of 1"), "{text}");
    // Ada asked: somebody else must approve.
    let (result, _) = world.run(&["review", "approve", &id]).await;
    assert_eq!(result.unwrap(), Outcome::Failed);
    let text = world.done(&["--as", "bob", "review", "approve", &id]).await;
    assert!(text.contains("approved: give role publishing of"), "{text}");
    let text = eventually("the approval", PATIENCE, async || {
        let text = world.done(&["request", "show", &id]).await;
        if text.contains("state       Approved") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(text.contains("requested by ada, approved by bob") && text.contains("approve"), "{text}");
    let text = world.done(&["permissions", "E000008"]).await;
    assert!(text.contains("publishing") && text.contains("Approved"), "{text}");
    let text = world.done(&["request", "list", "--state", "approved"]).await;
    assert!(text.contains("Approved"), "{text}");
    let text = world.done(&["request", "revoke", "E000008", "everyone", "--comment", "left the building"]).await;
    assert!(text.contains("take away role everyone of") && text.contains("rules give it"), "{text}");
    let id = json(&world.done(&["request", "list", "-o", "json"]).await)[0]["request"]["request_id"].clone();
    let text = world.done(&["request", "withdraw", id.as_str().unwrap(), "--comment", "too early"]).await;
    assert!(text.contains("withdrawn: take away role everyone"), "{text}");
    let text = world.done(&["request", "list"]).await;
    assert_eq!(text, "there is no such request\n");
    world.suite.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plans_are_shown_saved_and_applied_and_refused_when_things_have_moved() {
    let world = World::with_sample().await;
    let catalog = world.folder.path().join("data/catalog");
    let catalog = catalog.to_str().unwrap();
    let early = world.done(&["catalog", "apply", catalog, "--dry-run"]).await;
    assert!(early.contains("+ resource types: AppAccount") && early.contains("cannot be said yet"), "{early}");
    world.done(&["catalog", "apply", catalog]).await;
    world.done(&["jobs", "run", "synchronize", "--watch"]).await;

    let file = world.folder.path().join("plan.json");
    let file = file.to_str().unwrap();
    let plan = world.done(&["plan", "--owner", "E000008", "--out", file]).await;
    assert!(plan.contains("  + ") && plan.contains("thresholds") && plan.contains("to add"), "{plan}");
    assert!(plan.contains("first load"), "{plan}");
    assert!(plan.contains(&format!("provost apply {file}")), "{plan}");
    let whole = json(&world.done(&["plan", "-o", "json"]).await);
    let count = |kind: &str| {
        let orders = whole["orders"].as_array().unwrap().iter();
        orders.filter(|one| one["order"]["resource_type"] == kind).count()
    };
    assert!(count("AppAccount") > 200, "{}", count("AppAccount"));

    let applied = world.done(&["apply", file]).await;
    assert!(applied.contains("orders submitted, 0 cancelled"), "{applied}");
    let again = world.done(&["apply", file]).await;
    assert!(again.starts_with("nothing new was submitted"), "{again}");
    let listed = json(&world.done(&["orders", "list", "-o", "json"]).await);
    let of_others = listed.as_array().unwrap().iter().filter(|one| one["order"]["owner"]["key"] != "E000008").count();
    assert_eq!(of_others, 0, "the plan was of one person");
    assert!(world.refused(&["apply", file, "--only", "owner=nobody"]).await.contains("no order of 'nobody'"));

    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("E000008", "E000009")).unwrap();
    assert!(world.refused(&["apply", file]).await.contains("was changed after it was made"));
    std::fs::write(file, text.split_at(text.len() / 2).0).unwrap();
    assert!(world.refused(&["apply", file]).await.contains("was cut off"));

    let dry = world.done(&["catalog", "apply", catalog, "--dry-run"]).await;
    assert!(dry.contains("declares what the current catalog declares"), "{dry}");
    assert!(dry.contains("nothing was applied, saved or submitted"), "{dry}");
    // A changed catalog, and whom it would concern.
    let other = world.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for file in std::fs::read_dir(catalog).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replace("- { when: \"true\" }", "- { when: \"owner.employee_id != 'E000008'\" }");
        std::fs::write(other.join(file.file_name()), text).unwrap();
    }
    let other = other.to_str().unwrap();
    for dry in
        [world.done(&["catalog", "apply", other, "--dry-run"]).await, world.done(&["plan", "--catalog", other]).await]
    {
        assert!(dry.contains("role everyone: 0 gain it, 1 lose it"), "{dry}");
        let lost = dry.lines().find(|line| line.trim_start().starts_with("- ") && line.contains("(E000008)"));
        assert!(lost.is_some(), "{dry}");
    }
    let dry = world.done(&["catalog", "apply", other, "--dry-run"]).await;
    assert!(dry.contains("~ roles: everyone"), "{dry}");
    assert_eq!(world.done(&["orders", "held"]).await, "nothing is held back\n");
    let runs = json(&world.done(&["jobs", "runs", "-o", "json"]).await);
    let shown = world.done(&["jobs", "show", runs[0]["run_id"].as_str().unwrap()]).await;
    assert!(shown.contains("by ada") && shown.contains("compute role model"), "{shown}");
    world.suite.stop().await.unwrap();
}
