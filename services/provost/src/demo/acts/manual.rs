//! Orders that people write: the demo plays the person at the badge desk.

use super::BADGE;
use crate::client::Service;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::{Story, until};
use crate::failure::Failure;
use crate::session::{Limit, pages};
use crate::show::{self, Table, short};
use anyhow::anyhow;
use provost_contract::fulfillment::v1::{
    ConfirmOrdersRequest, ListManualOrdersRequest, ManualDecision, ManualOrder, OrderFilter, ReportOrderErrorsRequest,
};
use provost_contract::types::v1::{ItemResult, Order};
use provost_domain::ProvisioningState as State;
use std::collections::BTreeMap;

const SHOWN: usize = 4;
const TROUBLE: &str = "the printer is out of blank cards";

/// What the badge desk made of its list.
pub(super) struct Worked {
    /// Confirmed alone.
    single: Order,
    /// Reported as an error.
    reported: Order,
    /// Confirmed all at once.
    bulk: Vec<Order>,
}

pub(super) async fn play(story: &mut Story) -> Result<Worked, Failure> {
    story.narrator.act(
        "Manual provisioning",
        "Nothing can write to the badge desk's system, so a person does: the list says what to enter.",
    )?;
    let orders = transmitted(story).await?;
    show(story, &orders)?;
    let [first, second, rest @ ..] = orders.as_slice() else {
        return Err(anyhow!("three manual orders are needed; there are {}", orders.len()).into());
    };
    work(story, first, second, rest).await?;
    story.complete_job().await?;
    let worked = Worked { single: order(first), reported: order(second), bulk: rest.iter().map(order).collect() };
    checks(story, &worked).await?;
    paths(story, &worked).await?;
    Ok(worked)
}

fn order(manual: &ManualOrder) -> Order {
    manual.record.as_ref().and_then(|record| record.order.clone()).unwrap_or_default()
}

/// The list, once every badge order has reached it.
async fn transmitted(story: &Story) -> Result<Vec<ManualOrder>, Failure> {
    let filter = OrderFilter { resource_types: vec![BADGE.to_owned()], ..OrderFilter::default() };
    let live = [State::Pending.number(), State::Transmitted.number()];
    let ordered = story.orders(filter).await?.iter().filter(|record| live.contains(&record.state)).count();
    until("every badge order to be in the manual provisioning list", async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListManualOrdersRequest { page_size, page_token, ..ListManualOrdersRequest::default() };
            let answer = story.clients.manual().list_manual_orders(story.clients.request(message)).await;
            let page = story.clients.answer(Service::Fulfillment, answer)?;
            Ok((page.orders, page.next_page_token))
        });
        let orders = listing.await?.items;
        Ok((orders.len() == ordered).then_some(orders))
    })
    .await
}

fn show(story: &mut Story, orders: &[ManualOrder]) -> Result<(), Failure> {
    story.narrator.command("manual list")?;
    let mut table = Table::new(&["order", "for", "what to do"]);
    for manual in orders.iter().take(SHOWN) {
        let order = order(manual);
        table.row(vec![
            short(&order.order_id).to_owned(),
            show::subject(&order),
            show::shortened(&manual.suggestion, 90),
        ]);
    }
    story.narrator.table(&table)?;
    if orders.len() > SHOWN {
        story.narrator.say(&format!("    … and {} more", orders.len() - SHOWN))?;
    }
    if let Some(manual) = orders.first() {
        story.narrator.command(&format!("manual show {}", short(&order(manual).order_id)))?;
        story.narrator.table(&crate::command::manual::values(manual))?;
    }
    Ok(())
}

async fn work(
    story: &mut Story,
    first: &ManualOrder,
    second: &ManualOrder,
    rest: &[ManualOrder],
) -> Result<(), Failure> {
    story.narrator.event(&format!(
        "the badge desk prints {}'s badge and adds the line to badges.csv",
        show::subject(&order(first))
    ))?;
    story.systems.write_badges(std::slice::from_ref(first))?;
    story.narrator.command(&format!("manual confirm {}", short(&order(first).order_id)))?;
    confirm(story, std::slice::from_ref(first)).await?;

    let id = short(&order(second).order_id).to_owned();
    story.narrator.command(&format!("manual report-error {id} --comment '{TROUBLE}'"))?;
    let message = ReportOrderErrorsRequest { decisions: vec![decision(second)], comment: TROUBLE.to_owned() };
    let answer = story.clients.manual().report_order_errors(story.clients.request(message)).await;
    refused(&story.clients.answer(Service::Fulfillment, answer)?.results)?;

    story.narrator.event(&format!("new cards arrive; the badge desk prints the other {}", rest.len()))?;
    story.systems.write_badges(rest)?;
    story.narrator.command("manual confirm --all")?;
    confirm(story, rest).await
}

