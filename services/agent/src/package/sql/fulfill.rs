//! Writing one order, in one transaction.
//!
//! The rule that must hold: after a crash at any point either nothing or all of the order is there,
//! and asking again makes it all. A row that is not what the order creates is left untouched.

use super::Sql;
use super::database::Unit;
use super::failure as classify;
use super::links;
use super::mapping::quoted_table;
use super::plan::{Assignment, Plan};
use super::statement::{self, Builder};
use super::value::{Cell, Param};
use crate::package::failure::{self, Difference, Particulars};
use crate::package::{ALREADY_GONE, ALREADY_SO, Attempt, Outcome};
use provost_domain::{Failure, FailureClass, Order, OrderKind, ValueType};

/// Carries out one order.
pub(super) async fn fulfill(sql: &Sql, order: &Order, attempt: Attempt) -> Result<Outcome, Failure> {
    let plan = Plan::of(sql, order).await?;
    match once(sql, &plan, attempt).await {
        // Somebody inserted the row, or a link row, between our look and our insert: perhaps an earlier attempt
        // of this very order. The second time it is seen and compared.
        Err(Trouble::Database { error, .. }) if classify::is_unique_violation(&error) => {
            once(sql, &plan, attempt).await
        }
        other => other,
    }
    .map_err(|trouble| trouble.into_failure(&plan))
}

/// What stopped a transaction.
pub(super) enum Trouble {
    /// The database, and the property it was busy with.
    Database { error: sqlx::Error, property: Option<String> },
    /// We ourselves.
    Failure(Failure),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database { error, property: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Trouble {
    fn into_failure(self, plan: &Plan<'_>) -> Failure {
        let (error, property) = match self {
            Self::Failure(failure) => return failure,
            Self::Database { error, property } => (error, property),
        };
        let mut failure = classify::of(&error);
        let columns = classify::columns_at_fault(&error);
        let own = || columns.iter().find_map(|column| plan.entity.property_of(column, plan.order).map(str::to_owned));
        failure.property = property.or_else(own);
        if plan.order.kind == OrderKind::Deletion && classify::is_foreign_key_violation(&error) {
            failure.class = FailureClass::Refused;
            return failure.with_hint("other rows still refer to the resource; remove them first");
        }
        failure
    }
}

async fn once(sql: &Sql, plan: &Plan<'_>, attempt: Attempt) -> Result<Outcome, Trouble> {
    let link_tables = match plan.order.kind {
        OrderKind::Deletion => plan.link_tables(sql).await?,
        _ => vec![],
    };
    let mut unit = sql.database.begin_write().await?;
    let outcome = match plan.order.kind {
        OrderKind::Addition => add(sql, &mut unit, plan).await?,
        OrderKind::Update | OrderKind::Association => update(sql, &mut unit, plan, attempt).await?,
        OrderKind::Deletion => {
            for table in &link_tables {
                unit.execute(&links::clear(sql, table)).await?;
            }
            let table = quoted_table(&plan.entity.table);
            let statement = Builder::new(sql.database.dialect(), format!("DELETE FROM {table} WHERE "))
                .equals(&plan.key, plan.key_param.clone())
                .done();
            if unit.execute(&statement).await? == 0 { ALREADY_GONE } else { "deleted" }
        }
    };
    unit.commit().await?;
    Ok(Outcome::Executed { note: outcome.to_owned() })
}

async fn add(sql: &Sql, unit: &mut Unit, plan: &Plan<'_>) -> Result<&'static str, Trouble> {
    match row(sql, unit, plan, Attempt::First).await? {
        None => {
            insert(sql, unit, plan).await?;
            links::apply(sql, unit, &plan.links).await?;
            Ok("created")
        }
        Some(columns) => {
            let mut differences: Vec<Difference> = columns.iter().filter_map(Found::difference).collect();
            differences.extend(links::surplus(sql, unit, &plan.links).await?);
            if !differences.is_empty() {
                return Err(failure::occupied(plan.order, &differences).into());
            }
            let written = links::apply(sql, unit, &plan.links).await?;
            Ok(if written == 0 { ALREADY_SO } else { "completed" })
        }
    }
}

async fn update(sql: &Sql, unit: &mut Unit, plan: &Plan<'_>, attempt: Attempt) -> Result<&'static str, Trouble> {
    let Some(columns) = row(sql, unit, plan, attempt).await? else {
        return Err(failure::resource_missing(plan.order).into());
    };
    if attempt == Attempt::Again {
        strangers(sql, unit, plan, &columns).await?;
    }
    let stale: Vec<&Assignment<'_>> =
        columns.into_iter().filter(|found| !found.same).map(|found| found.assignment).collect();
    if !stale.is_empty() {
        let table = quoted_table(&plan.entity.table);
        let mut builder = Builder::new(sql.database.dialect(), format!("UPDATE {table} SET "));
        for (index, assignment) in stale.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            builder = builder.sql(comma).equals(&assignment.column, assignment.param.clone());
        }
        let statement = builder.sql(" WHERE ").equals(&plan.key, plan.key_param.clone()).done();
        unit.execute(&statement).await?;
    }
    let written = links::apply(sql, unit, &plan.links).await?;
    Ok(if stale.is_empty() && written == 0 { ALREADY_SO } else { "updated" })
}

/// Fails when something is neither as the order found it nor as it sets it: somebody else was there since.
async fn strangers(sql: &Sql, unit: &mut Unit, plan: &Plan<'_>, columns: &[Found<'_>]) -> Result<(), Trouble> {
    let foreign = columns.iter().filter(|found| !found.untouched);
    let mut differences: Vec<Difference> = foreign.filter_map(Found::difference).collect();
    differences.extend(links::strangers(sql, unit, &plan.links).await?);
    if differences.is_empty() { Ok(()) } else { Err(failure::changed_since(plan.order, &differences).into()) }
}

async fn insert(sql: &Sql, unit: &mut Unit, plan: &Plan<'_>) -> Result<(), Trouble> {
    let table = quoted_table(&plan.entity.table);
    let mut names = vec![super::mapping::quoted(&plan.key.name)];
    names.extend(plan.columns.iter().map(|assignment| super::mapping::quoted(&assignment.column.name)));
    let mut builder =
        Builder::new(sql.database.dialect(), format!("INSERT INTO {table} ({}) VALUES (", names.join(", ")))
            .bind(&plan.key, plan.key_param.clone());
    for assignment in &plan.columns {
        builder = builder.sql(", ").bind(&assignment.column, assignment.param.clone());
    }
    unit.execute(&builder.sql(")").done()).await?;
    Ok(())
}

/// One column of the row that is there.
struct Found<'a> {
    assignment: &'a Assignment<'a>,
    /// It is as the order sets it.
    same: bool,
    /// It is as the order found it.
    untouched: bool,
    shown: Cell,
}

impl Found<'_> {
    fn difference(&self) -> Option<Difference> {
        // A write-only property cannot be read back: what is in its column says nothing.
        if self.same || self.assignment.change.write_only {
            return None;
        }
        let found = self.shown.clone().read(self.assignment.column.kind, ValueType::String).ok().flatten();
        Some(Difference::of(self.assignment.change, found.as_ref(), self.assignment.change.proposed.as_ref()))
    }
}

