//! Storing many rows in one statement.
//!
//! What costs here is not the rows but what is said with each: a value that all rows share is said once, and a column
//! that none has is not named. PostgreSQL takes the rest as one array for each column, so that a table has few
//! statement texts however many rows come; on SQLite rows are cut into chunks of few fixed sizes.

use crate::statement::{SIZES, Sql, pieces};
use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, Iden, Iterable, ModelTrait, PrimaryKeyToColumn, QueryResult, Value,
};

/// Rows that one statement may well hold: more make it no faster, and all are in memory twice meanwhile.
pub const ROWS_MAX: usize = 1_000;

/// What becomes of a row whose primary key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again<'a> {
    /// It is refused.
    Refused,
    /// The one that is there stays.
    Stays,
    /// It takes the place of the one that is there.
    Replaces,
    /// It takes its place where this holds; the new row is `excluded`.
    ReplacesIf(&'a str),
}

/// Stores models, best at most [`ROWS_MAX`] of them. No two may have the same primary key, unless the one that is there stays.
///
/// # Errors
/// When the database refuses.
pub async fn store<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    models: Vec<E::Model>,
    again: Again<'_>,
) -> Result<(), DbErr> {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names: Vec<&str> = columns.iter().map(Iden::unquoted).collect();
    let key: Vec<String> = E::PrimaryKey::iter().map(|key| key.into_column().unquoted().to_owned()).collect();
    let table = E::default();
    let replaced =
        names.iter().filter(|name| !key.iter().any(|key| key == *name)).map(|name| format!("{name} = excluded.{name}"));
    let replaced = replaced.collect::<Vec<_>>().join(",");
    let end = match again {
        Again::Refused => String::new(),
        Again::Stays => format!(" ON CONFLICT ({}) DO NOTHING", key.join(",")),
        Again::Replaces => format!(" ON CONFLICT ({}) DO UPDATE SET {replaced}", key.join(",")),
        Again::ReplacesIf(condition) => {
            format!(" ON CONFLICT ({}) DO UPDATE SET {replaced} WHERE {condition}", key.join(","))
        }
    };
    let mut rows = Rows::of(&names, models.len());
    for model in models {
        rows.push(columns.iter().map(|column| model.get(*column)));
    }
    rows.insert(connection, table.unquoted(), &end).await?;
    Ok(())
}

/// Rows on their way into a table.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    names: Vec<&'a str>,
    /// The values of each column, all of the same length.
    columns: Vec<Vec<Value>>,
    count: usize,
}

impl<'a> Rows<'a> {
    /// No rows yet, of these columns, with room for `capacity`.
    pub fn of(names: &[&'a str], capacity: usize) -> Self {
        let columns = names.iter().map(|_| Vec::with_capacity(capacity)).collect();
        Self { names: names.to_vec(), columns, count: 0 }
    }

    /// Adds a row: a value for each column.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        self.count += 1;
    }

    /// Inserts the rows into `table`, in their order. `end` goes behind the values; what it returns is given back.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert(
        self,
        connection: &impl ConnectionTrait,
        table: &str,
        end: &str,
    ) -> Result<Vec<QueryResult>, DbErr> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let is_absent = |column: &[Value]| column.iter().all(|value| !value.is_some());
        let named = self.names.into_iter().zip(self.columns).filter(|(_, column)| !is_absent(column)).collect();
        match connection.get_database_backend() {
            DbBackend::Postgres => by_column(connection, table, named, end).await,
            _ => by_row(connection, table, named, self.count, end).await,
        }
    }
}

