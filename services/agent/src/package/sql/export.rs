//! Reading one entity type: one state of the table and its link tables, row by row.

use super::Sql;
use super::database::{Dialect, Statement, Unit};
use super::failure as classify;
use super::mapping::{SqlEntity, SqlLink, quoted, quoted_table};
use super::schema;
use super::statement;
use super::value::{Cell, ColumnKind};
use crate::package::failure::{self, Particulars, shortened};
use crate::package::{Entity, Property, Row, RowSender};
use futures::StreamExt;
use provost_domain::{Failure, Value};
use std::collections::HashMap;

/// The values of one multi-valued property, by the resource's key. Held in memory: merging two
/// sorted streams would need both engines to sort text alike.
type Links = HashMap<String, Vec<Value>>;

/// Where the value of a property comes from.
enum Source {
    Column(ColumnKind),
    Links(Links),
}

pub(super) async fn export(sql: &Sql, entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
    let mapping = sql.entity(&entity.name)?;
    let key_index = entity.key_index()?;
    if entity.properties.get(key_index).is_some_and(|key| mapping.column(&key.name) != mapping.key_column()) {
        let message = format!(
            "the catalog's key '{}' is not in the key column '{}' of table '{}'",
            entity.key,
            mapping.key_column(),
            mapping.table
        );
        return Err(failure::invalid(message).with_property(&entity.key));
    }
    let kinds = column_kinds(sql, mapping, entity).await?;
    let mut unit = sql.database.begin_read().await.map_err(|error| classify::of(&error))?;
    let mut sources = Vec::new();
    for (property, kind) in entity.properties.iter().zip(kinds) {
        sources.push(match (mapping.links.get(&property.name), kind) {
            (Some(link), _) => Source::Links(links(&mut unit, sql.database.dialect(), link, property).await?),
            (None, kind) => Source::Column(kind),
        });
    }
    let into = match sql.database.dialect() {
        // A reader of SQLite keeps writers from committing, the application's own too (with a write-ahead log it
        // only keeps the log from being cut), and whoever takes the rows may be slow: the rows are kept in
        // memory until the reading is over.
        Dialect::Sqlite => Destination::Memory(Vec::new()),
        Dialect::Postgres => Destination::Sender(rows),
    };
    let into = read(sql, &mut unit, mapping, entity, key_index, sources, into).await?;
    unit.commit().await.map_err(|error| classify::of(&error))?;
    if let Destination::Memory(read) = into {
        for row in read {
            rows.send(row).await?;
        }
    }
    Ok(())
}

/// Where rows go while the transaction is open.
enum Destination<'a> {
    Sender(&'a RowSender),
    Memory(Vec<Row>),
}

/// The kind of each property's column; what a link table holds has none.
async fn column_kinds(sql: &Sql, mapping: &SqlEntity, entity: &Entity) -> Result<Vec<ColumnKind>, Failure> {
    let mut wanted = Vec::new();
    for property in &entity.properties {
        match mapping.links.get(&property.name) {
            Some(link) => {
                let columns = [(Some(property.name.as_str()), link.resource.as_str()), (None, link.target.as_str())];
                sql.schema.columns(&sql.database, &link.table, &columns).await?;
            }
            None if property.multi_valued => {
                return Err(failure::invalid(format!("property '{}' has several values", property.name))
                    .with_property(&property.name)
                    .with_hint("configure the table that holds them under 'links'"));
            }
            None => wanted.push((Some(property.name.as_str()), mapping.column(&property.name))),
        }
    }
    let columns = sql.schema.columns(&sql.database, &mapping.table, &wanted).await?;
    let kind = |property: &Property| match mapping.links.get(&property.name) {
        Some(_) => Ok(ColumnKind::Other),
        None => schema::column(&columns, mapping.column(&property.name)).map(|column| column.kind),
    };
    entity.properties.iter().map(kind).collect()
}

async fn links(unit: &mut Unit, dialect: Dialect, link: &SqlLink, property: &Property) -> Result<Links, Failure> {
    let (resource, target) = (statement::read(dialect, &link.resource), statement::read(dialect, &link.target));
    let table = quoted_table(&link.table);
    let statement = Statement { sql: format!("SELECT {resource}, {target} FROM {table}"), params: vec![] };
    let mut links = Links::new();
    let mut stream = unit.stream(&statement).map_err(|error| classify::of(&error))?;
    while let Some(cells) = stream.next().await {
        let Ok([resource, target]) = <[Cell; 2]>::try_from(cells.map_err(|error| classify::of(&error))?) else {
            continue;
        };
        let Some(resource) = resource.key() else { continue };
        let value = target.read(ColumnKind::Other, property.value_type).map_err(|problem| {
            let message = format!("table '{}', row of '{}': {problem}", link.table, shortened(&resource));
            failure::invalid(message).with_property(&property.name)
        })?;
        links.entry(resource).or_default().extend(value);
    }
    Ok(links)
}

async fn read<'a>(
    sql: &Sql,
    unit: &mut Unit,
    mapping: &SqlEntity,
    entity: &Entity,
    key_index: usize,
    mut sources: Vec<Source>,
    mut into: Destination<'a>,
) -> Result<Destination<'a>, Failure> {
    let dialect = sql.database.dialect();
    // The key first: it finds the link rows, and names the row in messages.
    let mut columns = vec![statement::read(dialect, mapping.key_column())];
    let plain = entity.properties.iter().filter(|property| !mapping.links.contains_key(&property.name));
    columns.extend(plain.map(|property| statement::read(dialect, mapping.column(&property.name))));
    let (table, key) = (quoted_table(&mapping.table), quoted(mapping.key_column()));
    let sql = format!("SELECT {} FROM {table} ORDER BY {key}", columns.join(", "));
    let statement = Statement { sql, params: vec![] };
    let mut stream = unit.stream(&statement).map_err(|error| classify::of(&error))?;
    let mut previous: Option<String> = None;
    let wrong = |problem: String| failure::invalid(format!("table '{}': {problem}", mapping.table));
    while let Some(cells) = stream.next().await {
        let mut cells = cells.map_err(|error| classify::of(&error))?.into_iter();
        let key = cells.next().and_then(Cell::key).filter(|key| !key.trim().is_empty());
        let Some(key) = key else {
            return Err(wrong("a row has no key".to_owned()).with_property(&entity.key));
        };
        if previous.as_ref() == Some(&key) {
            return Err(wrong(format!("two rows have the key '{}'", shortened(&key))).with_property(&entity.key));
        }
        let mut row = Row::with_capacity(sources.len());
        for (property, source) in entity.properties.iter().zip(&mut sources) {
            row.push(match source {
                Source::Links(links) => links.remove(&key).filter(|items| !items.is_empty()).map(Value::List),
                Source::Column(kind) => {
                    let cell = cells.next().unwrap_or(Cell::Null);
                    cell.read(*kind, property.value_type).map_err(|problem| {
                        let column = mapping.column(&property.name);
                        wrong(format!("row '{}', column '{column}': {problem}", shortened(&key)))
                            .with_property(&property.name)
                    })?
                }
            });
        }
        if let Some(None) = row.get(key_index) {
            return Err(wrong("a row has no key".to_owned()).with_property(&entity.key));
        }
        match &mut into {
            Destination::Sender(rows) => rows.send(row).await?,
            Destination::Memory(rows) => rows.push(row),
        }
        previous = Some(key);
    }
    Ok(into)
}
