//! What the rules give, split by question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::model::expected::{ExpectedResource, ExpectedValue};
use crate::model::resource::{Properties, Repository};
use provost_domain::{Period, Value};

mod basics;

fn compiled(text: &str) -> Catalog {
    Catalog::compile(&[("catalog.yaml".into(), text.into())]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// An owner of which nothing else is known, in 1970.
fn evaluated_in(catalog: &Catalog, owner: &Resource, lookup: &dyn Lookup) -> Expected {
    let ground = Ground { catalog, revision: 1, now: Timestamp::default(), lookup };
    evaluate(&ground, &Case::new("Person", owner)).unwrap()
}

fn of<'a>(expected: &'a Expected, resource_type: &str) -> Option<&'a ExpectedResource> {
    expected.resources.iter().find(|resource| &*resource.resource_type == resource_type)
}

fn value<'a>(resource: &'a ExpectedResource, property: &str) -> &'a ExpectedValue {
    resource.values.get(property).unwrap_or_else(|| panic!("no {property} in {resource:?}"))
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}
