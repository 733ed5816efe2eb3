//! Who has or wants one key: what is not going to be written stands in nobody else's lane.

use super::{Catalog, Standing, Wish};
use std::collections::HashMap;

/// Who has or wants one key.
#[derive(Clone, Copy, Default)]
struct Claim {
    all: usize,
    /// Those to whom a rule gave it, and who may have it by now.
    ours: usize,
}

/// Who has or wants each key, by connector, entity type and key.
pub(super) struct Claimants<'a>(HashMap<(&'a str, &'a str, &'a str), Claim>);

impl<'a> Claimants<'a> {
    pub(super) fn of(catalog: &'a Catalog, standings: &'a [Standing]) -> Self {
        let mut found: HashMap<_, Claim> = HashMap::new();
        for standing in standings.iter().filter(|standing| !standing.target_key.is_empty()) {
            let counts = match standing.wish {
                Wish::Have | Wish::Lose | Wish::Past | Wish::Unknown => true,
                // Nothing of theirs is ordered.
                Wish::Later | Wish::Found | Wish::Gone => false,
            };
            let Some(kind) = catalog.resource_types().get(standing.kind).filter(|_| counts) else { continue };
            let claim = found.entry((&*kind.connector, &*kind.target, &*standing.target_key)).or_default();
            claim.all += 1;
            claim.ours += usize::from(standing.ours);
        }
        Self(found)
    }

    /// Nobody else has a say in what stands in the key's lane.
    pub(super) fn leave_the_key_to(&self, catalog: &Catalog, standing: &Standing) -> bool {
        let claim = catalog
            .resource_types()
            .get(standing.kind)
            .and_then(|kind| self.0.get(&(&*kind.connector, &*kind.target, &*standing.target_key)));
        claim.is_none_or(|claim| claim.all <= 1 || (standing.ours && claim.ours == 1))
    }
}
