//! Systems that nobody can read: whoever wrote an order is believed, once, and the newest order of a resource
//! stands.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::types::v1::value::Kind;
use provost_testkit::{engines, eventually};
use std::time::Duration;
use support::Suite;
use support::organisation::{NO_LIMITS, catalog_with, hire, leave, people};
use tonic::Code;

const EXPORT: &str = "    export: vault-sql\n";

/// The vault is written without review, and read or not.
fn catalog(is_read: bool) -> String {
    let text = catalog_with(NO_LIMITS, &format!("review: false\n    {NO_LIMITS}"));
    assert!(text.contains(EXPORT));
    if is_read { text } else { text.replace(EXPORT, "") }
}

/// The safes as the ledger has them, oldest first.
fn states(suite: &Suite) -> Vec<String> {
    suite.ledger.table().into_iter().filter(|row| row.0 == "SafeAccess").map(|row| row.3).collect()
}

/// The title and the order that a safe is known by, once that is the newest order of it.
async fn believed(suite: &Suite, key: &str) -> (Option<Kind>, String) {
    let newest = suite.ledger.read(|orders| {
        let safes = orders.iter().filter(|held| held.order.resource_type == "SafeAccess");
        safes.filter(|held| held.order.target_key == key).map(|held| held.order.id.to_string()).next_back().unwrap()
    });
    let safe = eventually("the word to be taken", Duration::from_secs(20), async || {
        let safe = suite.resource("Safe", key).await.map_err(|status| status.message().to_owned())?;
        if safe.virtual_order_id == newest { Ok(safe) } else { Err(format!("{safe:?}")) }
    })
    .await;
    assert!(safe.seen_at.is_some() && !safe.properties.contains_key("pin"), "{safe:?}");
    (safe.properties.get("title").and_then(|title| title.kind.clone()), newest)
}

fn title(text: &str) -> Option<Kind> {
    Some(Kind::StringValue(text.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_orders_are_believed_and_verified_by_the_next_computation() {
    for engine in engines().await {
        let mut suite = Suite::start(&engine.url).await;
        suite.apply(&catalog(false)).await;
        let world = people(0);
        hire(&world, 1, "Finance");
        suite.synchronize(&world).await;
        assert_eq!(suite.resource("Safe", "p1").await.unwrap_err().code(), Code::NotFound);
        suite.generate().await;
        suite.ledger.execute_pending();
        assert_eq!(believed(&suite, "p1").await.0, title("Clerk"), "{}", engine.name);
        assert_eq!(suite.compute().await.verified, 1, "{}: the account waits for its export", engine.name);
        assert_eq!(states(&suite), ["Verified"], "{}", engine.name);

        // A confidential value is compared, though the feed never shows it.
        world.set("Person", "E1", "pin", "another");
        world.set("Person", "E1", "title", "Boss");
        suite.synchronize(&world).await;
        suite.generate().await;
        // The one that follows the feed dies before the order is executed.
        suite.kill_and_restart().await;
        suite.ledger.execute_pending();
        assert_eq!(believed(&suite, "p1").await.0, title("Boss"), "{} {:?}", engine.name, suite.ledger.table());
        suite.clock.advance(Duration::from_secs(16));
        suite.compute().await;
        assert_eq!(states(&suite), ["Verified", "Verified"], "{}", engine.name);
        suite.generate().await;
        assert_eq!(states(&suite).len(), 2, "{}: nothing differs", engine.name);

        leave(&world, "E1", "2026-02-28");
        suite.synchronize(&world).await;
        suite.generate().await;
        suite.ledger.execute_pending();
        eventually("the safe to be gone", Duration::from_secs(20), async || match suite.resource("Safe", "p1").await {
            Err(status) if status.code() == Code::NotFound => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
        suite.compute().await;
        assert_eq!(states(&suite), ["Verified"; 3], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_executed_before_the_catalog_said_so_is_believed_then() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog(true)).await;
        let world = people(0);
        hire(&world, 1, "Finance");
        suite.synchronize(&world).await;
        suite.generate().await;
        suite.ledger.execute_pending();
        suite.compute().await;
        assert_eq!(states(&suite), ["Executed"], "{}: an export has to show it", engine.name);
        suite.apply(&catalog(false)).await;
        suite.compute().await;
        assert_eq!(states(&suite), ["Verified"], "{}", engine.name);
        assert_eq!(believed(&suite, "p1").await.0, title("Clerk"));

        // It can be read again: what is read counts, and the word no longer does.
        suite.apply(&catalog(true)).await;
        world.put("Safe", "p1", &[("login", "p1".into()), ("title", "Clerk".into()), ("pin", "secret-1".into())]);
        suite.synchronize(&world).await;
        assert_eq!(suite.resource("Safe", "p1").await.unwrap().virtual_order_id, "", "{}", engine.name);
        suite.generate().await;
        assert_eq!(states(&suite), ["Verified"], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_export_has_contradicted_is_not_believed() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog(true)).await;
        let world = people(0);
        hire(&world, 1, "Finance");
        suite.synchronize(&world).await;
        suite.generate().await;
        suite.ledger.execute_pending();
        // The export began later, and does not show it.
        suite.synchronize(&world).await;
        suite.apply(&catalog(false)).await;
        suite.compute().await;
        assert_eq!(states(&suite), ["Executed"], "{}", engine.name);
        assert_eq!(suite.resource("Safe", "p1").await.unwrap_err().code(), Code::NotFound, "{}", engine.name);
        let request = ListReconciliationItemsRequest::default();
        let items = suite.reconciliation().list_reconciliation_items(request).await.unwrap().into_inner().items;
        assert!(items.iter().any(|item| item.resource_type == "SafeAccess"), "{}: {items:?}", engine.name);
    }
}
