//! Builds statements: quoted names, bound parameters, nothing else.

use super::database::{Dialect, Statement};
use super::mapping::quoted;
use super::value::{Column, ColumnKind, Param};

/// Writes one statement for one engine.
pub(super) struct Builder {
    dialect: Dialect,
    statement: Statement,
}

impl Builder {
    pub(super) fn new(dialect: Dialect, sql: impl Into<String>) -> Self {
        Self { dialect, statement: Statement { sql: sql.into(), params: Vec::new() } }
    }

    /// Adds text of our own; never anything from an order.
    pub(super) fn sql(mut self, sql: &str) -> Self {
        self.statement.sql.push_str(sql);
        self
    }

    /// Binds a parameter that goes into, or is compared with, a column.
    pub(super) fn bind(self, column: &Column, param: Param) -> Self {
        // Without a length: a cast to varchar(8) would cut the value instead of refusing it.
        self.bind_as(&column.type_name, param)
    }

    fn bind_as(mut self, type_name: &str, param: Param) -> Self {
        self.statement.params.push(param);
        let number = self.statement.params.len();
        self.statement.sql.push_str(&match self.dialect {
            Dialect::Sqlite => format!("?{number}"),
            Dialect::Postgres => format!("CAST(${number}::text AS {type_name})"),
        });
        self
    }

    /// `"column" = value`, not rounded: a key must not find its neighbour.
    pub(super) fn equals(self, column: &Column, param: Param) -> Self {
        let name = quoted(&column.name);
        self.sql(&name).sql(" = ").bind(column, param)
    }

    /// `"column" NOT IN (values)`; true when there are none.
    pub(super) fn none_of(self, column: &Column, params: &[Param]) -> Self {
        let Some((first, rest)) = params.split_first() else { return self.sql("1 = 1") };
        let builder = self.sql(&quoted(&column.name)).sql(" NOT IN (").bind(column, first.clone());
        rest.iter().fold(builder, |builder, param| builder.sql(", ").bind(column, param.clone())).sql(")")
    }

    /// Whether the column holds the value, NULL being a value: a column of the result.
    pub(super) fn is(self, column: &Column, param: Param) -> Self {
        let name = quoted(&column.name);
        let compared = column.compared_type();
        match (self.dialect, column.kind) {
            (Dialect::Sqlite, _) => self.sql("(").sql(&name).sql(" IS ").bind(column, param).sql(")"),
            // Not every type can be compared (json, for one); its text always can.
            (Dialect::Postgres, ColumnKind::Other) => self
                .sql("(")
                .sql(&name)
                .sql("::text IS NOT DISTINCT FROM ")
                .bind_as(compared, param)
                .sql("::text)::text"),
            (Dialect::Postgres, _) => {
                self.sql("(").sql(&name).sql(" IS NOT DISTINCT FROM ").bind_as(compared, param).sql(")::text")
            }
        }
    }

    pub(super) fn done(self) -> Statement {
        self.statement
    }
}

/// The expression that reads a column.
pub(super) fn read(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Sqlite => quoted(column),
        Dialect::Postgres => format!("{}::text", quoted(column)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bound_and_names_are_quoted() {
        let column = Column {
            name: "user name".into(),
            type_name: "text".into(),
            exact_type: "text".into(),
            kind: ColumnKind::Text,
        };
        let build = |dialect| {
            let builder = Builder::new(dialect, "SELECT 1 WHERE ");
            builder.equals(&column, Param::Text("x' OR 1=1".into())).done()
        };
        assert_eq!(build(Dialect::Sqlite).sql, "SELECT 1 WHERE \"user name\" = ?1");
        assert_eq!(build(Dialect::Postgres).sql, "SELECT 1 WHERE \"user name\" = CAST($1::text AS text)");
    }
}
