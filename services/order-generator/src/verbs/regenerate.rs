//! For whom orders have to be generated anew: those whom a computation found in need of something or no longer in
//! need, and those who have to do with an order that moved since.
//!
//! The rule that must hold: whoever is not named here would be generated nothing, and nothing of theirs cancelled,
//! by a generation for everybody. Naming somebody too many costs time and nothing else.

use super::inputs::Person;
use super::texts::Texts;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::catalog::Catalog;
use crate::model::generate::{claim, may_need_an_order};
use crate::model::need::Need;
use crate::store::assignments::OwnerKey;
use crate::store::computations::{self, Options};
use crate::store::ungenerated::{self, Marks};
use crate::store::{assignments, dependencies, orders};
use provost_service_kit::{Engine, Fault, feed};
use sea_orm::DatabaseTransaction;
use std::collections::{BTreeMap, BTreeSet};

/// The cursor up to which generations have looked at whom orders of the ledger's feed concern.
const LOOKED_AT: &str = "fulfillment orders, looked at by generation";
/// Of so many owners it is asked whether everybody is not quicker.
const MANY: usize = 5_000;

/// What a computation found of an owner, as far as generation has to know.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    /// The owner may need an order.
    is_in_need: bool,
    /// Resources that the owner claims no longer, or otherwise, and whose other claimants were not computed for that.
    released: Vec<(String, String)>,
    /// How many more resources of a type the owner has than before.
    existing: Vec<(String, i64)>,
}

impl Outlook {
    /// Of an owner that was just computed, of whom some assignments differ from what was kept or do not.
    pub(crate) fn of(
        catalog: &Catalog,
        previous: Option<&BTreeMap<String, Assignment>>,
        person: &Person,
        differs: bool,
    ) -> Self {
        let is_in_need = person.assignments.iter().any(may_need_an_order);
        if !differs {
            return Self { is_in_need, ..Self::default() };
        }
        let before = || previous.into_iter().flat_map(BTreeMap::values);
        let claims_before: BTreeSet<_> = before().filter_map(|one| claim(catalog, one)).collect();
        let claims: BTreeSet<_> = person.assignments.iter().filter_map(|one| claim(catalog, one)).collect();
        // Whoever claims what the owner claims, or claimed before, was computed with it.
        let was_looked_at = |entity_type: &str, key: &str| {
            let need = Need::resource(entity_type, key);
            let kept = person.kept.dependencies.as_ref();
            person.claimed.needs.contains(&need) || kept.is_some_and(|kept| kept.claims.contains(&need))
        };
        let released = claims.symmetric_difference(&claims_before).map(|(entity_type, key, _)| (*entity_type, *key));
        let released = released.filter(|(entity_type, key)| !was_looked_at(entity_type, key));
        let released = released.map(|(entity_type, key)| (entity_type.to_owned(), key.to_owned())).collect();
        let mut existing: BTreeMap<&str, i64> = BTreeMap::new();
        for (one, more) in before().map(|one| (one, -1)).chain(person.assignments.iter().map(|one| (one, 1))) {
            if one.exists() {
                *existing.entry(&one.resource_type).or_default() += more;
            }
        }
        let existing = existing.into_iter().filter(|(_, more)| *more != 0);
        Self { is_in_need, released, existing: existing.map(|(name, more)| (name.to_owned(), more)).collect() }
    }
}

/// Notes what a computation found, in the transaction that keeps it. One by another catalog concerns everybody.
pub(crate) async fn note<'a>(
    transaction: &DatabaseTransaction,
    _engine: Engine,
    is_by_another_catalog: bool,
    found: impl Iterator<Item = (&'a OwnerKey, &'a Outlook)>,
) -> Result<(), Fault> {
    let mut marks = Marks { everybody: is_by_another_catalog, ..Marks::default() };
    let mut existing: BTreeMap<String, i64> = BTreeMap::new();
    for (owner, outlook) in found {
        if !marks.everybody {
            marks.add(owner, outlook.is_in_need);
            marks.resources.extend(outlook.released.iter().cloned());
        }
        for (name, more) in &outlook.existing {
            *existing.entry(name.clone()).or_default() += more;
        }
    }
    // As the computation that is being kept.
    let stamp = computations::newest_sequence(transaction).await?.unwrap_or_default() + 1;
    ungenerated::note(transaction, stamp, &marks).await?;
    Ok(ungenerated::count(transaction, &existing).await?)
}

