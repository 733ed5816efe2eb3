//! What the promises need from a managed system: the package, and a way around it.

use async_trait::async_trait;
use provost_agent::package::{Entity, Package, Property, Row, RowSender};
use provost_domain::{Change, Failure, FailureClass, ValueType};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An account as the system holds it, read without the package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub title: Option<String>,
    pub groups: BTreeSet<String>,
}

/// A real managed system with accounts and groups. The groups `staff` and `finance` exist.
#[async_trait(?Send)]
pub trait System {
    /// The package over it.
    fn package(&self) -> Arc<dyn Package>;
    /// Reads an account around the package.
    async fn account(&self, key: &str) -> Option<Account>;
    /// How many accounts there are.
    async fn count(&self) -> usize;
    /// Creates an account as somebody else would, with the same values that [`crate::orders::creation`] gives.
    async fn put(&self, key: &str, title: &str, groups: &[&str]);
    /// Creates a group.
    async fn put_group(&self, name: &str);
    /// Makes the integer of an account something that is not one.
    async fn spoil(&self, key: &str);
    /// A change whose value the system's types cannot hold.
    fn wrong_type(&self) -> Change;
    /// A change that the system's own rules refuse, the class and the code of the refusal.
    fn refused(&self) -> (Change, FailureClass, &'static str);
    /// Makes the system unreachable.
    async fn stop(&self);
    /// Makes it reachable again.
    async fn restart(&self);
}

/// What the catalog would ask for.
pub fn accounts() -> Entity {
    let property = |name: &str, value_type, multi_valued| Property { name: name.to_owned(), value_type, multi_valued };
    Entity {
        name: "Account".into(),
        key: "login".into(),
        properties: vec![
            property("title", ValueType::String, false),
            property("login", ValueType::String, false),
            property("grade", ValueType::Integer, false),
            property("enabled", ValueType::Boolean, false),
            property("hired", ValueType::Timestamp, false),
            property("photo", ValueType::Bytes, false),
            property("groups", ValueType::String, true),
        ],
    }
}

/// Every row of an export.
pub async fn exported(package: &dyn Package, entity: &Entity) -> Result<Vec<Row>, Failure> {
    let (sender, mut receiver) = RowSender::channel(4);
    let collect = tokio::spawn(async move {
        let mut rows = Vec::new();
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows
    });
    let result = package.export(entity, &sender).await;
    drop(sender);
    let rows = collect.await.unwrap();
    result.map(|()| rows)
}

pub fn groups(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
