//! Which table, columns and link tables an entity type is kept in.
//!
//! Names come from the agent's own configuration alone. The rule that must hold: a name that is not a
//! plain identifier never gets into a statement, and every name is quoted.

use provost_domain::Order;
use std::collections::BTreeMap;

/// Where an entity type is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlEntity {
    /// The table; a schema may stand before it, with a dot.
    pub table: String,
    /// The column that holds the key.
    pub key: String,
    /// The column of a property, where it is not named alike.
    pub columns: BTreeMap<String, String>,
    /// Properties with several values, each in a table of its own.
    pub links: BTreeMap<String, SqlLink>,
}

/// A table with one row for each value that a resource has in a multi-valued property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlLink {
    /// The table.
    pub table: String,
    /// The column that holds the resource's key.
    pub resource: String,
    /// The column that holds the value, for example the key of a group.
    pub target: String,
}

impl SqlEntity {
    /// A table with columns named as the properties.
    pub fn new(table: impl Into<String>, key: impl Into<String>) -> Self {
        Self { table: table.into(), key: key.into(), columns: BTreeMap::new(), links: BTreeMap::new() }
    }

    /// The column that holds a property.
    pub(super) fn column<'a>(&'a self, property: &'a str) -> &'a str {
        self.columns.get(property).map_or(property, String::as_str)
    }

    /// The column that holds the key; the configuration may name it by its property.
    pub(super) fn key_column(&self) -> &str {
        self.column(&self.key)
    }

    /// The property kept in a column of the entity's own table, among those that the order changes.
    pub(super) fn property_of<'a>(&self, column: &str, order: &'a Order) -> Option<&'a str> {
        order.changes.iter().map(|change| change.property.as_str()).find(|property| self.column(property) == column)
    }

    /// What is wrong with the names, each with the setting it stands in.
    pub fn mistakes(&self) -> Vec<String> {
        let mut names = vec![("table".to_owned(), &self.table), ("key".to_owned(), &self.key)];
        names.extend(self.columns.iter().map(|(property, column)| (format!("columns.{property}"), column)));
        for (property, link) in &self.links {
            let parts = [("table", &link.table), ("resource", &link.resource), ("target", &link.target)];
            names.extend(parts.map(|(part, name)| (format!("links.{property}.{part}"), name)));
        }
        let wrong = |(place, name): (String, &String)| {
            let is_table = place.ends_with("table");
            let parts: Vec<&str> = if is_table { name.split('.').collect() } else { vec![name.as_str()] };
            let well = parts.len() <= 2 && parts.iter().all(|part| is_identifier(part));
            (!well).then(|| format!("{place}: '{}' is not the name of a table or column", name.escape_debug()))
        };
        names.into_iter().filter_map(wrong).collect()
    }
}

/// Whether a name may be quoted and used: 1 to 63 bytes, no quote, no control character, no dot.
fn is_identifier(name: &str) -> bool {
    (1..=63).contains(&name.len()) && !name.contains(['"', '.']) && !name.chars().any(char::is_control)
}

/// A column name, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table name, quoted, with its schema if it has one.
pub(super) fn quoted_table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_end_a_quote_are_mistakes() {
        let mut entity = SqlEntity::new("public.accounts", "login");
        assert_eq!(entity.mistakes(), Vec::<String>::new());
        entity.table = "a.b.c".into();
        entity.columns.insert("title".into(), "x\" = 1; --".into());
        let link = SqlLink { table: String::new(), resource: "r\n".into(), target: "ok".into() };
        entity.links.insert("groups".into(), link);
        let places: Vec<String> =
            entity.mistakes().into_iter().filter_map(|mistake| mistake.split(':').next().map(str::to_owned)).collect();
        assert_eq!(places, ["table", "columns.title", "links.groups.table", "links.groups.resource"]);
    }

    #[test]
    fn tables_are_quoted_part_by_part() {
        assert_eq!(quoted_table("hr.user accounts"), "\"hr\".\"user accounts\"");
    }
}
