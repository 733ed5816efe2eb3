//! Playing a scenario: each step through the public calls of the services, as a person, a job or an agent
//! would make it.

use crate::agent::{self, Held};
use crate::catalog;
use crate::expect::{Expectation, Found};
use crate::facts::Systems;
use crate::plan::{self, Asked, Plan};
use crate::reconcile;
use crate::scenario::{Act, Change, Of, Outcome, Reads, Scenario, Step, Verdict};
use crate::suite::Suite;
use crate::words::{self, Named};
use crate::yaml::Node;
use anyhow::{Context as _, Result, anyhow, bail};
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::generator::v1 as pb;
use provost_contract::review::v1 as review;
use provost_contract::types::v1 as types;
use provost_order_generator::model::catalog::{Catalog, Package};
use provost_service_kit::caller::request_as;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a step may take.
const STEP_MAX: Duration = Duration::from_secs(30);
/// How long what is told by feeds may take to arrive.
const NEWS_MAX: Duration = Duration::from_secs(4);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(15);
/// Who does what a person does.
pub(crate) const PERSON: &str = "grace";

/// What became of a scenario: every failure, in words.
pub(crate) async fn play(scenario: &Scenario) -> Vec<String> {
    let suite = match Suite::start(scenario.watches_dates).await {
        Ok(suite) => suite,
        Err(error) => return vec![format!("the services do not start: {error:#}")],
    };
    let mut player = Player {
        suite,
        catalog: scenario.catalog.clone(),
        compiled: None,
        systems: Arc::default(),
        held: HashMap::new(),
        begun: None,
        run: None,
        plan: None,
        seen: 0,
    };
    let mut failures = player.play(scenario).await;
    if let Err(error) = player.suite.stop().await {
        failures.push(format!("the services do not stop: {error:#}"));
    }
    failures
}

struct Player {
    suite: Suite,
    catalog: Node,
    compiled: Option<Arc<Catalog>>,
    systems: Arc<Mutex<Systems>>,
    /// What the agent holds, by order.
    held: HashMap<String, Held>,
    /// The run that began to read, and what arrives later.
    begun: Option<(String, Vec<Vec<pb::UploadExportRequest>>)>,
    /// The newest run of a job.
    run: Option<String>,
    /// The newest plan.
    plan: Option<Plan>,
    /// How many orders stood in an expectation.
    seen: usize,
}

/// What came back.
#[derive(Default)]
struct Answer {
    /// In words.
    text: String,
    /// How it ended, if not well.
    end: Option<String>,
}

impl Answer {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), end: None }
    }
}

impl Player {
    async fn play(&mut self, scenario: &Scenario) -> Vec<String> {
        if let Err(error) = self.apply(scenario.catalog.clone()).await {
            return vec![format!("the catalog: {error:#}")];
        }
        let mut failures = Vec::new();
        for step in &scenario.steps {
            let place = format!("line {}", step.line);
            if let Act::Expect(expectation) = &step.act {
                match self.expect(expectation).await {
                    Ok(differences) => failures.extend(differences.into_iter().map(|one| format!("{place}: {one}"))),
                    Err(error) => failures.push(format!("{place}: {error:#}")),
                }
                continue;
            }
            let done = tokio::time::timeout(STEP_MAX, self.act(&step.act)).await;
            let done = done.unwrap_or_else(|_| Err(anyhow!("it was not done in {} s", STEP_MAX.as_secs())));
            if let Err(failure) = judge(step, done) {
                failures.push(format!("{place}: {failure}"));
                // What comes after would only repeat it.
                break;
            }
        }
        failures
    }

