//! What came before an order in its lane.

use provost_domain::OrderId;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::HashSet;
use std::time::Duration;

/// What an order says that it found was read at most so long before it was generated.
const READ_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);

/// Those of the orders whose resource an earlier order may have written since they were planned: what they say that
/// they found is not what is there any more.
pub(crate) async fn written_since(
    connection: &impl ConnectionTrait,
    orders: &[OrderId],
) -> Result<HashSet<OrderId>, DbErr> {
    let mut found = HashSet::new();
    for piece in pieces(orders) {
        let ids: Vec<_> = piece.iter().map(|order| order.uuid()).collect();
        let mut sql = Sql::new(
            "SELECT later.id FROM orders later WHERE EXISTS (SELECT 1 FROM orders earlier \
             WHERE earlier.lane = later.lane AND earlier.sequence < later.sequence AND earlier.attempts > 0 \
             AND earlier.updated_at > later.generated_at - ",
        );
        sql.bind(i64::try_from(READ_BEFORE.as_millis()).unwrap_or(i64::MAX)).push(") AND later.id").among(&ids);
        for row in sql.all(connection).await? {
            found.insert(OrderId::new(row.try_get("", "id")?));
        }
    }
    Ok(found)
}
