//! How an order differs from what somebody saw who decided on it.
//!
//! The rule that must hold: what stood at a version follows from the history alone, whose lines say which
//! version they left; so the difference can be told of any version that ever was.

use crate::model::suggestion::shown;
use provost_contract::types::v1::{HistoryEntry, ItemDifference, Order, OrderEvent};
use provost_domain::ProvisioningState;

/// Most lines of the history that a sentence tells.
const LINES_MAX: usize = 5;

const NOTHING: &str = "(none)";

/// What somebody saw, and what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// The version seen, and the version now.
    pub(crate) versions: (i64, i64),
    pub(crate) state: ProvisioningState,
    pub(crate) assignee: Option<&'a str>,
    /// Oldest first.
    pub(crate) history: &'a [HistoryEntry],
    /// The order, and the one that took its place, when one did.
    pub(crate) replaced: Option<(&'a Order, &'a Order)>,
}

impl Seen<'_> {
    /// What differs, the version first.
    pub(crate) fn differences(&self) -> Vec<ItemDifference> {
        let (seen, now) = self.versions;
        let mut found = vec![difference("version", seen.to_string(), now.to_string())];
        let state = self.state_then().map_or_else(|| self.state.to_string(), |state| state.to_string());
        let assignee = self.assignee_then();
        let pairs =
            [("state", state, self.state.to_string()), ("assignee", or_nothing(assignee), or_nothing(self.assignee))];
        found.extend(pairs.into_iter().filter(|(_, seen, now)| seen != now).map(|(what, a, b)| difference(what, a, b)));
        let Some((old, new)) = self.replaced else { return found };
        found.push(difference("order", old.order_id.clone(), new.order_id.clone()));
        let mut properties: Vec<&str> =
            old.changes.iter().chain(&new.changes).map(|change| change.property.as_str()).collect();
        properties.sort_unstable();
        properties.dedup();
        for property in properties {
            let value = |order: &Order| {
                let change = order.changes.iter().find(|change| change.property == property)?;
                shown(change, change.proposed.as_ref())
            };
            let is_same = |order: &Order| order.changes.iter().find(|change| change.property == property).cloned();
            let (was, is) = (is_same(old), is_same(new));
            if was.as_ref().map(|change| &change.proposed) != is.as_ref().map(|change| &change.proposed) {
                let (was, is) = (or_nothing(value(old).as_deref()), or_nothing(value(new).as_deref()));
                found.push(difference(&format!("value of {property}"), was, is));
            }
        }
        found
    }

    /// One sentence on it, for people.
    pub(crate) fn sentence(&self, id: &str) -> String {
        let (seen, now) = self.versions;
        if seen > now {
            return format!("order {id} never had version {seen}: it has version {now}; read it again");
        }
        let differs: Vec<String> = self
            .differences()
            .into_iter()
            .skip(1)
            .map(|ItemDifference { what, seen, now }| format!("{what} was {seen}, is {now}"))
            .collect();
        let differs = if differs.is_empty() { format!("it is still {}", self.state) } else { differs.join("; ") };
        let since = self.since();
        let more = since.len().saturating_sub(LINES_MAX);
        let mut told: Vec<String> = since.into_iter().take(LINES_MAX).collect();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let told = if told.is_empty() { String::new() } else { format!(" (since then: {})", told.join(", ")) };
        format!("order {id} changed since version {seen}: it has version {now}; {differs}{told}; read it again")
    }

    /// The state at the version seen: where the first step after it began.
    fn state_then(&self) -> Option<ProvisioningState> {
        let (seen, _) = self.versions;
        let first = self.history.iter().find(|line| line.version > seen && moves(line))?;
        ProvisioningState::from_number(first.from_state)
    }

    /// The assignee at the version seen: nobody before the first assignment.
    fn assignee_then(&self) -> Option<&str> {
        let (seen, _) = self.versions;
        let is_ours = |line: &&HistoryEntry| {
            line.version <= seen && matches!(line.event(), OrderEvent::Assigned | OrderEvent::Unassigned)
        };
        let last = self.history.iter().rev().find(is_ours)?;
        Some(last.assignee.as_str()).filter(|assignee| !assignee.is_empty())
    }

    /// What happened since the version seen.
    fn since(&self) -> Vec<String> {
        let (seen, _) = self.versions;
        let line = |line: &HistoryEntry| {
            let event = line.event().as_str_name().trim_start_matches("ORDER_EVENT_").to_lowercase().replace('_', " ");
            let to = if line.assignee.is_empty() { String::new() } else { format!(" to {}", line.assignee) };
            format!("{event}{to} by {}", line.actor)
        };
        self.history.iter().filter(|entry| entry.version > seen).map(line).collect()
    }
}

