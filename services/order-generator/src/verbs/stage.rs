//! Taking in the rows of an export, and checking each one before anything is changed.
//!
//! The rule that must hold: what is staged is whole. A row that does not fit the catalog, a key that
//! is missing or comes twice, refuses the export, and the message names the row.

use super::schema::EntityShape;
use crate::store::resources::{Properties, text_of};
use provost_domain::Value;
use provost_service_kit::{Fault, FaultKind};
use std::collections::{BTreeMap, HashMap};

/// Most rows in one batch.
pub(crate) const BATCH_ROWS_MAX: usize = 1_000;
/// Longest key: orders carry no longer one.
const KEY_CHARS_MAX: usize = provost_contract::NAME_MAX;
/// Most bytes of rows in one export.
const EXPORT_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Some rows of one entity type.
pub(crate) struct Batch {
    pub(crate) entity_type: String,
    /// What each row's values stand for.
    pub(crate) properties: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<Value>>>,
}

/// The rows of one entity type, ready to be compared.
pub(crate) struct Staged {
    pub(crate) shape: EntityShape,
    /// The text that each key's properties are kept in, and the row that it came from.
    pub(crate) rows: HashMap<String, (usize, String)>,
}

/// An export while it is taken in.
pub(crate) struct Staging {
    types: BTreeMap<String, Staged>,
    bytes: usize,
}

impl Staging {
    /// An empty export of these entity types.
    pub(crate) fn of(shapes: Vec<EntityShape>) -> Self {
        let staged = |shape: EntityShape| (shape.name.clone(), Staged { shape, rows: HashMap::new() });
        Self { types: shapes.into_iter().map(staged).collect(), bytes: 0 }
    }

