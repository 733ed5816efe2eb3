//! Listing reviews, a page at a time.

use super::Desk;
use crate::model::{Review, Subject};
use crate::store::reviews::{self, Filter};
use prost::Message;
use provost_service_kit::{Fault, page};

/// A page ends early when it grows beyond this, so that it always fits into one message.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which page.
#[derive(Clone, Debug)]
pub(crate) struct ListReviews {
    pub(crate) filter: Filter,
    pub(crate) after: i64,
    pub(crate) size: u64,
}

impl Desk {
    /// A page of reviews, oldest first, and the token of the next.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn list(&self, wish: ListReviews) -> Result<(Vec<Review>, String), Fault> {
        let mut found = reviews::list(self.database.read(), &wish.filter, wish.after, wish.size).await?;
        let fitting = fitting(found.iter().map(bytes), PAGE_BYTES);
        let is_cut = fitting < found.len();
        found.truncate(fitting);
        let size = if is_cut { found.len() as u64 } else { wish.size };
        let token = page::next(found.last().map(|last| last.sequence), found.len(), size);
        Ok((found, token))
    }
}

fn bytes(review: &Review) -> usize {
    let decisions = review.decisions.iter().map(|decision| 200 + decision.actor.len() + decision.comment.len());
    let subject = match &review.subject {
        Subject::Order(order) => order.encoded_len(),
        Subject::AssignmentRequest(request) => request.encoded_len(),
    };
    200 + subject + decisions.sum::<usize>()
}

/// How many fit, at least one: a page without a line would never end the list.
fn fitting(sizes: impl Iterator<Item = usize>, limit: usize) -> usize {
    let mut sum = 0_usize;
    sizes
        .enumerate()
        .take_while(|(index, size)| {
            sum = sum.saturating_add(*size);
            *index == 0 || sum <= limit
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_ends_before_it_is_too_large_and_is_never_empty() {
        assert_eq!(fitting([4, 4, 4].into_iter(), 12), 3);
        assert_eq!(fitting([4, 4, 5].into_iter(), 12), 2);
        assert_eq!(fitting([99, 1].into_iter(), 12), 1);
        assert_eq!(fitting([].into_iter(), 12), 0);
    }
}
