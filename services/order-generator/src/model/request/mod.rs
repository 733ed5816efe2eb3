//! What people ask for: that an owner is given a role or a resource type, or that it is taken away; and
//! where such a request stands between asking and counting (domain.md, "Workflow states"). Pure.
//!
//! Answers for which step may follow which, and for what a request gives the evaluation ([`Request::grant`]).
//! Leaves asking people to the review service. The rules that must hold: a request that was decided, withdrawn
//! or is over is never decided again; nothing counts before everybody who must has approved.

pub mod automation;
pub mod draft;
#[cfg(test)]
mod tests;

pub use draft::{Ask, Asked, Draft, Held, Refusal, Standing, draft};

use super::grant::{Grant, Granted};
use provost_domain::{Owner, Period, Timestamp, WorkflowState};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A single role.
    Role = 1,
    /// A composite role.
    CompositeRole = 2,
    /// A resource type.
    ResourceType = 3,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role => "role",
            Self::CompositeRole => "composite role",
            Self::ResourceType => "resource type",
        })
    }
}

/// What shall become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// The owner shall have it.
    Give = 1,
    /// The owner shall have it no longer.
    TakeAway = 2,
}

/// What an approved request says to the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The owner has it.
    Gives,
    /// The owner does not have it, whatever rules say.
    Denies,
    /// Nothing of its own: it only ends others.
    Ends,
}

/// What a person said, or a rule in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Go on.
    Approve = 1,
    /// Drop it.
    Decline = 2,
    /// Not now.
    Postpone = 3,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// At which step, counted from 1.
    pub step: u32,
    /// What was said.
    pub verdict: Verdict,
    /// By whom.
    pub actor: String,
    /// In which words.
    pub comment: String,
    /// When.
    pub at: Timestamp,
}

/// Why a request is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its period is over.
    Expired,
    /// Who asked took it back.
    Withdrawn {
        /// Who.
        by: String,
        /// In which words.
        comment: String,
    },
    /// Another request ended it.
    Ended {
        /// Which.
        by: String,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id, a UUID.
    pub id: String,
    /// Whose assignments it is about.
    pub owner: Owner,
    /// What kind of thing is asked for.
    pub kind: Kind,
    /// Which, by its name in the catalog.
    pub name: String,
    /// Its name for people to read.
    pub display_name: String,
    /// What shall become of it.
    pub action: Action,
    /// As it was asked for: by this, and what stands above, a repeated call is told from another request.
    pub asked: Asked,
    /// When it counts.
    pub period: Period,
    /// What it says to the evaluation, once it is approved.
    pub effect: Effect,
    /// The requests that end when it is approved.
    pub ends: Vec<String>,
    /// How many must approve.
    pub steps: u32,
    /// Where it stands.
    pub state: WorkflowState,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Why it is over.
    pub ending: Option<Ending>,
    /// It is over, and counted until then.
    #[serde(default, skip_serializing_if = "is_not")]
    pub counted: bool,
    /// What was changed of what was asked for, and what it means; a sentence each.
    pub notes: Vec<String>,
    /// What was decided, oldest first.
    pub decisions: Vec<Decision>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

/// What a decision made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits on: for the same step, or for the next one.
    Waits,
    /// It is approved, and counts: what it ends must be ended.
    Approved,
    /// It is declined.
    Declined,
    /// It was approved when its period was over.
    TooLate,
    /// It was decided before, or is over: nothing changed.
    PassedOver,
}

