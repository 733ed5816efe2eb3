//! The order generator's part of the load: people get other titles and other departments, and jobs read that, compute it
//! and generate orders, again and again, through whatever happens meanwhile.
//!
//! Nobody gets a title or comes into a group twice, so that the directory's log says of each order how often it was done.

use crate::suite::Suite;
use anyhow::{Result, bail, ensure};
use provost_contract::generator::v1 as generator;
use provost_tests::retried;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// People, of whom a few change in each round: fewer than the thresholds allow.
const PEOPLE: usize = 16;
const CHANGED: usize = 3;
/// How long one wish is tried again; longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(120);

const CATALOG: &str = "
connectors:
  - { name: people, connections: [{ name: people-csv, package: csv }], export: people-csv }
  - { name: directory, connections: [{ name: directory, package: ldap }], export: directory }

entity_types:
  - name: Person
    connector: people
    key: key
    display_name: owner.key
    properties:
      - { name: key, type: string }
      - { name: title, type: string }
      - { name: department, type: string }
  - name: Account
    connector: directory
    key: login
    properties:
      - { name: login, type: string }
      - { name: cn, type: string }
      - { name: sn, type: string }
      - { name: title, type: string }
      - { name: groups, navigation: Group, multi_valued: true }
  - name: Group
    connector: directory
    key: cn
    properties:
      - { name: cn, type: string }

roles:
  - { name: everyone, owner: Person, rules: [{ when: 'true' }] }
  - { name: staff, owner: Person, rules: [{ when: owner.department == 'staff' }] }

resource_types:
  - name: PersonAccount
    owner: Person
    target: Account
    connection: directory
    review: false
    type_rules:
      - { role: everyone }
    scalar_rules:
      - { property: login, value: owner.key }
      - { property: cn, value: owner.key }
      - { property: sn, value: owner.key }
      - { property: title, value: owner.title }
    navigation_rules:
      - { property: groups, role: everyone, target: everyone }
      - { property: groups, role: staff, target: staff }
";

/// Goes on until it is stopped.
pub(crate) struct Generated {
    stop: CancellationToken,
    running: JoinHandle<Result<()>>,
}

impl Generated {
    /// The catalog applied, and the first people written.
    pub(crate) async fn start(suite: Arc<Suite>) -> Result<Self> {
        let mut catalogs = suite.catalogs()?;
        let file = generator::CatalogFile { name: "catalog.yaml".into(), content: CATALOG.into() };
        let request = generator::ApplyCatalogRequest { files: vec![file], validate_only: false };
        let answer = catalogs.apply_catalog(request).await?.into_inner();
        ensure!(answer.applied, "the catalog has mistakes: {:?}", answer.problems);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(suite, stop.clone()));
        Ok(Self { stop, running })
    }

    /// The round that is under way is finished, and no other one begun.
    ///
    /// # Errors
    /// When a job failed that nothing excuses.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.running.await?
    }
}

async fn run(suite: Arc<Suite>, stop: CancellationToken) -> Result<()> {
    let mut titles = [0_usize; PEOPLE];
    let mut staff = 0;
    for round in 0.. {
        if stop.is_cancelled() {
            break;
        }
        if round > 0 {
            for step in 0..CHANGED {
                if let Some(title) = titles.get_mut((round * CHANGED + step) % PEOPLE) {
                    *title = round;
                }
            }
            staff = (staff + 1).min(PEOPLE);
        }
        let person = |(number, title): (usize, &usize)| {
            let department = if number < staff { "staff" } else { "others" };
            format!("h{number},Title {title} of h{number},{department}\n")
        };
        let people: String = titles.iter().enumerate().map(person).collect();
        suite.write_feed(&format!("key,title,department\n{people}"))?;
        run_job(&suite, if round == 0 { "complete" } else { "incremental" }).await?;
    }
    Ok(())
}

/// Runs a job to its end; one that a fault was too long for is run anew.
async fn run_job(suite: &Suite, job: &str) -> Result<()> {
    let (request_id, end) = (provost_service_kit::new_id().to_string(), Instant::now() + PATIENCE * 2);
    let request = generator::RunJobRequest { job: job.into(), request_id, ..Default::default() };
    let jobs = suite.jobs()?;
    let started = retried("running a job", PATIENCE, || {
        let (mut jobs, request) = (jobs.clone(), request.clone());
        async move { jobs.run_job(request).await }
    })
    .await?;
    while Instant::now() < end {
        let runs = retried("looking at a job", PATIENCE, || {
            let mut jobs = jobs.clone();
            async move { jobs.list_job_runs(generator::ListJobRunsRequest::default()).await }
        })
        .await?
        .runs;
        match runs.iter().find(|run| run.run_id == started.run_id).map(generator::JobRun::state) {
            Some(generator::JobRunState::Running | generator::JobRunState::Waiting) => {
                sleep(Duration::from_millis(100)).await;
            }
            // What it could not do for so long the next one does.
            Some(_) => return Ok(()),
            None => bail!("the job run {} is not known any more", started.run_id),
        }
    }
    bail!("the job run {} does not end", started.run_id)
}
