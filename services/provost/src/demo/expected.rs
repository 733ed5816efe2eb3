//! What should stand in the managed systems, computed straight from the people, and how what stands
//! there differs from it.

use super::systems::{Badge, HeldAccount, VaultRow};
use provost_sample::{Organisation, Person, special, workplace};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The accounts that the application should hold for the organisation; not yet for the person whose
/// address is taken, until that is mended.
pub(super) fn accounts(organisation: &Organisation, mended: bool) -> BTreeMap<String, HeldAccount> {
    organisation
        .active()
        .filter(|person| mended || person.employee_id != special::DEMO_DUPLICATE)
        .filter_map(|person| {
            let manager = person.manager.as_deref().and_then(|manager| organisation.person(manager));
            let row = workplace::expected_account(person, manager)?;
            let groups = workplace::expected_groups(person).into_iter().map(str::to_owned).collect();
            Some((person.login.clone(), HeldAccount { row, groups }))
        })
        .collect()
}

/// The vault row of one person.
pub(super) fn vault_row(person: &Person) -> VaultRow {
    VaultRow {
        login: person.login.clone(),
        full_name: person.full_name(),
        clearance: if person.department == "IT" { "root-keys" } else { "payments" }.to_owned(),
        recovery_phone: Some(person.phone.clone()),
    }
}

/// The columns of a badge that follow from the person without any rule; the printed name has lost
/// its accents, so only its length in words is known here.
pub(super) fn badge_differences(person: &Person, badge: &Badge) -> Vec<String> {
    let column = |name: &str| badge.get(name).map(String::as_str).unwrap_or_default();
    let mut differences = Vec::new();
    if column("employee_id") != person.employee_id {
        differences.push(format!("badge {}: employee_id is {}", person.badge_number, column("employee_id")));
    }
    let printed = column("printed_name");
    let words = |text: &str| text.split([' ', '-']).count();
    if !printed.is_ascii() || words(printed) != words(&person.full_name()) || printed != printed.to_uppercase() {
        differences.push(format!("badge {}: printed_name is '{printed}'", person.badge_number));
    }
    let zone = if person.title.ends_with("Lead") { "control-room" } else { "halls" };
    if column("zone") != zone {
        differences.push(format!("badge {}: zone is '{}'", person.badge_number, column("zone")));
    }
    differences
}

/// Where two sets of keyed things differ, in sentences.
pub(super) fn differences<T: PartialEq + Debug>(
    expected: &BTreeMap<String, T>,
    held: &BTreeMap<String, T>,
) -> Vec<String> {
    let missing = expected.keys().filter(|key| !held.contains_key(*key)).map(|key| format!("{key} is missing"));
    let extra = held.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("{key} should not be there"));
    let wrong = expected.iter().filter_map(|(key, wanted)| {
        let found = held.get(key)?;
        (found != wanted).then(|| format!("{key} is {found:?}, not {wanted:?}"))
    });
    missing.chain(extra).chain(wrong).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn organisation() -> Organisation {
        Organisation::generate(1, 250, "2026-03-01".parse().unwrap())
    }

    #[test]
    fn missing_extra_and_wrong_are_told() {
        let map = |pairs: &[(&str, i32)]| -> BTreeMap<String, i32> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
        };
        let told = differences(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 3), ("c", 4)]));
        assert_eq!(told, ["a is missing", "c should not be there", "b is 3, not 2"]);
        assert!(differences(&map(&[("a", 1)]), &map(&[("a", 1)])).is_empty());
    }

    #[test]
    fn nobody_is_expected_whose_data_or_address_forbids_it() {
        let organisation = organisation();
        let login = |id: &str| organisation.person(id).unwrap().login.clone();
        let before = accounts(&organisation, false);
        for id in [special::DEMO_BAD_DATA, special::DEMO_DUPLICATE, special::DEMO_EXPIRED, special::DEMO_JOINER] {
            assert!(!before.contains_key(&login(id)), "{id}");
        }
        assert!(accounts(&organisation, true).contains_key(&login(special::DEMO_DUPLICATE)));
    }

    #[test]
    fn wrong_badges_are_told() {
        let person = organisation().person(special::DEMO_EXECUTIVE).unwrap().clone();
        let badge = |name: &str, zone: &str| -> Badge {
            [("employee_id", person.employee_id.as_str()), ("printed_name", name), ("zone", zone)]
                .map(|(column, text)| (column.to_owned(), text.to_owned()))
                .into()
        };
        assert!(badge_differences(&person, &badge("CELESTINE ABARA-MOLLER", "halls")).is_empty());
        assert_eq!(badge_differences(&person, &badge("Célestine Abara-Møller", "attic")).len(), 2);
    }
}
