//! How many resources there are behind each connection: what the percents of the ledger's dispatch brake count against.
//!
//! That they cannot be told is no reason to generate nothing: the brake knows what to do without.

use crate::generator::Generator;
use crate::model::catalog::Catalog;
use crate::model::generate::Standing;
use std::collections::BTreeMap;

/// Tells the ledger before it gets the orders.
pub(super) async fn tell_sizes(generator: &Generator, catalog: &Catalog, standings: &[Standing]) {
    let sizes = sizes(catalog, standings);
    if let Err(fault) = generator.ledger.tell_sizes(&sizes).await {
        tracing::warn!(%fault, "the ledger does not learn how many resources there are behind its connections");
    }
}

/// By connection. One that writes a resource type without resources is there, with none.
fn sizes(catalog: &Catalog, standings: &[Standing]) -> BTreeMap<String, i64> {
    let types = catalog.resource_types();
    let mut counts = vec![0_i64; types.len()];
    for kind in standings.iter().filter_map(Standing::existing) {
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        }
    }
    let mut sizes = BTreeMap::new();
    for (resource_type, count) in types.iter().zip(counts) {
        *sizes.entry(resource_type.connection.to_string()).or_default() += count;
    }
    sizes
}
