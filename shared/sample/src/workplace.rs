//! The demo's world: its catalog, the systems that it manages, the agent's configuration, and who should have what.
//!
//! Answers for: the texts, and the expectation computed straight from a person. Leaves to others: running the SQL and
//! writing the files, at the paths named here. The rule that must hold: the schemas run unchanged on SQLite and PostgreSQL.

use crate::person::{Person, WorkerType};

/// The catalog, as (file name, text); together they are the whole.
pub const CATALOG: &[(&str, &str)] = &[
    ("10-systems.yaml", include_str!("../catalog/10-systems.yaml")),
    ("20-roles.yaml", include_str!("../catalog/20-roles.yaml")),
    ("30-resource-types.yaml", include_str!("../catalog/30-resource-types.yaml")),
];

/// The HR feed, relative to the data directory.
pub const PEOPLE_CSV_PATH: &str = "systems/hr/people.csv";
/// The application's database, relative to the data directory.
pub const APP_DB_PATH: &str = "systems/app/app.db";
/// The vault's database, relative to the data directory.
pub const VAULT_DB_PATH: &str = "systems/vault/vault.db";
/// The badge desk's list, relative to the data directory.
pub const BADGES_CSV_PATH: &str = "systems/badge/badges.csv";
/// The agent's configuration, relative to the data directory.
pub const AGENT_TOML_PATH: &str = "agent.toml";

/// The application's tables and constraints.
pub const APP_SCHEMA_SQL: &str = include_str!("../sql/app-schema.sql");
/// The application's first rows: its groups, and [`FOREIGN_LOGIN`].
pub const APP_ROWS_SQL: &str = include_str!("../sql/app-rows.sql");
/// What mends the refusal of [`DEMO_DUPLICATE`](crate::special::DEMO_DUPLICATE): frees the address that is taken.
pub const APP_MEND_SQL: &str = include_str!("../sql/app-mend.sql");
/// The vault's table.
pub const VAULT_SCHEMA_SQL: &str = include_str!("../sql/vault-schema.sql");
/// The badge desk's list when nobody has a badge.
pub const BADGES_CSV_HEADER: &str = "badge_number,printed_name,employee_id,zone\n";

/// The application's account that is nobody's and must be left alone.
pub const FOREIGN_LOGIN: &str = "svc-reception";

/// The agent's configuration with `@LISTEN@`, `@FULFILLMENT@` and `@ORDER_GENERATOR@` to be filled in.
pub const AGENT_TOML: &str = include_str!("../agent.toml");

/// The agent's configuration with its addresses filled in.
pub fn agent_toml(listen: &str, fulfillment: &str, order_generator: &str) -> String {
    AGENT_TOML
        .replace("@LISTEN@", listen)
        .replace("@FULFILLMENT@", fulfillment)
        .replace("@ORDER_GENERATOR@", order_generator)
}

/// A row of the application's `accounts`, by its columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountRow {
    /// The key.
    pub login: String,
    /// Unique in the table.
    pub mail: String,
    /// `display_name` in the catalog.
    pub full_name: String,
    /// As in the feed.
    pub title: String,
    /// As in the feed.
    pub department: String,
    /// As in the feed.
    pub location: String,
    /// None for the CEO.
    pub manager_login: Option<String>,
    /// As in the feed, as a number.
    pub cost_center: i64,
}

/// The account that `person`, managed by `manager`, should have while active; none where the feed's data does not allow one.
pub fn expected_account(person: &Person, manager: Option<&Person>) -> Option<AccountRow> {
    Some(AccountRow {
        login: person.login.clone(),
        mail: person.mail.clone(),
        full_name: person.full_name(),
        title: person.title.clone(),
        department: person.department.clone(),
        location: person.location.clone(),
        manager_login: manager.map(|manager| manager.login.clone()),
        cost_center: person.cost_center.parse().ok()?,
    })
}

/// The application's groups that `person` should be in while active, in alphabetical order.
pub fn expected_groups(person: &Person) -> Vec<&'static str> {
    let mut groups = vec!["all-staff"];
    let employee = person.worker_type == WorkerType::Employee;
    groups.push(if employee { "employees" } else { "contractors" });
    if person.is_leader() {
        groups.push("leadership");
    }
    if person.is_people_manager() {
        groups.push("managers");
    }
    groups.extend(match person.department.as_str() {
        "Finance" => Some("finance"),
        "Sales" => Some("sales"),
        "Engineering" => Some("engineering"),
        "Human Resources" => employee.then_some("personnel-records"),
        "Legal" => Some("legal"),
        "Operations" => Some("operations"),
        "IT" => Some("it"),
        "Marketing" => Some("web-editors"),
        "Research" => employee.then_some("web-editors"),
        "Support" => Some("service-desk"),
        _ => None,
    });
    groups.sort_unstable();
    groups
}

/// A row of the vault's `vault_accounts`, by its columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VaultRow {
    /// The key.
    pub login: String,
    /// First and last name.
    pub full_name: String,
    /// `payments` or `root-keys`.
    pub clearance: &'static str,
    /// Sensitive in the catalog.
    pub recovery_phone: String,
}

/// The vault account that should be proposed for `person` while active, if any.
pub fn expected_vault_account(person: &Person) -> Option<VaultRow> {
    expects_vault_account(person).then(|| VaultRow {
        login: person.login.clone(),
        full_name: person.full_name(),
        clearance: if person.department == "IT" { "root-keys" } else { "payments" },
        recovery_phone: person.phone.clone(),
    })
}

/// A row of the badge desk's list, by its columns in the order of [`BADGES_CSV_HEADER`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadgeRow {
    /// The key.
    pub badge_number: String,
    /// Capitals without accents.
    pub printed_name: String,
    /// As in the feed.
    pub employee_id: String,
    /// `halls` or `control-room`.
    pub zone: &'static str,
}

/// The badge that `person` should be given while active, if any.
pub fn expected_badge(person: &Person) -> Option<BadgeRow> {
    expects_badge(person).then(|| BadgeRow {
        badge_number: person.badge_number.clone(),
        printed_name: deunicode::deunicode(&person.full_name()).to_uppercase(),
        employee_id: person.employee_id.clone(),
        zone: if person.title.ends_with("Lead") { "control-room" } else { "halls" },
    })
}

/// Whether a vault account should be proposed for `person` while active.
pub fn expects_vault_account(person: &Person) -> bool {
    matches!(person.department.as_str(), "Finance" | "IT") && person.is_people_manager()
}

/// Whether `person` should be given a badge while active.
pub fn expects_badge(person: &Person) -> bool {
    person.location == "Rotterdam Depot"
}
