//! The catalogs that the project ships compile; wrong ones are refused with every mistake in place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

mod readme;
mod schema;
mod whole;
mod wrong;
mod wrong_whole;

fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn resource_types_that_nothing_tells_apart_are_warned_of() {
    let mut text = whole::WHOLE.to_owned();
    let compiled = |text: &str| {
        Catalog::compile(&files(&[("catalog.yaml", text)])).unwrap_or_else(|problems| panic!("{problems:#?}"))
    };
    assert_eq!(compiled(&text).warnings(), Vec::<String>::new());
    let kind = compiled(&text).resource_type("AppAccount").map(|kind| (kind.owner.clone(), kind.target.clone()));
    let (owner, target) = kind.unwrap();
    let key = compiled(&text).entity_type(&target).unwrap().key.clone();
    for name in ["First", "Second"] {
        text.push_str(&format!(
            "  - name: {name}\n    owner: {owner}\n    target: {target}\n    connection: app-sql\n    \
             type_rules: [ {{}} ]\n    scalar_rules: [ {{ property: {key}, value: owner.id }} ]\n"
        ));
    }
    let Some((types, rest)) = text.split_once("automation_rules:") else { panic!("{text}") };
    // Sections may come in any order: the new types go where resource types are.
    let (rules, new) = rest.split_once("  - name: First").unwrap();
    let text = format!("{types}  - name: First{new}automation_rules:{rules}");
    let [warning] = &*compiled(&text).warnings() else { panic!("one warning") };
    assert!(
        warning.starts_with(&format!("First, Second are all about {target}, and no classification rule")),
        "{warning}"
    );
}

#[test]
fn what_contradicts_itself_is_warned_of() {
    let text = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - { name: Person, connector: hr, key: id, properties: [ { name: id, type: string } ] }
  - { name: Account, connector: app, key: login, properties: [ { name: login, type: string } ] }
roles:
  - { name: easy, owner: Person }
  - { name: hard, owner: Person, approval: 3 }
  - { name: shut, owner: Person, approval: not_allowed }
composite_roles:
  - { name: even, owner: Person, roles: [easy] }
  - { name: low, owner: Person, approval: 2, roles: [easy, hard] }
  - { name: open, owner: Person, approval: 3, roles: [hard, shut] }
  - { name: given, owner: Person, approval: not_allowed, roles: [hard, shut] }
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    allow_remove: false
    remove_orphans: true
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
";
    let catalog =
        Catalog::compile(&files(&[("catalog.yaml", text)])).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(
        catalog.warnings(),
        [
            "composite role low takes 2 approvals and gives hard, which by itself takes 3; give the composite role as \
             many, if that is not meant",
            "resource type AppAccount: remove_orphans does nothing, because allow_remove is false: what owners who are gone \
             have left is not deleted",
        ]
    );
}

#[test]
fn the_sample_catalogs_compile() {
    let sample = files(&[
        ("10-systems.yaml", include_str!("../../../../../../shared/sample/catalog/10-systems.yaml")),
        ("20-roles.yaml", include_str!("../../../../../../shared/sample/catalog/20-roles.yaml")),
        ("30-resource-types.yaml", include_str!("../../../../../../shared/sample/catalog/30-resource-types.yaml")),
    ]);
    let catalog = Catalog::compile(&sample).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(catalog.resource_types_of("Person").count(), 3);
    assert_eq!(catalog.declared()["roles"], 15);
    let directory = files(&[("catalog.yaml", include_str!("../../../../../../shared/sample/directory/catalog.yaml"))]);
    let catalog = Catalog::compile(&directory).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(catalog.roles_of("Person").count(), 40);
}
