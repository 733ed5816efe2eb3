//! `orders get ID`: everything that is known about one order.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table, instant, provisioning_state};
use provost_contract::fulfillment::v1::{GetOrderRequest, GetOrderResponse};
use provost_contract::types::v1::{HistoryEntry, Order, OrderEvent, OrderRecord, Reason};

/// Which order.
#[derive(Debug, clap::Args)]
pub struct GetArguments {
    /// The order; its beginning or end is enough.
    order: String,
}

pub(super) async fn run(arguments: GetArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let order_id = ids::orders(&session.clients, &[arguments.order]).await?.into_iter().next().unwrap_or_default();
    let request = session.clients.request(GetOrderRequest { order_id });
    let answer = session.clients.orders().get_order(request).await;
    let response = session.clients.answer(Service::Fulfillment, answer)?;
    if session.is_json() {
        session.json("provost.fulfillment.v1.GetOrderResponse", &response)?;
        return Ok(Outcome::Done);
    }
    let GetOrderResponse { record, history } = response;
    let record = record.unwrap_or_default();
    session.console.lines(facts(&record))?;
    if let Some(order) = record.order.as_ref().filter(|order| !order.changes.is_empty()) {
        session.console.line("")?;
        session.table(&changes_table(order), "")?;
    }
    session.console.line("")?;
    session.table(&history_table(&history), "no history")?;
    Ok(Outcome::Done)
}

/// What is known, one fact per line, without those that are not set.
fn facts(record: &OrderRecord) -> Vec<String> {
    let order = record.order.clone().unwrap_or_default();
    let mut facts = vec![
        ("order", order.order_id.clone()),
        ("does", format!("{} of {} {}", show::kind(&order), order.resource_type, order.target_key)),
        ("for", show::subject(&order)),
        ("in", format!("{}, through connection {}", order.connector, order.connection)),
        ("state", show::standing(record)),
        ("reason", record.state_reason.clone()),
    ];
    if let Some(failure) = &record.failure {
        let code = if failure.code.is_empty() { String::new() } else { format!(" [{}]", failure.code) };
        facts.push(("failure", format!("{}{code}", failure.message)));
        facts.push(("property", failure.property.clone()));
        facts.push(("hint", failure.hint.clone()));
    }
    if let Some(failure) = &order.rule_failure {
        facts.push(("rule", failure.rule.clone()));
        facts.push(("property", failure.property.clone()));
        facts.push(("input", failure.input.clone()));
        facts.push(("message", failure.message.clone()));
    }
    facts.extend([
        ("why", why(&order.why)),
        ("ticket", record.ticket.clone()),
        ("attempts", if record.attempts == 0 { String::new() } else { record.attempts.to_string() }),
        ("next attempt", record.next_attempt_at.map(|at| instant(Some(&at))).unwrap_or_default()),
        ("waits for", waits_for(record)),
        ("generated", instant(order.generated_at.as_ref())),
        ("updated", instant(record.updated_at.as_ref())),
        ("version", record.version.to_string()),
    ]);
    facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:<13}{text}")).collect()
}

/// What it waits for: other orders, or its connection.
fn waits_for(record: &OrderRecord) -> String {
    match &record.hold {
        Some(hold) => hold.message.clone(),
        None => record.waits_for.join(", "),
    }
}

fn why(reasons: &[Reason]) -> String {
    let parts: Vec<String> =
        reasons
            .iter()
            .map(|reason| {
                if reason.detail.is_empty() {
                    reason.rule.clone()
                } else {
                    format!("{}: {}", reason.rule, reason.detail)
                }
            })
            .collect();
    parts.join(" ← ")
}

fn changes_table(order: &Order) -> Table {
    let mut table = Table::new(&["property", "does", "current", "proposed", "why"]);
    for change in &order.changes {
        let [current, proposed] = show::current_and_proposed(order, change);
        table.row(vec![
            change.property.clone(),
            show::operation(change.operation).to_owned(),
            current,
            proposed,
            why(&change.why),
        ]);
    }
    table
}

fn history_table(history: &[HistoryEntry]) -> Table {
    let mut table = Table::new(&["when", "event", "from", "to", "attempt", "who", "reason"]);
    for entry in history {
        table.row(vec![
            instant(entry.at.as_ref()),
            event(entry.event),
            if entry.from_state == 0 { String::new() } else { provisioning_state(entry.from_state) },
            provisioning_state(entry.to_state),
            if entry.attempt == 0 { String::new() } else { entry.attempt.to_string() },
            entry.actor.clone(),
            entry.reason.clone(),
        ]);
    }
    table
}

/// An event's name: what stands on the wire, in plain letters.
pub(super) fn event(number: i32) -> String {
    let name = OrderEvent::try_from(number).unwrap_or(OrderEvent::Unspecified).as_str_name();
    name.trim_start_matches("ORDER_EVENT_").to_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{Failure, RuleFailure};

    #[test]
    fn facts_name_cause_and_hint() {
        let failure = Failure {
            code: "2067".into(),
            message: "mail is taken".into(),
            hint: "free the address".into(),
            ..Failure::default()
        };
        let order = Order { resource_type: "App".into(), target_key: "ada".into(), kind: 1, ..Order::default() };
        let record = OrderRecord { order: Some(order), state: 3, failure: Some(failure), ..OrderRecord::default() };
        let text = facts(&record).join("\n");
        assert!(text.contains("does         Addition of App ada"), "{text}");
        assert!(text.contains("failure      mail is taken [2067]"), "{text}");
        assert!(text.contains("hint         free the address"), "{text}");
        assert!(!text.contains("ticket"), "{text}");
    }

    #[test]
    fn facts_of_an_error_name_rule_value_and_message() {
        let rule_failure = RuleFailure {
            rule: "resource type App / scalar cost_center".into(),
            property: "cost_center".into(),
            input: "n/a".into(),
            message: "not a number".into(),
        };
        let order = Order { rule_failure: Some(rule_failure), ..Order::default() };
        let text = facts(&OrderRecord { order: Some(order), state: 7, ..OrderRecord::default() }).join("\n");
        for part in ["rule         resource type App", "input        n/a", "message      not a number"] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
    }

    #[test]
    fn events_read_as_words() {
        assert_eq!(event(6), "handed over");
        assert_eq!(event(99), "unspecified");
    }
}
