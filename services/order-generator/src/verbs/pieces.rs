//! Writing out many orders without holding them all: piece by piece, the next pieces while one is on its
//! way.

use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::generate::{Intent, Run, Standing, write};
use crate::store::assignments::{self, AssignmentKey, Depth};
use futures::{Stream, StreamExt, stream};
use provost_domain::Order;
use provost_service_kit::Fault;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

/// Orders that one piece holds: two messages of a submission.
const ORDERS_PER_PIECE: usize = 2_000;
/// Pieces that are made ready while one is on its way.
const AHEAD: usize = 3;

/// Orders, each with the intent behind it.
pub(super) type Orders = Vec<(Intent, Order)>;

/// How much work goes on side by side.
pub(super) fn beside() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// What orders are written out from.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    pub(super) loaded: &'a Arc<Loaded>,
    pub(super) run: &'a Arc<Run>,
    pub(super) standings: &'a Arc<Vec<Standing>>,
}

impl<'a> Pieces<'a> {
    /// What `make` makes of the orders of these intents, from the assignments that were kept. They are read
    /// anew, since all of them together may be more than fits into memory.
    pub(super) fn stored<T: Send + 'static>(
        self,
        generator: &'a Generator,
        intents: &'a [Intent],
        make: fn(Orders) -> T,
    ) -> impl Stream<Item = Result<T, Fault>> + Send + 'a {
        let (loaded, run) = (Arc::clone(self.loaded), Arc::clone(self.run));
        let pieces = intents.chunks(ORDERS_PER_PIECE).map(move |intents| {
            let (loaded, run) = (Arc::clone(&loaded), Arc::clone(&run));
            let database = generator.database.clone();
            let key = |intent: &Intent| self.standings.get(intent.place).and_then(|one| one.key(&loaded.catalog));
            // The place of each intent decides; one without a key finds nothing.
            let keys: Vec<AssignmentKey> = intents.iter().map(|intent| key(intent).unwrap_or_default()).collect();
            let intents = intents.to_vec();
            at_once(async move {
                let texts = assignments::by_keys(database.read(), database.engine(), &keys).await?;
                let made = move || {
                    let mut orders = Orders::with_capacity(intents.len());
                    for (intent, text) in intents.into_iter().zip(texts) {
                        let Some(text) = text else { continue };
                        let order = write(&loaded.catalog, &run, &intent, text.read_to(Depth::Order)?);
                        orders.extend(order.map(|order| (intent, order)));
                    }
                    Ok(make(orders))
                };
                tokio::task::spawn_blocking(made).await.map_err(Fault::internal)?
            })
        });
        stream::iter(pieces).buffered(AHEAD)
    }

    /// What `make` makes of the orders of these intents, from assignments in memory by the place of their
    /// standing.
    pub(super) fn in_memory<T: Send + 'static>(
        self,
        in_need: &'a Arc<HashMap<usize, Assignment>>,
        intents: &'a [Intent],
        make: fn(Orders) -> T,
    ) -> impl Stream<Item = Result<T, Fault>> + Send + 'a {
        let pieces = intents.chunks(ORDERS_PER_PIECE).map(move |intents| {
            let (loaded, run) = (Arc::clone(self.loaded), Arc::clone(self.run));
            let (in_need, intents) = (Arc::clone(in_need), intents.to_vec());
            at_once(async move {
                let made = move || {
                    let order = |intent: Intent| {
                        let assignment = in_need.get(&intent.place)?.clone();
                        let order = write(&loaded.catalog, &run, &intent, assignment)?;
                        Some((intent, order))
                    };
                    make(intents.into_iter().filter_map(order).collect())
                };
                tokio::task::spawn_blocking(made).await.map_err(Fault::internal)
            })
        });
        stream::iter(pieces).buffered(AHEAD)
    }
}

/// Begins the work when the future is made, not when somebody waits for it: so it goes on while an earlier
/// piece is on its way.
fn at_once<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> impl Future<Output = Result<T, Fault>> + Send {
    let task = tokio::spawn(work);
    async move { task.await.map_err(Fault::internal)? }
}
