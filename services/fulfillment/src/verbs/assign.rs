//! Who writes what by hand, and what is said of it meanwhile. Nothing of this changes a state: whoever has an
//! order, anybody may confirm it, for what counts is that it was written.

use crate::model::Note;
use crate::store::Ledger;
use crate::verbs::each::{check_size, check_version};
use crate::verbs::resolve::WORDS_MAX;
use provost_contract::fulfillment::v1::{
    AssignManualOrdersRequest, CommentManualOrdersRequest, ManualDecision, UnassignManualOrdersRequest,
};
use provost_contract::types::v1::ItemResult;
use provost_contract::{NAME_MAX, Violations};
use provost_service_kit::Fault;

impl Ledger {
    /// Names the person who writes orders.
    ///
    /// # Errors
    /// When the assignee is missing, or nothing could be recorded at all.
    pub(crate) async fn assign(
        &self,
        actor: &str,
        request: AssignManualOrdersRequest,
    ) -> Result<Vec<ItemResult>, Fault> {
        let AssignManualOrdersRequest { decisions, assignee, comment } = request;
        let mut wrong = Violations::default();
        wrong.require_text("assignee", &assignee, NAME_MAX);
        wrong.check_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        self.assign_to(actor, &decisions, Some(assignee.trim()), &comment).await
    }

    /// Gives orders back to everybody.
    ///
    /// # Errors
    /// When nothing could be recorded at all.
    pub(crate) async fn unassign(
        &self,
        actor: &str,
        request: UnassignManualOrdersRequest,
    ) -> Result<Vec<ItemResult>, Fault> {
        let UnassignManualOrdersRequest { decisions, comment } = request;
        let mut wrong = Violations::default();
        wrong.check_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        self.assign_to(actor, &decisions, None, &comment).await
    }

    async fn assign_to(
        &self,
        actor: &str,
        decisions: &[ManualDecision],
        assignee: Option<&str>,
        comment: &str,
    ) -> Result<Vec<ItemResult>, Fault> {
        check_size("decisions", decisions.len())?;
        self.each_by(&ids(decisions), |batch, index, id| {
            if let Some(entry) = batch.entry(id).filter(|entry| entry.standing.assignee.as_deref() != assignee) {
                check_version(entry, version(decisions, index))?;
            }
            Ok(batch.assign(id, assignee, Note::new(actor, comment))?)
        })
        .await
    }

    /// Keeps what somebody says of orders.
    ///
    /// # Errors
    /// When the comment is missing, or nothing could be recorded at all.
    pub(crate) async fn comment(
        &self,
        actor: &str,
        request: CommentManualOrdersRequest,
    ) -> Result<Vec<ItemResult>, Fault> {
        let CommentManualOrdersRequest { decisions, comment } = request;
        let mut wrong = Violations::default();
        wrong.require_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        check_size("decisions", decisions.len())?;
        self.each_by(&ids(&decisions), |batch, index, id| {
            if let Some(entry) = batch.entry(id) {
                check_version(entry, version(&decisions, index))?;
            }
            Ok(batch.comment(id, Note::new(actor, comment.as_str()))?)
        })
        .await
    }
}

fn ids(decisions: &[ManualDecision]) -> Vec<String> {
    decisions.iter().map(|decision| decision.order_id.clone()).collect()
}

fn version(decisions: &[ManualDecision], index: usize) -> i64 {
    decisions.get(index).map_or(0, |decision| decision.version)
}
