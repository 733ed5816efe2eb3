//! Whatever the rules and the data: rules found by index say what trying each says, and the order in which
//! data comes makes no difference.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

/// Conditions of every form: indexed, indexed in part, not indexed, failing.
const CONDITIONS: [&str; 12] = [
    "owner.kind == 'a'",
    "'b' == owner.kind",
    "owner.kind in ['a', 'b']",
    "owner.kind == 'a' && owner.number == '1'",
    "owner.number == '2' && int(owner.number) > 1",
    "owner.kind == 'b' && int(owner.number) > 1",
    "int(owner.number) > 1 && owner.kind == 'a'",
    "owner.handle == 'a' && owner.kind == 'a'",
    "position.title == 'a'",
    "owner.kind != 'a'",
    "int(owner.number) > 1",
    "owner.manager != null && owner.kind == 'a'",
];

fn criteria() -> impl Strategy<Value = String> {
    let dimension = |name: &'static str| {
        proptest::option::of(proptest::collection::vec(select(vec!["a", "b", "c"]), 1..3))
            .prop_map(move |values| values.map(|values| format!("{name}: [ {} ]", values.join(", "))))
    };
    let when = proptest::option::of(select(CONDITIONS.to_vec()));
    (dimension("country"), dimension("department"), when, any::<u8>()).prop_map(
        |(country, department, when, denied)| {
            let dimensions: Vec<String> = country.into_iter().chain(department).collect();
            let mut parts = Vec::new();
            if !dimensions.is_empty() {
                parts.push(format!("dimensions: {{ {} }}", dimensions.join(", ")));
            }
            parts.extend(when.map(|when| format!("when: \"{when}\"")));
            // One in eight takes away.
            parts.extend((denied % 8 == 0).then(|| "denied: true".to_owned()));
            parts.join(", ")
        },
    )
}

fn rules(names: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(criteria(), 0..4).prop_map(move |rules| {
        let mut distinct = rules;
        distinct.sort();
        distinct.dedup();
        let rules: Vec<String> = distinct.iter().map(|rule| format!("{{ {rule} }}")).collect();
        format!("{names}: [ {} ]", rules.join(", "))
    })
}

fn offset() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "",
        ", offset: { reference: before, before: 10d }",
        ", offset: { reference: around, before: 5d, after: 20d }",
        ", offset: { reference: after, before: 2d, after: 9d }",
    ])
}

