//! Where the replicas of one service are, as a configuration says it.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::str::FromStr;
use tonic::transport::Endpoint;

/// The addresses of one service: `"http://a:7402"`, or of several replicas `["http://a:7402", "http://b:7402"]`. In a
/// flag or a variable, which is one text, they are separated by commas.
///
/// ```
/// use provost_service_kit::channel::Addresses;
/// let one: Addresses = serde_json::from_str(r#""http://a:7402""#).unwrap();
/// assert_eq!(one.to_string(), "http://a:7402");
/// let two: Addresses = serde_json::from_str(r#"["http://a:7402", "http://b:7402"]"#).unwrap();
/// assert_eq!(two, "http://a:7402, http://b:7402".parse().unwrap());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What is wrong with them, a sentence each that names the configuration's key.
    pub fn mistakes(&self, key: &str, port: u16) -> Vec<String> {
        let example = format!("write for example http://127.0.0.1:{port}");
        if self.0.is_empty() {
            return vec![format!("{key}: must name at least one address; {example}")];
        }
        let is_wrong = |address: &&String| Endpoint::from_shared((*address).clone()).is_err();
        let told = |address: &String| format!("{key}: '{address}' is not an address; {example}");
        self.0.iter().filter(is_wrong).map(told).collect()
    }
}

impl FromStr for Addresses {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl From<&str> for Addresses {
    fn from(text: &str) -> Self {
        Self(text.split(',').map(str::trim).map(str::to_owned).collect())
    }
}

impl From<String> for Addresses {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a list of addresses")
            }

            fn visit_str<E>(self, text: &str) -> Result<Addresses, E> {
                Ok(Addresses::from(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = list.next_element()? {
                    addresses.push(address);
                }
                Ok(Addresses(addresses))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_wrong_address_is_named_and_none_is_wrong_too() {
        let addresses = Addresses::from("http://a:1,not an address, nor this");
        assert_eq!(
            addresses.mistakes("review", 7403),
            [
                "review: 'not an address' is not an address; write for example http://127.0.0.1:7403",
                "review: 'nor this' is not an address; write for example http://127.0.0.1:7403",
            ]
        );
        assert_eq!(Addresses::from("").mistakes("review", 7403).len(), 1);
        let none: Addresses = serde_json::from_str("[]").unwrap();
        assert!(none.mistakes("review", 7403).iter().all(|mistake| mistake.contains("at least one")));
        assert!(Addresses::from("http://a:1, https://b.example").mistakes("review", 7403).is_empty());
    }

    #[test]
    fn what_is_no_address_at_all_says_what_is_wanted() {
        let error = serde_json::from_str::<Addresses>("7").unwrap_err().to_string();
        assert!(error.contains("an address, or a list of addresses"), "{error}");
    }
}
