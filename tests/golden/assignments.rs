//! Expected assignments and roles of owners, and those that they have.

use crate::words::{self, NOTHING};
use crate::yaml::{Data, Entry, Node, Reading, mistake};
use provost_contract::generator::v1 as pb;

/// What one owner has: these resources and no others.
#[derive(Debug)]
pub(crate) struct Owned {
    owner: String,
    resources: Vec<Resource>,
}

/// One expected resource: what is not said may be anything.
#[derive(Debug)]
struct Resource {
    /// The resource type; with the key behind it where an owner has several.
    name: String,
    said: Vec<Said>,
    properties: Vec<(String, Vec<Said>)>,
}

/// Something that is said of a resource or a property: its name, whether words of it are enough, the words.
#[derive(Clone, Debug)]
struct Said {
    what: &'static str,
    is_part: bool,
    text: String,
}

/// The roles of one owner: these and no others.
#[derive(Debug)]
pub(crate) struct Roles {
    owner: String,
    roles: Vec<(String, Vec<Said>)>,
}

const STATE: &str = "state";
const WORKFLOW: &str = "workflow";
const KEY: &str = "key";
const NOTE: &str = "note";
const WHY: &str = "why";
const WANTED: &str = "wanted";
const SHOWN: &str = "shown";
const FROM: &str = "from";
const UNTIL: &str = "until";
/// What may be said of a role.
const ROLE: [&str; 4] = [WORKFLOW, FROM, UNTIL, WHY];

fn said(fields: &crate::yaml::Fields<'_>, known: &[&'static str]) -> Reading<Vec<Said>> {
    let mut said = Vec::new();
    for what in known {
        let is_part = matches!(*what, NOTE | WHY);
        let mut texts = fields.texts(what)?;
        if !is_part && !texts.is_empty() {
            texts.sort();
            texts = vec![texts.join(", ")];
        }
        said.extend(texts.into_iter().map(|text| Said { what, is_part, text }));
    }
    Ok(said)
}

/// Reads what owners have.
pub(crate) fn owned(node: &Node) -> Reading<Vec<Owned>> {
    let owner = |entry: &Entry| -> Reading<Owned> {
        let resources = match &entry.value.data {
            Data::Text { text, .. } if text == NOTHING => vec![],
            _ => entry.value.map("resource types of an owner")?.iter().map(resource).collect::<Reading<_>>()?,
        };
        Ok(Owned { owner: entry.key.clone(), resources })
    };
    node.map("'assignments'")?.iter().map(owner).collect()
}

fn resource(entry: &Entry) -> Reading<Resource> {
    let name = entry.key.clone();
    if let Data::Text { .. } = entry.value.data {
        let said = vec![Said { what: STATE, is_part: false, text: entry.value.text("a state")? }];
        return Ok(Resource { name, said, properties: vec![] });
    }
    let known = [STATE, WORKFLOW, KEY, NOTE, WHY];
    let fields = entry.value.fields("an assignment", &[&known[..], &["properties"]].concat())?;
    let properties = fields.get("properties").map_or(Ok(&[][..]), |node| node.map("'properties'"))?;
    let property = |entry: &Entry| -> Reading<_> {
        let said = match &entry.value.data {
            Data::Map(_) => {
                let known = [WANTED, SHOWN, STATE, WORKFLOW, WHY];
                said(&entry.value.fields("a property", &known)?, &known)?
            }
            _ => {
                let mut texts = entry.value.texts("a value")?;
                texts.sort();
                vec![Said { what: WANTED, is_part: false, text: texts.join(", ") }]
            }
        };
        Ok((entry.key.clone(), said))
    };
    let properties = properties.iter().map(property).collect::<Reading<_>>()?;
    Ok(Resource { name, said: said(&fields, &known)?, properties })
}

