//! The role model at scale: an order generator and a ledger, each a process of its own, that compute and generate
//! for a generated organisation over real gRPC.

use crate::organisation::{Organisation, catalog, key};
use anyhow::{Context as _, Result, anyhow, ensure};
use provost_contract::generator::v1 as pb;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::order_generator_service_client::OrderGeneratorServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_contract::generator::v1::upload_export_request::Part;
use provost_contract::to_wire;
use provost_service_kit::{Clock, Runtime, Server, SystemClock, channel};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

const CONNECTORS: [&str; 5] = ["hr", "directory", "mail", "erp", "doors"];
const CONNECTIONS: [&str; 5] = ["hr-c", "directory-c", "mail-c", "erp-c", "doors-c"];
/// Of so many people, one changes.
const ONE_IN: usize = 100;
/// How often one person is computed, and generated for.
const TIMES: usize = 20;
/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = provost_service_kit::server::MESSAGE_BYTES_MAX;

/// A part of the suite in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    Generator,
    Ledger,
}

/// Serves a part of the suite until standard input ends.
pub(crate) async fn serve(role: Role, database: String, ledger: String) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let runtime = Runtime::default();
    let server = match role {
        Role::Generator => {
            let config = provost_order_generator::Config {
                database_url: database.into(),
                fulfillment: ledger.into(),
                due_seconds: 0,
                ..Default::default()
            };
            provost_order_generator::assemble(config, runtime.clone(), Server::default()).await?
        }
        Role::Ledger => {
            let config = provost_fulfillment::Config { database_url: database.into(), ..Default::default() };
            provost_fulfillment::assemble(config, runtime.clone(), Server::default()).await?
        }
    };
    println!("http://{address}");
    let stop = runtime.stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.cancel();
    });
    server.run(listener, runtime.stop).await
}

/// A child process that serves.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    pub(crate) async fn start(role: &str, database: &str, ledger: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", role, "--database", database, "--ledger", ledger])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let address = lines.next_line().await?.with_context(|| format!("the {role} did not start"))?;
        Ok(Self { child, address })
    }

    fn file(&self, name: &str) -> Result<String> {
        let id = self.child.id().context("the process is over")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{name}"))?)
    }

    /// Processor time so far.
    fn processor(&self) -> Result<Duration> {
        let stat = self.file("stat")?;
        // After the name, which may hold anything, in parentheses.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
    }

    /// The most memory that it ever had, in MiB; then it starts anew.
    pub(crate) fn peak(&self) -> Result<u64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        let id = self.child.id().context("the process is over")?;
        // Not everywhere allowed; then the peak is that of all phases until then.
        let _ = std::fs::write(format!("/proc/{id}/clear_refs"), "5");
        Ok(kilobytes / 1024)
    }
}

/// One phase.
pub(crate) struct Phase {
    pub(crate) what: String,
    /// For so many people.
    pub(crate) people: usize,
    pub(crate) took: Duration,
    /// Processor time of the generator and of the ledger.
    pub(crate) processor: [Duration; 2],
    /// Most memory of the generator, in MiB.
    pub(crate) peak: u64,
}

/// Where the databases are.
pub(crate) struct Databases {
    pub(crate) generator: String,
    pub(crate) ledger: String,
}

/// Runs all phases for one size on one engine.
pub(crate) async fn run(databases: &Databases, people: usize, factor: usize) -> Result<Vec<Phase>> {
    let ledger = Process::start("ledger", &databases.ledger, "http://127.0.0.1:1").await?;
    let generator = Process::start("generator", &databases.generator, &ledger.address).await?;
    let organisation = Arc::new(Mutex::new(Organisation { people, is_written: false, changed: None }));
    let channel = channel::to(&generator.address)?;
    let agent = tokio::spawn(read(channel.clone(), Arc::clone(&organisation)));
    let mut suite = Suite { generator, ledger, channel, people, phases: Vec::new() };
    let driven = suite.drive(&organisation, factor).await;
    agent.abort();
    driven?;
    Ok(suite.phases)
}

