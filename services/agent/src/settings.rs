//! The settings of one connection, as the configuration writes them, and the package they make.
//!
//! The rule that must hold: secrets are never printed, and every mistake in every connection is
//! reported, not only the first.

use crate::package::Package;
use crate::package::csv::{Csv, CsvEntity};
use crate::package::ldap::{Directory, LdapEntity, LdapLink, LdapSettings};
use crate::package::manual_ticket::ManualTicket;
use crate::package::sql::{Sql, SqlEntity, SqlLink};
use provost_service_kit::configuration::{Configuration, from_values, or_text};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many orders a connection writes side by side when nothing is said.
const CONCURRENCY: u32 = 4;
/// The most that may be set.
const CONCURRENCY_MAX: u32 = 256;

/// The settings of one connection, unread: a value that is no table at all is a mistake of this connection, and hides
/// those of no other. Its `Debug` prints nothing: there are secrets in it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct ConnectionSettings(Value);

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionSettings(…)")
    }
}

/// The settings of one connection, read.
#[derive(Clone)]
pub(crate) enum Settings {
    Csv(BTreeMap<String, CsvEntity>),
    Sql { url: SecretString, concurrency: u32, entities: BTreeMap<String, SqlEntity> },
    Ldap { settings: Box<LdapSettings>, concurrency: u32, entities: BTreeMap<String, LdapEntity> },
    ManualTicket { concurrency: u32 },
}

impl ConnectionSettings {
    /// Reads the settings; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// All mistakes, one sentence each.
    pub(crate) fn read(&self, folder: &Path) -> Result<Settings, Vec<String>> {
        let Value::Object(table) = &self.0 else {
            return Err(vec![
                "must be a table; a variable that sets one of its keys ends with it, as in __URL".to_owned(),
            ]);
        };
        match table.get("package").and_then(Value::as_str) {
            Some("csv") => csv(parts(table), folder),
            Some("sql") => sql(parts(table), folder),
            Some("ldap") => ldap(parts(table), folder),
            Some("manual-ticket") => match from_values(table.clone()) {
                Ok(TicketPart { concurrency, .. }) => Ok(Settings::ManualTicket { concurrency }),
                Err(mistakes) => Err(mistakes.0),
            },
            Some(other) => {
                Err(vec![format!("package: there is no '{other}'; there are csv, sql, ldap, manual-ticket")])
            }
            None => Err(vec!["package: missing; there are csv, sql, ldap, manual-ticket".to_owned()]),
        }
    }
}

/// The connection's own keys and its entities, each read by itself, so that no mistake hides another one.
fn parts<T: Configuration, P: Configuration>(table: &Map<String, Value>) -> Read<T, P> {
    let (mut own, mut mistakes, mut entities) = (table.clone(), Vec::new(), BTreeMap::new());
    match own.remove("entities") {
        Some(Value::Object(tables)) => {
            for (name, table) in tables {
                let part = match table {
                    Value::Object(table) => from_values::<P>(table).map_err(|wrong| wrong.0),
                    _ => Err(vec!["must be a table".to_owned()]),
                };
                match part {
                    Ok(part) => drop(entities.insert(name, part)),
                    Err(wrong) => {
                        mistakes.extend(wrong.into_iter().map(|mistake| format!("entities.{name}: {mistake}")));
                    }
                }
            }
        }
        Some(_) => mistakes.push("entities: must be a table, with one table for each entity type".to_owned()),
        None => mistakes.push("entities: missing; say where each entity type is kept".to_owned()),
    }
    let own = from_values(own).map_err(|wrong| mistakes.extend(wrong.0.into_iter().map(discreet))).ok();
    Read { own, entities, mistakes }
}

/// A mistake without the value of a secret: a password of digits is told with its type.
fn discreet(mistake: String) -> String {
    let secret = ["bind_password", "url"].iter().find(|key| mistake.starts_with(&format!("{key}: invalid type")));
    secret.map_or(mistake, |key| format!("{key}: must be text, in quotes"))
}

/// What could be read of a connection, and what is wrong with the rest.
struct Read<T, P> {
    own: Option<T>,
    entities: BTreeMap<String, P>,
    mistakes: Vec<String>,
}

impl<T, P> Read<T, P> {
    /// The entities as the package knows them.
    fn converted<E>(entities: BTreeMap<String, P>, convert: impl Fn(P) -> E) -> BTreeMap<String, E> {
        entities.into_iter().map(|(name, part)| (name, convert(part))).collect()
    }
}

