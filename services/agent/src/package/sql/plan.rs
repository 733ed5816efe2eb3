//! What an order means for the tables: which columns get which values, which link rows come and go.
//!
//! Decided before the transaction begins, so that an order that cannot be carried out writes nothing.

use super::Sql;
use super::mapping::{SqlEntity, SqlLink};
use super::schema::{self, Columns};
use super::value::{Column, Param};
use crate::package::failure::{self, Particulars};
use provost_domain::{Change, ChangeOperation, Failure, Order, Value};

/// An order, in terms of tables.
pub(super) struct Plan<'a> {
    pub(super) order: &'a Order,
    pub(super) entity: &'a SqlEntity,
    pub(super) key: Column,
    pub(super) key_param: Param,
    pub(super) columns: Vec<Assignment<'a>>,
    pub(super) links: Vec<LinkChange<'a>>,
}

/// One column and the value it gets.
pub(super) struct Assignment<'a> {
    pub(super) change: &'a Change,
    pub(super) column: Column,
    pub(super) param: Param,
    /// What the order found there.
    pub(super) current: Param,
}

/// One multi-valued property and what becomes of its rows.
pub(super) struct LinkChange<'a> {
    pub(super) table: LinkTable<'a>,
    pub(super) change: &'a Change,
    /// The values, in the form in which the table holds them.
    pub(super) targets: Vec<Param>,
    /// Those that the order found.
    pub(super) current: Vec<Param>,
}

/// A link table whose columns are known.
pub(super) struct LinkTable<'a> {
    pub(super) link: &'a SqlLink,
    pub(super) resource: Column,
    pub(super) target: Column,
    pub(super) resource_param: Param,
}

impl<'a> Plan<'a> {
    /// Reads an order against the mapping and the tables.
    pub(super) async fn of(sql: &'a Sql, order: &'a Order) -> Result<Self, Failure> {
        let entity = sql.entity(&order.entity_type)?;
        let key_column = entity.key_column();
        let changes: Vec<(&Change, &str)> =
            order.changes.iter().map(|change| (change, entity.column(&change.property))).collect();
        let (links, scalars): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(change, _)| entity.links.contains_key(&change.property));
        let mut wanted = vec![(None, key_column)];
        wanted.extend(scalars.iter().map(|(change, column)| (Some(change.property.as_str()), *column)));
        let columns = sql.schema.columns(&sql.database, &entity.table, &wanted).await?;
        let key = schema::column(&columns, key_column)?.clone();
        let key_param = key.param(Some(&Value::String(order.target_key.clone()))).map_err(failure::invalid)?;
        let mut plan = Plan { order, entity, key, key_param, columns: vec![], links: vec![] };
        for (change, column) in scalars {
            plan.columns.extend(assignment(order, change, column, &columns, key_column)?);
        }
        for (change, _) in links {
            if let Some(link) = entity.links.get(&change.property) {
                plan.links.push(link_change(sql, order, change, link).await?);
            }
        }
        Ok(plan)
    }

    /// Every link table of the entity: what a deletion clears.
    pub(super) async fn link_tables(&self, sql: &Sql) -> Result<Vec<LinkTable<'a>>, Failure> {
        let mut tables = Vec::new();
        for (property, link) in &self.entity.links {
            tables.push(link_table(sql, self.order, property, link).await?);
        }
        Ok(tables)
    }
}

/// The value that a change gives to a column; none for the key, which has it by name.
fn assignment<'a>(
    order: &Order,
    change: &'a Change,
    column: &str,
    columns: &Columns,
    key_column: &str,
) -> Result<Option<Assignment<'a>>, Failure> {
    let wrong = |problem: String| failure::invalid(problem).with_property(&change.property);
    if change.operation != ChangeOperation::Set {
        return Err(wrong("values are added to and removed from link tables only".to_owned())
            .with_hint("configure a link table for the property ('links')"));
    }
    if column == key_column {
        let same = change.proposed.as_ref().is_some_and(|value| value.to_string() == order.target_key);
        return if same { Ok(None) } else { Err(wrong("the key of a resource cannot be changed".to_owned())) };
    }
    let column = schema::column(columns, column)?.clone();
    let param = column.param(change.proposed.as_ref()).map_err(wrong)?;
    // A value that the column cannot hold was never in it.
    let current = column.param(change.current.as_ref()).unwrap_or(Param::Null);
    Ok(Some(Assignment { change, column, param, current }))
}

async fn link_change<'a>(
    sql: &Sql,
    order: &Order,
    change: &'a Change,
    link: &'a SqlLink,
) -> Result<LinkChange<'a>, Failure> {
    let table = link_table(sql, order, &change.property, link).await?;
    let wrong = |problem: String| failure::invalid(problem).with_property(&change.property);
    let items = change.proposed.as_ref().map(Value::canonical);
    let items = items.as_ref().map(Value::items).unwrap_or_default();
    let targets = items.iter().map(|item| table.target.param(Some(item))).collect::<Result<_, _>>().map_err(wrong)?;
    let current = change.current.as_ref().map(Value::items).unwrap_or_default();
    let current = current.iter().filter_map(|item| table.target.param(Some(item)).ok()).collect();
    Ok(LinkChange { table, change, targets, current })
}

async fn link_table<'a>(sql: &Sql, order: &Order, property: &str, link: &'a SqlLink) -> Result<LinkTable<'a>, Failure> {
    let wanted = [(Some(property), link.resource.as_str()), (Some(property), link.target.as_str())];
    let columns = sql.schema.columns(&sql.database, &link.table, &wanted).await?;
    let resource = schema::column(&columns, &link.resource)?.clone();
    let target = schema::column(&columns, &link.target)?.clone();
    let key = Value::String(order.target_key.clone());
    let resource_param = resource.param(Some(&key)).map_err(failure::invalid)?;
    Ok(LinkTable { link, resource, target, resource_param })
}
