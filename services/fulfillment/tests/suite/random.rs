//! Random lives of many orders: whatever happens, in whatever sequence, lanes keep their order and
//! in the end everything settles. A failure names its seed.

use crate::world::{START, World, executed, failed, handed_over, ids, on_each_engine, order, reviewed};
use provost_contract::fulfillment::v1::{ConfirmOrdersRequest, LeasedOrder, ManualDecision, OrderFilter};
use provost_contract::review::v1::Verdict;
use provost_contract::types::v1::{FailureClass, Order, OrderRecord, ProvisioningState as State, RuleFailure};
use provost_testkit::eventually;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

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
/// it, and only the oldest may be with an agent. Whatever an order waits for beside that is open.
async fn check(world: &World, seed: u64) {
    let (mut lanes, mut open): (HashMap<String, Vec<OrderRecord>>, HashSet<String>) = Default::default();
    for record in world.list(OrderFilter::default()).await {
        let order = record.order.as_ref().unwrap();
        open.extend(holds(&record).then(|| order.order_id.clone()));
        lanes.entry(order.target_key.clone()).or_default().push(record);
    }
    for (lane, records) in lanes {
        let own: HashSet<_> = records.iter().map(|record| record.order.as_ref().unwrap().order_id.clone()).collect();
        let mut before: Vec<String> = Vec::new();
        for record in records.iter().filter(|record| holds(record)) {
            let (in_lane, elsewhere): (Vec<_>, Vec<_>) =
                record.waits_for.iter().cloned().partition(|id| own.contains(id));
            assert_eq!(in_lane, before, "{} seed {seed} lane {lane}: {record:?}", world.engine);
            assert!(elsewhere.iter().all(|id| open.contains(id)), "{} seed {seed}: {record:?}", world.engine);
            assert!(record.waits_for.is_empty() || record.lease.is_none(), "seed {seed} lane {lane}: {record:?}");
            before = vec![record.order.as_ref().unwrap().order_id.clone()];
        }
    }
}

/// An order that may need review, and may depend on another.
async fn any_order(world: &World, dice: &mut Dice, lane: &str) -> Order {
    let title = format!("title-{}", dice.roll(4));
    let mut order = if dice.roll(4) == 0 { reviewed(lane, &title) } else { order(lane, &title) };
    match dice.roll(12) {
        0 => order.expired = true,
        1 => order.rule_failure = Some(RuleFailure { rule: "r".into(), message: "m".into(), ..Default::default() }),
        _ => {}
    }
    if dice.roll(3) == 0 {
        let records = world.list(OrderFilter::default()).await;
        let on = records.get(dice.roll(records.len().max(1) as u64) as usize);
        order.depends_on.extend(on.map(|record| record.order.as_ref().unwrap().order_id.clone()));
    }
    order
}

/// Decides on what waits for review, and waits until the ledger has heard.
async fn review_all(world: &World, mut verdict: impl FnMut() -> Verdict) {
    let waiting = OrderFilter { states: vec![State::AwaitingApproval.into()], ..Default::default() };
    let mut asked = Vec::new();
    for record in world.list(waiting).await {
        let (id, said) = (record.order.unwrap().order_id, verdict());
        world.review.decide(&id, said);
        asked.push((id, said));
    }
    eventually("the decisions to be heard", Duration::from_secs(20), async || {
        for (id, said) in &asked {
            // What was postponed may end all the same, with what it depends on.
            if *said != Verdict::Postpone && world.state(id).await == State::AwaitingApproval {
                return Err(format!("{id} is not decided"));
            }
        }
        Ok(())
    })
    .await;
}

async fn step(world: &World, dice: &mut Dice, held: &mut Vec<LeasedOrder>, attempts: &mut HashSet<(String, i32)>) {
    let lane = format!("lane-{}", dice.roll(3));
    match dice.roll(11) {
        0 | 1 => {
            let mut orders = Vec::new();
            for _ in 0..=dice.roll(2) {
                orders.push(any_order(world, dice, &lane).await);
            }
            world.submit(orders).await;
        }
        9 => {
            let verdicts = [Verdict::Approve, Verdict::Decline, Verdict::Postpone];
            review_all(world, || verdicts[dice.roll(3) as usize]).await;
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
                7 => drop(world.cancel(&[id]).await),
                8 => drop(world.unblock(&[id]).await),
                _ => drop(world.verify(id, START.plus(Duration::from_secs(1))).await),
            }
        }
    }
}

/// Agents and people do their work until nothing is left to do.
async fn settle(world: &World, seed: u64) {
    for _ in 0..50 {
        world.pass(61);
        review_all(world, || Verdict::Approve).await;
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
    for seed in [0x9e37_79b9_7f4a_7c15, 77, 4_711] {
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
