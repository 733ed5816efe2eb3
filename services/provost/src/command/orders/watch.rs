//! `orders watch`: the order feed, through a restart of the service.

use super::get::event;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{instant, provisioning_state, short, standing, subject};
use provost_contract::fulfillment::v1::{WatchOrdersRequest, WatchOrdersResponse};
use provost_service_kit::channel::Backoff;

/// How often the feed is opened anew without any news in between: about a minute.
const RECONNECTS_MAX: usize = 32;

/// From where on, and of what.
#[derive(Debug, clap::Args)]
pub struct WatchArguments {
    /// The cursor of the last event already seen.
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    after: i64,
    /// Only orders of these resource types.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    resource_type: Vec<String>,
}

pub(super) async fn run(arguments: WatchArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let mut cursor = arguments.after;
    let mut backoff = Backoff::default();
    let mut tries = 0;
    loop {
        let before = cursor;
        match stream(&mut cursor, &arguments.resource_type, session).await {
            Err(failure) if failure.is_passing() && tries < RECONNECTS_MAX => {}
            Err(failure) => return Err(failure),
            Ok(()) => {}
        }
        if cursor > before {
            (backoff, tries) = (Backoff::default(), 0);
        }
        tries += 1;
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

async fn stream(cursor: &mut i64, resource_types: &[String], session: &mut Session) -> Result<(), Failure> {
    let clients = session.clients.clone();
    let message = WatchOrdersRequest { after_cursor: *cursor, resource_types: resource_types.to_vec() };
    let answer = clients.orders().watch_orders(clients.request(message)).await;
    let mut events = clients.answer(Service::Fulfillment, answer)?;
    while let Some(news) = events.message().await.map_err(|status| clients.refused(Service::Fulfillment, status))? {
        *cursor = news.entry.as_ref().map_or(*cursor, |entry| entry.cursor);
        if session.is_json() {
            session.json_line("provost.fulfillment.v1.WatchOrdersResponse", &news)?;
        } else {
            session.console.line(line(&news))?;
        }
    }
    Ok(())
}

fn line(news: &WatchOrdersResponse) -> String {
    let entry = news.entry.clone().unwrap_or_default();
    let record = news.record.clone().unwrap_or_default();
    let order = record.order.clone().unwrap_or_default();
    let reached = provisioning_state(entry.to_state);
    let now = standing(&record);
    let later = if now == reached { String::new() } else { format!(" (now {now})") };
    let reason = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    format!(
        "{}  {}  {} {} of {}  {} → {reached}{later} by {}{reason}",
        instant(entry.at.as_ref()),
        short(&entry.order_id),
        order.resource_type,
        order.target_key,
        subject(&order),
        event(entry.event),
        entry.actor,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{HistoryEntry, Order, OrderRecord};

    #[test]
    fn events_tell_what_happened_and_where_the_order_is_now() {
        let entry = HistoryEntry {
            order_id: "o-1".into(),
            event: 7,
            to_state: 8,
            actor: "agent-1".into(),
            ..HistoryEntry::default()
        };
        let order = Order { resource_type: "App".into(), target_key: "ada".into(), ..Order::default() };
        let record = OrderRecord { order: Some(order), state: 4, ..OrderRecord::default() };
        let news = WatchOrdersResponse { entry: Some(entry), record: Some(record) };
        assert_eq!(line(&news), "–  o-1  App ada of –  executed → Executed (now Verified) by agent-1");
    }
}
