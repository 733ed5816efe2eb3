//! What the managed systems hold: small tables that a scenario gives, what it changes in them, and what
//! the agent wrote into them.

use crate::words;
use crate::yaml::{Data, Node, Reading, mistake};
use anyhow::{Context as _, Result, anyhow, bail};
use provost_contract::generator::v1 as pb;
use provost_contract::to_wire;
use provost_domain::{ChangeOperation, Order, OrderKind, Value, ValueType};
use provost_order_generator::model::catalog::Catalog;
use std::collections::BTreeMap;

/// A property of a resource: what a scenario says, which only the catalog can read, or what was written.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    Written(Value),
}

type Row = BTreeMap<String, Cell>;

/// What a scenario says of one entity type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// These resources and no others.
    Table { line: usize, columns: Vec<String>, rows: Vec<Vec<String>> },
    /// Something else in some of them.
    Edits(Vec<Edit>),
}

/// Something else in one resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    key: String,
    line: usize,
    /// By property; none means that the resource is gone.
    values: Option<Vec<(String, String)>>,
}

/// Reads what a scenario says of the systems, by entity type.
pub(crate) fn read(node: &Node) -> Reading<Vec<(String, usize, Said)>> {
    let entries = node.map("'facts'")?;
    let one = |entry: &crate::yaml::Entry| Ok((entry.key.clone(), entry.line, said(&entry.value)?));
    entries.iter().map(one).collect()
}

fn said(node: &Node) -> Reading<Said> {
    match &node.data {
        Data::Text { text, .. } if text.trim() == "none" => {
            Ok(Said::Table { line: node.line, columns: vec![], rows: vec![] })
        }
        Data::Text { text, .. } => table(node.line, text),
        Data::Map(entries) => {
            let edit = |entry: &crate::yaml::Entry| -> Reading<_> {
                let values = match &entry.value.data {
                    Data::Text { text, .. } if text == "gone" => None,
                    _ => {
                        let values = entry.value.map("a change of facts")?;
                        let value = |entry: &crate::yaml::Entry| -> Reading<_> {
                            let texts = match entry.value.is_nothing() {
                                true => vec![],
                                false => entry.value.texts(&entry.key)?,
                            };
                            Ok((entry.key.clone(), texts.join(", ")))
                        };
                        Some(values.iter().map(value).collect::<Reading<Vec<_>>>()?)
                    }
                };
                Ok(Edit { key: entry.key.clone(), line: entry.line, values })
            };
            Ok(Said::Edits(entries.iter().map(edit).collect::<Reading<Vec<_>>>()?))
        }
        Data::List(_) => mistake(node.line, "facts are a table (after '|'), 'none', or changes by key"),
    }
}

/// Reads a table: a line of column names, then a line for each resource, cells separated by `|`.
fn table(first: usize, text: &str) -> Reading<Said> {
    let lines = text.lines().enumerate().map(|(index, line)| (first + index, line.trim()));
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim_start_matches('|').trim_end();
        let line = line.strip_suffix('|').filter(|_| text.trim_start().starts_with('|')).unwrap_or(line);
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let Some((_, header)) = lines.next() else { return mistake(first, "the table is empty; write 'none'") };
    let columns = cells(header);
    let mut rows = Vec::new();
    for (line, text) in lines {
        let row = cells(text);
        if row.len() != columns.len() {
            let (has, wants) = (row.len(), columns.len());
            return mistake(line, format!("the row has {has} cells, the table has {wants} columns"));
        }
        rows.push(row);
    }
    Ok(Said::Table { line: first, columns, rows })
}

/// The managed systems: entity type → key → properties.
#[derive(Clone, Debug, Default)]
pub(crate) struct Systems(BTreeMap<String, BTreeMap<String, Row>>);

