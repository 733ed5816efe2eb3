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
