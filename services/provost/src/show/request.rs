//! Requests for assignments in a few words.

use super::{instant, order::named};
use provost_contract::types::v1::{AssignmentRequest, EntitlementKind, Period, RequestAction};

/// What kind of thing is asked for.
pub fn entitlement(kind: i32) -> &'static str {
    match EntitlementKind::try_from(kind) {
        Ok(EntitlementKind::Role) => "role",
        Ok(EntitlementKind::CompositeRole) => "composite role",
        Ok(EntitlementKind::ResourceType) => "resource type",
        Ok(EntitlementKind::Unspecified) | Err(_) => "?",
    }
}

/// What shall become of it.
pub fn action(number: i32) -> &'static str {
    match RequestAction::try_from(number) {
        Ok(RequestAction::Give) => "give",
        Ok(RequestAction::TakeAway) => "take away",
        Ok(RequestAction::Unspecified) | Err(_) => "?",
    }
}

/// Whom a request is for.
pub fn asked_for(request: &AssignmentRequest) -> String {
    named(request.owner.as_ref())
}

/// What is asked for, as "give role auditor".
pub fn wish(request: &AssignmentRequest) -> String {
    format!("{} {} {}", action(request.action), entitlement(request.kind), request.name)
}

/// A period, as "2026-03-01 … – …"; empty without any end.
pub fn period(period: Option<&Period>) -> String {
    let Some(Period { valid_from, valid_until }) = period else { return String::new() };
    match (valid_from, valid_until) {
        (None, None) => String::new(),
        (Some(from), None) => format!("from {}", instant(Some(from))),
        (None, Some(until)) => format!("until {}", instant(Some(until))),
        (Some(from), Some(until)) => format!("from {} until {}", instant(Some(from)), instant(Some(until))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::Owner;

    #[test]
    fn wishes_read_as_sentences() {
        let owner = Owner { key: "E1".into(), display_name: "Ada".into(), ..Owner::default() };
        let request =
            AssignmentRequest { owner: Some(owner), kind: 1, name: "auditor".into(), action: 1, ..Default::default() };
        assert_eq!((wish(&request).as_str(), asked_for(&request).as_str()), ("give role auditor", "Ada (E1)"));
        let request = AssignmentRequest { kind: 3, action: 2, owner: None, ..request };
        assert_eq!(wish(&request), "take away resource type auditor");
        assert_eq!((asked_for(&request), entitlement(9), action(9)), ("–".to_owned(), "?", "?"));
    }

    #[test]
    fn periods_name_the_ends_that_they_have() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let shown = |valid_from, valid_until| period(Some(&Period { valid_from, valid_until }));
        assert_eq!(shown(at(0), None), "from 1970-01-01 00:00:00Z");
        assert_eq!(shown(None, at(0)), "until 1970-01-01 00:00:00Z");
        assert_eq!(shown(at(0), at(1)), "from 1970-01-01 00:00:00Z until 1970-01-01 00:00:01Z");
        assert_eq!((shown(None, None), period(None)), (String::new(), String::new()));
    }
}
