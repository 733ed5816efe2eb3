//! What becomes of a wish: what it means beside what the owner has, which dates count, and how many people
//! must approve; or why it is refused.

use super::{Action, Effect, Kind, Request};
use crate::model::catalog::{Approval, Catalog, TimeZone, suggest};
use provost_domain::{Owner, Period, Timestamp, WorkflowState};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The request's id.
    pub id: String,
    /// For whom.
    pub owner: Owner,
    /// A role (single or composite) by name, else a resource type.
    pub is_role: bool,
    /// Its name.
    pub name: String,
    /// What shall become of it.
    pub action: Action,
    /// Dates, words, and who asks.
    pub asked: Asked,
}

/// What somebody asked for, in the words in which it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// From when until when.
    pub period: Period,
    /// In which words.
    pub comment: String,
    /// By whom.
    pub by: String,
}

/// How an owner has something, as last computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How that came to be approved.
    pub workflow: WorkflowState,
    /// When it counts.
    pub period: Period,
}

/// What is known of an owner and the thing that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How the owner has it.
    pub held: Option<Held>,
    /// Requests about it that wait, or that count.
    pub requests: Vec<Request>,
}

/// What a wish comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What kind of thing it is about.
    pub kind: Kind,
    /// Its name for people.
    pub display_name: String,
    /// How many must approve.
    pub steps: u32,
    /// When it counts.
    pub period: Period,
    /// What it says to the evaluation.
    pub effect: Effect,
    /// The requests that it ends.
    pub ends: Vec<String>,
    /// What was changed, and what it means.
    pub notes: Vec<String>,
}

/// Why a wish is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The catalog has no such thing for that owner.
    Unknown {
        /// `role x`, with a hint.
        what: String,
    },
    /// The catalog lets nobody ask for it.
    NotAllowed {
        /// `role x`.
        what: String,
    },
    /// It is for owners of another entity type.
    OtherOwners {
        /// The field of the call.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The end is not after the beginning.
    EndsBefore {
        /// When it begins.
        from: Timestamp,
    },
    /// Another request for the same waits.
    Waits {
        /// Which.
        request: String,
        /// `role x of Person 'E1'`.
        what: String,
        /// Where it stands.
        state: WorkflowState,
    },
    /// The owner has it by a request, for that time.
    HasAlready {
        /// Which.
        request: String,
        /// `role x of Person 'E1'`.
        what: String,
    },
    /// It was taken away from the owner.
    TakenAlready {
        /// By which request.
        request: String,
        /// `role x of Person 'E1'`.
        what: String,
    },
    /// The owner does not have it.
    HasNot {
        /// `role x`.
        what: String,
        /// `Person 'E1'`.
        owner: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { what } => write!(f, "there is no {what}"),
            Self::NotAllowed { what } => {
                write!(f, "the {what} cannot be requested or revoked: the catalog says approval: not_allowed")
            }
            Self::OtherOwners { field, message } => write!(f, "{field} {message}"),
            Self::EndsBefore { from } => write!(f, "valid_until must be after the beginning, {from}"),
            Self::Waits { request, what, state } => {
                write!(f, "the request {request} for the {what} is open already: {state}; decide or withdraw it first")
            }
            Self::HasAlready { request, what } => {
                write!(f, "the {what} is given already for that time, by the request {request}")
            }
            Self::TakenAlready { request, what } => {
                write!(f, "the {what} is taken away already for that time, by the request {request}")
            }
            Self::HasNot { what, owner } => write!(
                f,
                "{owner} does not have the {what}, by the last computation of the role model; nothing can be revoked"
            ),
        }
    }
}

/// What the catalog says of the thing that is asked for.
struct Thing<'a> {
    kind: Kind,
    display_name: &'a str,
    owner: &'a str,
    approval: Approval,
    max_duration_minutes: u32,
}

fn thing<'a>(catalog: &'a Catalog, is_role: bool, name: &str) -> Result<Thing<'a>, Refusal> {
    if !is_role {
        let Some(found) = catalog.resource_type(name) else {
            let known = catalog.resource_types().iter().map(|kind| &*kind.name);
            return Err(Refusal::Unknown { what: format!("resource type {name}; {}", suggest::hint(name, known)) });
        };
        return Ok(Thing {
            kind: Kind::ResourceType,
            display_name: &found.display_name,
            owner: &found.owner,
            approval: found.approval,
            max_duration_minutes: catalog.policy().max_duration_minutes,
        });
    }
    if let Some(found) = catalog.role(name) {
        return Ok(Thing {
            kind: Kind::Role,
            display_name: &found.display_name,
            owner: &found.owner,
            approval: found.approval,
            max_duration_minutes: found.max_duration_minutes,
        });
    }
    if let Some(found) = catalog.composite_role(name) {
        return Ok(Thing {
            kind: Kind::CompositeRole,
            display_name: &found.display_name,
            owner: &found.owner,
            approval: found.approval,
            max_duration_minutes: found.max_duration_minutes,
        });
    }
    let single = catalog.roles().iter().map(|role| &*role.name);
    let known = single.chain(catalog.composite_roles().iter().map(|role| &*role.name));
    Err(Refusal::Unknown { what: format!("role {name}; {}", suggest::hint(name, known)) })
}

