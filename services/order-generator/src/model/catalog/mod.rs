//! The catalog: connectors, entity types, contexts, roles and resource types, checked and compiled.
//!
//! Answers for what a catalog declares and for finding it by name. The rule that must hold: a
//! [`Catalog`] that exists is right. Every reference in it resolves, every expression compiles, and
//! whoever reads it need not check again.

mod compile;
mod declaration;
pub mod difference;
mod duration;
mod keys;
mod node;
mod problem;
mod reader;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod time_zone;
pub mod touched;
mod warnings;

pub use problem::Problem;
pub use time_zone::TimeZone;

use crate::model::evaluate::Rules;
use crate::model::expression::{Expression, Reference};
use provost_domain::{ValueType, WorkflowState};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// A name that a catalog declares.
pub type Name = Arc<str>;

/// What a file may hold, as a JSON Schema (draft 2020-12): for editors, which complete and check by it.
pub const SCHEMA: &str = include_str!("schema.json");

/// Most bytes in one file.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A whole catalog, compiled. Share it with `Arc`.
#[derive(Debug)]
pub struct Catalog {
    policy: Policy,
    dimensions: Vec<Name>,
    connectors: Vec<Connector>,
    entity_types: Vec<EntityType>,
    roles: Vec<Role>,
    composite_roles: Vec<CompositeRole>,
    resource_types: Vec<ResourceType>,
    automation_rules: Vec<AutomationRule>,
    /// As people count them: one that is for several states is one.
    automation_rules_declared: usize,
    connector_index: HashMap<Name, usize>,
    entity_type_index: HashMap<Name, usize>,
    role_index: HashMap<Name, usize>,
    composite_role_index: HashMap<Name, usize>,
    resource_type_index: HashMap<Name, usize>,
    roles_by_owner: HashMap<Name, Vec<usize>>,
    resource_types_by_owner: HashMap<Name, Vec<usize>>,
    /// The rules, ready to be found.
    rules: OnceLock<Rules>,
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
    /// The connection it is exported through; none means that it is not synchronized, so that whoever writes
    /// it is believed.
    pub export: Option<Name>,
    /// When an export is too much of a change to be true.
    pub thresholds: SynchronizationThresholds,
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
    /// Properties that nobody reads: computed from the others, each after those that it needs. By place in
    /// [`EntityType::properties`].
    pub computed: Vec<(usize, Expression)>,
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
    /// How its values are compared, where no scalar rule says otherwise; of a navigation, its keys.
    pub comparison: Comparison,
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// Values of a scalar type.
    Scalar(ValueType),
    /// Keys of resources of that entity type.
    Navigation(Name),
}

/// The context rule of an entity type (domain.md, step 1): when an owner counts, and by which dimensions
/// role rules tell owners apart. With positions there is one context for each of them, and expressions
/// read `position` beside `owner`.
#[derive(Debug)]
pub struct Context {
    /// Where an owner's positions are; none means that the owner is its own only context.
    pub positions: Option<Positions>,
    /// The first instant; none or null means always has.
    pub valid_from: Option<Expression>,
    /// The first instant no more; none or null means open end.
    pub valid_until: Option<Expression>,
    /// The value of dimensions, each by its place in [`Catalog::dimensions`]; null is no value.
    pub dimensions: Vec<(usize, Expression)>,
}

/// The records of an owner: contracts, posts, that follow or overlap each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Their entity type.
    pub entity_type: Name,
    /// The navigation property of theirs that points at the owner.
    pub owner: Name,
}

/// What holds where nothing more particular says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Minutes that a role, or what a resource type gives, stays, Prolonged, after a change of rules took it away; 0
    /// is none.
    pub grace_period_minutes: u32,
    /// Most minutes that a requested assignment lasts; 0 is no limit.
    pub max_duration_minutes: u32,
    /// Where dates fall due at 00:00.
    pub time_zone: TimeZone,
}

