//! Whether two values mean the same, by the way in which the catalog says that a property is compared.
//!
//! Answers for the forms in which equal meanings are equal texts. The rule that must hold: what is the same
//! exactly is the same in every way of comparing, and each way is an equivalence, so that whoever asks in
//! another order gets the same answer.

mod distinguished_name;
mod text;

use super::catalog::{Catalog, Comparison, EntityType, Property, PropertyKind, ResourceType};
use provost_domain::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// Whether two possibly empty values mean the same; an empty list and no value are the same.
pub fn same(mode: Comparison, a: Option<&Value>, b: Option<&Value>) -> bool {
    if provost_domain::value::same(a, b) {
        return true;
    }
    match (mode, a, b) {
        (Comparison::Exact, ..) => false,
        (_, Some(a), Some(b)) => form(mode, a) == form(mode, b),
        _ => false,
    }
}

/// The form of a value: two values mean the same where their forms are equal.
pub fn form(mode: Comparison, value: &Value) -> Cow<'_, Value> {
    match (mode, value) {
        (Comparison::Exact, Value::List(_)) => Cow::Owned(value.canonical()),
        (_, Value::List(items)) => {
            let forms = items.iter().map(|item| form(mode, item).into_owned()).collect();
            Cow::Owned(Value::List(forms).canonical())
        }
        (Comparison::Exact, _) => Cow::Borrowed(value),
        (_, Value::String(text)) => Cow::Owned(Value::String(text_form(mode, text))),
        (_, Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_) | Value::Bytes(_)) => Cow::Borrowed(value),
    }
}

/// The form of a text.
pub fn text_form(mode: Comparison, text: &str) -> String {
    match mode {
        Comparison::Exact => text.to_owned(),
        Comparison::IgnoreCase => text::lower_case(text),
        Comparison::IgnoreDiacritics => text::without_diacritics(text),
        Comparison::Simplified => text::simplified(text),
        Comparison::Approximate => text::sound(text),
        Comparison::DistinguishedName => distinguished_name::form(text),
    }
}

/// How the properties of one entity type are compared, seen from one resource type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comparisons<'a> {
    of: Option<(&'a Catalog, &'a EntityType)>,
    resource_type: Option<&'a ResourceType>,
}

impl<'a> Comparisons<'a> {
    /// Every property exactly: where only being there counts.
    pub const EXACT: Self = Self { of: None, resource_type: None };

    /// As the entity type says, and as the resource type's rules say otherwise.
    pub const fn new(catalog: &'a Catalog, target: &'a EntityType, resource_type: Option<&'a ResourceType>) -> Self {
        Self { of: Some((catalog, target)), resource_type }
    }

    /// How one property is compared.
    pub fn of(&self, property: &str) -> Comparison {
        let rules = self.resource_type.map_or(&[][..], |resource_type| resource_type.scalar_rules.as_slice());
        let by_rule = rules.iter().find(|rule| &*rule.property == property).map(|rule| rule.comparison);
        by_rule.or_else(|| self.by_property(property)).unwrap_or_default()
    }

    fn by_property(&self, property: &str) -> Option<Comparison> {
        let (catalog, target) = self.of?;
        let Property { kind, comparison, .. } = target.property(property)?;
        let of_key = match kind {
            PropertyKind::Navigation(linked) if *comparison == Comparison::Exact => {
                catalog.entity_type(linked).and_then(|linked| linked.property(&linked.key)).map(|key| key.comparison)
            }
            PropertyKind::Navigation(_) | PropertyKind::Scalar(_) => None,
        };
        Some(of_key.unwrap_or(*comparison))
    }

    /// Whether two values of a property mean the same.
    pub fn same(&self, property: &str, a: Option<&Value>, b: Option<&Value>) -> bool {
        // Most are the very same, and then nobody need know how they are compared.
        provost_domain::value::same(a, b) || same(self.of(property), a, b)
    }

