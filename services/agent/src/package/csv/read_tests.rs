#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::package::Package;
use crate::package::csv::Csv;
use provost_domain::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(content: impl AsRef<[u8]>) -> (Self, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, content).unwrap();
        (Self(folder), file)
    }
}

fn property(name: &str, value_type: ValueType, multi_valued: bool) -> Property {
    Property { name: name.into(), value_type, multi_valued }
}

fn person() -> Entity {
    Entity {
        name: "Person".into(),
        key: "id".into(),
        properties: vec![
            property("id", ValueType::String, false),
            property("grade", ValueType::Integer, false),
            property("start", ValueType::Timestamp, false),
            property("tags", ValueType::String, true),
        ],
    }
}

async fn exported_by(mapping: CsvEntity, entity: &Entity) -> Result<Vec<Row>, Failure> {
    let package = Csv::new(BTreeMap::from([(entity.name.clone(), mapping)]));
    let (sender, mut receiver) = RowSender::channel(10);
    let collect = tokio::spawn(async move {
        let mut rows = Vec::new();
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows
    });
    let result = package.export(entity, &sender).await;
    drop(sender);
    let rows = collect.await.unwrap();
    result.map(|()| rows)
}

async fn exported(file: &Path) -> Result<Vec<Row>, Failure> {
    exported_by(CsvEntity::new(file), &person()).await
}

async fn refusal(content: impl AsRef<[u8]>) -> Failure {
    let (_folder, file) = Folder::with(content);
    let mut failure = exported(&file).await.expect_err("the file is wrong");
    failure.message = failure.message.replace(&file.display().to_string(), "FILE");
    failure
}

#[tokio::test]
async fn typed_values_with_bom_crlf_and_quotes_are_read() {
    let text = "\u{feff}tags,id,grade,start,other\r\na; b,\"7\",12,2026-03-01,\"x,\"\"y\r\nz\"\r\n,8,,,\r\n";
    let (_folder, file) = Folder::with(text);
    let start = Value::Timestamp(Timestamp::parse("2026-03-01").unwrap());
    let tags = Value::List(vec!["a".into(), "b".into()]);
    assert_eq!(
        exported(&file).await.unwrap(),
        vec![
            vec![Some("7".into()), Some(Value::Integer(12)), Some(start), Some(tags)],
            vec![Some("8".into()), None, None, None],
        ]
    );
}

#[tokio::test]
async fn columns_delimiter_and_separator_are_configurable() {
    let (_folder, file) = Folder::with("number|grade|start|tags\n7|1||x/y\n");
    let mut mapping = CsvEntity::new(file);
    mapping.delimiter = b'|';
    mapping.multi_value_separator = "/".into();
    mapping.columns.insert("id".into(), "number".into());
    let rows = exported_by(mapping, &person()).await.unwrap();
    assert_eq!(rows[0][3], Some(Value::List(vec!["x".into(), "y".into()])));
}

#[tokio::test]
async fn bad_encoding_names_line_and_column() {
    let failure = refusal(b"id,grade,start,tags\n1,,,\n2,,,caf\xe9\n").await;
    assert_eq!(failure.message, "FILE, line 3: column 'tags' is not UTF-8");
}

#[tokio::test]
async fn utf16_is_recognized() {
    let failure = refusal(b"\xff\xfei\0d\0\n\0").await;
    assert_eq!(failure.message, "FILE, line 1: column 1 is not UTF-8");
    assert!(failure.hint.contains("UTF-16"), "{}", failure.hint);
}

#[tokio::test]
async fn missing_column_names_the_file_and_what_is_there() {
    let failure = refusal("id,start,tags\n").await;
    assert_eq!(failure.message, "FILE: column 'grade' is missing; the file has id, start, tags");
    assert_eq!(failure.property.as_deref(), Some("grade"));
}

#[tokio::test]
async fn doubled_column_is_refused() {
    assert_eq!(refusal("id,grade,start,tags,id\n").await.message, "FILE: column 'id' is there twice");
}

#[tokio::test]
async fn duplicate_key_names_both_lines() {
    for end in ["\n", "\r\n"] {
        let lines = ["id,grade,start,tags", "1,,,", "", "2,,,", "", "", "1,,,", ""].join(end);
        assert_eq!(refusal(lines).await.message, "FILE, line 7: the key '1' is already on line 2");
    }
}

#[tokio::test]
async fn empty_key_is_refused() {
    assert_eq!(refusal("id,grade,start,tags\n1,,,\n ,2,,\n").await.message, "FILE, line 3: the key 'id' is empty");
}

#[tokio::test]
async fn wrong_type_names_line_column_and_property() {
    let failure = refusal("id,grade,start,tags\n1,high,,\n").await;
    assert_eq!(failure.message, "FILE, line 2: column 'grade': 'high' is not a whole number");
    assert_eq!(failure.property.as_deref(), Some("grade"));
}

#[tokio::test]
async fn line_of_another_length_is_refused() {
    let failure = refusal("id,grade,start,tags\n1,,\n").await;
    assert_eq!(failure.message, "FILE, line 2: 3 cells, but the first line names 4 columns");
}

