//! What the two engines' errors mean.

use crate::package::failure::Particulars;
use provost_domain::{Failure, FailureClass};

/// Classifies an error of the database.
pub(super) fn of(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                // Without the detail: it quotes the values of the row.
                Some(error) => {
                    let (class, hint) = postgres(error.code());
                    Failure::new(class, error.message()).with_code(error.code()).with_hint(hint)
                }
                None => {
                    let (class, name, hint) = sqlite(code.parse().unwrap_or_default());
                    Failure::new(class, error.message()).with_code(name).with_hint(hint)
                }
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Failure::new(FailureClass::Transport, format!("database: {error}"))
            .with_hint("check that the database runs and that the agent can reach it"),
        other => Failure::new(FailureClass::Unknown, format!("database: {other}")),
    }
}

/// The columns that a violated constraint is about, where the engine says so.
pub(super) fn columns_at_fault(error: &sqlx::Error) -> Vec<String> {
    let sqlx::Error::Database(error) = error else { return Vec::new() };
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        let in_detail =
            error.detail().and_then(|detail| detail.strip_prefix("Key (")?.split_once(")=").map(|(c, _)| c));
        let columns = error.column().into_iter().chain(in_detail.into_iter().flat_map(|columns| columns.split(", ")));
        return columns.map(|column| column.trim_matches('"').to_owned()).collect();
    }
    // "UNIQUE constraint failed: accounts.mail, accounts.realm"
    let Some((_, columns)) = error.message().split_once("constraint failed: ") else { return Vec::new() };
    columns.split(", ").filter_map(|column| column.rsplit('.').next()).map(str::to_owned).collect()
}

/// Whether a row with the same unique value was there.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_unique_violation())
}

/// Whether a referenced row is missing, or a referring row is left.
pub(super) fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_foreign_key_violation())
}

const MAPPING: &str = "check the connection's mapping against the tables of the database";
const VALUE: &str = "mend the value at its source, or the rule that computes it";
const UNIQUE: &str = "another row has this value; it was left untouched";
const MISSING: &str = "create what is referred to first";
const RIGHTS: &str = "give the agent's database user the right to do this";
const LATER: &str = "it is tried again by itself";
const RULE: &str = "the database's own rule refuses this; mend the data or the rule";

fn postgres(code: &str) -> (FailureClass, &'static str) {
    match code {
        "23505" | "23P01" => (FailureClass::Conflict, UNIQUE),
        "23503" => (FailureClass::MissingDependency, MISSING),
        "23502" => (FailureClass::InvalidValue, VALUE),
        "42501" => (FailureClass::Refused, RIGHTS),
        "40001" | "40P01" | "55P03" => (FailureClass::Throttled, LATER),
        "57014" | "57P01" | "57P02" | "57P03" => (FailureClass::Transport, LATER),
        code => match code.get(..2).unwrap_or_default() {
            "22" => (FailureClass::InvalidValue, VALUE),
            "23" | "44" | "P0" | "25" => (FailureClass::Refused, RULE),
            "28" => (FailureClass::Authentication, "check user and password in the connection's 'url'"),
            "08" => (FailureClass::Transport, LATER),
            "53" => (FailureClass::Throttled, LATER),
            "42" | "3D" | "3F" => (FailureClass::Refused, MAPPING),
            _ => (FailureClass::Unknown, ""),
        },
    }
}

fn sqlite(code: i32) -> (FailureClass, String, &'static str) {
    let (class, name, hint) = match code {
        1555 => (FailureClass::Conflict, "SQLITE_CONSTRAINT_PRIMARYKEY", UNIQUE),
        2067 => (FailureClass::Conflict, "SQLITE_CONSTRAINT_UNIQUE", UNIQUE),
        2579 => (FailureClass::Conflict, "SQLITE_CONSTRAINT_ROWID", UNIQUE),
        787 => (FailureClass::MissingDependency, "SQLITE_CONSTRAINT_FOREIGNKEY", MISSING),
        1299 => (FailureClass::InvalidValue, "SQLITE_CONSTRAINT_NOTNULL", VALUE),
        3091 => (FailureClass::InvalidValue, "SQLITE_CONSTRAINT_DATATYPE", VALUE),
        275 => (FailureClass::Refused, "SQLITE_CONSTRAINT_CHECK", RULE),
        1811 => (FailureClass::Refused, "SQLITE_CONSTRAINT_TRIGGER", RULE),
        code => match code & 0xff {
            1 => (FailureClass::Refused, "SQLITE_ERROR", MAPPING),
            3 | 23 => (FailureClass::Refused, "SQLITE_PERM", RIGHTS),
            5 | 6 => (FailureClass::Throttled, "SQLITE_BUSY", LATER),
            8 => (FailureClass::Refused, "SQLITE_READONLY", RIGHTS),
            10 => (FailureClass::Transport, "SQLITE_IOERR", LATER),
            11 | 26 => (FailureClass::Refused, "SQLITE_NOTADB", "restore the file: it is damaged or no database"),
            13 => (FailureClass::Transport, "SQLITE_FULL", "make room on the disk"),
            14 => (FailureClass::Transport, "SQLITE_CANTOPEN", "check that the file of the connection's 'url' exists"),
            18 | 20 => (FailureClass::InvalidValue, "SQLITE_MISMATCH", VALUE),
            19 => (FailureClass::Refused, "SQLITE_CONSTRAINT", RULE),
            _ => return (FailureClass::Unknown, code.to_string(), ""),
        },
    };
    (class, name.to_owned(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_classes() {
        for (code, class) in [
            ("23505", FailureClass::Conflict),
            ("23514", FailureClass::Refused),
            ("22P02", FailureClass::InvalidValue),
            ("28P01", FailureClass::Authentication),
            ("57014", FailureClass::Transport),
            ("40001", FailureClass::Throttled),
            ("42P01", FailureClass::Refused),
            ("XX000", FailureClass::Unknown),
        ] {
            assert_eq!(postgres(code).0, class, "{code}");
        }
        for (code, class) in [
            (2067, FailureClass::Conflict),
            (787, FailureClass::MissingDependency),
            (275, FailureClass::Refused),
            (517, FailureClass::Throttled),
            (14, FailureClass::Transport),
            (999, FailureClass::Unknown),
        ] {
            assert_eq!(sqlite(code).0, class, "{code}");
        }
    }

    #[test]
    fn lost_connections_are_transport() {
        assert_eq!(of(&sqlx::Error::PoolTimedOut).class, FailureClass::Transport);
        assert_eq!(of(&sqlx::Error::RowNotFound).class, FailureClass::Unknown);
    }
}
