//! Deciding on what was found: kept in one transaction with the words of who decided, and carried out by the next
//! computation of the role model.
//!
//! The rule that must hold: a decision is on what the person saw. Whatever moved since is refused, item by item,
//! and says what it is now.

use super::list::is_sensitive;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::decision::{Decision, Subject, Verdict};
use crate::model::found::{Item, Kind};
use crate::store::changes::{self, Change};
use crate::store::decisions::Kept;
use crate::store::found_items::Filter;
use crate::store::{assignments, decisions, found_items, from_json, resources};
use crate::verbs::compute::{KnownOwner, catalog};
use provost_contract::Violations;
use provost_domain::{Owner, Timestamp, Value};
use provost_service_kit::{Engine, Fault, FaultKind, new_id};
use sea_orm::ConnectionTrait;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most items that one call names.
const ITEMS_MAX: usize = 1_000;
/// Most items that a filter decides on in one call.
const FILTERED_MAX: u64 = 10_000;
/// Most characters of a comment.
const COMMENT_MAX: usize = 2_000;

/// What is decided, on what, and by whom.
pub(crate) struct Decide {
    /// Ids, each with the version that was seen; an empty one was not looked at.
    pub(crate) items: Vec<(String, String)>,
    /// Instead of items.
    pub(crate) filter: Option<Filter>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) comment: String,
    /// Whom a resource that nobody owns is given to; empty is nobody.
    pub(crate) owner_key: String,
    pub(crate) owner_entity_type: String,
    pub(crate) takes_over: bool,
    pub(crate) actor: String,
}

/// What became of one item.
pub(crate) struct Outcome {
    pub(crate) item_id: String,
    /// The decision, and what was decided with it.
    pub(crate) decided: Result<(String, Vec<String>), Fault>,
}

/// What became of all.
pub(crate) struct Decided {
    pub(crate) outcomes: Vec<Outcome>,
    /// A filter finds more.
    pub(crate) more: bool,
}

/// Decides on items.
///
/// # Errors
/// [`FaultKind::InvalidInput`] for what is wrong with the request as a whole; [`FaultKind::WrongState`] without a
/// catalog. What is wrong with one item is in its outcome.
pub(crate) async fn decide(generator: &Generator, wish: &Decide) -> Result<Decided, Fault> {
    let verdict = check(wish)?;
    let loaded = catalog(generator).await?;
    let owner = new_owner(generator, &loaded, wish, verdict).await?;
    let now = generator.clock.now();
    let engine = generator.database.engine();
    let transaction = generator.database.begin().await?;
    // The sequence of decisions is the order in which they are seen: who decides later must commit later.
    generator.database.serialize(&transaction, "decisions").await?;
    let (asked, more) = asked(&transaction, engine, wish).await?;
    let ids: Vec<&str> = asked.iter().map(|(id, _)| id.as_str()).collect();
    let mut known = found_items::by_ids(&transaction, engine, &ids).await?;
    let mut new = New { verdict, wish, owner, now, kept: vec![], gone: vec![], items: HashSet::new() };
    let mut outcomes = Vec::with_capacity(asked.len());
    for (item_id, version) in &asked {
        let decided = match known.remove(item_id) {
            None => Err(Fault::not_found(format!("item {item_id} that waits for a decision"))),
            Some(item) => match judge(&loaded, &item, version, wish, verdict) {
                Ok(()) => Ok((new.add(item_id, &item), item)),
                Err(fault) => Err(fault),
            },
        };
        let decided = match decided {
            Ok((decision, item)) => Ok((decision, new.with(&transaction, engine, item_id, &item).await?)),
            Err(fault) => Err(fault),
        };
        outcomes.push(Outcome { item_id: item_id.clone(), decided });
    }
    new.with_roles(&transaction, engine, &mut outcomes).await?;
    decisions::add(&transaction, engine, &new.kept).await?;
    let gone: Vec<&str> = new.gone.iter().map(String::as_str).collect();
    found_items::remove(&transaction, engine, &gone).await?;
    let decided = new.kept.len();
    let concerned: BTreeSet<(String, String)> = new
        .kept
        .iter()
        .flat_map(|kept| kept.decision.concerns())
        .map(|owner| (owner.entity_type.clone(), owner.key.clone()))
        .collect();
    let owners = concerned.into_iter().map(|(entity_type, key)| Change::Owner { entity_type, key });
    // Whoever else looked at the resource may take it now, or no longer.
    let resources = new.kept.iter().filter_map(|kept| match &kept.decision.subject {
        Subject::Resource { entity_type, target_key } => {
            let (entity_type, key) = (entity_type.clone(), target_key.clone());
            Some(Change::Resource { entity_type, key, properties: None })
        }
        Subject::Property { .. } | Subject::Role { .. } => None,
    });
    changes::note(&generator.database, &transaction, owners.chain(resources)).await?;
    transaction.commit().await?;
    tracing::info!(actor = wish.actor, verdict = verdict.name(), decided, "decided on what was found");
    Ok(Decided { outcomes, more })
}

