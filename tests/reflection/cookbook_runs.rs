//! The README's admin cookbook: every line is possible, every line works, no action lacks a line.

use crate::command::Action;
use crate::cookbook::{Recipe, recipes};
use crate::live::Live;
use crate::server::Server;
use crate::suite::suite;

const README: &str = include_str!("../../README.md");
const SECTION: &str = "Admin cookbook";
/// Where the README's suite listens.
const ADDRESS: &str = "127.0.0.1:7400";

/// What services and agents call, and no person.
const NOT_FOR_PEOPLE: [&str; 11] = [
    "provost.fulfillment.v1.OrderService/SubmitOrders",
    "provost.fulfillment.v1.OrderService/VerifyOrders",
    "provost.fulfillment.v1.DispatchService/PullOrders",
    "provost.fulfillment.v1.DispatchService/RenewLeases",
    "provost.fulfillment.v1.DispatchService/ReportFeedback",
    "provost.fulfillment.v1.DispatchService/ReturnOrders",
    "provost.fulfillment.v1.ConnectionService/ReportConnectionSizes",
    "provost.generator.v1.SynchronizationService/PollExportTasks",
    "provost.generator.v1.SynchronizationService/UploadExport",
    "provost.review.v1.ReviewService/RequestReview",
    "provost.review.v1.ReviewService/WithdrawReview",
];

fn cookbook() -> Vec<Recipe> {
    recipes(README, SECTION).unwrap_or_else(|mistakes| panic!("README.md:\n{}", mistakes.join("\n")))
}

/// What is wrong with a recipe before it is sent.
fn mistake(server: &Server, recipe: &Recipe) -> Result<(), String> {
    let Recipe { command, .. } = recipe;
    if command.address != ADDRESS {
        return Err(format!("the suite listens on {ADDRESS}"));
    }
    match &command.action {
        Action::List(None) | Action::Describe(None) => Ok(()),
        Action::List(Some(symbol)) | Action::Describe(Some(symbol)) => {
            server.describes(symbol).then_some(()).ok_or_else(|| format!("there is no {symbol}"))
        }
        Action::Call(path) => {
            let method = server.method(path).map_err(|error| format!("{error:#}"))?;
            let json = command.json(|_| "00000000-0000-0000-0000-000000000007".to_owned())?;
            server.request(&method, &json).map(drop).map_err(|error| format!("{error:#}"))
        }
    }
}

#[tokio::test]
async fn every_line_fits_what_the_servers_say_of_themselves() {
    let suite = suite().await;
    let server = suite.server().await;
    let cookbook = cookbook();
    let wrong: Vec<_> = cookbook
        .iter()
        .filter_map(|recipe| Some(format!("README.md:{}: {}", recipe.line, mistake(&server, recipe).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn every_action_of_a_person_has_a_line() {
    let suite = suite().await;
    let server = suite.server().await;
    let cookbook = cookbook();
    let shown = |method: &String| {
        cookbook.iter().any(|recipe| recipe.command.action == Action::Call(method.clone()))
            || NOT_FOR_PEOPLE.contains(&method.as_str())
    };
    let own = server.methods().into_iter().filter(|method| method.starts_with("provost."));
    let missing: Vec<_> = own.filter(|method| !shown(method)).collect();
    assert!(missing.is_empty(), "the cookbook has no line for {missing:?}");
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn every_line_works_on_a_living_suite() {
    let live = Live::start().await;
    let mut cookbook = cookbook();
    // What is blocked must be made so, by moving most people; that comes last, and is looked at before it is let go.
    let place = |recipe: &Recipe| match &recipe.command.action {
        Action::Call(path) if path.ends_with("/ResumeJobRun") => 2,
        Action::Call(path) if path.ends_with("/ListHeldOrders") => 1,
        _ => 0,
    };
    cookbook.sort_by_key(place);
    let mut failed = Vec::new();
    for Recipe { line, command } in &cookbook {
        let Action::Call(method) = &command.action else { continue };
        let mut filled = Vec::new();
        for name in command.placeholders() {
            filled.push((name.clone(), live.fill(method, &name).await));
        }
        let value =
            |name: &str| filled.iter().find(|(known, _)| known == name).map_or_else(String::new, |(_, id)| id.clone());
        let json = command.json(value).unwrap();
        match live.server.first(method, &command.headers, &json).await {
            Ok(answer) if refused_items(&answer) == 0 => {}
            Ok(answer) => failed.push(format!("README.md:{line}: {method} {json}: {answer}")),
            Err(status) => failed.push(format!("README.md:{line}: {method} {json}: {status}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    live.suite.stop().await.unwrap();
}

/// How many items of a batch were refused.
fn refused_items(answer: &serde_json::Value) -> usize {
    let results = answer.get("results").and_then(|results| results.as_array());
    results.map_or(0, |results| results.iter().filter(|item| item.get("error").is_some()).count())
}
