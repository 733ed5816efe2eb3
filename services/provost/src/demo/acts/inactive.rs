//! Somebody whose period is over before anything was written.

use super::ACCOUNT;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use crate::show::standing;
use provost_contract::types::v1::InactiveReason;
use provost_domain::ProvisioningState as State;
use provost_sample::special;

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
    let person = story.person(special::DEMO_EXPIRED)?;
    let last_day = person.end_date.map(|day| day.to_string()).unwrap_or_default();
    story.narrator.act(
        "Inactive (6): pointless",
        &format!("{}'s last day was {last_day}; nothing was ever written, and nothing will be.", person.full_name()),
    )?;
    story.narrator.command(&format!("orders list --owner {}", person.employee_id))?;
    let records = story.orders_of(&person.employee_id, ACCOUNT).await?;
    for record in &records {
        let order = record.order.clone().unwrap_or_default();
        story.narrator.event(&format!("{ACCOUNT} {}: {}", order.target_key, standing(record)))?;
    }
    let expired = |record: &provost_contract::types::v1::OrderRecord| {
        record.state == State::Inactive.number() && record.inactive_reason == i32::from(InactiveReason::Expired)
    };
    let all = !records.is_empty() && records.iter().all(expired);
    let found: Vec<String> = records.iter().map(standing).collect();
    story
        .narrator
        .check("the order is Inactive, since the period is over", holds(all, || format!("found {found:?}")))?;

    let mut held: Vec<String> = Vec::new();
    let accounts = story.systems.accounts().await?;
    let gone = story.organisation.people.iter().filter(|person| !person.is_active_on(story.organisation.today));
    for person in gone.clone().filter(|person| accounts.contains_key(&person.login)) {
        held.push(format!("{} has the account {}", person.full_name(), person.login));
    }
    let claim = format!("app.db holds no account of the {} people who left or have yet to start", gone.count());
    Ok(story.narrator.check(&claim, held)?)
}
