//! Reading one file: header, lines, typed values.

use super::lines::{LINE_MAX, Limited, Progress, TooLong};
use super::{CsvEntity, Entity, RowSender};
use crate::package::failure::{self, Particulars, shortened};
use crate::package::{Property, Row};
use base64::Engine;
use csv::ByteRecord;
use provost_domain::{Failure, FailureClass, Value, ValueType};
use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::time::SystemTime;

type Reader = csv::Reader<Limited<File>>;

/// The columns of the file's first line.
pub(super) fn header(mapping: &CsvEntity) -> Result<Vec<String>, Failure> {
    open(mapping).map(|opened| opened.columns)
}

/// Sends every line of the file as a row.
pub(super) fn export(mapping: &CsvEntity, entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
    let key_index = entity.key_index()?;
    let mut opened = open(mapping)?;
    let cells = places(mapping, entity, &opened.columns)?;
    let mut first_lines: HashMap<String, u64> = HashMap::new();
    let mut record = ByteRecord::new();
    while let Some(line) = opened.next(mapping, &mut record)? {
        if record.len() != opened.columns.len() {
            let (cells, columns) = (record.len(), opened.columns.len());
            return Err(wrong(mapping, line, format!("{cells} cells, but the first line names {columns} columns"))
                .with_hint("quote cells that contain the delimiter"));
        }
        let row = row(mapping, entity, &cells, &record, line)?;
        let key = match row.get(key_index) {
            Some(Some(key)) if !key.to_string().trim().is_empty() => key.to_string(),
            _ => return Err(wrong(mapping, line, format!("the key '{}' is empty", entity.key))),
        };
        if let Some(first) = first_lines.insert(key.clone(), line) {
            let key = shortened(&key);
            return Err(wrong(mapping, line, format!("the key '{key}' is already on line {first}"))
                .with_property(&entity.key)
                .with_hint("each line must have a key of its own"));
        }
        rows.send_blocking(row)?;
    }
    if state_of(mapping, opened.reader.get_ref().inner())? == opened.before {
        return Ok(());
    }
    // Lines may be missing, or belong to two states of the file.
    let message = format!("{} was changed while it was read", mapping.file.display());
    Err(failure::transport(message).with_hint("write it under another name and rename it when it is complete"))
}

/// The size of the file and when it was last written.
fn state_of(mapping: &CsvEntity, file: &File) -> Result<(u64, SystemTime), Failure> {
    let state = file.metadata().and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
    state.map_err(|error| unreadable(mapping, &error))
}

/// A file whose header was read.
struct Opened {
    reader: Reader,
    before: (u64, SystemTime),
    progress: Progress,
    columns: Vec<String>,
}