fn check(wish: &Decide) -> Result<Verdict, Violations> {
    let mut wrong = Violations::default();
    match (wish.items.len(), &wish.filter) {
        (0, None) => wrong.add("items", "must hold at least one item, or give a filter"),
        (1.., Some(_)) => wrong.add("filter", "must not be given beside items"),
        (count, None) if count > ITEMS_MAX => wrong.add("items", format!("hold more than {ITEMS_MAX} items")),
        (0, Some(filter)) if filter.is_empty() => {
            wrong.add("filter", "must narrow the items: say at least a kind, a resource type, an owner or a property");
        }
        _ => {}
    }
    match wish.verdict {
        None => wrong.add("verdict", "must be WRITE, KEEP, POSTPONE or DELETE"),
        Some(Verdict::Keep | Verdict::Delete) => wrong.require_text("comment", &wish.comment, COMMENT_MAX),
        Some(Verdict::Write | Verdict::Postpone) => wrong.check_text("comment", &wish.comment, COMMENT_MAX),
    }
    if !wish.owner_key.is_empty() && wish.verdict != Some(Verdict::Keep) {
        wrong.add("owner_key", "only goes with KEEP");
    }
    if wish.takes_over && wish.verdict != Some(Verdict::Keep) {
        wrong.add("take_over", "only goes with KEEP");
    }
    let verdict = wish.verdict.unwrap_or(Verdict::Postpone);
    wrong.into_result(verdict)
}

/// Whom resources that nobody owns are given to.
async fn new_owner(
    generator: &Generator,
    loaded: &Loaded,
    wish: &Decide,
    verdict: Verdict,
) -> Result<Option<Owner>, Fault> {
    if wish.owner_key.is_empty() || verdict != Verdict::Keep {
        return Ok(None);
    }
    let owners: Vec<String> =
        loaded.catalog.owner_entity_types().iter().map(|entity_type| entity_type.name.to_string()).collect();
    let entity_type = match (wish.owner_entity_type.as_str(), owners.as_slice()) {
        ("", [only]) => only.clone(),
        (name, _) if owners.iter().any(|owner| owner == name) => name.to_owned(),
        _ => return Err(Fault::invalid("owner_entity_type", format!("must be one of {}", owners.join(", ")))),
    };
    let connection = generator.database.read();
    if let Some(body) = assignments::owner(connection, &entity_type, &wish.owner_key).await? {
        return Ok(Some(from_json::<KnownOwner>(&body)?.owner));
    }
    match resources::get(connection, &entity_type, &wish.owner_key).await? {
        Some(found) => Ok(Some(Owner { entity_type, key: found.key.clone(), display_name: found.key })),
        None => Err(Fault::invalid("owner_key", format!("there is no {entity_type} '{}'", wish.owner_key))),
    }
}

