//! What a review is about: an order or an assignment request, and when two deliveries are about the same.

use provost_contract::masked;
use provost_contract::types::v1::{AssignmentRequest, Change, EntitlementKind, Order};

/// What kind of thing a review is about. The numbers are those of the wire and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubjectKind {
    Order = 1,
    AssignmentRequest = 2,
}

impl SubjectKind {
    pub(crate) const ALL: [Self; 2] = [Self::Order, Self::AssignmentRequest];

    pub(crate) const fn number(self) -> i32 {
        self as i32
    }

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Most approvals that a review of it can need.
    pub(crate) const fn approvals_max(self) -> u32 {
        match self {
            Self::Order => 1,
            Self::AssignmentRequest => 3,
        }
    }
}

/// What a review is about.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one to a review, and nearly all are orders")]
pub(crate) enum Subject {
    Order(Order),
    AssignmentRequest(AssignmentRequest),
}

impl Subject {
    pub(crate) const fn kind(&self) -> SubjectKind {
        match self {
            Self::Order(_) => SubjectKind::Order,
            Self::AssignmentRequest(_) => SubjectKind::AssignmentRequest,
        }
    }

    /// The order's id; empty when it is none.
    pub(crate) fn order_id(&self) -> &str {
        match self {
            Self::Order(order) => &order.order_id,
            Self::AssignmentRequest(_) => "",
        }
    }

    /// What it is, for messages.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Order(order) => format!("order {}", order.order_id),
            Self::AssignmentRequest(request) => {
                format!("the request for {}, of {}", request.name, owner_key(request.owner.as_ref()))
            }
        }
    }

    pub(crate) fn owner_key(&self) -> &str {
        owner_key(match self {
            Self::Order(order) => order.owner.as_ref(),
            Self::AssignmentRequest(request) => request.owner.as_ref(),
        })
    }

    /// The resource type that it is about; empty when that is a role.
    pub(crate) fn resource_type(&self) -> &str {
        match self {
            Self::Order(order) => &order.resource_type,
            Self::AssignmentRequest(request) if request.kind() == EntitlementKind::ResourceType => &request.name,
            Self::AssignmentRequest(_) => "",
        }
    }

    /// The role that it is about, single or composite; empty when it is about none.
    pub(crate) fn role(&self) -> &str {
        match self {
            Self::AssignmentRequest(request) if request.kind() != EntitlementKind::ResourceType => &request.name,
            Self::Order(_) | Self::AssignmentRequest(_) => "",
        }
    }

    /// Whose wish it is, when it is a person's: who asked does not decide.
    pub(crate) fn asked_by(&self) -> Option<&str> {
        match self {
            Self::Order(_) => None,
            Self::AssignmentRequest(request) => Some(&request.requested_by),
        }
    }

    /// Whether two deliveries ask for the same decision. Of orders: the same order, for the same resource
    /// and owner, with the same changes; confidential values do not count, since they may come or not. Why
    /// and names for people do not count either: a rule may have been renamed between two deliveries.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Order(one), Self::Order(other)) => is_same_order(one, other),
            (Self::AssignmentRequest(one), Self::AssignmentRequest(other)) => {
                request_place(one) == request_place(other)
            }
            (Self::Order(_), Self::AssignmentRequest(_)) | (Self::AssignmentRequest(_), Self::Order(_)) => false,
        }
    }
}

fn owner_key(owner: Option<&provost_contract::types::v1::Owner>) -> &str {
    owner.map_or("", |owner| owner.key.as_str())
}

fn request_place(request: &AssignmentRequest) -> AssignmentRequest {
    let owner =
        request.owner.clone().map(|owner| provost_contract::types::v1::Owner { display_name: String::new(), ..owner });
    AssignmentRequest {
        request_id: request.request_id.to_lowercase(),
        owner,
        display_name: String::new(),
        why: vec![],
        ..request.clone()
    }
}

