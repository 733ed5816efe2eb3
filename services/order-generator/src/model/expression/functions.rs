//! The functions that expressions may call: those of CEL that are bounded, and our own.
//!
//! CEL's extensions put no bound on what they build, so the text functions here are our own, with
//! the same names and meanings. The rule that must hold: the checker knows exactly what is here.

use super::value::{LIST_ITEMS_MAX, TEXT_BYTES_MAX};
use cel::common::types::{CelInt, CelList, CelString, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use std::sync::{Arc, LazyLock};

/// The type of an argument or a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Boolean,
    Integer,
    Unsigned,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List,
    StringList,
    Meta,
}

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// What it is called on, for `x.f()`.
    pub(super) receiver: Option<Type>,
    pub(super) arguments: &'static [Type],
    pub(super) returns: Type,
}

const fn global(name: &'static str, arguments: &'static [Type], returns: Type) -> Signature {
    Signature { name, receiver: None, arguments, returns }
}

const fn method(name: &'static str, on: Type, arguments: &'static [Type], returns: Type) -> Signature {
    Signature { name, receiver: Some(on), arguments, returns }
}

use Type::{Any, Boolean, Bytes, Double, Duration, Integer, List, String as Text, StringList, Timestamp, Unsigned};

/// Every function that an expression may call.
pub(super) static SIGNATURES: &[Signature] = &[
    global("size", &[Any], Integer),
    method("size", Any, &[], Integer),
    global("int", &[Any], Integer),
    global("uint", &[Any], Unsigned),
    global("double", &[Any], Double),
    global("string", &[Any], Text),
    global("bytes", &[Any], Bytes),
    global("bool", &[Any], Boolean),
    global("type", &[Any], Type::Meta),
    global("dyn", &[Any], Any),
    global("timestamp", &[Any], Timestamp),
    global("duration", &[Any], Duration),
    method("contains", Text, &[Text], Boolean),
    method("startsWith", Text, &[Text], Boolean),
    method("endsWith", Text, &[Text], Boolean),
    method("matches", Text, &[Text], Boolean),
    global("matches", &[Text, Text], Boolean),
    method("charAt", Text, &[Integer], Text),
    method("indexOf", Text, &[Text], Integer),
    method("lastIndexOf", Text, &[Text], Integer),
    method("lowerAscii", Text, &[], Text),
    method("upperAscii", Text, &[], Text),
    method("lower", Text, &[], Text),
    method("upper", Text, &[], Text),
    method("fold", Text, &[], Text),
    method("trim", Text, &[], Text),
    method("replace", Text, &[Text, Text], Text),
    method("split", Text, &[Text], StringList),
    method("substring", Text, &[Integer], Text),
    method("substring", Text, &[Integer, Integer], Text),
    method("padStart", Text, &[Integer, Text], Text),
    method("join", List, &[], Text),
    method("join", List, &[Text], Text),
    method("getFullYear", Timestamp, &[], Integer),
    method("getFullYear", Timestamp, &[Text], Integer),
    method("getMonth", Timestamp, &[], Integer),
    method("getMonth", Timestamp, &[Text], Integer),
    method("getDayOfYear", Timestamp, &[], Integer),
    method("getDayOfYear", Timestamp, &[Text], Integer),
    method("getDayOfMonth", Timestamp, &[], Integer),
    method("getDayOfMonth", Timestamp, &[Text], Integer),
    method("getDate", Timestamp, &[], Integer),
    method("getDate", Timestamp, &[Text], Integer),
    method("getDayOfWeek", Timestamp, &[], Integer),
    method("getDayOfWeek", Timestamp, &[Text], Integer),
    method("getHours", Any, &[], Integer),
    method("getHours", Timestamp, &[Text], Integer),
    method("getMinutes", Any, &[], Integer),
    method("getMinutes", Timestamp, &[Text], Integer),
    method("getSeconds", Any, &[], Integer),
    method("getSeconds", Timestamp, &[Text], Integer),
    method("getMilliseconds", Any, &[], Integer),
    method("getMilliseconds", Timestamp, &[Text], Integer),
];

