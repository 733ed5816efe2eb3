//! Databases in step with the simulation: a statement takes the virtual time that the seed gives it, and its answer
//! arrives at the same place of every replay.
//!
//! SQLite's driver runs each connection on a thread of its own, which would race with the simulated clock (an idle
//! runtime jumps to its next timer) and with the runtime's queues. So such a thread is let go only while the thread of
//! the simulation stands still: it stops at a gate before each command, and a [`gatekeeper`] on the host, woken when a
//! command is sent, waits as long as the disk takes, opens the gate, and looks on until the thread sleeps again.
//!
//! Where a command is sent and taken is told by the span that the driver sends along with it: it asks the subscriber
//! for the current one on the host's thread, and enters it on its own. That a thread sleeps is told by the kernel: one
//! that was sent something does not count as asleep from that moment on. Services and driver know nothing of this.
//!
//! The rules that must hold: at most one connection of a host is at work at a time (each database has one), and never
//! beside the simulation; a host that crashes takes along the commands that were sent and not begun.

use crate::dice::Dice;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::runtime::{Handle, Id as RuntimeId};
use tokio::sync::Notify;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::callsite::Callsite;
use tracing_core::subscriber::Interest;
use tracing_core::{Kind, Level, LevelFilter, span::Current};

/// The most hosts that have a database.
const HOSTS: usize = 8;
/// The span of a host is its number on top of this; a subscriber does not get so far by counting.
const SPANS: u64 = 1 << 60;

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const GONE: u8 = 2;

/// The hosts whose databases start: nothing takes any time there.
static STARTS: [AtomicBool; HOSTS] = [const { AtomicBool::new(false) }; HOSTS];
/// The hosts that are being killed.
static DEAD: [AtomicBool; HOSTS] = [const { AtomicBool::new(false) }; HOSTS];
static GATES: Mutex<Vec<Arc<Gate>>> = Mutex::new(Vec::new());

thread_local! {
    /// Set on the thread of the simulation alone.
    static SIMULATION: Cell<bool> = const { Cell::new(false) };
    /// The host whose crash is under way.
    static CRASHING: Cell<Option<usize>> = const { Cell::new(None) };
    /// The hosts by their runtimes, and what wakes their gatekeepers.
    static RUNTIMES: RefCell<HashMap<RuntimeId, (usize, Arc<Notify>)>> = RefCell::default();
    /// The gate of this thread, if it is a connection's.
    static OWN: RefCell<Option<Arc<Gate>>> = const { RefCell::new(None) };
}

/// Where the thread of a connection stops.
struct Gate {
    host: usize,
    thread: Thread,
    /// What the kernel tells of the thread.
    kernel: File,
    waits: AtomicBool,
    verdict: AtomicU8,
}

fn gates() -> MutexGuard<'static, Vec<Arc<Gate>>> {
    GATES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_host(host: usize) -> Vec<Arc<Gate>> {
    gates().iter().filter(|gate| gate.host == host).cloned().collect()
}

fn flag(flags: &[AtomicBool; HOSTS], host: usize) -> &AtomicBool {
    flags.get(host).unwrap_or_else(|| unreachable!("there are fewer than {HOSTS} hosts with a database"))
}

impl Gate {
    /// The gate of this thread.
    fn own(host: usize) -> Arc<Self> {
        OWN.with_borrow_mut(|own| {
            let new = || {
                let gate = Arc::new(Self {
                    host,
                    thread: thread::current(),
                    kernel: File::open("/proc/thread-self/stat").unwrap_or_else(|error| unknown(&error)),
                    waits: AtomicBool::new(false),
                    verdict: AtomicU8::new(CLOSED),
                });
                gates().push(Arc::clone(&gate));
                gate
            };
            Arc::clone(own.get_or_insert_with(new))
        })
    }

    /// Waits until the gate is opened. A thread whose host is dead ends here, as by SIGKILL.
    fn pass(&self) {
        if flag(&DEAD, self.host).load(Ordering::SeqCst) {
            end();
        }
        self.verdict.store(CLOSED, Ordering::SeqCst);
        self.waits.store(true, Ordering::SeqCst);
        loop {
            match self.verdict.load(Ordering::SeqCst) {
                CLOSED => thread::park(),
                OPEN => return,
                _ => end(),
            }
        }
    }

