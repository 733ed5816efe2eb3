//! Distinguished names of a directory (RFC 4514), in a form in which the same name is the same text.

/// Between relative names; no text of sense holds it.
const NAMES: &str = "\u{1d}";
/// Between the parts of one.
const PARTS: &str = "\u{1e}";
/// Between type and value.
const VALUE: char = '\u{1f}';

/// The short names of RFC 4514, which stand for object identifiers.
const TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "cn"),
    ("2.5.4.6", "c"),
    ("2.5.4.7", "l"),
    ("2.5.4.8", "st"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "o"),
    ("2.5.4.11", "ou"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("0.9.2342.19200300.100.1.1", "uid"),
];

/// The form of a name: types and values without upper case, spaces that mean nothing and escapes; the parts
/// of one relative name in one order. What is no distinguished name is compared without upper case.
pub(super) fn form(text: &str) -> String {
    parse(text).unwrap_or_else(|| super::text::lower_case(text.trim()))
}

fn parse(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(String::new());
    }
    let mut names = Vec::new();
    for relative in split(text, &[',', ';'])? {
        let mut parts = Vec::new();
        for part in split(relative, &['+'])? {
            let (kind, value) = part.split_once('=')?;
            let kind = kind.trim().to_lowercase();
            let kind = kind.strip_prefix("oid.").unwrap_or(&kind);
            let is_type = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
            if kind.is_empty() || !kind.chars().all(is_type) {
                return None;
            }
            let kind = TYPES.iter().find(|(identifier, _)| *identifier == kind).map_or(kind, |(_, short)| short);
            parts.push(format!("{kind}{VALUE}{}", self::value(value)?));
        }
        parts.sort();
        names.push(parts.join(PARTS));
    }
    Some(names.join(NAMES))
}

/// The pieces between separators that are neither escaped nor quoted; none when a quote stays open.
fn split<'a>(text: &'a str, separators: &[char]) -> Option<Vec<&'a str>> {
    let mut pieces = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if !is_quoted && separators.contains(&letter) => {
                pieces.push(text.get(start..at)?);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..)?);
    (!is_quoted && !is_escaped).then_some(pieces)
}

/// A value without escapes, quotes, upper case, and spaces that mean nothing.
fn value(text: &str) -> Option<String> {
    // An escaped space means something, so spaces are judged before escapes are taken away.
    let mut bytes: Vec<u8> = Vec::new();
    let mut kept = 0;
    let mut letters = text.trim_start().chars().peekable();
    let mut is_quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                kept = bytes.len();
            }
            '\\' => {
                let next = letters.next()?;
                match (next.to_digit(16), letters.peek().and_then(|low| low.to_digit(16))) {
                    (Some(high), Some(low)) => {
                        letters.next();
                        bytes.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    _ => bytes.extend(next.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                kept = bytes.len();
            }
            ' ' if !is_quoted => bytes.push(b' '),
            other => {
                bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes());
                kept = bytes.len();
            }
        }
    }
    bytes.truncate(kept);
    let value = super::text::lower_case(&String::from_utf8_lossy(&bytes));
    // Directories take a run of spaces for one.
    let mut single = String::with_capacity(value.len());
    for letter in value.chars() {
        if letter != ' ' || !single.ends_with(' ') {
            single.push(letter);
        }
    }
    Some(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_have_one_form() {
        let same = [
            ("CN=Ada Byron,OU=Depot,DC=acme,DC=org", "cn=ada byron, ou=depot, dc=ACME, dc=org"),
            ("CN=Byron\\, Ada,O=Acme", "cn=\"Byron, Ada\";o=Acme"),
            ("CN=Byron\\2C Ada,O=Acme", "CN=Byron\\, Ada,O=Acme"),
            ("OU=Sales+CN=J. Smith,DC=org", "CN=J. Smith+OU=Sales,DC=org"),
            ("2.5.4.3=Ada,OID.2.5.4.10=Acme", "cn=Ada,o=Acme"),
            ("CN=Zo\\C3\\A9", "CN=Zoé"),
            ("CN=Ada   Byron", "CN = Ada Byron "),
        ];
        for (a, b) in same {
            assert_eq!(form(a), form(b), "{a} and {b}");
        }
    }

    #[test]
    fn other_names_have_other_forms() {
        let other = [
            ("CN=Ada,OU=A", "OU=A,CN=Ada"),
            ("CN=Ada+OU=A", "CN=Ada,OU=A"),
            ("CN=Ada\\,OU=A", "CN=Ada,OU=A"),
            ("CN=Ada", "UID=Ada"),
            ("CN=Ada\\ ", "CN=Ada"),
        ];
        for (a, b) in other {
            assert_ne!(form(a), form(b), "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_name_is_compared_without_upper_case() {
        for (a, b) in [("Staff", "staff"), ("a,b=c", "A,B=C"), ("CN=\"open", "cn=\"OPEN"), ("CN=end\\", "cn=END\\")] {
            assert_eq!(form(a), form(b));
        }
        assert_eq!(form("  "), "");
    }
}
