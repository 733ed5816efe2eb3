//! A rule that throws on one person's data: state 7 for that person, and nobody else is touched.

use super::ACCOUNT;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use crate::show::{Table, short, standing};
use provost_contract::fulfillment::v1::OrderFilter;
use provost_domain::ProvisioningState as State;
use provost_sample::{special, workplace};

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
    let person = story.person(special::DEMO_BAD_DATA)?;
    story.narrator.act(
        "Error (7): our own side failed",
        &format!("HR holds '{}' as {}'s cost centre; the rule wants a number.", person.cost_center, person.full_name()),
    )?;
    let record = story.order_of(&person.employee_id, ACCOUNT).await?;
    let order = record.order.clone().unwrap_or_default();
    let failure = order.rule_failure.clone().unwrap_or_default();
    story.narrator.command(&format!("orders get {}", short(&order.order_id)))?;
    let mut table = Table::new(&["fact", "value"]);
    for (fact, value) in [
        ("state", standing(&record)),
        ("rule", failure.rule.clone()),
        ("input", failure.input.clone()),
        ("message", failure.message.clone()),
    ] {
        table.row(vec![fact.to_owned(), value]);
    }
    story.narrator.table(&table)?;
    let told = record.state == State::Error.number()
        && failure.rule.contains("cost_center")
        && failure.input.contains(special::BAD_COST_CENTER)
        && !failure.message.is_empty();
    let claim = "the order is in state Error, and names rule, value and message";
    story.narrator.check(claim, holds(told, || format!("{}: {failure:?}", standing(&record))))?;

    let mut held = story.systems.accounts().await?;
    held.remove(workplace::FOREIGN_LOGIN);
    let absent = !held.contains_key(&person.login);
    story
        .narrator
        .check("app.db holds no account for that person", holds(absent, || format!("{} is there", person.login)))?;
    let wanted = expected::accounts(&story.organisation, true);
    let claim = format!("app.db holds everybody else's: {} accounts", wanted.len());
    story.narrator.check(&claim, expected::differences(&wanted, &held))?;

    let states = vec![State::Error.number()];
    let others: Vec<String> = story
        .orders(OrderFilter { states, ..OrderFilter::default() })
        .await?
        .iter()
        .filter_map(|record| record.order.as_ref()?.owner.as_ref())
        .filter(|owner| owner.key != person.employee_id)
        .map(|owner| format!("{} is in state Error too", owner.key))
        .collect();
    Ok(story.narrator.check("nobody else is in state Error", others)?)
}
