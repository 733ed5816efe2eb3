//! What `owner`, `position`, `target` and `order` mean while an expression is evaluated: properties of resources, read
//! only when an expression asks for them.
//!
//! CEL looks qualified names up whole, so `owner.title` is one look-up and nothing is built. The rules that
//! must hold: what one evaluation may read is bounded, so a loop over large values ends; and a computed
//! property that fails is never an empty one, whoever reads it fails with it.

use super::value::{LIST_ITEMS_MAX, TEXT_BYTES_MAX, null, owned, to_cel};
use super::{Expression, Variable, functions, order_type};
use crate::model::catalog::{Catalog, EntityType, Property, PropertyKind};
use crate::model::resource::{Lookup, Properties};
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError};
use provost_domain::{Value, ValueType};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Most bytes that the evaluation of one expression may read.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// How deep computed properties of what is navigated to may need each other. Catalogs go one step; each
/// step takes the stack of a whole expression.
const COMPUTED_DEPTH_MAX: u8 = 3;

/// How the failure of a computed property begins.
const COMPUTED: &str = "computed property";

/// What begins the name of a property that is found by its place; no identifier of a catalog does.
const PLACED: u8 = b'#';

/// The name by which a property is found by its place.
pub(super) fn placed(variable: Variable, place: usize) -> String {
    let letter = match variable {
        Variable::Owner => 'o',
        Variable::Position => 'p',
        Variable::Target => 't',
        Variable::Order => 'r',
    };
    format!("{}{letter}{place}", char::from(PLACED))
}

/// What is known of one resource: its values by the place of their properties, and what was computed of them.
pub(crate) struct Facts<'a> {
    entity_type: &'a EntityType,
    values: &'a Properties,
    slots: Vec<Option<&'a Value>>,
    /// By place in [`EntityType::computed`].
    computed: Vec<OnceLock<Result<Option<Value>, String>>>,
}

/// What one property, that holds a text, is known to be without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain<'a> {
    /// This text.
    Text(&'a str),
    /// Nothing.
    Empty,
    /// Has to be looked at.
    Unknown,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(entity_type: &'a EntityType, values: &'a Properties) -> Self {
        let mut slots = vec![None; entity_type.properties.len()];
        for (name, value) in values {
            if let Some(slot) = entity_type.place(name).and_then(|place| slots.get_mut(place)) {
                *slot = Some(value);
            }
        }
        // Whatever somebody may have stored under the name: what is computed is not read.
        for (place, _) in &entity_type.computed {
            if let Some(slot) = slots.get_mut(*place) {
                *slot = None;
            }
        }
        let computed = entity_type.computed.iter().map(|_| OnceLock::new()).collect();
        Self { entity_type, values, slots, computed }
    }

    pub(crate) const fn entity_type(&self) -> &'a EntityType {
        self.entity_type
    }

    /// The value of the property at a place; of a computed one, as far as it was computed yet.
    pub(crate) fn value(&self, place: usize) -> Option<&Value> {
        if let Some(value) = self.slots.get(place).copied().flatten() {
            return Some(value);
        }
        let computed = self.computed.get(self.computed_place(place)?)?;
        computed.get()?.as_ref().ok()?.as_ref()
    }

    /// What the property at a place, that holds a text, is known to be.
    pub(crate) fn plain(&self, place: usize) -> Plain<'_> {
        match self.slots.get(place).copied().flatten() {
            Some(Value::String(text)) if text.len() < READ_BYTES_MAX / 2 => Plain::Text(text),
            Some(_) => Plain::Unknown,
            None if self.computed_place(place).is_some() => Plain::Unknown,
            None => Plain::Empty,
        }
    }

    fn computed_place(&self, place: usize) -> Option<usize> {
        self.entity_type.computed.iter().position(|(computed, _)| *computed == place)
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.entity_type.name)
    }
}

/// The variables of expressions, for one owner, position or target.
pub struct Scope<'a> {
    catalog: &'a Catalog,
    lookup: &'a dyn Lookup,
    /// By [`Variable`].
    variables: [Option<Arc<Facts<'a>>>; Variable::ALL.len()],
    depth: u8,
    read: AtomicUsize,
    is_overrun: AtomicBool,
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

    /// The variables.
    pub const fn scope(&self) -> &'a Scope<'a> {
        self.scope
    }
}

