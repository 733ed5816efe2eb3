//! Who calls. Until authentication is built the name is the caller's own word, which is one more
//! reason to listen on loopback only.

use tonic::metadata::MetadataMap;

/// The metadata key that carries the caller's name.
pub const ACTOR: &str = "x-provost-actor";
/// The metadata key that carries the request id.
pub const REQUEST_ID: &str = "x-request-id";

const NAME_MAX: usize = 200;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that histories keep.
    pub actor: String,
}

impl Caller {
    /// The caller of a request: its actor, or "anonymous".
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        Self { actor: text(request.metadata(), ACTOR).unwrap_or_else(|| "anonymous".to_owned()) }
    }
}

/// `request` in the name of `actor`.
pub fn request_as<T>(actor: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let visible: String = actor.chars().filter(char::is_ascii).take(NAME_MAX).collect();
    if let Ok(value) = visible.parse() {
        request.metadata_mut().insert(ACTOR, value);
    }
    request
}

fn text(metadata: &MetadataMap, key: &str) -> Option<String> {
    let text: String = metadata.get(key)?.to_str().ok()?.trim().chars().take(NAME_MAX).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_is_named_or_anonymous() {
        assert_eq!(Caller::of(&request_as("ada", ())).actor, "ada");
        assert_eq!(Caller::of(&tonic::Request::new(())).actor, "anonymous");
        assert_eq!(Caller::of(&request_as("  ", ())).actor, "anonymous");
        assert_eq!(Caller::of(&request_as(&"x".repeat(900), ())).actor.len(), NAME_MAX);
    }
}
