//! One simulation: the hosts, the faults, and the end.

use crate::Sabotage;
use crate::book::Book;
use crate::dice::Dice;
use crate::lockstep::{self, Disk};
use crate::network::{HostClock, arrivals, network};
use crate::people::{CONNECTION, People};
use crate::system::{Mood, System, Way};
use crate::wire::Wire;
use anyhow::anyhow;
use provost_agent::{Connection, Connections};
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_server::DispatchServiceServer;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_service_kit::{Runtime, Server};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use turmoil::Sim;

const PORT: u16 = 7400;
/// The hosts that have a database, by their numbers, and that crash.
const HOSTS: [&str; 4] = ["fulfillment", "review", "agent-1", "agent-2"];
/// Who speaks with whom.
const LINKS: [(&str, &str); 6] = [
    ("agent-1", "wire"),
    ("agent-2", "wire"),
    ("wire", "fulfillment"),
    ("people", "fulfillment"),
    ("people", "review"),
    ("fulfillment", "review"),
];
fn name(host: usize) -> &'static str {
    HOSTS.get(host).copied().unwrap_or_default()
}

fn ends(link: usize) -> (&'static str, &'static str) {
    LINKS.get(link).copied().unwrap_or_default()
}

/// How far the simulation goes at once.
const STEP: Duration = Duration::from_millis(20);
/// How long things go wrong, in milliseconds.
const TROUBLE: std::ops::Range<u64> = 4_000..22_000;
/// By when everything has to be settled when all was mended.
const SETTLED_BY: u64 = 900_000;

/// What a seed decides.
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
    pub(crate) is_loud: bool,
    /// Where the hosts keep their files; its own for each simulation.
    pub(crate) folder: PathBuf,
}

/// How it went.
pub(crate) struct Ended {
    pub(crate) book: Arc<Book>,
    pub(crate) seconds: f64,
}

/// What the hosts share with the simulation.
struct World {
    seed: u64,
    sabotage: Sabotage,
    folder: PathBuf,
    book: Arc<Book>,
    system: Arc<System>,
    clocks: [HostClock; HOSTS.len()],
    is_calm: Arc<AtomicBool>,
}

impl World {
    /// Chance for one purpose.
    fn dice(&self, purpose: u64) -> Dice {
        Dice::new(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(purpose))
    }

    fn runtime(&self, host: usize) -> Runtime {
        let clock = self.clocks.get(host).cloned().unwrap_or_default();
        Runtime { clock: Arc::new(clock), stop: CancellationToken::new(), network: network() }
    }

    /// A database of one connection: that is what a URL says in which `:memory:` stands, also where it names a file.
    fn database(&self, name: &str) -> String {
        format!("sqlite://{}/{name}.db", self.folder.join(":memory:").display())
    }
}

type Software = Result<(), Box<dyn std::error::Error>>;

/// Runs a service on its host until the host crashes.
async fn serve(
    world: Arc<World>,
    host: usize,
    life: u64,
    assemble: impl AsyncFnOnce(&World, Runtime) -> anyhow::Result<Server>,
) -> Software {
    let disk = Disk::new(world.dice(100 + 1_000 * life + host as u64));
    tokio::spawn(lockstep::gatekeeper(host, disk));
    let runtime = world.runtime(host);
    let stop = runtime.stop.clone();
    let server = lockstep::starting(host, assemble(&world, runtime)).await?;
    server.serve(arrivals(PORT).await?, stop).await?;
    Err(anyhow!("the service ended by itself").into())
}

fn url(host: &str) -> String {
    format!("http://{host}:{PORT}")
}

