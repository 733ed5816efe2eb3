//! What can go wrong in a service, and how it looks on the wire: one status code and
//! `google.rpc` details per kind (house rule: messages are lowercase, no final period, and name the
//! object). The rule that must hold: an internal cause is logged, never sent.

use crate::caller::REQUEST_ID;
use provost_contract::Violations;
use provost_contract::types::v1::{ItemError, ItemResult, ProvisioningState};
use sea_orm::{DbErr, RuntimeErr, SqlErr};
use std::collections::HashMap;
use std::fmt;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The kinds of trouble a caller can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Correct the request.
    InvalidInput,
    /// There is no such thing.
    NotFound,
    /// There is another thing of that name.
    AlreadyExists,
    /// The thing stands where this cannot be done; read again and decide anew.
    WrongState,
    /// The caller may not do this.
    Forbidden,
    /// Somebody else was faster; read again and retry.
    Conflict,
    /// Too much; retry with back-off.
    Exhausted,
    /// Not reachable now; retry with back-off.
    Unavailable,
    /// What was sent is incomplete; send it again.
    DataLoss,
    /// Our own failure; report it.
    Internal,
}

impl FaultKind {
    /// The status code.
    pub const fn code(self) -> Code {
        match self {
            Self::InvalidInput => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::WrongState => Code::FailedPrecondition,
            Self::Forbidden => Code::PermissionDenied,
            Self::Conflict => Code::Aborted,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::DataLoss => Code::DataLoss,
            Self::Internal => Code::Internal,
        }
    }

    /// The stable word for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::InvalidInput => "INVALID_INPUT",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::WrongState => "WRONG_STATE",
            Self::Forbidden => "FORBIDDEN",
            Self::Conflict => "CONFLICT",
            Self::Exhausted => "EXHAUSTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Something that went wrong.
#[derive(Debug)]
pub struct Fault {
    kind: FaultKind,
    message: String,
    violations: Violations,
    subject: Option<String>,
    cause: Option<anyhow::Error>,
}

impl Fault {
    /// A fault of a kind, with words for the caller.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), violations: Violations::default(), subject: None, cause: None }
    }

    /// There is no such thing, for example `order 7f3a`.
    pub fn not_found(subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { subject: Some(subject.clone()), ..Self::new(FaultKind::NotFound, format!("there is no {subject}")) }
    }

    /// The subject stands where this cannot be done.
    pub fn wrong_state(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..Self::new(FaultKind::WrongState, message) }
    }

    /// One wrong field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Violations::one(field, description).into()
    }

    /// Our own failure; `cause` is logged, not sent.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(FaultKind::Internal, "internal error") }
    }

    /// The kind.
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// As the error of one item of a batch.
    pub fn to_item(&self, order_id: impl Into<String>, state: ProvisioningState) -> ItemResult {
        self.log();
        ItemResult {
            order_id: order_id.into(),
            state: state.into(),
            error: Some(ItemError {
                code: self.kind.code() as i32,
                reason: self.kind.reason().to_owned(),
                message: self.message.clone(),
                differences: Vec::new(),
            }),
        }
    }

    fn log(&self) {
        match self.kind {
            FaultKind::Internal => {
                let cause = self.cause.as_ref().map(|cause| format!("{cause:#}")).unwrap_or_default();
                tracing::error!(cause, "{}", self.message);
            }
            FaultKind::Forbidden => tracing::warn!("{}", self.message),
            FaultKind::Unavailable | FaultKind::Exhausted | FaultKind::DataLoss => {
                let cause = self.cause.as_ref().map(|cause| format!("{cause:#}")).unwrap_or_default();
                tracing::warn!(cause, "{}", self.message);
            }
            FaultKind::WrongState => tracing::info!("{}", self.message),
            FaultKind::InvalidInput | FaultKind::NotFound | FaultKind::AlreadyExists | FaultKind::Conflict => {
                tracing::debug!("{}", self.message);
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause:#}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Violations> for Fault {
    fn from(violations: Violations) -> Self {
        let message = violations.to_string();
        Self { violations, ..Self::new(FaultKind::InvalidInput, message) }
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let kind = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => FaultKind::Unavailable,
            other => match other.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => FaultKind::Conflict,
                _ if is_passing(other) => FaultKind::Unavailable,
                _ => FaultKind::Internal,
            },
        };
        let message = match kind {
            FaultKind::Conflict => "somebody else wrote the same at the same time; try again",
            FaultKind::Unavailable => "the database cannot be reached; try again",
            _ => "internal error",
        };
        Self { cause: Some(error.into()), ..Self::new(kind, message) }
    }
}