    async fn act(&mut self, act: &Act) -> Result<Answer> {
        match act {
            Act::At(at) => self.suite.clock.set(*at)?,
            Act::Facts(facts) => {
                let catalog = self.compiled()?;
                self.systems.lock().map_err(|_| anyhow!("the agent broke"))?.take(&catalog, facts)?;
            }
            Act::Catalog(change) => {
                let catalog = match change {
                    Change::Whole(catalog) => catalog.clone(),
                    Change::With(changes) => catalog::changed(&self.catalog, changes)?,
                };
                self.apply(catalog).await?;
            }
            Act::Synchronize(Reads::All) => return self.job("synchronize", false, false).await,
            Act::Synchronize(Reads::Begin) => return self.begin_reading().await,
            Act::Synchronize(Reads::End) => return self.end_reading().await,
            Act::Compute(of) => return self.compute(of).await,
            Act::Generate { force_review, waive_review, despite_thresholds } => {
                return self.generate(*force_review, *waive_review, *despite_thresholds).await;
            }
            Act::Job { name, force_review, waive_review } => return self.job(name, *force_review, *waive_review).await,
            Act::Resume(comment) => return self.resume(comment).await,
            Act::LetGo(comment) => return self.let_go(comment).await,
            Act::Review { verdict, order, line, comment } => self.review(*verdict, order, *line, comment).await?,
            Act::Take { order, line } => {
                self.hold(order, *line).await?;
            }
            Act::Feedback { order: None, outcome, write } => {
                let connections = self.connections()?;
                let done = agent::work(&self.suite, &connections, &self.systems, outcome, *write).await?;
                return Ok(Answer::of(format!("{done} orders")));
            }
            Act::Feedback { order: Some((order, line)), outcome, write } => {
                self.feedback(order, *line, outcome, *write).await?;
            }
            Act::Manual { order, line, error, write } => self.manual(order, *line, error.as_deref(), *write).await?,
            Act::Unblock { order, line } => {
                let order_ids = vec![self.newest(order, *line).await?.1];
                let request = ledger::UnblockOrdersRequest { order_ids, comment: "mended".to_owned() };
                accepted(self.suite.orders().unblock_orders(request_as(PERSON, request)).await?.into_inner().results)?;
            }
            Act::Cancel { order, line } => {
                let order_ids = vec![self.newest(order, *line).await?.1];
                let request =
                    ledger::CancelOrdersRequest { order_ids, reason: "given up".to_owned(), reevaluated: false };
                accepted(self.suite.orders().cancel_orders(request_as(PERSON, request)).await?.into_inner().results)?;
            }
            Act::Request(wish) => return Ok(Answer::of(wish.request(&self.suite).await?)),
            Act::Revoke(wish) => return Ok(Answer::of(wish.revoke(&self.suite).await?)),
            Act::Withdraw(wish) => return Ok(Answer::of(wish.withdraw(&self.suite).await?)),
            Act::Decide { verdict, wish } => wish.decide(&self.suite, *verdict).await?,
            Act::Reconcile(decide) => decide.decide(&self.suite).await?,
            Act::Baseline(resource_type) => {
                return Ok(Answer::of(reconcile::baseline(&self.suite, resource_type, PERSON).await?));
            }
            Act::Plan(asked) => return self.plan(asked).await,
            Act::Apply(part) => {
                let plan = self.plan.as_ref().context("there is no plan")?;
                let applied = plan.apply(&self.suite, part, PERSON).await?;
                let generated = applied.generated.unwrap_or_default();
                let answer = generated_words(&generated)?;
                return Ok(Answer { text: format!("{}\n{}", answer.text, applied.message), ..answer });
            }
            Act::Expect(_) => {}
        }
        Ok(Answer::default())
    }

    fn compiled(&self) -> Result<Arc<Catalog>> {
        self.compiled.clone().context("there is no catalog")
    }

    fn connections(&self) -> Result<HashMap<String, Package>> {
        Ok(agent::connections(&*self.compiled()?))
    }