#[tokio::test]
async fn ten_megabyte_line_is_a_clear_error() {
    let mut text = b"id,grade,start,tags\n1,,,\n2,,,".to_vec();
    text.resize(text.len() + 10 * 1024 * 1024, b'x');
    let failure = refusal(text).await;
    assert_eq!(failure.message, "FILE, line 3: longer than 1 MiB (or a quote is never closed)");
}

#[tokio::test]
async fn quote_that_is_never_closed_is_found_where_it_opens() {
    let mut text = "id,grade,start,tags\n1,,,\n2,,,\"open\n".to_owned();
    for number in 3..200_000 {
        text.push_str(&format!("{number},,,xx\n"));
    }
    let failure = refusal(text).await;
    assert_eq!(failure.message, "FILE, line 3: longer than 1 MiB (or a quote is never closed)");
}

#[tokio::test]
async fn quote_that_is_never_closed_is_found_however_short_the_file() {
    let head = "id,grade,start,tags\n1,,,\n";
    for (rest, line) in [
        ("2,,,\"open\n3,,,x\n4,,,y\n", 3),
        ("2,,,\"", 3),
        ("\n\n2,,,\"open", 5),
        ("2,,,\"a\"\"\n3,,,x\n", 3),
        ("2,,\"2026-03-01,x\n", 3),
        ("2,,,\"closed\"\n\"3\",,,\"open\n", 4),
    ] {
        let failure = refusal(format!("{head}{rest}")).await;
        assert_eq!(failure.message, format!("FILE, line {line}: a quote is opened and never closed"), "{rest}");
        assert!(failure.hint.contains("\"\""), "{}", failure.hint);
    }
    assert_eq!(
        refusal("\u{feff}\"id,grade,start,tags\n1,,,\n").await.message,
        "FILE, line 1: a quote is opened and never closed"
    );
}

#[tokio::test]
async fn quotes_that_are_closed_or_stand_inside_are_fine() {
    for last in ["2,,,\"x\"", "2,,,\"x\"\"\"", "2,,,5\" disk", "2,,,\"\"", "2,,,\"a\" b\"", "2,,,\"x\"\r\n", "2,,,"] {
        let (_folder, file) = Folder::with(format!("\u{feff}\"id\",grade,start,tags\n1,,,\n{last}"));
        assert_eq!(exported(&file).await.map(|rows| rows.len()), Ok(2), "{last}");
    }
}

#[tokio::test]
async fn last_line_without_an_end_is_counted_as_it_stands() {
    let failure = refusal("id,grade,start,tags\n\n\n1,high,,").await;
    assert_eq!(failure.message, "FILE, line 4: column 'grade': 'high' is not a whole number");
}

#[tokio::test]
async fn file_that_is_changed_while_it_is_read_is_not_exported() {
    let mut text = "id,grade,start,tags\n".to_owned();
    for number in 0..50_000 {
        text.push_str(&format!("{number},1,2026-03-01,abcdefghijkl\n"));
    }
    let longer = format!("{text}x,,,\n");
    let cut = text.get(..text.len() - 35 * 10_000).unwrap().to_owned();
    for change in [longer, cut] {
        let (_folder, file) = Folder::with(&text);
        let package = Csv::new(BTreeMap::from([("Person".to_owned(), CsvEntity::new(&file))]));
        let (sender, mut receiver) = RowSender::channel(1);
        let export = tokio::spawn(async move { package.export(&person(), &sender).await });
        assert!(receiver.recv().await.is_some());
        std::fs::write(&file, change).unwrap();
        while receiver.recv().await.is_some() {}
        let failure = export.await.unwrap().unwrap_err();
        let whole = failure.message.ends_with("people.csv was changed while it was read");
        // Cut in the middle of a line, it may be found by that first.
        assert!(whole || failure.message.contains("cells, but"), "{failure}");
    }
}

#[tokio::test]
async fn many_lines_do_not_add_up_to_a_long_one() {
    let mut text = "id,grade,start,tags\n".to_owned();
    for number in 0..100_000 {
        text.push_str(&format!("{number},1,2026-03-01,abcdefghijkl\n"));
    }
    let (_folder, file) = Folder::with(text);
    assert_eq!(exported(&file).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn empty_and_absent_files_say_so() {
    assert!(refusal("").await.message.contains("the file is empty"));
    let failure = exported(Path::new("nowhere/people.csv")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::MissingDependency);
    assert!(failure.message.contains("nowhere/people.csv"), "{failure}");
}

#[tokio::test]
async fn entity_types_without_a_file_are_refused() {
    let (sender, _receiver) = RowSender::channel(1);
    let failure = Csv::new(BTreeMap::new()).export(&person(), &sender).await.unwrap_err();
    assert!(failure.message.contains("'Person'"), "{failure}");
}

#[tokio::test]
async fn check_opens_every_file() {
    let (folder, file) = Folder::with("id\n1\n");
    let package = Csv::new(BTreeMap::from([("Person".to_owned(), CsvEntity::new(file))]));
    assert!(package.check().await.unwrap().contains("1 columns"));
    drop(folder.0);
    assert!(package.check().await.is_err());
}
