//! One person as the HR feed holds them, and the feed's file.
//!
//! The rule that must hold: what is written is read back equal.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

/// How a person works for the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerType {
    /// On the payroll.
    Employee,
    /// Employed by somebody else; has an end date.
    Contractor,
}

/// One row of `people.csv`. The fields are the columns, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `E` and six digits or more; never given twice.
    pub employee_id: String,
    /// With its accents.
    pub first_name: String,
    /// With its accents; may hold spaces, apostrophes and hyphens.
    pub last_name: String,
    /// ASCII, unique.
    pub login: String,
    /// ASCII, unique.
    pub mail: String,
    /// One of the departments, or `Executive` for the CEO.
    pub department: String,
    /// Ends with `Manager` for those who manage people below the head of a department.
    pub title: String,
    /// A town.
    pub location: String,
    /// Employee or contractor.
    pub worker_type: WorkerType,
    /// The manager's employee id; none for the CEO alone.
    pub manager: Option<String>,
    /// The first day.
    pub start_date: NaiveDate,
    /// The last day, which still counts.
    pub end_date: Option<NaiveDate>,
    /// Seven digits, unique.
    pub badge_number: String,
    /// With the country code.
    pub phone: String,
    /// Four digits, except for one special person.
    pub cost_center: String,
}

impl Person {
    /// First name and last name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// Whether `day` lies within the person's first and last day, both included.
    pub fn is_active_on(&self, day: NaiveDate) -> bool {
        self.start_date <= day && self.end_date.is_none_or(|end_date| day <= end_date)
    }

    /// Whether this is the CEO or reports to the CEO.
    pub fn is_leader(&self) -> bool {
        self.manager.as_deref().is_none_or(|manager| manager == crate::CEO)
    }

    /// Whether the person manages people, by place or by title.
    pub fn is_people_manager(&self) -> bool {
        self.is_leader() || self.title.ends_with("Manager")
    }
}

/// Writes a header and one row per person.
pub(crate) fn write_people(people: &[Person], writer: impl Write) -> Result<(), csv::Error> {
    let mut rows = csv::Writer::from_writer(writer);
    people.iter().try_for_each(|person| rows.serialize(person))?;
    rows.flush()?;
    Ok(())
}

/// Writes the file at `path`, replacing what is there.
pub(crate) fn write_people_csv(people: &[Person], path: &Path) -> Result<(), csv::Error> {
    write_people(people, BufWriter::new(File::create(path)?))
}

/// Reads people from CSV text with a header.
///
/// # Errors
/// When the text cannot be read, or a row is not a person.
pub fn read_people(reader: impl Read) -> Result<Vec<Person>, csv::Error> {
    csv::Reader::from_reader(reader).deserialize().collect()
}

/// Reads the people of the file at `path`.
///
/// # Errors
/// When the file cannot be opened or read, or a row is not a person.
pub fn read_people_csv(path: impl AsRef<Path>) -> Result<Vec<Person>, csv::Error> {
    read_people(BufReader::new(File::open(path)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn person() -> Person {
        Person {
            employee_id: "E000042".into(),
            first_name: "Zoë".into(),
            last_name: "O'Neill, \"the\" first".into(),
            login: "zoneill".into(),
            mail: "zoe.oneill@alderway.example".into(),
            department: "Sales".into(),
            title: "Sales Manager".into(),
            location: "Kraków".into(),
            worker_type: WorkerType::Contractor,
            manager: Some("E000002".into()),
            start_date: NaiveDate::from_ymd_opt(2024, 2, 29).unwrap(),
            end_date: NaiveDate::from_ymd_opt(2026, 3, 31),
            badge_number: "1000042".into(),
            phone: "+48 12 555 0042".into(),
            cost_center: "5501".into(),
        }
    }

    #[test]
    fn written_people_are_read_back_equal() {
        let permanent = Person { end_date: None, manager: None, worker_type: WorkerType::Employee, ..person() };
        let people = vec![person(), permanent];
        let mut text = Vec::new();
        write_people(&people, &mut text).unwrap();
        assert_eq!(read_people(text.as_slice()).unwrap(), people);
    }

    #[test]
    fn columns_are_those_of_the_catalog() {
        let mut text = Vec::new();
        write_people(&[person()], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let header = "employee_id,first_name,last_name,login,mail,department,title,location,worker_type,manager,\
                      start_date,end_date,badge_number,phone,cost_center";
        assert_eq!(text.lines().next(), Some(header));
        assert!(text.contains(",contractor,E000002,2024-02-29,2026-03-31,"), "{text}");
    }

    #[test]
    fn wrong_row_is_an_error() {
        let mut text = Vec::new();
        write_people(&[person()], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap().replace("2024-02-29", "2023-02-29");
        assert!(read_people(text.as_bytes()).is_err());
        assert!(read_people_csv("no/such/people.csv").is_err());
    }

    #[test]
    fn first_and_last_day_count() {
        let person = person();
        let end_date = person.end_date.unwrap();
        assert!(person.is_active_on(person.start_date));
        assert!(person.is_active_on(end_date));
        assert!(!person.is_active_on(person.start_date.pred_opt().unwrap()));
        assert!(!person.is_active_on(end_date.succ_opt().unwrap()));
    }
}
