//! Once more: what was written is proved, and there is nothing left to do.

use super::ACCOUNT;
use super::manual::{self, Worked};
use super::reviewed::{self, Decided};
use crate::command::orders::by_state;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use crate::show::standing;
use provost_contract::fulfillment::v1::OrderFilter;
use provost_domain::ProvisioningState as State;
use provost_sample::{special, workplace};

pub(super) async fn play(story: &mut Story, decided: &Decided, worked: &Worked) -> Result<(), Failure> {
    story
        .narrator
        .act("Nothing left to do", "The complete job once more: it proves the last value, and orders nothing new.")?;
    let before = total(story).await?;
    story.complete_job().await?;
    let after = total(story).await?;
    story.narrator.check("it ordered nothing", holds(before == after, || format!("{} new orders", after - before)))?;
    let mended = story.order_of(special::DEMO_DUPLICATE, ACCOUNT).await?;
    let verified = mended.state == State::Verified.number();
    story
        .narrator
        .check("the unblocked order is Verified", holds(verified, || format!("it is {}", standing(&mended))))?;
    let mut held = story.systems.accounts().await?;
    held.remove(workplace::FOREIGN_LOGIN);
    let differences = expected::differences(&expected::accounts(&story.organisation, true), &held);
    story.narrator.check("app.db still holds exactly what HR's data asks for", differences)?;
    reviewed::checks(story, decided).await?;
    manual::checks(story, worked).await?;
    story.narrator.command("orders count")?;
    let counts = by_state(&story.counts(OrderFilter::default()).await?);
    Ok(story.narrator.table(&counts)?)
}

async fn total(story: &Story) -> Result<i64, Failure> {
    Ok(story.counts(OrderFilter::default()).await?.iter().map(|count| count.count).sum())
}
