//! A package that counts what it is asked, and waits at a gate when told to.

use async_trait::async_trait;
use provost_agent::package::failure::Particulars;
use provost_agent::package::{Abilities, Entity, Outcome, Package, Row, RowSender};
use provost_domain::{Failure, FailureClass, Order};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

pub struct Probe {
    /// How often each key was written.
    pub written: Mutex<BTreeMap<String, usize>>,
    /// How many writes run now, and the most that ever did.
    pub running: AtomicUsize,
    pub most: AtomicUsize,
    /// Writes and reads pass only with a permit; `Semaphore::MAX_PERMITS` is an open gate.
    pub gate: Semaphore,
    /// What an export gives.
    pub rows: Mutex<Vec<Row>>,
    /// So many writes are asked to slow down.
    pub throttles: Mutex<usize>,
    /// How an export ends.
    pub export_failure: Mutex<Option<Failure>>,
}

impl Probe {
    pub fn open() -> Arc<Self> {
        Self::with_gate(Semaphore::MAX_PERMITS)
    }

    pub fn closed() -> Arc<Self> {
        Self::with_gate(0)
    }

    fn with_gate(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            written: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
            rows: Mutex::default(),
            throttles: Mutex::default(),
            export_failure: Mutex::default(),
        })
    }

    pub fn times(&self, key: &str) -> usize {
        self.written.lock().unwrap().get(key).copied().unwrap_or_default()
    }

    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Package for Probe {
    fn abilities(&self) -> Abilities {
        Abilities { export: true, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        match self.export_failure.lock().unwrap().clone() {
            None => Ok("it answers".into()),
            Some(failure) => Err(failure),
        }
    }

    async fn export(&self, _entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
        self.gate.acquire().await.unwrap().forget();
        let content = self.rows.lock().unwrap().clone();
        for row in content {
            rows.send(row).await?;
        }
        self.export_failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        *self.written.lock().unwrap().entry(order.target_key.clone()).or_default() += 1;
        let is_throttled = {
            let mut left = self.throttles.lock().unwrap();
            let is_throttled = *left > 0;
            *left = left.saturating_sub(1);
            is_throttled
        };
        if is_throttled {
            let busy = Failure::new(FailureClass::Throttled, "429 too many requests");
            return Outcome::Failed(busy.with_code("429").with_retry_after(std::time::Duration::from_secs(7)));
        }
        match order.target_key.as_str() {
            "secret" => Outcome::Failed(Failure {
                code: "E-hunter2".into(),
                ..Failure::new(FailureClass::Refused, "'hunter2' is too short")
            }),
            "panic" => panic!("a mistake in the package"),
            "refused" => Outcome::Failed(Failure::new(FailureClass::Refused, "will not")),
            "person" => Outcome::HandedOver { ticket: "T-1".into() },
            _ => Outcome::Executed { note: "created".into() },
        }
    }
}