/// Whether a function makes something as large as what it is given.
pub(super) fn builds(name: &str) -> bool {
    SIGNATURES
        .iter()
        .any(|signature| signature.name == name && matches!(signature.returns, Text | Bytes | StringList | Any))
}

/// The environment of all expressions.
pub(super) fn environment() -> &'static Arc<Env> {
    #[expect(clippy::expect_used, reason = "the declarations are constants; a test makes them all")]
    static ENVIRONMENT: LazyLock<Arc<Env>> =
        LazyLock::new(|| Arc::new(declared().expect("no function is declared twice")));
    &ENVIRONMENT
}

fn declared() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib().with_optional_support(false);
    cel::add_member_overload!(env, fn char_at: (CelString, CelInt) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn index_of: (CelString, CelString) -> CelInt)?;
    cel::add_member_overload!(env, fn last_index_of: (CelString, CelString) -> CelInt)?;
    cel::add_member_overload!(env, fn lower_ascii: (CelString) -> CelString)?;
    cel::add_member_overload!(env, fn upper_ascii: (CelString) -> CelString)?;
    cel::add_member_overload!(env, fn lower: (CelString) -> CelString)?;
    cel::add_member_overload!(env, fn upper: (CelString) -> CelString)?;
    cel::add_member_overload!(env, fn fold: (CelString) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn trim: (CelString) -> CelString)?;
    cel::add_member_overload!(env, fn replace: (CelString, CelString, CelString) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn split: (CelString, CelString) -> Result<CelList>)?;
    cel::add_member_overload!(env, fn substring: (CelString, CelInt) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn substring_range: (CelString, CelInt, CelInt) -> Result<CelString>,
        name = "substring")?;
    cel::add_member_overload!(env, fn pad_start: (CelString, CelInt, CelString) -> Result<CelString>)?;
    env.add_member_overload("join", "list.join()", LIST_TYPE, vec![], join)?;
    env.add_member_overload("join", "list.join(string)", LIST_TYPE, vec![cel::common::types::STRING_TYPE], join)?;
    Ok(env)
}

/// What is wrong with a pattern of 'matches', in the words of who compiles it at each call.
pub(super) fn pattern_misfit(pattern: &str) -> Option<String> {
    // A text in JSON is one in CEL.
    let call = format!("''.matches({})", serde_json::Value::from(pattern));
    let program = environment().compile(&call).ok()?;
    let said = program.execute(&cel::Context::with_env(Arc::clone(environment()))).err()?.to_string();
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(last.trim_start_matches("error: ").to_owned())
}

type Made = Result<CelString<'static>, ExecutionError>;

fn too_long(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, format!("the text would have more than {TEXT_BYTES_MAX} bytes"))
}

fn bounded(function: &str, text: String) -> Made {
    if text.len() > TEXT_BYTES_MAX { Err(too_long(function)) } else { Ok(text.into()) }
}

/// A place in a text of `length` characters; the end counts.
fn place(function: &str, index: i64, length: usize) -> Result<usize, ExecutionError> {
    usize::try_from(index).ok().filter(|index| *index <= length).ok_or_else(|| {
        ExecutionError::function_error(
            function,
            format!("index {index} is outside of the text, which has {length} characters"),
        )
    })
}

fn char_at(this: &CelString<'_>, index: &CelInt) -> Made {
    let at = place("charAt", *index.inner(), this.inner().chars().count())?;
    Ok(this.inner().chars().nth(at).map(String::from).unwrap_or_default().into())
}

/// From a byte offset to a place in characters; -1 for none.
fn characters(text: &str, offset: Option<usize>) -> CelInt {
    let before = offset.and_then(|offset| text.get(..offset)).map(|before| before.chars().count());
    CelInt::from(before.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1))
}

fn index_of(this: &CelString<'_>, part: &CelString<'_>) -> CelInt {
    characters(this.inner(), this.inner().find(part.inner()))
}

fn last_index_of(this: &CelString<'_>, part: &CelString<'_>) -> CelInt {
    characters(this.inner(), this.inner().rfind(part.inner()))
}

