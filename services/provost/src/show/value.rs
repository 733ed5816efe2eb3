//! Values of properties for people.

use provost_contract::types::v1::{Value, value::Kind};

const SHOWN_MAX: usize = 40;

/// A value; `–` when there is none.
pub fn value(value: &Value) -> String {
    match &value.kind {
        None => "–".to_owned(),
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::IntegerValue(number)) => number.to_string(),
        Some(Kind::BooleanValue(flag)) => flag.to_string(),
        Some(Kind::TimestampValue(at)) => super::instant(Some(at)),
        Some(Kind::BytesValue(bytes)) => format!("({} bytes)", bytes.len()),
        Some(Kind::ListValue(list)) if list.values.is_empty() => "–".to_owned(),
        Some(Kind::ListValue(list)) => {
            let items: Vec<String> = list.values.iter().map(self::value).collect();
            items.join(", ")
        }
    }
}

/// A value that may be absent, shortened to fit a column.
pub fn optional(value: Option<&Value>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| shortened(&self::value(value), SHOWN_MAX))
}

/// What stands for a confidential value, when there may be one.
pub fn hidden(is_set: bool) -> String {
    if is_set { "••••••".to_owned() } else { "–".to_owned() }
}

/// The text, cut to `max` characters.
pub fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::ListValue;

    fn of(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    #[test]
    fn every_kind_has_a_form() {
        let list = ListValue { values: vec![of(Kind::StringValue("a".into())), of(Kind::IntegerValue(2))] };
        assert_eq!(value(&of(Kind::ListValue(list))), "a, 2");
        assert_eq!(value(&of(Kind::ListValue(ListValue::default()))), "–");
        assert_eq!(value(&of(Kind::BooleanValue(true))), "true");
        assert_eq!(value(&of(Kind::BytesValue(vec![1, 2]))), "(2 bytes)");
        assert_eq!(value(&of(Kind::TimestampValue(Default::default()))), "1970-01-01 00:00:00Z");
        assert_eq!(value(&Value::default()), "–");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
