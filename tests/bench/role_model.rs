//! People per second through compute and generate, over real gRPC, with the sample organisation and
//! its whole catalog; beside it the bare expression library on the same expressions and people.

use anyhow::{Context as _, Result, anyhow, ensure};
use cel::{Context, Env, Program, Value as CelValue};
use chrono::{NaiveDate, NaiveTime};
use provost::demo::workplace as world;
use provost_contract::generator::v1 as pb;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::order_generator_service_client::OrderGeneratorServiceClient;
use provost_sample::{Organisation, Person, WorkerType, workplace};
use provost_service_kit::{Runtime, Server, channel};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How long each part took.
pub(crate) struct Measured {
    pub(crate) compute: Duration,
    pub(crate) generate: Duration,
    pub(crate) bare: Duration,
}

/// Runs the suite in this process, the order generator on `url`, and measures its two calls.
pub(crate) async fn run(url: &str, people: usize) -> Result<Measured> {
    let organisation = Organisation::generate(42, people, chrono::Utc::now().date_naive());
    let folder = tempfile::tempdir()?;
    world::write(folder.path(), &organisation).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    world::write_agent_file(folder.path(), address)?;
    let address = format!("http://{address}");
    let runtime = Runtime::default();
    let server = assemble(folder.path(), url, &address, &runtime).await?;
    let stop = runtime.stop.clone();
    let serving = tokio::spawn(async move { server.run(listener, runtime.stop).await });
    let measured = drive(&address).await;
    stop.cancel();
    serving.await??;
    let (compute, generate) = measured?;
    Ok(Measured { compute, generate, bare: bare(&organisation)? })
}

async fn assemble(folder: &Path, url: &str, address: &str, runtime: &Runtime) -> Result<Server> {
    let file = |name: &str| format!("sqlite://{}", folder.join(name).display());
    let review = provost_review::Config { database_url: file("review.db").into(), ..Default::default() };
    let server = provost_review::assemble(review, runtime.clone(), Server::default()).await?;
    let fulfillment = provost_fulfillment::Config {
        database_url: file("fulfillment.db").into(),
        review: address.into(),
        ..Default::default()
    };
    let server = provost_fulfillment::assemble(fulfillment, runtime.clone(), server).await?;
    let generator = provost_order_generator::Config {
        database_url: url.to_owned().into(),
        fulfillment: address.into(),
        review: address.into(),
        ..Default::default()
    };
    let server = provost_order_generator::assemble(generator, runtime.clone(), server).await?;
    let agent = folder.join(workplace::AGENT_TOML_PATH);
    let sources =
        provost_service_kit::configuration::Sources { file: Some(agent), prefix: "PROVOST_AGENT", flags: vec![] };
    let agent: provost_agent::Config = provost_service_kit::configuration::load(&sources)?;
    provost_agent::assemble(agent, runtime.clone(), server).await
}

/// Synchronizes, then measures the two calls.
async fn drive(address: &str) -> Result<(Duration, Duration)> {
    let channel = channel::to(address)?;
    let file = |(name, content): &(&str, &str)| pb::CatalogFile { name: (*name).into(), content: (*content).into() };
    let files = workplace::CATALOG.iter().map(file).collect();
    let apply = pb::ApplyCatalogRequest { files, validate_only: false };
    let applied = CatalogServiceClient::new(channel.clone()).apply_catalog(apply).await?.into_inner();
    ensure!(applied.applied, "the catalog has mistakes: {:?}", applied.problems);
    let mut jobs = JobServiceClient::new(channel.clone());
    let run = jobs.run_job(pb::RunJobRequest { job: "synchronize".into(), ..Default::default() }).await?.into_inner();
    let mut watched = jobs.watch_job_run(pb::WatchJobRunRequest { run_id: run.run_id }).await?.into_inner();
    let mut last = None;
    while let Some(run) = watched.message().await? {
        last = Some(run);
    }
    let last = last.context("a run that says nothing")?;
    ensure!(last.state() == pb::JobRunState::Completed, "{:?}: {}", last.state(), last.message);
    let mut generator = OrderGeneratorServiceClient::new(channel);
    let started = Instant::now();
    generator.compute_role_model(pb::ComputeRoleModelRequest::default()).await?;
    let compute = started.elapsed();
    let started = Instant::now();
    let generated = generator.generate_orders(pb::GenerateOrdersRequest::default()).await?.into_inner();
    ensure!(generated.submitted > 0 && !generated.blocked, "nothing was generated: {generated:?}");
    Ok((compute, started.elapsed()))
}

