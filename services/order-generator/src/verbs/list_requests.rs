//! Listing requests, a page at a time.

use crate::generator::Generator;
use crate::model::request::Request;
use crate::store::requests::{self, Filter};
use provost_service_kit::{Fault, page};

/// Which page.
#[derive(Clone, Debug)]
pub(crate) struct ListRequests {
    pub(crate) filter: Filter,
    pub(crate) after: i64,
    pub(crate) size: u64,
}

/// A page of requests, oldest first, and the token of the next.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn list_requests(generator: &Generator, wish: ListRequests) -> Result<(Vec<Request>, String), Fault> {
    let found = requests::list(generator.database.read(), &wish.filter, wish.after, wish.size).await?;
    let token = page::next(found.last().map(|(place, _)| *place), found.len(), wish.size);
    Ok((found.into_iter().map(|(_, request)| request).collect(), token))
}