impl Opened {
    /// Reads the next line, and says where it begins; `None` at the end of the file.
    fn next(&mut self, mapping: &CsvEntity, record: &mut ByteRecord) -> Result<Option<u64>, Failure> {
        loop {
            self.progress.renew();
            let begins = self.reader.position().line();
            let more = self.reader.read_byte_record(record).map_err(|error| broken(mapping, begins, error))?;
            // The reader passes over empty lines silently; what it passed is not part of the line.
            let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            let ended_by_a_break = u64::from(!self.progress.is_at_end());
            let passed = (self.reader.position().line() - begins).saturating_sub(inside + ended_by_a_break);
            let line = begins + passed;
            if record.as_slice().len() > LINE_MAX {
                return Err(wrong(mapping, line, TooLong.to_string()));
            }
            if !more {
                return Ok(None);
            }
            if self.progress.ended_in_quotes() {
                let (problem, hint) =
                    ("a quote is opened and never closed", "close it, or write \"\" for a quote in a value");
                return Err(wrong(mapping, line, problem.to_owned()).with_hint(hint));
            }
            if record.len() > 1 || !cell(record, 0).is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

/// One cell of a line, without the carriage return that ends the lines of some files.
fn cell(record: &ByteRecord, index: usize) -> &[u8] {
    let cell = record.get(index).unwrap_or_default();
    if index + 1 == record.len() { cell.strip_suffix(b"\r").unwrap_or(cell) } else { cell }
}

fn open(mapping: &CsvEntity) -> Result<Opened, Failure> {
    let file = File::open(&mapping.file).map_err(|error| unreadable(mapping, &error))?;
    let before = state_of(mapping, &file)?;
    let progress = Progress::new(mapping.delimiter);
    let reader = csv::ReaderBuilder::new()
        .delimiter(mapping.delimiter)
        .has_headers(false)
        // Not CRLF: with it the reader counts lines differently for the two kinds of files.
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .from_reader(Limited::new(file, progress.clone()));
    let mut opened = Opened { reader, progress, before, columns: Vec::new() };
    let mut record = ByteRecord::new();
    if opened.next(mapping, &mut record)?.is_none() {
        return Err(wrong(mapping, 1, "the file is empty; the first line must name the columns".to_owned()));
    }
    for index in 0..record.len() {
        let text = utf8(mapping, cell(&record, index), 1, &format!("column {}", index + 1))?;
        let text = if index == 0 { text.trim_start_matches('\u{feff}') } else { text };
        opened.columns.push(text.trim().to_owned());
    }
    Ok(opened)
}

/// For each property, which cell of a line holds it.
fn places(mapping: &CsvEntity, entity: &Entity, columns: &[String]) -> Result<Vec<usize>, Failure> {
    let file = mapping.file.display();
    let place = |property: &Property| {
        let wanted = mapping.column(&property.name);
        let mut found = columns.iter().enumerate().filter(|(_, column)| column.as_str() == wanted);
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(failure::invalid(format!("{file}: column '{wanted}' is there twice"))),
            (None, _) => Err(failure::invalid(format!(
                "{file}: column '{wanted}' is missing; the file has {}",
                shortened(&columns.join(", "))
            ))),
        }
        .map_err(|failure| {
            failure.with_property(&property.name).with_hint("mend the file, or the connection's 'columns'")
        })
    };
    entity.properties.iter().map(place).collect()
}

fn row(mapping: &CsvEntity, entity: &Entity, cells: &[usize], record: &ByteRecord, line: u64) -> Result<Row, Failure> {
    let mut row = Row::with_capacity(cells.len());
    for (property, place) in entity.properties.iter().zip(cells) {
        let column = mapping.column(&property.name);
        let text = utf8(mapping, cell(record, *place), line, &format!("column '{column}'"))?;
        let value = read(mapping, property, text).map_err(|problem| {
            wrong(mapping, line, format!("column '{column}': {problem}")).with_property(&property.name)
        })?;
        row.push(value);
    }
    Ok(row)
}

fn read(mapping: &CsvEntity, property: &Property, text: &str) -> Result<Option<Value>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !property.multi_valued {
        return scalar(property.value_type, text).map(Some);
    }
    let parts = text.split(mapping.multi_value_separator.as_str()).map(str::trim).filter(|part| !part.is_empty());
    let items: Vec<Value> = parts.map(|part| scalar(property.value_type, part)).collect::<Result<_, _>>()?;
    Ok(if items.is_empty() { None } else { Some(Value::List(items)) })
}

fn scalar(value_type: ValueType, text: &str) -> Result<Value, String> {
    match value_type {
        ValueType::Bytes => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
            bytes.map(Value::Bytes).map_err(|_| "the text is not base64".to_owned())
        }
        value_type => value_type.read(text),
    }
}

fn utf8<'a>(mapping: &CsvEntity, bytes: &'a [u8], line: u64, place: &str) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| {
        let failure = wrong(mapping, line, format!("{place} is not UTF-8"));
        let utf16 = line == 1 && (bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]));
        failure.with_hint(if utf16 { "the file is UTF-16; save it as UTF-8" } else { "save the file as UTF-8" })
    })
}

fn wrong(mapping: &CsvEntity, line: u64, problem: String) -> Failure {
    failure::invalid(format!("{}, line {line}: {problem}", mapping.file.display()))
}

fn unreadable(mapping: &CsvEntity, error: &std::io::Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::NotFound => FailureClass::MissingDependency,
        ErrorKind::PermissionDenied | ErrorKind::IsADirectory => FailureClass::Refused,
        _ => FailureClass::Transport,
    };
    Failure::new(class, format!("cannot read {}: {error}", mapping.file.display()))
        .with_hint("check the connection's 'file' and that the agent may read it")
}

fn broken(mapping: &CsvEntity, line: u64, error: csv::Error) -> Failure {
    let words = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => {
            wrong(mapping, line, TooLong.to_string())
        }
        csv::ErrorKind::Io(error) => unreadable(mapping, &error),
        _ => wrong(mapping, line, words),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
