//! The rows of link tables: one for each value of a multi-valued property.
//!
//! Tolerates what is already there and what is already gone.

use super::Sql;
use super::database::{Dialect, Statement, Unit};
use super::fulfill::Trouble;
use super::mapping::{quoted, quoted_table};
use super::plan::{LinkChange, LinkTable};
use super::statement::{self, Builder};
use super::value::Param;
use crate::package::failure::Difference;
use provost_domain::{ChangeOperation, Value};
use std::collections::BTreeSet;

/// Keeps others from changing the row until the transaction ends; SQLite has locked everything.
pub(super) const fn lock(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE",
    }
}

/// Makes the link rows what the changes say. Returns how many rows came or went.
///
/// What is to go goes first: the table may have room for one row only, by a constraint of its own.
pub(super) async fn apply(sql: &Sql, unit: &mut Unit, changes: &[LinkChange<'_>]) -> Result<u64, Trouble> {
    let mut written = 0;
    for link in changes {
        written += remove(sql, unit, link).await.map_err(|error| at(link, error))?;
    }
    for link in changes {
        written += add(sql, unit, link).await.map_err(|error| at(link, error))?;
    }
    Ok(written)
}

fn at(link: &LinkChange<'_>, error: sqlx::Error) -> Trouble {
    Trouble::Database { error, property: Some(link.change.property.clone()) }
}

/// The database compares, not we: it knows which texts are one value of its type (UUIDs, text without case).
async fn remove(sql: &Sql, unit: &mut Unit, link: &LinkChange<'_>) -> Result<u64, sqlx::Error> {
    let mut written = 0;
    match link.change.operation {
        ChangeOperation::Add => {}
        ChangeOperation::Set => {
            let statement = clear_builder(sql, &link.table).sql(" AND ").none_of(&link.table.target, &link.targets);
            written += unit.execute(&statement.done()).await?;
        }
        ChangeOperation::Remove => {
            for target in &link.targets {
                let statement = clear_builder(sql, &link.table).sql(" AND ").equals(&link.table.target, target.clone());
                written += unit.execute(&statement.done()).await?;
            }
        }
    }
    Ok(written)
}

async fn add(sql: &Sql, unit: &mut Unit, link: &LinkChange<'_>) -> Result<u64, sqlx::Error> {
    let mut written = 0;
    if link.change.operation != ChangeOperation::Remove {
        for target in &link.targets {
            written += unit.execute(&insert(sql, &link.table, target.clone())).await?;
        }
    }
    Ok(written)
}

/// The values that are there although a creation does not want them: signs of somebody else.
pub(super) async fn surplus(
    sql: &Sql,
    unit: &mut Unit,
    changes: &[LinkChange<'_>],
) -> Result<Vec<Difference>, Trouble> {
    let mut differences = Vec::new();
    for link in changes.iter().filter(|link| link.change.operation == ChangeOperation::Set) {
        differences.extend(apart(sql, unit, link, &link.targets).await?);
    }
    Ok(differences)
}

/// The values that are there although the order neither found nor sets them.
pub(super) async fn strangers(
    sql: &Sql,
    unit: &mut Unit,
    changes: &[LinkChange<'_>],
) -> Result<Vec<Difference>, Trouble> {
    let mut differences = Vec::new();
    for link in changes.iter().filter(|link| link.change.operation == ChangeOperation::Set) {
        let known: Vec<Param> = link.targets.iter().chain(&link.current).cloned().collect();
        differences.extend(apart(sql, unit, link, &known).await?);
    }
    Ok(differences)
}

/// The difference, if there are values apart from some.
async fn apart(
    sql: &Sql,
    unit: &mut Unit,
    link: &LinkChange<'_>,
    known: &[Param],
) -> Result<Option<Difference>, Trouble> {
    if targets(sql, unit, &link.table, known).await?.is_empty() {
        return Ok(None);
    }
    let present = targets(sql, unit, &link.table, &[]).await?;
    let found = Value::List(present.into_iter().map(Value::String).collect());
    Ok(Some(Difference::of(link.change, Some(&found), link.change.proposed.as_ref())))
}

/// Removes every link row of the resource.
pub(super) fn clear(sql: &Sql, table: &LinkTable<'_>) -> Statement {
    clear_builder(sql, table).done()
}

fn clear_builder(sql: &Sql, table: &LinkTable<'_>) -> Builder {
    let name = quoted_table(&table.link.table);
    Builder::new(sql.database.dialect(), format!("DELETE FROM {name} WHERE "))
        .equals(&table.resource, table.resource_param.clone())
}

/// Adds a row unless it is there; a table without a constraint would take it twice. A row that is in the way
/// although it is another one is an error: to be silent about it would be to say that the link is there.
fn insert(sql: &Sql, table: &LinkTable<'_>, target: Param) -> Statement {
    let (name, resource, column) =
        (quoted_table(&table.link.table), quoted(&table.resource.name), quoted(&table.target.name));
    Builder::new(sql.database.dialect(), format!("INSERT INTO {name} ({resource}, {column}) SELECT "))
        .bind(&table.resource, table.resource_param.clone())
        .sql(", ")
        .bind(&table.target, target.clone())
        .sql(&format!(" WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE "))
        .equals(&table.resource, table.resource_param.clone())
        .sql(" AND ")
        .equals(&table.target, target)
        .sql(")")
        .done()
}

/// The values that are there, apart from some.
async fn targets(
    sql: &Sql,
    unit: &mut Unit,
    table: &LinkTable<'_>,
    apart_from: &[Param],
) -> Result<BTreeSet<String>, sqlx::Error> {
    let dialect = sql.database.dialect();
    let column = statement::read(dialect, &table.target.name);
    let statement = Builder::new(dialect, format!("SELECT {column} FROM {} WHERE ", quoted_table(&table.link.table)))
        .equals(&table.resource, table.resource_param.clone())
        .sql(" AND ")
        .none_of(&table.target, apart_from)
        .done();
    let rows = unit.fetch(&statement).await?;
    Ok(rows.into_iter().flatten().filter_map(super::value::Cell::key).collect())
}
