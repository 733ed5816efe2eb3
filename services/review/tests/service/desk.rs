//! A running review service, and what the tests say to it.

use provost_contract::review::v1 as wire;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::types::v1::{
    AssignmentRequest, Change, EntitlementKind, Order, Owner, Period, Reason, RequestAction, Value, value::Kind,
};
use provost_domain::Timestamp;
use provost_review::{Config, assemble};
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{ManualClock, Runtime, Server, caller, channel, new_id};
use provost_testkit::{Engine, engines};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Response, Status};

pub(crate) type Client = ReviewServiceClient<Channel>;

/// One service on one database. It stops with the test, or by [`Desk::stop`].
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

/// A service on each engine.
pub(crate) async fn desks() -> Vec<Desk> {
    let mut desks = Vec::new();
    for engine in engines().await {
        desks.push(Desk::start(engine).await);
    }
    desks
}

impl Desk {
    pub(crate) async fn start(engine: Engine) -> Self {
        let clock = ManualClock::at(Timestamp::parse("2026-03-01T08:00:00Z").unwrap());
        let (client, stop, served) = replica(&engine, &clock).await;
        Self { engine, client, clock, stop, served }
    }

    /// A second service on the same database.
    pub(crate) async fn replica(&self) -> Client {
        replica(&self.engine, &self.clock).await.0
    }