/// Whether people may ask for something, and how many approvals that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nobody can ask for it.
    NotAllowed,
    /// So many people, one after the other, must approve: 0 to 3.
    Steps(u32),
}

impl Default for Approval {
    fn default() -> Self {
        Self::Steps(1)
    }
}

/// Whom a rule is for: all of it must hold. With nothing in it, everybody.
#[derive(Debug, Default)]
pub struct Criteria {
    /// Dimensions by place in [`Catalog::dimensions`], each with the values of which it must have one. Each
    /// dimension once, by place.
    pub dimensions: Vec<(usize, Vec<String>)>,
    /// The condition.
    pub when: Option<Expression>,
}

/// Who has a role.
#[derive(Debug, Default)]
pub struct RoleRule {
    /// Whom it is for.
    pub criteria: Criteria,
    /// They shall not have it, whatever else gives it.
    pub denied: bool,
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
    /// Any of them gives it, unless one denies it.
    pub rules: Vec<RoleRule>,
    /// Whether people may ask for it.
    pub approval: Approval,
    /// Minutes that it stays, Prolonged, after a change of rules took it away; 0 is none.
    pub grace_period_minutes: u32,
    /// Most minutes that it lasts when requested; 0 is no limit.
    pub max_duration_minutes: u32,
}

/// Several single roles under one name.
#[derive(Debug)]
pub struct CompositeRole {
    /// Its name; no single role has it.
    pub name: Name,
    /// Its name for people to read.
    pub display_name: String,
    /// The entity type of those who can have it.
    pub owner: Name,
    /// Any of them gives it, unless one denies it.
    pub rules: Vec<RoleRule>,
    /// What it gives.
    pub roles: Vec<RoleRef>,
    /// Whether people may ask for it.
    pub approval: Approval,
    /// Minutes that it stays, Prolonged, after a change of rules took it away; 0 is none.
    pub grace_period_minutes: u32,
    /// Most minutes that it lasts when requested; 0 is no limit.
    pub max_duration_minutes: u32,
}

/// When a rule counts, seen from the period that it would else count for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// From which end of the period.
    pub reference: OffsetReference,
    /// Minutes before it.
    pub before_minutes: u32,
    /// Minutes after it.
    pub after_minutes: u32,
}

/// From which end of a period an [`Offset`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetReference {
    /// The end: from `before` before it until `after` after it; never, without an end.
    After,
    /// The beginning: from `before` before it until `after` after it; never, without a beginning.
    Before,
    /// The whole period, begun `before` earlier and ended `after` later.
    Around,
    /// The whole period as it is.
    #[default]
    Default,
}

/// How a text is compared with what synchronization shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// Every letter counts.
    #[default]
    Exact,
    /// Upper and lower case are the same.
    IgnoreCase,
    /// Accents make no difference, nor does case.
    IgnoreDiacritics,
    /// Only letters and digits count, without accents and case.
    Simplified,
    /// As simplified, and letters that sound alike are alike.
    Approximate,
    /// Distinguished names: case of types and values, spaces and escapes make no difference.
    DistinguishedName,
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Exact,
        Self::IgnoreCase,
        Self::IgnoreDiacritics,
        Self::Simplified,
        Self::Approximate,
        Self::DistinguishedName,
    ];

    /// The name in catalogs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::IgnoreCase => "ignore_case",
            Self::IgnoreDiacritics => "ignore_diacritics",
            Self::Simplified => "simplified",
            Self::Approximate => "approximate",
            Self::DistinguishedName => "distinguished_name",
        }
    }
}

/// From which confidence on nobody is asked.
pub const CONFIDENT: u32 = 100;

/// The highest confidence.
pub const CONFIDENCE_MAX: u32 = 150;