/// A host whose lives are counted: chance differs from one to the next.
fn host<A>(sim: &mut Sim<'_>, world: &Arc<World>, number: usize, assemble: A)
where
    A: AsyncFn(&World, Runtime) -> anyhow::Result<Server> + Clone + 'static,
{
    let (world, lives) = (Arc::clone(world), std::cell::Cell::new(0));
    sim.host(name(number), move || {
        lives.set(lives.get() + 1);
        let assemble = assemble.clone();
        serve(Arc::clone(&world), number, lives.get(), async move |world: &World, runtime| {
            assemble(world, runtime).await
        })
    });
}

async fn fulfillment(world: &World, runtime: Runtime) -> anyhow::Result<Server> {
    let config = provost_fulfillment::Config {
        database_url: world.database("fulfillment").into(),
        review: url("review").into(),
        lease_seconds: 5,
        ..Default::default()
    };
    provost_fulfillment::assemble(config, runtime, Server::default()).await
}

async fn review(world: &World, runtime: Runtime) -> anyhow::Result<Server> {
    let config = provost_review::Config { database_url: world.database("review").into(), ..Default::default() };
    provost_review::assemble(config, runtime, Server::default()).await
}

async fn agent(world: &World, runtime: Runtime, name: &str) -> anyhow::Result<Server> {
    let package = Arc::new(Way { system: Arc::clone(&world.system), sabotage: world.sabotage });
    let concurrency = 1 + u32::try_from(world.dice(7).place(4)).unwrap_or_default();
    let mut connections = Connections::default();
    connections.add(Connection { name: CONNECTION.into(), package_name: "simulated", concurrency, package });
    let config = provost_agent::Config {
        agent_id: name.to_owned(),
        fulfillment: url("wire").into(),
        // Nobody asks for exports here.
        order_generator: url("wire").into(),
        journal: format!("{name}.db").into(),
        folder: world.folder.clone(),
        ..Default::default()
    };
    provost_agent::assemble_with(config, connections, runtime, Server::default()).await
}

async fn wire(world: Arc<World>) -> Software {
    let ledger = DispatchServiceClient::new(network().to(&url("fulfillment"))?);
    let wire = Wire {
        ledger,
        book: Arc::clone(&world.book),
        dice: Arc::new(Mutex::new(world.dice(1))),
        sabotage: world.sabotage,
        is_calm: Arc::clone(&world.is_calm),
    };
    let mut server = Server::default();
    server.add(DispatchServiceServer::new(wire));
    server.serve(arrivals(PORT).await?, CancellationToken::new()).await?;
    Ok(())
}

async fn people(world: Arc<World>) -> Software {
    let people = People {
        orders: OrderServiceClient::new(network().to(&url("fulfillment"))?),
        reviews: ReviewServiceClient::new(network().to(&url("review"))?),
        book: Arc::clone(&world.book),
        system: Arc::clone(&world.system),
        clock: HostClock::default(),
        sabotage: world.sabotage,
        is_calm: Arc::clone(&world.is_calm),
    };
    let mut dice = world.dice(2);
    let lanes = 3 + dice.place(5);
    people.live(dice, lanes).await;
    Ok(())
}

/// Runs one simulation to its end.
pub(crate) fn run(setting: &Setting) -> Ended {
    lockstep::begin();
    let book = Arc::new(Book::new(setting.is_loud));
    let ended = |seconds| Ended { book: Arc::clone(&book), seconds };
    if let Err(error) = std::fs::create_dir_all(setting.folder.join(":memory:")) {
        book.wrong(format!("{} cannot be created: {error}", setting.folder.display()));
        return ended(0.0);
    }
    let mut world = World {
        seed: setting.seed,
        sabotage: setting.sabotage,
        folder: setting.folder.clone(),
        book: Arc::clone(&book),
        system: Arc::new(System::new(Arc::clone(&book), Dice::new(0))),
        clocks: Default::default(),
        is_calm: Arc::default(),
    };
    world.system = Arc::new(System::new(Arc::clone(&book), world.dice(3)));
    let world = Arc::new(world);
    let mut sim = turmoil::Builder::new()
        .rng_seed(setting.seed)
        .tick_duration(STEP)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(60))
        .simulation_duration(Duration::from_secs(86_400))
        .enable_random_order()
        .build();
    for number in 0..HOSTS.len() {
        host(&mut sim, &world, number, async move |world: &World, runtime| match name(number) {
            "fulfillment" => fulfillment(world, runtime).await,
            "review" => review(world, runtime).await,
            name => agent(world, runtime, name).await,
        });
    }
    let shared = Arc::clone(&world);
    sim.host("wire", move || wire(Arc::clone(&shared)));
    sim.client("people", people(Arc::clone(&world)));
    let mut faults = Faults::new(Arc::clone(&world));
    loop {
        let is_over = match sim.step() {
            Ok(is_over) => is_over,
            Err(error) => {
                book.wrong(format!("a host ended: {error}"));
                true
            }
        };
        let now = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        book.set_now(now);
        world.system.work(now);
        if now > faults.end + SETTLED_BY {
            book.wrong(format!("not settled: {} s after all was mended", SETTLED_BY / 1_000));
        }
        if is_over || !book.verdict().is_empty() {
            break;
        }
        faults.step(&mut sim, now);
    }
    let seconds = sim.elapsed().as_secs_f64();
    for (number, name) in HOSTS.into_iter().enumerate() {
        lockstep::crash(number, || sim.crash(name));
    }
    ended(seconds)
}

