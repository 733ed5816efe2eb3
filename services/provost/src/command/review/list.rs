//! `review list`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, instant, review_state, short, shortened};
use provost_contract::review::v1::{ListReviewsRequest, Review, ReviewState, SubjectKind};
use provost_contract::types::v1::EntitlementKind;

/// Which reviews.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// In any of these states; those that wait, when none is given.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
    /// About orders only, or requests for assignments only.
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Of this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
    /// Of this role, single or composite.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    role: String,
    /// Of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum State {
    Open,
    Postponed,
    Approved,
    Declined,
    Withdrawn,
}

impl From<State> for ReviewState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Postponed => Self::Postponed,
            State::Approved => Self::Approved,
            State::Declined => Self::Declined,
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Order,
    Request,
}

impl From<Kind> for SubjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Order => Self::Order,
            Kind::Request => Self::AssignmentRequest,
        }
    }
}

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let states: Vec<i32> = arguments.state.iter().map(|&state| ReviewState::from(state).into()).collect();
    let kinds: Vec<i32> = arguments.kind.iter().map(|&kind| SubjectKind::from(kind).into()).collect();
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListReviewsRequest {
            states: states.clone(),
            resource_type: arguments.resource_type.clone(),
            owner_key: arguments.owner.clone(),
            page_size,
            page_token,
            subject_kinds: kinds.clone(),
            role: arguments.role.clone(),
        };
        let answer = clients.reviews().list_reviews(clients.request(message)).await;
        let page = clients.answer(Service::Review, answer)?;
        Ok((page.reviews, page.next_page_token))
    })
    .await?;
    session.list("provost.review.v1.Review", &listing, table, "nothing waits for a review")?;
    Ok(Outcome::Done)
}

/// A review's state, and its step where there are several.
pub(super) fn standing(review: &Review) -> String {
    let state = review_state(review.state);
    match (review.step, review.approvals_required) {
        (0, _) | (_, 0..=1) => state,
        (step, required) => format!("{state}, step {step} of {required}"),
    }
}

/// Reviews as a table.
pub fn table(reviews: &[Review]) -> Table {
    let mut table = Table::new(&["review", "state", "kind", "resource type", "target", "owner", "proposed", "since"]);
    for review in reviews {
        if let Some(request) = &review.assignment_request {
            let is_type = request.kind == i32::from(EntitlementKind::ResourceType);
            table.row(vec![
                short(&review.review_id).to_owned(),
                standing(review),
                "Request".to_owned(),
                if is_type { request.name.clone() } else { String::new() },
                String::new(),
                shortened(&show::asked_for(request), 40),
                shortened(format!("{} {}", show::wish(request), show::period(request.period.as_ref())).trim(), 60),
                instant(review.created_at.as_ref()),
            ]);
            continue;
        }
        let order = review.order.clone().unwrap_or_default();
        let changes: Vec<String> = order.changes.iter().map(show::change).collect();
        table.row(vec![
            short(&review.review_id).to_owned(),
            standing(review),
            show::kind(&order).to_owned(),
            order.resource_type.clone(),
            shortened(&order.target_key, 32),
            shortened(&show::subject(&order), 40),
            shortened(&changes.join(", "), 60),
            instant(review.created_at.as_ref()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::{AssignmentRequest, Order, Owner};

    #[test]
    fn orders_and_requests_stand_in_one_table() {
        let owner = Some(Owner { key: "E1".into(), display_name: "Ada".into(), ..Owner::default() });
        let order = Order { kind: 4, resource_type: "App".into(), target_key: "ada".into(), ..Order::default() };
        let request = AssignmentRequest { owner, kind: 1, name: "auditor".into(), action: 1, ..Default::default() };
        let reviews = [
            Review {
                review_id: "a".into(),
                state: 1,
                order: Some(order),
                step: 1,
                approvals_required: 1,
                ..Default::default()
            },
            Review {
                review_id: "b".into(),
                state: 2,
                assignment_request: Some(request),
                step: 2,
                approvals_required: 3,
                ..Default::default()
            },
        ];
        let lines = table(&reviews).render(Style::new(false));
        assert_eq!(
            lines,
            [
                "REVIEW  STATE                   KIND      RESOURCE TYPE  TARGET  OWNER     PROPOSED           SINCE",
                "a       Open                    Deletion  App            ada     –                            –",
                "b       Postponed, step 2 of 3  Request                          Ada (E1)  give role auditor  –",
            ]
        );
    }
}