    /// Ends the service in order; the database stays.
    pub(crate) async fn stop(self) -> Engine {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(8), self.served).await.expect("it ends in time").unwrap().unwrap();
        self.engine
    }

    pub(crate) async fn request(&self, id: &str, order: Order) -> Result<wire::Review, Status> {
        let (review_id, order) = (id.to_owned(), Some(order));
        self.send(wire::RequestReviewRequest { review_id, order, ..Default::default() }).await
    }

    /// Asks for a review of an assignment request that takes so many approvals.
    pub(crate) async fn request_assignment(
        &self,
        request: AssignmentRequest,
        approvals_required: i32,
    ) -> Result<wire::Review, Status> {
        let (review_id, assignment_request) = (request.request_id.clone(), Some(request));
        self.send(wire::RequestReviewRequest {
            review_id,
            assignment_request,
            approvals_required,
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn send(&self, request: wire::RequestReviewRequest) -> Result<wire::Review, Status> {
        let request = caller::request_as("fulfillment", request);
        self.client.clone().request_review(request).await.map(Response::into_inner)
    }

    /// Opens a review of [`assignment`] that takes so many approvals, and answers with its id.
    pub(crate) async fn asked(&self, approvals_required: i32) -> String {
        let id = new_id().to_string();
        self.request_assignment(assignment(&id), approvals_required).await.unwrap();
        id
    }

    pub(crate) async fn say_as(&self, actor: &str, verdict: wire::Verdict, id: &str) -> Result<wire::Review, Status> {
        say_as(actor, &mut self.client.clone(), verdict, id, "because", 0).await
    }

    /// Opens a review of [`order`] and answers with its id.
    pub(crate) async fn opened(&self) -> String {
        let id = new_id().to_string();
        self.request(&id, order(&id)).await.unwrap();
        id
    }

    pub(crate) async fn get(&self, id: &str) -> Result<wire::Review, Status> {
        let request = wire::GetReviewRequest { review_id: id.to_owned() };
        self.client.clone().get_review(request).await.map(Response::into_inner)
    }

    pub(crate) async fn withdraw(&self, id: &str) -> Result<wire::Review, Status> {
        self.withdraw_as("fulfillment", id).await
    }

    pub(crate) async fn withdraw_as(&self, actor: &str, id: &str) -> Result<wire::Review, Status> {
        let request = wire::WithdrawReviewRequest { review_id: id.to_owned(), reason: "superseded".into() };
        let request = caller::request_as(actor, request);
        self.client.clone().withdraw_review(request).await.map(Response::into_inner)
    }

    pub(crate) async fn say(&self, verdict: wire::Verdict, id: &str) -> Result<wire::Review, Status> {
        say(&mut self.client.clone(), verdict, id, "because", 0).await
    }

    pub(crate) async fn list(&self, request: wire::ListReviewsRequest) -> Result<wire::ListReviewsResponse, Status> {
        self.client.clone().list_reviews(request).await.map(Response::into_inner)
    }

    /// The feed after a cursor.
    pub(crate) async fn watch(&self, after_cursor: i64) -> tonic::Streaming<wire::Decision> {
        let request = wire::WatchDecisionsRequest { after_cursor, ..Default::default() };
        self.client.clone().watch_decisions(request).await.unwrap().into_inner()
    }
}

async fn replica(engine: &Engine, clock: &ManualClock) -> (Client, CancellationToken, JoinHandle<anyhow::Result<()>>) {
    let config = Config { database_url: engine.url.clone().into(), ..Config::default() };
    let stop = CancellationToken::new();
    let runtime = Runtime { clock: Arc::new(clock.clone()), stop: stop.clone(), ..Runtime::default() };
    let server = assemble(config, runtime, Server::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(server.run(listener, stop.clone()));
    let client = Client::new(channel::to(&address).unwrap()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    (client, stop, served)
}

/// Says something as ada.
pub(crate) async fn say(
    client: &mut Client,
    verdict: wire::Verdict,
    id: &str,
    comment: &str,
    version: i64,
) -> Result<wire::Review, Status> {
    say_as("ada", client, verdict, id, comment, version).await
}

pub(crate) async fn say_as(
    actor: &str,
    client: &mut Client,
    verdict: wire::Verdict,
    id: &str,
    comment: &str,
    version: i64,
) -> Result<wire::Review, Status> {
    let (review_id, comment) = (id.to_owned(), comment.to_owned());
    let said = match verdict {
        wire::Verdict::Approve => {
            client.approve(caller::request_as(actor, wire::ApproveRequest { review_id, comment, version })).await
        }
        wire::Verdict::Decline => {
            client.decline(caller::request_as(actor, wire::DeclineRequest { review_id, comment, version })).await
        }
        wire::Verdict::Postpone => {
            client.postpone(caller::request_as(actor, wire::PostponeRequest { review_id, comment, version })).await
        }
        wire::Verdict::Unspecified => panic!("nobody says that"),
    };
    said.map(Response::into_inner)
}

pub(crate) fn text(text: &str) -> Option<Value> {
    Some(Value { kind: Some(Kind::StringValue(text.to_owned())) })
}

/// An update of Ada's account: a title, and a password that is confidential.
pub(crate) fn order(id: &str) -> Order {
    let why = |rule: &str| vec![Reason { rule: rule.to_owned(), detail: "department = 'Finance'".into() }];
    let change = |property: &str, current: &str, proposed: &str, sensitive| Change {
        property: property.to_owned(),
        operation: 1,
        proposed: text(proposed),
        current: text(current),
        sensitive,
        write_only: false,
        why: why(&format!("resource type VaultAccount / scalar {property}")),
    };
    Order {
        order_id: id.to_owned(),
        kind: 3,
        resource_type: "VaultAccount".into(),
        connector: "vault".into(),
        connection: "vault-sql".into(),
        entity_type: "Vault".into(),
        owner: Some(Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada Byron".into() }),
        target_key: "ada".into(),
        changes: vec![
            change("title", "Clerk", "Accountant", false),
            change("password", "old-secret", "new-secret", true),
        ],
        why: why("resource type VaultAccount"),
        block_causes: vec![1],
        generated_at: Some(prost_types::Timestamp { seconds: 1_772_000_000, nanos: 0 }),
        ..Order::default()
    }
}

/// Eve's wish that Ada has the role auditor.
pub(crate) fn assignment(id: &str) -> AssignmentRequest {
    AssignmentRequest {
        request_id: id.to_owned(),
        owner: Some(Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada Byron".into() }),
        kind: EntitlementKind::Role.into(),
        name: "auditor".into(),
        display_name: "Auditor".into(),
        action: RequestAction::Give.into(),
        period: Some(Period { valid_from: Some(at(1_772_352_000)), valid_until: Some(at(1_780_000_000)) }),
        comment: "for the audit of 2026".into(),
        requested_by: "eve".into(),
        why: vec![],
    }
}

pub(crate) const fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}
