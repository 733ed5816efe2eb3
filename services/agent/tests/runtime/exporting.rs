//! Exports: whole, in batches, or not at all.

use crate::probe::Probe;
use crate::scene::{Scene, order};
use provost_contract::generator::v1::upload_export_request::Part;
use provost_contract::generator::v1::{ExportEntityType, ExportProperty, ExportTask};
use provost_contract::types::v1::value::Kind;
use provost_domain::{Failure, FailureClass, Value};
use provost_service_kit::{Clock, SystemClock};
use tokio::sync::Semaphore;
use tonic::Code;

fn task(id: &str, connection: &str, entity_types: &[&str]) -> ExportTask {
    let property = |name: &str| ExportProperty { name: name.into(), r#type: "string".into(), multi_valued: false };
    let entity_type = |name: &&str| ExportEntityType {
        entity_type: (*name).into(),
        key: "id".into(),
        properties: vec![property("id"), property("title")],
    };
    ExportTask {
        task_id: id.into(),
        connector: "app".into(),
        connection: connection.into(),
        entity_types: entity_types.iter().map(entity_type).collect(),
    }
}

async fn upload(scene: &Scene, place: usize) -> Vec<Part> {
    scene.until("the upload", || scene.servers.with(|state| state.uploads.len()) > place).await;
    scene.servers.with(|state| state.uploads[place].iter().map(|part| part.part.clone().unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn export_is_a_header_batches_and_an_end_with_counts() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let row = |number: usize| vec![Some(Value::String(format!("user{number}"))), None];
    *probe.rows.lock().unwrap() = (0..2_500).map(row).collect();
    let before = SystemClock.now();
    scene.servers.with(|state| state.tasks.push_back(task("t1", "app", &["Account", "Group"])));
    let agent = scene.agent([("app", &probe)]).await;
    let parts = upload(&scene, 0).await;
    let Part::Header(header) = &parts[0] else { panic!("{:?}", parts[0]) };
    assert_eq!((header.task_id.as_str(), header.agent_id.as_str()), ("t1", "agent-1"));
    let started_at = provost_contract::from_wire::timestamp(header.started_at.as_ref().unwrap());
    assert!(started_at >= before);
    let sizes: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Batch(batch) => Some((batch.entity_type.as_str(), batch.rows.len())),
            _ => None,
        })
        .collect();
    let expected = ["Account", "Group"].map(|name| [(name, 1000), (name, 1000), (name, 500)]).concat();
    assert_eq!(sizes, expected);
    let Some(Part::Batch(first)) = parts.get(1) else { panic!("no batch") };
    assert_eq!(first.properties, ["id", "title"]);
    assert_eq!(first.rows[0].values[0].kind, Some(Kind::StringValue("user0".into())));
    assert_eq!(first.rows[0].values[1].kind, None);
    let Some(Part::End(end)) = parts.last() else { panic!("no end") };
    assert_eq!((end.row_counts["Account"], end.row_counts["Group"]), (2_500, 2_500));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entity_type_without_rows_says_zero() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| state.tasks.push_back(task("t1", "app", &["Account"])));
    let agent = scene.agent([("app", &probe)]).await;
    let parts = upload(&scene, 0).await;
    assert!(matches!(&parts[1..], [Part::End(end)] if end.row_counts["Account"] == 0), "{parts:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_make_small_batches() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let row =
        |number: usize| vec![Some(Value::String(format!("user{number}"))), Some(Value::String("x".repeat(400_000)))];
    *probe.rows.lock().unwrap() = (0..5).map(row).collect();
    scene.servers.with(|state| state.tasks.push_back(task("t1", "app", &["Account"])));
    let agent = scene.agent([("app", &probe)]).await;
    let parts = upload(&scene, 0).await;
    let sizes: Vec<_> = parts
        .iter()
        .filter_map(|part| if let Part::Batch(batch) = part { Some(batch.rows.len()) } else { None })
        .collect();
    assert_eq!(sizes, [2, 2, 1]);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_export_says_why_and_has_no_end() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    *probe.rows.lock().unwrap() = vec![vec![Some("ada".into()), None]];
    *probe.export_failure.lock().unwrap() =
        Some(Failure::new(FailureClass::InvalidValue, "people.csv, line 7: broken"));
    scene.servers.with(|state| state.tasks.push_back(task("t1", "app", &["Account"])));
    let agent = scene.agent([("app", &probe)]).await;
    let parts = upload(&scene, 0).await;
    let Some(Part::Failure(failure)) = parts.last() else { panic!("{parts:?}") };
    assert_eq!(failure.message, "people.csv, line 7: broken");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_types_that_cannot_be_sent_fail_the_export() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    *probe.rows.lock().unwrap() = vec![vec![Some("ada".into()), Some(Value::String("x".repeat(9_000_000)))]];
    let mut odd = task("t2", "app", &["Account"]);
    odd.entity_types[0].properties[0].r#type = "colour".into();
    scene.servers.with(|state| state.tasks.extend([task("t1", "app", &["Account"]), odd]));
    let agent = scene.agent([("app", &probe)]).await;
    for (place, words) in ["the most is", "unknown type 'colour'"].into_iter().enumerate() {
        let parts = upload(&scene, place).await;
        assert!(matches!(parts.last(), Some(Part::Failure(failure)) if failure.message.contains(words)), "{parts:?}");
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_read_side_by_side() {
    let (scene, slow, fast) = (Scene::new().await, Probe::closed(), Probe::open());
    scene
        .servers
        .with(|state| state.tasks.extend([task("t1", "slow", &["Account"]), task("t2", "fast", &["Account"])]));
    let agent = scene.agent([("slow", &slow), ("fast", &fast)]).await;
    let header = |parts: &[Part]| match &parts[0] {
        Part::Header(header) => header.task_id.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(header(&upload(&scene, 0).await), "t2");
    slow.gate.add_permits(Semaphore::MAX_PERMITS);
    assert_eq!(header(&upload(&scene, 1).await), "t1");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_broken_uploads_do_not_stop_the_agent() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let agent = scene.agent([("app", &probe)]).await;
    for (place, code) in [Code::InvalidArgument, Code::DataLoss, Code::Unavailable].into_iter().enumerate() {
        scene.servers.with(|state| {
            state.upload_error = Some(code);
            state.tasks.push_back(task("t", "app", &["Account"]));
        });
        upload(&scene, place).await;
    }
    scene.servers.submit([order(1, "app", "ada")]);
    scene.reported(1).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_that_comes_first_ends_a_read_that_hangs() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    let agent = scene.agent([("app", &probe)]).await;
    for (place, code) in [Code::FailedPrecondition, Code::DataLoss].into_iter().enumerate() {
        scene.servers.with(|state| {
            (state.answers_early, state.upload_error) = (true, Some(code));
            state.tasks.push_back(task("t", "app", &["Account"]));
        });
        let parts = upload(&scene, place).await;
        assert!(matches!(parts[..], [Part::Header(_)]), "{parts:?}");
    }
    probe.gate.add_permits(Semaphore::MAX_PERMITS);
    scene.servers.with(|state| state.tasks.push_back(task("t", "app", &["Account"])));
    let parts = upload(&scene, 2).await;
    assert!(matches!(parts.last(), Some(Part::End(_))), "the agent goes on: {parts:?}");
    agent.stop().await;
}