    /// Lets the thread go on if it waits here. Whether it did.
    fn open(&self, verdict: u8) -> bool {
        let waits = self.waits.swap(false, Ordering::SeqCst);
        if waits {
            self.verdict.store(verdict, Ordering::SeqCst);
            self.thread.unpark();
        }
        waits
    }

    fn is_gone(&self) -> bool {
        matches!(state(&self.kernel), None | Some(b'Z' | b'X' | b'x'))
    }

    /// Until the thread sleeps: at the gate, or because it has nothing to do.
    fn rest(&self) {
        while !matches!(state(&self.kernel), None | Some(b'S' | b'Z' | b'X' | b'x')) {
            thread::yield_now();
        }
    }
}

/// Ends this thread without a word.
fn end() -> ! {
    std::panic::resume_unwind(Box::new("its host is dead"))
}

#[expect(clippy::panic, reason = "without /proc there is nothing to go by; the simulation runs on Linux")]
fn unknown(error: &io::Error) -> ! {
    panic!("the kernel does not tell of threads: {error}; the simulation needs Linux's /proc")
}

/// What a thread does: S for sleeping, R for running, and so on. None when it is gone.
fn state(kernel: &File) -> Option<u8> {
    let mut text = [0; 128];
    let read = kernel.read_at(&mut text, 0).ok().filter(|read| *read > 0)?;
    let text = text.get(..read)?;
    // The name stands in brackets and may hold anything.
    let after = text.iter().rposition(|byte| *byte == b')')?;
    text.get(after + 2).copied()
}

/// Opens the gates of a host until all of its connections have done what they were sent.
fn settle(host: usize) {
    for gate in of_host(host) {
        loop {
            gate.rest();
            if !gate.open(OPEN) {
                break;
            }
        }
    }
}

/// Says that this is the thread of the simulation.
pub(crate) fn begin() {
    SIMULATION.set(true);
}

/// Opens the gate of a host's database whenever something was sent to it; for as long as the host lives.
pub(crate) fn gatekeeper(host: usize, mut disk: Disk) -> impl Future<Output = ()> + Send {
    let bell = Arc::new(Notify::new());
    RUNTIMES.with_borrow_mut(|runtimes| runtimes.insert(Handle::current().id(), (host, Arc::clone(&bell))));
    async move {
        loop {
            bell.notified().await;
            let gates = of_host(host);
            gates.iter().for_each(|gate| gate.rest());
            if !gates.iter().any(|gate| gate.waits.load(Ordering::SeqCst)) {
                // The span was asked for by somebody else.
                continue;
            }
            let takes = disk.takes();
            if !takes.is_zero() && !flag(&STARTS, host).load(Ordering::SeqCst) {
                tokio::time::sleep(takes).await;
            }
            settle(host);
        }
    }
}

/// How long a disk takes.
pub(crate) struct Disk(Dice);

impl Disk {
    pub(crate) fn new(dice: Dice) -> Self {
        Self(dice)
    }

    fn takes(&mut self) -> Duration {
        match self.0.place(100) {
            0..70 => Duration::ZERO,
            70..95 => self.0.millis(1..4),
            95..99 => self.0.millis(4..60),
            _ => self.0.millis(60..400),
        }
    }
}

/// Starts something of a host that opens databases, without virtual time passing: connections are opened by threads
/// that are behind no gate yet.
pub(crate) async fn starting<F: Future>(host: usize, start: F) -> F::Output {
    struct Starting<'a, F>(usize, Pin<&'a mut F>);

    impl<F: Future> Future for Starting<'_, F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            let host = self.0;
            let polled = self.1.as_mut().poll(context);
            others_rest();
            settle(host);
            if polled.is_pending() {
                context.waker().wake_by_ref();
            } else {
                flag(&STARTS, host).store(false, Ordering::SeqCst);
            }
            polled
        }
    }

    flag(&STARTS, host).store(true, Ordering::SeqCst);
    Starting(host, pin!(start)).await
}