fn decision(manual: &ManualOrder) -> ManualDecision {
    let version = manual.record.as_ref().map(|record| record.version).unwrap_or_default();
    ManualDecision { order_id: order(manual).order_id, version }
}

async fn confirm(story: &mut Story, orders: &[ManualOrder]) -> Result<(), Failure> {
    let message = ConfirmOrdersRequest { decisions: orders.iter().map(decision).collect(), comment: String::new() };
    let answer = story.clients.manual().confirm_orders(story.clients.request(message)).await;
    refused(&story.clients.answer(Service::Fulfillment, answer)?.results)?;
    let count = orders.len();
    Ok(story.narrator.event(&if count == 1 {
        "confirmed".to_owned()
    } else {
        format!("{count} orders confirmed at once")
    })?)
}

fn refused(results: &[ItemResult]) -> Result<(), Failure> {
    match results.iter().find_map(|item| item.error.as_ref()) {
        Some(error) => Err(anyhow!("the ledger refused: {}", error.message).into()),
        None => Ok(()),
    }
}

/// What must hold from now on: the list has the badges that were made and no other, and the ledger
/// knows which.
pub(super) async fn checks(story: &mut Story, worked: &Worked) -> Result<(), Failure> {
    let Worked { single, reported, bulk } = worked;
    let mut wanted = expected::badges(&story.organisation);
    let known = wanted.remove(&reported.target_key).is_some();
    let mut differences = expected::differences(&wanted, &story.systems.badges()?);
    differences.extend(holds(known, || format!("nobody should be given badge {}", reported.target_key)));
    let claim = format!("badges.csv holds the {} badges that HR's data asks for, value by value", wanted.len());
    story.narrator.check(&claim, differences)?;

    let filter = OrderFilter { resource_types: vec![BADGE.to_owned()], ..OrderFilter::default() };
    let records = story.orders(filter).await?;
    let standing: BTreeMap<String, String> = records
        .iter()
        .map(|record| (record.order.clone().unwrap_or_default().order_id, show::standing(record)))
        .collect();
    let verified = State::Verified.to_string();
    let wanted: BTreeMap<String, String> = std::iter::once(single)
        .chain(bulk)
        .map(|order| (order.order_id.clone(), verified.clone()))
        .chain([(reported.order_id.clone(), show::provisioning_state(State::Errored.number()))])
        .collect();
    let claim = format!("the {} confirmed orders are Verified, and the reported one is Errored", wanted.len() - 1);
    Ok(story.narrator.check(&claim, expected::differences(&wanted, &standing))?)
}

/// The states that each order went through, and the person's words where it went wrong.
async fn paths(story: &mut Story, worked: &Worked) -> Result<(), Failure> {
    let Worked { single, reported, bulk } = worked;
    let mut others = Vec::new();
    for order in std::iter::once(single).chain(bulk) {
        let path = story.path_of(&order.order_id).await?;
        if path != "Pending → Transmitted → Executed → Verified" {
            others.push(format!("{} went {path}", order.target_key));
        }
    }
    story.narrator.check("each confirmed one went Pending → Transmitted → Executed → Verified", others)?;
    let path = story.path_of(&reported.order_id).await?;
    let record = story.until_in(&reported.order_id, &[State::Errored]).await?;
    let said = record.failure.map(|failure| failure.message).unwrap_or_default();
    let errored = path == "Pending → Transmitted → Errored (system)" && said.contains(TROUBLE);
    let claim = format!("the reported one went Pending → Transmitted → Errored, with the person's words: {TROUBLE}");
    Ok(story.narrator.check(&claim, holds(errored, || format!("it went {path}: {said}")))?)
}