    /// Applies a catalog.
    async fn apply(&mut self, catalog: Node) -> Result<()> {
        let content = catalog::text(&catalog);
        let file = pb::CatalogFile { name: "catalog.yaml".to_owned(), content: content.clone() };
        let request = pb::ApplyCatalogRequest { files: vec![file], ..Default::default() };
        let answer = self.suite.catalogs().apply_catalog(request_as(PERSON, request)).await?.into_inner();
        if !answer.applied {
            let line = |line: i32| content.lines().nth(usize::try_from(line - 1).unwrap_or(0)).unwrap_or("").trim();
            let problems = answer.problems.iter();
            let problems =
                problems.map(|problem| format!("{} ({}), here: {}", problem.message, problem.hint, line(problem.line)));
            bail!("{}", problems.collect::<Vec<_>>().join("\n    "));
        }
        let compiled = Catalog::compile(&[("catalog.yaml".to_owned(), content)]);
        let compiled = compiled.map_err(|problems| anyhow!("the catalog is wrong by itself: {problems:?}"))?;
        (self.catalog, self.compiled) = (catalog, Some(Arc::new(compiled)));
        Ok(())
    }

    async fn compute(&self, of: &Of) -> Result<Answer> {
        let request = pb::ComputeRoleModelRequest {
            incremental: *of == Of::Changed,
            owner_keys: if let Of::These(owners) = of { owners.clone() } else { vec![] },
            ..Default::default()
        };
        let request = request_as(PERSON, request);
        let answer = self.suite.generator().compute_role_model(request).await?.into_inner();
        Ok(Answer::of(format!(
            "{} owners, {} assigned, {} conforming, {} differing, {} failed, {} verified, {} non-conforming",
            answer.owners,
            answer.assigned_resources,
            answer.conforming,
            answer.differing,
            answer.failed,
            answer.verified,
            answer.non_conforming
        )))
    }

    async fn generate(&self, force_review: bool, waive_review: bool, force_thresholds: bool) -> Result<Answer> {
        let request = pb::GenerateOrdersRequest { force_review, waive_review, force_thresholds, ..Default::default() };
        generated_words(&self.suite.generator().generate_orders(request_as(PERSON, request)).await?.into_inner())
    }

    /// Asks for a plan, and keeps it.
    async fn plan(&mut self, asked: &Asked) -> Result<Answer> {
        let content = asked.with.as_ref().map(|changes| catalog::changed(&self.catalog, changes)).transpose()?;
        let file = content
            .map(|content| pb::CatalogFile { name: "catalog.yaml".to_owned(), content: catalog::text(&content) });
        let plan = Plan::ask(&self.suite, asked, file.into_iter().collect(), PERSON).await?;
        let text = plan.words();
        self.plan = Some(plan);
        Ok(Answer::of(text))
    }

    /// Runs a job, beside an agent.
    async fn job(&mut self, name: &str, force_review: bool, waive_review: bool) -> Result<Answer> {
        let request = pb::RunJobRequest { job: name.to_owned(), force_review, waive_review, ..Default::default() };
        let run = self.suite.jobs().run_job(request_as(PERSON, request)).await?.into_inner();
        // What only reads generates nothing: whoever resumes a run means the one that was blocked before.
        if name != "synchronize" {
            self.run = Some(run.run_id.clone());
        }
        self.watch(&run.run_id, name != "synchronize").await
    }

    /// Waits until a run is over, beside an agent that reads, and that writes if the job does.
    async fn watch(&self, run_id: &str, writes: bool) -> Result<Answer> {
        let connections = self.connections()?;
        tokio::select! {
            answer = self.ended(run_id) => answer,
            stopped = agent::serve(&self.suite, &connections, &self.systems, writes) => {
                stopped.and_then(|()| bail!("the agent stopped"))
            }
        }
    }

    async fn ended(&self, run_id: &str) -> Result<Answer> {
        let request = pb::WatchJobRunRequest { run_id: run_id.to_owned() };
        let mut watched = self.suite.jobs().watch_job_run(request).await?.into_inner();
        let mut last = None;
        while let Some(run) = watched.message().await? {
            last = Some(run);
        }
        let run = last.context("a run that says nothing")?;
        let tasks = run.tasks.iter().map(|task| format!("{}: {}", task.name, task.message));
        let text = std::iter::once(run.message.clone()).chain(tasks).collect::<Vec<_>>().join("\n");
        let end = provost::show::job_state(run.state());
        Ok(Answer { text, end: (run.state() != pb::JobRunState::Completed).then(|| end.to_owned()) })
    }

