//! `connections pause`, `drain`, `resume`, `release-brake` and `probe`.

use super::show::facts;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::{
    BrakeKind, Connection, DrainConnectionRequest, PauseConnectionRequest, ProbeConnectionRequest, ReleaseBrakeRequest,
    ResumeConnectionRequest,
};

/// Which connection, and why.
#[derive(Debug, clap::Args)]
pub struct ReasonedArguments {
    /// The connection.
    connection: String,
    /// Why; the history and every waiting order show it.
    #[arg(long, short)]
    comment: String,
}

/// Which connection, and why if there is something to say.
#[derive(Debug, clap::Args)]
pub struct PlainArguments {
    /// The connection.
    connection: String,
    /// Why; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// Which brake of which connection, and why.
#[derive(Debug, clap::Args)]
pub struct ReleaseArguments {
    /// The connection.
    connection: String,
    /// Which brake; each that has tripped unless it is said.
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Option<Kind>,
    /// Why it is right that so much goes; the history keeps it.
    #[arg(long, short)]
    comment: String,
}

/// What a brake counts.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Deletions,
    Orders,
}

pub(super) async fn pause(arguments: ReasonedArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let ReasonedArguments { connection, comment } = arguments;
    let request = session.clients.request(PauseConnectionRequest { connection, comment });
    let answer = session.clients.connections().pause_connection(request).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "paused")
}

pub(super) async fn drain(arguments: ReasonedArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let ReasonedArguments { connection, comment } = arguments;
    let request = session.clients.request(DrainConnectionRequest { connection, comment });
    let answer = session.clients.connections().drain_connection(request).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "runs empty")
}

pub(super) async fn resume(arguments: PlainArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let PlainArguments { connection, comment } = arguments;
    let request = session.clients.request(ResumeConnectionRequest { connection, comment });
    let answer = session.clients.connections().resume_connection(request).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "resumed")
}

pub(super) async fn release(arguments: ReleaseArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let ReleaseArguments { connection, kind, comment } = arguments;
    let kind = match kind {
        None => BrakeKind::Unspecified,
        Some(Kind::Deletions) => BrakeKind::Deletions,
        Some(Kind::Orders) => BrakeKind::Orders,
    };
    let request = session.clients.request(ReleaseBrakeRequest { connection, kind: kind.into(), comment });
    let answer = session.clients.connections().release_brake(request).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "brake released")
}

pub(super) async fn probe(arguments: PlainArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let PlainArguments { connection, comment } = arguments;
    let request = session.clients.request(ProbeConnectionRequest { connection, comment });
    let answer = session.clients.connections().probe_connection(request).await;
    let connection = session.clients.answer(Service::Fulfillment, answer)?.connection;
    shown(session, connection, "is tried with the next order")
}

/// The connection as it stands after a decision.
pub(super) fn shown(session: &mut Session, connection: Option<Connection>, done: &str) -> Result<Outcome, Failure> {
    let connection = connection.unwrap_or_default();
    if session.is_json() {
        session.json("provost.fulfillment.v1.Connection", &connection)?;
        return Ok(Outcome::Done);
    }
    let line = format!("{} {}: {done}", session.console.style().green("✓"), connection.name);
    session.console.line(line)?;
    session.console.lines(facts(&connection).into_iter().skip(1).map(|fact| format!("  {fact}")))?;
    Ok(Outcome::Done)
}