/// Reads the roles of owners: a list of names, or names with what is said of them.
pub(crate) fn roles(node: &Node) -> Reading<Vec<Roles>> {
    let owner = |entry: &Entry| -> Reading<Roles> {
        let role = |entry: &Entry| -> Reading<_> {
            let said = match &entry.value.data {
                Data::Map(_) => said(&entry.value.fields("a role", &ROLE)?, &ROLE)?,
                _ => vec![Said { what: WORKFLOW, is_part: false, text: entry.value.text("a workflow state")? }],
            };
            Ok((entry.key.clone(), said))
        };
        let roles = match &entry.value.data {
            Data::Text { text, .. } if text == "none" => vec![],
            Data::Map(entries) => entries.iter().map(role).collect::<Reading<_>>()?,
            _ => entry.value.texts("roles")?.into_iter().map(|name| (name, vec![])).collect(),
        };
        Ok(Roles { owner: entry.key.clone(), roles })
    };
    match &node.data {
        Data::Map(entries) => entries.iter().map(owner).collect(),
        _ => mistake(node.line, "'roles' are roles by owner"),
    }
}

/// The lines for what is said, as expected and as found. `found` gives the words for each.
fn compare(said: &[Said], indent: &str, found: impl Fn(&str) -> String) -> (Vec<String>, Vec<String>) {
    let pair = |Said { what, is_part, text }: &Said| {
        let is = found(what);
        match *is_part {
            true if is.contains(text.as_str()) => {
                (format!("{indent}{what}: … {text} …"), format!("{indent}{what}: … {text} …"))
            }
            true => (format!("{indent}{what}: … {text} …"), format!("{indent}{what}: {is}")),
            false => (format!("{indent}{what}: {text}"), format!("{indent}{what}: {is}")),
        }
    };
    said.iter().map(pair).unzip()
}

fn reasons(why: &[provost_contract::types::v1::Reason]) -> String {
    why.iter().map(|reason| format!("{}: {}", reason.rule, reason.detail)).collect::<Vec<_>>().join("; ")
}

impl Owned {
    /// Whose they are.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The lines expected, and the lines found.
    pub(crate) fn compare(&self, found: Option<&pb::ListAssignmentsResponse>) -> (Vec<String>, Vec<String>) {
        let (mut expected, mut is) = (Vec::new(), Vec::new());
        let mut left: Vec<&pb::AssignedResource> = found.iter().flat_map(|found| &found.resources).collect();
        for resource in &self.resources {
            expected.push(resource.name.clone());
            let names = |one: &&pb::AssignedResource| {
                one.resource_type == resource.name
                    || format!("{} {}", one.resource_type, one.target_key) == resource.name
            };
            let Some(place) = left.iter().position(names) else {
                expected.extend(compare(&resource.said, "    ", |_| String::new()).0);
                continue;
            };
            let one = left.remove(place);
            is.push(resource.name.clone());
            let (wanted, found) = compare(&resource.said, "    ", |what| resource_words(one, what));
            expected.extend(wanted);
            is.extend(found);
            for (name, said) in &resource.properties {
                expected.push(format!("    {name}"));
                let Some(property) = one.properties.iter().find(|property| property.property == *name) else {
                    continue;
                };
                is.push(format!("    {name}"));
                let (wanted, found) = compare(said, "        ", |what| property_words(property, what));
                expected.extend(wanted);
                is.extend(found);
            }
        }
        for one in left {
            is.push(one.resource_type.clone());
            is.push(format!("    {STATE}: {}", resource_words(one, STATE)));
        }
        (expected, is)
    }
}

fn resource_words(one: &pb::AssignedResource, what: &str) -> String {
    match what {
        STATE => words::state(one.provisioning_state, 0),
        WORKFLOW => words::workflow(one.workflow_state),
        KEY if one.target_key.is_empty() => NOTHING.to_owned(),
        KEY => one.target_key.clone(),
        NOTE => one.state_reason.clone(),
        _ => reasons(&one.why),
    }
}

