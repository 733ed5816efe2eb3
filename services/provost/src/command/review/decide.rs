//! `review approve`, `decline` and `postpone`: the same road with three ends, so one file.

use super::super::ids;
use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{asked_for, short, subject, wish};
use provost_contract::review::v1::{ApproveRequest, DeclineRequest, PostponeRequest, Review};

/// Which reviews to approve.
#[derive(Debug, clap::Args)]
pub struct ApproveArguments {
    /// The reviews; the beginning or end of each is enough.
    #[arg(required = true, value_name = "REVIEW")]
    reviews: Vec<String>,
    /// In which words; the history keeps them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// Which reviews to decline.
#[derive(Debug, clap::Args)]
pub struct DeclineArguments {
    /// The reviews; the beginning or end of each is enough.
    #[arg(required = true, value_name = "REVIEW")]
    reviews: Vec<String>,
    /// Why; the history keeps it.
    #[arg(long, short)]
    comment: String,
}

/// Which reviews to postpone.
#[derive(Debug, clap::Args)]
pub struct PostponeArguments {
    /// The reviews; the beginning or end of each is enough.
    #[arg(required = true, value_name = "REVIEW")]
    reviews: Vec<String>,
    /// Why; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Approve,
    Decline,
    Postpone,
}

/// A decision on several reviews.
#[derive(Debug)]
pub(super) struct Decide {
    verdict: Verdict,
    reviews: Vec<String>,
    comment: String,
}

impl From<ApproveArguments> for Decide {
    fn from(ApproveArguments { reviews, comment }: ApproveArguments) -> Self {
        Self { verdict: Verdict::Approve, reviews, comment }
    }
}

impl From<DeclineArguments> for Decide {
    fn from(DeclineArguments { reviews, comment }: DeclineArguments) -> Self {
        Self { verdict: Verdict::Decline, reviews, comment }
    }
}

impl From<PostponeArguments> for Decide {
    fn from(PostponeArguments { reviews, comment }: PostponeArguments) -> Self {
        Self { verdict: Verdict::Postpone, reviews, comment }
    }
}

/// Decides one after the other; one that is refused does not stop the others.
pub(super) async fn run(decide: Decide, session: &mut Session) -> Result<Outcome, Failure> {
    let reviews = ids::reviews(&session.clients, &decide.reviews).await?;
    let mut decided = Vec::new();
    let mut failures = 0;
    for review_id in reviews {
        match one(&session.clients, decide.verdict, &review_id, &decide.comment).await {
            Ok(review) => {
                if !session.is_json() {
                    let done = match decide.verdict {
                        Verdict::Approve if review.step > 0 => "approved at this step; others must follow",
                        Verdict::Approve => "approved",
                        Verdict::Decline => "declined",
                        Verdict::Postpone => "postponed",
                    };
                    let tick = session.console.style().green("✓");
                    let what = what(&review);
                    session.console.line(format!("{tick} {} {done}: {what}", short(&review_id)))?;
                }
                decided.push(review);
            }
            Err(failure) if failure.is_passing() => return Err(failure),
            Err(failure) => {
                failures += 1;
                session.console.fail(&format!("{}: {}", short(&review_id), failure.text().unwrap_or_default()));
            }
        }
    }
    if session.is_json() {
        session.json_list("provost.review.v1.Review", &decided)?;
    }
    Ok(Outcome::of_failures(failures))
}

fn what(review: &Review) -> String {
    match (&review.assignment_request, &review.order) {
        (Some(request), _) => format!("{} of {}", wish(request), asked_for(request)),
        (None, Some(order)) => format!("{} of {}", order.resource_type, subject(order)),
        (None, None) => String::new(),
    }
}

async fn one(clients: &Clients, verdict: Verdict, review_id: &str, comment: &str) -> Result<Review, Failure> {
    let (review_id, comment) = (review_id.to_owned(), comment.to_owned());
    let mut reviews = clients.reviews();
    let answer = match verdict {
        Verdict::Approve => reviews.approve(clients.request(ApproveRequest { review_id, comment, version: 0 })).await,
        Verdict::Decline => reviews.decline(clients.request(DeclineRequest { review_id, comment, version: 0 })).await,
        Verdict::Postpone => {
            reviews.postpone(clients.request(PostponeRequest { review_id, comment, version: 0 })).await
        }
    };
    clients.answer(Service::Review, answer)
}
