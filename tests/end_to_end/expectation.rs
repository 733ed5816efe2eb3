//! What the directory must hold, computed straight from the people: nothing of the catalog, of the
//! role model or of the ledger takes part.

use provost_sample::Organisation;
use provost_sample::directory::{GROUPS, expected_attributes, expected_groups};
use provost_testkit::{Attributes, Slapd};
use std::collections::{BTreeMap, BTreeSet};

fn dn(login: &str) -> String {
    format!("uid={login},ou=people,{}", Slapd::SUFFIX)
}

/// Fails with the first person, and then the first group, that is not as it must be.
pub(crate) fn assert_equal(
    organisation: &Organisation,
    accounts: &BTreeMap<String, Attributes>,
    groups: &BTreeMap<String, Attributes>,
) {
    let mut members: BTreeMap<&str, BTreeSet<String>> = GROUPS.iter().map(|group| (*group, BTreeSet::new())).collect();
    let mut expected = BTreeSet::new();
    for person in organisation.active() {
        let dn = dn(&person.login);
        let account = accounts.get(&dn).unwrap_or_else(|| panic!("{} has no account {dn}", person.full_name()));
        for (name, value) in expected_attributes(person) {
            let found: Vec<_> = account.get(name).into_iter().flatten().collect();
            assert_eq!(found, [&value], "{name} of {dn}");
        }
        for group in expected_groups(person) {
            members.get_mut(group).expect("a group of the list").insert(dn.clone());
        }
        expected.insert(dn);
    }
    let strangers: Vec<_> = accounts.keys().filter(|dn| !expected.contains(*dn)).collect();
    assert!(strangers.is_empty(), "accounts that nobody should have: {strangers:?}");
    for (group, mut expected) in members {
        expected.insert(Slapd::ADMIN_DN.to_owned());
        let found = groups[&format!("cn={group},ou=groups,{}", Slapd::SUFFIX)].get("member").cloned();
        let found = found.unwrap_or_default();
        let (missing, extra): (Vec<_>, Vec<_>) =
            (expected.difference(&found).collect(), found.difference(&expected).collect());
        assert!(missing.is_empty() && extra.is_empty(), "group {group}: missing {missing:?}, extra {extra:?}");
    }
}
