//! Whom it concerns that something changed since the last computation.
//!
//! The rule that must hold: whoever is not named here would be computed to what is kept of them already.
//! Naming somebody too many costs time and nothing else.

use super::compute::Base;
use super::inputs::{Scope, owners_of};
use super::verify::Candidates;
use super::world::Ground;
use crate::generator::Generator;
use crate::model::catalog::{Catalog, EntityType};
use crate::model::need::Need;
use crate::store::assignments::OwnerKey;
use crate::store::changes::Change;
use crate::store::{dependencies, orders};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// Whom a change concerns, and which orders may be shown by it.
pub(crate) struct Affected {
    pub(crate) scope: Scope,
    pub(crate) candidates: Candidates,
}

impl Affected {
    /// Everybody, and all orders.
    pub(crate) const EVERYBODY: Self = Self { scope: Scope::Everybody, candidates: Candidates::All };
}

/// Whom these changes concern, that came after the newest computation, and that there is another catalog since.
///
/// # Errors
/// When the database fails.
pub(crate) async fn affected(
    generator: &Generator,
    ground: &Ground,
    base: &Base,
    changes: Vec<Change>,
) -> Result<Affected, Fault> {
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    // Resources that nobody has are looked at like owners.
    let looked_at = ground.catalog().entity_types().iter().map(|entity_type| &*entity_type.name);
    let owner_types: BTreeSet<&str> = ground
        .catalog()
        .owner_entity_types()
        .iter()
        .map(|entity_type| &*entity_type.name)
        .chain(looked_at.filter(|name| ground.looks_for_strays(name)))
        .collect();
    let followed = Followed::by(ground.catalog());
    let mut owners: BTreeSet<OwnerKey> = BTreeSet::new();
    let mut resources: BTreeSet<(String, String)> = BTreeSet::new();
    let mut read_again: BTreeMap<String, i64> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Everything { .. } => return Ok(Affected::EVERYBODY),
            Change::Reading { entity_type, before } => {
                // The first of several is the one that the last computation saw.
                read_again.entry(entity_type).or_insert(before.unwrap_or(i64::MIN));
            }
            Change::Resource { entity_type, key, properties } => {
                if owner_types.contains(entity_type.as_str()) {
                    owners.insert((entity_type.clone(), key.clone()));
                }
                if followed.concerns(&entity_type, properties.as_deref()) {
                    resources.insert((entity_type, key));
                }
            }
            Change::Owner { entity_type, key } => {
                owners.insert((entity_type, key));
            }
        }
    }
    for (entity_type, since) in &read_again {
        for moved in orders::spoken_of(connection, entity_type, *since).await? {
            take(moved, &mut owners, &mut resources);
        }
    }
    for moved in orders::moved_since(connection, engine, base.orders).await? {
        take(moved, &mut owners, &mut resources);
    }
    owners.extend(dependencies::due(connection, engine, ground.now).await?);
    owners.extend(owners_of(generator, &base.touched.owner_types).await?);
    let mut needs = ground.texts.changed();
    needs.extend(&base.touched.needs);
    needs.extend(resources.iter().map(|(entity_type, key)| Need::resource(entity_type, key)));
    owners.extend(dependencies::dependents(connection, engine, &needs).await?);
    // What an order says of an owner that the catalog does not have is nobody's.
    owners.retain(|(entity_type, _)| owner_types.contains(entity_type.as_str()));
    Ok(Affected { scope: Scope::These(owners), candidates: Candidates::These { resources, read_again } })
}

/// What of a resource somebody else's result may be computed from.
struct Followed<'a> {
    catalog: &'a Catalog,
    /// The properties that expressions read of what navigations point at.
    properties: BTreeSet<String>,
}

impl<'a> Followed<'a> {
    fn by(catalog: &'a Catalog) -> Self {
        Self { catalog, properties: catalog.followed_properties() }
    }

    /// Whether a resource of which these properties changed may concern others. None means all of them.
    fn concerns(&self, entity_type: &str, properties: Option<&[String]>) -> bool {
        let Some(properties) = properties else { return true };
        let positions = |of: &EntityType| Some(of.context.as_ref()?.positions.as_ref()?.entity_type.clone());
        let is_whole = self.catalog.resource_types().iter().any(|kind| *kind.target == *entity_type)
            || self.catalog.entity_types().iter().filter_map(positions).any(|positions| *positions == *entity_type);
        is_whole || properties.iter().any(|property| self.properties.contains(property))
    }
}

fn take(moved: orders::Moved, owners: &mut BTreeSet<OwnerKey>, resources: &mut BTreeSet<(String, String)>) {
    resources.extend(moved.resource().map(|(entity_type, key)| (entity_type.to_owned(), key.to_owned())));
    owners.insert(moved.owner);
}
