//! What the operator of the agent is told.

use crate::probe::Probe;
use crate::scene::{Scene, order};
use crate::servers::Reports;
use provost_contract::agent::v1::agent_service_client::AgentServiceClient;
use provost_contract::agent::v1::*;
use provost_domain::{Failure, FailureClass};
use provost_service_kit::channel;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn operator_sees_work_connections_and_their_health() {
    let (scene, busy, broken) = (Scene::new().await, Probe::closed(), Probe::open());
    *broken.export_failure.lock().unwrap() =
        Some(Failure { hint: "check the cable".into(), ..Failure::new(FailureClass::Transport, "no answer") });
    let agent = scene.agent([("busy", &busy), ("broken", &broken)]).await;
    let mut client = AgentServiceClient::new(channel::to(&format!("http://{}", agent.at)).unwrap());
    scene.servers.with(|state| state.reports = Reports::Refused);
    scene.servers.submit([order(1, "busy", "ada"), order(2, "broken", "bob")]);
    scene.until("a write and a result", || busy.running() == 1 && scene.servers.with(|s| s.report_calls) > 0).await;
    let status = client.get_status(GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.agent_id.as_str(), status.in_flight, status.unreported), ("agent-1", 1, 1));
    let busy_ones: Vec<_> = status.connections.iter().map(|one| (one.name.as_str(), one.in_flight)).collect();
    assert_eq!(busy_ones, [("broken", 0), ("busy", 1)]);
    assert!(status.connections.iter().all(|one| (one.slots, one.urgent_slots, one.limit) == (2, 1, 2)));
    assert!(status.started_at.is_some() && status.fulfillment_seen_at.is_some() && !status.version.is_empty());

    let listed = client.list_connections(ListConnectionsRequest {}).await.unwrap().into_inner().connections;
    let names: Vec<_> = listed.iter().map(|connection| (connection.name.as_str(), connection.concurrency)).collect();
    assert_eq!(names, [("broken", 3), ("busy", 3)]);
    assert!(listed.iter().all(|connection| connection.can_export && connection.can_fulfill));

    let mut check = async |name: &str| {
        let request = CheckConnectionRequest { connection: name.into() };
        client.check_connection(request).await.map(tonic::Response::into_inner)
    };
    let good = check("busy").await.unwrap();
    assert!(good.reachable && good.message == "it answers" && good.elapsed_ms >= 0);
    let bad = check("broken").await.unwrap();
    assert!(!bad.reachable);
    assert_eq!(bad.message, "no answer; check the cable");
    assert_eq!(check("nobody").await.unwrap_err().code(), Code::NotFound);
    busy.gate.add_permits(1);
    agent.stop().await;
}
