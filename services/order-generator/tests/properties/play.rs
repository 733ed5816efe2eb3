//! Two order generators live through what a seed says. One computes everybody, the other whom something concerns,
//! and reads the same catalogs and rows in another order; after each step all properties have to hold.

use crate::asked::Asked;
use crate::support::random::Dice;
use crate::support::random::catalogs::{Catalog, Shuffled};
use crate::support::random::{organisation, people, systems};
use crate::support::side::Side;
use provost_contract::generator::v1::*;
use provost_contract::to_wire;
use provost_contract::types::v1::Order as WireOrder;
use provost_domain::{Order, Timestamp};
use provost_testkit::Engine;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is played.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    /// The steps, by number. What happens in one does not depend on which others there are.
    pub steps: Vec<usize>,
    /// The second side computes whom something concerns, and not everybody.
    pub incremental: bool,
    /// The second side reads everything in another order.
    pub shuffled: Option<Shuffled>,
}

/// A property that does not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    pub property: &'static str,
    /// After which step.
    pub step: usize,
    pub why: String,
    /// What happened until then.
    pub told: Vec<String>,
}

pub const TWICE: &str = "evaluating twice changes nothing";
pub const SIDES: &str = "incremental equals full, whatever the order of the input";
pub const PLAN: &str = "plan equals what is generated";
pub const ASKED: &str = "no order touches what nobody asked for";
pub const SETTLES: &str = "once everything is written nothing more is ordered";
pub const PLAYS: &str = "the course of things goes on";

/// What came to pass in a case: says that it was about something.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    pub orders: usize,
    pub deletions: usize,
    pub updates: usize,
    pub failures: usize,
    pub associations: usize,
    pub decisions: usize,
    pub catalogs: usize,
    pub plans: usize,
    pub blocked: usize,
}

impl Passed {
    pub fn add(&mut self, other: &Self) {
        let Self { orders, deletions, updates, failures, associations, decisions, catalogs, plans, blocked } = other;
        self.orders += orders;
        self.deletions += deletions;
        self.updates += updates;
        self.failures += failures;
        self.associations += associations;
        self.decisions += decisions;
        self.catalogs += catalogs;
        self.plans += plans;
        self.blocked += blocked;
    }
}

/// How orders are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plainly,
    Not,
    ForceReview,
    WaiveReview,
    ForceThresholds,
    /// The ledger refuses those of one resource type.
    Refused,
    /// Both apply a plan.
    ByPlan,
    /// The first applies a plan, the other generates.
    AgainstPlan,
    /// The other way round.
    PlanAgainst,
}

fn way(dice: &mut Dice) -> Way {
    dice.pick(&[
        Way::Plainly,
        Way::Plainly,
        Way::Plainly,
        Way::Plainly,
        Way::Not,
        Way::ForceReview,
        Way::WaiveReview,
        Way::ForceThresholds,
        Way::Refused,
        Way::ByPlan,
        Way::AgainstPlan,
        Way::PlanAgainst,
    ])
}

/// Both sides, and what is known of them.
struct Play<'a> {
    case: &'a Case,
    sides: [Side; 2],
    /// What the second side is shuffled by.
    other_way: Dice,
    catalog: Catalog,
    asked: Asked,
    /// Whoever was ever there.
    owners: BTreeSet<(&'static str, String)>,
    told: Vec<String>,
    passed: Passed,
    now: Timestamp,
    step: usize,
}

/// Lives through a case.
pub async fn play(case: &Case, engines: [&Engine; 2]) -> Result<Passed, Box<Broken>> {
    let mut dice = Dice::of(case.seed, 0);
    let catalog = Catalog::any(&mut dice);
    let now = Timestamp::parse("2026-03-01T06:00:00Z").unwrap();
    let worlds = [organisation::any(&mut dice.clone(), now), organisation::any(&mut dice, now)];
    let [first, second] = worlds;
    let sides = [Side::start(engines[0], first).await, Side::start(engines[1], second).await];
    let mut play = Play {
        case,
        sides,
        other_way: Dice::of(case.seed, 1),
        catalog,
        asked: Asked::default(),
        owners: BTreeSet::new(),
        told: vec![],
        passed: Passed::default(),
        now,
        step: 0,
    };
    play.tick(Duration::ZERO);
    play.apply().await;
    for step in &case.steps {
        play.step = *step;
        play.step(*step).await?;
    }
    play.settle().await?;
    Ok(play.passed)
}