/// A connection that broke, a deadlock or a lock that timed out: nothing was written, and the same
/// call may succeed.
fn is_passing(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    match error.as_ref() {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL: connection exceptions, serialization failures and deadlocks, shutdown.
        // SQLite: busy (5) and locked (6), whatever their extension.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "57P"].iter().any(|class| code.starts_with(class)) && code.len() == 5
                || code.parse::<u32>().is_ok_and(|number| matches!(number & 0xff, 5 | 6) && code.len() <= 4)
        }),
        _ => false,
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        fault.log();
        let message = shortened(&fault.message, MESSAGE_BYTES);
        let mut details = ErrorDetails::new();
        details.set_error_info(fault.kind.reason(), "provost", HashMap::new());
        let mut room = VIOLATIONS_BYTES;
        for violation in fault.violations.iter() {
            let field = shortened(&violation.field, VIOLATIONS_BYTES / 4);
            let description = shortened(&violation.description, VIOLATIONS_BYTES / 2);
            room = room.saturating_sub(field.len() + description.len() + 8);
            if room == 0 {
                break;
            }
            details.add_bad_request_violation(field, description);
        }
        if let (FaultKind::WrongState, Some(subject)) = (fault.kind, &fault.subject) {
            details.add_precondition_failure_violation("STATE", subject, &message);
        }
        if fault.kind == FaultKind::Internal {
            let request_id = crate::calls::current_request_id();
            details.set_request_info(&request_id, "");
            let message = format!("internal error; the log has the cause under {REQUEST_ID} {request_id}");
            return Self::with_error_details(fault.kind.code(), message, details);
        }
        Self::with_error_details(fault.kind.code(), message, details)
    }
}

/// Header lists are bounded (16 KiB by default), and a message travels in them up to three times:
/// as it is, beside the details, and in them. A thousand violations must not break the call.
const MESSAGE_BYTES: usize = 2_400;
/// Room for violations; those that do not fit are left out, the first ones stay.
const VIOLATIONS_BYTES: usize = 2_400;

/// The beginning of a text that takes at most so many bytes in a header, where all but plain ASCII
/// is written as three characters for each byte.
fn shortened(text: &str, bytes_max: usize) -> String {
    let cost = |letter: char| match letter {
        ' '..='~' if letter != '%' => 1,
        other => 3 * other.len_utf8(),
    };
    let mut left = Some(bytes_max.saturating_sub(cost('…')));
    let fits = |letter: &char| {
        left = left.and_then(|left| left.checked_sub(cost(*letter)));
        left.is_some()
    };
    let beginning: String = text.chars().take_while(fits).collect();
    if beginning.len() == text.len() { beginning } else { beginning + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_travel_as_bad_request() {
        let mut wrong = Violations::default();
        wrong.add("orders[0].kind", "must be ADDITION");
        wrong.add("orders[0].owner.key", "must not be empty");
        let status = Status::from(Fault::from(wrong));
        assert_eq!(status.code(), Code::InvalidArgument);
        let fields: Vec<_> = status
            .get_details_bad_request()
            .map(|bad| bad.field_violations.into_iter().map(|violation| violation.field).collect())
            .unwrap_or_default();
        assert_eq!(fields, ["orders[0].kind", "orders[0].owner.key"]);
    }

    #[test]
    fn wrong_state_names_the_subject() {
        let status = Status::from(Fault::wrong_state("order 7f3a", "order 7f3a is Verified"));
        assert_eq!(status.code(), Code::FailedPrecondition);
        let subjects: Vec<_> = status
            .get_details_precondition_failure()
            .map(|failure| failure.violations.into_iter().map(|violation| violation.subject).collect())
            .unwrap_or_default();
        assert_eq!(subjects, ["order 7f3a"]);
    }

    #[test]
    fn internal_causes_stay_inside() {
        let status = Status::from(Fault::internal(anyhow::anyhow!("password=hunter2")));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("hunter2"));
        assert!(status.message().contains(REQUEST_ID));
    }

    #[test]
    fn many_violations_do_not_break_the_header() {
        let mut wrong = Violations::default();
        (0..5_000).for_each(|index| wrong.add(format!("orders[{index}]"), "is wrong"));
        let status = Status::from(Fault::from(wrong));
        assert!(status.message().len() + status.details().len() < 8_000);
    }
}
