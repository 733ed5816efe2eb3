//! Configuration: a file, then the environment, then flags; later ones win. All mistakes are
//! reported together, before any socket opens; unknown keys are mistakes.

use crate::lenient::{Node, Place};
use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};

/// A service's configuration.
pub trait Configuration: DeserializeOwned {
    /// Values that are well-formed but wrong, or that contradict each other: one sentence each,
    /// beginning with the key.
    fn mistakes(&self) -> Vec<String>;

    /// Whether there is a key `database_url`, which has an argument of its own.
    const HAS_DATABASE: bool = true;

    /// Top-level keys whose values, or values below them, may be secret: what is wrong there is told without them.
    const SECRET: &'static [&'static str] = &["database_url"];

    /// Learns the folder of the configuration file, before it is asked for mistakes: relative paths in the file
    /// are meant from there.
    fn located(&mut self, _folder: &Path) {}
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is wrong:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The prefix of environment variables: with `PROVOST_REVIEW`, `PROVOST_REVIEW_LISTEN` is the
    /// key `listen`, and `__` separates tables. A key that is there already is found in any case, and
    /// with `_` for `-`, which no variable can hold.
    pub prefix: &'static str,
    /// Keys set on the command line.
    pub flags: Vec<(String, String)>,
}

/// Loads a configuration.
///
/// # Errors
/// All mistakes together.
pub fn load<T: Configuration>(sources: &Sources) -> Result<T, Mistakes> {
    let (values, texts, mut mistakes) = merge(sources);
    let folder = sources.file.as_ref().and_then(|file| file.parent());
    match read(values, &texts, folder, T::SECRET) {
        Ok(configuration) if mistakes.is_empty() => return Ok(configuration),
        Ok(_) => {}
        Err(more) => mistakes.extend(more.0),
    }
    Err(Mistakes(mistakes))
}

