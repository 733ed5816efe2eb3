//! Grace: a role that a change of rules took away stays for a while, Prolonged.
//!
//! The rule that must hold: only rules that changed prolong. Who loses a role because something of their own
//! changed, or because its time is over, or because a person decided it, loses it now.

use super::Evaluation;
use super::roles::Subject;
use super::spans::{Span, Spans};
use super::trace::Considered;
use super::verdict::{Judged, Verdict};
use crate::model::catalog::Name;
use crate::model::resource::Resource;
use provost_domain::{Period, Timestamp, Value, WorkflowState};
use std::time::Duration;

/// What was computed for an owner the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The revision of the catalog.
    pub revision: i64,
    /// What [`fingerprint`] said of the owner.
    pub fingerprint: u64,
    /// The roles it had, single and composite.
    pub roles: Vec<RoleBefore>,
}

/// A role that an owner had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleBefore {
    /// The role.
    pub role: Name,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// When it counted.
    pub period: Period,
}

/// A number that differs when something of the owner's own, or of its positions, differs; the same in every
/// version of the program.
pub fn fingerprint(owner: &Resource, positions: &[&Resource]) -> u64 {
    let mut hash = Fnv::default();
    hash.resource(owner);
    let mut positions = positions.to_vec();
    positions.sort_by(|a, b| a.key.cmp(&b.key));
    positions.iter().for_each(|position| hash.resource(position));
    hash.0
}

/// FNV-1a. Somebody who finds a second owner of the same number has prolonged a role.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Lengths go in too, so that "ab","c" and "a","bc" differ.
    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes(&[kind]);
        self.bytes(&(bytes.len() as u64).to_be_bytes());
        self.bytes(bytes);
    }

    fn resource(&mut self, resource: &Resource) {
        self.part(0, resource.key.as_bytes());
        for (name, value) in &resource.values {
            self.part(1, name.as_bytes());
            self.value(&value.canonical());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.part(2, text.as_bytes()),
            Value::Integer(number) => self.part(3, &number.to_be_bytes()),
            Value::Boolean(flag) => self.part(4, &[u8::from(*flag)]),
            Value::Timestamp(instant) => self.part(5, &instant.millis().to_be_bytes()),
            Value::Bytes(bytes) => self.part(6, bytes),
            Value::List(items) => {
                self.part(7, &(items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
        }
    }
}

impl Evaluation<'_> {
    /// Keeps a role that the owner had, that nothing gives now, and that only changed rules took away.
    pub(super) fn grace(
        &self,
        subject: &Subject<'_>,
        verdict: &mut Verdict,
        denied: &Judged,
        seen: &mut Option<Vec<Considered>>,
    ) {
        let judged = &verdict.judged;
        if judged.given.contains(self.now) || judged.unknown.contains(self.now) {
            return;
        }
        let Some(before) = self.case.before else { return };
        let had = before.roles.iter().find(|had| had.role == *subject.name && had.period.contains(self.ground.now));
        let Some(had) = had else { return };
        let until = match had.workflow {
            // It ends when it was said that it would.
            WorkflowState::Prolonged => had.period.until,
            WorkflowState::Calculated | WorkflowState::GivenByARole => {
                if subject.grace_minutes == 0
                    || before.revision == self.ground.revision
                    || before.fingerprint != fingerprint(self.case.owner, self.case.positions)
                {
                    return;
                }
                let grace = self.ground.now.plus(Duration::from_secs(u64::from(subject.grace_minutes) * 60));
                Some(had.period.until.map_or(grace, |until| until.min(grace)))
            }
            // What a person gave, a person took.
            _ => return,
        };
        let kept = Spans::of(Span::from(Period { from: had.period.from, until })).and(&self.contexts.spans);
        let kept = Judged { given: kept.without(&denied.given).without(&denied.unknown), ..Judged::default() };
        if !kept.given.contains(self.now) {
            return;
        }
        let what = if subject.is_composite { "composite role" } else { "role" };
        let rule = format!("{what} {} / grace period", subject.name);
        let detail = match until.as_ref().map(Timestamp::to_string) {
            Some(until) => format!("a change of rules took it away, it is kept until {until}"),
            None => "a change of rules took it away".to_owned(),
        };
        if let Some(seen) = seen {
            seen.push(Considered::of(rule.clone(), detail.clone(), &kept, false));
        }
        verdict.gain(kept, WorkflowState::Prolonged, || self.reason(&rule, || detail));
    }
}