/// What decides instead of people who do not decide.
#[derive(Debug)]
pub struct AutomationRule {
    /// What it is for: a role, a composite role or a resource type; none means everything.
    pub of: Option<Name>,
    /// In which workflow state.
    pub state: WorkflowState,
    /// After so many hours in it.
    pub after_hours: u32,
    /// Whether it approves; else it declines.
    pub approves: bool,
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
    /// The owner's property that must have a value first.
    pub depends_on_owner_property: Option<Name>,
    /// Hours before an owner's time begins that its order may go out.
    pub fulfill_ahead_hours: u32,
    /// Whether people may ask for it by itself.
    pub approval: Approval,
    /// Whether an owner may have several: all that correlation finds.
    pub correlate_multiple: bool,
    /// Whether what a person approved gives way when the source changes; else it is Questioned.
    pub discard_manual_assignments: bool,
    /// Whether every order waits for a review.
    pub review: bool,
    /// Any of them gives it.
    pub type_rules: Vec<TypeRule>,
    /// What its scalar properties shall be.
    pub scalar_rules: Vec<ScalarRule>,
    /// What it shall be linked to.
    pub navigation_rules: Vec<NavigationRule>,
    /// What it shall be linked to, found by a value. Highest confidence first.
    pub query_rules: Vec<QueryRule>,
    /// By which an owner's existing resource is found. Highest confidence first.
    pub correlation_rules: Vec<CorrelationRule>,
    /// By which a resource is told to be of this type. Highest confidence first.
    pub classification_rules: Vec<ClassificationRule>,
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
    /// Hints for the package that are the same for every order.
    pub arguments: BTreeMap<String, Expression>,
    /// Hints for the package that look at the order: its kind, or what it changes.
    pub order_arguments: BTreeMap<String, Expression>,
}

/// Who has a resource type: owners who have the role, if it names one, and who meet the criteria.
#[derive(Debug, Default)]
pub struct TypeRule {
    /// The role.
    pub role: Option<RoleRef>,
    /// Whom it is for.
    pub criteria: Criteria,
    /// They shall not have it, whatever else gives it.
    pub denied: bool,
    /// When it counts.
    pub offset: Offset,
}

/// A role that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRef {
    /// Its name.
    pub name: Name,
    /// Its place among [`Catalog::roles`].
    pub place: usize,
}

/// What one scalar property shall be. A property may have several rules when their offsets differ.
#[derive(Debug)]
pub struct ScalarRule {
    /// The property of the target entity type.
    pub property: Name,
    /// Its value.
    pub value: Expression,
    /// How it is compared: the property's way, or another one; the same for all rules of a property.
    pub comparison: Comparison,
    /// When it counts.
    pub offset: Offset,
}

/// One link: given to owners who have the role, if it names one, and who meet the criteria.
#[derive(Debug)]
pub struct NavigationRule {
    /// The navigation property of the target entity type.
    pub property: Name,
    /// The role.
    pub role: Option<RoleRef>,
    /// Whom it is for.
    pub criteria: Criteria,
    /// The key of what is linked.
    pub target: String,
    /// They shall not have it, whatever else gives it.
    pub denied: bool,
    /// When it counts.
    pub offset: Offset,
}

/// A link to whatever has a value: where both sides yield the same text. The first rule of a property that
/// finds something counts. A property has navigation rules or query rules, never both.
#[derive(Debug)]
pub struct QueryRule {
    /// Which it is, as declared: counted from 1.
    pub number: usize,
    /// The navigation property of the target entity type.
    pub property: Name,
    /// The text that is looked for, of the owner.
    pub source: Expression,
    /// The text of what is linked, as `target`.
    pub target: Expression,
    /// How sure it is, 0 to 150; below [`CONFIDENT`] a person looks at it.
    pub confidence: u32,
    /// When it counts.
    pub offset: Offset,
    /// That it finds nothing is a failure, unless another rule of the property finds something.
    pub required: bool,
}

