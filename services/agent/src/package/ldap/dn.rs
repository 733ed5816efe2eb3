//! Distinguished names: written with escapes (RFC 4514), and compared in a form in which equal names
//! are equal whatever their case, spaces and escapes.

/// The DN of the entry named `key` directly below `base`.
pub(super) fn child(attribute: &str, key: &str, base: &str) -> String {
    format!("{attribute}={},{base}", ldap3::dn_escape(key))
}

/// The form for comparing; `None` when the text is not a DN.
pub(super) fn normalized(dn: &str) -> Option<String> {
    let parts: Option<Vec<String>> = split(dn, ',').into_iter().map(relative).collect();
    parts.map(|parts| parts.join(","))
}

/// One level of a DN; it may have several attributes, joined with `+`.
fn relative(text: &str) -> Option<String> {
    let pairs = split(text, '+').into_iter().map(|pair| {
        let (attribute, value) = pair.split_once('=')?;
        let attribute = attribute.trim();
        let well = !attribute.is_empty() && attribute.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let value = unescaped(value)?.to_lowercase();
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        well.then(|| format!("{}={}", attribute.to_ascii_lowercase(), ldap3::dn_escape(value)))
    });
    let mut pairs: Vec<String> = pairs.collect::<Option<_>>()?;
    pairs.sort();
    Some(pairs.join("+"))
}

/// Splits at a separator that is not escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(move |c| {
        let splits = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
    .collect()
}

/// Takes `\,` and `\2C` back to the characters that they stand for.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let first = bytes.next()?;
        plain.push(match char::from(first).to_digit(16) {
            Some(high) => {
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            None if b" \"#+,;<=>\\".contains(&first) => first,
            None => return None,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_escaped() {
        assert_eq!(child("uid", "o'neil, a+b #1", "dc=x"), "uid=o'neil\\2c a\\2bb #1,dc=x");
        assert_eq!(child("uid", "#x ", "dc=x"), "uid=\\23x\\20,dc=x");
    }

    #[test]
    fn equal_names_are_equal() {
        let plain = normalized("uid=ada b,ou=people,dc=x");
        assert!(plain.is_some());
        for other in ["UID=Ada  B, ou=People,DC=x", "uid=ada\\20b,ou=people,dc=x", "uid = \\61da b , ou=people , dc=x"]
        {
            assert_eq!(normalized(other), plain, "{other}");
        }
        assert_eq!(normalized("cn=a+uid=b,dc=x"), normalized("uid=b+cn=a,dc=x"));
        assert_ne!(normalized("uid=a\\,b,dc=x"), normalized("uid=a,b=c,dc=x"));
    }

    #[test]
    fn what_is_no_dn_is_told() {
        for text in ["people", "=x", "a b=c", "uid=\\zz", "uid=\\", "uid=\\f"] {
            assert_eq!(normalized(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_key_makes_one_level(key in ".{1,20}") {
            let dn = child("uid", &key, "dc=x");
            let normal = normalized(&dn);
            prop_assert!(normal.is_some(), "{}", dn);
            prop_assert_eq!(split(&dn, ',').len(), 2);
        }
    }
}