async fn asked(
    connection: &impl ConnectionTrait,
    engine: Engine,
    wish: &Decide,
) -> Result<(Vec<(String, String)>, bool), Fault> {
    let Some(filter) = &wish.filter else {
        let mut seen = HashSet::new();
        let once = wish.items.iter().filter(|(id, _)| seen.insert(id.clone())).cloned().collect();
        return Ok((once, false));
    };
    let found = found_items::list(connection, filter, "", FILTERED_MAX).await?;
    let more = found.len() as u64 >= FILTERED_MAX;
    let mut ids: Vec<String> = found.into_iter().map(|(_, item)| item.id()).collect();
    if wish.verdict == Some(Verdict::Postpone) {
        // They stay in the list: who postpones all must not meet them again and again.
        let by_id: Vec<&str> = ids.iter().map(String::as_str).collect();
        let postponed = decisions::on_items(connection, engine, &by_id).await?;
        let is_postponed = |id: &String| postponed.get(id).is_some_and(|one| one.verdict == Verdict::Postpone);
        ids.retain(|id| !is_postponed(id));
    }
    let more = more && !ids.is_empty();
    Ok((ids.into_iter().map(|id| (id, String::new())).collect(), more))
}

/// Whether an item can be decided like that, as it is now.
fn judge(loaded: &Loaded, item: &Item, version: &str, wish: &Decide, verdict: Verdict) -> Result<(), Fault> {
    let subject = format!("item {}", item.id());
    if !item.kind.verdicts().contains(&verdict) {
        let can: Vec<&str> = item.kind.verdicts().iter().map(|verdict| verdict.name()).collect();
        let why = format!("cannot {} {}: it can be decided by {}", verdict.name(), what(item), can.join(", "));
        return Err(Fault::wrong_state(subject, why));
    }
    // Nothing says what it should be.
    if item.kind == Kind::Property && verdict == Verdict::Write && item.item.is_none() && item.why.is_empty() {
        let is_link = loaded.catalog.entity_type(&item.entity_type).and_then(|of| of.property(&item.name));
        if item.proposed.is_none() && is_link.is_none_or(|property| property.navigates_to().is_none()) {
            let why = format!("cannot write {}: no rule gives it a value; keep it, or see to the account", what(item));
            return Err(Fault::wrong_state(subject, why));
        }
    }
    if !wish.owner_key.is_empty() && item.kind != Kind::Orphan {
        let why =
            format!("cannot give {} an owner: it has one, {} {}", what(item), item.owner.entity_type, item.owner.key);
        return Err(Fault::wrong_state(subject, why));
    }
    if !version.is_empty() && version != item.version() {
        return Err(Fault::new(FaultKind::Conflict, moved(loaded, item)));
    }
    Ok(())
}

fn what(item: &Item) -> String {
    match item.kind {
        Kind::Property => format!("{} of {} {}", item.name, item.resource_type, item.target_key),
        Kind::Resource | Kind::Orphan | Kind::Unauthorized => format!("{} {}", item.resource_type, item.target_key),
        Kind::Role => format!("the role {}", item.name),
    }
}

/// What an item is by now.
fn moved(loaded: &Loaded, item: &Item) -> String {
    let catalog = Some(&*loaded.catalog);
    let shown = |value: &Option<Value>| match value {
        Some(_) if is_sensitive(catalog, &item.kind, &item.entity_type, &item.name) => "confidential".to_owned(),
        Some(value) => format!("'{value}'"),
        None => "nothing".to_owned(),
    };
    format!(
        "{} moved since it was seen: by now the rules say {}, and {} is there; look again and decide anew",
        what(item),
        shown(&item.proposed),
        shown(&item.current)
    )
}

/// The decisions of one call.
struct New<'a> {
    verdict: Verdict,
    wish: &'a Decide,
    owner: Option<Owner>,
    now: Timestamp,
    kept: Vec<Kept>,
    /// Items that no longer wait.
    gone: Vec<String>,
    /// Items that were decided.
    items: HashSet<String>,
}

