//! Memberships that travel together: what many orders change at one group goes in one modify.
//!
//! Nobody waits for company: the first goes at once, and whoever comes while a modify of the group is under way goes
//! with the next. So a slow order holds up no other, and the more there is to write the fewer modifies it takes. The
//! rule that must hold: each gets the answer that it would have got alone. A directory refuses a modify as a whole, so
//! a refused one is halved until the refusal is one member's own.

use super::connection::{Session, comparable};
use super::failure::{BUSY, NO_SUCH_OBJECT, SUCCESS, TIME_LIMIT_EXCEEDED, UNAVAILABLE};
use crate::package::failure::transport;
use ldap3::{LdapResult, Mod};
use provost_domain::Failure;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The most memberships of one modify: more are hardly faster, and halving a refused one takes longer.
const TOGETHER_MAX: usize = 250;

/// Where memberships are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The group's DN.
    pub(super) group: String,
    /// The attribute that holds its members.
    pub(super) attribute: String,
}

/// What becomes of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Join,
    Leave,
}

/// One membership, and who waits for the answer.
struct Waiting {
    step: Step,
    member: String,
    session: Session,
    answer: oneshot::Sender<Result<LdapResult, Failure>>,
}

/// What waits, by group. A group has a line exactly as long as somebody works it off.
type Lines = Mutex<HashMap<Place, Vec<Waiting>>>;

/// The memberships on their way.
#[derive(Clone, Default)]
pub(super) struct Together(Arc<Lines>);

fn lock(lines: &Lines) -> MutexGuard<'_, HashMap<Place, Vec<Waiting>>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Together {
    /// Changes one membership; the answer is that of a modify of its own.
    ///
    /// Goes on although the caller does not wait any more: others may travel with it.
    pub(super) async fn change(
        &self,
        session: &Session,
        place: Place,
        step: Step,
        member: &str,
    ) -> Result<LdapResult, Failure> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { step, member: member.to_owned(), session: session.clone(), answer };
        let is_first = {
            let mut lines = lock(&self.0);
            let is_first = !lines.contains_key(&place);
            lines.entry(place.clone()).or_default().push(waiting);
            is_first
        };
        if is_first {
            let turn = Turn { lines: Arc::clone(&self.0), place };
            tokio::spawn(work_off(turn));
        }
        answered.await.unwrap_or_else(|_| Err(transport("directory: the modify was broken off")))
    }
}

/// The right to work off one group's line.
struct Turn {
    lines: Arc<Lines>,
    place: Place,
}

impl Turn {
    /// What goes next; the line ends with the last.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut lines = lock(&self.lines);
        let line = lines.get_mut(&self.place)?;
        // One member is there once: what comes later for it must find what the former left.
        let mut members = HashSet::new();
        let mut goes = |waiting: &Waiting| members.len() < TOGETHER_MAX && members.insert(comparable(&waiting.member));
        let (batch, rest) = std::mem::take(line).into_iter().partition(|waiting| goes(waiting));
        *line = rest;
        let batch: Vec<Waiting> = batch;
        if batch.is_empty() {
            lines.remove(&self.place);
            return None;
        }
        Some(batch)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Empty, unless this was broken off: whoever still waits is told by the answer that cannot come any more.
        lock(&self.lines).remove(&self.place);
    }
}

async fn work_off(turn: Turn) {
    // Orders that were taken together get here one after the other, at once.
    tokio::task::yield_now().await;
    while let Some(batch) = turn.next() {
        send(&turn.place, batch).await;
    }
}

/// Sends one modify for all, and smaller ones where it is refused for what may be one member's fault.
async fn send(place: &Place, batch: Vec<Waiting>) {
    let mut to_send = vec![batch];
    while let Some(mut batch) = to_send.pop() {
        // The newest connection: the others' may have broken since.
        let Some(newest) = batch.iter().max_by_key(|waiting| waiting.session.generation()) else { continue };
        let session = newest.session.clone();
        let result = session.modify(&place.group, changes(place, &batch)).await;
        if batch.len() > 1 && result.as_ref().is_ok_and(|result| may_be_about_one(result.rc)) {
            let second = batch.split_off(batch.len() / 2);
            to_send.extend([second, batch]);
            continue;
        }
        for waiting in batch {
            // Nobody listens where the asker was dropped; it asks again if it wants to know.
            let _ = waiting.answer.send(result.clone());
        }
    }
}

fn changes(place: &Place, batch: &[Waiting]) -> Vec<Mod<Vec<u8>>> {
    let name = || place.attribute.clone().into_bytes();
    let members = |step| -> HashSet<Vec<u8>> {
        let those = batch.iter().filter(|waiting| waiting.step == step);
        those.map(|waiting| waiting.member.clone().into_bytes()).collect()
    };
    // Those who join first: a group whose last member leaves may need the new one.
    let (join, leave) = (members(Step::Join), members(Step::Leave));
    let mut changes = Vec::new();
    if !join.is_empty() {
        changes.push(Mod::Add(name(), join));
    }
    if !leave.is_empty() {
        changes.push(Mod::Delete(name(), leave));
    }
    changes
}

/// Whether a smaller modify may get another answer: not when the group or the directory is what is wrong.
const fn may_be_about_one(code: u32) -> bool {
    !matches!(code, SUCCESS | NO_SUCH_OBJECT | TIME_LIMIT_EXCEEDED | BUSY | UNAVAILABLE)
}
