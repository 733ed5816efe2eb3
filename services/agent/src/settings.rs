//! The settings of one connection, as the configuration writes them, and the package they make.
//!
//! The rule that must hold: secrets are never printed, and every mistake in every connection is
//! reported, not only the first.

use crate::package::Package;
use crate::package::csv::{Csv, CsvEntity};
use crate::package::ldap::{Directory, LdapEntity, LdapLink, LdapSettings};
use crate::package::manual_ticket::ManualTicket;
use crate::package::sql::{Sql, SqlEntity, SqlLink};
use provost_service_kit::configuration::{Configuration, from_values};
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

/// The settings of one connection, unread. Its `Debug` prints nothing: there are secrets in it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct ConnectionSettings(Map<String, Value>);

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
        match self.0.get("package").and_then(Value::as_str) {
            Some("csv") => csv(self.part()?, folder),
            Some("sql") => sql(self.part()?),
            Some("ldap") => ldap(self.part()?, folder),
            Some("manual-ticket") => {
                self.part().map(|ticket: TicketPart| Settings::ManualTicket { concurrency: ticket.concurrency })
            }
            Some(other) => {
                Err(vec![format!("package: there is no '{other}'; there are csv, sql, ldap, manual-ticket")])
            }
            None => Err(vec!["package: missing; there are csv, sql, ldap, manual-ticket".to_owned()]),
        }
    }

    fn part<T: Configuration>(&self) -> Result<T, Vec<String>> {
        from_values(self.0.clone()).map_err(|mistakes| mistakes.0)
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

type Parts = BTreeMap<String, Map<String, Value>>;

/// Reads each entity by itself, so that one mistake does not hide another's.
fn entities<P: Configuration, E>(parts: Parts, convert: impl Fn(P) -> E) -> (BTreeMap<String, E>, Vec<String>) {
    let (mut entities, mut mistakes) = (BTreeMap::new(), Vec::new());
    for (name, part) in parts {
        match from_values::<P>(part) {
            Ok(part) => drop(entities.insert(name, convert(part))),
            Err(wrong) => mistakes.extend(wrong.0.into_iter().map(|mistake| format!("entities.{name}: {mistake}"))),
        }
    }
    (entities, mistakes)
}

fn or_mistakes<T>(value: T, mistakes: Vec<String>) -> Result<T, Vec<String>> {
    if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketPart {
    #[serde(rename = "package")]
    _package: String,
    #[serde(default = "concurrency")]
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
    entities: Parts,
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

fn csv(part: CsvPart, folder: &Path) -> Result<Settings, Vec<String>> {
    let convert = |entity: CsvEntityPart| {
        let usual = CsvEntity::new(folder.join(entity.file));
        CsvEntity {
            delimiter: entity.delimiter.and_then(|text| text.bytes().next()).unwrap_or(usual.delimiter),
            columns: entity.columns,
            multi_value_separator: entity.multi_value_separator.unwrap_or(usual.multi_value_separator),
            file: usual.file,
        }
    };
    let (entities, mistakes) = entities(part.entities, convert);
    or_mistakes(Settings::Csv(entities), mistakes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlPart {
    #[serde(rename = "package")]
    _package: String,
    url: SecretString,
    #[serde(default = "concurrency")]
    concurrency: u32,
    entities: Parts,
}

impl Configuration for SqlPart {
    fn mistakes(&self) -> Vec<String> {
        concurrency_mistake(self.concurrency)
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

fn sql(part: SqlPart) -> Result<Settings, Vec<String>> {
    let convert = |entity: SqlEntityPart| {
        let link = |link: SqlLinkPart| SqlLink { table: link.table, resource: link.resource, target: link.target };
        let links = entity.links.into_iter().map(|(property, part)| (property, link(part))).collect();
        SqlEntity { table: entity.table, key: entity.key, columns: entity.columns, links }
    };
    let (entities, mut mistakes) = entities(part.entities, convert);
    mistakes.extend(Sql::mistakes(&part.url, &entities));
    or_mistakes(Settings::Sql { url: part.url, concurrency: part.concurrency, entities }, mistakes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LdapPart {
    #[serde(rename = "package")]
    _package: String,
    url: String,
    #[serde(default)]
    start_tls: bool,
    ca_file: Option<PathBuf>,
    bind_dn: Option<String>,
    bind_password: Option<SecretString>,
    bind_password_file: Option<PathBuf>,
    page_size: Option<i32>,
    #[serde(default = "concurrency")]
    concurrency: u32,
    entities: Parts,
}

impl Configuration for LdapPart {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = concurrency_mistake(self.concurrency);
        if self.bind_password.is_some() && self.bind_password_file.is_some() {
            mistakes.push("bind_password: given twice; remove it or bind_password_file".to_owned());
        }
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

fn ldap(part: LdapPart, folder: &Path) -> Result<Settings, Vec<String>> {
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
    let (entities, mut mistakes) = entities(part.entities, convert);
    let from_file = part.bind_password_file.map(|file| {
        let file = folder.join(file);
        let read = std::fs::read_to_string(&file).map(|text| SecretString::from(text.trim_end_matches(['\r', '\n'])));
        read.map_err(|error| format!("bind_password_file: {} cannot be read: {error}", file.display()))
    });
    let bind_password = match from_file.transpose() {
        Ok(from_file) => from_file.or(part.bind_password),
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    };
    let settings = LdapSettings {
        url: part.url,
        start_tls: part.start_tls,
        ca_file: part.ca_file.map(|file| folder.join(file)),
        bind_dn: part.bind_dn,
        bind_password,
        page_size: part.page_size.unwrap_or(500),
    };
    mistakes.extend(Directory::new(settings.clone(), entities.clone()).err().into_iter().flatten());
    or_mistakes(Settings::Ldap { settings: Box::new(settings), concurrency: part.concurrency, entities }, mistakes)
}