/// An existing resource is the owner's where both sides yield the same text.
#[derive(Debug)]
pub struct CorrelationRule {
    /// Which it is, as declared: counted from 1.
    pub number: usize,
    /// The text that is looked for, of the owner.
    pub source: Expression,
    /// The text of the resource, as `target`.
    pub target: Expression,
    /// How sure it is, 0 to 150; below [`CONFIDENT`] a person looks at it.
    pub confidence: u32,
}

/// A resource is of this type where the condition on `target` holds.
#[derive(Debug)]
pub struct ClassificationRule {
    /// Which it is, as declared: counted from 1.
    pub number: usize,
    /// The condition.
    pub when: Expression,
    /// How sure it is, 0 to 150; below [`CONFIDENT`] a person looks at it.
    pub confidence: u32,
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

/// When an export is too much of a change to be true, of each entity type of a connector. 0 is off; nothing
/// counts at the first load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynchronizationThresholds {
    /// Most resources that appear.
    pub insertions: u32,
    /// Most resources that change.
    pub updates: u32,
    /// Most resources that disappear.
    pub deletions: u32,
    /// Most resources that appear, in percent of those that were there.
    pub insertions_percent: u32,
    /// Most resources that change, in percent.
    pub updates_percent: u32,
    /// Most resources that disappear, in percent.
    pub deletions_percent: u32,
}

impl Default for SynchronizationThresholds {
    fn default() -> Self {
        Self {
            insertions: 0,
            updates: 0,
            deletions: 0,
            insertions_percent: 0,
            updates_percent: 0,
            deletions_percent: 30,
        }
    }
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

