//! Building statements that both engines understand: numbered placeholders, and lists of values.
//!
//! Each text is a statement of its own in the engines' caches, and is parsed and planned once for each connection
//! that keeps it. Texts must therefore be few, however many values there are: PostgreSQL takes a list as one array;
//! on SQLite lists are padded to few fixed sizes.

use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

/// Sizes of lists, and of chunks of rows, on SQLite; largest first.
pub(crate) const SIZES: [usize; 5] = [500, 100, 20, 5, 1];

/// Stands for a placeholder until the engine is known; no statement holds it otherwise.
const PLACE: char = '\u{1}';
/// Stands for the condition that what is before it is one of a list.
const AMONG: char = '\u{2}';

/// SQL text under construction, with its values.
#[derive(Debug, Default)]
pub struct Sql {
    text: String,
    /// What stands at each place; a list is one array.
    values: Vec<Value>,
}

impl Sql {
    /// Text that stands as it is.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder for `value`.
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push(PLACE);
        self
    }

    /// Adds the condition that what was just written is one of `items`, none of which is NULL.
    pub fn among<V: Into<Value> + Clone>(&mut self, items: &[V]) -> &mut Self {
        self.values.push(array(items));
        self.text.push(AMONG);
        self
    }

    /// Adds a placeholder for all of `items` as one array, which only PostgreSQL knows; none of them is NULL.
    pub fn list<V: Into<Value> + Clone>(&mut self, items: &[V]) -> &mut Self {
        self.bind(array(items))
    }

    /// The plan instead of the rows, as text; for tests that pin it.
    pub async fn plan(mut self, connection: &impl ConnectionTrait) -> String {
        let postgres = connection.get_database_backend() == DbBackend::Postgres;
        let (explain, column) = if postgres { ("EXPLAIN ", "QUERY PLAN") } else { ("EXPLAIN QUERY PLAN ", "detail") };
        self.text.insert_str(0, explain);
        let rows = self.all(connection).await.unwrap_or_default();
        let lines: Vec<String> = rows.iter().filter_map(|row| row.try_get("", column).ok()).collect();
        lines.join("\n")
    }

    /// The text with the engine's placeholders, and the values in their order.
    ///
    /// PostgreSQL wants numbers. SQLite looks each named or numbered one up among all before it, which takes seconds
    /// for large inserts, so there they are bare.
    fn placed(&mut self, backend: DbBackend) -> (String, Vec<Value>) {
        let (text, given) = (std::mem::take(&mut self.text), std::mem::take(&mut self.values));
        let mut placed = String::with_capacity(text.len() * 2);
        let mut values = Vec::with_capacity(given.len());
        let mut given = given.into_iter();
        for part in text.split_inclusive([PLACE, AMONG]) {
            let Some(words) = part.strip_suffix([PLACE, AMONG]) else {
                placed.push_str(part);
                continue;
            };
            placed.push_str(words);
            match given.next() {
                Some(Value::Array(of, Some(items))) if part.ends_with(AMONG) => {
                    among(&mut placed, &mut values, backend, of, *items);
                }
                Some(value) => {
                    values.push(value);
                    place(&mut placed, backend, values.len());
                }
                None => {}
            }
        }
        (placed, values)
    }

    fn statement(&mut self, connection: &impl ConnectionTrait) -> Statement {
        let backend = connection.get_database_backend();
        let (text, values) = self.placed(backend);
        Statement::from_sql_and_values(backend, text, values)
    }

    /// Runs it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn run(&mut self, connection: &impl ConnectionTrait) -> Result<ExecResult, DbErr> {
        connection.execute_raw(self.statement(connection)).await
    }

    /// Its rows.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn all(&mut self, connection: &impl ConnectionTrait) -> Result<Vec<QueryResult>, DbErr> {
        connection.query_all_raw(self.statement(connection)).await
    }

    /// Its first row.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn one(&mut self, connection: &impl ConnectionTrait) -> Result<Option<QueryResult>, DbErr> {
        connection.query_one_raw(self.statement(connection)).await
    }
}

fn array<V: Into<Value> + Clone>(items: &[V]) -> Value {
    let items: Vec<Value> = items.iter().cloned().map(Into::into).collect();
    let of = items.first().map_or(ArrayType::String, Value::array_type);
    Value::Array(of, Some(Box::new(items)))
}

fn place(text: &mut String, backend: DbBackend, number: usize) {
    if backend == DbBackend::Postgres {
        text.push('$');
        text.push_str(&number.to_string());
    } else {
        text.push('?');
    }
}

fn among(text: &mut String, values: &mut Vec<Value>, backend: DbBackend, of: ArrayType, items: Vec<Value>) {
    let Some(last) = items.last().cloned() else {
        text.push_str(" IN (NULL)");
        return;
    };
    if backend == DbBackend::Postgres {
        values.push(Value::Array(of, Some(Box::new(items))));
        text.push_str(" = ANY(");
        place(text, backend, values.len());
        text.push(')');
        return;
    }
    let size = SIZES.into_iter().rev().find(|size| *size >= items.len()).unwrap_or(items.len());
    values.extend(items.into_iter().chain(std::iter::repeat(last)).take(size));
    text.push_str(" IN (?");
    (1..size).for_each(|_| text.push_str(",?"));
    text.push(')');
}

/// Cuts items into pieces for lists.
pub fn pieces<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    items.chunks(500)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(items: &[i64]) -> Sql {
        let mut sql = Sql::new("a = ");
        sql.bind(1_i64).push(" AND x").among(items).push(" AND y = ").bind("z");
        sql
    }

    #[test]
    fn postgres_takes_a_list_as_one_array() {
        let (text, values) = sql(&[7, 8]).placed(DbBackend::Postgres);
        assert_eq!(text, "a = $1 AND x = ANY($2) AND y = $3");
        assert_eq!(values, [1_i64.into(), vec![7_i64, 8].into(), "z".into()]);
        assert_eq!(sql(&[7; 300]).placed(DbBackend::Postgres).0, text, "however long it is");
    }

    #[test]
    fn sqlite_pads_lists_to_few_sizes() {
        let (text, values) = sql(&[7, 8]).placed(DbBackend::Sqlite);
        assert_eq!(text, "a = ? AND x IN (?,?,?,?,?) AND y = ?");
        assert_eq!(values, [1_i64, 7, 8, 8, 8, 8].map(Value::from).into_iter().chain(["z".into()]).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_among_nothing() {
        for (backend, last) in [(DbBackend::Postgres, "$2"), (DbBackend::Sqlite, "?")] {
            let (text, values) = sql(&[]).placed(backend);
            assert!(text.ends_with(&format!("AND x IN (NULL) AND y = {last}")), "{text}");
            assert_eq!(values, [1_i64.into(), "z".into()]);
        }
    }
}
