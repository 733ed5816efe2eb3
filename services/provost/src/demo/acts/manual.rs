//! Orders that people write: the demo plays the person at the badge desk.

use super::BADGE;
use crate::client::Service;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::{Story, until};
use crate::demo::systems::Badge;
use crate::failure::Failure;
use crate::session::{Limit, pages};
use crate::show::{self, Table, short};
use anyhow::anyhow;
use provost_contract::fulfillment::v1::{
    ConfirmOrdersRequest, ListManualOrdersRequest, ManualDecision, ManualOrder, OrderFilter, ReportOrderErrorsRequest,
};
use provost_contract::types::v1::{ItemResult, Order};
use provost_domain::ProvisioningState as State;
use std::collections::{BTreeMap, BTreeSet};

const SHOWN: usize = 4;
const TROUBLE: &str = "the printer is out of blank cards";

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
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
    checks(story, first, second, rest).await
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

async fn checks(
    story: &mut Story,
    first: &ManualOrder,
    second: &ManualOrder,
    rest: &[ManualOrder],
) -> Result<(), Failure> {
    let done: Vec<Order> = std::iter::once(first).chain(rest).map(order).collect();
    let badges = story.systems.badges()?;
    let differences = badge_differences(story, &done, &order(second), &badges)?;
    let claim = format!("badges.csv holds the {} badges as HR's data asks for them, and no other", done.len());
    story.narrator.check(&claim, differences)?;

    let mut standing = BTreeMap::new();
    for record in story.orders(OrderFilter { resource_types: vec![BADGE.to_owned()], ..OrderFilter::default() }).await?
    {
        standing.insert(record.order.clone().unwrap_or_default().order_id, record);
    }
    let unverified = done
        .iter()
        .filter_map(|order| standing.get(&order.order_id))
        .filter(|record| record.state != State::Verified.number())
        .map(|record| format!("{} is {}", record.order.clone().unwrap_or_default().target_key, show::standing(record)));
    story.narrator.check("the confirmed orders are Verified by what badges.csv shows", unverified.collect())?;

    let path = story.path_of(&order(first).order_id).await?;
    let whole = path.starts_with("Pending → Transmitted → Executed → Verified");
    story
        .narrator
        .check("each went Pending → Transmitted → Executed → Verified", holds(whole, || format!("one went {path}")))?;

    let reported = standing.remove(&order(second).order_id).unwrap_or_default();
    let said = reported.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    let errored = reported.state == State::Errored.number() && said.contains(TROUBLE);
    let claim = format!("the reported one is Errored, with the person's words: {TROUBLE}");
    Ok(story.narrator.check(&claim, holds(errored, || format!("it is {}: {said}", show::standing(&reported))))?)
}

/// Every badge that was made, against the person it is for.
fn badge_differences(
    story: &Story,
    done: &[Order],
    reported: &Order,
    badges: &BTreeMap<String, Badge>,
) -> Result<Vec<String>, Failure> {
    let mut differences = Vec::new();
    let mut wanted = BTreeSet::new();
    for order in done {
        let person = story.person(order.owner.as_ref().map(|owner| owner.key.as_str()).unwrap_or_default())?;
        match badges.get(&person.badge_number) {
            None => differences.push(format!("badge {} is missing", person.badge_number)),
            Some(badge) => differences.extend(expected::badge_differences(&person, badge)),
        }
        wanted.insert(person.badge_number);
    }
    let entitled = story.organisation.active().filter(|person| provost_sample::workplace::expects_badge(person));
    for person in entitled.filter(|person| person.badge_number != reported.target_key) {
        if !wanted.contains(&person.badge_number) {
            differences.push(format!("{} has no badge order", person.full_name()));
        }
    }
    differences
        .extend(badges.keys().filter(|key| !wanted.contains(*key)).map(|key| format!("badge {key} is too many")));
    Ok(differences)
}
