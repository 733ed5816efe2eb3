//! What holds for every organisation, whatever the seed.

#![allow(clippy::unwrap_used)]

use chrono::{Days, NaiveDate};
use provost_sample::{CEO, Organisation, Person, WorkerType, read_people_csv, special, workplace};
use std::collections::{HashMap, HashSet};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).unwrap()
}

fn organisation(seed: u64, people: usize) -> Organisation {
    Organisation::generate(seed, people, today())
}

fn csv(organisation: &Organisation) -> Vec<u8> {
    let mut text = Vec::new();
    organisation.write_people(&mut text).unwrap();
    text
}

#[test]
fn same_arguments_give_the_same_bytes() {
    assert_eq!(csv(&organisation(7, 250)), csv(&organisation(7, 250)));
    assert_ne!(csv(&organisation(7, 250)), csv(&organisation(8, 250)));
}

#[test]
fn file_is_read_back_equal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.csv");
    let organisation = organisation(3, 500);
    organisation.write_people_csv(&path).unwrap();
    assert_eq!(read_people_csv(&path).unwrap(), organisation.people);
    assert!(organisation.write_people_csv(directory.path().join("missing/people.csv")).is_err());
}

#[test]
fn identifiers_are_unique_and_ascii() {
    let organisation = organisation(1, 10_000);
    let fields: [fn(&Person) -> &str; 4] = [|p| &p.employee_id, |p| &p.login, |p| &p.mail, |p| &p.badge_number];
    for field in fields {
        let values: HashSet<&str> = organisation.people.iter().map(field).collect();
        assert_eq!(values.len(), 10_000);
        assert!(values.iter().all(|value| value.is_ascii() && !value.is_empty()));
    }
    assert!(organisation.people.iter().all(|person| (2..=20).contains(&person.login.len())));
    assert!(organisation.people.iter().any(|person| !person.last_name.is_ascii()));
}

#[test]
fn hundred_thousand_people_have_keys_and_logins_of_their_own() {
    let organisation = organisation(1, 100_000);
    assert_eq!(organisation.people.len(), 100_000);
    let fields: [fn(&Person) -> &str; 2] = [|p| &p.employee_id, |p| &p.login];
    for field in fields {
        let values: HashSet<&str> = organisation.people.iter().map(field).collect();
        assert_eq!(values.len(), 100_000);
    }
}

#[test]
fn managers_form_a_tree_below_the_ceo_within_departments() {
    for people in [1, 2, 5, 37, 60, 250, 1_000, 10_000] {
        let organisation = organisation(2, people);
        let by_id: HashMap<&str, &Person> = organisation.people.iter().map(|p| (p.employee_id.as_str(), p)).collect();
        assert_eq!(by_id.len(), people);
        let mut reports: HashMap<&str, usize> = HashMap::new();
        for person in &organisation.people {
            let Some(manager) = person.manager.as_deref() else {
                assert_eq!(person.employee_id, CEO, "{people} people");
                continue;
            };
            *reports.entry(manager).or_default() += 1;
            let manager = by_id.get(manager).unwrap();
            assert!(manager.employee_id == CEO || manager.department == person.department);
            assert!(manager.is_people_manager() && manager.is_active_on(today()) && manager.end_date.is_none());
            let up =
                std::iter::successors(Some(person), |p| p.manager.as_deref().and_then(|id| by_id.get(id).copied()));
            assert_eq!(up.take(20).last().unwrap().employee_id, CEO, "no way up from {}", person.employee_id);
        }
        assert!(reports.iter().all(|(manager, &count)| *manager == CEO || count <= 9));
    }
}

#[test]
fn nobody_gives_an_empty_organisation() {
    assert!(organisation(1, 0).people.is_empty());
}

#[test]
fn mix_is_plausible() {
    let organisation = organisation(5, 10_000);
    let share = |count: fn(&&Person, NaiveDate) -> bool| {
        organisation.people.iter().filter(|person| count(person, today())).count()
    };
    assert!((1_000..2_000).contains(&share(|p, _| p.worker_type == WorkerType::Contractor)));
    assert!((100..400).contains(&share(|p, day| p.start_date > day)));
    assert!((150..600).contains(&share(|p, day| p.end_date.is_some_and(|end| end < day))));
    assert!((2_300..2_500).contains(&share(|p, _| p.department == "Engineering")));
    assert!(organisation.people.iter().all(|p| p.end_date.is_none_or(|end| p.start_date < end)));
    assert!(
        organisation.people.iter().all(|p| p.worker_type == WorkerType::Employee || p.end_date.is_some()),
        "a contractor has an end"
    );
}

#[test]
fn special_people_are_there_in_every_organisation_large_enough() {
    for (seed, people) in (special::MIN_PEOPLE..300).step_by(7).zip(0..).map(|(people, seed)| (seed, people)) {
        let organisation = organisation(seed, people);
        let person = |id| organisation.person(id).unwrap();
        assert_eq!(organisation.people.len(), people);

        let bad = person(special::DEMO_BAD_DATA);
        assert_eq!(bad.cost_center, special::BAD_COST_CENTER);
        assert!(bad.is_active_on(today()));
        let others_with_bad_data =
            organisation.people.iter().filter(|p| p.cost_center.parse::<i64>().is_err() && *p != bad).count();
        assert_eq!(others_with_bad_data, 0);

        let duplicate = person(special::DEMO_DUPLICATE);
        assert!(duplicate.is_active_on(today()));
        assert!(workplace::APP_ROWS_SQL.contains(&format!("'{}'", duplicate.mail)), "{}", duplicate.mail);

        let expired = person(special::DEMO_EXPIRED);
        assert!(expired.end_date.unwrap() < today());

        for id in [special::DEMO_RETITLED, special::DEMO_LEAVER, special::DEMO_EXECUTIVE] {
            assert!(person(id).is_active_on(today()) && person(id).end_date.is_none());
        }
        assert_eq!(person(special::DEMO_JOINER).start_date, today().checked_add_days(Days::new(14)).unwrap());
        assert_eq!(person(special::DEMO_EXECUTIVE).title, "Chief Financial Officer");
        assert!(workplace::expects_vault_account(person(special::DEMO_EXECUTIVE)));
        for id in special::ALL {
            assert!(!workplace::expects_badge(person(id)));
        }
    }
}

#[test]
fn special_people_are_absent_from_smaller_organisations() {
    let small = organisation(1, special::MIN_PEOPLE - 1);
    assert!(small.people.iter().all(|person| person.last_name != "Quillfeather"));
    assert!(small.people.iter().all(|person| person.cost_center.parse::<i64>().is_ok()));
}

#[test]
fn demo_organisation_has_six_vault_accounts_and_twelve_badges() {
    for seed in 0..20 {
        let organisation = organisation(seed, 250);
        assert_eq!(organisation.active().filter(|p| workplace::expects_vault_account(p)).count(), 6);
        assert_eq!(organisation.active().filter(|p| workplace::expects_badge(p)).count(), 12);
        assert_eq!(organisation.people.iter().filter(|p| workplace::expects_badge(p)).count(), 12);
        assert_eq!(organisation.people.iter().filter(|p| workplace::expects_vault_account(p)).count(), 6);
    }
}

#[test]
fn changed_person_is_found_again() {
    let mut organisation = organisation(1, 100);
    organisation.person_mut(special::DEMO_RETITLED).unwrap().title = "Principal Engineer".into();
    assert_eq!(organisation.person(special::DEMO_RETITLED).unwrap().title, "Principal Engineer");
    assert!(organisation.person_mut("E999999").is_none());
}