impl Rows<'_> {
    /// Writes the rows into those of `table` that have the value of the first column in it, which no two share. Each
    /// is also set `more`, and `always`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn update(
        self,
        connection: &impl ConnectionTrait,
        table: &str,
        more: &str,
        always: &[(&str, Value)],
    ) -> Result<(), DbErr> {
        let mut columns = self.names.into_iter().zip(self.columns);
        let Some((key, keys)) = columns.next().filter(|(_, keys)| !keys.is_empty()) else { return Ok(()) };
        let (shared, differing): (Named<'_>, Named<'_>) = columns.partition(|(_, column)| is_shared(column));
        let start = || {
            let mut sql = Sql::new(&format!("UPDATE {table} SET {more}"));
            for (name, value) in always {
                sql.push(&format!(", {name} = ")).bind(value.clone());
            }
            for (name, column) in &shared {
                if let Some(value) = column.first() {
                    sql.push(&format!(", {name} = ")).bind(value.clone());
                }
            }
            sql
        };
        if differing.is_empty() {
            for piece in pieces(&keys) {
                start().push(&format!(" WHERE {key}")).among(piece).run(connection).await?;
            }
            return Ok(());
        }
        let mut each: Named<'_> = vec![(key, keys)];
        each.extend(differing);
        let names: Vec<&str> = each.iter().map(|(name, _)| *name).collect();
        if connection.get_database_backend() == DbBackend::Postgres {
            let mut sql = start();
            names.iter().skip(1).for_each(|name| {
                sql.push(&format!(", {name} = rows.{name}"));
            });
            sql.push(" FROM unnest(");
            arrays(&mut sql, each);
            sql.push(&format!(") AS rows({}) WHERE {table}.{key} = rows.{key}", names.join(",")));
            sql.run(connection).await?;
            return Ok(());
        }
        let count = self.count;
        let mut columns: Vec<_> = each.into_iter().map(|(_, column)| column.into_iter()).collect();
        for size in sizes(count) {
            let mut sql = start();
            names.iter().enumerate().skip(1).for_each(|(place, name)| {
                sql.push(&format!(", {name} = rows.column{}", place + 1));
            });
            sql.push(" FROM (VALUES ");
            values(&mut sql, &mut columns, &[], size);
            sql.push(&format!(") AS rows WHERE {table}.{key} = rows.column1")).run(connection).await?;
        }
        Ok(())
    }
}

type Named<'a> = Vec<(&'a str, Vec<Value>)>;

/// One statement: what all rows share as it is, the rest from arrays side by side.
async fn by_column(
    connection: &impl ConnectionTrait,
    table: &str,
    mut named: Named<'_>,
    end: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    // Those that differ first; where no column does, the first tells how many rows there are.
    named.sort_by_key(|(_, column)| is_shared(column));
    let differing = named.partition_point(|(_, column)| !is_shared(column)).max(1);
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    let (each, shared) = names.split_at(differing.min(names.len()));
    let mut sql = Sql::new(&format!("INSERT INTO {table} ({}) SELECT {}", names.join(","), each.join(",")));
    let shared_values = named.split_off(each.len());
    for (_, column) in shared_values.into_iter().take(shared.len()) {
        if let Some(value) = column.into_iter().next() {
            sql.push(",").bind(value);
        }
    }
    sql.push(" FROM unnest(");
    arrays(&mut sql, named);
    sql.push(&format!(") AS rows({})", each.join(",")));
    sql.push(end).all(connection).await
}

fn arrays(sql: &mut Sql, columns: Named<'_>) {
    for (place, (_, column)) in columns.into_iter().enumerate() {
        sql.push(if place == 0 { "" } else { "," });
        array(sql, column);
    }
}

fn is_shared(column: &[Value]) -> bool {
    column.split_first().is_some_and(|(first, rest)| rest.iter().all(|value| value == first))
}

/// A column as an array. The driver has no arrays with NULLs in them, so these go as text.
fn array(sql: &mut Sql, column: Vec<Value>) {
    let of = column.first().map_or(ArrayType::String, Value::array_type);
    if column.iter().all(Value::is_some) {
        sql.bind(Value::Array(of, Some(Box::new(column))));
        return;
    }
    let name = match of {
        ArrayType::Int => "int4",
        ArrayType::BigInt => "int8",
        ArrayType::Uuid => "uuid",
        _ => "text",
    };
    let items: Vec<String> = column.iter().map(item).collect();
    sql.push("CAST(CAST(").bind(format!("{{{}}}", items.join(","))).push(&format!(" AS text) AS {name}[])"));
}

/// A value as an item of an array's text.
fn item(value: &Value) -> String {
    match value {
        Value::Int(Some(number)) => number.to_string(),
        Value::BigInt(Some(number)) => number.to_string(),
        Value::Uuid(Some(id)) => id.to_string(),
        Value::String(Some(text)) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ => "NULL".to_owned(),
    }
}

