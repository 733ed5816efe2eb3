//! What differed when all began: taken for found, instead of being written.

use super::assign::{Assignment, Wish};
use provost_domain::{Change, ChangeOperation, OrderKind, ProvisioningState, Value, WorkflowState};

/// Takes the values and links in which a found resource differs from the rules for Pre-existing, so that nothing
/// of it is written before a person says so. How many there were.
pub fn take(assignment: &mut Assignment) -> usize {
    let is_found = assignment.wish == Wish::Have && assignment.linked;
    let Some(wanted) = assignment.wanted.as_mut().filter(|wanted| is_found && wanted.kind == OrderKind::Update) else {
        return 0;
    };
    let mut taken = 0;
    let properties = &mut assignment.properties;
    wanted.changes.retain(|Change { property, operation, proposed, write_only, .. }| {
        let Some(property) = properties.get_mut(property).filter(|_| !write_only) else { return true };
        match operation {
            ChangeOperation::Set => {
                (property.conformed, property.has_conformed) = (None, true);
                taken += 1;
            }
            ChangeOperation::Add => {
                let links = proposed.as_ref().map_or(&[][..], Value::items);
                let shown = property.conformed.as_ref().map_or(&[][..], Value::items);
                property.conformed = Some(Value::List(shown.iter().chain(links).cloned().collect()));
                property.missing.extend(links.iter().cloned());
                taken += links.len();
            }
            // Only what a rule gave is removed.
            ChangeOperation::Remove => return true,
        }
        (property.workflow, property.state) = (WorkflowState::PreExisting, ProvisioningState::None);
        false
    });
    if wanted.changes.is_empty() {
        assignment.wanted = None;
        assignment.state = ProvisioningState::Verified;
    }
    taken
}
