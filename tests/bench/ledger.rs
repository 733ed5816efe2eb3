//! Orders per second through submit → pull → feedback over real gRPC, with a package that does
//! nothing.

use anyhow::{Context, Result, ensure};
use prost_types::{Duration as ProtoDuration, Timestamp};
use provost_contract::fulfillment::v1 as pb;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::types::v1 as types;
use provost_fulfillment::Config;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Runtime, Server};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use uuid::Uuid;

/// Orders in one message, in one pull, in one report.
pub(crate) const BATCH: usize = 500;
const CONNECTION: &str = "nothing";

/// How long each half took for `orders` orders.
pub(crate) struct Measured {
    pub(crate) submit: Duration,
    pub(crate) dispatch: Duration,
}

/// Runs a ledger on `url` in this process, and drives it through its socket.
pub(crate) async fn run(url: &str, orders: usize, agents: usize) -> Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let config = Config { database_url: url.to_owned().into(), ..Config::default() };
    let runtime = Runtime::default();
    let server = provost_fulfillment::assemble(config, runtime.clone(), Server::default()).await?;
    let stop = runtime.stop.clone();
    let serving = tokio::spawn(async move { server.run(listener, runtime.stop).await });
    let measured = drive(&address, orders, agents).await;
    stop.cancel();
    serving.await??;
    measured
}

async fn drive(address: &str, orders: usize, agents: usize) -> Result<Measured> {
    let channel = provost_service_kit::channel::to(address)?;
    let mut client = OrderServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let messages: Vec<_> = (0..orders)
        .step_by(BATCH)
        .map(|from| pb::SubmitOrdersRequest { orders: (from..(from + BATCH).min(orders)).map(order).collect() })
        .collect();
    let started = Instant::now();
    let answer = client.submit_orders(tokio_stream::iter(messages)).await?.into_inner();
    let submit = started.elapsed();
    ensure!(answer.accepted == orders as i64, "only {} of {orders} orders were accepted", answer.accepted);
    let started = Instant::now();
    let mut working = tokio::task::JoinSet::new();
    for agent in 0..agents {
        working.spawn(work(format!("agent-{agent}"), channel.clone()));
    }
    let mut done = 0;
    while let Some(worked) = working.join_next().await {
        done += worked??;
    }
    ensure!(done == orders, "{done} of {orders} orders were executed");
    Ok(Measured { submit, dispatch: started.elapsed() })
}

/// One agent: pulls and reports until there is nothing left. Returns how many orders it did.
async fn work(agent_id: String, channel: Channel) -> Result<usize> {
    let mut client = DispatchServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut done = 0;
    loop {
        let pull = pb::PullOrdersRequest {
            agent_id: agent_id.clone(),
            connections: vec![CONNECTION.into()],
            max_orders: BATCH as i32,
            wait: Some(ProtoDuration { seconds: 0, nanos: 0 }),
            agent_version: String::new(),
        };
        let leased = client.pull_orders(pull).await?.into_inner().orders;
        if leased.is_empty() {
            return Ok(done);
        }
        done += leased.len();
        let executed = |leased: pb::LeasedOrder| {
            Ok(pb::Feedback {
                order_id: leased.order.context("a leased order without an order")?.order_id,
                attempt: leased.attempt,
                outcome: Some(pb::feedback::Outcome::Executed(pb::Executed { note: String::new() })),
                at: Some(Timestamp { seconds: 1_800_000_000, nanos: 0 }),
            })
        };
        let feedback = leased.into_iter().map(executed).collect::<Result<Vec<_>>>()?;
        let report = pb::ReportFeedbackRequest { agent_id: agent_id.clone(), feedback };
        let results = client.report_feedback(report).await?.into_inner().results;
        if let Some(refused) = results.iter().find_map(|result| result.error.as_ref()) {
            anyhow::bail!("feedback was refused: {}", refused.message);
        }
    }
}

/// An addition with eight changes, as an account has.
fn order(index: usize) -> types::Order {
    let text = |text: String| Some(types::Value { kind: Some(types::value::Kind::StringValue(text)) });
    types::Order {
        order_id: Uuid::from_u128(index as u128 + 1).to_string(),
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner {
            entity_type: "Person".into(),
            key: format!("{index:06}"),
            display_name: format!("Person {index}"),
        }),
        target_key: format!("login{index:06}"),
        changes: (0..8)
            .map(|property| types::Change {
                property: format!("property{property}"),
                operation: types::ChangeOperation::Set.into(),
                proposed: text(format!("value {property} of {index}")),
                ..Default::default()
            })
            .collect(),
        generation_run: "bench".into(),
        generated_at: Some(Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..Default::default()
    }
}

/// The bytes that the ledger keeps of one order, so that bare SQL writes rows of the same width.
pub(crate) fn payload(index: usize) -> Vec<u8> {
    prost::Message::encode_to_vec(&order(index))
}
