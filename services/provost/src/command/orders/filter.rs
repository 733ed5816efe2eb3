//! Which orders: the options that `list` and `count` share.

use crate::command::age;
use provost_contract::fulfillment::v1::OrderFilter;
use provost_domain::ProvisioningState;

/// Narrows the orders; several options must all hold.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FilterArguments {
    /// In any of these states, for example errored,awaiting-approval.
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub(crate) state: Vec<i32>,
    /// Of any of these resource types.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) resource_type: Vec<String>,
    /// Of this connector.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) connector: String,
    /// Of this connection.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) connection: String,
    /// Of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) owner: String,
    /// Of the target resource with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) target: String,
    /// Of this generation run.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) generation_run: String,
    /// Errored with this cause; `orders causes` shows them.
    #[arg(long, value_name = "CAUSE", default_value = "", hide_default_value = true)]
    pub(crate) cause: String,
    /// In its state for so long at least, for example 3d.
    #[arg(long, value_name = "AGE", value_parser = age::minutes)]
    pub(crate) older_than: Option<i32>,
}

impl From<FilterArguments> for OrderFilter {
    fn from(arguments: FilterArguments) -> Self {
        let FilterArguments {
            state,
            resource_type,
            connector,
            connection,
            owner,
            target,
            generation_run,
            cause,
            older_than,
        } = arguments;
        Self {
            states: state,
            resource_types: resource_type,
            connector,
            connection,
            owner_key: owner,
            target_key: target,
            generation_run,
            error_cause: cause,
            older_than_minutes: older_than.unwrap_or(0),
        }
    }
}

fn state(text: &str) -> Result<i32, String> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let stored = || ProvisioningState::ALL.into_iter().filter(|state| *state != ProvisioningState::None);
    stored()
        .find(|state| plain(&state.to_string()) == plain(text) || state.number().to_string() == text)
        .map(ProvisioningState::number)
        .ok_or_else(|| {
            let names: Vec<_> = stored().map(|state| state.to_string().to_lowercase().replace(' ', "-")).collect();
            format!("there is no such state; there are {}", names.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_named_in_any_spelling_or_by_number() {
        for text in ["Awaiting Approval", "awaiting-approval", "AWAITING_APPROVAL", "5"] {
            assert_eq!(state(text), Ok(5), "{text}");
        }
        assert!(state("none").is_err_and(|error| error.contains("pending, transmitted")));
        assert!(state("0").is_err());
    }
}
