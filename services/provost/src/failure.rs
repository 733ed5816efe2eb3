//! What can go wrong in a command, and how a person reads it: the message, each wrong field, and
//! what to do next.

use crate::client::Service;
use std::error::Error;
use std::io;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// How a command ended that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that was asked for happened.
    Done,
    /// Something of it did not; the output says what.
    Failed,
}

impl Outcome {
    /// Failed when `failures` is not zero.
    pub const fn of_failures(failures: usize) -> Self {
        if failures == 0 { Self::Done } else { Self::Failed }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command was not understood.
    #[error("{0}")]
    Usage(String),
    /// A server refused, or could not be reached.
    #[error("{}", .status.message())]
    Call {
        /// Which.
        service: Service,
        /// Where.
        address: String,
        /// What it said.
        status: Box<Status>,
    },
    /// The reader of the output went away.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            // `provost … | head` is no failure of the command.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Call { .. } | Self::Output(_) | Self::Other(_) => 1,
        }
    }

    /// What to tell the person; nothing when there is no one to tell.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Call { service, address, status } => Some(call_text(*service, address, status)),
            other => Some(other.to_string()),
        }
    }

    /// The server said that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code() == Code::NotFound)
    }

    /// The same call may succeed in a moment: the server is restarting, or the line broke.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Call { status, .. } if is_passing(status))
    }
}

/// The call may succeed in a moment.
pub fn is_passing(status: &Status) -> bool {
    // A broken HTTP/2 stream arrives as Unknown or Internal with the transport's error as its source.
    status.code() == Code::Unavailable || is_local(status)
}

/// The status was made on this side: the server was not reached, or the line broke.
fn is_local(status: &Status) -> bool {
    status.source().is_some() && status.code() != Code::InvalidArgument
}

fn call_text(service: Service, address: &str, status: &Status) -> String {
    if is_local(status) {
        return format!(
            "cannot reach {service} at {address}\n  is `provost up` running? (--server names another address)"
        );
    }
    let mut text = match status.message() {
        "" => format!("{service} answered {:?}", status.code()),
        message => message.to_owned(),
    };
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    for violation in violations {
        let line = format!("{} {}", violation.field, violation.description);
        if !text.contains(&line) {
            text.push_str(&format!("\n  - {}: {}", violation.field, violation.description));
        }
    }
    if let Some(hint) = hint(service, address, status.code()) {
        text.push_str(&format!("\n  {hint}"));
    }
    text
}

fn hint(service: Service, address: &str, code: Code) -> Option<String> {
    match code {
        Code::Unimplemented => Some(format!(
            "{address} does not serve {service}; where each service has its own address, name it: --server {}=http://…",
            service.name()
        )),
        Code::Aborted => Some("somebody else was faster; look again, then decide anew".to_owned()),
        Code::Unavailable => Some("nothing was changed; try again in a moment".to_owned()),
        Code::Internal => Some(format!("that is a failure of {service}; its log says more")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tonic_types::ErrorDetails;

    fn call(status: Status) -> Failure {
        let address = "http://127.0.0.1:7400".to_owned();
        Failure::Call { service: Service::Fulfillment, address, status: Box::new(status) }
    }

    #[test]
    fn each_wrong_field_has_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("filter.states[0]", "is not a state");
        details.add_bad_request_violation("page_size", "must be at most 1000");
        let status = Status::with_error_details(Code::InvalidArgument, "the request is wrong", details);
        let text = call(status).text().unwrap();
        assert_eq!(
            text,
            "the request is wrong\n  - filter.states[0]: is not a state\n  - page_size: must be at most 1000"
        );
    }

    #[test]
    fn refusals_are_shown_as_they_are() {
        let failure = call(Status::failed_precondition("cannot unblock order 7f3a: state is pending"));
        assert_eq!(failure.text().unwrap(), "cannot unblock order 7f3a: state is pending");
        assert_eq!(failure.exit_code(), 1);
        assert!(!failure.is_passing());
    }

    #[test]
    fn wrong_address_is_explained() {
        let text = call(Status::unimplemented("")).text().unwrap();
        assert!(text.contains("--server fulfillment=http://"), "{text}");
    }

    #[test]
    fn closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit_code(), failure.text()), (0, None));
    }

    #[tokio::test]
    async fn unreachable_server_asks_whether_it_runs() {
        let channel = provost_service_kit::channel::to("http://127.0.0.1:1").unwrap();
        let mut client = provost_contract::generator::v1::job_service_client::JobServiceClient::new(channel);
        let status = client.list_jobs(provost_contract::generator::v1::ListJobsRequest {}).await.unwrap_err();
        let failure = call(status);
        assert!(failure.text().unwrap().contains("is `provost up` running?"));
        assert!(failure.is_passing());
    }
}
