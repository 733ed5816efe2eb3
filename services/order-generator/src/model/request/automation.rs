//! What rules decide in place of people who do not: after so many hours in a workflow state.
//!
//! The rule that must hold: the most particular rule wins (one that names the role or resource type, before
//! one that is for everything); of equally particular ones, one that declines.

use super::Request;
use crate::model::catalog::AutomationRule;
use provost_domain::Timestamp;
use std::time::Duration;

/// What a rule decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automatic {
    /// It approves; else it declines.
    pub approves: bool,
    /// In which words: the rule.
    pub comment: String,
}

const HOUR: Duration = Duration::from_secs(3_600);

/// What is decided on a request by now; nothing while no rule is due.
pub fn automatic(rules: &[AutomationRule], request: &Request, now: Timestamp) -> Option<Automatic> {
    if !request.is_open() {
        return None;
    }
    let waited = now.since(request.since);
    let fits = |rule: &&AutomationRule| {
        rule.state == request.state && rule.of.as_deref().is_none_or(|of| of == request.name.as_str())
    };
    // A particular rule counts before it is due: it says how long people have.
    let is_particular = rules.iter().filter(fits).any(|rule| rule.of.is_some());
    let due = rules.iter().filter(fits).filter(|rule| rule.of.is_some() == is_particular);
    let due = due.filter(|rule| waited >= HOUR.saturating_mul(rule.after_hours));
    let rule = due.min_by_key(|rule| (rule.approves, rule.after_hours))?;
    let does = if rule.approves { "approves" } else { "declines" };
    let of = rule.of.as_deref().map(|of| format!(" of {of}")).unwrap_or_default();
    let comment = format!("automation rule: {does} requests{of} after {} h in {}", rule.after_hours, rule.state);
    Some(Automatic { approves: rule.approves, comment })
}

/// The shortest time after which any rule decides; none without rules.
pub fn soonest(rules: &[AutomationRule]) -> Option<Duration> {
    rules.iter().map(|rule| HOUR.saturating_mul(rule.after_hours)).min()
}