/// A statement for each chunk. Small numbers that all rows share are literals: there are few of them.
async fn by_row(
    connection: &impl ConnectionTrait,
    table: &str,
    named: Named<'_>,
    count: usize,
    end: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut returned = Vec::new();
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    let start = format!("INSERT INTO {table} ({}) VALUES ", names.join(","));
    let literals: Vec<Option<String>> = named.iter().map(|(_, column)| literal(column)).collect();
    let mut columns: Vec<_> = named.into_iter().map(|(_, column)| column.into_iter()).collect();
    for size in sizes(count) {
        let mut sql = Sql::new(&start);
        values(&mut sql, &mut columns, &literals, size);
        returned.extend(sql.push(end).all(connection).await?);
    }
    Ok(returned)
}

/// The next rows, in parentheses. What has a literal is not bound.
fn values(sql: &mut Sql, columns: &mut [std::vec::IntoIter<Value>], literals: &[Option<String>], count: usize) {
    for row in 0..count {
        sql.push(if row == 0 { "(" } else { ",(" });
        for (place, column) in columns.iter_mut().enumerate() {
            sql.push(if place == 0 { "" } else { "," });
            match (literals.get(place), column.next()) {
                (Some(Some(literal)), _) => sql.push(literal),
                (_, Some(value)) => sql.bind(value),
                (_, None) => sql.push("NULL"),
            };
        }
        sql.push(")");
    }
}

fn literal(column: &[Value]) -> Option<String> {
    let number = match column.first()? {
        Value::Int(Some(number)) => i64::from(*number),
        Value::BigInt(Some(number)) => *number,
        _ => return None,
    };
    (is_shared(column) && (0..10).contains(&number)).then(|| number.to_string())
}

