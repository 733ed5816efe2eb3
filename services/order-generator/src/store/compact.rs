//! Assignments as bytes: what is kept of each owner's resources, small and quick to read.
//!
//! A text stands in full once; where it comes again, its number stands. Most of what an assignment says, it says
//! several times: a value that is wanted is the value that is there, and the rule behind it begins with the
//! resource type's name.
//!
//! The rule that must hold: equal assignments are equal bytes, and each version that was ever written can be
//! read. Rows that are older than this form are JSON, and are read as such.

use crate::model::assign::{AssignedProperty, Assignment, Wanted, Wish};
use crate::model::expected::Correlated;
use crate::model::known_order::Over;
use provost_domain::{
    Change, ChangeOperation, OrderId, OrderKind, Owner, Period, ProvisioningState, Reason, RuleFailure, Timestamp,
    Value, WorkflowState,
};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap};

/// The first byte. JSON begins with another one.
const VERSION: u8 = 1;
/// As the first version, and at the end what a deletion would be told. Only assignments that have some are written
/// so: what needs no more stays the bytes that it was.
const VERSION_AT_DELETION: u8 = 2;

/// An assignment as bytes.
pub(crate) fn to_bytes(assignment: &Assignment) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::with_capacity(512), texts: HashMap::new(), prefix: String::new() };
    match assignment.at_deletion.is_empty() {
        true => {
            writer.bytes.push(VERSION);
            writer.assignment(assignment);
        }
        false => {
            writer.bytes.push(VERSION_AT_DELETION);
            writer.assignment(assignment);
            writer.arguments(&assignment.at_deletion);
        }
    }
    writer.bytes
}

/// How much of an assignment is read. What is left out is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All of it.
    Whole,
    /// Whatever an order says: all but the properties, and what another order would say.
    Order,
    /// What tells whether an order is needed, and of which kind: neither the properties, nor the changes, nor the
    /// arguments, nor why.
    Glance,
}

/// The inverse of [`to_bytes`]; reads JSON, too.
///
/// # Errors
/// When the bytes are not an assignment's.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Assignment, Fault> {
    read(bytes, Depth::Whole)
}

/// As [`from_bytes`], so much of it.
///
/// # Errors
/// When the bytes are not an assignment's.
pub(crate) fn read(bytes: &[u8], depth: Depth) -> Result<Assignment, Fault> {
    match bytes.split_first() {
        Some((version @ &(VERSION | VERSION_AT_DELETION), rest)) => {
            let mut reader = Reader { bytes: rest, texts: Vec::new(), prefix: String::new() };
            let assignment = reader.assignment(depth).and_then(|mut assignment| {
                if *version == VERSION_AT_DELETION {
                    assignment.at_deletion = reader.arguments(depth != Depth::Whole)?;
                }
                Some(assignment)
            });
            assignment.filter(|_| reader.bytes.is_empty()).ok_or_else(|| wrong("they are cut off, or go on"))
        }
        Some((b'{', _)) => {
            let mut assignment: Assignment = serde_json::from_slice(bytes).map_err(Fault::internal)?;
            depth.leave_out(&mut assignment);
            Ok(assignment)
        }
        _ => Err(wrong("they are of an unknown version")),
    }
}

impl Depth {
    fn leave_out(self, assignment: &mut Assignment) {
        if self != Self::Whole {
            assignment.properties.clear();
            assignment.at_deletion.clear();
        }
        if self == Self::Glance {
            assignment.why.clear();
            assignment.arguments.clear();
            assignment.wanted.iter_mut().for_each(|wanted| wanted.changes.clear());
        }
    }
}

fn wrong(why: &str) -> Fault {
    Fault::internal(anyhow::anyhow!("an assignment's bytes cannot be read: {why}"))
}

/// How the rules of a resource type are named in reasons.
fn prefix_of(resource_type: &str) -> String {
    format!("resource type {resource_type} / ")
}

