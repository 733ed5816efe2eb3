//! What result codes and broken connections mean.

use super::mapping::LdapEntity;
use crate::package::failure::{Particulars, transport};
use ldap3::{LdapError, LdapResult};
use provost_domain::{Failure, FailureClass, Order};

pub(super) const SUCCESS: u32 = 0;
pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
pub(super) const ADMIN_LIMIT_EXCEEDED: u32 = 11;
pub(super) const NO_SUCH_ATTRIBUTE: u32 = 16;
pub(super) const VALUE_EXISTS: u32 = 20;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
pub(super) const OBJECT_CLASS_VIOLATION: u32 = 65;
pub(super) const ENTRY_EXISTS: u32 = 68;

/// The connection broke, or no answer came.
pub(super) fn of_error(error: &LdapError) -> Failure {
    match error {
        LdapError::FilterParsing | LdapError::AddNoValues => {
            Failure::new(FailureClass::InvalidValue, format!("directory: {error}"))
        }
        LdapError::Timeout { .. } => {
            transport("directory: no answer in time").with_hint("check that the directory runs and is not overloaded")
        }
        other => transport(format!("directory: {other}"))
            .with_hint("check that the directory runs, that the agent can reach it, and its certificate"),
    }
}

/// The directory answered with something other than success.
pub(super) fn of_result(result: &LdapResult) -> Failure {
    use FailureClass as Class;
    let (class, name, hint) = match result.rc {
        3 => (Class::Throttled, "time limit exceeded", "it is tried again by itself"),
        4 | 11 => (Class::Refused, "size limit exceeded", "lower 'page_size', or raise the directory's limits"),
        7 | 8 | 13 => (Class::Authentication, "a stronger way to log in is required", "use ldaps:// or start_tls"),
        48 | 49 => (Class::Authentication, "invalid credentials", "check bind_dn and bind_password"),
        50 => (Class::Refused, "insufficient access rights", "give the bind DN the right to do this"),
        51 => (Class::Throttled, "the directory is busy", "it is tried again by itself"),
        52 | 81..=91 => (Class::Transport, "the directory is unavailable", "it is tried again by itself"),
        53 => (Class::Refused, "the directory is unwilling", "its own rules refuse this"),
        17 => (Class::InvalidValue, "undefined attribute type", "check the connection's 'attributes'"),
        18 | 21 => (Class::InvalidValue, "invalid value", "mend the value at its source, or the rule that computes it"),
        19 => (Class::Refused, "constraint violation", "the directory's rules refuse the value"),
        20 => (Class::Conflict, "the value exists", ""),
        32 => (Class::MissingDependency, "no such entry", "create the entry above it first, or mend 'base_dn'"),
        34 => (Class::InvalidValue, "invalid DN", "mend the key, or 'base_dn'"),
        64 | 65 | 67 | 69 => (
            Class::InvalidValue,
            "the entry would break its object classes",
            "give every required attribute a value, and none that the classes do not know",
        ),
        66 => (Class::Refused, "the entry has entries below it", "remove those first"),
        68 => (Class::Conflict, "the entry exists", ""),
        _ => (Class::Unknown, "the directory failed", ""),
    };
    let message = if result.text.is_empty() { name.to_owned() } else { format!("{name}: {}", result.text) };
    Failure::new(class, message).with_code(result.rc.to_string()).with_hint(hint)
}

/// As [`of_result`], with the property at fault: directories begin with the attribute's name.
pub(super) fn of_write(result: &LdapResult, entity: &LdapEntity, order: &Order) -> Failure {
    let mut failure = of_result(result);
    let words = result.text.split([':', ' ', '\'']).filter(|word| !word.is_empty());
    failure.property = words.filter_map(|word| entity.property_of(word, order)).next().map(str::to_owned);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_classes() {
        let result = |rc| LdapResult { rc, matched: String::new(), text: "words".into(), refs: vec![], ctrls: vec![] };
        for (rc, class) in [
            (3, FailureClass::Throttled),
            (4, FailureClass::Refused),
            (13, FailureClass::Authentication),
            (17, FailureClass::InvalidValue),
            (19, FailureClass::Refused),
            (21, FailureClass::InvalidValue),
            (32, FailureClass::MissingDependency),
            (49, FailureClass::Authentication),
            (50, FailureClass::Refused),
            (51, FailureClass::Throttled),
            (52, FailureClass::Transport),
            (65, FailureClass::InvalidValue),
            (68, FailureClass::Conflict),
            (80, FailureClass::Unknown),
            (81, FailureClass::Transport),
        ] {
            let failure = of_result(&result(rc));
            assert_eq!((failure.class, failure.code), (class, rc.to_string()));
            assert!(failure.message.ends_with(": words"), "{}", failure.message);
        }
    }

    #[test]
    fn broken_connections_are_transport() {
        assert_eq!(of_error(&LdapError::EndOfStream).class, FailureClass::Transport);
        assert_eq!(of_error(&LdapError::FilterParsing).class, FailureClass::InvalidValue);
    }
}