/// The sizes of chunks for so many rows.
fn sizes(mut count: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    for size in SIZES {
        while count >= size {
            sizes.push(size);
            count -= size;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Database;
    use provost_testkit::engines;
    use uuid::Uuid;

    const COLUMNS: [&str; 6] = ["id", "number", "maybe", "words", "body", "before"];

    fn row(index: i64, of: i64) -> [Value; 6] {
        // Shared by all, by none, and had by some; with what an array's text must not take for its own.
        let words = (index % 3 != 0).then(|| format!("{{\"{index}\\,NULL}}"));
        let before = (index % 2 == 0).then(|| Uuid::from_u128(u128::from(index.unsigned_abs())));
        let id = Uuid::from_u128(u128::from((of + index).unsigned_abs()));
        [
            id.into(),
            7_i32.into(),
            (index % 5 == 0).then_some(index).into(),
            words.into(),
            vec![1_u8, 0].into(),
            before.into(),
        ]
    }

    fn read(row: &QueryResult) -> [Value; 6] {
        [
            row.try_get::<Uuid>("", "id").unwrap().into(),
            row.try_get::<i32>("", "number").unwrap().into(),
            row.try_get::<Option<i64>>("", "maybe").unwrap().into(),
            row.try_get::<Option<String>>("", "words").unwrap().into(),
            row.try_get::<Vec<u8>>("", "body").unwrap().into(),
            row.try_get::<Option<Uuid>>("", "before").unwrap().into(),
        ]
    }

    #[tokio::test]
    async fn rows_come_back_as_they_went_in_and_in_their_order() {
        for engine in engines().await {
            let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
            let (uuid, bytes) = if engine.name == "postgres" { ("uuid", "bytea") } else { ("uuid_text", "blob") };
            let serial = if engine.name == "postgres" { "BIGSERIAL PRIMARY KEY" } else { "INTEGER PRIMARY KEY" };
            let table = format!(
                "CREATE TABLE kept (place {serial}, id {uuid} UNIQUE, number integer, maybe bigint, words text, \
                 body {bytes}, before {uuid})"
            );
            database.write().execute_unprepared(&table).await.unwrap();
            for (of, count) in [(0, 0), (1_000, 1), (2_000, 2), (3_000, 1_127)] {
                let mut rows = Rows::of(&COLUMNS, 0);
                (0..count).for_each(|index| rows.push(row(index, of)));
                rows.insert(database.write(), "kept", " ON CONFLICT (id) DO NOTHING").await.unwrap();
            }
            // Nothing in any column but what all share.
            let mut rows = Rows::of(&["number", "words"], 2);
            (0..2).for_each(|_| rows.push([8_i32.into(), Option::<String>::None.into()]));
            rows.insert(database.write(), "kept", "").await.unwrap();
            let found =
                Sql::new("SELECT * FROM kept WHERE id IS NOT NULL ORDER BY place").all(database.read()).await.unwrap();
            let expected = [(1_000, 1), (2_000, 2), (3_000, 1_127)];
            let expected = expected.into_iter().flat_map(|(of, count)| (0..count).map(move |index| row(index, of)));
            assert_eq!(found.iter().map(read).collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", engine.name);
            let alike = Sql::new("SELECT 1 FROM kept WHERE number = 8").all(database.read()).await.unwrap();
            assert_eq!(alike.len(), 2, "{}", engine.name);
        }
    }

    #[tokio::test]
    async fn rows_are_written_over_those_of_their_key_and_no_others() {
        for engine in engines().await {
            let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
            let uuid = if engine.name == "postgres" { "uuid" } else { "uuid_text" };
            let table = format!(
                "CREATE TABLE kept (place integer PRIMARY KEY, number integer, maybe bigint, words text, before {uuid}, \
                 version integer NOT NULL, at bigint)"
            );
            database.write().execute_unprepared(&table).await.unwrap();
            let mut rows = Rows::of(&["place", "number", "maybe", "words", "version"], 700);
            (0..700_i32).for_each(|place| {
                rows.push([place.into(), 1_i32.into(), 5_i64.into(), "old".into(), 0_i32.into()]);
            });
            rows.insert(database.write(), "kept", "").await.unwrap();
            let now = [("at", 77_i64.into())];
            let mut alike = Rows::of(&["place", "number", "maybe"], 600);
            (0..600_i32).for_each(|place| alike.push([place.into(), 2_i32.into(), Option::<i64>::None.into()]));
            alike.update(database.write(), "kept", "version = version + 1", &now).await.unwrap();
            let mut apart = Rows::of(&["place", "number", "words", "before"], 603);
            (0..603_i32).for_each(|place| {
                let words = (place % 2 == 0).then(|| format!("\"{place}"));
                let before = (place % 3 == 0).then(|| Uuid::from_u128(9));
                apart.push([place.into(), 3_i32.into(), words.into(), before.into()]);
            });
            apart.update(database.write(), "kept", "version = version + 1", &now).await.unwrap();
            Rows::of(&["place"], 0).update(database.write(), "kept", "version = 9", &now).await.unwrap();
            let found = Sql::new("SELECT * FROM kept ORDER BY place").all(database.read()).await.unwrap();
            assert_eq!(found.len(), 700);
            for row in &found {
                let place: i32 = row.try_get("", "place").unwrap();
                let words: Option<String> = row.try_get("", "words").unwrap();
                let before: Option<Uuid> = row.try_get("", "before").unwrap();
                let numbers = ["number", "version"].map(|column| row.try_get::<i32>("", column).unwrap());
                let maybe: [Option<i64>; 2] = ["maybe", "at"].map(|column| row.try_get("", column).unwrap());
                let (expected, written, version) = match place {
                    0..600 => ([3, 2], true, None),
                    600..603 => ([3, 1], true, Some(5)),
                    _ => ([1, 0], false, Some(5)),
                };
                assert_eq!((numbers, maybe), (expected, [version, written.then_some(77)]), "{}: {place}", engine.name);
                let of_its_own = (place % 2 == 0).then(|| format!("\"{place}"));
                assert_eq!(words, if written { of_its_own } else { Some("old".into()) }, "{}: {place}", engine.name);
                assert_eq!(before.is_some(), written && place % 3 == 0, "{}: {place}", engine.name);
            }
        }
    }

    #[test]
    fn rows_are_cut_into_few_sizes_and_none_is_lost() {
        assert_eq!(sizes(1_127), [500, 500, 100, 20, 5, 1, 1]);
        assert!(sizes(0).is_empty());
    }
}
