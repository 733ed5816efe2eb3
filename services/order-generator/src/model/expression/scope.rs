//! What `owner` means for one owner: its properties, read only when an expression asks for them.
//!
//! CEL looks qualified names up whole, so `owner.title` is one look-up in the owner's values and
//! nothing is built. The rule that must hold: what one session may read is bounded, so a loop over
//! large values ends.

use super::functions;
use super::value::{LIST_ITEMS_MAX, null, to_cel};
use crate::model::catalog::{Catalog, EntityType, Property, PropertyKind};
use crate::model::resource::{Lookup, Properties};
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError};
use provost_domain::Value;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Most bytes that the evaluation of one expression may read.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// One owner, as expressions see it.
pub struct Scope<'a> {
    catalog: &'a Catalog,
    entity_type: &'a EntityType,
    values: &'a Properties,
    lookup: &'a dyn Lookup,
    read: AtomicUsize,
    overrun: Mutex<Option<String>>,
}

/// A scope, ready to evaluate expressions.
pub struct Session<'a> {
    scope: &'a Scope<'a>,
    context: Context<'a, 'a>,
}

impl<'a> Session<'a> {
    /// Opens a session; one serves all expressions of an owner.
    pub fn new(scope: &'a Scope<'a>) -> Self {
        let mut context = Context::with_env(functions::environment().clone());
        context.set_variable_resolver(scope);
        Self { scope, context }
    }

    pub(super) const fn context(&self) -> &Context<'a, 'a> {
        &self.context
    }

    /// The owner.
    pub const fn scope(&self) -> &'a Scope<'a> {
        self.scope
    }
}

/// A resource as a value: `owner` itself, or what a navigation points at.
#[derive(Clone, Copy)]
struct View<'a> {
    scope: &'a Scope<'a>,
    entity_type: &'a EntityType,
    values: &'a Properties,
    /// What a navigation points at has scalar properties only: navigation is one level.
    is_owner: bool,
}

impl<'a> Scope<'a> {
    /// An owner of that entity type with those values.
    pub fn new(
        catalog: &'a Catalog,
        entity_type: &'a EntityType,
        values: &'a Properties,
        lookup: &'a dyn Lookup,
    ) -> Self {
        Self { catalog, entity_type, values, lookup, read: AtomicUsize::new(0), overrun: Mutex::new(None) }
    }

    /// The owner's values.
    pub const fn values(&self) -> &'a Properties {
        self.values
    }

    /// The owner's entity type.
    pub const fn entity_type(&self) -> &'a EntityType {
        self.entity_type
    }

    /// What a mono-valued navigation of the owner points at: its entity type and values.
    pub fn target(&self, property: &str) -> Option<(&'a EntityType, &'a Properties)> {
        let PropertyKind::Navigation(target) = &self.entity_type.property(property)?.kind else { return None };
        let key = self.values.get(property)?.as_str()?;
        let entity_type = self.catalog.entity_type(target)?;
        Some((entity_type, &self.lookup.resource(target, key)?.values))
    }

    /// Says whether the last evaluation read too much, and starts counting anew.
    pub(super) fn overrun(&self) -> Result<(), String> {
        self.read.store(0, Ordering::Relaxed);
        self.overrun.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn owner(&self) -> View<'_> {
        View { scope: self, entity_type: self.entity_type, values: self.values, is_owner: true }
    }

    fn count(&self, value: &Value) -> Option<()> {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) if items.len() > LIST_ITEMS_MAX => {
                return self.refuse(format!(
                    "a property has {} values, expressions read at most {LIST_ITEMS_MAX}",
                    items.len()
                ));
            }
            Value::List(items) => items.iter().map(|item| item.as_str().map_or(8, str::len)).sum(),
            Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_) => 8,
        };
        let before = self.read.fetch_add(bytes + 1, Ordering::Relaxed);
        if before.saturating_add(bytes) > READ_BYTES_MAX {
            return self.refuse(format!("the expression reads more than {READ_BYTES_MAX} bytes of the owner's values"));
        }
        Some(())
    }

    fn refuse<T>(&self, message: String) -> Option<T> {
        // The first reason is the one that counts.
        self.overrun.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        None
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let path = variable.strip_prefix("owner")?;
        if path.is_empty() {
            return Some(CowVal::owned(self.owner()));
        }
        let path = path.strip_prefix('.')?;
        match path.split_once('.') {
            None => self.owner().field(path),
            // Of null there is no field; CEL then finds the null by itself and says so.
            Some((navigation, field)) => {
                let (entity_type, values) = self.target(navigation)?;
                View { scope: self, entity_type, values, is_owner: false }.field(field)
            }
        }
    }
}

impl<'a> View<'a> {
    fn field(&self, name: &str) -> Option<CowVal<'a, 'a>> {
        let property = self.entity_type.property(name)?;
        if matches!(property.kind, PropertyKind::Navigation(_)) && !property.multi_valued {
            if !self.is_owner {
                return None;
            }
            return Some(match self.scope.target(name) {
                Some((entity_type, values)) => {
                    CowVal::owned(View { scope: self.scope, entity_type, values, is_owner: false })
                }
                // A key that finds nothing is not the absence of a key: "nobody" must not be guessed.
                None => match self.values.get(name) {
                    Some(key) => return self.scope.refuse(self.dangling(property, key)),
                    None => null(),
                },
            });
        }
        let Some(value) = self.values.get(name) else { return Some(null()) };
        self.scope.count(value)?;
        match to_cel(value) {
            Some(value) => Some(value),
            None => self.scope.refuse(format!("the instant in '{name}' is out of range")),
        }
    }
}

impl View<'_> {
    fn dangling(&self, property: &Property, key: &Value) -> String {
        let target = property.navigates_to().map_or("resource", |target| &**target);
        match property.sensitive {
            true => format!("{} points at no known {target}", property.name),
            false => format!("{} is '{key}', and no such {target} is known", property.name),
        }
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.entity_type.name)
    }
}

impl Val for View<'_> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static MAP: Type = MAP_TYPE;
        &MAP
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for View<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(name) = index.downcast_ref::<CelString>() else {
            return Err(ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "string".to_owned(),
            });
        };
        self.field(name.inner()).ok_or_else(|| ExecutionError::no_such_key(name.inner()))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Container for View<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let name = value.downcast_ref::<CelString>();
        Ok(name.is_some_and(|name| self.entity_type.property(name.inner()).is_some()))
    }
}

impl Sizer for View<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.entity_type.properties.len()).unwrap_or(i64::MAX))
    }
}