/// The resource's row, locked; `None` if there is none. The database itself compares the values: it
/// alone knows what its types make of them.
async fn row<'a>(
    sql: &Sql,
    unit: &mut Unit,
    plan: &'a Plan<'_>,
    attempt: Attempt,
) -> Result<Option<Vec<Found<'a>>>, Trouble> {
    let dialect = sql.database.dialect();
    let mut builder = Builder::new(dialect, "SELECT '1'");
    for assignment in &plan.columns {
        let shown = statement::read(dialect, &assignment.column.name);
        builder = builder.sql(", ").sql(&shown).sql(", ").is(&assignment.column, assignment.param.clone());
        // What the order found matters only where it may have been written before.
        let current = if attempt == Attempt::Again { assignment.current.clone() } else { Param::Null };
        builder = builder.sql(", ").is(&assignment.column, current);
    }
    builder = builder.sql(" FROM ").sql(&quoted_table(&plan.entity.table)).sql(" WHERE ");
    let statement = builder.equals(&plan.key, plan.key_param.clone()).sql(links::lock(dialect)).done();
    let mut rows = unit.fetch(&statement).await?;
    if rows.len() > 1 {
        let key = &plan.order.target_key;
        return Err(failure::conflict(format!("{} rows have the key '{key}'", rows.len()))
            .with_hint("the key column must be unique")
            .into());
    }
    let Some(cells) = rows.pop() else { return Ok(None) };
    let mut cells = cells.into_iter().skip(1);
    let mut columns = Vec::new();
    for assignment in &plan.columns {
        let shown = cells.next().unwrap_or(Cell::Null);
        let same = cells.next().is_some_and(|cell| cell.is_true());
        let untouched = cells.next().is_some_and(|cell| cell.is_true());
        columns.push(Found { assignment, same, untouched, shown });
    }
    Ok(Some(columns))
}
