//! `permissions OWNER`: the "view permissions" of one person.

use super::explain;
use crate::client::Service;
use crate::console::Style;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table, instant, provisioning_state, shortened, workflow_state};
use provost_contract::generator::v1::{
    AssignedProperty, AssignedResource, AssignedRole, ListAssignmentsRequest, ListAssignmentsResponse,
};
use provost_contract::types::v1::Reason;

const WHY_MAX: usize = 56;

/// Whose permissions.
#[derive(Debug, clap::Args)]
pub struct PermissionsArguments {
    /// The owner's key, for example an employee number.
    owner: String,
    /// The owner's entity type, when several own resources.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    entity_type: String,
}

pub(super) async fn run(arguments: PermissionsArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let message = ListAssignmentsRequest { owner_entity_type: arguments.entity_type, owner_key: arguments.owner };
    let answer = session.clients.assignments().list_assignments(session.clients.request(message)).await;
    let assignments = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.ListAssignmentsResponse", &assignments)?;
    } else {
        let lines = lines(&assignments, session.console.style());
        session.console.lines(lines)?;
    }
    Ok(Outcome::Done)
}

/// The whole view.
pub fn lines(assignments: &ListAssignmentsResponse, style: Style) -> Vec<String> {
    let ListAssignmentsResponse { owner, period, roles, resources, contexts } = assignments;
    let owner = owner.clone().unwrap_or_default();
    let mut lines = vec![style.bold(&format!("{} ({} {})", owner.display_name, owner.entity_type, owner.key))];
    if let Some(period) = period {
        let until =
            period.valid_until.map_or_else(|| "open end".to_owned(), |at| format!("until {}", instant(Some(&at))));
        lines.push(format!("from {}, {until}", instant(period.valid_from.as_ref())));
    }
    lines.extend(explain::contexts(contexts));
    lines.push(String::new());
    if roles.is_empty() {
        lines.push("no roles".to_owned());
    } else {
        lines.extend(roles_table(roles).render(style));
    }
    for resource in resources {
        lines.push(String::new());
        lines.extend(resource_lines(resource, style));
    }
    lines
}

fn roles_table(roles: &[AssignedRole]) -> Table {
    let mut table = Table::new(&["role", "name", "workflow state", "when", "why"]);
    for role in roles {
        table.row(vec![
            role.role.clone(),
            display_name(role),
            workflow_state(role.workflow_state),
            show::period(role.period.as_ref()),
            role_why(role),
        ]);
    }
    table
}

fn display_name(role: &AssignedRole) -> String {
    match (role.composite, role.display_name.as_str()) {
        (false, name) => name.to_owned(),
        (true, "") => "(composite)".to_owned(),
        (true, name) => format!("{name} (composite)"),
    }
}

/// The rules that give the role; else, or beside them, where the request about it stands.
fn role_why(role: &AssignedRole) -> String {
    let rules = why(&role.why);
    let asked = role.request.as_ref().map(|record| {
        let request = record.request.clone().unwrap_or_default();
        format!(
            "request {} to {}: {}",
            show::short(&request.request_id),
            show::action(request.action),
            record.state_reason
        )
    });
    let both: Vec<String> = [Some(rules), asked].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    shortened(&both.join("; "), 2 * WHY_MAX)
}

fn resource_lines(resource: &AssignedResource, style: Style) -> Vec<String> {
    let state = provisioning_state(resource.provisioning_state);
    let state = match resource.provisioning_state {
        4 => style.green(&state),
        3 | 7 => style.red(&state),
        _ => style.yellow(&state),
    };
    let name = style.bold(&format!("{} {}", resource.resource_type, resource.target_key));
    let workflow = workflow_state(resource.workflow_state);
    // Only asked for: there is no resource that could stand anywhere.
    let mut lines = match resource.target_key.is_empty()
        && resource.provisioning_state == 0
        && resource.request.is_some()
    {
        true => vec![format!("{} in {}: workflow {workflow}", style.bold(&resource.resource_type), resource.connector)],
        false => vec![format!("{name} in {}: workflow {workflow}, provisioning {state}", resource.connector)],
    };
    if !resource.state_reason.is_empty() {
        lines.push(format!("  {}", resource.state_reason));
    }
    let mut table = Table::new(&["property", "proposed", "current", "workflow state", "provisioning state", "why"]);
    for property in &resource.properties {
        table.row(property_row(property));
    }
    if !table.is_empty() {
        lines.extend(table.indented(style, 2));
    }
    lines
}

fn property_row(property: &AssignedProperty) -> Vec<String> {
    let shown = |value| if property.sensitive { "(confidential)".to_owned() } else { show::optional(value) };
    vec![
        property.property.clone(),
        shown(property.proposed.as_ref()),
        shown(property.current.as_ref()),
        workflow_state(property.workflow_state),
        if property.provisioning_state == 0 { String::new() } else { provisioning_state(property.provisioning_state) },
        why(&property.why),
    ]
}

/// The innermost rule: the one that gave just this. Its resource type stands above already.
fn why(reasons: &[Reason]) -> String {
    let text = reasons.last().map(|reason| {
        let rule = match reason.rule.split_once(" / ") {
            Some((of, rule)) if of.starts_with("resource type ") => rule,
            _ => reason.rule.as_str(),
        };
        if reason.detail.is_empty() { rule.to_owned() } else { format!("{rule}: {}", reason.detail) }
    });
    shortened(&text.unwrap_or_default(), WHY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{Owner, Value, value::Kind};

    #[test]
    fn view_shows_roles_values_and_both_states() {
        let text = |text: &str| Some(Value { kind: Some(Kind::StringValue(text.into())) });
        let assignments = ListAssignmentsResponse {
            owner: Some(Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }),
            roles: vec![AssignedRole { role: "staff".into(), workflow_state: 18, ..AssignedRole::default() }],
            resources: vec![AssignedResource {
                resource_type: "App".into(),
                target_key: "ada".into(),
                connector: "app".into(),
                workflow_state: 18,
                provisioning_state: 1,
                state_reason: "waits for an agent".into(),
                properties: vec![AssignedProperty {
                    property: "title".into(),
                    proposed: text("Lead"),
                    current: text("Clerk"),
                    workflow_state: 18,
                    provisioning_state: 1,
                    sensitive: false,
                    why: vec![Reason {
                        rule: "resource type App / scalar title".into(),
                        detail: "title = 'Lead'".into(),
                    }],
                }],
                ..AssignedResource::default()
            }],
            ..ListAssignmentsResponse::default()
        };
        let lines = lines(&assignments, Style::new(false));
        assert_eq!(
            lines,
            [
                "Ada (Person E1)",
                "",
                "ROLE   WORKFLOW STATE",
                "staff  Calculated",
                "",
                "App ada in app: workflow Calculated, provisioning Pending",
                "  waits for an agent",
                "  PROPERTY  PROPOSED  CURRENT  WORKFLOW STATE  PROVISIONING STATE  WHY",
                "  title     Lead      Clerk    Calculated      Pending             scalar title: title = 'Lead'",
            ]
        );
    }
}