    /// The rules, ready to be found.
    pub(crate) fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| Rules::of(self))
    }

    /// What holds where nothing more particular says otherwise.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// The dimensions, as declared.
    pub fn dimensions(&self) -> &[Name] {
        &self.dimensions
    }

    /// The composite roles, as declared.
    pub fn composite_roles(&self) -> &[CompositeRole] {
        &self.composite_roles
    }

    /// A composite role, by name.
    pub fn composite_role(&self, name: &str) -> Option<&CompositeRole> {
        self.composite_roles.get(*self.composite_role_index.get(name)?)
    }

    /// What decides instead of people, one for each state.
    pub fn automation_rules(&self) -> &[AutomationRule] {
        &self.automation_rules
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

    /// The resource types that owners of an entity type can have, each with its place.
    pub(crate) fn resource_type_places_of(&self, owner: &str) -> &[usize] {
        self.resource_types_by_owner.get(owner).map_or(&[][..], Vec::as_slice)
    }

    /// A resource type, by name.
    pub fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.resource_types.get(*self.resource_type_index.get(name)?)
    }

    /// A resource type's place among [`Catalog::resource_types`], by name.
    pub fn resource_type_place(&self, name: &str) -> Option<usize> {
        self.resource_type_index.get(name).copied()
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

    /// Every expression.
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let of_entity_types = self.entity_types.iter().flat_map(|entity_type| {
            let context = entity_type.context.iter();
            let context = context.flat_map(|Context { positions: _, valid_from, valid_until, dimensions }| {
                let dimensions = dimensions.iter().map(|(_, expression)| expression);
                valid_from.iter().chain(valid_until).chain(dimensions)
            });
            entity_type.display_name.iter().chain(entity_type.computed.iter().map(|(_, one)| one)).chain(context)
        });
        let rules = self.roles.iter().map(|role| &role.rules);
        let rules = rules.chain(self.composite_roles.iter().map(|role| &role.rules));
        let of_roles = rules.flatten().filter_map(|rule| rule.criteria.when.as_ref());
        let of_resource_types = self.resource_types.iter().flat_map(|kind| {
            let types = kind.type_rules.iter().filter_map(|rule| rule.criteria.when.as_ref());
            let scalars = kind.scalar_rules.iter().map(|rule| &rule.value);
            let links = kind.navigation_rules.iter().filter_map(|rule| rule.criteria.when.as_ref());
            let queries = kind.query_rules.iter().flat_map(|rule| [&rule.source, &rule.target]);
            let correlations = kind.correlation_rules.iter().flat_map(|rule| [&rule.source, &rule.target]);
            let classifications = kind.classification_rules.iter().map(|rule| &rule.when);
            let of_rules = types.chain(scalars).chain(links).chain(queries).chain(correlations);
            of_rules.chain(classifications).chain(kind.arguments.values()).chain(kind.order_arguments.values())
        });
        of_entity_types.chain(of_roles).chain(of_resource_types)
    }

    /// The names of all properties that expressions read of what navigations point at, also by way of computed
    /// properties. Others of a resource do not concern whoever points at it.
    pub(crate) fn followed_properties(&self) -> BTreeSet<String> {
        let followed = self.expressions().flat_map(Expression::references).filter_map(|one| one.of_target.clone());
        let mut followed: BTreeSet<String> = followed.collect();
        loop {
            let before = followed.len();
            for entity_type in &self.entity_types {
                let computed = entity_type.computed.iter().filter_map(|(place, expression)| {
                    let property = entity_type.properties.get(*place)?;
                    followed.contains(&*property.name).then_some(expression)
                });
                let read: Vec<String> = computed
                    .flat_map(Expression::references)
                    .flat_map(|one| std::iter::once(one.property.clone()).chain(one.of_target.clone()))
                    .collect();
                followed.extend(read);
            }
            if followed.len() == before {
                return followed;
            }
        }
    }

    /// How many of each thing are declared, for people: `resource types` → 3.
    pub fn declared(&self) -> BTreeMap<String, usize> {
        [
            ("connectors", self.connectors.len()),
            ("entity types", self.entity_types.len()),
            ("contexts", self.entity_types.iter().filter(|entity_type| entity_type.context.is_some()).count()),
            ("dimensions", self.dimensions.len()),
            ("roles", self.roles.len()),
            ("composite roles", self.composite_roles.len()),
            ("resource types", self.resource_types.len()),
            ("automation rules", self.automation_rules_declared),
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
    /// One that no managed system has: what expressions read that is not a resource. Its properties are names, types,
    /// and whether they hold several values.
    pub(crate) fn of_scalars(name: &str, key: &str, properties: &[(&str, ValueType, bool)]) -> Self {
        let property = |(name, value_type, multi_valued): &(&str, ValueType, bool)| Property {
            name: (*name).into(),
            kind: PropertyKind::Scalar(*value_type),
            multi_valued: *multi_valued,
            sensitive: false,
            write_only: false,
            comparison: Comparison::default(),
        };
        let properties: Vec<Property> = properties.iter().map(property).collect();
        let property_index =
            properties.iter().enumerate().map(|(place, property)| (Name::clone(&property.name), place)).collect();
        Self {
            name: name.into(),
            connector: "".into(),
            key: key.into(),
            display_name: None,
            properties,
            computed: vec![],
            context: None,
            property_index,
        }
    }

    /// A property, by name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(*self.property_index.get(name)?)
    }

    /// The place of a property, by name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.property_index.get(name).copied()
    }

    /// By which expression a property is computed; none when it is read.
    pub fn computed(&self, name: &str) -> Option<&Expression> {
        let place = self.property_index.get(name)?;
        self.computed.iter().find(|(computed, _)| computed == place).map(|(_, expression)| expression)
    }

    /// The properties that are read from the managed system, or written to it: all that are not computed.
    pub fn stored(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(|property| self.computed(&property.name).is_none())
    }

    /// Whether a property is computed from what navigations point at, also by way of others.
    pub(crate) fn navigates_to_compute(&self, name: &str) -> bool {
        // Computed properties need each other in no cycle, so this ends.
        self.computed(name).is_some_and(|expression| {
            let needs = |reference: &Reference| self.navigates_to_compute(&reference.property);
            expression.navigates() || expression.references().iter().any(needs)
        })
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
