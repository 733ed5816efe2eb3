//! Requests for assignments in a scenario: who asks for what, and who decides.

use crate::scenario::Verdict;
use crate::suite::Suite;
use crate::words;
use crate::yaml::{Node, Reading, mistake};
use anyhow::{Context as _, Result, bail};
use provost_contract::generator::v1 as pb;
use provost_contract::review::v1 as review;
use provost_contract::to_wire;
use provost_domain::Timestamp;
use provost_service_kit::caller::request_as;

/// What a request is about, and who says something on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// A role, single or composite; empty when it is a resource type.
    role: String,
    resource_type: String,
    owner: String,
    by: String,
    comment: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wish {
    /// Reads one.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        let known = ["role", "resource type", "for", "by", "comment", "from", "until"];
        let fields = node.fields("a request", &known)?;
        let text = |key: &str| Ok(fields.text(key)?.unwrap_or_default());
        let instant = |key: &str| -> Reading<Option<Timestamp>> {
            let Some(text) = fields.text(key)? else { return Ok(None) };
            let at = words::read_instant(&text);
            at.map_or_else(|| mistake(node.line, format!("'{text}' is no date and no instant")), |at| Ok(Some(at)))
        };
        let wish = Self {
            role: text("role")?,
            resource_type: text("resource type")?,
            owner: fields.required("for")?.text("'for'")?,
            by: text("by")?,
            comment: text("comment")?,
            from: instant("from")?,
            until: instant("until")?,
        };
        match wish.role.is_empty() == wish.resource_type.is_empty() {
            true => mistake(node.line, "a request is about a role or about a resource type"),
            false => Ok(wish),
        }
    }

    /// Asks for it; what became of that, in words.
    pub(crate) async fn request(&self, suite: &Suite) -> Result<String> {
        let request = pb::RequestAssignmentRequest {
            request_id: String::new(),
            owner_entity_type: String::new(),
            owner_key: self.owner.clone(),
            role: self.role.clone(),
            resource_type: self.resource_type.clone(),
            valid_from: self.from.map(to_wire::timestamp),
            valid_until: self.until.map(to_wire::timestamp),
            comment: self.comment.clone(),
        };
        let record = suite.assignments().request_assignment(request_as(&self.by, request)).await?.into_inner();
        Ok(said(&record))
    }

    /// Asks that it is taken away; what became of that, in words.
    pub(crate) async fn revoke(&self, suite: &Suite) -> Result<String> {
        let request = pb::RevokeAssignmentRequest {
            request_id: String::new(),
            owner_entity_type: String::new(),
            owner_key: self.owner.clone(),
            role: self.role.clone(),
            resource_type: self.resource_type.clone(),
            valid_from: self.from.map(to_wire::timestamp),
            valid_until: self.until.map(to_wire::timestamp),
            comment: self.comment.clone(),
        };
        let record = suite.assignments().revoke_assignment(request_as(&self.by, request)).await?.into_inner();
        Ok(said(&record))
    }

    /// Takes the open request for it back.
    pub(crate) async fn withdraw(&self, suite: &Suite) -> Result<String> {
        let (request_id, _) = self.open(suite).await?;
        let request = pb::WithdrawRequestRequest { request_id, comment: self.comment.clone() };
        let record = suite.assignments().withdraw_request(request_as(&self.by, request)).await?.into_inner();
        Ok(said(&record))
    }

    /// Decides on the step that waits of the open request for it.
    pub(crate) async fn decide(&self, suite: &Suite, verdict: Verdict) -> Result<()> {
        let (review_id, decided) = self.open(suite).await?;
        let asked = review::GetReviewRequest { review_id: review_id.clone() };
        // Review hears of it a moment after the request, and says which step waits after each decision.
        let version = crate::play::soon(async || {
            let found = suite.reviews().get_review(asked.clone()).await?.into_inner();
            match found.decisions.len() >= decided {
                true => Ok(found.version),
                false => bail!("review has not heard of the last decision"),
            }
        })
        .await
        .context("there is no review of the request")?;
        let (comment, mut reviews) = (self.comment.clone(), suite.reviews());
        match verdict {
            Verdict::Approve => {
                let request = review::ApproveRequest { review_id: review_id.clone(), comment, version };
                reviews.approve(request_as(&self.by, request)).await?
            }
            Verdict::Decline => {
                let request = review::DeclineRequest { review_id: review_id.clone(), comment, version };
                reviews.decline(request_as(&self.by, request)).await?
            }
            Verdict::Postpone => {
                let request = review::PostponeRequest { review_id: review_id.clone(), comment, version };
                reviews.postpone(request_as(&self.by, request)).await?
            }
        };
        crate::play::soon(async || {
            let request = pb::GetRequestRequest { request_id: review_id.clone() };
            let record = suite.assignments().get_request(request).await?.into_inner();
            match record.decisions.len() > decided {
                true => Ok(()),
                false => bail!("the order generator has not heard of the decision"),
            }
        })
        .await
    }

    /// The open request for it: its id, and how many decisions there are.
    async fn open(&self, suite: &Suite) -> Result<(String, usize)> {
        let request = pb::ListRequestsRequest {
            owner_key: self.owner.clone(),
            role: self.role.clone(),
            resource_type: self.resource_type.clone(),
            ..Default::default()
        };
        let found = suite.assignments().list_requests(request).await?.into_inner().requests;
        let newest = found.into_iter().next_back().context("no request waits for that")?;
        let id = newest.request.map(|request| request.request_id).unwrap_or_default();
        Ok((id, newest.decisions.len()))
    }
}

fn said(record: &pb::AssignmentRequestRecord) -> String {
    let state = words::workflow(record.workflow_state);
    std::iter::once(state).chain(record.notes.iter().cloned()).collect::<Vec<_>>().join("\n")
}