/// What a wish comes to.
///
/// # Errors
/// Why it is refused.
pub fn draft(ask: &Ask, catalog: &Catalog, standing: &Standing, now: Timestamp) -> Result<Draft, Refusal> {
    let thing = thing(catalog, ask.is_role, &ask.name)?;
    let owner = format!("{} '{}'", ask.owner.entity_type, ask.owner.key);
    let what = format!("{} {}", thing.kind, ask.name);
    if thing.owner != ask.owner.entity_type {
        let field = if ask.is_role { "role" } else { "resource_type" };
        let message = format!("'{}' is for owners of the entity type {}, not {}", ask.name, thing.owner, owner);
        return Err(Refusal::OtherOwners { field, message });
    }
    let Approval::Steps(steps) = thing.approval else { return Err(Refusal::NotAllowed { what }) };
    let mut notes = Vec::new();
    let period = dates(ask, &thing, catalog.policy().time_zone, now, &mut notes)?;
    let of_owner = format!("{what} of {owner}");
    if let Some(open) = standing.requests.iter().find(|request| request.is_open()) {
        return Err(Refusal::Waits { request: open.id.clone(), what: of_owner, state: open.state });
    }
    let meant = Meant { period, of_owner, what, owner, now };
    let Meaning { period, effect, ends } = match ask.action {
        Action::Give => meant.give(standing, ask.asked.period, &mut notes)?,
        Action::TakeAway => meant.take_away(standing, &mut notes)?,
    };
    Ok(Draft { kind: thing.kind, display_name: thing.display_name.to_owned(), steps, period, effect, ends, notes })
}

