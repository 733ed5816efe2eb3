//! Which items: the options that `list` and `decide` share.

use super::words::Kind;
use provost_contract::generator::v1::{ReconciliationFilter, ReconciliationKind};

/// Narrows the items; several options must all hold.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct FilterArguments {
    /// About any of these.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<Kind>,
    /// Of this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
    /// Of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    /// Of this property; of roles, this role.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    property: String,
    /// Found like that.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Found since.
    NonConforming,
    /// Found by the first synchronization.
    PreExisting,
    /// Kept, and the rules say something else by now.
    Questioned,
}

impl State {
    const fn number(self) -> i32 {
        match self {
            Self::NonConforming => 1,
            Self::PreExisting => 3,
            Self::Questioned => 24,
        }
    }
}

impl FilterArguments {
    pub(super) fn is_empty(&self) -> bool {
        let Self { kind, resource_type, owner, property, state } = self;
        kind.is_empty() && state.is_empty() && [resource_type, owner, property].iter().all(|text| text.is_empty())
    }
}

impl From<FilterArguments> for ReconciliationFilter {
    fn from(FilterArguments { kind, resource_type, owner, property, state }: FilterArguments) -> Self {
        Self {
            kinds: kind.into_iter().map(|kind| ReconciliationKind::from(kind).into()).collect(),
            resource_type,
            owner_key: owner,
            property,
            workflow_states: state.into_iter().map(State::number).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::WorkflowState;

    #[test]
    fn states_have_the_numbers_of_the_contract() {
        for (state, wire) in [
            (State::NonConforming, WorkflowState::NonConforming),
            (State::PreExisting, WorkflowState::PreExisting),
            (State::Questioned, WorkflowState::Questioned),
        ] {
            assert_eq!(state.number(), i32::from(wire));
        }
    }
}
