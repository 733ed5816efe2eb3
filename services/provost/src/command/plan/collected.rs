//! A plan, put together from its parts; and as JSON.

use provost_contract::generator::v1::plan_orders_response::Part;
use provost_contract::generator::v1::{
    AssignmentChange, PlanHead, PlanMark, PlanOrdersResponse, PlanSummary, PlannedOrder,
};
use provost_contract::{json_of, message_of_json};
use serde_json::{Value, json};

const HEAD: &str = "provost.generator.v1.PlanHead";
const ORDER: &str = "provost.generator.v1.PlannedOrder";
const CHANGE: &str = "provost.generator.v1.AssignmentChange";
const SUMMARY: &str = "provost.generator.v1.PlanSummary";

/// A whole plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// What it is a plan of.
    pub head: PlanHead,
    /// What would be done.
    pub orders: Vec<PlannedOrder>,
    /// Who would gain or lose what.
    pub changes: Vec<AssignmentChange>,
    /// All of it in numbers.
    pub summary: PlanSummary,
}

impl Collected {
    /// Adds a part.
    pub fn take(&mut self, response: PlanOrdersResponse) {
        match response.part {
            Some(Part::Head(head)) => self.head = head,
            Some(Part::Orders(some)) => self.orders.extend(some.orders),
            Some(Part::Assignments(some)) => self.changes.extend(some.changes),
            Some(Part::Summary(summary)) => self.summary = summary,
            None => {}
        }
    }

    /// The plan as JSON.
    ///
    /// # Errors
    /// When a message has no JSON, which its type rules out.
    pub fn to_json(&self) -> anyhow::Result<Value> {
        let all = || -> Result<Value, String> {
            let orders = self.orders.iter().map(|order| json_of(ORDER, order)).collect::<Result<Vec<_>, _>>()?;
            let changes = self.changes.iter().map(|change| json_of(CHANGE, change)).collect::<Result<Vec<_>, _>>()?;
            Ok(json!({
                "head": json_of(HEAD, &self.head)?,
                "orders": orders,
                "assignments": changes,
                "summary": json_of(SUMMARY, &self.summary)?,
            }))
        };
        all().map_err(anyhow::Error::msg)
    }

    /// The inverse of [`Collected::to_json`].
    ///
    /// # Errors
    /// What does not fit, and where.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        let part = |name: &str| json.get(name).ok_or_else(|| format!("'{name}' is missing"));
        let list = |name: &str| part(name)?.as_array().ok_or_else(|| format!("'{name}' is not a list"));
        let orders = list("orders")?.iter().map(|one| message_of_json(ORDER, one)).collect::<Result<_, _>>()?;
        let changes = list("assignments")?.iter().map(|one| message_of_json(CHANGE, one)).collect::<Result<_, _>>()?;
        Ok(Self {
            head: message_of_json(HEAD, part("head")?)?,
            orders,
            changes,
            summary: message_of_json(SUMMARY, part("summary")?)?,
        })
    }

    /// What the plan's orders are known by.
    pub fn marks(&self) -> Vec<PlanMark> {
        let mark = |planned: &PlannedOrder| {
            let order = planned.order.clone().unwrap_or_default();
            let owner = order.owner.unwrap_or_default();
            PlanMark {
                action: planned.action,
                resource_type: order.resource_type,
                owner_entity_type: owner.entity_type,
                owner_key: owner.key,
                target_key: order.target_key,
                order_id: order.order_id,
                fingerprint: planned.fingerprint.clone(),
            }
        };
        self.orders.iter().map(mark).collect()
    }
}