/// How a fault is mended.
#[derive(Clone, Copy, Debug)]
enum Mend {
    Start(usize),
    /// What was held back is delivered.
    Release(usize),
    Repair(usize),
    /// Messages are lost no more.
    Deliver,
    Cheer,
}

/// What goes wrong, and when it is mended.
struct Faults {
    world: Arc<World>,
    dice: Dice,
    next: u64,
    /// When all is mended.
    end: u64,
    mends: Vec<(u64, Mend)>,
}

impl Faults {
    fn new(world: Arc<World>) -> Self {
        let mut faults = Self { dice: world.dice(4), world, next: 500, end: 0, mends: vec![] };
        faults.end = faults.millis(TROUBLE);
        faults
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> u64 {
        u64::try_from(self.dice.millis(range).as_millis()).unwrap_or_default()
    }

    fn step(&mut self, sim: &mut Sim<'_>, now: u64) {
        let (due, later): (Vec<_>, Vec<_>) = self.mends.iter().partition(|(at, _)| *at <= now || now >= self.end);
        self.mends = later;
        due.into_iter().for_each(|(_, mend)| self.mend(sim, mend));
        if now >= self.end {
            if !self.world.is_calm.swap(true, Ordering::SeqCst) {
                self.world.system.set(Mood::Calm);
                self.world.book.note(format_args!("all is mended"));
            }
        } else if now >= self.next {
            self.next = now + self.millis(200..2_500);
            self.one(sim, now);
        }
    }

    fn mend(&mut self, sim: &mut Sim<'_>, mend: Mend) {
        self.world.book.note(format_args!("mended: {mend:?}"));
        match mend {
            Mend::Start(host) => sim.bounce(name(host)),
            Mend::Release(link) => {
                let (a, b) = ends(link);
                sim.release(a, b);
            }
            Mend::Repair(link) => {
                let (a, b) = ends(link);
                sim.repair(a, b);
            }
            Mend::Deliver => sim.set_fail_rate(0.0),
            Mend::Cheer => self.world.system.set(Mood::Usual),
        }
    }

    fn is_free(&self, link: usize) -> bool {
        !self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Release(of) | Mend::Repair(of) if *of == link))
    }

    fn one(&mut self, sim: &mut Sim<'_>, now: u64) {
        let (host, link) = (self.dice.place(HOSTS.len()), self.dice.place(LINKS.len()));
        let ((a, b), host_name) = (ends(link), name(host));
        let (fault, mend) = match self.dice.place(100) {
            0..30 if sim.is_host_running(host_name) => {
                lockstep::crash(host, || sim.crash(host_name));
                (format!("crash of {host_name}"), Some((self.millis(0..4_000), Mend::Start(host))))
            }
            30..45 if self.is_free(link) => {
                sim.partition(a, b);
                (format!("partition of {a} and {b}"), Some((self.millis(300..12_000), Mend::Repair(link))))
            }
            45..52 if self.is_free(link) => {
                let (from, to) = if self.dice.percent(50) { (a, b) } else { (b, a) };
                sim.partition_oneway(from, to);
                let mend = Some((self.millis(300..8_000), Mend::Repair(link)));
                (format!("nothing arrives from {from} at {to}"), mend)
            }
            52..64 if self.is_free(link) => {
                sim.hold(a, b);
                (format!("messages between {a} and {b} are held"), Some((self.millis(200..9_000), Mend::Release(link))))
            }
            64..70 => {
                sim.set_fail_rate(0.02);
                ("messages are lost".to_owned(), Some((self.millis(500..3_000), Mend::Deliver)))
            }
            70..82 => {
                let by = i64::try_from(self.millis(0..240_000)).unwrap_or_default() - 120_000;
                // Most clocks are off by a little.
                let by = if self.dice.percent(60) { by / 30 } else { by };
                if let Some(clock) = self.world.clocks.get(host) {
                    clock.set_off(by);
                }
                (format!("the clock of {host_name} is off by {by} ms"), None)
            }
            place => {
                let moods = [Mood::Down, Mood::Throttling, Mood::Slow, Mood::Losing];
                let mood = moods.get(place % moods.len()).copied().unwrap_or(Mood::Down);
                self.world.system.set(mood);
                (format!("the system is {mood:?}"), Some((self.millis(500..6_000), Mend::Cheer)))
            }
        };
        self.world.book.note(format_args!("fault: {fault}"));
        self.world.book.count("faults");
        self.mends.extend(mend.map(|(after, mend)| (now + after, mend)));
    }
}

/// Removes what a simulation left.
pub(crate) fn clear(folder: &Path) {
    // It may not be there.
    let _ = std::fs::remove_dir_all(folder);
}