/// Reads a configuration that stands inside another one.
///
/// # Errors
/// All mistakes together, without the values at fault: they may be secret.
pub fn from_values<T: Configuration>(values: Map<String, Value>) -> Result<T, Mistakes> {
    let all: Vec<String> = values.keys().cloned().collect();
    read(values, &[], None, &all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Reads a field of a configuration inside another one, where nobody knows any more that a value came from
/// a variable or a flag: a text is read as the number or the boolean that the key wants.
///
/// # Errors
/// When it is neither.
pub fn or_text<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let plain = value.as_str().and_then(|text| serde_json::from_str::<Value>(text.trim()).ok());
    let plain = plain.filter(|value| value.is_number() || value.is_boolean());
    T::deserialize(plain.unwrap_or(value)).map_err(serde::de::Error::custom)
}

/// Reads a configuration from TOML text; for tests, and for configurations inside others.
///
/// # Errors
/// All mistakes together.
pub fn from_toml<T: Configuration>(text: &str) -> Result<T, Mistakes> {
    read(parse(text).map_err(|mistake| Mistakes(vec![mistake]))?, &[], None, T::SECRET)
}

/// The values of all sources, the places of those that came as text (a flag and a variable cannot say whether
/// `7` is a number), and what could not be taken.
fn merge(sources: &Sources) -> (Map<String, Value>, Vec<Place>, Vec<String>) {
    let mut mistakes = Vec::new();
    let mut is_whole = true;
    let mut values = match sources.file.as_deref().map(file) {
        Some(Ok(values)) => values,
        Some(Err(mistake)) => {
            mistakes.push(mistake);
            is_whole = false;
            Map::new()
        }
        None => Map::new(),
    };
    let mut texts = Vec::new();
    let flags = sources.flags.iter().map(|(key, text)| (key.split('.').map(str::to_owned).collect(), text.clone()));
    let variables: Vec<_> = environment(sources.prefix).map(|(place, text)| (known(&values, place), text)).collect();
    for (place, text) in variables.into_iter().chain(flags) {
        match set(&mut values, &place, Value::String(text)) {
            Ok(()) => texts.push(place),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    // A table completes the file's: without the file it would only seem to be incomplete.
    values.retain(|_, value| is_whole || !value.is_object());
    (values, texts, mistakes)
}

fn file(file: &Path) -> Result<Map<String, Value>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file {} cannot be read: {error}", file.display()))?;
    parse(&text).map_err(|error| format!("the file {} is wrong: {error}", file.display()))
}

/// The place with its keys as they are written already, as far as they are.
fn known(values: &Map<String, Value>, place: Place) -> Place {
    let alike = |one: &str, other: &str| one.replace('-', "_").eq_ignore_ascii_case(&other.replace('-', "_"));
    let mut table = Some(values);
    let key = |key: String| {
        let found = table.filter(|table| !table.contains_key(&key));
        let found = found.and_then(|table| table.keys().find(|there| alike(there, &key))).cloned();
        let key = found.unwrap_or(key);
        table = table.and_then(|table| table.get(&key)).and_then(Value::as_object);
        key
    };
    place.into_iter().map(key).collect()
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let source = File::from_str(text, FileFormat::Toml);
    let values = Config::builder().add_source(source).build().and_then(Config::try_deserialize);
    values.map_err(|error| without_source(&error.to_string()))
}

/// The parser's place and message without the line of the file, which it draws in between: there may be a
/// password in it.
fn without_source(error: &str) -> String {
    let is_drawn = |line: &&str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    let mut lines = error.lines();
    let place = lines.next().unwrap_or_default();
    let message = lines.skip_while(is_drawn).collect::<Vec<_>>().join(", ");
    if message.is_empty() { place.to_owned() } else { format!("{place}: {message}") }
}

/// A type error without the value that has the wrong type.
fn without_value(error: &str) -> String {
    for kind in ["invalid type: ", "invalid value: ", "unknown variant "] {
        let Some((before, rest)) = error.split_once(kind) else { continue };
        // The value may quote anything, what is expected does not: it begins after the last comma of its kind.
        let Some((found, expected)) = rest.rsplit_once(", expected ") else { continue };
        let found = found.split(['"', '`']).next().unwrap_or_default().trim_end();
        return format!("{before}{}, expected {expected}", format!("{kind}{found}").trim_end());
    }
    error.to_owned()
}

fn environment(prefix: &'static str) -> impl Iterator<Item = (Place, String)> {
    let variables =
        std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    variables.filter_map(move |(name, text)| {
        let key = name.strip_prefix(prefix)?.strip_prefix('_').filter(|key| !prefix.is_empty() && !key.is_empty())?;
        Some((key.to_lowercase().split("__").map(str::to_owned).collect(), text))
    })
}

fn set(values: &mut Map<String, Value>, place: &[String], value: Value) -> Result<(), String> {
    match place {
        [] => Ok(()),
        [key] => {
            values.insert(key.clone(), value);
            Ok(())
        }
        [table, rest @ ..] => match values.entry(table.clone()).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => set(inner, rest, value),
            _ => Err(format!("{}: {table} is not a table", place.join("."))),
        },
    }
}

/// Values to stand in for a key that is missing or wrong, so that the rest can be read.
const STAND_INS: [fn() -> Value; 5] = [
    || Value::String(String::new()),
    || Value::from(0),
    || Value::from(false),
    || Value::Array(vec![]),
    || Value::Object(Map::new()),
];

/// Serde stops at the first mistake. So each one is noted, its key is taken out, or put in with some value if it
/// is missing, and what is left is read again, until it is read or the same mistake comes twice.
fn read<T: Configuration>(
    mut values: Map<String, Value>,
    texts: &[Place],
    folder: Option<&Path>,
    secret: &[&str],
) -> Result<T, Mistakes> {
    let mut mistakes: Vec<String> = Vec::new();
    // Keys that were noted: what is said of them afterwards is about our stand-in.
    let mut noted: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(Node::new(Value::Object(values.clone()), texts)) {
            Ok(mut configuration) => {
                folder.into_iter().for_each(|folder| configuration.located(folder));
                let of = |mistake: &String, key: &String| {
                    mistake.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with([':', '.']))
                };
                let more = configuration.mistakes();
                mistakes.extend(more.into_iter().filter(|mistake| !noted.iter().any(|key| of(mistake, key))));
                return if mistakes.is_empty() { Ok(configuration) } else { Err(Mistakes(mistakes)) };
            }
            Err(error) => error.to_string(),
        };
        if let Some(key) = missing(&error) {
            if !noted.contains(&key) {
                mistakes.push(error.clone());
                noted.push(key.clone());
            }
            let Some(filled) = filled::<T>(&values, texts, &key) else { return Err(Mistakes(mistakes)) };
            values = filled;
            continue;
        }
        let culprit = culprit::<T>(&values, texts, &error);
        let is_public = culprit.as_deref().is_some_and(|key| !secret.contains(&key));
        let error = if is_public { error } else { without_value(&error) };
        let mistake = match &culprit {
            Some(key) if !error.contains(&format!("`{key}`")) => format!("{key}: {error}"),
            _ => error,
        };
        if mistakes.contains(&mistake) {
            return Err(Mistakes(mistakes));
        }
        mistakes.push(mistake);
        match culprit {
            Some(key) => {
                values.retain(|name, _| *name != key);
                noted.push(key);
            }
            None => return Err(Mistakes(mistakes)),
        }
    }
}

