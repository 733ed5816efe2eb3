//! A suite in which everything that the cookbook speaks of has happened: orders of every kind of
//! end, open reviews, lines on the manual list, runs that are over, under way and blocked.

use crate::server::Server;
use crate::suite::{Suite, suite};
use provost_sample::workplace;
use provost_testkit::eventually;
use serde_json::{Value, json};
use std::time::Duration;

/// Long: it is over as soon as what is waited for is there, and a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Live {
    pub(crate) suite: Suite,
    pub(crate) server: Server,
}

impl Live {
    /// A suite after its first complete job.
    pub(crate) async fn start() -> Self {
        let suite = suite().await;
        let server = suite.server().await;
        let live = Self { suite, server };
        let files: Vec<_> =
            workplace::CATALOG.iter().map(|(name, text)| json!({ "name": name, "content": text })).collect();
        let applied = live.ask("provost.generator.v1.CatalogService/ApplyCatalog", json!({ "files": files })).await;
        assert_eq!(applied["applied"], true, "{applied}");
        live.run().await;
        let run = live.idle().await;
        assert!(
            ["JOB_RUN_STATE_COMPLETED", "JOB_RUN_STATE_WARNING"].iter().any(|state| run["state"] == *state),
            "{run}"
        );
        live
    }

    async fn ask(&self, method: &str, request: Value) -> Value {
        self.server.ask(method, request).await.unwrap_or_else(|status| panic!("{method}: {status}"))
    }

    /// Starts the complete job.
    async fn run(&self) -> String {
        let run = self.ask("provost.generator.v1.JobService/RunJob", json!({ "job": "complete" })).await;
        text(&run["run_id"])
    }

    /// The latest run, once no run is under way.
    async fn idle(&self) -> Value {
        eventually("the end of the run", PATIENCE, async || {
            let runs = self.ask("provost.generator.v1.JobService/ListJobRuns", json!({ "page_size": 1 })).await;
            let run = runs["runs"][0].clone();
            match run["state"].as_str() {
                Some("JOB_RUN_STATE_WAITING" | "JOB_RUN_STATE_RUNNING") => Err(run.to_string()),
                _ => Ok(run),
            }
        })
        .await
    }

    /// What a placeholder stands for in a call of a method.
    pub(crate) async fn fill(&self, method: &str, placeholder: &str) -> String {
        let (_, name) = method.rsplit_once('/').unwrap();
        match (placeholder, name) {
            ("RUN", "CancelJobRun") => {
                self.idle().await;
                self.run().await
            }
            ("RUN", "ResumeJobRun") => self.blocked_run().await,
            ("RUN", _) => text(&self.idle().await["run_id"]),
            ("HELD", _) => self.blocked_run().await,
            ("PLAN", _) => {
                self.idle().await;
                let scope = json!({ "scope": { "owner_key": "E000008" } });
                let head = self.ask("provost.generator.v1.OrderGeneratorService/PlanOrders", scope).await;
                text(&head["head"]["plan_id"])
            }
            ("REVIEW", _) => {
                let list = "provost.review.v1.ReviewService/ListReviews";
                self.first(list, json!({}), "/reviews/0/review_id").await
            }
            ("REQUEST", _) => {
                let list = "provost.generator.v1.AssignmentService/ListRequests";
                self.first(list, json!({ "requested_by": "eve" }), "/requests/0/request/request_id").await
            }
            ("ORDER", _) if method.contains("ManualProvisioningService") => {
                let list = "provost.fulfillment.v1.ManualProvisioningService/ListManualOrders";
                self.first(list, json!({}), "/orders/0/record/order/order_id").await
            }
            ("ITEM", _) => {
                let list = "provost.generator.v1.ReconciliationService/ListReconciliationItems";
                self.first(list, json!({}), "/items/0/item_id").await
            }
            ("CAUSE", _) => {
                let list = "provost.fulfillment.v1.OrderService/ListErrorCauses";
                self.first(list, json!({}), "/causes/0/error_cause").await
            }
            ("BRAKED", _) => self.braked().await,
            ("BROKEN", _) => self.broken().await,
            ("ORDER", "UnblockOrders") => self.order("PROVISIONING_STATE_ERRORED").await,
            // The last one: its review is withdrawn some time later, and reviewers begin with the first.
            ("ORDER", "CancelOrders") => self.last_order("PROVISIONING_STATE_AWAITING_APPROVAL").await,
            ("ORDER", _) => self.order("PROVISIONING_STATE_VERIFIED").await,
            _ => panic!("${placeholder} stands for nothing that is known in {method}"),
        }
    }

    async fn order(&self, state: &str) -> String {
        let filter = json!({ "filter": { "states": [state] } });
        self.first("provost.fulfillment.v1.OrderService/ListOrders", filter, "/orders/0/order/order_id").await
    }