impl Play<'_> {
    fn sides(&self) -> [&Side; 2] {
        [&self.sides[0], &self.sides[1]]
    }

    /// Time goes by on both sides.
    fn tick(&mut self, by: Duration) {
        self.now = self.now.plus(by);
        self.sides.iter().for_each(|side| side.suite.clock.stop_at(self.now));
    }

    async fn apply(&mut self) {
        self.sides[0].suite.apply(&self.catalog.text(None)).await;
        let other = self.catalog.text(self.case.shuffled.map(|which| (&mut self.other_way, which)));
        self.sides[1].suite.apply(&other).await;
    }

    fn broken(&self, property: &'static str, why: impl Into<String>) -> Box<Broken> {
        Box::new(Broken { property, step: self.step, why: why.into(), told: self.told.clone() })
    }

    /// The same on both sides, line by line.
    fn same<T: std::fmt::Debug + PartialEq>(
        &self,
        property: &'static str,
        what: &str,
        a: &[T],
        b: &[T],
    ) -> Result<(), Box<Broken>> {
        if a == b {
            return Ok(());
        }
        let only = |these: &[T], those: &[T]| {
            let lines = these.iter().filter(|line| !those.contains(line)).take(4);
            lines.map(|line| readable(&format!("{line:?}"))).collect::<Vec<_>>().join("\n    ")
        };
        Err(self.broken(property, format!("{what}\n  first:\n    {}\n  second:\n    {}", only(a, b), only(b, a))))
    }

    async fn step(&mut self, step: usize) -> Result<(), Box<Broken>> {
        let mut dice = Dice::of(self.case.seed, 1_000 + step as u64);
        let mut read: BTreeSet<&'static str> = BTreeSet::new();
        if step == 0 {
            self.told.push("0. all is read for the first time".into());
            read.extend(["app", "hr", "vault"]);
        } else {
            for part in 0..1 + dice.below(3) {
                let (told, shown) = self.event(&mut dice, step, part).await;
                self.told.push(format!("{step}. {told}"));
                read.extend(shown);
            }
        }
        self.tick(Duration::from_secs(1));
        let connectors: Vec<&str> = read.into_iter().collect();
        self.sides[0].read(&connectors, None).await;
        let shuffled = self.case.shuffled.map(|_| &mut self.other_way);
        self.sides[1].read(&connectors, shuffled).await;
        self.tick(Duration::from_secs(1));
        self.evaluate().await?;
        self.generate(way(&mut dice), &mut dice).await?;
        self.tick(Duration::from_secs(1));
        Ok(())
    }

    async fn event(&mut self, dice: &mut Dice, step: usize, part: usize) -> organisation::Told {
        let now = self.now;
        match dice.below(20) {
            0..=5 => {
                let mut told = organisation::in_source(&self.sides[0].world, &mut dice.clone(), step, now);
                told = (told.0, organisation::in_source(&self.sides[1].world, dice, step, now).1);
                told
            }
            6..=9 => {
                organisation::by_hand(&self.sides[0].world, &mut dice.clone());
                organisation::by_hand(&self.sides[1].world, dice)
            }
            10 => {
                let by = organisation::time(dice);
                self.tick(by);
                (format!("{} hours go by: it is {}", by.as_secs() / 3_600, self.now), vec![])
            }
            11 => {
                self.catalog = Catalog::any(dice);
                self.apply().await;
                self.passed.catalogs += 1;
                (format!("another catalog: {}", self.catalog.resource_types.join(", ")), vec![])
            }
            12 | 13 => {
                let (told, decided) = people::decides(dice, self.sides()).await;
                self.passed.decisions += decided.len();
                self.asked.decide(decided);
                (told, vec![])
            }
            14 => {
                let id = format!("00000000-0000-7000-8000-{:012}", step * 10 + part);
                let catalog = self.catalog.clone();
                (people::asks(dice, self.sides(), &catalog, &id).await, vec![])
            }
            15 => (people::review(dice, self.sides()).await, vec![]),
            _ => systems::happens(dice, self.sides()),
        }
    }

    /// Computes on both sides, and once more.
    async fn evaluate(&mut self) -> Result<(), Box<Broken>> {
        let incremental = self.case.incremental;
        let all = self.sides[0].compute(false).await;
        let changed = self.sides[1].compute(incremental).await;
        let verified = [all.verified, changed.verified];
        self.same(SIDES, "orders that are verified", &verified[..1], &verified[1..])?;
        let kept = [self.sides[0].kept().await, self.sides[1].kept().await];
        if self.case.shuffled != Some(Shuffled::Numbered) {
            self.same(SIDES, "assignments", &kept[0], &kept[1])?;
        }
        self.owners.extend(organisation::owners(&self.sides[0].world));
        let said = [said(&self.sides[0], &self.owners).await, said(&self.sides[1], &self.owners).await];
        self.same(SIDES, "what owners have", &said[0], &said[1])?;
        let items = [items(&self.sides[0]).await, items(&self.sides[1]).await];
        self.same(SIDES, "what waits for a person", &items[0], &items[1])?;
        for ((side, kept), incremental) in self.sides.iter().zip(&kept).zip([false, incremental]) {
            side.compute(incremental).await;
            let again = self::said(side, &self.owners).await;
            self.same(TWICE, "what owners have, at first and once more", &said[0], &again)?;
            self.same(TWICE, "assignments, at first and once more", kept, &side.kept().await)?;
        }
        self.asked.note(&self.sides[0], &self.owners).await;
        Ok(())
    }

    async fn generate(&mut self, way: Way, dice: &mut Dice) -> Result<(), Box<Broken>> {
        self.told.push(format!("    generated: {way:?}"));
        let refused = dice.one_of(&self.catalog.resource_types).cloned().unwrap_or_default();
        if way == Way::Not {
            return Ok(());
        }
        let (force_review, waive_review) = (way == Way::ForceReview, way == Way::WaiveReview);
        let before = self.sides.each_ref().map(|side| side.suite.ledger.table().len());
        let plan_of = async |side: &Side| {
            let request = PlanOrdersRequest { force_review, waive_review, ..Default::default() };
            side.suite.plan_by(request).await.unwrap()
        };
        let plan = plan_of(&self.sides[0]).await;
        let plan_of_other = plan_of(&self.sides[1]).await;
        self.passed.plans += 1;
        let planned: [Vec<String>; 2] = [&plan, &plan_of_other].map(|plan| planned(&plan.orders));
        let is_forced = way == Way::ForceThresholds;
        let mut generated = Vec::new();
        for (place, (side, plan)) in self.sides.iter().zip([&plan, &plan_of_other]).enumerate() {
            let by_plan = match way {
                Way::ByPlan => true,
                Way::AgainstPlan => place == 0,
                Way::PlanAgainst => place == 1,
                _ => false,
            };
            if way == Way::Refused {
                side.suite.ledger.refuse(&[&refused]);
            }
            generated.push(if by_plan {
                let applied = side.suite.apply_plan(plan).await;
                let applied = applied.map_err(|refused| self.broken(PLAN, format!("it is refused: {refused}")))?;
                applied.generated.unwrap()
            } else {
                let incremental = place == 1 && self.case.incremental;
                let force_thresholds = is_forced;
                let request = GenerateOrdersRequest { force_review, waive_review, force_thresholds, incremental };
                side.generate(request).await
            });
            side.suite.ledger.refuse(&[]);
        }
        let is_blocked = generated[0].blocked;
        self.passed.blocked += usize::from(is_blocked);
        let did = |of: &GenerateOrdersResponse| (of.submitted, of.superseded, of.cancelled, of.rejected, of.blocked);
        let counts: Vec<_> = generated.iter().map(did).collect();
        let what = "orders submitted, superseded, cancelled, rejected, and whether a threshold held them back";
        self.same(SIDES, what, &counts[..1], &counts[1..])?;
        self.same(SIDES, "orders", &self.sides[0].orders().await, &self.sides[1].orders().await)?;
        let new = self.sides.each_ref().map(|side| {
            side.suite.ledger.read(|orders| {
                orders[before[usize::from(std::ptr::eq(side, &self.sides[1]))]..]
                    .iter()
                    .map(|held| held.order.clone())
                    .collect::<Vec<Order>>()
            })
        });
        for place in [0, 1] {
            let is_foretold = plan_is_blocked(if place == 0 { &plan } else { &plan_of_other });
            let is_held = is_foretold && !is_forced;
            self.same(PLAN, "whether a threshold holds them back", &[is_held], &[is_blocked])?;
            let mut done: Vec<String> = new[place].iter().map(|order| line(to_wire::order(order))).collect();
            done.sort();
            if way != Way::Refused && !is_blocked {
                self.same(PLAN, "orders planned, and orders generated", &planned[place], &done)?;
            }
        }
        self.judge(&new[0])?;
        if way != Way::Refused && !is_blocked {
            self.once_more(force_review, waive_review, is_forced).await?;
        }
        Ok(())
    }

    /// Whether all that was ordered was asked for.
    fn judge(&mut self, orders: &[Order]) -> Result<(), Box<Broken>> {
        use provost_domain::OrderKind;
        for order in orders {
            if let Some(why) = self.asked.unasked(order) {
                let changes: Vec<_> = order
                    .changes
                    .iter()
                    .map(|change| (&change.property, change.operation, &change.current, &change.proposed))
                    .collect();
                let (kind, of, key) = (order.kind, &order.resource_type, &order.target_key);
                let told = format!("{kind} of {of} '{key}' for {}: {why}\n    {changes:?}", order.owner.key);
                return Err(self.broken(ASKED, told));
            }
            self.passed.orders += 1;
            self.passed.deletions += usize::from(order.kind == OrderKind::Deletion);
            self.passed.updates += usize::from(order.kind == OrderKind::Update);
            self.passed.associations += usize::from(order.kind == OrderKind::Association);
            self.passed.failures += usize::from(order.rule_failure.is_some());
        }
        orders.iter().for_each(|order| self.asked.ordered(order));
        Ok(())
    }

    /// Nothing more comes of generating again.
    async fn once_more(&self, force_review: bool, waive_review: bool, forced: bool) -> Result<(), Box<Broken>> {
        for (place, side) in self.sides.iter().enumerate() {
            let incremental = place == 1 && self.case.incremental;
            let force_thresholds = forced;
            let request = GenerateOrdersRequest { force_review, waive_review, force_thresholds, incremental };
            let before = side.suite.ledger.table().len();
            let again = side.generate(request).await;
            let new: Vec<String> = side
                .suite
                .ledger
                .read(|orders| orders[before..].iter().map(|held| line(to_wire::order(&held.order))).collect());
            let what = format!("orders of a second generation, cancelled {}", again.cancelled);
            self.same(TWICE, &what, &new, &[])?;
            self.same(TWICE, "cancelled by a second generation", &[again.cancelled], &[0])?;
        }
        Ok(())
    }

    /// Everything is reviewed, written and seen, until nothing is left to do.
    async fn settle(&mut self) -> Result<(), Box<Broken>> {
        self.told.push("    all is reviewed, written and seen".into());
        for round in 0..8 {
            self.sides.iter().for_each(systems::settle);
            self.tick(Duration::from_secs(1));
            for side in &self.sides {
                side.read(&["app", "hr", "vault"], None).await;
            }
            self.tick(Duration::from_secs(1));
            self.evaluate().await?;
            let before = self.sides[0].suite.ledger.table().len();
            for (place, side) in self.sides.iter().enumerate() {
                let incremental = place == 1 && self.case.incremental;
                side.generate(GenerateOrdersRequest { force_thresholds: true, incremental, ..Default::default() })
                    .await;
            }
            self.same(SIDES, "orders", &self.sides[0].orders().await, &self.sides[1].orders().await)?;
            let new: Vec<Order> = self.sides[0]
                .suite
                .ledger
                .read(|orders| orders[before..].iter().map(|held| held.order.clone()).collect());
            self.judge(&new)?;
            if new.is_empty() {
                return Ok(());
            }
            if round == 7 {
                let lines: Vec<String> = new.into_iter().map(|order| line(to_wire::order(&order))).collect();
                self.same(SETTLES, "orders after eight rounds", &lines, &[])?;
            }
            self.tick(Duration::from_secs(1));
        }
        Ok(())
    }
}

