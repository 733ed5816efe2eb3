//! An order that the managed system refuses: seen with its reason, mended, unblocked, written.

use super::ACCOUNT;
use crate::client::Service;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use crate::show::{Table, short};
use anyhow::anyhow;
use provost_contract::fulfillment::v1::UnblockOrdersRequest;
use provost_domain::ProvisioningState as State;
use provost_sample::{special, workplace};

const MENDED: &str = "the reception tablet has an address of its own now";

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
    let person = story.person(special::DEMO_DUPLICATE)?;
    story.narrator.act(
        "Errored (3): the outside world said no",
        &format!(
            "{}'s mail address is already taken in the application, which refuses the account.",
            person.full_name()
        ),
    )?;
    let record = story.order_of(&person.employee_id, ACCOUNT).await?;
    let order_id = record.order.clone().unwrap_or_default().order_id;
    story.narrator.command(&format!("orders get {}", short(&order_id)))?;
    let failure = record.failure.clone().unwrap_or_default();
    let mut table = Table::new(&["state", "code", "message", "property", "hint"]);
    table.row(vec![
        crate::show::standing(&record),
        failure.code.clone(),
        failure.message.clone(),
        failure.property.clone(),
        crate::show::shortened(&failure.hint, 60),
    ]);
    story.narrator.table(&table)?;
    let refused = record.state == State::Errored.number() && failure.message.contains("accounts.mail");
    let claim = "the order is Errored, with the database's own constraint as the reason";
    story.narrator.check(claim, holds(refused, || format!("{}: {failure:?}", crate::show::standing(&record))))?;
    let absent = !story.systems.accounts().await?.contains_key(&person.login);
    story.narrator.check("app.db holds no such account", holds(absent, || format!("{} is there", person.login)))?;

    story
        .narrator
        .event(&format!("the application's administrator gives {} another address", workplace::FOREIGN_LOGIN))?;
    story.systems.mend_app().await?;
    unblock(story, &order_id).await?;
    story.until_in(&order_id, &[State::Executed, State::Verified]).await?;

    let wanted = expected::accounts(&story.organisation, true).remove(&person.login);
    let held = story.systems.accounts().await?.remove(&person.login);
    let claim = format!("app.db holds {}'s account now, value by value", person.full_name());
    let right = wanted.is_some() && held == wanted;
    story.narrator.check(&claim, holds(right, || format!("it is {held:?}, not {wanted:?}")))?;
    let path = story.path_of(&order_id).await?;
    Ok(story.narrator.event(&path)?)
}

async fn unblock(story: &mut Story, order_id: &str) -> Result<(), Failure> {
    story.narrator.command(&format!("orders unblock {} --comment '{MENDED}'", short(order_id)))?;
    let message = UnblockOrdersRequest { order_ids: vec![order_id.to_owned()], comment: MENDED.to_owned() };
    let answer = story.clients.orders().unblock_orders(story.clients.request(message)).await;
    let results = story.clients.answer(Service::Fulfillment, answer)?.results;
    match results.iter().find_map(|item| item.error.as_ref()) {
        Some(error) => Err(anyhow!("the ledger refused: {}", error.message).into()),
        None => Ok(()),
    }
}
