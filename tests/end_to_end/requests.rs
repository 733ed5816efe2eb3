//! Somebody asks for a role, two others agree, and the directory has it; it is taken away, and the directory has
//! it no longer. Whatever dies in between, nothing is lost.

use crate::installation::Installation;
use anyhow::{Result, anyhow};
use provost_contract::generator::v1::{
    AssignmentRequestRecord, GetRequestRequest, RequestAssignmentRequest, RevokeAssignmentRequest,
};
use provost_contract::review::v1::{ApproveRequest, DeclineRequest};
use provost_contract::types::v1::{ChangeOperation, ProvisioningState, WorkflowState as S};
use provost_service_kit::caller::request_as;
use provost_service_kit::new_id;
use provost_testkit::eventually;
use std::time::Duration;
use tonic::Code;

const MINUTES: Duration = Duration::from_secs(180);
const ROLE: &str = "leadership";

async fn stands(installation: &Installation, id: &str, state: S) -> AssignmentRequestRecord {
    eventually(&format!("the request to be {state:?}"), MINUTES, async || {
        let request = GetRequestRequest { request_id: id.to_owned() };
        let record = installation.assignments()?.get_request(request).await?.into_inner();
        if record.workflow_state() == state { Ok(record) } else { Err(anyhow!("{record:?}")) }
    })
    .await
}

async fn approve(installation: &Installation, actor: &str, id: &str) {
    eventually("an answer from review", MINUTES, async || {
        let request = ApproveRequest { review_id: id.to_owned(), ..Default::default() };
        Ok::<_, anyhow::Error>(installation.reviews()?.approve(request_as(actor, request)).await?)
    })
    .await;
}

/// Runs the job, and says what it changed in the owner's groups.
async fn changed_groups(installation: &Installation, owner: &str) -> Result<Vec<ChangeOperation>> {
    let run = installation.run_job().await?;
    let orders = installation.orders_of(&run).await?;
    assert!(orders.iter().all(|record| record.state() == ProvisioningState::Verified), "{orders:?}");
    let orders = orders.into_iter().filter_map(|record| record.order);
    let own = orders.filter(|order| order.owner.as_ref().is_some_and(|found| found.key == owner));
    let changes = own.flat_map(|order| order.changes).filter(|change| change.property == "groups");
    Ok(changes.map(|change| change.operation()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_role_is_approved_by_two_written_and_taken_away() -> Result<()> {
    let installation = Installation::start_with_approvals(60).await?;
    installation.run_job().await?;
    let is_led = |manager: Option<&str>| manager.is_some_and(|manager| manager != "E000001");
    let mut people = installation.organisation.active();
    let person = people.find(|person| is_led(person.manager.as_deref())).expect("most people have a manager");
    let owner = person.employee_id.clone();
    let ask = |id: &str| RequestAssignmentRequest {
        request_id: id.to_owned(),
        owner_key: owner.clone(),
        role: ROLE.into(),
        comment: "stands in for the chief".into(),
        ..Default::default()
    };

    // Declined: nothing comes of it.
    let declined = new_id().to_string();
    installation.assignments()?.request_assignment(request_as("eve", ask(&declined))).await?;
    stands(&installation, &declined, S::PendingApproval1Of2).await;
    let decline = DeclineRequest { review_id: declined.clone(), comment: "no".into(), version: 0 };
    installation.reviews()?.decline(request_as("ada", decline)).await?;
    stands(&installation, &declined, S::Declined).await;
    assert_eq!(changed_groups(&installation, &owner).await?, []);

    // Review is down while it is asked for, and hears of it later.
    installation.process("review").kill9().await;
    let id = new_id().to_string();
    let made = installation.assignments()?.request_assignment(request_as("eve", ask(&id))).await?.into_inner();
    assert_eq!((made.workflow_state(), made.approvals_required), (S::Requested, 2));
    installation.process("order-generator").kill9().await;
    installation.process("review").restart().await;
    installation.process("order-generator").restart().await;
    stands(&installation, &id, S::PendingApproval1Of2).await;
    approve(&installation, "ada", &id).await;
    installation.process("order-generator").kill9().await;
    installation.process("order-generator").restart().await;
    stands(&installation, &id, S::PendingApproval2Of2).await;
    for (actor, words) in [("ada", "ada approved step 1 of 2"), ("eve", "eve asked for it")] {
        let again = ApproveRequest { review_id: id.clone(), ..Default::default() };
        let refused = installation.reviews()?.approve(request_as(actor, again)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains(words), "{refused}");
    }
    assert_eq!(changed_groups(&installation, &owner).await?, [], "one approval is not enough");
    approve(&installation, "bob", &id).await;
    let approved = stands(&installation, &id, S::Approved).await;
    assert_eq!(approved.state_reason, "requested by eve, approved by ada and bob");
    assert_eq!(changed_groups(&installation, &owner).await?, [ChangeOperation::Add]);

    let id = new_id().to_string();
    let revoke = RevokeAssignmentRequest {
        request_id: id.clone(),
        owner_key: owner.clone(),
        role: ROLE.into(),
        comment: "the chief is back".into(),
        ..Default::default()
    };
    installation.assignments()?.revoke_assignment(request_as("eve", revoke)).await?;
    stands(&installation, &id, S::PendingApproval1Of2).await;
    approve(&installation, "ada", &id).await;
    approve(&installation, "bob", &id).await;
    stands(&installation, &id, S::Approved).await;
    assert_eq!(changed_groups(&installation, &owner).await?, [ChangeOperation::Remove]);
    installation.assert_directory_is_as_expected().await;
    Ok(())
}