/// The limit: every expression of the catalog that is evaluated for a person, by the library alone.
fn bare(organisation: &Organisation) -> Result<Duration> {
    let mut environment = Env::stdlib();
    environment.add_extension(cel::extensions::strings)?;
    let environment = Arc::new(environment);
    let expressions: Vec<_> = workplace::CATALOG.iter().flat_map(|(_, text)| expressions(text)).collect();
    for part in ["owner.start_date", "duration('24h')", "owner.first_name + ' '", "int(owner.cost_center)"] {
        ensure!(expressions.iter().any(|text| text.contains(part)), "the sample catalog has no expression with {part}");
    }
    let compile = |text: &&str| environment.compile(text).map_err(|error| anyhow!("{text}: {error}"));
    let programs = expressions.iter().map(compile).collect::<Result<Vec<_>>>()?;
    let by_id: HashMap<_, _> = organisation.people.iter().map(|person| (person.employee_id.as_str(), person)).collect();
    let mut failed = 0;
    let started = Instant::now();
    for person in &organisation.people {
        let manager = person.manager.as_deref().and_then(|id| by_id.get(id).copied());
        failed += evaluate(&programs, &environment, person, manager);
    }
    let took = started.elapsed();
    // A rule that fails for one person is work too; one that fails for all is none.
    ensure!(failed < organisation.people.len(), "{failed} evaluations failed");
    Ok(took)
}

/// The expressions that are evaluated for each person: rules, contexts, and the person's own name. The
/// sample has one rule a line. What needs functions of our own is left out: one expression.
fn expressions(text: &'static str) -> Vec<&'static str> {
    let mut named = "";
    let mut found = Vec::new();
    for line in text.lines() {
        named = line.trim().strip_prefix("- name: ").unwrap_or(named);
        let keys = ["when: ", "value: ", "valid_from: ", "valid_until: ", "display_name: "];
        let Some((key, expression)) = keys.iter().find_map(|key| Some((*key, line.split_once(key)?.1))) else {
            continue;
        };
        let own = ["fold()", "lower()", "upper()"].iter().any(|function| expression.contains(function));
        if own || (key == "display_name: " && named != "Person") {
            continue;
        }
        found.push(expression.trim().trim_end_matches('}').trim().trim_matches('"'));
    }
    found
}

/// Evaluates everything for one person; how many of the expressions failed.
fn evaluate(programs: &[Program], environment: &Arc<Env>, person: &Person, manager: Option<&Person>) -> usize {
    let mut values = values(person);
    values.insert("manager", manager.map_or(CelValue::Null, |manager| self::values(manager).into()));
    let mut context = Context::with_env(Arc::clone(environment));
    context.add_variable_from_value("owner", CelValue::from(values));
    programs.iter().filter(|program| std::hint::black_box(program.execute(&context)).is_err()).count()
}

fn values(person: &Person) -> HashMap<&'static str, CelValue> {
    let worker_type = match person.worker_type {
        WorkerType::Employee => "employee",
        WorkerType::Contractor => "contractor",
    };
    let midnight = |day: NaiveDate| CelValue::Timestamp(day.and_time(NaiveTime::MIN).and_utc().fixed_offset());
    let dates =
        [("start_date", midnight(person.start_date)), ("end_date", person.end_date.map_or(CelValue::Null, midnight))];
    [
        ("employee_id", person.employee_id.as_str()),
        ("first_name", &person.first_name),
        ("last_name", &person.last_name),
        ("login", &person.login),
        ("mail", &person.mail),
        ("department", &person.department),
        ("title", &person.title),
        ("location", &person.location),
        ("worker_type", worker_type),
        ("badge_number", &person.badge_number),
        ("phone", &person.phone),
        ("cost_center", &person.cost_center),
    ]
    .into_iter()
    .map(|(name, text)| (name, CelValue::from(text.to_owned())))
    .chain(dates)
    .collect()
}
