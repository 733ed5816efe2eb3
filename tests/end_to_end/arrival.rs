//! A thousand people arrive, one gets another title, one leaves.

use crate::installation::Installation;
use anyhow::Result;
use provost_contract::types::v1::{ChangeOperation, OrderKind, ProvisioningState, value::Kind};
use provost_sample::special;

#[tokio::test(flavor = "multi_thread")]
async fn thousand_people_arrive_and_only_what_changes_is_written_again() -> Result<()> {
    let mut installation = Installation::start(1_000).await?;
    installation.run_job().await?;
    installation.assert_directory_is_as_expected().await;
    let active = installation.organisation.active().count() as i64;
    let counts = installation.counts().await?;
    assert_eq!(counts.get(&ProvisioningState::Verified), Some(&active), "{counts:?}");

    // Right after the first: nothing to do.
    let second = installation.run_job().await?;
    assert_eq!(installation.orders_of(&second).await?.len(), 0);
    assert_eq!(installation.counts().await?, counts);

    // A changed title is one order with one change.
    let person = installation.organisation.person_mut(special::DEMO_RETITLED).expect("the sample has this person");
    person.title = "Principal Analyst".into();
    let login = person.login.clone();
    installation.write_feed()?;
    let third = installation.run_job().await?;
    let orders = installation.orders_of(&third).await?;
    let [record] = orders.as_slice() else { panic!("one order expected: {orders:?}") };
    assert_eq!(record.state(), ProvisioningState::Verified);
    let order = record.order.as_ref().expect("an order");
    assert_eq!((order.kind(), order.target_key.as_str()), (OrderKind::Update, login.as_str()));
    let [change] = order.changes.as_slice() else { panic!("one change expected: {:?}", order.changes) };
    assert_eq!((change.property.as_str(), change.operation()), ("title", ChangeOperation::Set));
    let proposed = change.proposed.as_ref().and_then(|value| value.kind.clone());
    assert_eq!(proposed, Some(Kind::StringValue("Principal Analyst".into())));
    assert!(!change.why.is_empty(), "an order that cannot say why");
    installation.assert_directory_is_as_expected().await;

    // An end date in the past takes away the account and its memberships, and nothing else.
    let yesterday = installation.organisation.today - chrono::Days::new(2);
    let person = installation.organisation.person_mut(special::DEMO_LEAVER).expect("the sample has this person");
    person.end_date = Some(yesterday);
    let login = person.login.clone();
    installation.write_feed()?;
    let fourth = installation.run_job().await?;
    let orders = installation.orders_of(&fourth).await?;
    let [record] = orders.as_slice() else { panic!("one order expected: {orders:?}") };
    let order = record.order.as_ref().expect("an order");
    assert_eq!((order.kind(), order.target_key.as_str()), (OrderKind::Deletion, login.as_str()));
    assert_eq!(record.state(), ProvisioningState::Verified);
    installation.assert_directory_is_as_expected().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_on_sqlite_come_to_the_same_end() -> Result<()> {
    let installation = Installation::start_on_sqlite(60).await?;
    installation.run_job().await?;
    installation.assert_directory_is_as_expected().await;
    let active = installation.organisation.active().count() as i64;
    let counts = installation.counts().await?;
    assert_eq!(counts.get(&ProvisioningState::Verified), Some(&active), "{counts:?}");
    let second = installation.run_job().await?;
    assert_eq!(installation.orders_of(&second).await?.len(), 0);
    Ok(())
}