    async fn resume(&mut self, comment: &str) -> Result<Answer> {
        let run_id = self.run.clone().context("no job was run")?;
        let request = pb::ResumeJobRunRequest { run_id: run_id.clone(), comment: comment.to_owned() };
        self.suite.jobs().resume_job_run(request_as(PERSON, request)).await?;
        self.watch(&run_id, true).await
    }

    async fn let_go(&mut self, comment: &str) -> Result<Answer> {
        let run_id = self.run.clone().context("no job was run")?;
        let request = pb::CancelJobRunRequest { run_id: run_id.clone(), comment: comment.to_owned() };
        self.suite.jobs().cancel_job_run(request_as(PERSON, request)).await?;
        let answer = self.ended(&run_id).await?;
        Ok(Answer { end: answer.end.filter(|end| end != "cancelled"), ..answer })
    }

    /// Starts the job that reads, and lets the agent begin: what it read arrives later.
    async fn begin_reading(&mut self) -> Result<Answer> {
        let request = pb::RunJobRequest { job: "synchronize".to_owned(), ..Default::default() };
        let run = self.suite.jobs().run_job(request_as(PERSON, request)).await?.into_inner();
        let (connections, catalog) = (self.connections()?, self.compiled()?);
        let exports = catalog.connectors().iter().filter(|connector| connector.export.is_some()).count();
        let mut read = Vec::new();
        while read.len() < exports {
            read.extend(agent::read(&self.suite, &connections, &self.systems).await?);
        }
        self.begun = Some((run.run_id, read));
        Ok(Answer::default())
    }

    async fn end_reading(&mut self) -> Result<Answer> {
        let (run_id, read) = self.begun.take().context("no export has begun")?;
        for parts in read {
            agent::send(&self.suite, parts).await?;
        }
        self.ended(&run_id).await
    }

