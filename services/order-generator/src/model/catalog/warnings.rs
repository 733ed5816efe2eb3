//! What is right in a catalog and may all the same not be meant.
//!
//! The rule that must hold: a warning refuses nothing.

use super::{Catalog, Name, ResourceType};

/// Most resource types that a warning names.
const NAMED_MAX: usize = 5;

impl Catalog {
    /// What may not be meant, a sentence each, in catalog order.
    pub fn warnings(&self) -> Vec<String> {
        self.entity_types().iter().filter_map(|entity_type| self.cannot_tell(&entity_type.name)).collect()
    }

    /// Several resource types are about one entity type, and nothing tells them apart.
    fn cannot_tell(&self, entity_type: &Name) -> Option<String> {
        let is_untold = |kind: &&ResourceType| kind.target == *entity_type && kind.classification_rules.is_empty();
        let untold: Vec<&str> = self.resource_types().iter().filter(is_untold).map(|kind| &*kind.name).collect();
        let first = self.resource_types().iter().find(|kind| kind.target == *entity_type)?;
        if untold.len() < 2 {
            return None;
        }
        let more = if untold.len() > NAMED_MAX { " and others" } else { "" };
        let named: Vec<&str> = untold.iter().take(NAMED_MAX).copied().collect();
        Some(format!(
            "{}{more} are all about {entity_type}, and no classification rule tells them apart: an {entity_type} that \
             nobody owns is listed as an orphan of {}, unclassified; give all of them but one classification_rules",
            named.join(", "),
            first.name
        ))
    }
}
