//! Short ids: the beginning or the end of an id names it, when nothing else fits.

use crate::client::{Clients, Service};
use crate::failure::Failure;
use crate::session::{Limit, pages};
use provost_contract::fulfillment::v1::{ListManualOrdersRequest, ListOrdersRequest};
use provost_contract::generator::v1::{ListJobRunsRequest, ListRequestsRequest};
use provost_contract::review::v1::{ListReviewsRequest, ReviewState};
use provost_domain::WorkflowState;

const SHORT_MIN: usize = 6;

/// The orders that these texts name.
///
/// # Errors
/// When a text names none, or several.
pub async fn orders(clients: &Clients, texts: &[String]) -> Result<Vec<String>, Failure> {
    resolve("order", texts, async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let request = clients.request(ListOrdersRequest { filter: None, page_size, page_token });
            let page = clients.answer(Service::Fulfillment, clients.orders().list_orders(request).await)?;
            let ids = page.orders.into_iter().filter_map(|record| Some(record.order?.order_id)).collect();
            Ok((ids, page.next_page_token))
        });
        Ok(listing.await?.items)
    })
    .await
}

/// The manual orders that these texts name.
///
/// # Errors
/// As [`orders`].
pub async fn manual_orders(clients: &Clients, texts: &[String]) -> Result<Vec<String>, Failure> {
    resolve("order in the manual provisioning list", texts, async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListManualOrdersRequest { page_size, page_token, ..Default::default() };
            let answer = clients.manual().list_manual_orders(clients.request(message)).await;
            let page = clients.answer(Service::Fulfillment, answer)?;
            let ids = page.orders.into_iter().filter_map(|order| Some(order.record?.order?.order_id)).collect();
            Ok((ids, page.next_page_token))
        });
        Ok(listing.await?.items)
    })
    .await
}

/// The reviews that these texts name, in whatever state.
///
/// # Errors
/// As [`orders`].
pub async fn reviews(clients: &Clients, texts: &[String]) -> Result<Vec<String>, Failure> {
    use ReviewState::{Approved, Declined, Open, Postponed, Withdrawn};
    let states: Vec<i32> = [Open, Postponed, Approved, Declined, Withdrawn].map(Into::into).to_vec();
    resolve("review", texts, async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListReviewsRequest { states: states.clone(), page_size, page_token, ..Default::default() };
            let answer = clients.reviews().list_reviews(clients.request(message)).await;
            let page = clients.answer(Service::Review, answer)?;
            Ok((page.reviews.into_iter().map(|review| review.review_id).collect(), page.next_page_token))
        });
        Ok(listing.await?.items)
    })
    .await
}

/// The request for an assignment that this text names, in whatever state.
///
/// # Errors
/// As [`orders`].
pub async fn request(clients: &Clients, text: &str) -> Result<String, Failure> {
    let workflow_states: Vec<i32> = WorkflowState::ALL.map(WorkflowState::number).to_vec();
    let texts = [text.to_owned()];
    let found = resolve("request", &texts, async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let workflow_states = workflow_states.clone();
            let message = ListRequestsRequest { workflow_states, page_size, page_token, ..Default::default() };
            let answer = clients.assignments().list_requests(clients.request(message)).await;
            let page = clients.answer(Service::OrderGenerator, answer)?;
            let ids = page.requests.into_iter().filter_map(|record| Some(record.request?.request_id)).collect();
            Ok((ids, page.next_page_token))
        });
        Ok(listing.await?.items)
    });
    Ok(found.await?.into_iter().next().unwrap_or_default())
}

/// The job run that this text names.
///
/// # Errors
/// As [`orders`].
pub async fn run(clients: &Clients, text: &str) -> Result<String, Failure> {
    let texts = [text.to_owned()];
    let found = resolve("job run", &texts, async || {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListJobRunsRequest { job: String::new(), page_size, page_token };
            let answer = clients.jobs().list_job_runs(clients.request(message)).await;
            let page = clients.answer(Service::OrderGenerator, answer)?;
            Ok((page.runs.into_iter().map(|run| run.run_id).collect(), page.next_page_token))
        });
        Ok(listing.await?.items)
    });
    Ok(found.await?.into_iter().next().unwrap_or_default())
}

/// Asks for `candidates` only when a text is not a whole id.
async fn resolve(
    what: &str,
    texts: &[String],
    candidates: impl AsyncFnOnce() -> Result<Vec<String>, Failure>,
) -> Result<Vec<String>, Failure> {
    if texts.iter().all(|text| uuid::Uuid::try_parse(text).is_ok()) {
        return Ok(texts.to_vec());
    }
    if let Some(text) = texts.iter().find(|text| text.chars().count() < SHORT_MIN) {
        return Err(Failure::Usage(format!("'{text}' is too short for an id: {SHORT_MIN} characters at least")));
    }
    let candidates = candidates().await?;
    texts.iter().map(|text| one(what, text, &candidates)).collect()
}

fn one(what: &str, text: &str, candidates: &[String]) -> Result<String, Failure> {
    if uuid::Uuid::try_parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let wanted = text.to_lowercase();
    let mut fitting = candidates.iter().filter(|id| id.starts_with(&wanted) || id.ends_with(&wanted));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id.clone()),
        (None, _) => Err(Failure::Other(anyhow::anyhow!("there is no {what} '{text}'"))),
        (Some(first), Some(second)) => Err(Failure::Usage(format!(
            "'{text}' fits {} of them, for example {first} and {second}; give more of the id",
            2 + fitting.count()
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IDS: [&str; 3] = [
        "019aa5c0-1111-7000-8000-0000000000aa",
        "019aa5c0-2222-7000-8000-0000000000bb",
        "019aa5c0-3333-7000-8000-1000000000bb",
    ];

    async fn resolved(text: &str) -> Result<Vec<String>, Failure> {
        resolve("order", &[text.to_owned()], async || Ok(IDS.map(str::to_owned).to_vec())).await
    }

    #[tokio::test]
    async fn beginning_or_end_names_an_id() {
        assert_eq!(resolved("0000000000AA").await.unwrap(), [IDS[0]]);
        assert_eq!(resolved("019aa5c0-3").await.unwrap(), [IDS[2]]);
    }

    #[tokio::test]
    async fn whole_ids_are_not_looked_up() {
        let whole = vec![IDS[1].to_owned()];
        let found = resolve("order", &whole, async || Err(Failure::Usage("asked".into()))).await;
        assert_eq!(found.unwrap(), whole);
    }

    #[tokio::test]
    async fn none_several_and_too_short_are_told_apart() {
        assert_eq!(resolved("ffffffff").await.unwrap_err().to_string(), "there is no order 'ffffffff'");
        let several = resolved("00000000bb").await.unwrap_err();
        assert!(several.to_string().contains("fits 2 of them"), "{several}");
        assert_eq!(several.exit_code(), 2);
        assert!(resolved("aa").await.unwrap_err().to_string().contains("too short"));
    }
}