/// Three roles, a composite role, and an account with links.
fn catalogs() -> impl Strategy<Value = String> {
    let links = proptest::collection::vec((criteria(), select(vec!["", "role: r0", "role: r2"]), offset()), 1..5);
    let roles = (rules("rules"), rules("rules"), rules("rules"), rules("rules"));
    (roles, (rules("type_rules"), offset(), offset()), links).prop_map(
        |((r0, r1, r2, c), (types, early, late), links)| {
            let mut text = format!("{POSITIONS}\nroles:\n");
            for (name, rules) in [("r0", r0), ("r1", r1), ("r2", r2)] {
                text += &format!("  - {{ name: {name}, owner: Person, grace_period: 3d, {rules} }}\n");
            }
            text += &format!("composite_roles:\n  - {{ name: c0, owner: Person, roles: [ r1, r2 ], {c} }}\n");
            text +=
                "resource_types:\n  - name: Account\n    owner: Person\n    target: Account\n    connection: app-sql\n";
            let types = if types.ends_with("[  ]") { "type_rules: [ {} ]".to_owned() } else { types };
            text += &format!("    {types}\n    scalar_rules:\n      - {{ property: login, value: owner.id }}\n");
            text += "      - { property: title, value: position.title }\n";
            let mut seen = vec![""];
            for (value, offset) in [("'one'", early), ("'two'", late)] {
                if !seen.contains(&offset) {
                    text += &format!("      - {{ property: note, value: \"{value}\"{offset} }}\n");
                    seen.push(offset);
                }
            }
            text += "    navigation_rules:\n";
            for (number, (criteria, role, offset)) in links.iter().enumerate() {
                let parts: Vec<&str> = [*role, criteria.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
                let parts = parts.join(", ");
                let separator = if parts.is_empty() { "" } else { ", " };
                text += &format!("      - {{ property: groups, target: g{number}{separator}{parts}{offset} }}\n");
            }
            text
        },
    )
}

fn day(number: u32) -> String {
    (at("2026-01-01").plus(std::time::Duration::from_secs(u64::from(number) * 86_400))).to_string()
}

fn positions() -> impl Strategy<Value = Vec<Resource>> {
    let letter = || select(vec!["", "a", "b", "c"]);
    let one = (letter(), letter(), letter(), 0_u32..60, 0_u32..40);
    proptest::collection::vec(one, 0..4).prop_map(|all| {
        let one = |(number, (title, country, department, from, days)): (usize, (&str, &str, &str, u32, u32))| {
            // Of every tenth nobody says when it ends.
            let end = if days % 10 == 9 { String::new() } else { day(from + days) };
            let values = [("title", title), ("country", country), ("department", department)];
            contract(&format!("p{number}"), &day(from), &end, &values)
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let one = (select(vec!["r0", "r1", "r2", "c0", "Account"]), any::<bool>(), 0_u32..60, 1_u32..40);
    proptest::collection::vec(one, 0..3).prop_map(|all| {
        let one = |(number, (name, denied, from, days)): (usize, (&str, bool, u32, u32))| Grant {
            request_id: format!("{number}"),
            what: match name {
                "Account" => Granted::ResourceType(name.into()),
                _ => Granted::Role(name.into()),
            },
            denied: denied && number == 1,
            ..grant(name, &day(from), &day(from + days))
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn index_and_order_make_no_difference(
        rules in catalogs(),
        (kind, number) in (select(vec!["", "a", "b"]), select(vec!["", "1", "2", "x"])),
        contracts in positions(),
        grants in grants(),
        (then, now) in (0_u32..70, 0_u32..100),
    ) {
        let mut fixture = Fixture::of(&rules).person(&[("kind", kind), ("number", number), ("mail", kind)])
            .contracts(&contracts).grants(&grants);
        fixture.remember(&day(then));
        fixture.revision = 2;
        // Explaining tries each rule, and `at` compares.
        let expected = fixture.at(&day(now));
        fixture.contracts.reverse();
        fixture.grants.reverse();
        prop_assert_eq!(&expected, &fixture.at(&day(now)));
        // Until the next change nothing changes but what is remembered.
        fixture.before = None;
        let expected = fixture.at(&day(now));
        let just_before = expected.next_change.map(|next| Timestamp::from_millis(next.millis() - 1));
        let later = fixture.at(&just_before.unwrap_or(at("2030-01-01")).to_string());
        prop_assert_eq!(&expected.roles, &later.roles);
        prop_assert_eq!(&expected.resources, &later.resources);
        prop_assert_eq!(expected.next_change, later.next_change);
    }

    /// Rules, facts and decisions all change at once: whatever grace makes of it, explaining says what is computed.
    #[test]
    fn what_is_explained_is_what_is_computed_whatever_changed(
        (before, after) in (catalogs(), catalogs()),
        (old, new) in (select(vec!["", "a", "b"]), select(vec!["", "a", "b"])),
        (contracts, grants) in (positions(), grants()),
        (then, now) in (0_u32..70, 0_u32..30),
    ) {
        let mut fixture = Fixture::of(&before).person(&[("kind", old), ("number", "1")]).contracts(&contracts);
        fixture.remember(&day(then));
        fixture.apply(&format!("{SYSTEMS}{after}"));
        fixture.person.values.insert("kind".into(), new.into());
        fixture.grants = grants;
        // `at` compares; with the rules that gave it at hand, and when nobody has them any more.
        fixture.at(&day(then + now));
        fixture.former = None;
        fixture.at(&day(then + now));
        // Once it is prolonged, too.
        fixture.remember(&day(then + now));
        fixture.at(&day(then + now + 1));
    }
}