struct Suite {
    generator: Process,
    ledger: Process,
    channel: Channel,
    people: usize,
    phases: Vec<Phase>,
}

impl Suite {
    fn calls(&self) -> OrderGeneratorServiceClient<Channel> {
        OrderGeneratorServiceClient::new(self.channel.clone())
    }

    fn processor(&self) -> Result<[Duration; 2]> {
        Ok([self.generator.processor()?, self.ledger.processor()?])
    }

    /// Does one phase, and notes what it cost.
    async fn phase<T>(&mut self, what: &str, people: usize, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.generator.peak()?;
        let (before, started) = (self.processor()?, Instant::now());
        let done = work.await.with_context(|| what.to_owned())?;
        let (took, after) = (started.elapsed(), self.processor()?);
        let processor = [0, 1].map(|place: usize| {
            let at = |all: [Duration; 2]| all.get(place).copied().unwrap_or_default();
            at(after).saturating_sub(at(before))
        });
        self.phases.push(Phase { what: what.to_owned(), people, took, processor, peak: self.generator.peak()? });
        Ok(done)
    }

    async fn compute(calls: OrderGeneratorServiceClient<Channel>, incremental: bool) -> Result<i64> {
        let request = pb::ComputeRoleModelRequest { incremental, ..Default::default() };
        let computed = calls.max_decoding_message_size(MESSAGE_BYTES_MAX).compute_role_model(request).await?;
        Ok(computed.into_inner().owners)
    }

    async fn generate(mut calls: OrderGeneratorServiceClient<Channel>, incremental: bool) -> Result<i64> {
        let request = pb::GenerateOrdersRequest { incremental, ..Default::default() };
        let generated = calls.generate_orders(request).await?.into_inner();
        ensure!(!generated.blocked && generated.rejected == 0, "orders were not generated: {generated:?}");
        Ok(generated.submitted)
    }

    async fn plan(mut calls: OrderGeneratorServiceClient<Channel>) -> Result<()> {
        let mut planned = calls.plan_orders(pb::PlanOrdersRequest::default()).await?.into_inner();
        while planned.message().await?.is_some() {}
        Ok(())
    }

    async fn drive(&mut self, organisation: &Mutex<Organisation>, factor: usize) -> Result<()> {
        let content = catalog(factor);
        let files = vec![pb::CatalogFile { name: "catalog.yaml".into(), content }];
        let apply = pb::ApplyCatalogRequest { files, ..Default::default() };
        let applied = CatalogServiceClient::new(self.channel.clone()).apply_catalog(apply).await?.into_inner();
        ensure!(applied.applied, "the catalog has mistakes: {:#?}", applied.problems);
        // The systems are empty at first, but for their groups.
        self.synchronize(&CONNECTORS).await?;
        let people = self.people;
        let calls = self.calls();
        let owners = self.phase("first full evaluation", people, Self::compute(calls, false)).await?;
        ensure!(owners == people as i64, "{owners} of {people} people were evaluated");
        let calls = self.calls();
        let submitted = self.phase("first generation", people, Self::generate(calls, false)).await?;
        ensure!(submitted == 4 * people as i64, "{submitted} orders were submitted for {people} people");
        // Then the systems show all that was ordered, and everything is verified.
        if let Ok(mut organisation) = organisation.lock() {
            organisation.is_written = true;
        }
        self.synchronize(&["directory", "mail", "erp", "doors"]).await?;
        let calls = self.calls();
        self.phase("verifying all orders", people, Self::compute(calls, true)).await?;
        Self::compute(self.calls(), true).await?;
        let calls = self.calls();
        self.phase("full, nothing changed", people, Self::compute(calls, false)).await?;
        if let Ok(mut organisation) = organisation.lock() {
            organisation.changed = Some((ONE_IN, "Chief of something else".to_owned()));
        }
        self.synchronize(&["hr"]).await?;
        let changed = people.div_ceil(ONE_IN);
        let calls = self.calls();
        let owners = self.phase("1 % changed: evaluation", changed, Self::compute(calls, true)).await?;
        ensure!(owners >= changed as i64 && owners <= 3 * changed as i64 + 1, "{owners} of {changed} were evaluated");
        let calls = self.calls();
        let submitted = self.phase("1 % changed: generation", changed, Self::generate(calls, true)).await?;
        ensure!(submitted >= changed as i64, "{submitted} orders were submitted");
        let calls = self.calls();
        let submitted = self.phase("generation for all, nothing new", people, Self::generate(calls, false)).await?;
        ensure!(submitted == 0, "{submitted} orders were submitted though nothing changed");
        let calls = self.calls();
        self.phase("plan, nothing new", people, Self::plan(calls)).await?;
        let calls = self.calls();
        let one = async {
            for number in 0..TIMES {
                let owner_keys = vec![key(number * people / TIMES)];
                let request = pb::ComputeRoleModelRequest { owner_keys, ..Default::default() };
                let computed = calls.clone().compute_role_model(request).await?.into_inner();
                ensure!(computed.owners == 1, "{} people were computed for one", computed.owners);
                Self::generate(calls.clone(), true).await?;
            }
            Ok(())
        };
        self.phase("one person", 1, one).await?;
        if let Some(one) = self.phases.last_mut() {
            one.took /= TIMES as u32;
            one.processor = one.processor.map(|processor| processor / TIMES as u32);
        }
        Ok(())
    }