impl Systems {
    /// Takes what a scenario says.
    pub(crate) fn take(&mut self, catalog: &Catalog, facts: &[(String, usize, Said)]) -> Result<()> {
        for (name, line, said) in facts {
            let shape = catalog.entity_type(name).with_context(|| format!("line {line}: no entity type '{name}'"))?;
            let known = |line: usize, property: &str| match shape.property(property) {
                Some(_) => Ok(()),
                None => Err(anyhow!("line {line}: {name} has no property '{property}'")),
            };
            let rows = self.0.entry(name.clone()).or_default();
            match said {
                Said::Table { columns, rows: said, line } => {
                    rows.clear();
                    columns.iter().try_for_each(|column| known(*line, column))?;
                    let place = columns.iter().position(|column| **column == *shape.key);
                    for row in said {
                        let place = place.with_context(|| format!("line {line}: no column '{}'", shape.key))?;
                        let filled = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
                        let cells = filled.map(|(column, cell)| (column.clone(), Cell::Text(cell.clone())));
                        if rows.insert(row[place].clone(), cells.collect()).is_some() {
                            bail!("line {line}: '{}' is there twice", row[place]);
                        }
                    }
                }
                Said::Edits(edits) => {
                    for Edit { key, line, values } in edits {
                        let Some(values) = values else {
                            rows.remove(key).with_context(|| format!("line {line}: there is no {name} '{key}'"))?;
                            continue;
                        };
                        let row = rows.entry(key.clone()).or_default();
                        row.insert(shape.key.to_string(), Cell::Text(key.clone()));
                        for (property, text) in values {
                            known(*line, property)?;
                            match text.as_str() {
                                "" => row.remove(property),
                                text => row.insert(property.clone(), Cell::Text(text.to_owned())),
                            };
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes an order as an agent would.
    pub(crate) fn write(&mut self, order: &Order) {
        let rows = self.0.entry(order.entity_type.clone()).or_default();
        if order.kind == OrderKind::Deletion {
            rows.remove(&order.target_key);
            return;
        }
        let row = rows.entry(order.target_key.clone()).or_default();
        for change in order.changes.iter().filter(|change| !change.write_only) {
            let mut items = match row.get(&change.property) {
                None => vec![],
                Some(Cell::Written(value)) => value.items().to_vec(),
                Some(Cell::Text(text)) => text.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
            };
            let proposed = change.proposed.as_ref().map(|value| value.items().to_vec()).unwrap_or_default();
            let after = match change.operation {
                ChangeOperation::Set => change.proposed.clone(),
                ChangeOperation::Add => {
                    items.extend(proposed);
                    Some(Value::List(items).canonical())
                }
                ChangeOperation::Remove => {
                    items.retain(|item| !proposed.contains(item));
                    Some(Value::List(items))
                }
            };
            match after {
                Some(value) => row.insert(change.property.clone(), Cell::Written(value)),
                None => row.remove(&change.property),
            };
        }
    }

    /// What a resource holds: text by property. None when there is no such resource.
    pub(crate) fn shown(&self, entity_type: &str, key: &str) -> Option<BTreeMap<String, String>> {
        let row = self.0.get(entity_type)?.get(key)?;
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Written(value) => words::value(value),
        };
        Some(row.iter().map(|(name, cell)| (name.clone(), text(cell))).collect())
    }

    /// The upload that answers an export task: header, rows, end.
    pub(crate) fn upload(
        &self,
        task: &pb::ExportTask,
        at: provost_domain::Timestamp,
    ) -> Result<Vec<pb::UploadExportRequest>> {
        use pb::upload_export_request::Part;
        let part = |part| pb::UploadExportRequest { part: Some(part) };
        let header = pb::ExportHeader {
            task_id: task.task_id.clone(),
            agent_id: crate::agent::AGENT.to_owned(),
            started_at: Some(to_wire::timestamp(at)),
        };
        let mut parts = vec![part(Part::Header(header))];
        let mut counts = std::collections::HashMap::new();
        for pb::ExportEntityType { entity_type, properties, .. } in &task.entity_types {
            let rows = self.0.get(entity_type).map(|rows| rows.iter().collect::<Vec<_>>()).unwrap_or_default();
            counts.insert(entity_type.clone(), rows.len() as i64);
            for chunk in rows.chunks(1_000) {
                let row = |(key, row): &(&String, &Row)| -> Result<pb::ExportRow> {
                    let value = |property: &pb::ExportProperty| match row.get(&property.name) {
                        None => Ok(Default::default()),
                        Some(Cell::Written(value)) => Ok(to_wire::value(value)),
                        Some(Cell::Text(text)) => Ok(to_wire::value(
                            &parsed(property, text)
                                .map_err(|wrong| anyhow!("{entity_type} {key}, {}: {wrong}", property.name))?,
                        )),
                    };
                    Ok(pb::ExportRow { values: properties.iter().map(value).collect::<Result<_>>()? })
                };
                let batch = pb::ExportBatch {
                    entity_type: entity_type.clone(),
                    properties: properties.iter().map(|property| property.name.clone()).collect(),
                    rows: chunk.iter().map(row).collect::<Result<_>>()?,
                };
                parts.push(part(Part::Batch(batch)));
            }
        }
        parts.push(part(Part::End(pb::ExportEnd { row_counts: counts })));
        Ok(parts)
    }
}

fn parsed(property: &pb::ExportProperty, text: &str) -> Result<Value, String> {
    let value_type = ValueType::from_name(&property.r#type).ok_or_else(|| format!("no type {}", property.r#type))?;
    if property.multi_valued {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Value::List(items.map(|item| value_type.read(item)).collect::<Result<_, _>>()?))
    } else {
        value_type.read(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_cell_by_cell() {
        let node =
            crate::yaml::read("Person: |\n  id | name\n  # nobody\n  E1 | Ada B\n  E2 |\nGroup: none\n").unwrap();
        let facts = read(&node).unwrap();
        let Said::Table { columns, rows, .. } = &facts[0].2 else { panic!("{facts:?}") };
        assert_eq!((columns.join(","), rows.len()), ("id,name".to_owned(), 2));
        assert_eq!(rows[1], ["E2", ""]);
        assert!(matches!(&facts[1].2, Said::Table { rows, .. } if rows.is_empty()));
    }

    #[test]
    fn rows_have_as_many_cells_as_the_table_has_columns() {
        let node = crate::yaml::read("Person: |\n  id | name\n  E1\n").unwrap();
        assert_eq!(read(&node).unwrap_err().to_string(), "line 3: the row has 1 cells, the table has 2 columns");
    }
}
