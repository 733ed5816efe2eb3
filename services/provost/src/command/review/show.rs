//! `review show ID`: everything that a decision needs.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table, instant, review_state};
use provost_contract::review::v1::{Decision, GetReviewRequest, Review, Verdict};
use provost_contract::types::v1::{AssignmentRequest, BlockCause, Order};

/// Which review.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The review, which is the order's or the request's id; its beginning or end is enough.
    review: String,
}

pub(super) async fn run(arguments: ShowArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let review_id = ids::reviews(&session.clients, &[arguments.review]).await?.into_iter().next().unwrap_or_default();
    let request = session.clients.request(GetReviewRequest { review_id });
    let answer = session.clients.reviews().get_review(request).await;
    let review = session.clients.answer(Service::Review, answer)?;
    if session.is_json() {
        session.json("provost.review.v1.Review", &review)?;
        return Ok(Outcome::Done);
    }
    if let Some(request) = &review.assignment_request {
        session.console.lines(request_facts(&review, request))?;
    } else {
        let order = review.order.clone().unwrap_or_default();
        session.console.lines(facts(&review, &order))?;
        session.console.line("")?;
        session.table(&values(&order), "no values: the resource as a whole")?;
    }
    if !review.decisions.is_empty() {
        session.console.line("")?;
        session.table(&decisions(&review.decisions), "")?;
    }
    Ok(Outcome::Done)
}

fn request_facts(review: &Review, request: &AssignmentRequest) -> Vec<String> {
    let name = if request.display_name.is_empty() { String::new() } else { format!(" ({})", request.display_name) };
    let why: Vec<String> = request.why.iter().map(|reason| reason.detail.clone()).collect();
    let facts = [
        ("review", review.review_id.clone()),
        ("state", super::list::standing(review)),
        ("asks to", format!("{}{name}", show::wish(request))),
        ("for", show::asked_for(request)),
        ("when", show::period(request.period.as_ref())),
        ("asked by", request.requested_by.clone()),
        ("comment", request.comment.clone()),
        ("to know", why.join("; ")),
        ("approvals", format!("{} of {}", review.approvals_given, review.approvals_required)),
        ("since", instant(review.created_at.as_ref())),
        ("version", review.version.to_string()),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:<12}{text}")).collect()
}

fn facts(review: &Review, order: &Order) -> Vec<String> {
    let causes: Vec<&str> = order.block_causes.iter().map(|&cause| block_cause(cause)).collect();
    let why: Vec<String> = order.why.iter().map(|reason| format!("{} {}", reason.rule, reason.detail)).collect();
    let facts = [
        ("review", review.review_id.clone()),
        ("state", review_state(review.state)),
        ("asks for", format!("{} of {} {}", show::kind(order), order.resource_type, order.target_key)),
        ("for", show::subject(order)),
        ("in", order.connector.clone()),
        ("because", why.join(" ← ").trim().to_owned()),
        ("blocked by", causes.join(", ")),
        ("since", instant(review.created_at.as_ref())),
        ("version", review.version.to_string()),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:<12}{text}")).collect()
}

fn block_cause(number: i32) -> &'static str {
    match BlockCause::try_from(number) {
        Ok(BlockCause::ResourceType) => "the resource type requires review",
        Ok(BlockCause::Run) => "the run forced review",
        Ok(BlockCause::QueuedBehind) => "an earlier order of the same resource waits",
        Ok(BlockCause::Confidence) => "the rule is not certain",
        Ok(BlockCause::Unspecified) | Err(_) => "",
    }
}

fn values(order: &Order) -> Table {
    let mut table = Table::new(&["property", "does", "current", "proposed", "why"]);
    for change in &order.changes {
        let [current, proposed] = show::current_and_proposed(order, change);
        table.row(vec![
            change.property.clone(),
            show::operation(change.operation).to_owned(),
            current,
            proposed,
            change.why.last().map(|reason| reason.rule.clone()).unwrap_or_default(),
        ]);
    }
    table
}

fn decisions(decisions: &[Decision]) -> Table {
    let mut table = Table::new(&["when", "said", "by", "comment"]);
    for decision in decisions {
        let said = match Verdict::try_from(decision.verdict) {
            Ok(Verdict::Approve) => "approve",
            Ok(Verdict::Decline) => "decline",
            Ok(Verdict::Postpone) => "postpone",
            Ok(Verdict::Unspecified) | Err(_) => "?",
        };
        table.row(vec![
            instant(decision.at.as_ref()),
            said.to_owned(),
            decision.actor.clone(),
            decision.comment.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::{Change, Value, value::Kind};

    #[test]
    fn sensitive_values_stay_hidden_from_the_reviewer() {
        let proposed = Some(Value { kind: Some(Kind::StringValue("+48 12".into())) });
        let change = Change { property: "phone".into(), operation: 1, proposed, sensitive: true, ..Change::default() };
        let order = Order { changes: vec![change], block_causes: vec![1], kind: 1, ..Order::default() };
        let text = values(&order).render(Style::new(false)).join("\n");
        assert!(!text.contains("+48") && text.contains("phone     set   –        ••••••"), "{text}");
        let text = values(&Order { kind: 3, ..order.clone() }).render(Style::new(false)).join("\n");
        assert!(text.contains("phone     set   ••••••   ••••••"), "{text}");
        let text = facts(&Review::default(), &order).join("\n");
        assert!(text.contains("the resource type requires review"), "{text}");
    }

    #[test]
    fn request_shows_who_asks_for_what_and_how_many_agree() {
        let request = AssignmentRequest {
            kind: 1,
            name: "auditor".into(),
            display_name: "Auditor".into(),
            action: 2,
            requested_by: "eve".into(),
            ..AssignmentRequest::default()
        };
        let review = Review { state: 1, step: 2, approvals_required: 2, approvals_given: 1, ..Review::default() };
        let text = request_facts(&review, &request).join("\n");
        for line in ["asks to     take away role auditor (Auditor)", "asked by    eve", "approvals   1 of 2"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("state       Open, step 2 of 2"), "{text}");
    }

    #[test]
    fn decisions_are_listed_with_their_words() {
        let said = Decision { verdict: 2, actor: "ada".into(), comment: "no".into(), ..Decision::default() };
        let lines = decisions(&[said]).render(Style::new(false));
        assert_eq!(lines.last().unwrap(), "–     decline  ada  no");
    }
}