fn plan_is_blocked(plan: &crate::support::Planned) -> bool {
    plan.summary.blocked
}

async fn items(side: &Side) -> Vec<String> {
    people::items(side).await.into_iter().map(people::line).collect()
}

/// What owners have, without which of several rules give it.
async fn said(side: &Side, owners: &BTreeSet<(&'static str, String)>) -> Vec<String> {
    let mut said = Vec::new();
    for (owner_entity_type, owner_key) in owners {
        let (owner_entity_type, owner_key) = ((*owner_entity_type).to_owned(), owner_key.clone());
        let request = ListAssignmentsRequest { owner_entity_type, owner_key };
        // Whoever is gone, and has nothing any more, is unknown.
        let Ok(answer) = side.suite.assignments().list_assignments(request).await else { continue };
        let ListAssignmentsResponse { owner, period, roles, resources, contexts: _ } = answer.into_inner();
        said.push(format!("{owner:?} {period:?}"));
        said.extend(roles.into_iter().map(|role| format!("{:?}", AssignedRole { why: vec![], ..role })));
        for mut resource in resources {
            (resource.order_id, resource.why) = (String::new(), vec![]);
            resource.properties.iter_mut().for_each(|property| property.why.clear());
            said.push(without_numbers(&format!("{resource:?}")));
        }
    }
    said
}

/// Rules are told of by their numbers, which are others where they are written in another order.
fn without_numbers(text: &str) -> String {
    let mut pieces = text.split("rule ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + "rule " + piece.trim_start_matches(|one: char| one.is_ascii_digit()))
}

/// What plans say of orders, but for those that they cancel.
fn planned(orders: &[PlannedOrder]) -> Vec<String> {
    let are_new = orders.iter().filter(|planned| planned.action() != PlannedAction::Cancel);
    let mut lines: Vec<String> = are_new.map(|planned| line(planned.order.clone().unwrap())).collect();
    lines.sort();
    lines
}

/// What an order is, without whatever is another each time.
fn line(order: WireOrder) -> String {
    let mut changes: Vec<String> = order
        .changes
        .iter()
        .map(|change| {
            let value = if change.sensitive { &None } else { &change.proposed };
            format!("{} {:?} {value:?}", change.property, change.operation())
        })
        .collect();
    changes.sort();
    let owner = order.owner.clone().map(|owner| owner.key).unwrap_or_default();
    let mut arguments: Vec<_> = order.arguments.iter().collect();
    arguments.sort();
    format!(
        "{:?} {} '{}' for {owner}: {changes:?} {arguments:?} {:?} priority {} fails {:?} expired {}",
        order.kind(),
        order.resource_type,
        order.target_key,
        order.block_causes,
        order.priority,
        order.rule_failure.as_ref().map(|failure| without_numbers(&format!("{failure:?}"))),
        order.expired
    )
}

/// Hexadecimal bytes as what people can read of them.
fn readable(line: &str) -> String {
    let is_hex = |word: &str| word.len() > 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let read = |word: &str| -> String {
        let byte = |place: usize| u8::from_str_radix(&word[place..place + 2], 16).unwrap_or(b'.');
        let bytes = (0..word.len() / 2).map(|place| byte(place * 2));
        bytes.map(|byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '·' }).collect()
    };
    line.split('"').map(|word| if is_hex(word) { read(word) } else { word.to_owned() }).collect::<Vec<_>>().join("\"")
}
