//! A small organisation: an HR feed, an application that is written without review, and a vault that
//! is not.

use super::World;
use provost_domain::{Timestamp, Value};

/// Its catalog. `{app}` and `{vault}` stand for more keys of the two resource types.
const CATALOG: &str = "
connectors:
  - name: hr
    connections: [ { name: hr-csv, package: csv } ]
    export: hr-csv
    # A feed that lost people is to reach the generation here: what it stops there is what these tests are about.
    thresholds: { deletions_percent: 0 }
  - name: app
    connections: [ { name: app-sql, package: sql } ]
    export: app-sql
  - name: vault
    connections: [ { name: vault-sql, package: sql } ]
    export: vault-sql
entity_types:
  - name: Person
    connector: hr
    key: employee_id
    display_name: owner.name
    properties:
      - { name: employee_id, type: string }
      - { name: name, type: string }
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: department, type: string }
      - { name: size, type: string }
      - { name: end_date, type: timestamp }
      - { name: pin, type: string, sensitive: true }
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: size, type: integer }
      - { name: groups, navigation: Group, multi_valued: true }
  - name: Group
    connector: app
    key: name
    properties: [ { name: name, type: string } ]
  - name: Safe
    connector: vault
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: pin, type: string, sensitive: true }
contexts:
  - entity_type: Person
    valid_until: owner.end_date
roles:
  - name: finance
    display_name: Finance, staff
    owner: Person
    rules: [ { when: owner.department == 'Finance' } ]
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    review: false
    type_rules: [ {} ]
    scalar_rules:
      - { property: login, value: owner.login }
      - { property: title, value: owner.title }
      - { property: size, value: int(owner.size) }
    navigation_rules:
      - { property: groups, role: finance, target: finance }
    {app}
  - name: SafeAccess
    owner: Person
    target: Safe
    connection: vault-sql
    type_rules: [ { role: finance } ]
    scalar_rules:
      - { property: login, value: owner.login }
      - { property: title, value: owner.title }
      - { property: pin, value: owner.pin }
    {vault}
";

/// No threshold at all, for organisations so small that a percentage says nothing.
pub const NO_LIMITS: &str = "thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }";

/// The catalog without thresholds.
pub fn catalog() -> String {
    catalog_with(NO_LIMITS, NO_LIMITS)
}

/// The catalog with more keys of the two resource types.
pub fn catalog_with(app: &str, vault: &str) -> String {
    CATALOG.replace("{app}", app).replace("{vault}", vault)
}

/// Someone new in the HR feed.
pub fn hire(world: &World, number: u32, department: &str) {
    let text = |text: String| Value::String(text);
    let key = format!("E{number}");
    world.put(
        "Person",
        &key,
        &[
            ("employee_id", text(key.clone())),
            ("name", text(format!("Person {number}"))),
            ("login", text(format!("p{number}"))),
            ("title", text("Clerk".to_owned())),
            ("department", text(department.to_owned())),
            ("size", text(number.to_string())),
            ("pin", text(format!("secret-{number}"))),
        ],
    );
}

/// Sets somebody's last day.
pub fn leave(world: &World, key: &str, day: &str) {
    world.set("Person", key, "end_date", Value::Timestamp(Timestamp::parse(day).unwrap()));
}

/// So many people; the first is in Finance, the others in Sales. The finance group exists.
pub fn people(count: u32) -> World {
    let world = World::default();
    world.put("Group", "finance", &[("name", "finance".into())]);
    for number in 1..=count {
        hire(&world, number, if number == 1 { "Finance" } else { "Sales" });
    }
    world
}