    /// All orders, oldest first.
    async fn orders(&self) -> Result<Vec<types::OrderRecord>> {
        let mut orders = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ledger::ListOrdersRequest { filter: None, page_size: 1_000, page_token };
            let page = self.suite.orders().list_orders(request).await?.into_inner();
            orders.extend(page.orders);
            if page.next_page_token.is_empty() {
                return Ok(orders);
            }
            page_token = page.next_page_token;
        }
    }

    /// The newest order of that name, and its id.
    async fn newest(&self, named: &Named, line: usize) -> Result<(types::OrderRecord, String)> {
        let orders = self.orders().await?;
        let is_it = |record: &types::OrderRecord| record.order.as_ref().is_some_and(|order| Named::of(order) == *named);
        let record = orders.into_iter().rfind(is_it).with_context(|| format!("line {line}: there is no {named}"))?;
        let id = record.order.as_ref().map(|order| order.order_id.clone()).unwrap_or_default();
        Ok((record, id))
    }

    /// Of several orders of one name the newest that waits for a person, if one does.
    async fn newest_by_hand(&self, named: &Named, line: usize) -> Result<String> {
        let waits = |record: &types::OrderRecord| {
            record.state() == types::ProvisioningState::Transmitted
                && record.order.as_ref().is_some_and(|order| Named::of(order) == *named)
        };
        let waiting = self.orders().await?.into_iter().rfind(waits).and_then(|record| record.order);
        match waiting {
            Some(order) => Ok(order.order_id),
            None => Ok(self.newest(named, line).await?.1),
        }
    }

    async fn review(&self, verdict: Verdict, order: &Named, line: usize, comment: &str) -> Result<()> {
        let review_id = self.newest(order, line).await?.1;
        let asked = review::GetReviewRequest { review_id: review_id.clone() };
        let open = async || {
            let found = self.suite.reviews().get_review(asked.clone()).await.map_err(|status| anyhow!(status))?;
            Ok(found.into_inner().version)
        };
        let version = soon(open).await.with_context(|| format!("there is no review of {order}"))?;
        let decided = self.decided(&review_id).await?;
        let (comment, mut reviews) = (comment.to_owned(), self.suite.reviews());
        match verdict {
            Verdict::Approve => {
                reviews
                    .approve(request_as(
                        PERSON,
                        review::ApproveRequest { review_id: review_id.clone(), comment, version },
                    ))
                    .await?
            }
            Verdict::Decline => {
                reviews
                    .decline(request_as(
                        PERSON,
                        review::DeclineRequest { review_id: review_id.clone(), comment, version },
                    ))
                    .await?
            }
            Verdict::Postpone => {
                reviews
                    .postpone(request_as(
                        PERSON,
                        review::PostponeRequest { review_id: review_id.clone(), comment, version },
                    ))
                    .await?
            }
        };
        soon(async || match self.decided(&review_id).await? {
            now if now > decided => Ok(()),
            _ => bail!("the ledger has not heard of the decision"),
        })
        .await
    }

    /// How often people decided on an order, as the ledger knows.
    async fn decided(&self, order_id: &str) -> Result<usize> {
        let request = ledger::GetOrderRequest { order_id: order_id.to_owned() };
        let history = self.suite.orders().get_order(request).await?.into_inner().history;
        let is_decision = |entry: &&types::HistoryEntry| {
            use types::OrderEvent::{Approved, Declined, Postponed};
            matches!(entry.event(), Approved | Declined | Postponed)
        };
        Ok(history.iter().filter(is_decision).count())
    }

    /// The order, held by the agent.
    async fn hold(&mut self, order: &Named, line: usize) -> Result<Held> {
        let (record, id) = self.newest(order, line).await?;
        let connection = record.order.as_ref().map(|order| order.connection.clone()).unwrap_or_default();
        while !self.held.contains_key(&id) {
            let taken = agent::take(&self.suite, vec![connection.clone()], 1).await?;
            if taken.is_empty() {
                let state = words::state(record.state, record.inactive_reason);
                bail!("no agent can take {order}: it is {state} ({})", record.state_reason);
            }
            self.held.extend(taken.into_iter().map(|held| (held.order.id.to_string(), held)));
        }
        self.held.get(&id).cloned().context("it is held")
    }

    async fn feedback(&mut self, order: &Named, line: usize, outcome: &Outcome, write: bool) -> Result<()> {
        let held = self.hold(order, line).await?;
        if write {
            self.systems.lock().map_err(|_| anyhow!("the agent broke"))?.write(&held.order);
        }
        agent::report(&self.suite, &held, outcome).await?;
        self.held.remove(&held.order.id.to_string());
        Ok(())
    }

    async fn manual(&self, order: &Named, line: usize, error: Option<&str>, write: bool) -> Result<()> {
        let order_id = self.newest_by_hand(order, line).await?;
        if write {
            let request = ledger::GetManualOrderRequest { order_id: order_id.clone() };
            let shown = self.suite.manual().get_manual_order(request).await?.into_inner();
            let order = shown.record.and_then(|record| record.order).context("a line without an order")?;
            let order = provost_contract::from_wire::order("order", order).map_err(|wrong| anyhow!("{wrong:?}"))?;
            self.systems.lock().map_err(|_| anyhow!("the agent broke"))?.write(&order);
        }
        let decisions = vec![ledger::ManualDecision { order_id, version: 0 }];
        let results = match error {
            None => {
                let request = ledger::ConfirmOrdersRequest { decisions, comment: String::new() };
                self.suite.manual().confirm_orders(request_as(PERSON, request)).await?.into_inner().results
            }
            Some(comment) => {
                let request = ledger::ReportOrderErrorsRequest { decisions, comment: comment.to_owned() };
                self.suite.manual().report_order_errors(request_as(PERSON, request)).await?.into_inner().results
            }
        };
        accepted(results)
    }

    /// Every difference from what is expected. What feeds tell may come a moment later.
    async fn expect(&mut self, expectation: &Expectation) -> Result<Vec<String>> {
        let until = Instant::now() + NEWS_MAX;
        loop {
            let found = self.found(expectation).await?;
            let differences = {
                let systems = self.systems.lock().map_err(|_| anyhow!("the agent broke"))?;
                expectation.differences(&found, &systems)
            };
            if differences.is_empty() || Instant::now() >= until {
                if expectation.orders.is_some() {
                    self.seen = found.orders.len();
                }
                return Ok(differences);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn found(&self, expectation: &Expectation) -> Result<Found> {
        let mut found = Found { seen: self.seen, ..Found::default() };
        for owner in expectation.owners() {
            let request = pb::ListAssignmentsRequest { owner_key: owner.to_owned(), owner_entity_type: String::new() };
            let shown = match self.suite.assignments().list_assignments(request).await {
                Ok(shown) => Some(shown.into_inner()),
                Err(status) if status.code() == tonic::Code::NotFound => None,
                Err(status) => return Err(status.into()),
            };
            found.owners.insert(owner.to_owned(), shown);
        }
        if expectation.orders.is_some() {
            found.orders = self.orders().await?;
        }
        if expectation.plan.is_some() {
            found.plan = self.plan.as_ref().context("there is no plan")?.orders();
        }
        if expectation.held.is_some() {
            found.held = plan::held(&self.suite).await?;
        }
        if expectation.waiting.is_some() {
            found.waiting = reconcile::items(&self.suite).await?;
        }
        for wanted in &expectation.explained {
            found.explained.push(wanted.told(&self.suite).await?);
        }
        Ok(found)
    }
}

/// What was generated, in words.
fn generated_words(answer: &pb::GenerateOrdersResponse) -> Result<Answer> {
    let mut lines = vec![format!(
        "{} submitted, {} duplicates, {} superseded, {} cancelled, {} rejected",
        answer.submitted, answer.duplicates, answer.superseded, answer.cancelled, answer.rejected
    )];
    let breach = |breach: &pb::ThresholdBreach| {
        let pb::ThresholdBreach { resource_type, counted, count, limit, rule, .. } = breach;
        format!("{resource_type}: {count} {counted}, at most {limit} ({rule})")
    };
    lines.extend(answer.breaches.iter().map(breach));
    let mut kinds: Vec<String> = answer.by_kind.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    kinds.sort();
    lines.extend(kinds);
    lines.extend(answer.notes.iter().cloned());
    if answer.rejected > 0 {
        bail!("{} orders were refused: {}", answer.rejected, answer.rejection);
    }
    Ok(Answer { text: lines.join("\n"), end: answer.blocked.then(|| "blocked".to_owned()) })
}

/// Asks until there is an answer, for as long as news may take.
pub(crate) async fn soon<T>(mut ask: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let until = Instant::now() + NEWS_MAX;
    loop {
        match ask().await {
            Err(_) if Instant::now() < until => sleep(LOOK_AGAIN).await,
            answer => return answer,
        }
    }
}

/// Whether every item of a batch was accepted.
fn accepted(results: Vec<types::ItemResult>) -> Result<()> {
    match results.into_iter().find_map(|result| result.error) {
        Some(error) => bail!("{}", error.message),
        None => Ok(()),
    }
}

/// What is wrong with the outcome of a step.
fn judge(step: &Step, done: Result<Answer>) -> Result<(), String> {
    let answer = match (done, &step.refused) {
        (Err(error), Some(words)) => {
            let said = format!("{error:#}");
            let is_right = said.contains(words.as_str());
            return if is_right {
                Ok(())
            } else {
                Err(format!("it was to be refused with '{words}', and was with: {said}"))
            };
        }
        (Err(error), None) => return Err(format!("{error:#}")),
        (Ok(_), Some(words)) => return Err(format!("it was to be refused with '{words}', and was done")),
        (Ok(answer), None) => answer,
    };
    if step.ends != answer.end {
        let words = |end: &Option<String>| end.clone().unwrap_or_else(|| "well".to_owned());
        return Err(format!("it was to end {}, and ended {}: {}", words(&step.ends), words(&answer.end), answer.text));
    }
    match step.says.iter().find(|words| !answer.text.contains(words.as_str())) {
        Some(words) => Err(format!("it was to say '{words}', and said: {}", answer.text)),
        None => Ok(()),
    }
}
