//! Random lives of many orders: whatever happens, in whatever sequence, lanes keep their order and
//! in the end everything settles. A failure names its seed.

use crate::world::{World, executed, failed, handed_over, ids, on_each_engine, order};
use provost_contract::fulfillment::v1::{ConfirmOrdersRequest, LeasedOrder, ManualDecision, OrderFilter};
use provost_contract::types::v1::{FailureClass, OrderRecord, ProvisioningState as State};
use std::collections::{HashMap, HashSet};

/// Numbers that depend on the seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn holds(record: &OrderRecord) -> bool {
    matches!(record.state(), State::Pending | State::Transmitted | State::Errored | State::AwaitingApproval)
}

/// In each lane: the oldest order that holds it waits for nobody, each other one for the one before
/// it, and only the oldest may be with an agent.
async fn check(world: &World, seed: u64) {
    let mut lanes: HashMap<String, Vec<OrderRecord>> = HashMap::new();
    for record in world.list(OrderFilter::default()).await {
        lanes.entry(record.order.as_ref().unwrap().target_key.clone()).or_default().push(record);
    }
    for (lane, records) in lanes {
        let mut before: Vec<String> = Vec::new();
        for record in records.iter().filter(|record| holds(record)) {
            assert_eq!(record.waits_for, before, "{} seed {seed} lane {lane}: {record:?}", world.engine);
            assert!(before.is_empty() || record.lease.is_none(), "seed {seed} lane {lane}: {record:?}");
            before = vec![record.order.as_ref().unwrap().order_id.clone()];
        }
    }
}

async fn step(world: &World, dice: &mut Dice, held: &mut Vec<LeasedOrder>, attempts: &mut HashSet<(String, i32)>) {
    let lane = format!("lane-{}", dice.roll(3));
    match dice.roll(9) {
        0 | 1 => {
            let titles = (0..=dice.roll(2)).map(|_| order(&lane, &format!("title-{}", dice.roll(4))));
            world.submit(titles.collect()).await;
        }
        2 | 3 => {
            let leased = world.pull_as(&format!("agent-{}", dice.roll(2)), 1 + dice.roll(2) as i32).await;
            for (id, leased) in ids(&leased).into_iter().zip(&leased) {
                assert!(attempts.insert((id, leased.attempt)), "an attempt number is given once");
            }
            held.extend(leased);
        }
        4 | 5 if !held.is_empty() => {
            // Any of them, also one that was lost or reported before.
            let leased = &held[dice.roll(held.len() as u64) as usize];
            let (id, attempt) = (&ids(std::slice::from_ref(leased))[0], leased.attempt);
            let report = match dice.roll(5) {
                0 | 1 => executed(id, attempt),
                2 => failed(id, attempt, FailureClass::Transport),
                3 => failed(id, attempt, FailureClass::Refused),
                _ => handed_over(id, attempt),
            };
            world.report(vec![report.clone(), report]).await;
        }
        6 => world.pass([1, 5, 61][dice.roll(3) as usize]),
        kind => {
            let records = world.list(OrderFilter::default()).await;
            let Some(record) = records.get(dice.roll(records.len().max(1) as u64) as usize) else { return };
            let id = record.order.as_ref().unwrap().order_id.as_str();
            match kind {
                7 => world.cancel(&[id]).await,
                _ => world.unblock(&[id]).await,
            };
        }
    }
}

/// Agents and people do their work until nothing is left to do.
async fn settle(world: &World, seed: u64) {
    for _ in 0..50 {
        world.pass(61);
        let leased = world.pull().await;
        let reports = ids(&leased).into_iter().zip(&leased).map(|(id, leased)| executed(&id, leased.attempt));
        world.report(reports.collect()).await;
        let records = world.list(OrderFilter::default()).await;
        let named = |state: State| {
            let of = records.iter().filter(move |record| record.state() == state);
            of.map(|record| record.order.as_ref().unwrap().order_id.clone()).collect::<Vec<_>>()
        };
        let decisions = named(State::Transmitted);
        let decisions = decisions.into_iter().map(|order_id| ManualDecision { order_id, version: 0 }).collect();
        let request = ConfirmOrdersRequest { decisions, comment: String::new() };
        world.manual().confirm_orders(request).await.unwrap();
        let errored = named(State::Errored);
        world.unblock(&errored.iter().map(String::as_str).collect::<Vec<_>>()).await;
        if records.iter().all(|record| !holds(record)) {
            return;
        }
    }
    panic!("{} seed {seed}: not everything settled", world.engine);
}

#[tokio::test]
async fn lanes_keep_their_order_and_everything_settles() {
    for seed in [0x9e37_79b9_7f4a_7c15, 77] {
        on_each_engine(async |world| {
            let (mut dice, mut held, mut attempts) = (Dice(seed), Vec::new(), HashSet::new());
            for _ in 0..100 {
                step(world, &mut dice, &mut held, &mut attempts).await;
                check(world, seed).await;
            }
            settle(world, seed).await;
            check(world, seed).await;
        })
        .await;
    }
}