    /// How many rows were taken in.
    pub(crate) fn rows(&self) -> usize {
        self.types.values().map(|staged| staged.rows.len()).sum()
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// The first row and property that is wrong.
    pub(crate) fn add(&mut self, batch: Batch) -> Result<(), Fault> {
        let known: Vec<_> = self.types.keys().cloned().collect();
        let Some(staged) = self.types.get_mut(&batch.entity_type) else {
            let known = known.join(", ");
            let wrong = format!("'{}' is not of this task; it has {known}", batch.entity_type);
            return Err(Fault::invalid("batch.entity_type", wrong));
        };
        if batch.rows.len() > BATCH_ROWS_MAX {
            return Err(Fault::invalid("batch.rows", format!("holds more than {BATCH_ROWS_MAX} rows")));
        }
        let key_index = check_properties(&staged.shape, &batch.properties)?;
        for values in batch.rows {
            let number = staged.rows.len() + 1;
            let (key, properties) = check_row(&staged.shape, &batch.properties, key_index, number, values)?;
            let text = text_of(&properties)?;
            self.bytes += text.len();
            if let Some((first, _)) = staged.rows.get(&key) {
                let twice = format!("{} '{key}' stands in row {first} too", staged.shape.key);
                return Err(Fault::invalid(format!("{} row {number}", batch.entity_type), twice));
            }
            staged.rows.insert(key, (number, text));
        }
        if self.bytes > EXPORT_BYTES_MAX {
            let limit = format!("the export holds more than {EXPORT_BYTES_MAX} bytes");
            return Err(Fault::new(FaultKind::Exhausted, limit));
        }
        Ok(())
    }

    /// Compares the counts that the agent made with what arrived.
    ///
    /// # Errors
    /// [`FaultKind::DataLoss`] when they do not agree.
    pub(crate) fn finish(self, row_counts: &BTreeMap<String, i64>) -> Result<Vec<Staged>, Fault> {
        let lost = |what: String| Fault::new(FaultKind::DataLoss, what);
        for (entity_type, staged) in &self.types {
            let arrived = staged.rows.len() as i64;
            match row_counts.get(entity_type) {
                Some(sent) if *sent == arrived => {}
                Some(sent) => {
                    return Err(lost(format!(
                        "{sent} rows of {entity_type} were sent, {arrived} arrived; send it again"
                    )));
                }
                None => return Err(lost(format!("the end does not say how many rows of {entity_type} were sent"))),
            }
        }
        match row_counts.keys().find(|entity_type| !self.types.contains_key(*entity_type)) {
            Some(other) => Err(lost(format!("the end counts rows of {other}, which is not of this task"))),
            None => Ok(self.types.into_values().collect()),
        }
    }
}

/// Where the key stands among the properties.
fn check_properties(shape: &EntityShape, properties: &[String]) -> Result<usize, Fault> {
    for (index, name) in properties.iter().enumerate() {
        let field = format!("batch.properties[{index}]");
        match shape.property(name) {
            None => return Err(Fault::invalid(field, format!("'{name}' is not a property of {}", shape.name))),
            Some(property) if property.write_only => {
                return Err(Fault::invalid(field, format!("'{name}' is write-only and cannot be read")));
            }
            Some(_) if properties.iter().take(index).any(|other| other == name) => {
                return Err(Fault::invalid(field, format!("'{name}' stands there twice")));
            }
            Some(_) => {}
        }
    }
    let Some(key) = properties.iter().position(|name| *name == shape.key) else {
        return Err(Fault::invalid("batch.properties", format!("lack the key of {}: '{}'", shape.name, shape.key)));
    };
    // What is not sent would count as empty, and be taken from everybody.
    let lacking = shape.readable().into_keys().filter(|name| !properties.contains(name));
    let lacking: Vec<String> = lacking.map(|name| format!("'{name}'")).collect();
    if lacking.is_empty() {
        return Ok(key);
    }
    let wrong = format!(
        "lack {} of {}; send all that the task asks for, with or without a value",
        lacking.join(", "),
        shape.name
    );
    Err(Fault::invalid("batch.properties", wrong))
}

fn check_row(
    shape: &EntityShape,
    names: &[String],
    key_index: usize,
    number: usize,
    values: Vec<Option<Value>>,
) -> Result<(String, Properties), Fault> {
    let at = format!("{} row {number}", shape.name);
    if values.len() != names.len() {
        let wrong = format!("holds {} values, must hold {}", values.len(), names.len());
        return Err(Fault::invalid(at, wrong));
    }
    let key = match values.get(key_index).and_then(Option::as_ref).map(ToString::to_string) {
        Some(key) if !key.trim().is_empty() => key,
        _ => return Err(Fault::invalid(at, format!("has no {}, which is the key", shape.key))),
    };
    if let Some(misfit) = key_misfit(&key) {
        return Err(Fault::invalid(format!("{at}, {}", shape.key), misfit));
    }
    let mut properties = Properties::new();
    for (name, value) in names.iter().zip(values) {
        let (Some(value), Some(property)) = (value, shape.property(name)) else { continue };
        if let Some(misfit) = property.misfit(&value).or_else(|| text_misfit(&value)) {
            return Err(Fault::invalid(format!("{at} ('{key}'), {name}"), misfit));
        }
        properties.insert(name.clone(), value);
    }
    Ok((key, properties))
}

/// What keeps a text from being a key. The key itself is not shown: it may be endless, or unprintable.
fn key_misfit(key: &str) -> Option<String> {
    let length = key.chars().count();
    if length > KEY_CHARS_MAX {
        return Some(format!("is the key and has {length} characters; the most is {KEY_CHARS_MAX}"));
    }
    let control = key.chars().find(|character| character.is_control())?;
    Some(format!("is the key and holds the control character U+{:04X}", u32::from(control)))
}

/// What keeps a value from being stored. Lines may break and tabs may stand in a text, but PostgreSQL has no NUL.
fn text_misfit(value: &Value) -> Option<String> {
    let has_nul = |item: &Value| matches!(item, Value::String(text) if text.contains('\0'));
    value.items().iter().any(has_nul).then(|| "holds the control character U+0000 (NUL)".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::schema::PropertyShape;
    use super::*;
    use provost_domain::ValueType;

    fn account() -> EntityShape {
        let property = |name: &str, value_type, multi_valued| PropertyShape {
            name: name.into(),
            value_type,
            multi_valued,
            sensitive: false,
            write_only: name == "password",
        };
        EntityShape {
            name: "Account".into(),
            connector: "app".into(),
            key: "login".into(),
            properties: vec![
                property("login", ValueType::String, false),
                property("size", ValueType::Integer, false),
                property("groups", ValueType::String, true),
                property("password", ValueType::String, false),
            ],
        }
    }

    fn refusal(properties: &[&str], rows: Vec<Vec<Option<Value>>>) -> String {
        let batch = Batch {
            entity_type: "Account".into(),
            properties: properties.iter().map(|name| (*name).to_owned()).collect(),
            rows,
        };
        Staging::of(vec![account()]).add(batch).unwrap_err().to_string()
    }

    #[test]
    fn each_mistake_names_its_row_and_property() {
        let text = |text: &str| Some(Value::from(text));
        let row = |key: &str| vec![text(key), None, None];
        let all = vec!["login", "size", "groups"];
        for (properties, rows, message) in [
            (vec!["login", "colour"], vec![], "batch.properties[1] 'colour' is not a property of Account"),
            (vec!["login", "login"], vec![], "batch.properties[1] 'login' stands there twice"),
            (vec!["login", "password"], vec![], "batch.properties[1] 'password' is write-only and cannot be read"),
            (vec!["size"], vec![], "batch.properties lack the key of Account: 'login'"),
            (
                vec!["login"],
                vec![],
                "batch.properties lack 'groups', 'size' of Account; send all that the task asks for, with or without a \
                 value",
            ),
            (all.clone(), vec![vec![text("a")]], "Account row 1 holds 1 values, must hold 3"),
            (all.clone(), vec![row("a"), vec![None, None, None]], "Account row 2 has no login, which is the key"),
            (all.clone(), vec![row(" ")], "Account row 1 has no login, which is the key"),
            (all.clone(), vec![row("a"), row("b"), row("a")], "Account row 3 login 'a' stands in row 1 too"),
            (
                all.clone(),
                vec![vec![text("a"), text("big"), None]],
                "Account row 1 ('a'), size is of type string, must be of type integer",
            ),
            (
                all.clone(),
                vec![vec![text("a"), None, text("g")]],
                "Account row 1 ('a'), groups is of type string, must be a list of string",
            ),
            (
                all.clone(),
                vec![row("a"), row("b\0")],
                "Account row 2, login is the key and holds the control character U+0000",
            ),
            (all.clone(), vec![row("a\nb")], "Account row 1, login is the key and holds the control character U+000A"),
            (
                all.clone(),
                vec![row(&"é".repeat(501))],
                "Account row 1, login is the key and has 501 characters; the most is 500",
            ),
            (
                all.clone(),
                vec![vec![text("a"), None, Some(Value::List(vec!["g".into(), "h\0".into()]))]],
                "Account row 1 ('a'), groups holds the control character U+0000 (NUL)",
            ),
        ] {
            assert_eq!(refusal(&properties, rows), message);
        }
        let many = vec![row("a"); BATCH_ROWS_MAX + 1];
        assert_eq!(refusal(&all, many), "batch.rows holds more than 1000 rows");
    }

    #[test]
    fn longest_keys_and_texts_of_many_lines_are_taken() {
        let batch = Batch {
            entity_type: "Account".into(),
            properties: vec!["login".into(), "size".into(), "groups".into()],
            rows: vec![vec![
                Some("é".repeat(500).as_str().into()),
                None,
                Some(Value::List(vec!["two\r\n\tlines".into()])),
            ]],
        };
        let mut staging = Staging::of(vec![account()]);
        staging.add(batch).unwrap();
        assert_eq!(staging.rows(), 1);
    }

    #[test]
    fn unknown_entity_type_names_those_of_the_task() {
        let batch = Batch { entity_type: "Printer".into(), properties: vec![], rows: vec![] };
        let refusal = Staging::of(vec![account()]).add(batch).unwrap_err().to_string();
        assert_eq!(refusal, "batch.entity_type 'Printer' is not of this task; it has Account");
    }

    #[test]
    fn counts_must_agree() {
        let counts = |pairs: &[(&str, i64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let refusal = |pairs: &[(&str, i64)]| {
            let fault = Staging::of(vec![account()]).finish(&counts(pairs)).err().unwrap();
            assert_eq!(fault.kind(), FaultKind::DataLoss);
            fault.to_string()
        };
        assert_eq!(refusal(&[("Account", 3)]), "3 rows of Account were sent, 0 arrived; send it again");
        assert_eq!(refusal(&[]), "the end does not say how many rows of Account were sent");
        assert_eq!(refusal(&[("Account", 0), ("X", 1)]), "the end counts rows of X, which is not of this task");
        assert_eq!(Staging::of(vec![account()]).finish(&counts(&[("Account", 0)])).unwrap().len(), 1);
    }
}
