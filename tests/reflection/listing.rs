//! What a server says of itself.

use crate::server::{Server, Version};
use crate::suite::suite;
use serde_json::json;

/// The contract's services; people script against these names.
const SERVICES: [&str; 11] = [
    "provost.agent.v1.AgentService",
    "provost.fulfillment.v1.DispatchService",
    "provost.fulfillment.v1.ManualProvisioningService",
    "provost.fulfillment.v1.OrderService",
    "provost.generator.v1.AssignmentService",
    "provost.generator.v1.CatalogService",
    "provost.generator.v1.JobService",
    "provost.generator.v1.OrderGeneratorService",
    "provost.generator.v1.RepositoryService",
    "provost.generator.v1.SynchronizationService",
    "provost.review.v1.ReviewService",
];
const HEALTH: &str = "grpc.health.v1.Health";

#[tokio::test]
async fn both_versions_list_every_service_and_describe_the_same() {
    let suite = suite().await;
    let mut described = Vec::new();
    for version in [Version::V1, Version::V1Alpha] {
        let server = Server::connect(&suite.address, version).await.unwrap();
        for service in SERVICES.iter().chain([&HEALTH]) {
            assert!(server.services.iter().any(|listed| listed == service), "{service} is not listed by {version:?}");
        }
        let own: Vec<_> = server.methods().into_iter().filter(|method| method.starts_with("provost.")).collect();
        assert!(own.len() >= 35, "{own:?}");
        described.push(own);
    }
    assert_eq!(described[0], described[1]);
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn every_listed_service_is_really_served() {
    let suite = suite().await;
    let server = suite.server().await;
    for service in SERVICES {
        let health = server.ask("grpc.health.v1.Health/Check", json!({ "service": service })).await.unwrap();
        assert_eq!(health, json!({ "status": "SERVING" }), "{service}");
    }
    for method in server.methods().iter().filter(|method| method.starts_with("provost.")) {
        // An empty request may be refused, but not as unknown. Calls that wait are cut off.
        let (headers, nothing) = ([("grpc-timeout".to_owned(), "300m".to_owned())], json!({}));
        if let Err(status) = server.call(method, &headers, &nothing).await {
            assert_ne!(status.code(), tonic::Code::Unimplemented, "{method}");
            assert_ne!(status.code(), tonic::Code::Internal, "{method}: {status}");
        }
    }
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_names_and_wrong_fields_are_found_before_anything_is_sent() {
    let suite = suite().await;
    let mut server = suite.server().await;
    let review = "provost.review.v1.ReviewService";
    assert!(server.describes(review) && server.describes(&format!("{review}.Approve")));
    assert!(server.describes("provost.types.v1.Order"));
    assert!(!server.describes("provost.review.v2.ReviewService"));
    assert!(server.learn("provost.review.v2.ReviewService").await.is_err());
    for (method, request, said) in [
        ("provost.review.v2.ReviewService/Approve", json!({}), "there is no service provost.review.v2.ReviewService"),
        ("provost.review.v1.ReviewService/Applaud", json!({}), "has no method Applaud"),
        ("provost.review.v1.ReviewService/Approve", json!({ "reviewer": "ada" }), "reviewer"),
        ("provost.review.v1.ReviewService/Approve", json!({ "version": "many" }), "version"),
    ] {
        let refused = server.ask(method, request).await.unwrap_err();
        assert!(refused.message().starts_with("not sent: ") && refused.message().contains(said), "{refused}");
    }
    suite.stop().await.unwrap();
}
