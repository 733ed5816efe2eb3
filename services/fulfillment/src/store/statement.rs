//! Building statements that both engines understand: numbered placeholders, lists and rows of them.
//!
//! Each number of placeholders is a statement of its own in the engines' caches. Lists are therefore
//! padded, and rows are cut into chunks, of few fixed sizes.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

/// Sizes of chunks and lists, largest first.
const SIZES: [usize; 5] = [500, 100, 20, 5, 1];

/// Stands for a placeholder until the engine is known; no statement holds it otherwise.
const PLACE: char = '\u{1}';

/// The text with the engine's placeholders. PostgreSQL wants numbers. SQLite looks each named or
/// numbered one up among all before it, which takes seconds for large inserts, so there they are bare.
fn placed(text: &str, are_numbered: bool) -> String {
    let mut placed = String::with_capacity(text.len() * 2);
    for (index, part) in text.split(PLACE).enumerate() {
        match index {
            0 => {}
            number if are_numbered => {
                placed.push('$');
                placed.push_str(&number.to_string());
            }
            _ => placed.push('?'),
        }
        placed.push_str(part);
    }
    placed
}

/// SQL text under construction, with its values.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder for `value`.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push(PLACE);
        self
    }

    /// Adds `(…)` with the items, padded by repeating the last one.
    pub(crate) fn list<V: Into<Value> + Clone>(&mut self, items: &[V]) -> &mut Self {
        let size = SIZES.into_iter().rev().find(|size| *size >= items.len()).unwrap_or(items.len());
        self.text.push('(');
        let padding = items.last().into_iter().cycle().take(size.saturating_sub(items.len()));
        for (index, item) in items.iter().chain(padding).enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.bind(item.clone());
        }
        self.text.push(')');
        self
    }

    /// The plan instead of the rows, as text; for tests that pin it.
    #[cfg(test)]
    pub(crate) async fn plan(mut self, connection: &impl ConnectionTrait) -> String {
        let postgres = connection.get_database_backend() == DbBackend::Postgres;
        let (explain, column) = if postgres { ("EXPLAIN ", "QUERY PLAN") } else { ("EXPLAIN QUERY PLAN ", "detail") };
        self.text.insert_str(0, explain);
        let rows = self.all(connection).await.unwrap_or_default();
        let lines: Vec<String> = rows.iter().filter_map(|row| row.try_get("", column).ok()).collect();
        lines.join("\n")
    }

    fn statement(&mut self, connection: &impl ConnectionTrait) -> Statement {
        let (text, values) = (std::mem::take(&mut self.text), std::mem::take(&mut self.values));
        let backend = connection.get_database_backend();
        Statement::from_sql_and_values(backend, placed(&text, backend == DbBackend::Postgres), values)
    }

    pub(crate) async fn run(&mut self, connection: &impl ConnectionTrait) -> Result<ExecResult, DbErr> {
        connection.execute_raw(self.statement(connection)).await
    }

    pub(crate) async fn all(&mut self, connection: &impl ConnectionTrait) -> Result<Vec<QueryResult>, DbErr> {
        connection.query_all_raw(self.statement(connection)).await
    }

    pub(crate) async fn one(&mut self, connection: &impl ConnectionTrait) -> Result<Option<QueryResult>, DbErr> {
        connection.query_one_raw(self.statement(connection)).await
    }
}

/// Cuts items into pieces for lists.
pub(crate) fn pieces<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    items.chunks(500)
}

/// Cuts rows into chunks of the fixed sizes.
fn chunks<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    for size in SIZES {
        while let Some((chunk, rest)) = rows.split_at_checked(size) {
            chunks.push(chunk);
            rows = rest;
        }
    }
    chunks
}

/// Inserts rows of `columns` into `table`, in their order. `end` goes behind the values.
pub(crate) async fn insert(
    connection: &impl ConnectionTrait,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
    end: &str,
) -> Result<(), DbErr> {
    for chunk in chunks(rows) {
        let mut sql = Sql::new(&format!("INSERT INTO {table} ({}) VALUES ", columns.join(",")));
        for (index, row) in chunk.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { ",(" });
            for (index, value) in row.iter().enumerate() {
                if index > 0 {
                    sql.push(",");
                }
                sql.bind(value.clone());
            }
            sql.push(")");
        }
        sql.push(end).run(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_padded_to_few_sizes() {
        let mut sql = Sql::new("x IN ");
        sql.list(&[7_i64, 8]).push(" AND y = ").bind(1_i64);
        assert_eq!(placed(&sql.text, true), "x IN ($1,$2,$3,$4,$5) AND y = $6");
        assert_eq!(placed(&sql.text, false), "x IN (?,?,?,?,?) AND y = ?");
        assert_eq!(sql.values.get(4), Some(&Value::from(8_i64)));
    }

    #[test]
    fn rows_are_cut_into_few_sizes_and_none_is_lost() {
        let rows: Vec<_> = (0..1_127).collect();
        let chunks = chunks(&rows);
        assert!(chunks.iter().all(|chunk| SIZES.contains(&chunk.len())));
        assert_eq!(chunks.concat(), rows);
        assert_eq!(chunks.len(), 2 + 1 + 1 + 1 + 2);
    }
}