    async fn last_order(&self, state: &str) -> String {
        let filter = json!({ "filter": { "states": [state] } });
        let list = "provost.fulfillment.v1.OrderService/ListOrders";
        eventually(&format!("two orders in {state}"), PATIENCE, async || {
            let answer = self.ask(list, filter.clone()).await;
            match answer["orders"].as_array().map(Vec::as_slice) {
                Some([_, .., last]) => Ok(text(&last["order"]["order_id"])),
                _ => Err(answer.to_string()),
            }
        })
        .await
    }

    /// The first id that a list shows, once it shows one.
    async fn first(&self, list: &str, request: Value, pointer: &str) -> String {
        eventually(&format!("a line of {list} {request}"), PATIENCE, async || {
            let answer = self.ask(list, request.clone()).await;
            answer.pointer(pointer).map(text).ok_or_else(|| answer.to_string())
        })
        .await
    }

    /// A connection whose brake has tripped: one order too many was asked for.
    async fn braked(&self) -> String {
        let orders = [self.on_its_own("braked", 1).await, self.on_its_own("braked", 2).await];
        let limits = json!({ "connection": "braked", "orders": { "count_max": 1 } });
        self.ask("provost.fulfillment.v1.ConnectionService/SetConnectionLimits", limits).await;
        let taken = self.take("braked").await;
        self.tell(&taken, json!({ "executed": {} })).await;
        let cancel = json!({ "order_ids": orders, "reason": "it was for the brake" });
        self.ask("provost.fulfillment.v1.OrderService/CancelOrders", cancel).await;
        "braked".to_owned()
    }

    /// A connection whose breaker is open: nobody answers.
    async fn broken(&self) -> String {
        let order = self.on_its_own("broken", 1).await;
        let limits = json!({ "connection": "broken", "breaker_failures": 1 });
        self.ask("provost.fulfillment.v1.ConnectionService/SetConnectionLimits", limits).await;
        let taken = self.take("broken").await;
        let failure = json!({ "failure_class": "FAILURE_CLASS_TRANSPORT", "message": "no route" });
        self.tell(&taken, json!({ "failed": failure })).await;
        let cancel = json!({ "order_ids": [order], "reason": "it was for the breaker" });
        self.ask("provost.fulfillment.v1.OrderService/CancelOrders", cancel).await;
        "broken".to_owned()
    }

    /// An order on a connection that no agent of the suite serves.
    async fn on_its_own(&self, connection: &str, number: u32) -> String {
        let order_id = provost_service_kit::new_id().to_string();
        let order = json!({
            "order_id": order_id,
            "kind": "ORDER_KIND_DELETION",
            "resource_type": "Cookbook",
            "connector": connection,
            "connection": connection,
            "entity_type": "Recipe",
            "owner": { "entity_type": "Person", "key": "cook" },
            "target_key": number.to_string(),
            "generated_at": "2026-01-01T00:00:00Z",
        });
        let answer = self.ask("provost.fulfillment.v1.OrderService/SubmitOrders", json!({ "orders": [order] })).await;
        assert_eq!(answer["accepted"], 1, "{answer}");
        order_id
    }

    /// Takes an order as its agent would.
    async fn take(&self, connection: &str) -> Value {
        let pull = json!({ "agent_id": "cook", "connections": [connection], "max_orders": 10 });
        let answer = self.ask("provost.fulfillment.v1.DispatchService/PullOrders", pull).await;
        answer["orders"][0].clone()
    }

    /// Says what became of it.
    async fn tell(&self, taken: &Value, outcome: Value) {
        let mut feedback = json!({ "order_id": taken["order"]["order_id"], "attempt": taken["attempt"] });
        feedback.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        let report = json!({ "agent_id": "cook", "feedback": [feedback] });
        self.ask("provost.fulfillment.v1.DispatchService/ReportFeedback", report).await;
    }

    /// A run that a threshold stopped: everybody outside the depot has moved.
    async fn blocked_run(&self) -> String {
        self.idle().await;
        let mut feed = csv::Reader::from_path(self.suite.feed()).unwrap();
        let headers = feed.headers().unwrap().clone();
        let location = headers.iter().position(|name| name == "location").unwrap();
        let people: Vec<csv::StringRecord> = feed.records().collect::<Result<_, _>>().unwrap();
        let mut moved = csv::Writer::from_path(self.suite.feed()).unwrap();
        moved.write_record(&headers).unwrap();
        for person in people {
            let fields = person.iter().enumerate().map(|(index, text)| match text {
                "Rotterdam Depot" => text.to_owned(),
                _ if index == location => format!("{text}, new building"),
                _ => text.to_owned(),
            });
            moved.write_record(fields).unwrap();
        }
        drop(moved);
        self.run().await;
        let run = self.idle().await;
        assert_eq!(run["state"], "JOB_RUN_STATE_BLOCKED", "{run}");
        text(&run["run_id"])
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("an id is missing, there is {value}")).to_owned()
}