/// What comes before a text.
const NEW: u64 = 0;
const NEW_AFTER_PREFIX: u64 = 1;
const KNOWN: u64 = 2;

struct Writer<'a> {
    bytes: Vec<u8>,
    texts: HashMap<&'a str, u64>,
    prefix: String,
}

impl<'a> Writer<'a> {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Small for small numbers of either sign.
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn flags(&mut self, flags: &[bool]) {
        let byte = flags.iter().enumerate().fold(0, |byte, (place, flag)| byte | (u64::from(*flag) << place));
        self.number(byte);
    }

    fn text(&mut self, text: &'a str) {
        if let Some(place) = self.texts.get(text) {
            return self.number(KNOWN + place);
        }
        let place = self.texts.len() as u64;
        self.texts.insert(text, place);
        let rest = match text.strip_prefix(self.prefix.as_str()).filter(|_| !self.prefix.is_empty()) {
            Some(rest) => {
                self.number(NEW_AFTER_PREFIX);
                rest
            }
            None => {
                self.number(NEW);
                text
            }
        };
        self.number(rest.len() as u64);
        self.bytes.extend_from_slice(rest.as_bytes());
    }

    fn all<T>(&mut self, items: &'a [T], write: impl Fn(&mut Self, &'a T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| write(self, item));
    }

    fn value(&mut self, value: &'a Value) {
        match value {
            Value::String(text) => {
                self.number(1);
                self.text(text);
            }
            Value::Integer(number) => {
                self.number(2);
                self.signed(*number);
            }
            Value::Boolean(flag) => self.number(if *flag { 4 } else { 3 }),
            Value::Timestamp(at) => {
                self.number(5);
                self.signed(at.millis());
            }
            Value::Bytes(bytes) => {
                self.number(6);
                self.number(bytes.len() as u64);
                self.bytes.extend_from_slice(bytes);
            }
            Value::List(items) => {
                self.number(7);
                self.all(items, Self::value);
            }
        }
    }

    /// 0 is none, and no value begins with it.
    fn value_or_none(&mut self, value: Option<&'a Value>) {
        match value {
            Some(value) => self.value(value),
            None => self.number(0),
        }
    }

    fn reason(&mut self, reason: &'a Reason) {
        let Reason { rule, detail } = reason;
        self.text(rule);
        self.text(detail);
    }

    fn period(&mut self, period: Period) {
        let Period { from, until } = period;
        self.flags(&[from.is_some(), until.is_some()]);
        for bound in [from, until].into_iter().flatten() {
            self.signed(bound.millis());
        }
    }

    fn assignment(&mut self, assignment: &'a Assignment) {
        let Assignment {
            owner: Owner { entity_type: owner_type, key, display_name },
            resource_type,
            entity_type,
            target_key,
            period,
            wish,
            linked,
            ours,
            workflow,
            state,
            note,
            why,
            properties,
            arguments,
            at_deletion: _,
            failure,
            wanted,
            slot,
            confidence,
            correlated,
            proposed,
            found,
            orphaned,
            decided,
            leaving,
            created,
            left,
            over,
        } = assignment;
        [owner_type, key, display_name, resource_type].into_iter().for_each(|text| self.text(text));
        self.prefix = prefix_of(resource_type);
        [entity_type, target_key, note, slot].into_iter().for_each(|text| self.text(text));
        self.period(*period);
        self.number(wish_number(*wish));
        self.flags(&[
            *linked,
            *ours,
            *proposed,
            *found,
            *orphaned,
            *leaving,
            failure.is_some(),
            wanted.is_some(),
            correlated.is_some(),
            *created,
            *left,
            !over.is_empty(),
        ]);
        self.number(*workflow as u64);
        self.number(*state as u64);
        self.number(u64::from(*confidence));
        self.signed(*decided);
        self.all(why, Self::reason);
        self.number(properties.len() as u64);
        for (name, property) in properties {
            self.text(name);
            self.property(property);
        }
        self.arguments(arguments);
        if let Some(RuleFailure { rule, property, input, message }) = failure {
            self.flags(&[property.is_some()]);
            for text in [Some(rule), property.as_ref(), Some(input), Some(message)].into_iter().flatten() {
                self.text(text);
            }
        }
        if let Some(Wanted { kind, changes }) = wanted {
            self.number(*kind as u64);
            self.all(changes, Self::change);
        }
        if let Some(Correlated { why, confidence, rule_key }) = correlated {
            self.reason(why);
            self.number(u64::from(*confidence));
            self.text(rule_key);
        }
        // What was written before there was this ends here.
        if !over.is_empty() {
            self.all(over, Self::over);
        }
    }

    fn over(&mut self, Over { order, property, item }: &'a Over) {
        self.bytes.extend(order.uuid().as_bytes());
        self.flags(&[property.is_some()]);
        if let Some(property) = property {
            self.text(property);
        }
        self.value_or_none(item.as_ref());
    }

    fn arguments(&mut self, arguments: &'a BTreeMap<String, String>) {
        self.number(arguments.len() as u64);
        for (name, argument) in arguments {
            self.text(name);
            self.text(argument);
        }
    }

    fn property(&mut self, property: &'a AssignedProperty) {
        let AssignedProperty {
            policy,
            current,
            workflow,
            state,
            why,
            granted,
            conformed,
            has_conformed,
            strange,
            missing,
            spent,
        } = property;
        // Where all is as wanted, the same value stands three times.
        let (is_there, is_as_before) = (current == policy, conformed == policy);
        let has_more = !(granted.is_empty() && strange.is_empty() && missing.is_empty() && spent.is_empty());
        self.flags(&[*has_conformed, is_there, is_as_before, has_more]);
        self.number(*workflow as u64);
        self.number(*state as u64);
        self.value_or_none(policy.as_ref());
        if !is_there {
            self.value_or_none(current.as_ref());
        }
        if !is_as_before {
            self.value_or_none(conformed.as_ref());
        }
        self.all(why, Self::reason);
        if has_more {
            [granted, strange, missing].into_iter().for_each(|values| self.all(values, Self::value));
            self.all(spent, |writer, number| writer.signed(*number));
        }
    }

    fn change(&mut self, change: &'a Change) {
        let Change { property, operation, proposed, current, sensitive, write_only, why } = change;
        self.text(property);
        self.number(operation_number(*operation));
        self.flags(&[*sensitive, *write_only]);
        self.value_or_none(proposed.as_ref());
        self.value_or_none(current.as_ref());
        self.all(why, Self::reason);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// What was read in full, and whether the prefix comes before it.
    texts: Vec<(bool, &'a str)>,
    prefix: String,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn flags<const COUNT: usize>(&mut self) -> Option<[bool; COUNT]> {
        let byte = self.number()?;
        Some(std::array::from_fn(|place| byte >> place & 1 == 1))
    }

    /// A text as it was read in full, and whether the prefix comes before it.
    fn read_text(&mut self) -> Option<(bool, &'a str)> {
        let kind = self.number()?;
        match kind {
            NEW | NEW_AFTER_PREFIX => {
                let length = self.number()?;
                let new = (kind == NEW_AFTER_PREFIX, str::from_utf8(self.take(length)?).ok()?);
                self.texts.push(new);
                Some(new)
            }
            _ => self.texts.get(usize::try_from(kind - KNOWN).ok()?).copied(),
        }
    }

    fn text(&mut self) -> Option<String> {
        let (is_after_prefix, text) = self.read_text()?;
        Some(if is_after_prefix { [self.prefix.as_str(), text].concat() } else { text.to_owned() })
    }

    fn all<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        // Each takes a byte at least.
        if count > self.bytes.len() as u64 {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn value_of(&mut self, kind: u64) -> Option<Value> {
        Some(match kind {
            1 => Value::String(self.text()?),
            2 => Value::Integer(self.signed()?),
            3 => Value::Boolean(false),
            4 => Value::Boolean(true),
            5 => Value::Timestamp(Timestamp::from_millis(self.signed()?)),
            6 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            7 => Value::List(self.all(Self::value)?),
            _ => return None,
        })
    }

    fn value(&mut self) -> Option<Value> {
        let kind = self.number()?;
        self.value_of(kind)
    }

    fn value_or_none(&mut self) -> Option<Option<Value>> {
        match self.number()? {
            0 => Some(None),
            kind => self.value_of(kind).map(Some),
        }
    }

    fn reason(&mut self) -> Option<Reason> {
        Some(Reason { rule: self.text()?, detail: self.text()? })
    }

    fn period(&mut self) -> Option<Period> {
        let [has_from, has_until] = self.flags()?;
        let mut bound = |is_there| match is_there {
            true => self.signed().map(|millis| Some(Timestamp::from_millis(millis))),
            false => Some(None),
        };
        Some(Period { from: bound(has_from)?, until: bound(has_until)? })
    }

    fn workflow(&mut self) -> Option<WorkflowState> {
        WorkflowState::from_number(i32::try_from(self.number()?).ok()?)
    }

    fn state(&mut self) -> Option<ProvisioningState> {
        ProvisioningState::from_number(i32::try_from(self.number()?).ok()?)
    }

    fn assignment(&mut self, depth: Depth) -> Option<Assignment> {
        let owner = Owner { entity_type: self.text()?, key: self.text()?, display_name: self.text()? };
        let resource_type = self.text()?;
        self.prefix = prefix_of(&resource_type);
        let (entity_type, target_key, note, slot) = (self.text()?, self.text()?, self.text()?, self.text()?);
        let (period, wish) = (self.period()?, wish_of(self.number()?)?);
        let [
            linked,
            ours,
            proposed,
            found,
            orphaned,
            leaving,
            has_failed,
            is_wanted,
            is_correlated,
            created,
            left,
            has_over,
        ] = self.flags()?;
        let (workflow, state) = (self.workflow()?, self.state()?);
        let (confidence, decided) = (u32::try_from(self.number()?).ok()?, self.signed()?);
        let is_glance = depth == Depth::Glance;
        let why = self.all_or_skip(is_glance, Self::reason, Self::skip_reason)?;
        let property = |reader: &mut Self| Some((reader.text()?, reader.property()?));
        let properties = self.all_or_skip(depth != Depth::Whole, property, Self::skip_property)?.into_iter().collect();
        let arguments = self.arguments(is_glance)?;
        let failure = if has_failed { Some(self.failure()?) } else { None };
        let wanted = if is_wanted {
            Some(Wanted {
                kind: OrderKind::from_number(i32::try_from(self.number()?).ok()?)?,
                changes: self.all_or_skip(is_glance, Self::change, Self::skip_change)?,
            })
        } else {
            None
        };
        let correlated = if is_correlated {
            let (why, confidence) = (self.reason()?, u32::try_from(self.number()?).ok()?);
            Some(Correlated { why, confidence, rule_key: self.text()? })
        } else {
            None
        };
        let over = if has_over { self.all(Self::over)? } else { vec![] };
        Some(Assignment {
            owner,
            resource_type,
            entity_type,
            target_key,
            period,
            wish,
            linked,
            ours,
            workflow,
            state,
            note,
            why,
            properties,
            arguments,
            at_deletion: BTreeMap::new(),
            failure,
            wanted,
            slot,
            confidence,
            correlated,
            proposed,
            found,
            orphaned,
            decided,
            leaving,
            created,
            left,
            over,
        })
    }

    fn arguments(&mut self, is_skipped: bool) -> Option<BTreeMap<String, String>> {
        let argument = |reader: &mut Self| Some((reader.text()?, reader.text()?));
        Some(self.all_or_skip(is_skipped, argument, Self::skip_reason)?.into_iter().collect())
    }

    /// Reads so many items, or passes them over.
    fn all_or_skip<T>(
        &mut self,
        is_skipped: bool,
        read: impl Fn(&mut Self) -> Option<T>,
        skip: impl Fn(&mut Self) -> Option<()>,
    ) -> Option<Vec<T>> {
        match is_skipped {
            true => self.skip_all(skip).map(|()| Vec::new()),
            false => self.all(read),
        }
    }

    fn skip_all(&mut self, skip: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        let count = self.number()?;
        (0..count).try_for_each(|_| skip(self))
    }

    fn skip_text(&mut self) -> Option<()> {
        self.read_text().map(|_| ())
    }

    /// A reason, or an argument: two texts.
    fn skip_reason(&mut self) -> Option<()> {
        self.skip_text()?;
        self.skip_text()
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.number()? {
            // Of a list, a value cannot be none; a text that is cut off is noticed where it ends.
            0 | 3 | 4 => Some(()),
            1 => self.skip_text(),
            2 | 5 => self.number().map(|_| ()),
            6 => {
                let length = self.number()?;
                self.take(length).map(|_| ())
            }
            7 => self.skip_all(Self::skip_value),
            _ => None,
        }
    }

    /// A property, with its name.
    fn skip_property(&mut self) -> Option<()> {
        self.skip_text()?;
        let [_, is_there, is_as_before, has_more] = self.flags()?;
        self.number()?;
        self.number()?;
        for _ in 0..1 + usize::from(!is_there) + usize::from(!is_as_before) {
            self.skip_value()?;
        }
        self.skip_all(Self::skip_reason)?;
        if has_more {
            for _ in 0..3 {
                self.skip_all(Self::skip_value)?;
            }
            self.skip_all(|reader| reader.number().map(|_| ()))?;
        }
        Some(())
    }

    fn skip_change(&mut self) -> Option<()> {
        self.skip_text()?;
        self.number()?;
        self.number()?;
        self.skip_value()?;
        self.skip_value()?;
        self.skip_all(Self::skip_reason)
    }

    fn over(&mut self) -> Option<Over> {
        let order = OrderId::new(uuid::Uuid::from_slice(self.take(16)?).ok()?);
        let [has_property] = self.flags()?;
        let property = if has_property { Some(self.text()?) } else { None };
        Some(Over { order, property, item: self.value_or_none()? })
    }

    fn failure(&mut self) -> Option<RuleFailure> {
        let [has_property] = self.flags()?;
        let rule = self.text()?;
        let property = if has_property { Some(self.text()?) } else { None };
        Some(RuleFailure { rule, property, input: self.text()?, message: self.text()? })
    }

    fn property(&mut self) -> Option<AssignedProperty> {
        let [has_conformed, is_there, is_as_before, has_more] = self.flags()?;
        let (workflow, state) = (self.workflow()?, self.state()?);
        let policy = self.value_or_none()?;
        let current = if is_there { policy.clone() } else { self.value_or_none()? };
        let conformed = if is_as_before { policy.clone() } else { self.value_or_none()? };
        let why = self.all(Self::reason)?;
        let (mut granted, mut strange, mut missing, mut spent) = (vec![], vec![], vec![], vec![]);
        if has_more {
            for values in [&mut granted, &mut strange, &mut missing] {
                *values = self.all(Self::value)?;
            }
            spent = self.all(Self::signed)?;
        }
        Some(AssignedProperty {
            policy,
            current,
            workflow,
            state,
            why,
            granted,
            conformed,
            has_conformed,
            strange,
            missing,
            spent,
        })
    }

    fn change(&mut self) -> Option<Change> {
        let property = self.text()?;
        let operation = operation_of(self.number()?)?;
        let [sensitive, write_only] = self.flags()?;
        let (proposed, current) = (self.value_or_none()?, self.value_or_none()?);
        Some(Change { property, operation, proposed, current, sensitive, write_only, why: self.all(Self::reason)? })
    }
}

const WISHES: [Wish; 8] =
    [Wish::Have, Wish::Lose, Wish::Later, Wish::Past, Wish::Found, Wish::Gone, Wish::Unknown, Wish::Behind];

const fn wish_number(wish: Wish) -> u64 {
    match wish {
        Wish::Have => 0,
        Wish::Lose => 1,
        Wish::Later => 2,
        Wish::Past => 3,
        Wish::Found => 4,
        Wish::Gone => 5,
        Wish::Unknown => 6,
        Wish::Behind => 7,
    }
}

fn wish_of(number: u64) -> Option<Wish> {
    WISHES.get(usize::try_from(number).ok()?).copied()
}

const fn operation_number(operation: ChangeOperation) -> u64 {
    match operation {
        ChangeOperation::Set => 0,
        ChangeOperation::Add => 1,
        ChangeOperation::Remove => 2,
    }
}

const fn operation_of(number: u64) -> Option<ChangeOperation> {
    Some(match number {
        0 => ChangeOperation::Set,
        1 => ChangeOperation::Add,
        2 => ChangeOperation::Remove,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            "[a-c]{0,3}".prop_map(Value::String),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(|millis| Value::Timestamp(Timestamp::from_millis(millis))),
            proptest::collection::vec(any::<u8>(), 0..3).prop_map(Value::Bytes),
        ];
        prop_oneof![scalar.clone(), proptest::collection::vec(scalar, 0..3).prop_map(Value::List)]
    }

    fn reasons() -> impl Strategy<Value = Vec<Reason>> {
        let rule = prop_oneof![Just("resource type Ab / scalar x".to_owned()), "[a-c]{0,2}"];
        proptest::collection::vec((rule, "[a-c]{0,2}").prop_map(|(rule, detail)| Reason { rule, detail }), 0..2)
    }

    prop_compose! {
        fn property()(
            values in proptest::collection::vec(proptest::option::of(value()), 3),
            lists in proptest::collection::vec(proptest::collection::vec(value(), 0..2), 3),
            why in reasons(),
            spent in proptest::collection::vec(any::<i64>(), 0..2),
            has_conformed in any::<bool>(),
            is_settled in any::<bool>(),
        ) -> AssignedProperty {
            let of = |place: usize| values[if is_settled { 0 } else { place }].clone();
            AssignedProperty {
                policy: of(0),
                current: of(1),
                workflow: WorkflowState::NonConforming,
                state: ProvisioningState::Errored,
                why,
                granted: lists[0].clone(),
                conformed: of(2),
                has_conformed,
                strange: lists[1].clone(),
                missing: lists[2].clone(),
                spent,
            }
        }
    }

    prop_compose! {
        fn assignment()(
            texts in proptest::collection::vec("[a-cA]{0,2}", 10),
            wish in 0_u64..8,
            flags in proptest::collection::vec(any::<bool>(), 11),
            over in proptest::collection::vec((any::<u128>(), proptest::option::of("[a-c]{0,2}"), proptest::option::of(value())), 0..2),
            bounds in proptest::collection::vec(proptest::option::of(any::<i64>()), 2),
            properties in proptest::collection::btree_map("[a-c]{0,2}", property(), 0..3),
            arguments in proptest::collection::btree_map("[a-c]{0,2}", "[a-c]{0,2}", 0..2),
            at_deletion in proptest::collection::btree_map("[a-c]{0,2}", "[a-c]{0,2}", 0..2),
            why in reasons(),
            changes in proptest::collection::vec((proptest::option::of(value()), reasons(), 0_u64..3), 0..2),
            numbers in (any::<u32>(), any::<i64>()),
        ) -> Assignment {
            let text = |place: usize| texts[place].clone();
            let bound = |place: usize| bounds[place].map(Timestamp::from_millis);
            let change = |(proposed, why, operation): (Option<Value>, Vec<Reason>, u64)| Change {
                property: "p".into(),
                operation: operation_of(operation).unwrap(),
                proposed,
                current: None,
                sensitive: true,
                write_only: false,
                why,
            };
            let ended = |(order, property, item)| Over { order: OrderId::new(uuid::Uuid::from_u128(order)), property, item };
            let failure = RuleFailure { rule: text(8), property: flags[0].then(|| text(9)), input: text(1), message: text(2) };
            let correlated = Correlated {
                why: Reason { rule: text(3), detail: text(4) },
                confidence: 60,
                rule_key: text(5),
            };
            Assignment {
                owner: Owner { entity_type: text(0), key: text(1), display_name: text(2) },
                resource_type: text(3),
                entity_type: text(4),
                target_key: text(5),
                period: Period { from: bound(0), until: bound(1) },
                wish: wish_of(wish).unwrap(),
                linked: flags[0],
                ours: flags[1],
                workflow: WorkflowState::Calculated,
                state: ProvisioningState::Executed,
                note: text(6),
                why,
                properties,
                arguments,
                at_deletion,
                failure: flags[2].then_some(failure),
                wanted: flags[3].then(|| Wanted { kind: OrderKind::Deletion, changes: changes.into_iter().map(change).collect() }),
                slot: text(7),
                confidence: numbers.0,
                correlated: flags[4].then_some(correlated),
                proposed: flags[5],
                found: flags[6],
                orphaned: flags[7],
                decided: numbers.1,
                leaving: flags[8],
                created: flags[9],
                left: flags[10],
                over: over.into_iter().map(ended).collect(),
            }
        }
    }

    #[test]
    fn what_has_nothing_for_a_deletion_stays_the_bytes_that_it_was() {
        let owner = Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() };
        let mut assignment = Assignment::empty(owner, "AppAccount");
        let first = to_bytes(&assignment);
        assert_eq!(first[0], VERSION);
        assignment.at_deletion.insert("flow".into(), "leave".into());
        let second = to_bytes(&assignment);
        assert_eq!((second[0], from_bytes(&second).unwrap()), (VERSION_AT_DELETION, assignment));
        // The first version goes on behind its first byte as the second one does, and ends before it.
        assert!(second[1..].starts_with(&first[1..]));
        assert_eq!(from_bytes(&first).unwrap().at_deletion, BTreeMap::new());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_its_beginning_is_not(assignment in assignment(), cut in any::<prop::sample::Index>()) {
            let bytes = to_bytes(&assignment);
            prop_assert_eq!(from_bytes(&bytes).unwrap(), assignment.clone());
            prop_assert_eq!(to_bytes(&assignment.clone()), bytes.clone());
            for depth in [Depth::Whole, Depth::Order, Depth::Glance] {
                let mut wanted = assignment.clone();
                depth.leave_out(&mut wanted);
                prop_assert_eq!(read(&bytes, depth).unwrap(), wanted.clone());
                prop_assert_eq!(read(&serde_json::to_vec(&assignment).unwrap(), depth).unwrap(), wanted);
                prop_assert!(read(&bytes[..cut.index(bytes.len())], depth).is_err());
            }
            prop_assert_eq!(from_bytes(&serde_json::to_vec(&assignment).unwrap()).unwrap(), assignment);
        }

        #[test]
        fn bytes_of_something_else_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            // Whatever they are: an answer, and no panic.
            for depth in [Depth::Whole, Depth::Order, Depth::Glance] {
                let _ = read(&[&[VERSION], bytes.as_slice()].concat(), depth);
                let _ = read(&[&[VERSION_AT_DELETION], bytes.as_slice()].concat(), depth);
                let _ = read(&bytes, depth);
            }
        }
    }

    #[test]
    fn wishes_have_their_numbers() {
        for (place, wish) in WISHES.into_iter().enumerate() {
            assert_eq!(wish_number(wish), place as u64);
        }
    }
}