/// The top-level key that an error says is missing.
fn missing(error: &str) -> Option<String> {
    Some(error.strip_prefix("missing field `")?.split_once('`')?.0.to_owned())
}

/// The values with a stand-in for a key, of the type that it wants.
fn filled<T: DeserializeOwned>(values: &Map<String, Value>, texts: &[Place], key: &str) -> Option<Map<String, Value>> {
    let with = |stand_in: Value| {
        let mut values = values.clone();
        values.insert(key.to_owned(), stand_in);
        values
    };
    let fits = |values: &Map<String, Value>| match T::deserialize(Node::new(Value::Object(values.clone()), texts)) {
        Ok(_) => true,
        Err(error) => {
            let error = error.to_string();
            let other = missing(&error).is_some_and(|missing| missing != key);
            other || culprit::<T>(values, texts, &error).is_some_and(|culprit| culprit != key)
        }
    };
    // A key that is there and still missing is one of a table further down: nothing to stand in for here.
    if values.contains_key(key) { None } else { STAND_INS.iter().map(|make| with(make())).find(fits) }
}

/// The top-level key that the error is about. Keys are read in their order, so it is the last of
/// the shortest beginning that fails alike.
fn culprit<T: DeserializeOwned>(values: &Map<String, Value>, texts: &[Place], error: &str) -> Option<String> {
    let mut beginning = Map::new();
    values
        .iter()
        .find(|(key, value)| {
            beginning.insert((*key).clone(), (*value).clone());
            T::deserialize(Node::new(Value::Object(beginning.clone()), texts))
                .is_err_and(|other| other.to_string() == error)
        })
        .map(|(key, _)| key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        listen: SocketAddr,
        seconds: u32,
        name: String,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { listen: SocketAddr::from(([127, 0, 0, 1], 7402)), seconds: 30, name: "x".into() }
        }
    }

    impl Configuration for Sample {
        fn mistakes(&self) -> Vec<String> {
            if self.seconds == 0 { vec!["seconds: must be at least 1".into()] } else { vec![] }
        }
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let sample: Result<Sample, _> = from_toml("");
        assert!(sample.is_ok_and(|sample| sample.listen.ip().is_loopback() && sample.seconds == 30));
    }

    #[test]
    fn all_mistakes_come_together() {
        let result: Result<Sample, _> = from_toml("listen = 'nowhere'\nseconds = 'many'\nnaem = 'y'\n");
        let text = result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string());
        let text = text.err().unwrap_or_default();
        assert!(text.contains("listen"), "{text}");
        assert!(text.contains("seconds"), "{text}");
        assert!(text.contains("naem"), "{text}");
    }

    #[test]
    fn contradictions_come_with_the_rest() {
        let result: Result<Sample, _> = from_toml("seconds = 0\ncolour = 'red'\n");
        let text = result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
        assert!(text.contains("colour") && text.contains("seconds: must be"), "{text}");
    }

    #[test]
    fn every_mistake_is_found_in_whatever_order_the_keys_come() {
        let lines = ["listen = 'nowhere'", "seconds = 0", "name = 'fine'", "colour = 'red'"];
        for first in 0..lines.len() {
            let mut order = lines.to_vec();
            order.rotate_left(first);
            let result: Result<Sample, _> = from_toml(&order.join("\n"));
            let text =
                result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
            for wrong in ["listen: ", "seconds: must be", "`colour`"] {
                assert!(text.contains(wrong), "{wrong} is missing in {text}");
            }
        }
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is wrong is looked at")]
    struct Strict {
        name: String,
        seconds: u32,
        is_on: bool,
        list: Vec<String>,
        table: std::collections::BTreeMap<String, u32>,
        limit: u32,
    }

    impl Configuration for Strict {
        fn mistakes(&self) -> Vec<String> {
            let empty = self.name.is_empty().then(|| "name: must not be empty".to_owned());
            let zero = (self.limit == 0).then(|| "limit: must be at least 1".to_owned());
            empty.into_iter().chain(zero).collect()
        }
    }

    #[test]
    fn all_missing_keys_are_named_with_the_other_mistakes_and_nothing_is_said_of_stand_ins() {
        let text = |toml: &str| from_toml::<Strict>(toml).map(|_| String::new()).map_err(|error| error.to_string());
        let mistakes = text("limit = 0\nlist = 5\ncolour = 'red'").unwrap_or_else(|mistakes| mistakes);
        for expected in
            ["`name`", "`seconds`", "`is_on`", "`table`", "list: invalid type", "`colour`", "limit: must be"]
        {
            assert!(mistakes.contains(expected), "{expected} is missing in {mistakes}");
        }
        assert!(!mistakes.contains("name: must") && !mistakes.contains("missing field `list`"), "{mistakes}");
        assert_eq!(mistakes.lines().count(), 8, "{mistakes}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = tempfile::NamedTempFile::new().and_then(|file| {
            std::fs::write(file.path(), "seconds = 5\nname = 'file'\n")?;
            Ok(file)
        });
        let file = file.map(tempfile::NamedTempFile::into_temp_path).ok();
        let sources = Sources {
            file: file.as_ref().map(|path| path.to_path_buf()),
            prefix: "PROVOST_NOBODY_SETS_THIS",
            flags: vec![("seconds".into(), "7".into())],
        };
        let sample: Result<Sample, _> = load(&sources);
        assert!(sample.is_ok_and(|sample| sample.seconds == 7 && sample.name == "file"));
    }

    #[test]
    fn same_mistake_at_two_keys_is_named_for_both() {
        let sources = Sources {
            file: None,
            prefix: "PROVOST_NOBODY_SETS_THIS",
            flags: vec![
                ("name".into(), "12".into()),
                ("seconds".into(), "many".into()),
                ("listen".into(), "many".into()),
            ],
        };
        let result: Result<Sample, _> = load(&sources);
        let text = result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
        assert!(text.contains("seconds: invalid type: string \"many\"") && text.contains("listen: "), "{text}");
        let result: Result<Sample, _> = from_toml("name = 5\nlisten = 5\nseconds = 0");
        let text = result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
        assert!(["name: ", "listen: ", "seconds: "].iter().all(|key| text.contains(key)), "{text}");
    }

    #[test]
    fn text_that_looks_like_a_number_stays_text_where_text_is_wanted() {
        let flags = vec![("name".into(), "0123".into()), ("seconds".into(), "12".into())];
        let sources = Sources { file: None, prefix: "PROVOST_NOBODY_SETS_THIS", flags };
        let sample: Result<Sample, _> = load(&sources);
        assert!(sample.is_ok_and(|sample| sample.name == "0123" && sample.seconds == 12));
    }

    #[test]
    fn missing_file_is_named() {
        let sources = Sources { file: Some("/nowhere/provost.toml".into()), prefix: "PROVOST_X", flags: vec![] };
        let result: Result<Sample, _> = load(&sources);
        let text = result.map(|sample| sample.name).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
        assert!(text.contains("/nowhere/provost.toml"), "{text}");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        database_url: secrecy::SecretString,
    }

    impl Configuration for Stored {
        fn mistakes(&self) -> Vec<String> {
            vec![format!("database_url: {} bytes", secrecy::ExposeSecret::expose_secret(&self.database_url).len())]
        }
    }

    #[test]
    fn database_of_a_wrong_type_is_told_without_its_value() {
        for (toml, expected) in [
            ("database_url = 271828", "database_url: invalid type: integer, expected a string"),
            ("database_url = ['271828']", "database_url: invalid type: sequence, expected a string"),
            ("database_url = x271828", "line 1, column 16: "),
            ("database_url = 'x271828", "line 1, column 24: "),
            ("database_url = '271828' 'x'", "line 1, column 2"),
        ] {
            let text = from_toml::<Stored>(toml).map_err(|mistakes| mistakes.to_string()).err().unwrap_or_default();
            assert!(text.contains(expected) && !text.contains("271828"), "{toml}: {text}");
        }
    }

    #[test]
    fn values_are_left_out_whatever_they_quote() {
        for (error, expected) in [
            ("invalid type: string \"a, expected b\", expected a map", "invalid type: string, expected a map"),
            ("links: invalid value: integer `7`, expected u8", "links: invalid value: integer, expected u8"),
            ("unknown variant `hunter2`, expected `on` or `off`", "unknown variant, expected `on` or `off`"),
            ("unknown field `uri`, expected `url`", "unknown field `uri`, expected `url`"),
            ("missing field `url`", "missing field `url`"),
        ] {
            assert_eq!(without_value(error), expected);
        }
    }
}
