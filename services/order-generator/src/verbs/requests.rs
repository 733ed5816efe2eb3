//! What the verbs on requests share: making one, and what follows when one is decided.
//!
//! The rule that must hold: a request, what its approval does to others, and what review must hear of it are
//! written in one transaction.

use super::compute::{KnownOwner, catalog};
use super::permissions::owner_type;
use crate::generator::Generator;
use crate::model::assign::Wish as Wanted;
use crate::model::request::{Action, Ask, Asked, Held, Kind, Outcome, Refusal, Request, Standing, draft};
use crate::store::assignments::{Body, OwnerKey};
use crate::store::changes::{self, Change};
use crate::store::request_outbox::{self, Action as Tell};
use crate::store::{assignments, from_json, requests, resources};
use provost_contract::{NAME_MAX, Violations};
use provost_domain::{Owner, Period, Timestamp};
use provost_service_kit::{Fault, FaultKind, new_id};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

/// Longest comment, in characters.
pub(crate) const WORDS_MAX: usize = 2_000;

/// What a caller wants of an owner's assignments.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Empty lets the service choose.
    pub(crate) request_id: String,
    /// Empty means the only one that owns anything.
    pub(crate) owner_type: String,
    pub(crate) owner_key: String,
    /// A role, or else a resource type; the other is empty.
    pub(crate) role: String,
    pub(crate) resource_type: String,
    pub(crate) period: Period,
    pub(crate) comment: String,
    pub(crate) actor: String,
}

/// A request's id, in one spelling.
pub(crate) fn id_of(text: &str) -> Result<String, Violations> {
    match Uuid::try_parse(text) {
        Ok(id) => Ok(id.to_string()),
        Err(_) if text.is_empty() => Err(Violations::one("request_id", "must not be empty")),
        Err(_) => Err(Violations::one("request_id", "is not a UUID")),
    }
}

/// Makes a request; the same id and content give the request that was made before.
pub(crate) async fn ask(generator: &Generator, wish: Wish, action: Action) -> Result<Request, Fault> {
    let loaded = catalog(generator).await?;
    let mut wrong = Violations::default();
    let mut note = |violations: Violations| {
        violations.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
        String::new()
    };
    let id = match wish.request_id.as_str() {
        "" => new_id().to_string(),
        text => id_of(text).unwrap_or_else(&mut note),
    };
    let entity_type = owner_type(&loaded, &wish.owner_type, &wish.owner_key).unwrap_or_else(&mut note);
    match (wish.role.is_empty(), wish.resource_type.is_empty()) {
        (false, true) => wrong.check_text("role", &wish.role, NAME_MAX),
        (true, false) => wrong.check_text("resource_type", &wish.resource_type, NAME_MAX),
        (true, true) => wrong.add("role", "must be set, or a resource type"),
        (false, false) => wrong.add("resource_type", "must not be set beside a role"),
    }
    match action {
        Action::TakeAway => wrong.require_text("comment", &wish.comment, WORDS_MAX),
        Action::Give => wrong.check_text("comment", &wish.comment, WORDS_MAX),
    }
    wrong.into_result(())?;

    let Wish { owner_key, role, resource_type, period, comment, actor, .. } = wish;
    let is_role = !role.is_empty();
    let name = if is_role { role } else { resource_type };
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    // Read in turn: else what was asked for just before seems to begin later.
    let now = generator.clock.now();
    let owner = Owner { entity_type, key: owner_key.clone(), display_name: owner_key };
    let mut ask = Ask { id, owner, is_role, name, action, asked: Asked { period, comment, by: actor } };
    if let Some(before) = requests::get(&transaction, &ask.id).await? {
        return if is_same(&before, &ask) { Ok(before) } else { Err(used(&before)) };
    }
    let (display_name, standing) = standing(&transaction, &ask).await?;
    ask.owner.display_name = display_name;
    let request = draft(&ask, &loaded.catalog, &standing, now)?.into_request(ask, now);
    requests::insert(&transaction, &request).await?;
    let mut changed = vec![];
    if request.is_open() {
        request_outbox::put(&transaction, &request.id, Tell::Request, "", now).await?;
    } else {
        settle(&transaction, &request, now).await?;
        changed.push(owner_of(&request));
    }
    commit(generator, transaction, changed).await?;
    let (request_id, state) = (&request.id, request.state);
    tracing::info!(request_id, kind = %request.kind, name = request.name, ?action, %state, "assignment requested");
    Ok(request)
}

