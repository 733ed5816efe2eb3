//! The catalog: connectors, entity types, contexts, roles and resource types, checked and compiled.
//!
//! Answers for what a catalog declares and for finding it by name. The rule that must hold: a
//! [`Catalog`] that exists is right. Every reference in it resolves, every expression compiles, and
//! whoever reads it need not check again.

mod compile;
mod declaration;
mod node;
mod problem;
mod reader;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;

pub use problem::Problem;

use crate::model::expression::Expression;
use provost_domain::ValueType;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A name that a catalog declares.
pub type Name = Arc<str>;

/// Most bytes in one file.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A whole catalog, compiled. Share it with `Arc`.
#[derive(Debug)]
pub struct Catalog {
    connectors: Vec<Connector>,
    entity_types: Vec<EntityType>,
    roles: Vec<Role>,
    resource_types: Vec<ResourceType>,
    connector_index: HashMap<Name, usize>,
    entity_type_index: HashMap<Name, usize>,
    role_index: HashMap<Name, usize>,
    resource_type_index: HashMap<Name, usize>,
    roles_by_owner: HashMap<Name, Vec<usize>>,
    resource_types_by_owner: HashMap<Name, Vec<usize>>,
}

/// A managed system.
#[derive(Debug)]
pub struct Connector {
    /// Its name.
    pub name: Name,
    /// Its name for people to read.
    pub display_name: String,
    /// The ways in to it.
    pub connections: Vec<Connection>,
    /// The connection it is exported through; none means that it is not synchronized.
    pub export: Option<Name>,
}

/// One way in to a managed system.
#[derive(Debug)]
pub struct Connection {
    /// Its name, unique in the whole catalog: agents know it by that.
    pub name: Name,
    /// What an agent runs for it.
    pub package: Package,
}

/// The packages that agents have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// Files of comma-separated values; read only.
    Csv,
    /// A person; write only.
    ManualTicket,
    /// A relational database.
    Sql,
    /// A directory.
    Ldap,
}

impl Package {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::ManualTicket, Self::Sql, Self::Ldap];

    /// The name in catalogs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::ManualTicket => "manual-ticket",
            Self::Sql => "sql",
            Self::Ldap => "ldap",
        }
    }

    /// Whether it can read a managed system.
    pub const fn exports(self) -> bool {
        !matches!(self, Self::ManualTicket)
    }

    /// Whether it can write to one.
    pub const fn fulfills(self) -> bool {
        !matches!(self, Self::Csv)
    }
}

/// The shape of some resources.
#[derive(Debug)]
pub struct EntityType {
    /// Its name.
    pub name: Name,
    /// The managed system that its resources live in.
    pub connector: Name,
    /// The property that tells one resource from another.
    pub key: Name,
    /// What people read instead of the key.
    pub display_name: Option<Expression>,
    /// Its properties, as declared.
    pub properties: Vec<Property>,
    /// When its resources count, as owners.
    pub context: Option<Context>,
    property_index: HashMap<Name, usize>,
}

/// One property of an entity type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub kind: PropertyKind,
    /// Whether it holds several of them.
    pub multi_valued: bool,
    /// Confidential: never logged, never shown in full.
    pub sensitive: bool,
    /// Cannot be read back.
    pub write_only: bool,
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// Values of a scalar type.
    Scalar(ValueType),
    /// Keys of resources of that entity type.
    Navigation(Name),
}

/// The context rule of an entity type (domain.md, step 1): when an owner counts.
#[derive(Debug)]
pub struct Context {
    /// The first instant; none or null means always has.
    pub valid_from: Option<Expression>,
    /// The first instant no more; none or null means open end.
    pub valid_until: Option<Expression>,
}

/// A single role.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Name,
    /// Its name for people to read.
    pub display_name: String,
    /// The entity type of those who can have it.
    pub owner: Name,
    /// Any of them gives it.
    pub rules: Vec<Expression>,
}

/// A kind of target resource with one provisioning policy.
#[derive(Debug)]
pub struct ResourceType {
    /// Its name.
    pub name: Name,
    /// Its name for people to read.
    pub display_name: String,
    /// The entity type of owners.
    pub owner: Name,
    /// The entity type of target resources.
    pub target: Name,
    /// The managed system: that of the target entity type.
    pub connector: Name,
    /// The connection that writes it.
    pub connection: Name,
    /// The resource type that the same owner must have first: the account before its mailbox.
    pub depends_on: Option<Name>,
    /// Whether every order waits for a review.
    pub review: bool,
    /// Any of them gives it.
    pub type_rules: Vec<TypeRule>,
    /// What its scalar properties shall be.
    pub scalar_rules: Vec<ScalarRule>,
    /// What it shall be linked to.
    pub navigation_rules: Vec<NavigationRule>,
    /// Whether missing resources are created.
    pub allow_add: bool,
    /// Whether resources are deleted that are no longer justified.
    pub allow_remove: bool,
    /// Whether that also holds when the owner itself has disappeared.
    pub remove_orphans: bool,
    /// When a generation is too large to be true.
    pub thresholds: Thresholds,
    /// Minutes that an order may stay Transmitted or Executed; 0 means no limit.
    pub transmitted_validity_minutes: u32,
    /// Higher goes first.
    pub priority: i32,
    /// Hints for the package.
    pub arguments: BTreeMap<String, Expression>,
}