    /// Reads these connectors.
    async fn synchronize(&self, connectors: &[&str]) -> Result<()> {
        let mut jobs = JobServiceClient::new(self.channel.clone());
        let connectors = connectors.iter().map(|name| (*name).to_owned()).collect();
        let request = pb::RunJobRequest { job: "read".into(), connectors, ..Default::default() };
        let run = jobs.run_job(request).await?.into_inner();
        let mut watched = jobs.watch_job_run(pb::WatchJobRunRequest { run_id: run.run_id }).await?.into_inner();
        let mut last = None;
        while let Some(run) = watched.message().await? {
            last = Some(run);
        }
        let last = last.context("a run that says nothing")?;
        ensure!(last.state() == pb::JobRunState::Completed, "{:?}: {}", last.state(), last.message);
        Ok(())
    }
}

/// Reads, as an agent does, whatever is asked for.
async fn read(channel: Channel, organisation: Arc<Mutex<Organisation>>) -> Result<()> {
    let mut client = SynchronizationServiceClient::new(channel);
    loop {
        let poll = pb::PollExportTasksRequest {
            agent_id: "bench".into(),
            connections: CONNECTIONS.map(str::to_owned).into(),
            wait: Some(Duration::from_secs(5).try_into()?),
        };
        let tasks = client.poll_export_tasks(poll).await?.into_inner().tasks;
        for task in tasks {
            let header = pb::ExportHeader {
                task_id: task.task_id.clone(),
                agent_id: "bench".into(),
                started_at: Some(to_wire::timestamp(SystemClock.now())),
            };
            let mut parts: Vec<Box<dyn Iterator<Item = Part> + Send>> =
                vec![Box::new(std::iter::once(Part::Header(header)))];
            let mut row_counts = std::collections::HashMap::new();
            for entity in &task.entity_types {
                let name = entity.entity_type.clone();
                let rows = organisation.lock().map_err(|_| anyhow!("the organisation is lost"))?.rows(&name);
                row_counts.insert(name.clone(), rows.count as i64);
                parts.push(Box::new(rows.batches(name).map(Part::Batch)));
            }
            parts.push(Box::new(std::iter::once(Part::End(pb::ExportEnd { row_counts }))));
            let (sender, receiver) = tokio::sync::mpsc::channel(4);
            tokio::task::spawn_blocking(move || {
                for part in parts.into_iter().flatten() {
                    if sender.blocking_send(pb::UploadExportRequest { part: Some(part) }).is_err() {
                        return;
                    }
                }
            });
            client.upload_export(ReceiverStream::new(receiver)).await?;
        }
    }
}
