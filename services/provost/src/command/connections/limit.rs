//! `connections limit NAME`.

use super::decide::shown;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::{BrakeLimit, SetConnectionLimitsRequest};

/// Which limits of which connection; those that are not given stay.
#[derive(Debug, clap::Args)]
pub struct LimitArguments {
    /// The connection.
    connection: String,
    #[command(flatten)]
    changes: Changes,
    /// Why; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// What is to be changed; at least one of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// At most so many orders a minute; 0 for any number.
    #[arg(long, value_name = "N")]
    per_minute: Option<i32>,
    /// At most so many orders in flight at once, at all agents together; 0 for any number.
    #[arg(long, value_name = "N")]
    in_flight: Option<i32>,
    /// The circuit breaker opens after so many orders in a row without an answer; 0 switches it off.
    #[arg(long, value_name = "N")]
    breaker_failures: Option<i32>,
    /// The brake on deletions: so many, so many percent of the known resources, or both as COUNT,PERCENT%; 0 for none.
    #[arg(long, value_name = "LIMIT", value_parser = brake)]
    deletions: Option<BrakeLimit>,
    /// The brake on orders of every kind, written likewise.
    #[arg(long, value_name = "LIMIT", value_parser = brake)]
    orders: Option<BrakeLimit>,
    /// What the brakes count in, in minutes.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i64).range(1..=43_200))]
    brake_window: Option<i64>,
}

/// `100`, `30%`, `100,30%`, or `0`.
fn brake(text: &str) -> Result<BrakeLimit, String> {
    let wrong = || format!("'{text}' is none of 100, 30%, 100,30% and 0");
    let mut limit = BrakeLimit::default();
    for part in text.split(',').map(str::trim) {
        match part.strip_suffix('%') {
            Some(percent) if limit.percent_max == 0 => {
                limit.percent_max = percent.trim().parse().map_err(|_| wrong())?;
            }
            None if limit.count_max == 0 => limit.count_max = part.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
    }
    Ok(limit)
}

pub(super) async fn run(arguments: LimitArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let LimitArguments { connection, changes, comment } = arguments;
    let Changes { per_minute, in_flight, breaker_failures, deletions, orders, brake_window } = changes;
    let message = SetConnectionLimitsRequest {
        connection,
        per_minute,
        in_flight,
        breaker_failures,
        deletions,
        orders,
        brake_window: brake_window.map(|minutes| prost_types::Duration { seconds: minutes * 60, nanos: 0 }),
        comment,
    };
    let answer = session.clients.connections().set_connection_limits(session.clients.request(message)).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "limits set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brakes_are_by_count_percent_or_both() {
        let read = |text: &str| brake(text).map(|limit| (limit.count_max, limit.percent_max));
        assert_eq!(read("100"), Ok((100, 0)));
        assert_eq!(read("30%"), Ok((0, 30)));
        assert_eq!(read("100, 30 %"), Ok((100, 30)));
        assert_eq!(read("0"), Ok((0, 0)));
        for wrong in ["", "many", "30%,20%", "1,2", "5%%"] {
            assert!(read(wrong).is_err_and(|said| said.contains("none of 100, 30%")), "{wrong}");
        }
    }
}
