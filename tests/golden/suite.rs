//! The order generator, fulfillment and review in this process, on a folder of their own and one clock
//! that the scenario sets.

use anyhow::{Result, ensure};
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::manual_provisioning_service_client::ManualProvisioningServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1::assignment_service_client::AssignmentServiceClient;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::explain_service_client::ExplainServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::order_generator_service_client::OrderGeneratorServiceClient;
use provost_contract::generator::v1::reconciliation_service_client::ReconciliationServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_domain::Timestamp;
use provost_service_kit::{Clock, Runtime, Server, channel};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// A clock that a scenario sets. It moves a millisecond whenever it is read, so that one thing comes after
/// another.
#[derive(Clone)]
pub(crate) struct ScenarioClock(Arc<AtomicI64>);

impl ScenarioClock {
    /// When scenarios begin that do not say.
    fn start() -> Self {
        Self(Arc::new(AtomicI64::new(Timestamp::parse("2026-03-01T08:00:00").unwrap().millis())))
    }

    /// Sets it. It never goes back.
    pub(crate) fn set(&self, at: Timestamp) -> Result<()> {
        let before = Timestamp::from_millis(self.0.load(Ordering::SeqCst));
        ensure!(before <= at, "the clock cannot go back from {before} to {at}");
        self.0.store(at.millis(), Ordering::SeqCst);
        Ok(())
    }
}

impl Clock for ScenarioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// The services, until they are stopped.
pub(crate) struct Suite {
    pub(crate) clock: ScenarioClock,
    channel: Channel,
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
    _folder: TempDir,
}

macro_rules! clients {
    ($($name:ident: $client:ident),* $(,)?) => {$(
        pub(crate) fn $name(&self) -> $client<Channel> {
            $client::new(self.channel.clone())
        }
    )*};
}

impl Suite {
    /// Starts them. Some scenarios are about what the services do by themselves when a date falls due; in the
    /// others that would come between their steps.
    pub(crate) async fn start(watches_dates: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let clock = ScenarioClock::start();
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let runtime = Runtime { clock: Arc::new(clock.clone()), stop: stop.clone(), ..Runtime::default() };
        let server = assemble(folder.path(), &address, watches_dates, &runtime).await?;
        let serving = tokio::spawn(server.run(listener, stop.clone()));
        Ok(Self { clock, channel: channel::to(&address)?, stop, serving, _folder: folder })
    }

    /// Stops them.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.serving.await?
    }

    clients! {
        assignments: AssignmentServiceClient,
        catalogs: CatalogServiceClient,
        explanations: ExplainServiceClient,
        jobs: JobServiceClient,
        generator: OrderGeneratorServiceClient,
        synchronization: SynchronizationServiceClient,
        orders: OrderServiceClient,
        dispatch: DispatchServiceClient,
        manual: ManualProvisioningServiceClient,
        reconciliation: ReconciliationServiceClient,
        reviews: ReviewServiceClient,
    }
}

async fn assemble(folder: &Path, address: &str, watches_dates: bool, runtime: &Runtime) -> Result<Server> {
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
        database_url: file("generator.db").into(),
        fulfillment: address.into(),
        review: address.into(),
        due_seconds: u64::from(watches_dates),
        ..Default::default()
    };
    provost_order_generator::assemble(generator, runtime.clone(), server).await
}