fn property_words(one: &pb::AssignedProperty, what: &str) -> String {
    match what {
        WANTED => words::wire_value(one.proposed.as_ref()),
        SHOWN => words::wire_value(one.current.as_ref()),
        STATE => words::state(one.provisioning_state, 0),
        WORKFLOW => words::workflow(one.workflow_state),
        _ => reasons(&one.why),
    }
}

impl Roles {
    /// Whose they are.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The lines expected, and the lines found.
    pub(crate) fn compare(&self, found: Option<&pb::ListAssignmentsResponse>) -> (Vec<String>, Vec<String>) {
        let (mut expected, mut is) = (Vec::new(), Vec::new());
        let mut left: Vec<&pb::AssignedRole> = found.iter().flat_map(|found| &found.roles).collect();
        for (name, said) in &self.roles {
            expected.push(name.clone());
            let place = left.iter().position(|role| role.role == *name);
            let role = place.map(|place| left.remove(place));
            let words = |what: &str| match (role, what) {
                (None, _) => String::new(),
                (Some(role), WORKFLOW) => words::workflow(role.workflow_state),
                (Some(role), FROM) => words::wire_instant(role.period.as_ref().and_then(|one| one.valid_from.as_ref())),
                (Some(role), UNTIL) => {
                    words::wire_instant(role.period.as_ref().and_then(|one| one.valid_until.as_ref()))
                }
                (Some(role), _) => reasons(&role.why),
            };
            let (wanted, found) = compare(said, "    ", words);
            expected.extend(wanted);
            if role.is_some() {
                is.push(name.clone());
                is.extend(found);
            }
        }
        for role in left {
            is.push(role.role.clone());
            is.push(format!("    {WORKFLOW}: {}", words::workflow(role.workflow_state)));
        }
        (expected, is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::diff;

    fn response() -> pb::ListAssignmentsResponse {
        let property = pb::AssignedProperty {
            property: "title".into(),
            proposed: Some(provost_contract::to_wire::value(&"Boss".into())),
            provisioning_state: 4,
            ..Default::default()
        };
        let resource = pb::AssignedResource {
            resource_type: "A".into(),
            provisioning_state: 4,
            workflow_state: 18,
            state_reason: "all is well".into(),
            properties: vec![property],
            ..Default::default()
        };
        let role = pb::AssignedRole { role: "finance".into(), workflow_state: 18, ..Default::default() };
        pb::ListAssignmentsResponse { resources: vec![resource], roles: vec![role], ..Default::default() }
    }

    fn of_owner(text: &str) -> Option<String> {
        let (expected, found) = owned(&crate::yaml::read(text).unwrap()).unwrap()[0].compare(Some(&response()));
        diff(&expected, &found)
    }

    #[test]
    fn resources_are_complete_and_properties_are_those_that_are_named() {
        assert_eq!(of_owner("E1: { A: Verified }"), None);
        assert_eq!(of_owner("E1: { A: { workflow: Calculated, note: well, properties: { title: Boss } } }"), None);
        assert!(of_owner("E1: nothing").unwrap().contains("+ A"));
        assert!(of_owner("E1: { A: Verified, B: Pending }").unwrap().contains("- B"));
        let said = of_owner("E1: { A: { properties: { title: { wanted: Clerk, state: Verified } } } }").unwrap();
        assert!(said.contains("-         wanted: Clerk\n+         wanted: Boss"), "{said}");
    }

    #[test]
    fn roles_are_complete() {
        let of = |text: &str| {
            let (expected, found) = roles(&crate::yaml::read(text).unwrap()).unwrap()[0].compare(Some(&response()));
            diff(&expected, &found)
        };
        assert_eq!(of("E1: [finance]"), None);
        assert_eq!(of("E1: { finance: Calculated }"), None);
        assert!(of("E1: none").unwrap().contains("+ finance"));
        assert!(of("E1: { finance: Approved }").unwrap().contains("-     workflow: Approved"));
    }
}