impl Request {
    /// It waits to be decided.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, WorkflowState::Requested) || self.state.step().is_some()
    }

    /// It is approved, and says something to the evaluation, now or later.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.state == WorkflowState::Approved && self.effect != Effect::Ends && !self.period.is_over(now)
    }

    /// How many approved.
    pub fn approvals(&self) -> u32 {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Approve).count() as u32
    }

    fn move_to(&mut self, state: WorkflowState, now: Timestamp) {
        if self.state != state {
            self.counted = self.state == WorkflowState::Approved && state == WorkflowState::Inactive;
            (self.state, self.since) = (state, now);
        }
        self.updated_at = now;
    }

    /// Review has heard of it: from now on it waits for its first approval. Says whether that is news.
    pub fn taken(&mut self, now: Timestamp) -> bool {
        let Some(waiting) = WorkflowState::pending(1, self.steps) else { return false };
        let is_news = self.state == WorkflowState::Requested;
        if is_news {
            self.move_to(waiting, now);
        }
        is_news
    }

    /// Takes a decision. `is_complete` says that an approval was the last one; review counts them.
    pub fn decide(&mut self, decision: Decision, is_complete: bool, now: Timestamp) -> Outcome {
        if !self.is_open() {
            return Outcome::PassedOver;
        }
        let (verdict, step) = (decision.verdict, decision.step);
        self.decisions.push(decision);
        match verdict {
            Verdict::Approve if is_complete => self.approve(now),
            Verdict::Approve => {
                let waiting = WorkflowState::pending(step + 1, self.steps).unwrap_or(self.state);
                self.move_to(waiting, now);
                Outcome::Waits
            }
            Verdict::Decline => {
                self.move_to(WorkflowState::Declined, now);
                Outcome::Declined
            }
            Verdict::Postpone => {
                // The decision may overtake the news that review has heard of it.
                let waiting = WorkflowState::pending(step, self.steps).unwrap_or(self.state);
                self.move_to(waiting, now);
                Outcome::Waits
            }
        }
    }

    /// Everybody who must has approved.
    pub fn approve(&mut self, now: Timestamp) -> Outcome {
        if self.period.is_over(now) {
            self.ending = Some(Ending::Expired);
            self.move_to(WorkflowState::Inactive, now);
            return Outcome::TooLate;
        }
        self.move_to(WorkflowState::Approved, now);
        Outcome::Approved
    }

    /// Who asked takes it back. Says whether that is news.
    ///
    /// # Errors
    /// When it was decided, or is over for another reason.
    pub fn withdraw(&mut self, by: &str, comment: &str, now: Timestamp) -> Result<bool, WorkflowState> {
        if matches!(self.ending, Some(Ending::Withdrawn { .. })) {
            return Ok(false);
        }
        if !self.is_open() {
            return Err(self.state);
        }
        self.ending = Some(Ending::Withdrawn { by: by.to_owned(), comment: comment.to_owned() });
        self.move_to(WorkflowState::Inactive, now);
        Ok(true)
    }

    /// Another request ends it at an instant: now, when that has passed.
    pub fn end(&mut self, by: &str, at: Option<Timestamp>, now: Timestamp) {
        if !self.counts(now) {
            return;
        }
        let at = at.unwrap_or(now).max(now);
        if self.period.until.is_some_and(|until| until <= at) {
            return;
        }
        self.period.until = Some(at);
        self.ending = Some(Ending::Ended { by: by.to_owned() });
        // Of what has not begun by then, nothing is left.
        let is_nothing = self.period.from.is_some_and(|from| from >= at);
        self.move_to(if at <= now || is_nothing { WorkflowState::Inactive } else { self.state }, now);
    }

    /// Its period is over. Says whether that is news.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let waits = self.is_open() || (self.state == WorkflowState::Approved && self.effect != Effect::Ends);
        if !waits || !self.period.is_over(now) {
            return false;
        }
        self.ending.get_or_insert(Ending::Expired);
        self.move_to(WorkflowState::Inactive, now);
        true
    }

    /// What it says to the evaluation; nothing unless it is approved, or was until its time was over. Whether that has
    /// been noted of it by now makes no difference: for how long an end is looked back at, the evaluation knows.
    pub fn grant(&self) -> Option<Grant> {
        let denied = match self.effect {
            Effect::Gives => false,
            Effect::Denies => true,
            Effect::Ends => return None,
        };
        let name = self.name.as_str().into();
        let has_been_approved = self.state == WorkflowState::Approved || self.counted;
        has_been_approved.then(|| Grant {
            request_id: self.id.clone(),
            what: match self.kind {
                Kind::Role | Kind::CompositeRole => Granted::Role(name),
                Kind::ResourceType => Granted::ResourceType(name),
            },
            period: self.period,
            denied,
            workflow: WorkflowState::Approved,
            because: self.because(),
        })
    }

    /// Who asked, and who approved, in a sentence.
    pub fn because(&self) -> String {
        let approvals = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Approve);
        let approved: Vec<&str> = approvals.map(|decision| decision.actor.as_str()).collect();
        let asked = format!("requested by {}", self.asked.by);
        match approved.as_slice() {
            [] => format!("{asked}, needs no approval"),
            all => format!("{asked}, approved by {}", all.join(" and ")),
        }
    }

    /// One sentence on where it stands, where there is something to say.
    pub fn reason(&self) -> String {
        let last = |verdict| self.decisions.iter().rev().find(move |decision| decision.verdict == verdict);
        let words = |decision: &Decision| match decision.comment.trim() {
            "" => String::new(),
            comment => format!(": {comment}"),
        };
        match (&self.ending, self.state) {
            (Some(Ending::Withdrawn { by, comment }), _) if comment.trim().is_empty() => format!("withdrawn by {by}"),
            (Some(Ending::Withdrawn { by, comment }), _) => format!("withdrawn by {by}: {comment}"),
            (Some(Ending::Ended { by }), WorkflowState::Inactive) => format!("ended by the request {by}"),
            (Some(Ending::Ended { by }), _) => format!("ends earlier, by the request {by}"),
            (Some(Ending::Expired), _) if self.approvals() < self.steps => {
                "its period was over before everybody had approved".to_owned()
            }
            (Some(Ending::Expired), _) => "its period is over".to_owned(),
            (None, WorkflowState::Requested) => "waits until the review service has heard of it".to_owned(),
            (None, WorkflowState::Declined) => last(Verdict::Decline)
                .map(|decision| format!("declined by {}{}", decision.actor, words(decision)))
                .unwrap_or_default(),
            (None, state) if state.step().is_some() => {
                let postponed = self.decisions.last().filter(|decision| decision.verdict == Verdict::Postpone);
                let postponed = postponed.map(|said| format!(", postponed by {}{}", said.actor, words(said)));
                let step = state.step().map_or(1, |(step, _)| step);
                format!("waits for approval {step} of {}{}", self.steps, postponed.unwrap_or_default())
            }
            (None, _) => self.because(),
        }
    }

    /// Whether an answer to it would be news of the owner's assignments: it waits, or was declined or approved
    /// and is not over.
    pub fn speaks(&self, now: Timestamp) -> bool {
        self.is_open() || self.state == WorkflowState::Declined || self.counts(now)
    }
}