/// Lines beside the states say nothing of them.
fn moves(line: &HistoryEntry) -> bool {
    !matches!(
        line.event(),
        OrderEvent::Assigned | OrderEvent::Unassigned | OrderEvent::Commented | OrderEvent::LateFeedback
    )
}

fn or_nothing(text: Option<&str>) -> String {
    text.unwrap_or(NOTHING).to_owned()
}

fn difference(what: &str, seen: String, now: String) -> ItemDifference {
    ItemDifference { what: what.to_owned(), seen, now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::submission::tests::{a_change, an_order};
    use provost_contract::to_wire;
    use provost_domain::ProvisioningState as State;

    fn line(version: i64, event: OrderEvent, (from, to): (State, State), assignee: &str) -> HistoryEntry {
        HistoryEntry {
            version,
            event: event.into(),
            from_state: from.number(),
            to_state: to.number(),
            actor: "desk".into(),
            assignee: assignee.into(),
            ..HistoryEntry::default()
        }
    }

    fn history() -> Vec<HistoryEntry> {
        let stays = (State::Transmitted, State::Transmitted);
        vec![
            line(1, OrderEvent::Generated, (State::None, State::Pending), ""),
            line(2, OrderEvent::HandedOver, (State::Pending, State::Transmitted), ""),
            line(3, OrderEvent::Assigned, stays, "ada"),
            line(3, OrderEvent::Commented, stays, ""),
            line(4, OrderEvent::Assigned, stays, "bob"),
            line(5, OrderEvent::Confirmed, (State::Transmitted, State::Executed), ""),
        ]
    }

    fn told(seen: i64) -> Vec<(String, String, String)> {
        let history = history();
        let seen = Seen {
            versions: (seen, 5),
            state: State::Executed,
            assignee: Some("bob"),
            history: &history,
            replaced: None,
        };
        seen.differences().into_iter().map(|one| (one.what, one.seen, one.now)).collect()
    }

    fn text(parts: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        parts.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
    }

    #[test]
    fn each_version_that_ever_was_is_told_from_the_history() {
        let executed = ("state", "Transmitted", "Executed");
        assert_eq!(told(4), text(&[("version", "4", "5"), executed]));
        assert_eq!(told(3), text(&[("version", "3", "5"), executed, ("assignee", "ada", "bob")]));
        assert_eq!(told(2), text(&[("version", "2", "5"), executed, ("assignee", "(none)", "bob")]));
        assert_eq!(told(1).get(1), text(&[("state", "Pending", "Executed")]).first());
    }

    #[test]
    fn sentence_says_what_was_what_is_and_who_did_it() {
        let history = history();
        let seen = |version| Seen {
            versions: (version, 5),
            state: State::Executed,
            assignee: Some("bob"),
            history: &history,
            replaced: None,
        };
        assert_eq!(
            seen(3).sentence("7f3a"),
            "order 7f3a changed since version 3: it has version 5; state was Transmitted, is Executed; assignee was \
             ada, is bob (since then: assigned to bob by desk, confirmed by desk); read it again"
        );
        assert_eq!(seen(9).sentence("7f3a"), "order 7f3a never had version 9: it has version 5; read it again");
    }

    #[test]
    fn what_took_its_place_shows_its_values_and_no_confidential_one() {
        let mut old = an_order();
        old.changes = vec![a_change("zone", "north"), a_change("pin", "1234"), a_change("number", "1")];
        old.changes.iter_mut().filter(|change| change.property == "pin").for_each(|change| change.sensitive = true);
        let mut new = old.clone();
        new.id = provost_domain::OrderId::new(uuid::Uuid::from_u128(8));
        new.changes = vec![a_change("zone", "south"), a_change("pin", "9999"), a_change("number", "1")];
        new.changes.iter_mut().filter(|change| change.property == "pin").for_each(|change| change.sensitive = true);
        let (old, new) = (to_wire::order(&old), to_wire::order(&new));
        let seen = Seen {
            versions: (2, 3),
            state: State::Inactive,
            assignee: None,
            history: &[],
            replaced: Some((&old, &new)),
        };
        let found = seen.differences();
        let values: Vec<_> = found.iter().map(|one| (one.what.as_str(), one.seen.as_str(), one.now.as_str())).collect();
        assert!(values.contains(&("value of zone", "north", "south")), "{values:?}");
        assert!(values.contains(&("value of pin", "(confidential)", "(confidential)")), "{values:?}");
        assert!(!values.iter().any(|(what, ..)| *what == "value of number"), "{values:?}");
    }
}