/// Until every other thread of the process sleeps.
fn others_rest() {
    let own = std::fs::read_link("/proc/thread-self").unwrap_or_else(|error| unknown(&error));
    let own = own.file_name().map(ToOwned::to_owned);
    let tasks = || std::fs::read_dir(Path::new("/proc/self/task")).unwrap_or_else(|error| unknown(&error));
    let is_busy = |task: io::Result<std::fs::DirEntry>| {
        let Ok(task) = task else { return true };
        Some(task.file_name()) != own
            && File::open(task.path().join("stat"))
                .is_ok_and(|kernel| !matches!(state(&kernel), None | Some(b'S' | b'Z' | b'X' | b'x')))
    };
    while tasks().any(is_busy) {
        thread::yield_now();
    }
}

/// Kills a host's connections around `crash`, which takes its runtime down: what was sent and not begun is lost, what
/// is open is rolled back.
pub(crate) fn crash(host: usize, crash: impl FnOnce()) {
    flag(&DEAD, host).store(true, Ordering::SeqCst);
    CRASHING.set(Some(host));
    crash();
    CRASHING.set(None);
    for gate in of_host(host) {
        while !gate.is_gone() {
            gate.open(GONE);
            thread::yield_now();
        }
    }
    gates().retain(|gate| gate.host != host);
    flag(&DEAD, host).store(false, Ordering::SeqCst);
    RUNTIMES.with_borrow_mut(|runtimes| runtimes.retain(|_, (of, _)| *of != host));
}

/// Sees commands come and go; everything else is told to another subscriber, if there is one.
pub(crate) struct Spans(pub(crate) Option<Box<dyn Subscriber + Send + Sync>>);

/// What the spans of hosts are made from.
struct Site;

static SITE: Site = Site;
static METADATA: Metadata<'static> = tracing_core::metadata! {
    name: "host",
    target: "sim",
    level: Level::TRACE,
    fields: &[],
    callsite: &SITE,
    kind: Kind::SPAN
};

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

fn host_of(span: &Id) -> Option<usize> {
    span.into_u64().checked_sub(SPANS).and_then(|host| usize::try_from(host).ok())
}

/// The host that runs on this thread now; its gatekeeper is told.
fn sender() -> Option<usize> {
    let running = || {
        let id = Handle::try_current().ok()?.id();
        RUNTIMES.with(|runtimes| {
            let runtimes = runtimes.try_borrow().ok()?;
            let (host, bell) = runtimes.get(&id)?;
            bell.notify_one();
            Some(*host)
        })
    };
    CRASHING.get().or_else(running)
}

impl Subscriber for Spans {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.as_ref().map_or_else(Interest::never, |inner| inner.register_callsite(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.as_ref().map_or(Some(LevelFilter::OFF), |inner| inner.max_level_hint())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.enabled(metadata))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.as_ref().map_or_else(|| Id::from_u64(1), |inner| inner.new_span(span))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let (Some(inner), None) = (&self.0, host_of(span)) {
            inner.record(span, values);
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if let (Some(inner), None, None) = (&self.0, host_of(span), host_of(follows)) {
            inner.record_follows_from(span, follows);
        }
    }

    fn event(&self, event: &Event<'_>) {
        if let Some(inner) = &self.0 {
            inner.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        match (host_of(span), &self.0) {
            (Some(host), _) if !SIMULATION.get() => Gate::own(host).pass(),
            (Some(_), _) | (None, None) => {}
            (None, Some(inner)) => inner.enter(span),
        }
    }

    fn exit(&self, span: &Id) {
        if let (Some(inner), None) = (&self.0, host_of(span)) {
            inner.exit(span);
        }
    }

    fn clone_span(&self, span: &Id) -> Id {
        match (&self.0, host_of(span)) {
            (Some(inner), None) => inner.clone_span(span),
            _ => span.clone(),
        }
    }

    fn try_close(&self, span: Id) -> bool {
        match (&self.0, host_of(&span)) {
            (Some(inner), None) => inner.try_close(span),
            _ => false,
        }
    }

    fn current_span(&self) -> Current {
        match SIMULATION.get().then(sender).flatten() {
            Some(host) => Current::new(Id::from_u64(SPANS + host as u64), &METADATA),
            None => Current::none(),
        }
    }
}
