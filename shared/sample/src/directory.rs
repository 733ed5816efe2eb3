//! A second world for tests against a directory: people with eight attributes, and forty groups given by rule.
//!
//! Answers for: the catalog, the agent's configuration, the entries that must exist first, and who should have what,
//! computed straight from a person. Leaves to others: running a directory. The rule that must hold: the expectation never
//! reads the catalog.

use crate::person::{Person, WorkerType};

/// The catalog, as (file name, text).
pub const LDAP_CATALOG: &[(&str, &str)] = &[("directory.yaml", include_str!("../directory/catalog.yaml"))];

/// The groups of the catalog; each must exist before anybody can be put into it.
pub const GROUPS: [&str; 40] = [
    "everyone",
    "employees",
    "contractors",
    "leadership",
    "managers",
    "seniors",
    "dept-engineering",
    "dept-operations",
    "dept-sales",
    "dept-support",
    "dept-finance",
    "dept-it",
    "dept-marketing",
    "dept-human-resources",
    "dept-legal",
    "dept-research",
    "managers-engineering",
    "managers-operations",
    "managers-sales",
    "managers-support",
    "managers-finance",
    "managers-it",
    "contractors-engineering",
    "contractors-operations",
    "contractors-sales",
    "contractors-support",
    "site-london",
    "site-lyon",
    "site-krakow",
    "site-zurich",
    "site-austin",
    "site-sao-paulo",
    "site-bengaluru",
    "site-singapore",
    "site-rotterdam-depot",
    "engineering-eu",
    "production-access",
    "safety-training",
    "newsletter-a-to-m",
    "newsletter-n-to-z",
];

/// The agent's configuration with `@NAME@` for each field of [`AgentSettings`]; the HR feed is at
/// [`PEOPLE_CSV_PATH`](crate::workplace::PEOPLE_CSV_PATH).
pub const AGENT_TOML: &str = include_str!("../directory/agent.toml");

/// What [`AGENT_TOML`] leaves open.
#[derive(Clone, Copy, Debug)]
pub struct AgentSettings<'a> {
    /// Address of the agent's own service, such as `127.0.0.1:7404`.
    pub listen: &'a str,
    /// URL of fulfillment.
    pub fulfillment: &'a str,
    /// URL of the order generator.
    pub order_generator: &'a str,
    /// URL of the directory, such as `ldap://127.0.0.1:3890`.
    pub ldap_url: &'a str,
    /// Who binds.
    pub bind_dn: &'a str,
    /// With what.
    pub bind_password: &'a str,
    /// Above `ou=people` and `ou=groups`.
    pub base_dn: &'a str,
}

/// The agent's configuration, filled in. The values must not need escaping in TOML.
pub fn agent_toml(settings: &AgentSettings<'_>) -> String {
    let AgentSettings { listen, fulfillment, order_generator, ldap_url, bind_dn, bind_password, base_dn } = settings;
    [
        ("@LISTEN@", listen),
        ("@FULFILLMENT@", fulfillment),
        ("@ORDER_GENERATOR@", order_generator),
        ("@LDAP_URL@", ldap_url),
        ("@BIND_DN@", bind_dn),
        ("@BIND_PASSWORD@", bind_password),
        ("@BASE_DN@", base_dn),
    ]
    .iter()
    .fold(AGENT_TOML.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// LDIF of what must exist below `base_dn` first: the two branches and the groups. A `groupOfNames` may not be empty, so
/// each has `base_dn` itself, which is nobody, as its first member.
pub fn initial_ldif(base_dn: &str) -> String {
    let branch = |name: &str| format!("dn: ou={name},{base_dn}\nobjectClass: organizationalUnit\nou: {name}\n\n");
    let group = |name: &&str| {
        format!("dn: cn={name},ou=groups,{base_dn}\nobjectClass: groupOfNames\ncn: {name}\nmember: {base_dn}\n\n")
    };
    branch("people") + &branch("groups") + &GROUPS.iter().map(group).collect::<String>()
}

/// The attributes that `person`'s entry should have while active, by LDAP name, in alphabetical order.
pub fn expected_attributes(person: &Person) -> [(&'static str, String); 8] {
    [
        ("cn", person.full_name()),
        ("departmentNumber", person.cost_center.clone()),
        ("employeeNumber", person.employee_id.clone()),
        ("givenName", person.first_name.clone()),
        ("mail", person.mail.clone()),
        ("sn", person.last_name.clone()),
        ("title", person.title.clone()),
        ("uid", person.login.clone()),
    ]
}

/// The groups that `person` should be in while active, in the order of [`GROUPS`].
pub fn expected_groups(person: &Person) -> Vec<&'static str> {
    GROUPS.into_iter().filter(|group| belongs(person, group)).collect()
}

/// Whether `person` belongs to `group`; nobody belongs to a group that is none of [`GROUPS`].
fn belongs(person: &Person, group: &str) -> bool {
    let department = |name: &str| person.department == name;
    let site = |name: &str| person.location == name;
    let contractor = person.worker_type == WorkerType::Contractor;
    let manager = person.title.ends_with("Manager");
    let senior = person.title.starts_with("Senior ");
    match group {
        "everyone" => true,
        "employees" => !contractor,
        "contractors" => contractor,
        "leadership" => person.is_leader(),
        "managers" => person.is_people_manager(),
        "seniors" => senior,
        "dept-engineering" => department("Engineering"),
        "dept-operations" => department("Operations"),
        "dept-sales" => department("Sales"),
        "dept-support" => department("Support"),
        "dept-finance" => department("Finance"),
        "dept-it" => department("IT"),
        "dept-marketing" => department("Marketing"),
        "dept-human-resources" => department("Human Resources"),
        "dept-legal" => department("Legal"),
        "dept-research" => department("Research"),
        "managers-engineering" => manager && department("Engineering"),
        "managers-operations" => manager && department("Operations"),
        "managers-sales" => manager && department("Sales"),
        "managers-support" => manager && department("Support"),
        "managers-finance" => manager && department("Finance"),
        "managers-it" => manager && department("IT"),
        "contractors-engineering" => contractor && department("Engineering"),
        "contractors-operations" => contractor && department("Operations"),
        "contractors-sales" => contractor && department("Sales"),
        "contractors-support" => contractor && department("Support"),
        "site-london" => site("London"),
        "site-lyon" => site("Lyon"),
        "site-krakow" => site("Kraków"),
        "site-zurich" => site("Zürich"),
        "site-austin" => site("Austin"),
        "site-sao-paulo" => site("São Paulo"),
        "site-bengaluru" => site("Bengaluru"),
        "site-singapore" => site("Singapore"),
        "site-rotterdam-depot" => site("Rotterdam Depot"),
        "engineering-eu" => department("Engineering") && (site("Lyon") || site("Kraków") || site("Zürich")),
        "production-access" => (department("IT") && !contractor) || (department("Engineering") && senior),
        "safety-training" => {
            site("Rotterdam Depot") || ["Laboratory Technician", "Warehouse Associate"].contains(&person.title.as_str())
        }
        "newsletter-a-to-m" => person.last_name.as_str() < "N",
        "newsletter-n-to-z" => person.last_name.as_str() >= "N",
        _ => false,
    }
}