    /// Whether one of these items means the same as `item`.
    pub fn holds(&self, property: &str, items: &[Value], item: &Value) -> bool {
        items.contains(item)
            || match self.of(property) {
                Comparison::Exact => false,
                mode => {
                    let wanted = form(mode, item);
                    items.iter().any(|one| form(mode, one) == wanted)
                }
            }
    }
}

/// Items of a list, to be found by their meaning.
pub struct Items<'a> {
    mode: Comparison,
    forms: HashSet<Cow<'a, Value>>,
}

impl<'a> Items<'a> {
    /// All of these.
    pub fn new(mode: Comparison, items: impl IntoIterator<Item = &'a Value>) -> Self {
        Self { mode, forms: items.into_iter().map(|item| form(mode, item)).collect() }
    }

    /// Whether one of them means the same.
    pub fn holds(&self, item: &Value) -> bool {
        self.forms.contains(&form(self.mode, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Comparison; 6] = [
        Comparison::Exact,
        Comparison::IgnoreCase,
        Comparison::IgnoreDiacritics,
        Comparison::Simplified,
        Comparison::Approximate,
        Comparison::DistinguishedName,
    ];

    fn texts(mode: Comparison, a: &str, b: &str) -> bool {
        same(mode, Some(&Value::from(a)), Some(&Value::from(b)))
    }

    #[test]
    fn each_way_forgives_what_it_says_and_no_more() {
        let pairs = [
            ("Ada", "ada", Comparison::IgnoreCase),
            ("Zoé", "ZOE", Comparison::IgnoreDiacritics),
            ("O'Neill, Zoé-Ann", "oneill zoe ann", Comparison::Simplified),
            ("Meyer", "Maier", Comparison::Approximate),
        ];
        let strictness = [Comparison::Exact, Comparison::IgnoreCase, Comparison::IgnoreDiacritics];
        let strictness = strictness.into_iter().chain([Comparison::Simplified, Comparison::Approximate]);
        let order: Vec<_> = strictness.collect();
        for (a, b, from) in pairs {
            for mode in &order {
                assert_eq!(texts(*mode, a, b), *mode >= from, "{a} and {b} by {mode:?}");
            }
        }
        assert!(ALL.iter().all(|mode| !texts(*mode, "Ada", "Grace")));
    }

    #[test]
    fn lists_have_no_order_and_no_repetition_in_any_way() {
        let list = |items: &[&str]| Value::List(items.iter().map(|item| Value::from(*item)).collect());
        let (a, b) = (list(&["B", "a", "A"]), list(&["a", "b"]));
        assert!(same(Comparison::IgnoreCase, Some(&a), Some(&b)));
        assert!(!same(Comparison::Exact, Some(&a), Some(&b)));
        assert!(same(Comparison::Exact, Some(&list(&["x", "y"])), Some(&list(&["y", "x", "y"]))));
        for mode in ALL {
            assert!(same(mode, None, Some(&list(&[]))), "{mode:?}");
            assert!(!same(mode, None, Some(&Value::from("a"))), "{mode:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_compared_as_it_is() {
        for mode in ALL {
            assert!(!same(mode, Some(&Value::Integer(1)), Some(&Value::Integer(2))));
            assert!(!same(mode, Some(&Value::Integer(1)), Some(&Value::from("1"))));
            assert!(same(mode, Some(&Value::Boolean(true)), Some(&Value::Boolean(true))));
        }
    }

    #[test]
    fn items_are_found_by_their_meaning() {
        let items = [Value::from("CN=Staff, OU=Groups"), Value::from("cn=Depot")];
        let found = Items::new(Comparison::DistinguishedName, &items);
        assert!(found.holds(&Value::from("cn=staff,ou=groups")));
        assert!(!found.holds(&Value::from("cn=staff")));
    }

    proptest! {
        /// Each way is an equivalence that exact equality implies: a form has itself as its form's meaning.
        #[test]
        fn exactly_the_same_is_always_the_same(a in ".{0,12}", b in ".{0,12}") {
            for mode in ALL {
                prop_assert!(texts(mode, &a, &a));
                prop_assert_eq!(texts(mode, &a, &b), texts(mode, &b, &a));
            }
        }
    }
}
