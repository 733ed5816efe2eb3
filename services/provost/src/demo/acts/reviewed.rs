//! Sensitive orders wait for a person: one is approved, one declined, one postponed.

use super::VAULT;
use crate::client::Service;
use crate::demo::expected;
use crate::demo::narrator::holds;
use crate::demo::story::{Story, until};
use crate::failure::Failure;
use crate::session::{Limit, pages};
use crate::show::{self, Table, short};
use anyhow::anyhow;
use provost_contract::fulfillment::v1::OrderFilter;
use provost_contract::review::v1::{ApproveRequest, DeclineRequest, ListReviewsRequest, PostponeRequest, Review};
use provost_domain::ProvisioningState as State;
use provost_sample::special;
use std::collections::BTreeMap;

pub(super) async fn play(story: &mut Story) -> Result<(), Failure> {
    story.narrator.act(
        "Provisioning review",
        "Vault access is sensitive: its orders stop at Awaiting Approval until somebody has decided.",
    )?;
    let before = story.systems.vault().await?;
    story.narrator.check("vault.db is still empty", expected::differences(&BTreeMap::new(), &before))?;
    let reviews = waiting(story).await?;
    story.narrator.command("review list")?;
    story.narrator.table(&table(&reviews))?;
    let (approved, declined, postponed) = choose(&reviews)?;
    decide(story, &approved, &declined, &postponed).await?;
    story.until_in(&approved.review_id, &[State::Executed, State::Verified]).await?;
    story.until_in(&declined.review_id, &[State::Inactive]).await?;
    story.complete_job().await?;
    checks(story, &approved, &declined, &postponed).await
}

/// The reviews, once all orders that await approval have one.
async fn waiting(story: &Story) -> Result<Vec<Review>, Failure> {
    let states = vec![State::AwaitingApproval.number()];
    let orders = story.orders(OrderFilter { states, ..OrderFilter::default() }).await?.len();
    until("the reviews of all orders that await approval", async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListReviewsRequest { page_size, page_token, ..ListReviewsRequest::default() };
            let answer = story.clients.reviews().list_reviews(story.clients.request(message)).await;
            let page = story.clients.answer(Service::Review, answer)?;
            Ok((page.reviews, page.next_page_token))
        });
        let reviews = listing.await?.items;
        Ok((reviews.len() == orders).then_some(reviews))
    })
    .await
}

fn owner(review: &Review) -> &str {
    let owner = review.order.as_ref().and_then(|order| order.owner.as_ref());
    owner.map(|owner| owner.key.as_str()).unwrap_or_default()
}

/// The one to approve is the person whose permissions are shown at the end; the others as they come.
fn choose(reviews: &[Review]) -> Result<(Review, Review, Review), Failure> {
    let approved = reviews.iter().find(|review| owner(review) == special::DEMO_EXECUTIVE);
    let mut others = reviews.iter().filter(|review| owner(review) != special::DEMO_EXECUTIVE);
    match (approved, others.next(), others.next()) {
        (Some(approved), Some(declined), Some(postponed)) => {
            Ok((approved.clone(), declined.clone(), postponed.clone()))
        }
        _ => Err(anyhow!(
            "three reviews are needed, {} among them; there are {}",
            special::DEMO_EXECUTIVE,
            reviews.len()
        )
        .into()),
    }
}

fn table(reviews: &[Review]) -> Table {
    let mut table = Table::new(&["review", "does", "for", "proposed"]);
    for review in reviews {
        let order = review.order.clone().unwrap_or_default();
        let proposed: Vec<String> = order.changes.iter().map(show::change).collect();
        table.row(vec![
            short(&review.review_id).to_owned(),
            format!("{} of {}", show::kind(&order), order.resource_type),
            show::subject(&order),
            show::shortened(&proposed.join(", "), 76),
        ]);
    }
    table
}

async fn decide(story: &mut Story, approved: &Review, declined: &Review, postponed: &Review) -> Result<(), Failure> {
    let clients = story.clients.clone();
    let name = |review: &Review| review.order.as_ref().map(show::subject).unwrap_or_default();

    story.narrator.command(&format!("review approve {} --comment 'runs the payments'", short(&approved.review_id)))?;
    let request = clients.request(ApproveRequest {
        review_id: approved.review_id.clone(),
        comment: "runs the payments".to_owned(),
        version: approved.version,
    });
    clients.answer(Service::Review, clients.reviews().approve(request).await)?;
    story.narrator.event(&format!("approved: {}", name(approved)))?;

    story
        .narrator
        .command(&format!("review decline {} --comment 'changes team in May'", short(&declined.review_id)))?;
    let request = clients.request(DeclineRequest {
        review_id: declined.review_id.clone(),
        comment: "changes team in May".to_owned(),
        version: declined.version,
    });
    clients.answer(Service::Review, clients.reviews().decline(request).await)?;
    story.narrator.event(&format!("declined: {}", name(declined)))?;

    story
        .narrator
        .command(&format!("review postpone {} --comment 'asked the manager'", short(&postponed.review_id)))?;
    let request = clients.request(PostponeRequest {
        review_id: postponed.review_id.clone(),
        comment: "asked the manager".to_owned(),
        version: postponed.version,
    });
    clients.answer(Service::Review, clients.reviews().postpone(request).await)?;
    Ok(story.narrator.event(&format!("postponed: {}", name(postponed)))?)
}

async fn checks(story: &mut Story, approved: &Review, declined: &Review, postponed: &Review) -> Result<(), Failure> {
    let person = story.person(owner(approved))?;
    let wanted = BTreeMap::from([(person.login.clone(), expected::vault_row(&person))]);
    let held = story.systems.vault().await?;
    let claim = format!("vault.db holds {}'s row with the right values, and no other row", person.full_name());
    story.narrator.check(&claim, expected::differences(&wanted, &held))?;

    for (review, state, claim) in [
        (approved, State::Verified, "the approved order is Verified"),
        (declined, State::Inactive, "the declined order is Inactive, and nothing new was proposed in its place"),
        (postponed, State::AwaitingApproval, "the postponed order still awaits approval"),
    ] {
        let records = story.orders_of(owner(review), VAULT).await?;
        let states: Vec<String> = records.iter().map(show::standing).collect();
        let as_told = matches!(records.as_slice(), [record] if record.state == state.number());
        story.narrator.check(claim, holds(as_told, || format!("that person's orders are {states:?}")))?;
    }
    Ok(())
}