impl<'a> Scope<'a> {
    /// An owner of that entity type with those values, and nothing else.
    pub fn new(
        catalog: &'a Catalog,
        entity_type: &'a EntityType,
        values: &'a Properties,
        lookup: &'a dyn Lookup,
    ) -> Self {
        Self::of_owner(catalog, lookup, Arc::new(Facts::new(entity_type, values)), None)
    }

    /// What query, correlation and classification rules look at, as `target`, and nothing else.
    pub fn of_target(
        catalog: &'a Catalog,
        entity_type: &'a EntityType,
        values: &'a Properties,
        lookup: &'a dyn Lookup,
    ) -> Self {
        let facts = Arc::new(Facts::new(entity_type, values));
        Self::with(catalog, lookup, [None, None, Some(facts), None], 0)
    }

    pub(crate) fn of_owner(
        catalog: &'a Catalog,
        lookup: &'a dyn Lookup,
        owner: Arc<Facts<'a>>,
        position: Option<Arc<Facts<'a>>>,
    ) -> Self {
        Self::with(catalog, lookup, [Some(owner), position, None, None], 0)
    }

    /// An order, and nothing else.
    pub(crate) fn of_order(catalog: &'a Catalog, lookup: &'a dyn Lookup, values: &'a Properties) -> Self {
        let order = Arc::new(Facts::new(order_type(), values));
        Self::with(catalog, lookup, [None, None, None, Some(order)], 0)
    }