fn is_same_order(one: &Order, other: &Order) -> bool {
    let place = |order: &Order| {
        let owner = order.owner.clone().unwrap_or_default();
        (
            order.order_id.to_lowercase(),
            order.kind,
            [order.resource_type.clone(), order.connector.clone(), order.entity_type.clone(), order.target_key.clone()],
            [owner.entity_type, owner.key],
        )
    };
    let changes = |order: &Order| -> Vec<Change> {
        masked(order.clone()).changes.into_iter().map(|change| Change { why: vec![], ..change }).collect()
    };
    place(one) == place(other) && changes(one) == changes(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{Owner, Reason, RequestAction, Value, value::Kind};

    fn text(text: &str) -> Option<Value> {
        Some(Value { kind: Some(Kind::StringValue(text.to_owned())) })
    }

    fn order() -> Order {
        let change = |property: &str, sensitive| Change {
            property: property.to_owned(),
            proposed: text("new"),
            current: text("old"),
            sensitive,
            ..Change::default()
        };
        Order {
            order_id: "A".into(),
            owner: Some(Owner { key: "1".into(), ..Owner::default() }),
            changes: vec![change("title", false), change("password", true)],
            ..Order::default()
        }
    }

    fn is_same(one: Order, other: Order) -> bool {
        Subject::Order(one).is_same(&Subject::Order(other))
    }

    fn request() -> AssignmentRequest {
        AssignmentRequest {
            request_id: "A".into(),
            owner: Some(Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() }),
            kind: EntitlementKind::Role.into(),
            name: "auditor".into(),
            action: RequestAction::Give.into(),
            ..AssignmentRequest::default()
        }
    }

    #[test]
    fn delivery_with_and_without_confidential_values_is_the_same() {
        assert!(is_same(order(), masked(order())));
    }

    #[test]
    fn explanation_does_not_make_another_subject() {
        let mut other = order();
        other.why.push(Reason::default());
        other.changes.iter_mut().for_each(|change| change.why.push(Reason::default()));
        assert!(is_same(order(), other));
        let mut renamed = request();
        renamed.display_name = "Auditor".into();
        renamed.why.push(Reason::default());
        assert!(Subject::AssignmentRequest(request()).is_same(&Subject::AssignmentRequest(renamed)));
    }

    #[test]
    fn other_order_resource_owner_or_value_is_another_subject() {
        let others: [fn(&mut Order); 6] = [
            |order| order.order_id = "B".into(),
            |order| order.kind = 4,
            |order| order.target_key = "bob".into(),
            |order| order.owner = None,
            |order| order.changes.truncate(1),
            |order| order.changes.iter_mut().for_each(|change| change.proposed = text("newer")),
        ];
        for (index, make) in others.into_iter().enumerate() {
            let mut other = order();
            make(&mut other);
            assert!(!is_same(order(), other), "case {index}");
        }
    }

    #[test]
    fn other_role_owner_action_or_comment_is_another_request() {
        let others: [fn(&mut AssignmentRequest); 4] = [
            |request| request.name = "cashier".into(),
            |request| request.owner = None,
            |request| request.action = 2,
            |request| request.comment = "for the audit".into(),
        ];
        for (index, make) in others.into_iter().enumerate() {
            let mut other = request();
            make(&mut other);
            assert!(!Subject::AssignmentRequest(request()).is_same(&Subject::AssignmentRequest(other)), "case {index}");
        }
        assert!(!Subject::AssignmentRequest(request()).is_same(&Subject::Order(order())));
    }

    #[test]
    fn request_is_about_a_role_or_a_resource_type() {
        let role = Subject::AssignmentRequest(request());
        assert_eq!((role.role(), role.resource_type(), role.owner_key(), role.order_id()), ("auditor", "", "1", ""));
        let kind = EntitlementKind::ResourceType.into();
        let account = Subject::AssignmentRequest(AssignmentRequest { kind, ..request() });
        assert_eq!((account.role(), account.resource_type()), ("", "auditor"));
    }
}