/// Who has a resource type: owners who have the role, if it names one, and for whom the expression
/// is true, if it has one. With neither, every owner.
#[derive(Debug)]
pub struct TypeRule {
    /// The role.
    pub role: Option<RoleRef>,
    /// The expression.
    pub when: Option<Expression>,
}

/// A role that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRef {
    /// Its name.
    pub name: Name,
    /// Its place among [`Catalog::roles`].
    pub place: usize,
}

/// What one scalar property shall be.
#[derive(Debug)]
pub struct ScalarRule {
    /// The property of the target entity type.
    pub property: Name,
    /// Its value.
    pub value: Expression,
}

/// One link: given to owners who have the role, if it names one, and for whom the expression is true,
/// if it has one; with neither, to whoever has the resource.
#[derive(Debug)]
pub struct NavigationRule {
    /// The navigation property of the target entity type.
    pub property: Name,
    /// The role.
    pub role: Option<RoleRef>,
    /// The expression.
    pub when: Option<Expression>,
    /// The key of what is linked.
    pub target: String,
}

/// When a generation is too large to be true (domain.md, "Generating orders"). 0 is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Most additions.
    pub additions: u32,
    /// Most updates.
    pub updates: u32,
    /// Most deletions.
    pub deletions: u32,
    /// Most additions, in percent of the resources of that type.
    pub additions_percent: u32,
    /// Most updates, in percent.
    pub updates_percent: u32,
    /// Most deletions, in percent.
    pub deletions_percent: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            additions: 0,
            updates: 0,
            deletions: 0,
            additions_percent: 30,
            updates_percent: 30,
            deletions_percent: 30,
        }
    }
}

impl Catalog {
    /// Reads and checks a catalog: all its files, each a name and a text.
    ///
    /// # Errors
    /// Every mistake, by file, line and column.
    pub fn compile(files: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        compile::catalog(files)
    }

    /// The connectors, as declared.
    pub fn connectors(&self) -> &[Connector] {
        &self.connectors
    }

    /// The entity types, as declared.
    pub fn entity_types(&self) -> &[EntityType] {
        &self.entity_types
    }

    /// The roles, as declared.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The resource types, as declared.
    pub fn resource_types(&self) -> &[ResourceType] {
        &self.resource_types
    }

    /// A connector, by name.
    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.connectors.get(*self.connector_index.get(name)?)
    }

    /// An entity type, by name.
    pub fn entity_type(&self, name: &str) -> Option<&EntityType> {
        self.entity_types.get(*self.entity_type_index.get(name)?)
    }

    /// A role, by name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(*self.role_index.get(name)?)
    }

    /// Where a role is found.
    pub fn role_ref(&self, name: &str) -> Option<RoleRef> {
        let place = *self.role_index.get(name)?;
        Some(RoleRef { name: Arc::clone(&self.roles.get(place)?.name), place })
    }

    /// A resource type, by name.
    pub fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.resource_types.get(*self.resource_type_index.get(name)?)
    }

    /// The roles that owners of an entity type can have.
    pub fn roles_of(&self, owner: &str) -> impl Iterator<Item = &Role> {
        let places = self.roles_by_owner.get(owner).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.roles.get(*place))
    }

    /// The resource types that owners of an entity type can have.
    pub fn resource_types_of(&self, owner: &str) -> impl Iterator<Item = &ResourceType> {
        let places = self.resource_types_by_owner.get(owner).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.resource_types.get(*place))
    }

    /// The entity types whose resources can own something, by name.
    pub fn owner_entity_types(&self) -> Vec<&EntityType> {
        let owns =
            |name: &Name| self.resource_types_by_owner.contains_key(name) || self.roles_by_owner.contains_key(name);
        let mut found: Vec<_> = self.entity_types.iter().filter(|entity_type| owns(&entity_type.name)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// How many of each thing are declared, for people: `resource types` → 3.
    pub fn declared(&self) -> BTreeMap<String, usize> {
        [
            ("connectors", self.connectors.len()),
            ("entity types", self.entity_types.len()),
            ("contexts", self.entity_types.iter().filter(|entity_type| entity_type.context.is_some()).count()),
            ("roles", self.roles.len()),
            ("resource types", self.resource_types.len()),
        ]
        .map(|(what, count)| (what.to_owned(), count))
        .into()
    }
}

impl Connector {
    /// A connection, by name.
    pub fn connection(&self, name: &str) -> Option<&Connection> {
        self.connections.iter().find(|connection| &*connection.name == name)
    }
}

impl EntityType {
    /// A property, by name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(*self.property_index.get(name)?)
    }
}

impl Property {
    /// The scalar type; of a navigation that of a key.
    pub const fn value_type(&self) -> ValueType {
        match &self.kind {
            PropertyKind::Scalar(value_type) => *value_type,
            PropertyKind::Navigation(_) => ValueType::String,
        }
    }

    /// The entity type that a navigation points at.
    pub const fn navigates_to(&self) -> Option<&Name> {
        match &self.kind {
            PropertyKind::Navigation(target) => Some(target),
            PropertyKind::Scalar(_) => None,
        }
    }
}