impl New<'_> {
    fn add(&mut self, item_id: &str, item: &Item) -> String {
        let owner = self.owner.clone().filter(|_| item.kind == Kind::Orphan);
        self.note(item_id, item, self.verdict, owner)
    }

    fn note(&mut self, item_id: &str, item: &Item, verdict: Verdict, owner: Option<Owner>) -> String {
        let id = new_id().to_string();
        let decision = item.decided(Decision {
            sequence: 0,
            id: id.clone(),
            at: self.now,
            actor: self.wish.actor.clone(),
            comment: self.wish.comment.clone(),
            of: item.owner.clone(),
            subject: item.subject(),
            verdict,
            proposed: None,
            current: None,
            owner,
            takes_over: self.wish.takes_over,
        });
        self.kept.push(Kept { item_id: item_id.to_owned(), kind: item.kind, is_standing: true, decision });
        self.items.insert(item_id.to_owned());
        if verdict != Verdict::Postpone {
            self.gone.push(item_id.to_owned());
        }
        id
    }

    /// What goes with a decision on a role: its links go, or are no longer in question.
    async fn with(
        &mut self,
        connection: &impl ConnectionTrait,
        engine: Engine,
        item_id: &str,
        item: &Item,
    ) -> Result<Vec<String>, Fault> {
        if item.kind != Kind::Role || self.verdict == Verdict::Postpone {
            return Ok(vec![]);
        }
        let links: Vec<&str> = item.links.iter().map(String::as_str).filter(|link| *link != item_id).collect();
        let found = found_items::by_ids(connection, engine, &links).await?;
        let mut with = Vec::new();
        for link in links {
            let Some(line) = found.get(link).filter(|_| !self.items.contains(link)) else { continue };
            match self.verdict {
                Verdict::Delete => {
                    self.note(link, line, Verdict::Write, None);
                }
                // The role gives them by now.
                _ => self.gone.push(link.to_owned()),
            }
            with.push(link.to_owned());
        }
        Ok(with)
    }

    /// What goes with decisions on links: who keeps all links of a role keeps the role, and who takes one away
    /// leaves nothing to deduce it from.
    async fn with_roles(
        &mut self,
        connection: &impl ConnectionTrait,
        engine: Engine,
        outcomes: &mut [Outcome],
    ) -> Result<(), Fault> {
        let of_links = self.kept.iter().filter(|kept| {
            kept.kind == Kind::Property && matches!(kept.decision.verdict, Verdict::Keep | Verdict::Write)
        });
        let owners: HashSet<(String, String)> =
            of_links.map(|kept| (kept.decision.of.entity_type.clone(), kept.decision.of.key.clone())).collect();
        if owners.is_empty() {
            return Ok(());
        }
        let owners: Vec<&(String, String)> = owners.iter().collect();
        let roles = found_items::roles_of(connection, engine, &owners).await?;
        for (role_id, role) in roles {
            if self.items.contains(&role_id) || role.links.is_empty() {
                continue;
            }
            let links: Vec<&str> = role.links.iter().map(String::as_str).collect();
            let mut verdicts: HashMap<String, Verdict> = decisions::on_items(connection, engine, &links)
                .await?
                .into_iter()
                .map(|(id, decision)| (id, decision.verdict))
                .collect();
            let new = self.kept.iter().filter(|kept| links.contains(&kept.item_id.as_str()));
            verdicts.extend(new.map(|kept| (kept.item_id.clone(), kept.decision.verdict)));
            let is_all_kept = links.iter().all(|link| verdicts.get(*link) == Some(&Verdict::Keep));
            let is_broken = links.iter().any(|link| verdicts.get(*link) == Some(&Verdict::Write));
            if is_all_kept {
                self.note(&role_id, &role, Verdict::Keep, None);
            } else if is_broken {
                self.gone.push(role_id.clone());
            } else {
                continue;
            }
            let of_link = outcomes.iter_mut().find(|outcome| links.contains(&outcome.item_id.as_str()));
            if let Some(Ok((_, with))) = of_link.map(|outcome| &mut outcome.decided) {
                with.push(role_id);
            }
        }
        Ok(())
    }
}
