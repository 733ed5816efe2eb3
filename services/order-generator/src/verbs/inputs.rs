//! What a computation of the role model looks at, read for everybody or for some owners.
//!
//! The rule that must hold: reading does not judge. Whoever computes for some owners gets the same
//! inputs of theirs as whoever computes for everybody.

use super::known::{Lanes, lanes};
use super::world::World;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::decision::Decisions;
use crate::store::assignments::{self, AssignmentKey, OwnerKey};
use crate::store::{decisions, from_json};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Whom a computation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody who can own something, and whoever had something.
    Everybody,
    /// These owners.
    These(BTreeSet<OwnerKey>),
}

impl Scope {
    /// Whether an owner is meant.
    pub(crate) fn holds(&self, owner: &OwnerKey) -> bool {
        match self {
            Self::Everybody => true,
            Self::These(owners) => owners.contains(owner),
        }
    }
}

/// Everything that the model looks at.
pub(crate) struct Inputs {
    /// The catalog and the repository.
    pub(crate) world: World,
    /// What is known of the orders of each lane.
    pub(crate) lanes: Lanes,
    /// What was assigned last time, by owner and resource type.
    pub(crate) previous: HashMap<OwnerKey, BTreeMap<String, Assignment>>,
    /// What people decided on what was found.
    pub(crate) decisions: Decisions,
    /// What the computation before this one left, as it is kept.
    pub(crate) before: Before,
}

impl Inputs {
    /// Reads what is needed to compute for the owners of a scope, by a catalog.
    ///
    /// # Errors
    /// When a system that is to be synchronized has never been.
    pub(crate) async fn read(
        generator: &Generator,
        loaded: Arc<Loaded>,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let before = Before::read(generator, scope).await?;
        let world = World::read(generator, loaded, scope, now).await?;
        let previous = before.assignments()?;
        let decisions = decisions::standing(generator.database.read()).await?;
        Ok(Self { world, lanes: lanes(generator).await?, previous, decisions, before })
    }
}

/// What the computation before this one left, as it is kept.
pub(crate) struct Before {
    /// Each owner.
    pub(crate) owners: HashMap<OwnerKey, String>,
    /// Each assignment.
    pub(crate) assignments: HashMap<AssignmentKey, String>,
}

impl Before {
    async fn read(generator: &Generator, scope: &Scope) -> Result<Self, Fault> {
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        match scope {
            Scope::Everybody => Ok(Self {
                owners: assignments::owners(connection).await?,
                assignments: assignments::assignments(connection).await?,
            }),
            Scope::These(owners) => {
                let owners: Vec<&OwnerKey> = owners.iter().collect();
                Ok(Self {
                    owners: assignments::these_owners(connection, engine, &owners).await?,
                    assignments: assignments::of_owners(connection, engine, &owners).await?,
                })
            }
        }
    }

    fn assignments(&self) -> Result<HashMap<OwnerKey, BTreeMap<String, Assignment>>, Fault> {
        let mut found: HashMap<OwnerKey, BTreeMap<String, Assignment>> = HashMap::new();
        for ((owner_type, owner_key, resource_type), body) in &self.assignments {
            let of_owner = found.entry((owner_type.clone(), owner_key.clone())).or_default();
            of_owner.insert(resource_type.clone(), from_json(body)?);
        }
        Ok(found)
    }
}
