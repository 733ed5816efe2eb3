//! The contexts of an owner: positions, their times and dimensions.

use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::evaluate::ContextSeen;
use crate::store::assignments::OwnerKey;
use crate::verbs::compute::ground_of_now;
use crate::verbs::inputs::Batch;
use provost_service_kit::{Fault, FaultKind};
use std::sync::Arc;

/// The contexts of an owner; none before the role model was computed by this catalog, or when what is known of the
/// managed systems no longer fits it: who looks at permissions shall see the rest.
pub(crate) async fn contexts(
    generator: &Generator,
    loaded: Arc<Loaded>,
    owner: &OwnerKey,
) -> Result<Vec<ContextSeen>, Fault> {
    let ground = match ground_of_now(generator, loaded).await {
        Ok(Some(ground)) => ground,
        Ok(None) => return Ok(vec![]),
        Err(fault) if fault.kind() == FaultKind::WrongState => return Ok(vec![]),
        Err(fault) => return Err(fault),
    };
    let batch = Batch::evaluated(generator, &ground, vec![owner.clone()]).await?;
    let seen = batch.explained(generator).await?.into_iter().next().flatten();
    Ok(seen.map(|seen| seen.contexts).unwrap_or_default())
}
