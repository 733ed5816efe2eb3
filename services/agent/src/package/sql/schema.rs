//! What the managed database says about its tables: which columns, of which types.
//!
//! Read at first use and remembered; read again when a name is not found, for tables change.

use super::database::{Database, Dialect, Statement, Unit};
use super::mapping::quoted_table;
use super::value::{Cell, Column, ColumnKind, Param};
use crate::package::failure::{self, Particulars, shortened};
use provost_domain::Failure;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The columns of one table, by name.
pub(super) type Columns = Arc<HashMap<String, Column>>;

/// The columns with their types, once without and once with length or precision. Without: -1, not NULL, for
/// NULL makes `character` of `character(8)`, which a cast takes for `character(1)`. A domain is told as what it
/// is made of, for a cast to a domain cuts as a cast to its type does.
const POSTGRES_COLUMNS: &str = "\
    WITH RECURSIVE typed (name, type, modifier) AS ( \
        SELECT attname, atttypid, atttypmod FROM pg_attribute \
        WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped \
        UNION ALL \
        SELECT name, typbasetype, typtypmod FROM typed JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd') \
    SELECT name::text, format_type(type, -1)::text, format_type(type, modifier)::text \
    FROM typed JOIN pg_type ON pg_type.oid = type WHERE typtype <> 'd'";

/// Tables seen so far.
#[derive(Debug, Default)]
pub(super) struct Schema(Mutex<HashMap<String, Columns>>);

impl Schema {
    /// Reads every table again at its next use.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The columns of a table, all of `wanted` among them (property at fault, column).
    pub(super) async fn columns(
        &self,
        database: &Database,
        table: &str,
        wanted: &[(Option<&str>, &str)],
    ) -> Result<Columns, Failure> {
        let has_all = |columns: &Columns| wanted.iter().all(|(_, column)| columns.contains_key(*column));
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some(columns) = known.filter(has_all) {
            return Ok(columns);
        }
        let mut unit = database.begin_read().await.map_err(|error| super::failure::of(&error))?;
        let columns = Arc::new(read(&mut unit, database.dialect(), table).await?);
        if columns.is_empty() {
            return Err(failure::refused(format!("table '{table}' does not exist, or the agent may not see it"))
                .with_hint("check the connection's 'table' settings and the database's grants"));
        }
        for (property, column) in wanted {
            if !columns.contains_key(*column) {
                let mut there: Vec<&str> = columns.keys().map(String::as_str).collect();
                there.sort_unstable();
                let there = shortened(&there.join(", "));
                let failure = failure::invalid(format!("table '{table}' has no column '{column}'; it has {there}"))
                    .with_hint("map the property to a column under 'columns', or to a table under 'links'");
                return Err(match property {
                    Some(property) => failure.with_property(*property),
                    None => failure,
                });
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), Arc::clone(&columns));
        Ok(columns)
    }
}

/// One column of those that were asked for.
pub(super) fn column<'a>(columns: &'a Columns, name: &str) -> Result<&'a Column, Failure> {
    columns.get(name).ok_or_else(|| failure::invalid(format!("column '{name}' does not exist")))
}

async fn read(unit: &mut Unit, dialect: Dialect, table: &str) -> Result<HashMap<String, Column>, Failure> {
    let statement = match dialect {
        Dialect::Sqlite => {
            let (schema, name) = table.split_once('.').unwrap_or(("main", table));
            Statement {
                sql: "SELECT name, type, type FROM pragma_table_xinfo(?1, ?2)".to_owned(),
                params: vec![Param::Text(name.to_owned()), Param::Text(schema.to_owned())],
            }
        }
        Dialect::Postgres => {
            Statement { sql: POSTGRES_COLUMNS.to_owned(), params: vec![Param::Text(quoted_table(table))] }
        }
    };
    let rows = unit.fetch(&statement).await.map_err(|error| super::failure::of(&error))?;
    let columns = rows.into_iter().filter_map(|row| match <[Cell; 3]>::try_from(row) {
        Ok([Cell::Text(name), Cell::Text(type_name), Cell::Text(exact_type)]) => {
            let kind = match dialect {
                Dialect::Sqlite => ColumnKind::of_sqlite(&type_name),
                Dialect::Postgres => ColumnKind::of_postgres(&type_name),
            };
            Some((name.clone(), Column { name, type_name, exact_type, kind }))
        }
        _ => None,
    });
    Ok(columns.collect())
}