/// Whose orders somebody wants generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Everybody's.
    All,
    /// Theirs for whom a generation for everybody would do anything.
    Changed,
}

/// Whose orders are generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Everybody's.
    Everybody,
    /// These owners'; of each resource type, so many resources exist and are somebody's, whoever's they are.
    These { owners: BTreeSet<OwnerKey>, existing: BTreeMap<String, i64> },
}

impl Whose {
    /// Whose orders have to be generated, by what is marked and by which orders moved.
    pub(super) async fn read(generator: &Generator, which: Which, options: &Options) -> Result<Self, Fault> {
        // Who forces reviews wants them of whatever is on its way.
        if which == Which::All || options.force_review {
            return Ok(Self::Everybody);
        }
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        let Marks { everybody, in_need, settled, all_settled, resources, waived } =
            ungenerated::read(connection).await?;
        let orders_until = computations::newest(connection).await?.and_then(|newest| newest.orders_until);
        let (Some(orders_until), Some(existing)) = (orders_until, ungenerated::existing(connection).await?) else {
            return Ok(Self::Everybody);
        };
        if everybody || (waived && !options.waive_review) {
            return Ok(Self::Everybody);
        }
        let mut owners = in_need;
        owners.extend(match all_settled {
            true => orders::owners_of_open(connection).await?,
            false => {
                let settled: Vec<&OwnerKey> = settled.iter().collect();
                orders::open_of(connection, engine, &settled).await?.into_keys().collect()
            }
        });
        let mut needs: BTreeSet<Need> =
            resources.iter().map(|(entity_type, key)| Need::resource(entity_type, key)).collect();
        // What moved before, the computation has seen, or a generation that left nothing of it.
        let seen = orders_until.max(feed::cursor(connection, LOOKED_AT).await?);
        for moved in orders::moved_since(connection, engine, seen).await? {
            needs.extend(moved.resource().map(|(entity_type, key)| Need::resource(entity_type, key)));
            owners.insert(moved.owner);
        }
        let dependents = dependencies::dependents(connection, engine, &needs).await?;
        owners.extend(dependents.into_iter().filter(Texts::is_owner));
        if owners.len() > MANY && owners.len() > assignments::count_owners(connection).await? / 2 {
            return Ok(Self::Everybody);
        }
        Ok(Self::These { owners, existing })
    }
}

/// What a generation that submitted leaves for the next one.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The computation whose result was generated: what was noted up to it is done.
    pub(super) until: i64,
    /// The cursor of the order feed up to which it was looked at whom orders concern; none when that was not asked.
    pub(super) seen: Option<i64>,
    /// Whoever did not get what was meant: the ledger refused it.
    pub(super) again: BTreeSet<OwnerKey>,
    /// So did others, who are not named.
    pub(super) everybody_again: bool,
    /// How many resources of each type exist and are somebody's, where all were looked at.
    pub(super) existing: Option<BTreeMap<String, i64>>,
}

impl Left {
    /// Keeps it.
    pub(super) async fn keep(
        self,
        transaction: &DatabaseTransaction,
        _engine: Engine,
        options: &Options,
    ) -> Result<(), Fault> {
        let Self { until, seen, again, everybody_again, existing } = self;
        if let Some(seen) = seen {
            let before = feed::cursor(transaction, LOOKED_AT).await?;
            feed::advance(transaction, LOOKED_AT, before, seen).await?;
        }
        ungenerated::forget(transaction, until).await?;
        let (everybody, waived) = (everybody_again, options.waive_review);
        let marks = Marks { everybody, in_need: again, waived, ..Marks::default() };
        ungenerated::note(transaction, until, &marks).await?;
        if let Some(existing) = existing {
            ungenerated::recount(transaction, existing.iter().map(|(name, count)| (name.as_str(), *count))).await?;
        }
        Ok(())
    }
}
