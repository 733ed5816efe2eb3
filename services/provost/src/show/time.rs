//! Instants and durations for people: UTC, to the second.

use provost_contract::from_wire;
use provost_domain::Timestamp;
use std::time::Duration;

/// An instant; `–` when there is none.
pub fn instant(at: Option<&prost_types::Timestamp>) -> String {
    at.map(from_wire::timestamp)
        .and_then(Timestamp::to_chrono)
        .map_or_else(|| "–".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// How long ago; `never` when there is no instant.
pub fn ago(at: Option<&prost_types::Timestamp>, now: Timestamp) -> String {
    at.map(from_wire::timestamp).map_or_else(|| "never".to_owned(), |at| format!("{} ago", duration(now.since(at))))
}

/// The time between two instants; empty when one is missing.
pub fn elapsed(from: Option<&prost_types::Timestamp>, until: Option<&prost_types::Timestamp>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => duration(from_wire::timestamp(until).since(from_wire::timestamp(from))),
        _ => String::new(),
    }
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos: 250_000_000 }
    }

    #[test]
    fn instants_are_readable() {
        assert_eq!(instant(Some(&at(1_767_225_600))), "2026-01-01 00:00:00Z");
        assert_eq!(instant(None), "–");
    }

    #[test]
    fn durations_grow_coarser() {
        let now = Timestamp::from_millis(1_000_000_250);
        let ago = |seconds: i64| ago(Some(&at(1_000_000 - seconds)), now);
        assert_eq!(ago(2), "2.0 s ago");
        assert_eq!(ago(45), "45 s ago");
        assert_eq!(ago(600), "10 min ago");
        assert_eq!(ago(7_300), "2 h ago");
        assert_eq!(ago(200_000), "2 days ago");
        assert_eq!(elapsed(Some(&at(1)), Some(&at(4))), "3.0 s");
        assert_eq!(elapsed(Some(&at(1)), None), "");
    }
}
