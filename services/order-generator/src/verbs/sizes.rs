//! How many resources there are behind each connection: what the percents of the ledger's dispatch brake count against.
//!
//! That they cannot be told is no reason to generate nothing: the brake knows what to do without.

use crate::generator::Generator;
use crate::model::catalog::Catalog;
use std::collections::BTreeMap;

/// Tells the ledger before it gets the orders. `existing` are the resources that exist and are somebody's, by the
/// name of their resource type.
pub(super) async fn tell_sizes(generator: &Generator, catalog: &Catalog, existing: Option<&BTreeMap<String, i64>>) {
    let Some(existing) = existing else { return };
    let types = catalog.resource_types().iter().map(|kind| (&*kind.name, &*kind.connection));
    if let Err(fault) = generator.ledger.tell_sizes(&sizes(types, existing)).await {
        tracing::warn!(%fault, "the ledger does not learn how many resources there are behind its connections");
    }
}

/// By connection. One that writes a resource type without resources is there, with none.
fn sizes<'a>(
    types: impl IntoIterator<Item = (&'a str, &'a str)>,
    existing: &BTreeMap<String, i64>,
) -> BTreeMap<String, i64> {
    let mut sizes = BTreeMap::new();
    for (name, connection) in types {
        *sizes.entry(connection.to_owned()).or_default() += existing.get(name).copied().unwrap_or_default();
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_one_connection_count_together() {
        let types = [("Account", "app"), ("Mailbox", "app"), ("Badge", "desk")];
        let existing = BTreeMap::from([("Account".to_owned(), 7), ("Mailbox".to_owned(), 3), ("Gone".to_owned(), 9)]);
        let expected = BTreeMap::from([("app".to_owned(), 10), ("desk".to_owned(), 0)]);
        assert_eq!(sizes(types, &existing), expected);
    }
}
