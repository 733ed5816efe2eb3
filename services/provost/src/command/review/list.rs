//! `review list`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, instant, review_state, short, shortened};
use provost_contract::review::v1::{ListReviewsRequest, Review, ReviewState};

/// Which reviews.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// In any of these states; those that wait, when none is given.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
    /// Of this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
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

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let states: Vec<i32> = arguments.state.iter().map(|&state| ReviewState::from(state).into()).collect();
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListReviewsRequest {
            states: states.clone(),
            resource_type: arguments.resource_type.clone(),
            owner_key: arguments.owner.clone(),
            page_size,
            page_token,
        };
        let answer = clients.reviews().list_reviews(clients.request(message)).await;
        let page = clients.answer(Service::Review, answer)?;
        Ok((page.reviews, page.next_page_token))
    })
    .await?;
    session.list("provost.review.v1.Review", &listing, table, "nothing waits for a review")?;
    Ok(Outcome::Done)
}

/// Reviews as a table.
pub fn table(reviews: &[Review]) -> Table {
    let mut table = Table::new(&["review", "state", "kind", "resource type", "target", "owner", "proposed", "since"]);
    for review in reviews {
        let order = review.order.clone().unwrap_or_default();
        let changes: Vec<String> = order.changes.iter().map(show::change).collect();
        table.row(vec![
            short(&review.review_id).to_owned(),
            review_state(review.state),
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
