//! The first complete job: an agent writes accounts and memberships, and the next synchronization
//! proves them.

use super::ACCOUNT;
use crate::command::orders::by_state;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use crate::show::{self, Table};
use provost_contract::fulfillment::v1::OrderFilter;
use provost_contract::types::v1::Change;
use provost_domain::ProvisioningState;
use provost_sample::{special, workplace};

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
    story.narrator.act(
        "Automated provisioning",
        "The complete job reads HR and the systems, computes who shall have what, orders the difference,\n\
         lets the agent write it, and reads everything again.",
    )?;
    let foreign = story.systems.accounts().await?.remove(workplace::FOREIGN_LOGIN);
    story.first_complete_job().await?;
    let counts = by_state(&story.counts(OrderFilter::default()).await?);
    story.narrator.say("  The ledger knows where every order stands:")?;
    story.narrator.table(&counts)?;
    one_order(story).await?;
    checks(story, foreign).await
}

/// One order from near: what it wrote, and the states that it went through.
async fn one_order(story: &mut Story) -> Result<(), Failure> {
    let record = story.order_of(special::DEMO_RETITLED, ACCOUNT).await?;
    let order = record.order.unwrap_or_default();
    let path = story.path_of(&order.order_id).await?;
    story.narrator.say(&format!(
        "  One of them: {} of {} for {}.",
        show::kind(&order),
        ACCOUNT,
        show::subject(&order)
    ))?;
    let mut table = Table::new(&["property", "written", "because of"]);
    for change in &order.changes {
        table.row(vec![change.property.clone(), show::optional(change.proposed.as_ref()), because(change)]);
    }
    story.narrator.table(&table)?;
    story.narrator.event(&path)?;
    let whole = path == "Pending → Executed → Verified";
    Ok(story
        .narrator
        .check("that order went Pending → Executed → Verified", holds(whole, || format!("it went {path}")))?)
}

fn because(change: &Change) -> String {
    change.why.last().map(|reason| show::shortened(&reason.rule, 60)).unwrap_or_default()
}

async fn checks(story: &mut Story, foreign: Option<super::super::systems::HeldAccount>) -> Result<(), Failure> {
    let mut held = story.systems.accounts().await?;
    let foreign_now = held.remove(workplace::FOREIGN_LOGIN);
    let wanted = expected::accounts(&story.organisation, false);
    let memberships: usize = wanted.values().map(|account| account.groups.len()).sum();
    let claim = format!(
        "app.db holds the {} accounts and {memberships} memberships that HR's data asks for, value by value",
        wanted.len()
    );
    story.narrator.check(&claim, expected::differences(&wanted, &held))?;
    let kept = foreign.is_some() && foreign == foreign_now;
    let claim = format!("app.db's account {}, which is nobody's, was left alone", workplace::FOREIGN_LOGIN);
    story.narrator.check(&claim, holds(kept, || format!("it was {foreign:?} and is {foreign_now:?}")))?;
    let verified = story
        .orders(OrderFilter {
            states: vec![ProvisioningState::Verified.number()],
            resource_types: vec![ACCOUNT.to_owned()],
            ..OrderFilter::default()
        })
        .await?
        .len();
    let claim = format!("all {} of their orders are Verified", wanted.len());
    Ok(story.narrator.check(&claim, holds(verified == wanted.len(), || format!("{verified} are")))?)
}
