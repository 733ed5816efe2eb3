//! Every call that writes, dropped at every point at which it waits, on both engines. What was answered is there when the
//! database is opened again; what was not is there whole or not at all; the same call again makes it what it would have
//! been undisturbed, and the feed tells each decision once.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::Api;
use crate::store::Migrator;
use crate::verbs::Desk;
use futures::StreamExt;
use futures::future::BoxFuture;
use provost_contract::review::v1 as wire;
use provost_contract::review::v1::review_service_server::ReviewService;
use provost_contract::types::v1::{BlockCause, Change, ChangeOperation, Order, OrderKind, Owner, Value, value::Kind};
use provost_domain::Timestamp;
use provost_service_kit::caller::request_as;
use provost_service_kit::{Database, ManualClock, Wake, new_id};
use provost_testkit::{cut_off, engines};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

async fn open(url: &str) -> Api {
    let database = Database::connect(&url.into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let wake = Wake::new(&database, "review_decisions");
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    Api::new(Arc::new(Desk { database, wake, clock, stop: CancellationToken::new() }))
}

fn order(id: &str) -> Order {
    Order {
        order_id: id.to_owned(),
        kind: OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: "app-sql".into(),
        entity_type: "Account".into(),
        owner: Some(Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }),
        target_key: "ada".into(),
        changes: vec![Change {
            property: "title".into(),
            operation: ChangeOperation::Set.into(),
            proposed: Some(Value { kind: Some(Kind::StringValue("Analyst".into())) }),
            ..Default::default()
        }],
        block_causes: vec![BlockCause::ResourceType.into()],
        generation_run: "run-1".into(),
        generated_at: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..Default::default()
    }
}

type Answer = Result<Response<wire::Review>, Status>;
type Call = for<'a> fn(&'a Api, String) -> BoxFuture<'a, Answer>;

fn ask(api: &Api, id: String) -> BoxFuture<'_, Answer> {
    let request = wire::RequestReviewRequest { review_id: id.clone(), order: Some(order(&id)), ..Default::default() };
    api.request_review(request_as("fulfillment", request))
}

/// The calls, and whether the review is open before.
const CALLS: [(&str, bool, Call); 5] = [
    ("request", false, ask),
    ("approve", true, approve),
    ("decline", true, |api, review_id| {
        let request = wire::DeclineRequest { review_id, comment: "no".into(), version: 0 };
        api.decline(request_as("ada", request))
    }),
    ("postpone", true, |api, review_id| {
        let request = wire::PostponeRequest { review_id, comment: "later".into(), version: 0 };
        api.postpone(request_as("ada", request))
    }),
    ("withdraw", true, |api, review_id| {
        let request = wire::WithdrawReviewRequest { review_id, reason: "superseded".into() };
        api.withdraw_review(request_as("fulfillment", request))
    }),
];

/// What there is of a review, without what differs from one to the next.
async fn look(api: &Api, id: &str) -> Option<wire::Review> {
    let request = request_as("ada", wire::GetReviewRequest { review_id: id.to_owned() });
    let mut review = api.get_review(request).await.ok()?.into_inner();
    review.review_id.clear();
    review.order = None;
    for decision in &mut review.decisions {
        (decision.cursor, decision.review_id, decision.order_id) = Default::default();
    }
    Some(review)
}

fn approve(api: &Api, review_id: String) -> BoxFuture<'_, Answer> {
    let request = wire::ApproveRequest { review_id, comment: "seen".into(), version: 0 };
    api.approve(request_as("ada", request))
}

/// What the feed tells of a review: all that stands before a decision that is made now.
async fn told(api: &Api, id: &str) -> Vec<wire::Verdict> {
    let last = new_id().to_string();
    ask(api, last.clone()).await.unwrap();
    approve(api, last.clone()).await.unwrap();
    let request = request_as("fulfillment", wire::WatchDecisionsRequest::default());
    let mut feed = api.watch_decisions(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(event) = feed.next().await {
        let event = event.unwrap();
        told.extend((event.review_id == id).then(|| event.verdict()));
        if event.review_id == last && event.verdict() == wire::Verdict::Approve {
            return told;
        }
    }
    panic!("the feed ended before the last decision");
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_that_was_answered_is_there_and_none_is_told_twice_wherever_a_call_is_cut_off() {
    for engine in engines().await {
        let mut points = 0;
        for (name, is_open, call) in CALLS {
            let mut api = open(&engine.url).await;
            let undisturbed = new_id().to_string();
            if is_open {
                ask(&api, undisturbed.clone()).await.unwrap();
            }
            let before = look(&api, &undisturbed).await;
            call(&api, undisturbed.clone()).await.unwrap();
            let expected = (look(&api, &undisturbed).await, told(&api, &undisturbed).await);
            assert_ne!(before, expected.0, "{name} changes nothing");
            for polls in 1.. {
                let (place, id) = (format!("{}: {name}, cut off at poll {polls}", engine.name), new_id().to_string());
                if is_open {
                    ask(&api, id.clone()).await.unwrap();
                }
                let answer = cut_off(polls, call(&api, id.clone())).await;
                api = open(&engine.url).await;
                let found = look(&api, &id).await;
                match &answer {
                    Some(answer) => {
                        answer.as_ref().unwrap_or_else(|status| panic!("{place}: {status}"));
                        assert_eq!(found, expected.0, "{place}: it was answered");
                    }
                    None => assert!(found == before || found == expected.0, "{place}: {found:?}"),
                }
                call(&api, id.clone()).await.unwrap_or_else(|status| panic!("{place}, again: {status}"));
                assert_eq!((look(&api, &id).await, told(&api, &id).await), expected, "{place}, again");
                if answer.is_some() {
                    break;
                }
                points += 1;
            }
        }
        // A database may answer before anybody waits, now here, now there.
        assert!(points >= CALLS.len(), "{}: cut off at {points} points only", engine.name);
    }
}
