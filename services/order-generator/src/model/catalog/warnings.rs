//! What is right in a catalog and may all the same not be meant.
//!
//! The rule that must hold: a warning refuses nothing.

use super::{Approval, Catalog, CompositeRole, Name, ResourceType};

/// Most resource types that a warning names.
const NAMED_MAX: usize = 5;

impl Catalog {
    /// What may not be meant, a sentence each, in catalog order.
    pub fn warnings(&self) -> Vec<String> {
        let untold = self.entity_types().iter().filter_map(|entity_type| self.cannot_tell(&entity_type.name));
        let easier = self.composite_roles().iter().filter_map(|role| self.is_easier(role));
        let idle = self.resource_types().iter().filter(|kind| kind.remove_orphans && !kind.allow_remove).map(|kind| {
            format!(
                "resource type {}: remove_orphans does nothing, because allow_remove is false: what owners who are gone \
                 have left is not deleted",
                kind.name
            )
        });
        untold.chain(easier).chain(idle).collect()
    }

    /// Who asks for a composite role gets a single role with fewer approvals than the single role asks for. That a
    /// single role cannot be asked for by itself is no reason not to have it with others.
    fn is_easier(&self, role: &CompositeRole) -> Option<String> {
        let steps = |approval: Approval| match approval {
            Approval::NotAllowed => None,
            Approval::Steps(steps) => Some(steps),
        };
        let own = steps(role.approval)?;
        let singles = role.roles.iter().filter_map(|single| self.role(&single.name));
        let mut harder =
            singles.filter_map(|single| Some((single, steps(single.approval).filter(|steps| own < *steps)?)));
        let (single, steps) = harder.next()?;
        Some(format!(
            "composite role {} takes {own} approvals and gives {}, which by itself takes {steps}; give the composite role \
             as many, if that is not meant",
            role.name, single.name
        ))
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
