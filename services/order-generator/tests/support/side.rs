//! One order generator, and what it reads and writes: for tests that let several live through the same and compare
//! them.

use super::ledger::Held;
use super::random::Dice;
use super::{Suite, World};
use provost_contract::generator::v1::upload_export_request::Part;
use provost_contract::generator::v1::*;
use provost_domain::{OrderId, ProvisioningState};
use provost_service_kit::{Clock, Database};
use provost_testkit::Engine;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::time::Duration;

pub struct Side {
    pub suite: Suite,
    pub world: World,
    pub database: Database,
}

impl Side {
    pub async fn start(engine: &Engine, world: World) -> Self {
        let suite = Suite::start(&engine.url).await;
        let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
        Self { suite, world, database }
    }

    /// Has these connectors read, as a job would, and computes nothing. With dice, rows come in another order.
    pub async fn read(&self, connectors: &[&str], mut shuffled: Option<&mut Dice>) {
        for connector in connectors {
            let (id, now) = (provost_service_kit::new_id().to_string(), self.suite.clock.now().millis());
            let connection = format!("{connector}-{}", if *connector == "hr" { "csv" } else { "sql" });
            let task = format!(
                "INSERT INTO synchronizations (id, connector, connection, state, agent_id, created_at, rows_read, breaks, \
                 was_read, counts, message) VALUES ('{id}', '{connector}', '{connection}', 'waiting', '', {now}, 0, 0, \
                 FALSE, '[]', '')"
            );
            self.database.write().execute_unprepared(&task).await.unwrap();
            let tasks = self.suite.poll("agent-1", &[&connection], Duration::from_secs(20)).await;
            let [task] = tasks.as_slice() else { panic!("one task of {connection} was to come: {tasks:?}") };
            let mut parts = self.world.upload(task, "agent-1", self.suite.clock.now());
            if let Some(dice) = shuffled.as_deref_mut() {
                shuffle(&mut parts, dice);
            }
            let read = self.suite.upload(parts).await.unwrap();
            assert_eq!(read.state(), SynchronizationState::Completed, "{}", read.message);
        }
    }

    async fn rows(&self, sql: &str, columns: usize) -> Vec<Vec<String>> {
        let connection = self.database.read();
        let statement = Statement::from_string(ConnectionTrait::get_database_backend(connection), sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        let row = |row: &sea_orm::QueryResult| {
            (0..columns).map(|column| row.try_get_by_index::<String>(column).unwrap()).collect()
        };
        rows.iter().map(row).collect()
    }

    /// The ids of all decisions, oldest first: nobody else has the same.
    pub async fn decision_ids(&self) -> Vec<String> {
        let bodies = self.rows("SELECT body FROM decisions ORDER BY sequence", 1).await;
        let id = |row: &Vec<String>| {
            let body: serde_json::Value = serde_json::from_str(&row[0]).unwrap();
            body["id"].as_str().unwrap().to_owned()
        };
        bodies.iter().map(id).collect()
    }

    /// Whatever is kept of owners, as it is kept: owner type, owner, resource type, content. Decisions have their
    /// numbers in place of their ids.
    pub async fn kept(&self) -> Vec<Vec<String>> {
        let assignments = match ConnectionTrait::get_database_backend(self.database.read()) {
            DbBackend::Postgres => {
                "SELECT owner_type, owner_key, resource_type, encode(content, 'hex') FROM assignments"
            }
            _ => "SELECT owner_type, owner_key, resource_type, lower(hex(content)) FROM assignments",
        };
        let mut kept = self.rows(assignments, 4).await;
        kept.extend(self.rows("SELECT entity_type, key, '', body FROM owners", 4).await);
        for (number, id) in self.decision_ids().await.iter().enumerate() {
            let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
            for row in &mut kept {
                row[3] = row[3].replace(&hex, &format!("<decision {number}>"));
            }
        }
        // Each ledger has ids of its own, which assignments name as bytes and as texts.
        for id in self.order_ids() {
            let text: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
            for row in kept.iter_mut().filter(|row| !row[2].is_empty()) {
                row[3] = row[3].replace(&text, "<order>").replace(&id.replace('-', ""), "<order>");
            }
        }
        kept.sort();
        kept
    }

    /// Every order: what it is of, and where it stands.
    pub async fn orders(&self) -> Vec<String> {
        let ids = self.decision_ids().await;
        let mut orders = self.suite.ledger.read(|orders| {
            let one = |held: &Held| {
                let order = &held.order;
                let changes: Vec<_> = order
                    .changes
                    .iter()
                    .map(|change| (change.property.clone(), change.operation, change.proposed.clone()))
                    .collect();
                let (owner, key, state) = (&order.owner.key, &order.target_key, held.state.number());
                format!(
                    "{} {owner} {key:?} {} {changes:?} {state} {:?} {:?}",
                    order.resource_type, order.kind, order.block_causes, order.arguments
                )
            };
            orders.iter().map(one).collect::<Vec<_>>()
        });
        for id in self.order_ids() {
            orders.iter_mut().for_each(|order| *order = order.replace(&id, "<order>"));
        }
        for (number, id) in ids.iter().enumerate() {
            orders.iter_mut().for_each(|order| *order = order.replace(id, &format!("<decision {number}>")));
        }
        orders.sort();
        orders
    }

    fn order_ids(&self) -> Vec<String> {
        self.suite.ledger.read(|orders| orders.iter().map(|held| held.order.id.to_string()).collect())
    }

    /// The orders that an agent may take, in an order that does not depend on when they came.
    pub fn pending(&self) -> Vec<OrderId> {
        self.in_state(ProvisioningState::Pending)
    }

    /// The orders that wait for a review, in an order that does not depend on when they came.
    pub fn reviewed(&self) -> Vec<OrderId> {
        self.in_state(ProvisioningState::AwaitingApproval)
    }

    pub fn in_state(&self, state: ProvisioningState) -> Vec<OrderId> {
        self.suite.ledger.read(|orders| {
            let mut found: Vec<_> = orders
                .iter()
                .filter(|held| held.state.number() == state)
                .map(|held| {
                    let order = &held.order;
                    let whose = (order.resource_type.clone(), order.target_key.clone(), order.owner.key.clone());
                    (whose, held.sequence, order.id)
                })
                .collect();
            found.sort();
            found.into_iter().map(|(_, _, id)| id).collect()
        })
    }

    pub fn execute(&self, id: OrderId) {
        self.suite.ledger.execute(id);
        let order = self
            .suite
            .ledger
            .read(|orders| orders.iter().find(|held| held.order.id == id).map(|held| held.order.clone()).unwrap());
        self.world.write(&order);
    }

    pub async fn compute(&self, incremental: bool) -> ComputeRoleModelResponse {
        let request = ComputeRoleModelRequest { incremental, ..Default::default() };
        self.suite.generator().compute_role_model(request).await.unwrap().into_inner()
    }

    pub async fn generate(&self, request: GenerateOrdersRequest) -> GenerateOrdersResponse {
        self.suite.generator().generate_orders(request).await.unwrap().into_inner()
    }
}

/// The same rows in another order, and the values of each list.
fn shuffle(parts: &mut [UploadExportRequest], dice: &mut Dice) {
    // The first part is the header, and the last one the end.
    let last = parts.len().saturating_sub(1);
    if let Some(batches) = parts.get_mut(1..last) {
        dice.shuffle(batches);
    }
    for part in parts {
        if let Some(Part::Batch(batch)) = &mut part.part {
            dice.shuffle(&mut batch.rows);
        }
    }
}
