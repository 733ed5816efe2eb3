//! Catalogs over the wire, and what one owner is shown to have.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::to_wire;
use provost_contract::types::v1::{ProvisioningState, WorkflowState};
use provost_domain::Event;
use provost_testkit::engines;
use sea_orm::ConnectionTrait;
use support::organisation::{catalog, people};
use support::{Agent, Suite};
use tonic::{Code, Status};

fn files(files: &[(&str, &str)], validate_only: bool) -> ApplyCatalogRequest {
    let file =
        |(name, content): &(&str, &str)| CatalogFile { name: (*name).to_owned(), content: (*content).to_owned() };
    ApplyCatalogRequest { files: files.iter().map(file).collect(), validate_only }
}

async fn apply(suite: &Suite, request: ApplyCatalogRequest) -> Result<ApplyCatalogResponse, Status> {
    suite.catalog().apply_catalog(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_grows_the_revision_only_when_something_changed() {
    for engine in engines().await {
        let mut suite = Suite::start(&engine.url).await;
        let none = suite.catalog().get_catalog(GetCatalogRequest {}).await.unwrap_err();
        assert_eq!(none.code(), Code::NotFound, "{}", engine.name);
        let text = catalog();
        let checked = apply(&suite, files(&[("a.yaml", &text)], true)).await.unwrap();
        assert_eq!((checked.applied, checked.revision, checked.problems.len()), (false, 0, 0));
        let first = apply(&suite, files(&[("a.yaml", &text)], false)).await.unwrap();
        assert!(first.applied);
        assert_eq!(first.declared["resource types"], 2);
        let same = apply(&suite, files(&[("a.yaml", &text)], false)).await.unwrap();
        assert_eq!((same.applied, same.revision), (true, first.revision));
        let other = text.replace("Finance, staff", "Finance people");
        let second = apply(&suite, files(&[("a.yaml", &other)], false)).await.unwrap();
        assert!(second.revision > first.revision);
        suite.kill_and_restart().await;
        let kept = suite.catalog().get_catalog(GetCatalogRequest {}).await.unwrap().into_inner();
        assert_eq!((kept.revision, kept.files[0].content.as_str()), (second.revision, other.as_str()));
        assert_eq!(kept.applied_by, "anonymous");
        assert!(kept.applied_at.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_comes_in_one_answer_and_nothing_is_applied() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let good = suite.apply(&catalog()).await;
        let wrong = catalog()
            .replace("value: owner.title", "value: owner.titel")
            .replace("role: finance, target", "role: finanse, target")
            .replace("connection: vault-sql", "connection: nowhere");
        let refused = apply(&suite, files(&[("wrong.yaml", &wrong)], false)).await.unwrap();
        assert_eq!((refused.applied, refused.revision), (false, good.revision), "{}", engine.name);
        for word in ["titel", "finanse", "nowhere"] {
            let named = refused.problems.iter().find(|problem| problem.message.contains(word));
            let problem = named.unwrap_or_else(|| panic!("no problem names {word}: {:#?}", refused.problems));
            assert_eq!(problem.file, "wrong.yaml");
            assert!(problem.line > 1 && problem.column >= 1, "{problem:?}");
            assert!(wrong.lines().nth(problem.line as usize - 1).unwrap().contains(word), "{problem:?}");
        }
        let kept = suite.catalog().get_catalog(GetCatalogRequest {}).await.unwrap().into_inner();
        assert_eq!(kept.revision, good.revision);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_there_before_any_catalog() {
    let suite = Suite::start("sqlite::memory:").await;
    let schema = suite.catalog().get_catalog_schema(GetCatalogSchemaRequest {}).await.unwrap().into_inner().schema;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["resource_type"]["properties"]["query_rules"]["description"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_catalog_are_kept() {
    let suite = Suite::start("sqlite::memory:").await;
    let none = apply(&suite, files(&[], false)).await.unwrap_err();
    assert_eq!((none.code(), none.message()), (Code::InvalidArgument, "files must hold at least one file"));
    let many: Vec<_> = (0..101).map(|number| format!("{number}.yaml")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(apply(&suite, files(&many, false)).await.unwrap_err().message(), "files hold more than 100 files");
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    let refused = apply(&suite, files(&[("", &large), ("a", ""), ("a", "")], true)).await.unwrap_err();
    for part in [
        "files[0].name must not be empty",
        "files[0].content is larger than",
        "files[2].name 'a' is the name of another file",
    ] {
        assert!(refused.message().contains(part), "{part} is missing in {}", refused.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_shows_roles_values_and_states_but_no_secrets() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        let run = suite.run("complete").await;
        let agent = Agent::working(&suite, &world);
        suite.watch(&run.run_id).await;
        let shown = suite.permissions("E1").await;
        assert_eq!(shown.owner.as_ref().unwrap().display_name, "Person 1", "{}", engine.name);
        assert_eq!((shown.roles[0].role.as_str(), shown.roles[0].display_name.as_str()), ("finance", "Finance, staff"));
        assert!(!shown.roles[0].why.is_empty());
        let [account, safe] = shown.resources.as_slice() else { panic!("{shown:#?}") };
        assert_eq!((account.resource_type.as_str(), account.target_key.as_str()), ("AppAccount", "p1"));
        assert_eq!((account.connector.as_str(), account.provisioning_state()), ("app", ProvisioningState::Verified));
        assert_eq!(account.workflow_state(), WorkflowState::Calculated);
        let groups = account.properties.iter().find(|property| property.property == "groups").unwrap();
        assert_eq!(groups.provisioning_state(), ProvisioningState::Verified);
        assert_eq!(groups.workflow_state(), WorkflowState::GivenByARole);
        assert_eq!(safe.provisioning_state(), ProvisioningState::AwaitingApproval);
        assert_eq!(safe.state_reason, "waits for a review");
        let pin = safe.properties.iter().find(|property| property.property == "pin").unwrap();
        assert_eq!((&pin.proposed, &pin.current), (&None, &None), "confidential");
        let title = safe.properties.iter().find(|property| property.property == "title").unwrap();
        assert_eq!(title.proposed, Some(to_wire::value(&"Clerk".into())));
        assert!(!suite.resource("Person", "E1").await.unwrap().properties.contains_key("pin"));
        // A decision shows at once, without another computation.
        suite.ledger.happen(
            suite
                .ledger
                .read(|orders| orders.iter().find(|held| held.order.resource_type == "SafeAccess").unwrap().order.id),
            &Event::Approved,
        );
        drop(agent);
        provost_testkit::eventually("the approval to show", std::time::Duration::from_secs(5), async || {
            let state = suite.permissions("E1").await.resources[1].provisioning_state();
            if state == ProvisioningState::AwaitingApproval { Err("not yet") } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_owners_are_not_found() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let ask = |owner_entity_type: &str, owner_key: &str| {
            let request =
                ListAssignmentsRequest { owner_entity_type: owner_entity_type.into(), owner_key: owner_key.into() };
            let mut client = suite.assignments();
            async move { client.list_assignments(request).await.unwrap_err() }
        };
        let unknown = ask("", "E404").await;
        assert_eq!(
            (unknown.code(), unknown.message()),
            (Code::NotFound, "there is no Person 'E404'"),
            "{}",
            engine.name
        );
        assert_eq!(ask("", "").await.message(), "owner_key must not be empty");
        let wrong = ask("Printer", "1").await;
        assert_eq!(wrong.message(), "owner_entity_type 'Printer' owns nothing; must be one of Person");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catalog_that_no_longer_compiles_can_be_read_and_replaced() {
    for engine in engines().await {
        let file = tempfile::tempdir().unwrap();
        let is_file = engine.url.contains("sqlite");
        let url = format!("sqlite://{}", file.path().join("generator.db").display());
        let url = if is_file { url } else { engine.url.clone() };
        let mut suite = Suite::start(&url).await;
        let database = sea_orm::Database::connect(&url).await.unwrap();
        let old = "INSERT INTO catalogs (digest, files, applied_at, applied_by) \
                   VALUES ('x', '[{\"name\":\"old.yaml\",\"content\":\"roles: 1\"}]', 0, 'old')";
        database.execute_unprepared(old).await.unwrap();
        suite.kill_and_restart().await;
        let refused = suite.jobs().list_jobs(ListJobsRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{}: {refused:?}", engine.name);
        assert!(refused.message().contains("no longer compiles: old.yaml"), "{}", refused.message());
        assert!(refused.message().contains("apply a right one"), "{}", refused.message());
        let stored = suite.catalog().get_catalog(GetCatalogRequest {}).await.unwrap().into_inner();
        assert_eq!(stored.files[0].content, "roles: 1");
        suite.apply(&support::organisation::catalog()).await;
        suite.jobs().list_jobs(ListJobsRequest {}).await.unwrap();
    }
}
