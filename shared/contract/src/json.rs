//! Canonical protobuf JSON for any message of the contract, by its descriptor; nothing generated.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use std::sync::OnceLock;

#[expect(clippy::expect_used, reason = "the descriptors were compiled into this very binary")]
fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("own descriptors decode"))
}

/// The message as JSON, with the field names of the `.proto` files and with fields at their default
/// left out. `name` is the full name of the message's type, for example `provost.types.v1.Order`.
///
/// # Errors
/// When there is no such type, or the message is not of it.
pub fn json_of(name: &str, message: &impl Message) -> Result<serde_json::Value, String> {
    let descriptor = pool().get_message_by_name(name).ok_or_else(|| format!("no message type {name}"))?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(|e| e.to_string())?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|e| e.to_string())
}

/// Reads a message from JSON; the inverse of [`json_of`].
///
/// # Errors
/// When there is no such type, or the JSON does not fit it.
pub fn message_of_json<M: Message + Default>(name: &str, json: &serde_json::Value) -> Result<M, String> {
    let descriptor = pool().get_message_by_name(name).ok_or_else(|| format!("no message type {name}"))?;
    let message = DynamicMessage::deserialize(descriptor, json).map_err(|e| e.to_string())?;
    M::decode(message.encode_to_vec().as_slice()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::types::v1::{Owner, Value, value::Kind};

    #[test]
    fn json_goes_there_and_back() {
        let owner = Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() };
        let json = json_of("provost.types.v1.Owner", &owner).unwrap();
        assert_eq!(json.to_string(), r#"{"entity_type":"Person","key":"1","display_name":"Ada"}"#);
        assert_eq!(message_of_json::<Owner>("provost.types.v1.Owner", &json), Ok(owner));
    }

    #[test]
    fn integers_are_numbers() {
        let value = Value { kind: Some(Kind::IntegerValue(7)) };
        assert_eq!(json_of("provost.types.v1.Value", &value).unwrap().to_string(), r#"{"integer_value":7}"#);
    }

    #[test]
    fn unknown_type_and_field_are_named() {
        assert_eq!(json_of("provost.None", &Value::default()), Err("no message type provost.None".into()));
        let wrong = serde_json::json!({ "colour": "red" });
        assert!(message_of_json::<Owner>("provost.types.v1.Owner", &wrong).unwrap_err().contains("colour"));
    }
}