    /// The same, and an order beside it.
    pub(crate) fn with_order<'o>(&self, values: &'o Properties) -> Scope<'o>
    where
        'a: 'o,
    {
        let [owner, position, target, _] = self.variables.clone();
        let order = Arc::new(Facts::new(order_type(), values));
        Scope::with(self.catalog, self.lookup, [owner, position, target, Some(order)], self.depth)
    }

    fn with(
        catalog: &'a Catalog,
        lookup: &'a dyn Lookup,
        variables: [Option<Arc<Facts<'a>>>; Variable::ALL.len()],
        depth: u8,
    ) -> Self {
        let (read, is_overrun) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { catalog, lookup, variables, depth, read, is_overrun, overrun: Mutex::new(None) }
    }

    /// What is known of a variable; none when this scope does not have it.
    pub(crate) fn facts(&self, variable: Variable) -> Option<&Arc<Facts<'a>>> {
        let [owner, position, target, order] = &self.variables;
        match variable {
            Variable::Owner => owner.as_ref(),
            Variable::Position => position.as_ref(),
            Variable::Target => target.as_ref(),
            Variable::Order => order.as_ref(),
        }
    }

    pub(crate) const fn catalog(&self) -> &'a Catalog {
        self.catalog
    }

    /// What a mono-valued navigation points at: its entity type and values.
    pub(crate) fn navigated(&self, facts: &Facts<'a>, place: usize) -> Option<(&'a EntityType, &'a Properties)> {
        let property = facts.entity_type.properties.get(place)?;
        self.pointed_at(property, facts.values)
    }

    fn pointed_at(&self, property: &Property, values: &Properties) -> Option<(&'a EntityType, &'a Properties)> {
        let PropertyKind::Navigation(target) = &property.kind else { return None };
        let key = values.get(&*property.name)?.as_str()?;
        let entity_type = self.catalog.entity_type(target)?;
        Some((entity_type, &self.lookup.resource(target, key)?.values))
    }

    /// Says whether the last evaluation read too much, and starts counting anew.
    pub(super) fn overrun(&self) -> Result<(), String> {
        self.read.store(0, Ordering::Relaxed);
        if !self.is_overrun.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.is_overrun.store(false, Ordering::Relaxed);
        self.overrun.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Computes what an expression will read, so that the stack holds one expression at a time.
    pub(super) fn prepare(&self, expression: &Expression) {
        for read in expression.reads_at() {
            let Some(facts) = self.facts(read.variable) else { continue };
            if !facts.computed.is_empty()
                && let Some(computed) = facts.computed_place(read.place)
            {
                // A failure is found again by whoever reads it.
                let _ = self.computed(facts, computed);
            }
        }
    }

    /// A computed property, by its place among those of its entity type; computed once for each resource.
    fn computed<'b>(&self, facts: &'b Arc<Facts<'a>>, wanted: usize) -> Result<Option<&'b Value>, String> {
        let ready = || facts.computed.get(wanted).and_then(OnceLock::get);
        if ready().is_none() {
            // Each stands after those that it needs, so none needs to compute another one.
            for ((place, expression), slot) in facts.entity_type.computed.iter().zip(&facts.computed).take(wanted + 1) {
                if slot.get().is_none() {
                    let own = [Some(Arc::clone(facts)), None, None, None];
                    let value = self.compute(own, facts.entity_type, *place, expression);
                    // Somebody else may have been quicker, with the same.
                    let _ = slot.set(value);
                }
            }
        }
        match ready() {
            Some(Ok(value)) => Ok(value.as_ref()),
            Some(Err(message)) => Err(message.clone()),
            None => Err("a computed property needs itself".to_owned()),
        }
    }

    /// The value of the property at a place, computed if it has to be.
    pub(crate) fn value_at<'b>(&self, facts: &'b Arc<Facts<'a>>, place: usize) -> Result<Option<&'b Value>, String> {
        match facts.computed_place(place) {
            Some(computed) => self.computed(facts, computed),
            None => Ok(facts.slots.get(place).copied().flatten()),
        }
    }

    fn compute(
        &self,
        variables: [Option<Arc<Facts<'a>>>; Variable::ALL.len()],
        entity_type: &EntityType,
        place: usize,
        expression: &Expression,
    ) -> Result<Option<Value>, String> {
        let Some(property) = entity_type.properties.get(place) else { return Ok(None) };
        if self.depth >= COMPUTED_DEPTH_MAX {
            return Err(format!("computed properties nest more than {COMPUTED_DEPTH_MAX} levels deep"));
        }
        let scope = Scope::with(self.catalog, self.lookup, variables, self.depth + 1);
        expression.value(&Session::new(&scope), property.value_type(), property.multi_valued).map_err(|message| {
            match message.starts_with(COMPUTED) {
                // The one that failed says so; those that need it add nothing.
                true => message,
                false => format!("{COMPUTED} '{}': {message}", property.name),
            }
        })
    }

    /// A property that holds exactly what is wanted, without the library; none when it has to be asked.
    pub(super) fn as_it_is(
        &self,
        variable: Variable,
        place: usize,
        of: ValueType,
        multi_valued: bool,
    ) -> Option<Option<Value>> {
        let facts = self.facts(variable)?;
        let fits = |value: &Value| match value {
            Value::String(text) => of == ValueType::String && text.len() <= TEXT_BYTES_MAX && !text.contains('\0'),
            Value::Integer(_) | Value::Boolean(_) => value.value_type() == Some(of),
            // The library knows fewer years, and bytes are rare.
            Value::Timestamp(_) | Value::Bytes(_) | Value::List(_) => false,
        };
        match facts.slots.get(place).copied().flatten() {
            None if facts.computed_place(place).is_none() => Some(None),
            Some(value) if !multi_valued && fits(value) => Some(Some(value.clone())),
            _ => None,
        }
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
        let before = self.read.load(Ordering::Relaxed);
        self.read.store(before.saturating_add(bytes + 1), Ordering::Relaxed);
        if before.saturating_add(bytes) > READ_BYTES_MAX {
            return self.refuse(format!("the expression reads more than {READ_BYTES_MAX} bytes of the owner's values"));
        }
        Some(())
    }

    fn refuse<T>(&self, message: String) -> Option<T> {
        // The first reason is the one that counts.
        self.overrun.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        self.is_overrun.store(true, Ordering::Relaxed);
        None
    }

    fn to_cel<'b>(&self, property: &Property, value: &'b Value) -> Option<CowVal<'b, 'b>> {
        self.count(value)?;
        match to_cel(value) {
            Some(value) => Some(value),
            None => self.refuse(format!("the instant in '{}' is out of range", property.name)),
        }
    }

    fn at_place<'b>(&'b self, facts: &'b Arc<Facts<'a>>, place: usize) -> Option<CowVal<'b, 'b>> {
        let property = facts.entity_type.properties.get(place)?;
        if let Some(value) = facts.slots.get(place).copied().flatten() {
            return self.to_cel(property, value);
        }
        match facts.computed_place(place).map(|computed| self.computed(facts, computed)) {
            None | Some(Ok(None)) => Some(null()),
            Some(Ok(Some(value))) => self.to_cel(property, value),
            Some(Err(message)) => self.refuse(message),
        }
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if let [PLACED, letter, place @ ..] = variable.as_bytes() {
            let of = match letter {
                b'o' => Variable::Owner,
                b'p' => Variable::Position,
                b't' => Variable::Target,
                _ => Variable::Order,
            };
            let place = place.iter().fold(0, |place, digit| place * 10 + usize::from(digit.wrapping_sub(b'0')));
            return self.at_place(self.facts(of)?, place);
        }
        let (root, path) = variable.split_once('.').map_or((variable, None), |(root, path)| (root, Some(path)));
        let of = Variable::ALL.into_iter().find(|of| of.name() == root)?;
        let view = View { scope: self, of: Of::Variable(self.facts(of)?) };
        let Some(path) = path else { return Some(CowVal::owned(view)) };
        match path.split_once('.') {
            None => view.field(path),
            // Of null there is no field; CEL then finds the null by itself and says so.
            Some((navigation, field)) => view.step(navigation)?.field(field),
        }
    }
}

