//! An agent in this process, with servers and probes.

use crate::probe::Probe;
use crate::servers::Servers;
use provost_agent::{Config, Connection, Connections, assemble_with};
use provost_domain::{Change, ChangeOperation, Order, OrderId, OrderKind, Owner, Period, Timestamp, Value};
use provost_service_kit::{Runtime, Server};
use provost_testkit::{eventually, free_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const SOON: Duration = Duration::from_secs(20);

pub struct Scene {
    pub servers: Servers,
    pub servers_at: SocketAddr,
    pub serving: Option<JoinHandle<()>>,
    pub folder: TempDir,
}

/// A running agent.
pub struct Running {
    pub at: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Stops it in order.
    pub async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

impl Scene {
    /// Servers that serve.
    pub async fn new() -> Self {
        let mut scene = Self::unreachable();
        scene.serve().await;
        scene
    }

    /// Servers that do not serve yet.
    pub fn unreachable() -> Self {
        Self {
            servers: Servers::new(),
            servers_at: free_address(),
            serving: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub async fn serve(&mut self) {
        self.serving = Some(self.servers.serve(self.servers_at).await);
    }

    /// An agent with one probe for each connection name, two writes side by side and a third for an urgent order.
    pub async fn agent<const N: usize>(&self, probes: [(&str, &Arc<Probe>); N]) -> Running {
        let mut connections = Connections::default();
        for (name, probe) in probes {
            let package = Arc::clone(probe) as Arc<dyn provost_agent::package::Package>;
            connections.add(Connection { name: Arc::from(name), package_name: "probe", concurrency: 3, package });
        }
        let config = Config {
            fulfillment: format!("http://{}", self.servers_at).into(),
            order_generator: format!("http://{}", self.servers_at).into(),
            folder: self.folder.path().to_owned(),
            ..Config::default()
        };
        let runtime = Runtime::default();
        let server = assemble_with(config, connections, runtime.clone(), Server::default()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let ended = tokio::spawn(server.run(listener, runtime.stop.clone()));
        Running { at, stop: runtime.stop, ended }
    }

    /// Waits until the kept feedback is as expected.
    pub async fn reported(&self, count: usize) {
        self.until("reports", || self.servers.with(|state| state.feedback.len()) >= count).await;
    }

    pub async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        eventually(what, SOON, async || if is_so() { Ok(()) } else { Err("not yet") }).await;
    }
}

pub fn order(number: u128, connection: &str, key: &str) -> Order {
    Order {
        id: OrderId::new(uuid::Uuid::from_u128(number)),
        kind: OrderKind::Addition,
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: connection.into(),
        entity_type: "Account".into(),
        owner: Owner { entity_type: "Person".into(), key: "1001".into(), display_name: "Ada Byron".into() },
        target_key: key.into(),
        changes: vec![set("title", Value::from("Analyst"))],
        arguments: BTreeMap::new(),
        why: vec![],
        priority: 0,
        not_before: None,
        period: Period::default(),
        generation_run: "run-1".into(),
        depends_on: vec![],
        block_causes: vec![],
        transmitted_validity_minutes: 0,
        rule_failure: None,
        expired: false,
        generated_at: Timestamp::from_millis(0),
    }
}

pub fn set(property: &str, value: Value) -> Change {
    Change {
        property: property.into(),
        operation: ChangeOperation::Set,
        proposed: Some(value),
        current: None,
        sensitive: false,
        write_only: false,
        why: vec![],
    }
}
