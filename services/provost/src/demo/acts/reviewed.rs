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
use provost_contract::review::v1::{
    ApproveRequest, DeclineRequest, GetReviewRequest, ListReviewsRequest, PostponeRequest, Review, ReviewState,
};
use provost_contract::types::v1::{InactiveReason, OrderEvent};
use provost_domain::ProvisioningState as State;
use provost_sample::special;
use std::collections::BTreeMap;

const POSTPONED: &str = "asked the manager";

/// What was decided, by the order's owner.
pub(super) struct Decided {
    approved: Review,
    declined: Review,
    postponed: Review,
}

pub(super) async fn play(story: &mut Story) -> Result<Decided, Failure> {
    story.narrator.act(
        "Provisioning review",
        "Vault access is sensitive: its orders stop at Awaiting Approval until somebody has decided.",
    )?;
    let before = story.systems.vault().await?;
    story.narrator.check("vault.db is still empty", expected::differences(&BTreeMap::new(), &before))?;
    let reviews = waiting(story).await?;
    story.narrator.command("review list")?;
    story.narrator.table(&table(&reviews))?;
    let wanted = expected::vault_rows(&story.organisation).into_keys().map(|owner| (owner, vec![VAULT.to_owned()]));
    let claim = format!("these {} wait, one for each who shall have vault access, and no other", wanted.len());
    story.narrator.check(&claim, expected::differences(&wanted.collect(), &by_owner(&reviews)))?;
    let decided = choose(&reviews)?;
    decide(story, &decided).await?;
    let Decided { approved, declined, postponed } = &decided;
    story.until_in(&approved.review_id, &[State::Executed, State::Verified]).await?;
    story.until_in(&declined.review_id, &[State::Inactive]).await?;
    story.until_told(&postponed.review_id, OrderEvent::Postponed).await?;
    story.complete_job().await?;
    checks(story, &decided).await?;
    Ok(decided)
}

/// The resource types that each owner's reviews are about.
fn by_owner(reviews: &[Review]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for review in reviews {
        let resource_type = review.order.clone().unwrap_or_default().resource_type;
        found.entry(owner(review).to_owned()).or_default().push(resource_type);
    }
    found
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
fn choose(reviews: &[Review]) -> Result<Decided, Failure> {
    let approved = reviews.iter().find(|review| owner(review) == special::DEMO_EXECUTIVE);
    let mut others = reviews.iter().filter(|review| owner(review) != special::DEMO_EXECUTIVE);
    match (approved, others.next(), others.next()) {
        (Some(approved), Some(declined), Some(postponed)) => {
            Ok(Decided { approved: approved.clone(), declined: declined.clone(), postponed: postponed.clone() })
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

async fn decide(story: &mut Story, decided: &Decided) -> Result<(), Failure> {
    let Decided { approved, declined, postponed } = decided;
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

    story.narrator.command(&format!("review postpone {} --comment '{POSTPONED}'", short(&postponed.review_id)))?;
    let request = clients.request(PostponeRequest {
        review_id: postponed.review_id.clone(),
        comment: POSTPONED.to_owned(),
        version: postponed.version,
    });
    clients.answer(Service::Review, clients.reviews().postpone(request).await)?;
    Ok(story.narrator.event(&format!("postponed: {}", name(postponed)))?)
}

/// What must hold from now on: the vault holds what was approved, and every decision stands.
pub(super) async fn checks(story: &mut Story, decided: &Decided) -> Result<(), Failure> {
    let Decided { approved, declined, postponed } = decided;
    let person = story.person(owner(approved))?;
    let wanted = expected::vault_rows(&story.organisation).remove(&person.employee_id);
    let wanted = wanted.into_iter().map(|row| (row.login.clone(), row)).collect();
    let held = story.systems.vault().await?;
    let claim = format!("vault.db holds {}'s row with the right values, and no other row", person.full_name());
    story.narrator.check(&claim, expected::differences(&wanted, &held))?;

    for (review, state, reason, claim) in [
        (approved, State::Verified, InactiveReason::Unspecified, "the approved order is Verified"),
        (
            declined,
            State::Inactive,
            InactiveReason::Declined,
            "the declined order is Inactive since it was declined, and nothing new was proposed in its place",
        ),
        (
            postponed,
            State::AwaitingApproval,
            InactiveReason::Unspecified,
            "the postponed order still awaits approval, and nothing new was proposed beside it",
        ),
    ] {
        let records = story.orders_of(owner(review), VAULT).await?;
        let states: Vec<String> = records.iter().map(show::standing).collect();
        let as_told = matches!(records.as_slice(), [record]
            if record.state == state.number() && record.inactive_reason() == reason);
        story.narrator.check(claim, holds(as_told, || format!("that person's orders are {states:?}")))?;
    }
    was_postponed(story, &postponed.review_id).await
}

/// The postponement is known on both sides: the review says so, and the order's history has the words.
async fn was_postponed(story: &mut Story, review_id: &str) -> Result<(), Failure> {
    let request = story.clients.request(GetReviewRequest { review_id: review_id.to_owned() });
    let answer = story.clients.reviews().get_review(request).await;
    let review = story.clients.answer(Service::Review, answer)?;
    let state = show::review_state(review.state);
    let history = story.history_of(review_id).await?;
    let told = history.iter().any(|entry| entry.event() == OrderEvent::Postponed && entry.reason.contains(POSTPONED));
    let both = review.state() == ReviewState::Postponed && told;
    let claim = "its review is Postponed, and the order's history has the reviewer's words";
    Ok(story.narrator.check(claim, holds(both, || format!("the review is {state}; the history is {history:?}")))?)
}
