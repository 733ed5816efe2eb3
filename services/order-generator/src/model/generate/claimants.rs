//! Who has or wants one key: what is not going to be written stands in nobody else's lane.

use super::{Catalog, Standing, Wish};
use std::collections::HashMap;

/// A resource: connector, entity type and key.
type Key<'a> = (&'a str, &'a str, &'a str);

/// Whether somebody with such a wish has a say in what stands in a resource's lane.
pub(super) const fn has_a_say(wish: Wish) -> bool {
    match wish {
        Wish::Have | Wish::Lose | Wish::Past | Wish::Unknown => true,
        // Nothing of theirs is ordered.
        Wish::Later | Wish::Found | Wish::Gone | Wish::Behind => false,
    }
}

/// Who has or wants one key.
#[derive(Clone, Copy, Default)]
struct Claim {
    all: usize,
    /// Those to whom a rule gave it, and who may have it by now.
    ours: usize,
}

/// Who has or wants each key, of the keys that somebody asked for.
pub(super) struct Claimants<'a>(HashMap<Key<'a>, Claim>);

impl<'a> Claimants<'a> {
    /// Of the keys of `asked`, who has or wants them among `standings`.
    pub(super) fn of(
        catalog: &'a Catalog,
        standings: &'a [Standing],
        asked: impl Iterator<Item = &'a Standing>,
    ) -> Self {
        let mut found: HashMap<Key<'a>, Claim> =
            asked.filter_map(|standing| Some((key(catalog, standing)?, Claim::default()))).collect();
        if found.is_empty() {
            return Self(found);
        }
        for standing in standings {
            let key = key(catalog, standing).filter(|_| has_a_say(standing.wish));
            let Some(claim) = key.and_then(|key| found.get_mut(&key)) else { continue };
            claim.all += 1;
            claim.ours += usize::from(standing.ours);
        }
        Self(found)
    }

    /// Nobody else has a say in what stands in the key's lane.
    pub(super) fn leave_the_key_to(&self, catalog: &Catalog, standing: &Standing) -> bool {
        let claim = key(catalog, standing).and_then(|key| self.0.get(&key));
        claim.is_none_or(|claim| claim.all <= 1 || (standing.ours && claim.ours == 1))
    }
}

fn key<'a>(catalog: &'a Catalog, standing: &'a Standing) -> Option<Key<'a>> {
    let kind = catalog.resource_types().get(standing.kind).filter(|_| !standing.target_key.is_empty())?;
    Some((&*kind.connector, &*kind.target, &*standing.target_key))
}