/// A resource as a value: a variable itself, or what a navigation of it points at.
#[derive(Clone, Copy)]
struct View<'a> {
    scope: &'a Scope<'a>,
    of: Of<'a>,
}

#[derive(Clone, Copy)]
enum Of<'a> {
    Variable(&'a Arc<Facts<'a>>),
    /// What a navigation points at has scalar properties only: navigation is one level.
    Navigated(&'a EntityType, &'a Properties),
}

impl<'a> View<'a> {
    fn entity_type(&self) -> &'a EntityType {
        match self.of {
            Of::Variable(facts) => facts.entity_type,
            Of::Navigated(entity_type, _) => entity_type,
        }
    }

    /// What a navigation points at, if it points at something that is known.
    fn step(&self, navigation: &str) -> Option<View<'a>> {
        let Of::Variable(facts) = self.of else { return None };
        let property = facts.entity_type.property(navigation)?;
        let (entity_type, values) = self.scope.pointed_at(property, facts.values)?;
        Some(View { scope: self.scope, of: Of::Navigated(entity_type, values) })
    }

    fn field(&self, name: &str) -> Option<CowVal<'a, 'a>> {
        let place = self.entity_type().place(name)?;
        let property = self.entity_type().properties.get(place)?;
        if property.multi_valued || property.navigates_to().is_none() {
            return match self.of {
                Of::Variable(facts) => self.scope.at_place(facts, place),
                Of::Navigated(entity_type, values) => self.navigated(entity_type, values, property, place),
            };
        }
        let Of::Variable(facts) = self.of else { return None };
        Some(match self.step(name) {
            Some(view) => CowVal::owned(view),
            // A key that finds nothing is not the absence of a key: "nobody" must not be guessed.
            None => match facts.values.get(name) {
                Some(key) => return self.scope.refuse(dangling(property, key)),
                None => null(),
            },
        })
    }

    /// A value of what is navigated to.
    fn navigated(
        &self,
        entity_type: &'a EntityType,
        values: &'a Properties,
        property: &Property,
        place: usize,
    ) -> Option<CowVal<'a, 'a>> {
        if let Some((_, expression)) = entity_type.computed.iter().find(|(computed, _)| *computed == place) {
            let variables = [Some(Arc::new(Facts::new(entity_type, values))), None, None, None];
            return match self.scope.compute(variables, entity_type, place, expression) {
                Ok(None) => Some(null()),
                Ok(Some(value)) => {
                    self.scope.count(&value)?;
                    owned(value)
                        .or_else(|| self.scope.refuse(format!("the instant in '{}' is out of range", property.name)))
                }
                Err(message) => self.scope.refuse(message),
            };
        }
        match values.get(&*property.name) {
            Some(value) => self.scope.to_cel(property, value),
            None => Some(null()),
        }
    }
}

fn dangling(property: &Property, key: &Value) -> String {
    let target = property.navigates_to().map_or("resource", |target| &**target);
    match property.sensitive {
        true => format!("{} points at no known {target}", property.name),
        false => format!("{} is '{key}', and no such {target} is known", property.name),
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.entity_type().name)
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
        Ok(name.is_some_and(|name| self.entity_type().property(name.inner()).is_some()))
    }
}

impl Sizer for View<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.entity_type().properties.len()).unwrap_or(i64::MAX))
    }
}