fn lower_ascii(this: &CelString<'_>) -> CelString<'static> {
    this.inner().to_ascii_lowercase().into()
}

fn upper_ascii(this: &CelString<'_>) -> CelString<'static> {
    this.inner().to_ascii_uppercase().into()
}

fn lower(this: &CelString<'_>) -> CelString<'static> {
    this.inner().to_lowercase().into()
}

fn upper(this: &CelString<'_>) -> CelString<'static> {
    this.inner().to_uppercase().into()
}

/// Accents and other scripts become plain ASCII letters: what logins and printers want.
fn fold(this: &CelString<'_>) -> Made {
    bounded("fold", deunicode::deunicode(this.inner()))
}

fn trim(this: &CelString<'_>) -> CelString<'static> {
    this.inner().trim().to_owned().into()
}

fn replace(this: &CelString<'_>, from: &CelString<'_>, to: &CelString<'_>) -> Made {
    let (text, from, to) = (this.inner(), from.inner(), to.inner());
    let hits = if from.is_empty() { text.chars().count() + 1 } else { text.len() / from.len() };
    // Counted only when the cheap bound does not already settle it.
    if text.len().saturating_add(hits.saturating_mul(to.len())) > TEXT_BYTES_MAX {
        let hits = text.matches(from).count();
        if text.len().saturating_add(hits.saturating_mul(to.len())) > TEXT_BYTES_MAX {
            return Err(too_long("replace"));
        }
    }
    Ok(text.replace(from, to).into())
}

fn split(this: &CelString<'_>, separator: &CelString<'_>) -> Result<CelList<'static>, ExecutionError> {
    let (text, separator) = (this.inner(), separator.inner());
    let parts: Vec<String> = if separator.is_empty() {
        text.chars().take(LIST_ITEMS_MAX + 1).map(String::from).collect()
    } else {
        text.split(separator).take(LIST_ITEMS_MAX + 1).map(str::to_owned).collect()
    };
    if parts.len() > LIST_ITEMS_MAX {
        let message = format!("the list would have more than {LIST_ITEMS_MAX} items");
        return Err(ExecutionError::function_error("split", message));
    }
    let parts: Vec<Box<dyn Val>> =
        parts.into_iter().map(|part| Box::new(CelString::from(part)) as Box<dyn Val>).collect();
    Ok(CelList::from(parts))
}

fn substring(this: &CelString<'_>, from: &CelInt) -> Made {
    let from = place("substring", *from.inner(), this.inner().chars().count())?;
    Ok(this.inner().chars().skip(from).collect::<String>().into())
}

fn substring_range(this: &CelString<'_>, from: &CelInt, to: &CelInt) -> Made {
    let length = this.inner().chars().count();
    let (from, to) = (place("substring", *from.inner(), length)?, place("substring", *to.inner(), length)?);
    if from > to {
        return Err(ExecutionError::function_error("substring", format!("begins at {from}, after its end {to}")));
    }
    Ok(this.inner().chars().skip(from).take(to - from).collect::<String>().into())
}

/// `'7'.padStart(3, '0')` is `007`.
fn pad_start(this: &CelString<'_>, width: &CelInt, fill: &CelString<'_>) -> Made {
    let width = usize::try_from(*width.inner()).unwrap_or(0);
    if width.saturating_mul(4) > TEXT_BYTES_MAX {
        return Err(too_long("padStart"));
    }
    let missing = width.saturating_sub(this.inner().chars().count());
    let mut text: String = fill.inner().chars().cycle().take(missing).collect();
    text.push_str(this.inner());
    Ok(text.into())
}

fn join<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = arguments.first().and_then(|list| list.downcast_ref::<CelList>());
    let list = list.ok_or_else(|| ExecutionError::function_error("join", "works on lists of strings"))?;
    let separator = arguments.get(1).and_then(|text| text.downcast_ref::<CelString>()).map_or("", CelString::inner);
    let mut text = String::new();
    for (index, item) in list.inner().iter().enumerate() {
        let item = item
            .downcast_ref::<CelString>()
            .ok_or_else(|| ExecutionError::function_error("join", "works on lists of strings"))?;
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(item.inner());
        if text.len() > TEXT_BYTES_MAX {
            return Err(too_long("join"));
        }
    }
    Ok(CowVal::owned(CelString::from(text)))
}
