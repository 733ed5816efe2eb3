//! A grpcurl command line, taken apart.

use crate::shell;
use serde_json::Value;

/// What a line does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Lists services, or the methods of one.
    List(Option<String>),
    /// Describes a name, or everything.
    Describe(Option<String>),
    /// Calls `package.Service/Method`.
    Call(String),
}

/// `grpcurl -plaintext [-H 'name: value']... [-d JSON] ADDRESS [list|describe|METHOD]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) data: Option<String>,
    pub(crate) address: String,
    pub(crate) action: Action,
}

impl Command {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = shell::words(line)?.into_iter();
        if words.next().as_deref() != Some("grpcurl") {
            return Err("the line does not begin with grpcurl".to_owned());
        }
        let (mut headers, mut data, mut is_plaintext) = (Vec::new(), None, false);
        let mut plain = Vec::new();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("nothing follows {word}"));
            match word.as_str() {
                "-plaintext" => is_plaintext = true,
                "-H" => headers.push(header(&value()?)?),
                "-d" if data.is_some() => return Err("-d is there twice".to_owned()),
                "-d" => data = Some(value()?),
                flag if flag.starts_with('-') => return Err(format!("the flag {flag} is not known here")),
                _ => plain.push(word),
            }
        }
        if !is_plaintext {
            return Err("-plaintext is missing; the servers speak without TLS".to_owned());
        }
        let mut plain = plain.into_iter();
        let address = plain.next().ok_or("the address is missing")?;
        let symbol = plain.next().ok_or("list, describe or a method is missing")?;
        let (argument, more) = (plain.next(), plain.next());
        let action = match symbol.as_str() {
            "list" => Action::List(argument),
            "describe" => Action::Describe(argument),
            _ if argument.is_some() => return Err("a word too many follows the method".to_owned()),
            _ => Action::Call(symbol),
        };
        if more.is_some() {
            return Err("a word too many".to_owned());
        }
        if data.is_some() && !matches!(action, Action::Call(_)) {
            return Err("-d has a meaning for calls only".to_owned());
        }
        Ok(Self { headers, data, address, action })
    }

    /// The names that stand for ids: `$ORDER` is `ORDER`.
    pub(crate) fn placeholders(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let text = self.data.as_deref().unwrap_or_default();
        for (start, _) in text.match_indices('$') {
            let name: String = text[start + 1..].chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The request as JSON, each placeholder filled by its name.
    pub(crate) fn json(&self, fill: impl Fn(&str) -> String) -> Result<Value, String> {
        let mut text = self.data.clone().unwrap_or_else(|| "{}".to_owned());
        let mut names = self.placeholders();
        // The longest first: $ORDER is a beginning of $ORDER_TWO.
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in names {
            text = text.replace(&format!("${name}"), &fill(&name));
        }
        serde_json::from_str(&text).map_err(|error| format!("{text} is not JSON: {error}"))
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("the header '{text}' is not 'name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_taken_apart() {
        let line = r#"grpcurl -plaintext -H 'x-provost-actor: ada' -d '{"id": "$ORDER"}' 127.0.0.1:7400 a.B/C # why"#;
        let command = Command::parse(line).unwrap();
        assert_eq!(command.headers, [("x-provost-actor".to_owned(), "ada".to_owned())]);
        assert_eq!(command.address, "127.0.0.1:7400");
        assert_eq!(command.action, Action::Call("a.B/C".to_owned()));
        assert_eq!(command.placeholders(), ["ORDER"]);
        assert_eq!(command.json(|name| format!("<{name}>")).unwrap(), serde_json::json!({ "id": "<ORDER>" }));
    }

    #[test]
    fn list_and_describe_are_known() {
        let action = |rest: &str| Command::parse(&format!("grpcurl -plaintext h:1 {rest}")).map(|c| c.action);
        assert_eq!(action("list"), Ok(Action::List(None)));
        assert_eq!(action("list a.B"), Ok(Action::List(Some("a.B".to_owned()))));
        assert_eq!(action("describe a.B"), Ok(Action::Describe(Some("a.B".to_owned()))));
        assert_eq!(action("a.B/C").map(|action| action == Action::Call("a.B/C".into())), Ok(true));
    }

    #[test]
    fn call_without_data_sends_an_empty_message() {
        let command = Command::parse("grpcurl -plaintext h:1 a.B/C").unwrap();
        assert_eq!(command.json(|_| String::new()).unwrap(), serde_json::json!({}));
    }

    #[test]
    fn longer_placeholder_is_not_cut_by_a_shorter_one() {
        let line = r#"grpcurl -plaintext -d '{"a": ["$RUN", "$RUN_TWO", "$RUN"], "b": "5 $"}' h:1 a.B/C"#;
        let command = Command::parse(line).unwrap();
        assert_eq!(command.placeholders(), ["RUN", "RUN_TWO"]);
        let expected = serde_json::json!({ "a": ["run", "run_two", "run"], "b": "5 $" });
        assert_eq!(command.json(str::to_lowercase).unwrap(), expected);
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, said) in [
            ("curl x", "does not begin with grpcurl"),
            ("grpcurl h:1 list", "-plaintext is missing"),
            ("grpcurl -plaintext", "the address is missing"),
            ("grpcurl -plaintext h:1", "list, describe or a method is missing"),
            ("grpcurl -plaintext -v h:1 list", "the flag -v is not known"),
            ("grpcurl -plaintext h:1 a.B/C d", "a word too many"),
            ("grpcurl -plaintext h:1 list a b", "a word too many"),
            ("grpcurl -plaintext -d '{}' h:1 list", "for calls only"),
            ("grpcurl -plaintext -d '{}' -d '{}' h:1 a.B/C", "twice"),
            ("grpcurl -plaintext -H nothing h:1 list", "is not 'name: value'"),
            ("grpcurl -plaintext h:1 list -d", "nothing follows -d"),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
        let command = Command::parse("grpcurl -plaintext -d '{' h:1 a.B/C").unwrap();
        assert!(command.json(|_| String::new()).unwrap_err().contains("is not JSON"));
    }
}
