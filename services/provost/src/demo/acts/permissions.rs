//! The "view permissions" of one person, and what to try next.

use super::{ACCOUNT, VAULT};
use crate::client::Service;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use provost_contract::generator::v1::ListAssignmentsRequest;
use provost_domain::ProvisioningState as State;
use provost_sample::special;
use std::net::SocketAddr;
use std::path::Path;

pub(super) async fn play(story: &mut Story, data_dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    story.narrator.act("View permissions", "What one person has, why, and where each value stands.")?;
    let owner = special::DEMO_EXECUTIVE;
    story.narrator.command(&format!("permissions {owner}"))?;
    let message = ListAssignmentsRequest { owner_entity_type: String::new(), owner_key: owner.to_owned() };
    let answer = story.clients.assignments().list_assignments(story.clients.request(message)).await;
    let assignments = story.clients.answer(Service::OrderGenerator, answer)?;
    let lines = crate::command::permissions::lines(&assignments, story.narrator.style());
    story.narrator.lines(&lines)?;
    let standing: Vec<(&str, i32)> = assignments
        .resources
        .iter()
        .map(|resource| (resource.resource_type.as_str(), resource.provisioning_state))
        .collect();
    let verified = State::Verified.number();
    let both = [ACCOUNT, VAULT].iter().all(|wanted| standing.contains(&(*wanted, verified)));
    let claim = "roles are shown, and both of the person's accounts are Verified";
    story.narrator.check(claim, holds(both && !assignments.roles.is_empty(), || format!("found {standing:?}")))?;
    next(story, data_dir, address)
}

fn next(story: &mut Story, data_dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    let (program, directory) = (story.narrator.program().to_owned(), data_dir.display());
    story.narrator.act("Go on from here", "Keep it running on the same data:")?;
    // The usual port may be taken: then `up` listens where this demo did.
    let usual = crate::client::DEFAULT_ADDRESS == format!("http://{address}");
    let listen = if usual { String::new() } else { format!(" --listen {address}") };
    let mut lines = vec![
        format!("{program} up --data-dir {directory}{listen}"),
        String::new(),
        "and in another terminal:".to_owned(),
    ];
    if !usual {
        lines.push(format!("export PROVOST_SERVER=http://{address}"));
    }
    story.narrator.lines(&lines)?;
    let mut commands = vec![
        ("review list".to_owned(), "decide on the rest".to_owned()),
        ("orders list --state errored".to_owned(), "the badge that could not be printed".to_owned()),
        (format!("permissions {}", special::DEMO_RETITLED), "what somebody else has".to_owned()),
        (format!("catalog apply {directory}/catalog"), "after editing a rule".to_owned()),
        ("jobs run complete --watch".to_owned(), format!("after editing {directory}/systems/hr/people.csv")),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    let commands: Vec<String> =
        commands.drain(..).map(|(command, when)| format!("{program} {command:<width$}   {when}")).collect();
    story.narrator.lines(&commands)?;
    let owner = special::DEMO_EXECUTIVE;
    story.narrator.lines(&[
        String::new(),
        "or with grpcurl alone:".to_owned(),
        format!("grpcurl -plaintext {address} list"),
        "grpcurl -plaintext -d '{\"filter\":{\"states\":[\"PROVISIONING_STATE_ERRORED\"]}}' \\".to_owned(),
        format!("    {address} provost.fulfillment.v1.OrderService/ListOrders"),
        format!("grpcurl -plaintext -d '{{\"owner_key\":\"{owner}\"}}' \\"),
        format!("    {address} provost.generator.v1.AssignmentService/ListAssignments"),
    ])?;
    Ok(())
}
