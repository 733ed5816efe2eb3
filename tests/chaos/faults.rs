//! What goes wrong, one after the other, and how it is mended again.

use crate::dice::Dice;
use crate::suite::{ISLANDER, Suite};
use provost_testkit::Loss;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The kinds of faults, and how often each comes among a hundred.
const KINDS: [(Fault, u32); 12] = [
    (Fault::AnswerCut, 22),
    (Fault::AnswerNeverComes, 6),
    (Fault::Kill("agent-1"), 8),
    (Fault::Kill("agent-2"), 8),
    (Fault::Kill("fulfillment-1"), 8),
    (Fault::Kill("fulfillment-2"), 8),
    (Fault::Kill("review"), 5),
    (Fault::Kill("order-generator"), 7),
    (Fault::Partition, 8),
    (Fault::DatabaseCrashes, 7),
    (Fault::DirectoryStops, 6),
    (Fault::DiskIsFull, 7),
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// An answer of the directory is lost, and the connection ends.
    AnswerCut,
    /// An answer of the directory is lost, and the connection stays.
    AnswerNeverComes,
    Kill(&'static str),
    /// An agent is cut off from the services and from the directory; what is on its way is lost, and nobody is told.
    Partition,
    DatabaseCrashes,
    /// Answers to what it was asked are lost, and it is gone for a while.
    DirectoryStops,
    /// An agent cannot write its journal for a while.
    DiskIsFull,
}

impl Fault {
    fn told(self, suite: &Suite) -> String {
        match self {
            Self::Partition => format!("{ISLANDER} cut off from everybody ({})", suite.island.how()),
            Self::AnswerCut => "directory's answer cut off after the request was sent".to_owned(),
            Self::AnswerNeverComes => "directory's answer never came".to_owned(),
            Self::Kill(name) => format!("kill -9 of {name}"),
            Self::DatabaseCrashes => "PostgreSQL crashed and restarted".to_owned(),
            Self::DirectoryStops => "slapd stopped, its last answers lost".to_owned(),
            Self::DiskIsFull => "disk full at an agent".to_owned(),
        }
    }
}

pub(crate) struct Faults {
    suite: Arc<Suite>,
    dice: Dice,
    verbose: bool,
}

impl Faults {
    pub(crate) fn new(suite: Arc<Suite>, dice: Dice, verbose: bool) -> Self {
        Self { suite, dice, verbose }
    }

    /// Makes things go wrong for so long; each is mended before this returns. How often each kind came.
    pub(crate) async fn inject(mut self, time: Duration) -> BTreeMap<String, usize> {
        let (mut injected, end) = (BTreeMap::new(), Instant::now() + time);
        // Each kind once, and then as it comes.
        let mut first: Vec<Fault> = KINDS.iter().map(|(fault, _)| *fault).collect();
        while Instant::now() < end || !first.is_empty() {
            sleep(self.dice.millis(100..700)).await;
            let fault = if first.is_empty() { self.choose() } else { first.swap_remove(self.dice.place(first.len())) };
            if self.verbose {
                println!(
                    "{:>8.1} s left: {}",
                    end.saturating_duration_since(Instant::now()).as_secs_f64(),
                    fault.told(&self.suite)
                );
            }
            self.one(fault).await;
            *injected.entry(fault.told(&self.suite)).or_default() += 1;
        }
        injected
    }

    fn choose(&mut self) -> Fault {
        let mut place = u32::try_from(self.dice.place(100)).unwrap_or_default();
        for (fault, chance) in KINDS {
            if place < chance {
                return fault;
            }
            place -= chance;
        }
        Fault::AnswerCut
    }

    async fn one(&mut self, fault: Fault) {
        let suite = Arc::clone(&self.suite);
        match fault {
            Fault::AnswerCut => self.lose_answer(Loss::Cut).await,
            Fault::AnswerNeverComes => self.lose_answer(Loss::Silence).await,
            Fault::Kill(name) => {
                suite.process(name).kill9().await;
                sleep(self.dice.millis(0..1_500)).await;
                suite.process(name).restart().await;
            }
            Fault::Partition => {
                suite.island.cut(true);
                // Sometimes longer than a lease, so that the other agent goes on with what this one holds.
                sleep(self.dice.millis(500..8_000)).await;
                suite.island.cut(false);
            }
            Fault::DatabaseCrashes => {
                suite.postgres.crash().await;
                sleep(self.dice.millis(0..1_500)).await;
                suite.postgres.restart().await;
            }
            Fault::DirectoryStops => {
                suite.proxy.close().await;
                suite.slapd.stop().await;
                sleep(self.dice.millis(0..2_500)).await;
                suite.slapd.restart().await;
                suite.proxy.open();
            }
            // The limit on files that stands for it can be set from outside on Linux only.
            Fault::DiskIsFull if cfg!(not(target_os = "linux")) => {}
            Fault::DiskIsFull => {
                let agent = suite.process(if self.dice.percent(50) { "agent-1" } else { "agent-2" });
                agent.fill_disk(true).await;
                sleep(self.dice.millis(1_000..4_000)).await;
                // Some die of it, so to speak: what they held in hand is gone then.
                if self.dice.percent(30) {
                    agent.kill9().await;
                    agent.restart().await;
                }
                agent.fill_disk(false).await;
            }
        }
    }

    /// The next request that writes something loses its answer: all of them name an entry below the suffix, but looks
    /// do so too, so the bytes are those of what is written.
    async fn lose_answer(&mut self, loss: Loss) {
        let bytes: &[u8] = match self.dice.place(4) {
            0 => b"member",
            1 => b"title",
            2 => b"inetOrgPerson",
            _ => b"",
        };
        self.suite.proxy.lose_answer_to(bytes, loss);
        sleep(self.dice.millis(0..400)).await;
    }
}
