//! What should stand in the managed systems, computed straight from the people, and how what stands
//! there differs from it.

use super::systems::{Badge, HeldAccount, VaultRow};
use provost_sample::{Organisation, special, workplace};
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

/// The vault's rows if every order for it were approved, by employee.
pub(super) fn vault_rows(organisation: &Organisation) -> BTreeMap<String, VaultRow> {
    organisation
        .active()
        .filter_map(|person| {
            let row = workplace::expected_vault_account(person)?;
            let held = VaultRow {
                login: row.login,
                full_name: row.full_name,
                clearance: row.clearance.to_owned(),
                recovery_phone: Some(row.recovery_phone),
            };
            Some((person.employee_id.clone(), held))
        })
        .collect()
}

/// The badge desk's list if every badge were made, by badge number.
pub(super) fn badges(organisation: &Organisation) -> BTreeMap<String, Badge> {
    let cell = |column: &str, text: &str| (column.to_owned(), text.to_owned());
    organisation
        .active()
        .filter_map(workplace::expected_badge)
        .map(|row| {
            let badge = Badge::from([
                cell("badge_number", &row.badge_number),
                cell("printed_name", &row.printed_name),
                cell("employee_id", &row.employee_id),
                cell("zone", row.zone),
            ]);
            (row.badge_number, badge)
        })
        .collect()
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
    fn vault_and_badges_are_for_some_of_those_who_are_here() {
        let organisation = organisation();
        let vault = vault_rows(&organisation);
        assert_eq!(vault.get(special::DEMO_EXECUTIVE).unwrap().full_name, "Célestine Abara-Møller");
        let badges = badges(&organisation);
        assert!(!badges.is_empty() && badges.len() < organisation.active().count());
        let columns: Vec<_> = workplace::BADGES_CSV_HEADER.trim().split(',').collect();
        for badge in badges.values() {
            assert!(columns.iter().all(|column| badge.contains_key(*column)) && badge.len() == columns.len());
        }
    }
}