fn is_same(before: &Request, ask: &Ask) -> bool {
    let owner = |owner: &Owner| (owner.entity_type.clone(), owner.key.clone());
    let is_role = before.kind != Kind::ResourceType;
    (owner(&before.owner), is_role, &before.name, before.action, &before.asked)
        == (owner(&ask.owner), ask.is_role, &ask.name, ask.action, &ask.asked)
}

fn used(before: &Request) -> Fault {
    let Request { id, kind, name, owner, .. } = before;
    let message = format!("the request id {id} was used for another request: {kind} {name} of {}", owner.key);
    Fault::new(FaultKind::AlreadyExists, message)
}

/// The owner's name for people, and what is known of the owner and the thing that is asked for.
async fn standing(connection: &impl ConnectionTrait, ask: &Ask) -> Result<(String, Standing), Fault> {
    let Owner { entity_type, key, .. } = &ask.owner;
    if resources::get(connection, entity_type, key).await?.is_none() {
        return Err(Fault::not_found(format!("{entity_type} '{key}'")));
    }
    let known = assignments::owner(connection, entity_type, key).await?;
    let known: Option<KnownOwner> = known.map(|body| from_json(&body)).transpose()?;
    let display_name = known.as_ref().map_or_else(|| key.clone(), |known| known.owner.display_name.clone());
    let held = if ask.is_role {
        let role = known.and_then(|known| known.roles.into_iter().find(|role| role.role == ask.name));
        role.map(|role| Held { workflow: role.workflow, period: role.period })
    } else {
        let bodies = assignments::of_owner(connection, entity_type, key).await?;
        let all = bodies.iter().map(Body::read).collect::<Result<Vec<_>, _>>()?;
        let own = all.into_iter().find(|assignment| {
            let has = matches!(assignment.wish, Wanted::Have | Wanted::Later | Wanted::Unknown | Wanted::Behind);
            assignment.resource_type == ask.name && has
        });
        own.map(|assignment| Held { workflow: assignment.workflow, period: assignment.period })
    };
    let requests = requests::about(connection, (entity_type, key), ask.is_role, &ask.name).await?;
    Ok((display_name, Standing { held, requests }))
}

/// Whose assignments a request is about.
pub(crate) fn owner_of(request: &Request) -> OwnerKey {
    (request.owner.entity_type.clone(), request.owner.key.clone())
}

/// What follows when a request is approved: it ends others.
async fn settle(transaction: &DatabaseTransaction, request: &Request, now: Timestamp) -> Result<(), Fault> {
    for id in &request.ends {
        if let Some(mut ended) = requests::get(transaction, id).await? {
            ended.end(&request.id, request.period.from, now);
            requests::save(transaction, &ended).await?;
        }
    }
    Ok(())
}

/// Keeps a request that was decided or is over, and what follows from it.
pub(crate) async fn keep(
    transaction: &DatabaseTransaction,
    request: &Request,
    outcome: Outcome,
    now: Timestamp,
) -> Result<(), Fault> {
    requests::save(transaction, request).await?;
    if outcome == Outcome::Approved {
        settle(transaction, request, now).await?;
    }
    Ok(())
}

/// Commits, and wakes whoever tells review. What counts of these owners is another thing than before, so they
/// are evaluated anew.
pub(crate) async fn commit(
    generator: &Generator,
    transaction: DatabaseTransaction,
    changed: impl IntoIterator<Item = OwnerKey>,
) -> Result<(), Fault> {
    let change = |(entity_type, key): OwnerKey| Change::Owner { entity_type, key };
    changes::note(&generator.database, &transaction, changed.into_iter().map(change)).await?;
    generator.requests.announce(&transaction).await?;
    transaction.commit().await?;
    generator.requests.ring();
    Ok(())
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unknown { what } => Self::not_found(what),
            Refusal::NotAllowed { what } | Refusal::HasNot { what, .. } => Self::wrong_state(what, message),
            Refusal::OtherOwners { field, message } => Self::invalid(field, message),
            Refusal::EndsBefore { from } => {
                Self::invalid("valid_until", format!("must be after the beginning, {from}"))
            }
            Refusal::Waits { .. } | Refusal::HasAlready { .. } | Refusal::TakenAlready { .. } => {
                Self::new(FaultKind::AlreadyExists, message)
            }
        }
    }
}
