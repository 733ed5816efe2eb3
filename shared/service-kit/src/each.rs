//! Rows that are named by many keys, asked for in one statement, whose text and whose plan do not depend on how many
//! keys there are or on what the database believes of its tables.
//!
//! The rule that must hold: each key is found by the index on the columns that are asked for. PostgreSQL, before its
//! statistics know a table that was just filled, takes `kind = $1 AND key IN (…)` for few rows of one kind, and walks
//! through them all; so there each key is looked up by itself, in a LATERAL query that nothing is merged into.
//! SQLite takes the keys as one JSON text.

use crate::Engine;
use sea_orm::sea_query::{Alias, Expr};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, ExprTrait, Iden, QueryFilter, QuerySelect, QueryTrait, Select, Statement,
    Value,
};

/// What is wanted of a column.
#[derive(Clone, Debug)]
pub enum Wanted<'a> {
    /// Texts.
    Texts(Vec<&'a str>),
    /// Whole numbers.
    Numbers(Vec<i64>),
}

impl Wanted<'_> {
    /// As one value, which PostgreSQL takes for an array.
    fn array(&self) -> Value {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>().into(),
            Self::Numbers(numbers) => numbers.clone().into(),
        }
    }

    fn json(&self) -> Vec<serde_json::Value> {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| (*text).into()).collect(),
            Self::Numbers(numbers) => numbers.iter().map(|number| (*number).into()).collect(),
        }
    }
}

/// A statement for the rows of a query whose columns have, together, one of the wanted combinations: the first value
/// of each column, the second of each, and so on. As many values of each are wanted. The rows come in no order, and
/// each once, however often it is wanted.
pub fn each<E: EntityTrait>(engine: Engine, query: Select<E>, wanted: &[(E::Column, Wanted<'_>)]) -> Statement {
    let columns: Vec<String> = wanted.iter().map(|(column, _)| column.unquoted().to_owned()).collect();
    let wanted: Vec<&Wanted<'_>> = wanted.iter().map(|(_, wanted)| wanted).collect();
    match engine {
        Engine::Postgres => {
            let conditions = columns.iter().enumerate().map(|(place, column)| {
                Expr::col((E::default(), Alias::new(column))).eq(Expr::cust(format!("wanted.v{place}")))
            });
            let query = conditions.fold(query, QueryFilter::filter).offset(0);
            let Statement { sql, values, .. } = query.build(DbBackend::Postgres);
            let values = values.map(|values| values.0).unwrap_or_default();
            lateral(&sql, values, &wanted)
        }
        Engine::Sqlite => {
            let table = E::default().unquoted().to_owned();
            let columns: Vec<String> = columns.iter().map(|column| format!("\"{table}\".\"{column}\"")).collect();
            let condition = format!("({}) IN ({})", columns.join(", "), from_json(columns.len(), "?"));
            query.filter(Expr::cust_with_values(condition, [json(&wanted)])).build(DbBackend::Sqlite)
        }
    }
}

/// As [`each`], with SQL that is written by hand around the condition on one column; it names no other value.
pub fn each_of_sql(engine: Engine, column: &str, wanted: &Wanted<'_>, sql: impl FnOnce(&str) -> String) -> Statement {
    match engine {
        Engine::Postgres => lateral(&format!("{} OFFSET 0", sql(&format!("{column} = wanted.v0"))), vec![], &[wanted]),
        Engine::Sqlite => {
            let condition = format!("{column} IN ({})", from_json(1, "$1"));
            Statement::from_sql_and_values(DbBackend::Sqlite, sql(&condition), [Value::from(json(&[wanted]))])
        }
    }
}

/// A statement for the rows of a query whose column lies above one number, and not above another. On PostgreSQL the
/// index is walked from each number that is there to the next, which is quick where few are; a comparison of sizes would
/// be taken for a third of the table.
pub fn between<E: EntityTrait>(
    engine: Engine,
    query: Select<E>,
    column: E::Column,
    above: i64,
    up_to: i64,
) -> Statement {
    let name = column.unquoted().to_owned();
    match engine {
        Engine::Postgres => {
            let is_wanted = Expr::col((E::default(), Alias::new(&name))).eq(Expr::cust("wanted.v0"));
            let Statement { sql, values, .. } = query.filter(is_wanted).offset(0).build(DbBackend::Postgres);
            let mut values = values.map(|values| values.0).unwrap_or_default();
            values.extend([above.into(), up_to.into()]);
            let (above, up_to) = (values.len() - 1, values.len());
            let table = E::default().unquoted().to_owned();
            let next = |above: &str| {
                format!("SELECT MIN(\"{name}\") FROM \"{table}\" WHERE \"{name}\" > {above} AND \"{name}\" <= ${up_to}")
            };
            let sql = format!(
                "WITH RECURSIVE wanted(v0) AS ({} UNION ALL SELECT ({}) FROM wanted WHERE wanted.v0 IS NOT NULL) \
                 SELECT found.* FROM wanted CROSS JOIN LATERAL ({sql}) AS found",
                next(&format!("${above}")),
                next("wanted.v0")
            );
            Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
        }
        Engine::Sqlite => query
            .filter(ColumnTrait::gt(&column, above))
            .filter(ColumnTrait::lte(&column, up_to))
            .build(DbBackend::Sqlite),
    }
}

/// The query that is made for each of what is wanted.
fn lateral(query: &str, mut values: Vec<Value>, wanted: &[&Wanted<'_>]) -> Statement {
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (place, wanted) in wanted.iter().enumerate() {
        values.push(wanted.array());
        arrays.push(format!("${}", values.len()));
        names.push(format!("v{place}"));
    }
    let (arrays, names) = (arrays.join(", "), names.join(", "));
    let sql = format!(
        "SELECT found.* FROM (SELECT DISTINCT {names} FROM unnest({arrays}) AS named({names})) AS wanted \
         CROSS JOIN LATERAL ({query}) AS found"
    );
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// What is wanted, out of a JSON text.
fn from_json(columns: usize, text: &str) -> String {
    let parts: Vec<String> = match columns {
        1 => vec!["value".to_owned()],
        _ => (0..columns).map(|place| format!("json_extract(value, '$[{place}]')")).collect(),
    };
    format!("SELECT {} FROM json_each({text})", parts.join(", "))
}

/// What is wanted, as a JSON text: values, or lists of one value for each column.
fn json(wanted: &[&Wanted<'_>]) -> String {
    let mut columns: Vec<_> = wanted.iter().map(|wanted| wanted.json().into_iter()).collect();
    let rows: Vec<serde_json::Value> = match columns.as_mut_slice() {
        [only] => only.collect(),
        all => std::iter::from_fn(|| all.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>())
            .map(serde_json::Value::from)
            .collect(),
    };
    serde_json::Value::from(rows).to_string()
}