/// The dates that count: none in the past, no later end than the catalog allows.
fn dates(
    ask: &Ask,
    thing: &Thing<'_>,
    time_zone: TimeZone,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Period, Refusal> {
    let due = |at: Timestamp| time_zone.due(at);
    let asked = Period { from: ask.asked.period.from.map(due), until: ask.asked.period.until.map(due) };
    if asked.is_over(now) || asked.until.zip(asked.from).is_some_and(|(until, from)| until <= from) {
        return Err(Refusal::EndsBefore { from: asked.from.unwrap_or(now).max(now) });
    }
    let from = match asked.from {
        Some(from) if from < now => {
            notes.push(format!("begins now: {from} is in the past"));
            now
        }
        Some(from) => from,
        None => now,
    };
    let mut until = asked.until;
    if ask.action == Action::Give && thing.max_duration_minutes > 0 {
        let last = from.plus(Duration::from_secs(u64::from(thing.max_duration_minutes) * 60));
        if until.is_none_or(|until| until > last) {
            notes.push(format!("ends {last}: it lasts {} at most", lasting(thing.max_duration_minutes)));
            until = Some(last);
        }
    }
    Ok(Period { from: Some(from), until })
}

fn lasting(minutes: u32) -> String {
    let many = |count: u32, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match minutes {
        _ if minutes.is_multiple_of(24 * 60) => many(minutes / (24 * 60), "day"),
        _ if minutes.is_multiple_of(60) => many(minutes / 60, "hour"),
        _ => many(minutes, "minute"),
    }
}

struct Meant {
    period: Period,
    of_owner: String,
    what: String,
    owner: String,
    now: Timestamp,
}

struct Meaning {
    period: Period,
    effect: Effect,
    ends: Vec<String>,
}

impl Meant {
    fn counting<'a>(&self, standing: &'a Standing, effect: Effect) -> impl Iterator<Item = &'a Request> {
        let now = self.now;
        standing.requests.iter().filter(move |request| request.effect == effect && request.counts(now))
    }

    /// The one that covers the whole period.
    fn covering(&self, standing: &Standing, effect: Effect) -> Option<String> {
        let (from, until) = (self.period.from, self.period.until);
        let mut all = self.counting(standing, effect);
        let found = all.find(|request| {
            let begins = request.period.from <= from;
            begins && request.period.until.is_none_or(|end| until.is_some_and(|until| until <= end))
        });
        found.map(|request| request.id.clone())
    }

    fn give(self, standing: &Standing, asked: Period, notes: &mut Vec<String>) -> Result<Meaning, Refusal> {
        let denials: Vec<String> = self.counting(standing, Effect::Denies).map(|denial| denial.id.clone()).collect();
        let has_dates = asked.from.is_some() || asked.until.is_some();
        if !denials.is_empty() && !has_dates {
            notes.push("takes back that it was taken away: rules give it again where they do".to_owned());
            let period = Period { from: self.period.from, until: None };
            return Ok(Meaning { period, effect: Effect::Ends, ends: denials });
        }
        if denials.is_empty()
            && let Some(request) = self.covering(standing, Effect::Gives)
        {
            return Err(Refusal::HasAlready { request, what: self.of_owner });
        }
        let mut ends = denials;
        for before in self.counting(standing, Effect::Gives) {
            notes.push(format!("takes the place of the request {}", before.id));
            ends.push(before.id.clone());
        }
        Ok(Meaning { period: self.period, effect: Effect::Gives, ends })
    }

    fn take_away(self, standing: &Standing, notes: &mut Vec<String>) -> Result<Meaning, Refusal> {
        if let Some(request) = self.covering(standing, Effect::Denies) {
            return Err(Refusal::TakenAlready { request, what: self.of_owner });
        }
        let given: Vec<String> = self.counting(standing, Effect::Gives).map(|request| request.id.clone()).collect();
        let denied: Vec<String> = self.counting(standing, Effect::Denies).map(|request| request.id.clone()).collect();
        let Some(held) = standing.held else {
            if given.is_empty() {
                return Err(Refusal::HasNot { what: self.what, owner: self.owner });
            }
            return Ok(self.take_away_what_was_given(standing, denied, notes));
        };
        let ends: Vec<String> = given.iter().cloned().chain(denied.clone()).collect();
        match held.workflow {
            // Else the rule would give it as soon as the rules are as before.
            WorkflowState::Prolonged => {
                notes.push("ends the time for which it is prolonged".to_owned());
                let until = match (self.period.until, held.period.until) {
                    (Some(asked), Some(end)) => Some(asked.min(end)),
                    (asked, end) => asked.or(end),
                };
                // When that time is over by then, there is nothing left to deny.
                let until =
                    until.filter(|until| self.period.from.is_none_or(|from| from < *until)).or(self.period.until);
                Ok(Meaning { period: Period { until, ..self.period }, effect: Effect::Denies, ends })
            }
            // What was requested, and rules do not give, only ends.
            WorkflowState::Approved | WorkflowState::Questioned if !given.is_empty() => {
                Ok(self.take_away_what_was_given(standing, denied, notes))
            }
            _ => {
                notes.push(match self.period.until {
                    Some(until) => format!("rules give it, and do not give it to this owner until {until}"),
                    None => "rules give it, and give it to this owner no longer".to_owned(),
                });
                // What a request gives beside them counts again, too, once the time is over.
                let ends = if self.outlives(standing) { denied } else { ends };
                Ok(Meaning { period: self.period, effect: Effect::Denies, ends })
            }
        }
    }

    /// What was requested ends; or is not had for a time, and counts again when that is over.
    fn take_away_what_was_given(self, standing: &Standing, denied: Vec<String>, notes: &mut Vec<String>) -> Meaning {
        if let Some(until) = self.period.until.filter(|_| self.outlives(standing)) {
            notes.push(format!("takes away what a request gave, until {until}: then it counts again"));
            return Meaning { period: self.period, effect: Effect::Denies, ends: denied };
        }
        notes.push("ends what a request gave".to_owned());
        let given = self.counting(standing, Effect::Gives).map(|request| request.id.clone());
        Meaning { period: self.period, effect: Effect::Ends, ends: given.chain(denied).collect() }
    }

    /// Something that a request gives still counts when the time is over for which it is taken away.
    fn outlives(&self, standing: &Standing) -> bool {
        let Some(until) = self.period.until else { return false };
        self.counting(standing, Effect::Gives).any(|request| request.period.until.is_none_or(|end| end > until))
    }
}

impl Draft {
    /// The request that comes of it: approved at once when nobody is asked.
    pub fn into_request(self, ask: Ask, now: Timestamp) -> Request {
        let Self { kind, display_name, steps, period, effect, ends, notes } = self;
        let Ask { id, owner, is_role: _, name, action, asked } = ask;
        let mut request = Request {
            id,
            owner,
            kind,
            name,
            display_name,
            action,
            asked,
            period,
            effect,
            ends,
            steps,
            state: WorkflowState::Requested,
            since: now,
            ending: None,
            notes,
            decisions: vec![],
            created_at: now,
            updated_at: now,
        };
        if steps == 0 {
            request.approve(now);
        }
        request
    }
}