/// A secret that stands in the configuration or in a file beside it. A mistake names `key`.
fn secret(
    key: &str,
    given: Option<SecretString>,
    file: Option<&Path>,
    folder: &Path,
    mistakes: &mut Vec<String>,
) -> Option<SecretString> {
    let Some(file) = file else { return given };
    if given.is_some() {
        mistakes.push(format!("{key}: given twice; remove it or {key}_file"));
        return given;
    }
    let file = folder.join(file);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(SecretString::from(text.trim_end_matches(['\r', '\n']))),
        Err(error) => {
            mistakes.push(format!("{key}_file: {} cannot be read: {error}", file.display()));
            None
        }
    }
}

impl Settings {
    pub(crate) const fn package_name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Sql { .. } => "sql",
            Self::Ldap { .. } => "ldap",
            Self::ManualTicket { .. } => "manual-ticket",
        }
    }

    pub(crate) const fn concurrency(&self) -> u32 {
        match self {
            Self::Csv(_) => 1,
            Self::Sql { concurrency, .. } | Self::Ldap { concurrency, .. } | Self::ManualTicket { concurrency } => {
                *concurrency
            }
        }
    }

    /// Makes the package.
    ///
    /// # Errors
    /// As [`ConnectionSettings::read`], which finds the mistakes first.
    pub(crate) fn package(self, folder: &Path) -> Result<Arc<dyn Package>, Vec<String>> {
        Ok(match self {
            Self::Csv(entities) => Arc::new(Csv::new(entities)),
            Self::Sql { url, concurrency, entities } => Arc::new(Sql::new(&url, folder, concurrency, entities)?),
            Self::Ldap { settings, entities, .. } => Arc::new(Directory::new(*settings, entities)?),
            Self::ManualTicket { .. } => Arc::new(ManualTicket),
        })
    }
}

const fn concurrency() -> u32 {
    CONCURRENCY
}

fn concurrency_mistake(concurrency: u32) -> Vec<String> {
    let fits = (1..=CONCURRENCY_MAX).contains(&concurrency);
    if fits { vec![] } else { vec![format!("concurrency: must be 1 to {CONCURRENCY_MAX}")] }
}

