//! How owners, times and values read in a sentence.

use provost_domain::{Owner, Period, ProvisioningState, Timestamp, Value};

/// Most characters of one value.
const VALUE_MAX: usize = 60;

/// `Ada Lovelace (E1)`; the key alone when that is the name.
pub(super) fn who(owner: &Owner) -> String {
    match owner.display_name.as_str() {
        "" => owner.key.clone(),
        name if name == owner.key => owner.key.clone(),
        name => format!("{name} ({})", owner.key),
    }
}

/// `2026-03-01`; with the time of day when there is one.
pub(super) fn at(instant: Timestamp) -> String {
    let text = instant.to_string();
    match text.split_once('T') {
        Some((day, "00:00:00.000Z")) => day.to_owned(),
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or(time)),
        None => text,
    }
}

pub(super) fn from(period: Period) -> String {
    period.from.map_or_else(|| "ever".to_owned(), at)
}

pub(super) fn until(period: Period) -> String {
    period.until.map_or_else(|| "ever".to_owned(), at)
}

/// ` until 2026-03-01`; nothing when there is no end.
pub(super) fn while_it_lasts(period: Period) -> String {
    period.until.map_or_else(String::new, |until| format!(" until {}", at(until)))
}

/// A value, as a sentence shows it.
pub(super) fn value(value: Option<&Value>) -> String {
    let quoted = |text: String| {
        let short: String = text.chars().take(VALUE_MAX).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        format!("'{short}{dots}'")
    };
    match value {
        None => "empty".to_owned(),
        Some(Value::List(items)) if items.is_empty() => "empty".to_owned(),
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Boolean(flag)) => flag.to_string(),
        Some(Value::Timestamp(instant)) => at(*instant),
        Some(other) => quoted(other.to_string()),
    }
}

/// `1 role`, `2 roles`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// `Pending: waits for an agent`.
pub(super) fn state(state: ProvisioningState, said: &str) -> String {
    if said.is_empty() { state.to_string() } else { format!("{state}: {said}") }
}

/// Nothing, or `: comment`.
pub(super) fn comment(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
