//! The feed of decisions.

use super::Desk;
use crate::model::{Decision, SubjectKind};
use crate::store::decisions;
use futures::Stream;
use provost_service_kit::feed;
use std::sync::Arc;
use tonic::Status;

impl Desk {
    /// Everything decided after a cursor on these kinds of things (all, when there is none), then live.
    pub(crate) fn watch(
        self: &Arc<Self>,
        after: i64,
        kinds: Vec<SubjectKind>,
    ) -> impl Stream<Item = Result<Decision, Status>> + Send + 'static {
        let database = self.database.clone();
        feed::serve(after, self.wake.listener(), self.stop.clone(), move |cursor| {
            let (database, kinds) = (database.clone(), kinds.clone());
            async move {
                let found = decisions::after(database.read(), cursor, &kinds).await?;
                Ok(found.into_iter().map(|decision| (decision.cursor, decision)).collect())
            }
        })
    }
}