fn or_mistakes<T>(value: T, mistakes: Vec<String>) -> Result<T, Vec<String>> {
    if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketPart {
    #[serde(rename = "package")]
    _package: String,
    #[serde(default = "concurrency", deserialize_with = "or_text")]
    concurrency: u32,
}

impl Configuration for TicketPart {
    fn mistakes(&self) -> Vec<String> {
        concurrency_mistake(self.concurrency)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvPart {
    #[serde(rename = "package")]
    _package: String,
}

impl Configuration for CsvPart {
    fn mistakes(&self) -> Vec<String> {
        vec![]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvEntityPart {
    file: PathBuf,
    delimiter: Option<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    multi_value_separator: Option<String>,
}

impl Configuration for CsvEntityPart {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.delimiter.as_ref().is_some_and(|text| text.len() != 1 || text == "\"" || text == "\n" || text == "\r") {
            mistakes.push("delimiter: must be one ASCII character, for example ';'".to_owned());
        }
        if self.multi_value_separator.as_ref().is_some_and(String::is_empty) {
            mistakes.push("multi_value_separator: must not be empty".to_owned());
        }
        mistakes
    }
}

fn csv(read: Read<CsvPart, CsvEntityPart>, folder: &Path) -> Result<Settings, Vec<String>> {
    let convert = |entity: CsvEntityPart| {
        let usual = CsvEntity::new(folder.join(entity.file));
        CsvEntity {
            delimiter: entity.delimiter.and_then(|text| text.bytes().next()).unwrap_or(usual.delimiter),
            columns: entity.columns,
            multi_value_separator: entity.multi_value_separator.unwrap_or(usual.multi_value_separator),
            file: usual.file,
        }
    };
    or_mistakes(Settings::Csv(Read::<CsvPart, _>::converted(read.entities, convert)), read.mistakes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlPart {
    #[serde(rename = "package")]
    _package: String,
    url: Option<SecretString>,
    url_file: Option<PathBuf>,
    #[serde(default = "concurrency", deserialize_with = "or_text")]
    concurrency: u32,
}

// What is well-formed but wrong is told by `sql` itself: here it would hide what else is wrong.
impl Configuration for SqlPart {
    fn mistakes(&self) -> Vec<String> {
        vec![]
    }
}

impl SqlPart {
    fn contradictions(&self) -> Vec<String> {
        let mut mistakes = concurrency_mistake(self.concurrency);
        if self.url.is_none() && self.url_file.is_none() {
            mistakes.push("url: missing; it reads sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE".to_owned());
        }
        mistakes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlEntityPart {
    table: String,
    key: String,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    links: BTreeMap<String, SqlLinkPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlLinkPart {
    table: String,
    resource: String,
    target: String,
}

impl Configuration for SqlEntityPart {
    fn mistakes(&self) -> Vec<String> {
        vec![]
    }
}

fn sql(read: Read<SqlPart, SqlEntityPart>, folder: &Path) -> Result<Settings, Vec<String>> {
    let convert = |entity: SqlEntityPart| {
        let link = |link: SqlLinkPart| SqlLink { table: link.table, resource: link.resource, target: link.target };
        let links = entity.links.into_iter().map(|(property, part)| (property, link(part))).collect();
        SqlEntity { table: entity.table, key: entity.key, columns: entity.columns, links }
    };
    let mut mistakes = read.mistakes;
    let entities = Read::<SqlPart, _>::converted(read.entities, convert);
    mistakes.extend(read.own.as_ref().map(SqlPart::contradictions).into_iter().flatten());
    let concurrency = read.own.as_ref().map_or(CONCURRENCY, |own| own.concurrency);
    let url = read.own.and_then(|own| secret("url", own.url, own.url_file.as_deref(), folder, &mut mistakes));
    mistakes.extend(Sql::mistakes(url.as_ref(), &entities));
    match url {
        Some(url) => or_mistakes(Settings::Sql { url, concurrency, entities }, mistakes),
        None => Err(mistakes),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LdapPart {
    #[serde(rename = "package")]
    _package: String,
    url: String,
    #[serde(default, deserialize_with = "or_text")]
    start_tls: bool,
    ca_file: Option<PathBuf>,
    bind_dn: Option<String>,
    bind_password: Option<SecretString>,
    bind_password_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "or_text")]
    page_size: Option<i32>,
    #[serde(default = "concurrency", deserialize_with = "or_text")]
    concurrency: u32,
}

// As for SQL.
impl Configuration for LdapPart {
    fn mistakes(&self) -> Vec<String> {
        vec![]
    }
}

impl LdapPart {
    fn contradictions(&self) -> Vec<String> {
        let mut mistakes = concurrency_mistake(self.concurrency);
        let password = self.bind_password.is_some() || self.bind_password_file.is_some();
        if self.bind_dn.is_some() != password {
            mistakes.push("bind_dn: needs bind_password or bind_password_file, and they need it".to_owned());
        }
        mistakes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LdapEntityPart {
    base_dn: String,
    rdn_attribute: String,
    object_classes: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    filter: Option<String>,
    #[serde(default)]
    links: BTreeMap<String, LdapLinkPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LdapLinkPart {
    entity: String,
    attribute: String,
}

impl Configuration for LdapEntityPart {
    fn mistakes(&self) -> Vec<String> {
        let empty = self.object_classes.is_empty();
        if empty { vec!["object_classes: a new entry needs at least one".to_owned()] } else { vec![] }
    }
}

fn ldap(read: Read<LdapPart, LdapEntityPart>, folder: &Path) -> Result<Settings, Vec<String>> {
    let convert = |entity: LdapEntityPart| LdapEntity {
        base_dn: entity.base_dn,
        rdn_attribute: entity.rdn_attribute,
        object_classes: entity.object_classes,
        attributes: entity.attributes,
        filter: entity.filter.unwrap_or_else(|| "(objectClass=*)".to_owned()),
        links: entity
            .links
            .into_iter()
            .map(|(property, link)| (property, LdapLink { entity: link.entity, attribute: link.attribute }))
            .collect(),
    };
    let mut mistakes = read.mistakes;
    // A link to an entity that could not be read is no mistake of its own.
    let all_read = !mistakes.iter().any(|mistake| mistake.starts_with("entities"));
    let entities = Read::<LdapPart, _>::converted(read.entities, convert);
    let Some(part) = read.own else {
        mistakes.extend(Directory::entity_mistakes(&entities).into_iter().filter(|_| all_read));
        return Err(mistakes);
    };
    mistakes.extend(part.contradictions());
    let file = part.bind_password_file.as_deref();
    let bind_password = secret("bind_password", part.bind_password, file, folder, &mut mistakes);
    let settings = LdapSettings {
        url: part.url,
        start_tls: part.start_tls,
        ca_file: part.ca_file.map(|file| folder.join(file)),
        bind_dn: part.bind_dn,
        bind_password,
        page_size: part.page_size.unwrap_or(500),
    };
    let of_links = |mistake: &String| mistake.contains(".links.") && mistake.contains("has no entity");
    let more = Directory::new(settings.clone(), entities.clone()).err().into_iter().flatten();
    mistakes.extend(more.filter(|mistake| all_read || !of_links(mistake)));
    or_mistakes(Settings::Ldap { settings: Box::new(settings), concurrency: part.concurrency, entities }, mistakes)
}
