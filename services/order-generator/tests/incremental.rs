//! Computing for those whom something concerns gives what computing for everybody gives: two order
//! generators live through the same, one computes everybody each time, the other what changed. So with generating:
//! one looks at everybody, the other at whoever was computed to something new and whose orders moved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::to_wire;
use provost_domain::{Event, OrderKind, Timestamp, Value};
use provost_service_kit::Clock;
use provost_testkit::{Engine, engines, eventually};
use std::time::Duration;
use support::organisation::{NO_LIMITS, catalog_with, hire, leave, people};
use support::random::Dice;
use support::side::Side;
use support::{Agent, Suite, World};
use tonic::Code;
use tonic_types::StatusExt;

const CATALOG: &str = "
dimensions: [ site ]
connectors:
  - name: hr
    connections: [ { name: hr-csv, package: csv } ]
    export: hr-csv
  - name: app
    connections: [ { name: app-sql, package: sql } ]
    export: app-sql
  - name: vault
    connections: [ { name: vault-sql, package: sql } ]
    export: vault-sql
entity_types:
  - name: Person
    connector: hr
    key: employee_id
    display_name: owner.name
    properties:
      - { name: employee_id, type: string }
      - { name: name, type: string }
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: department, type: string }
      - { name: size, type: string }
      - { name: start_date, type: timestamp }
      - { name: end_date, type: timestamp }
      - { name: pin, type: string, sensitive: true }
      - { name: manager, navigation: Person }
      - { name: team, type: string }
  - name: Position
    connector: hr
    key: id
    properties:
      - { name: id, type: string }
      - { name: person, navigation: Person }
      - { name: site, navigation: Site }
      - { name: from, type: timestamp }
      - { name: until, type: timestamp }
  - name: Site
    connector: hr
    key: id
    properties:
      - { name: id, type: string }
      - { name: city, type: string }
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: size, type: integer }
      - { name: boss, type: string }
      - { name: groups, navigation: Group, multi_valued: true }
      - { name: teams, navigation: Team, multi_valued: true }
      - { name: city, type: string }
  - name: Group
    connector: app
    key: name
    properties: [ { name: name, type: string } ]
  - name: Team
    connector: app
    key: id
    properties:
      - { name: id, type: string }
      - { name: label, type: string }
      - { name: site, navigation: Site }
  - name: Safe
    connector: vault
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: pin, type: string, sensitive: true }
contexts:
  - entity_type: Person
    {positions}
    valid_from: {from}
    valid_until: {until}
    dimensions: { site: {site} }
roles:
  - name: finance
    display_name: Finance, staff
    owner: Person
    rules: [ { when: owner.department == 'Finance' } ]
  - name: led
    display_name: Led by somebody in Finance
    owner: Person
    rules: [ { when: owner.manager != null && owner.manager.department == 'Finance' } ]
  - name: abroad
    display_name: Works abroad
    owner: Person
    grace_period: 2d
    rules: [ { dimensions: { site: [rome, oslo] } } ]
composite_roles:
  - name: traveller
    display_name: Traveller
    owner: Person
    roles: [ abroad, finance ]
    rules: [ { dimensions: { site: {travels} } } ]
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    review: false
    type_rules: [ {} ]
    scalar_rules:
      - { property: login, value: owner.login }
      - { property: title, value: {title} }
      - { property: size, value: int(owner.size) }
      - { property: city, value: {city} }
      - { property: boss, value: \"owner.manager == null ? '' : owner.manager.login\" }
    navigation_rules:
      - { property: groups, role: finance, target: finance }
      - { property: groups, role: led, target: led }
      - { property: groups, role: abroad, target: abroad }
    query_rules:
      - { property: teams, source: owner.team, target: \"target.label + (target.site == null ? '' : target.site.city)\" }
      - { property: teams, source: owner.department, target: target.label }
    {limits}
  - name: SafeAccess
    owner: Person
    target: Safe
    connection: vault-sql
    review: false
    depends_on: AppAccount
    type_rules: [ { role: {role} } ]
    scalar_rules:
      - { property: login, value: owner.login }
      - { property: title, value: owner.title }
      - { property: pin, value: owner.pin }
    {limits}
";

fn catalog(title: &str, role: &str) -> String {
    with_contexts(title, role, true)
}

fn with_contexts(title: &str, role: &str, has_positions: bool) -> String {
    let contexts = match has_positions {
        true => [
            ("{positions}", "positions: { entity_type: Position, owner: person }"),
            ("{from}", "position.from"),
            ("{until}", "position.until"),
            ("{site}", "\"position.site == null ? null : position.site.city\""),
            ("{city}", "\"position.site == null ? '' : position.site.city\""),
            ("{travels}", "rome"),
        ],
        false => [
            ("{positions}", ""),
            ("{from}", "owner.start_date"),
            ("{until}", "owner.end_date"),
            ("{site}", "owner.team"),
            ("{city}", "owner.team"),
            ("{travels}", "oslo"),
        ],
    };
    let catalog = CATALOG.replace("{title}", title).replace("{role}", role).replace("{limits}", NO_LIMITS);
    contexts.into_iter().fold(catalog, |catalog, (name, text)| catalog.replace(name, text))
}

/// What of the catalog is said now so, now so: which concerns some, or nobody.
const SAID: [[&str; 2]; 5] = [
    ["dimensions: { site: [rome, oslo] }", "dimensions: { site: [bonn] }"],
    ["site: rome }", "site: oslo }"],
    ["display_name: Works abroad", "display_name: Is not here"],
    ["{ property: title, value: owner.title }", "{ property: title, value: \"owner.title + '!'\" }"],
    ["department == 'Finance' } ]\n  - name: led", "department == 'Sales' } ]\n  - name: led"],
];

/// The catalog with one of [`SAID`] said otherwise.
fn otherwise(dice: &mut Dice, catalog: &str) -> String {
    let Some([one, other]) = dice.one_of(&SAID) else { return catalog.to_owned() };
    match catalog.contains(one) {
        true => catalog.replace(one, other),
        false => catalog.replace(other, one),
    }
}

/// One of the two who live through the same.
async fn start(engine: &Engine) -> Side {
    let world = people(6);
    for (group, site) in [("led", "s1"), ("abroad", "s2")] {
        world.put("Group", group, &[("name", group.into())]);
        let city = if site == "s1" { "rome" } else { "bonn" };
        world.put("Site", site, &[("id", site.into()), ("city", city.into())]);
    }
    for number in 1..=6 {
        place(&world, &format!("C{number}"), &format!("E{number}"), "s1", None);
        world.set("Person", &format!("E{number}"), "team", "blue");
    }
    for (team, label) in [("t1", "blue"), ("t2", "red"), ("t3", "Finance")] {
        world.put("Team", team, &[("id", team.into()), ("label", label.into())]);
    }
    Side::start(engine, world).await
}

async fn generate(side: &Side, incremental: bool, way: Way) -> GenerateOrdersResponse {
    let (force_review, waive_review) = (way == Way::ForceReview, way == Way::WaiveReview);
    if way == Way::Refused {
        side.suite.ledger.refuse(&["SafeAccess"]);
    }
    let request = GenerateOrdersRequest { incremental, force_review, waive_review, ..Default::default() };
    let generated = side.generate(request).await;
    side.suite.ledger.refuse(&[]);
    generated
}

/// Gives somebody a position, until some day.
fn place(world: &World, id: &str, person: &str, site: &str, until: Option<Timestamp>) {
    world.put("Position", id, &[("id", id.into()), ("person", person.into()), ("site", site.into())]);
    if let Some(until) = until {
        world.set("Position", id, "until", Value::Timestamp(until));
    }
}

/// How orders are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plainly,
    /// Not at all.
    Not,
    Twice,
    ForceReview,
    WaiveReview,
    /// The ledger refuses some.
    Refused,
    /// By a plan, which is applied as a whole, on both.
    ByPlan,
    /// By a plan of which a part is applied.
    ByPart,
    /// By a plan on one side, and plainly on the other: both give the same, and the plan said so.
    AgainstPlan,
}

fn way(dice: &mut Dice) -> Way {
    match dice.below(17) {
        9..=11 => Way::AgainstPlan,
        0 | 1 => Way::Not,
        2 => Way::Twice,
        3 => Way::ForceReview,
        4 => Way::WaiveReview,
        5 | 6 => Way::Refused,
        7 => Way::ByPlan,
        8 => Way::ByPart,
        _ => Way::Plainly,
    }
}

/// Something that happens to both.
fn happens(step: usize, dice: &mut Dice, sides: [&Side; 2]) -> (String, Vec<&'static str>) {
    let persons: Vec<String> = sides[0].world.0.lock().unwrap()["Person"].keys().cloned().collect();
    let accounts: Vec<String> =
        sides[0].world.0.lock().unwrap().get("Account").map(|all| all.keys().cloned().collect()).unwrap_or_default();
    let both = |change: &dyn Fn(&World)| sides.iter().for_each(|side| change(&side.world));
    let (hr, app) = (vec!["hr"], vec!["app"]);
    match dice.below(21) {
        18 => {
            let reviewed = sides.map(Side::reviewed);
            let (place, event) =
                (dice.below(reviewed[0].len()), [Event::Approved, Event::Declined][dice.below(2)].clone());
            for (side, reviewed) in sides.iter().zip(&reviewed) {
                if let Some(id) = reviewed.get(place) {
                    side.suite.ledger.happen(*id, &event);
                }
            }
            (format!("the review of the order {place}: {}", event.name()), vec![])
        }
        19 => {
            let open = sides.map(|side| [side.pending(), side.reviewed()].concat());
            let place = dice.below(open[0].len());
            for (side, open) in sides.iter().zip(&open) {
                if let Some(id) = open.get(place) {
                    side.suite.ledger.happen(*id, &Event::Cancelled);
                }
            }
            (format!("the open order {place} is cancelled"), vec![])
        }
        13 => {
            let (Some(key), site) = (dice.one_of(&persons).cloned(), ["s1", "s2", "s3"][dice.below(3)]) else {
                return ("nothing".into(), vec![]);
            };
            let days = dice.below(4) as u64;
            let until =
                sides[0].suite.clock.now().plus(Duration::from_secs(86_400 * days)).to_string()[..10].to_owned();
            let until = (days > 0).then(|| Timestamp::parse(&until).unwrap());
            both(&|world| place(world, &format!("D{step}"), &key, site, until));
            (format!("{key} has one more position, at {site} until {until:?}"), hr)
        }
        14 => {
            let positions: Vec<String> = sides[0].world.0.lock().unwrap()["Position"].keys().cloned().collect();
            let (Some(id), Some(key)) = (dice.one_of(&positions).cloned(), dice.one_of(&persons).cloned()) else {
                return ("nothing".into(), vec![]);
            };
            if dice.below(2) == 0 {
                both(&|world| world.remove("Position", &id));
                return (format!("the position {id} is gone"), hr);
            }
            both(&|world| world.set("Position", &id, "person", key.as_str()));
            (format!("the position {id} is {key}'s"), hr)
        }
        15 => {
            let (site, city) = (["s1", "s2"][dice.below(2)], ["rome", "oslo", "bonn"][dice.below(3)]);
            both(&|world| world.set("Site", site, "city", city));
            (format!("the site {site} moves to {city}"), hr)
        }
        16 => {
            let (team, label) = (["t1", "t2", "t3"][dice.below(3)], ["blue", "red", "Finance"][dice.below(3)]);
            let site = ["s1", "s2"][dice.below(2)];
            both(&|world| {
                world.set("Team", team, "label", label);
                world.set("Team", team, "site", site);
            });
            (format!("the team {team} is called {label} and at {site}"), app)
        }
        17 => {
            let Some(key) = dice.one_of(&persons).cloned() else { return ("nothing".into(), vec![]) };
            let team = ["blue", "bluerome", "redoslo", "red"][dice.below(4)];
            both(&|world| world.set("Person", &key, "team", team));
            (format!("{key} is in the team {team}"), hr)
        }
        0 => {
            let number = 100 + step as u32;
            let department = if dice.below(2) == 0 { "Finance" } else { "Sales" };
            both(&|world| hire(world, number, department));
            (format!("E{number} is hired"), hr)
        }
        1 | 2 => {
            let Some(key) = dice.one_of(&persons).cloned() else { return ("nothing".into(), vec![]) };
            let department = if dice.below(2) == 0 { "Finance" } else { "Sales" };
            both(&|world| world.set("Person", &key, "department", department));
            (format!("{key} goes to {department}"), hr)
        }
        3 => {
            let (key, boss) = (dice.one_of(&persons).cloned(), dice.one_of(&persons).cloned());
            let (Some(key), Some(boss)) = (key, boss) else { return ("nothing".into(), vec![]) };
            both(&|world| world.set("Person", &key, "manager", boss.as_str()));
            (format!("{key} has the manager {boss}"), hr)
        }
        4 => {
            let Some(key) = dice.one_of(&persons).cloned() else { return ("nothing".into(), vec![]) };
            let property = if dice.below(2) == 0 { "start_date" } else { "end_date" };
            let at = sides[0].suite.clock.now().plus(Duration::from_secs(86_400 * (1 + dice.below(3) as u64)));
            let day = at.to_string()[..10].to_owned();
            if property == "end_date" {
                both(&|world| leave(world, &key, &day));
            } else {
                let at = Value::Timestamp(Timestamp::parse(&day).unwrap());
                both(&|world| world.set("Person", &key, "start_date", at.clone()));
            }
            (format!("{property} of {key} is {day}"), hr)
        }
        5 if persons.len() > 3 => {
            let Some(key) = dice.one_of(&persons).cloned() else { return ("nothing".into(), vec![]) };
            both(&|world| world.remove("Person", &key));
            (format!("{key} is gone"), hr)
        }
        6 => {
            // Whoever has another one's login claims that one's account too.
            let (key, other) = (dice.one_of(&persons).cloned(), dice.below(8));
            let Some(key) = key else { return ("nothing".into(), vec![]) };
            both(&|world| world.set("Person", &key, "login", format!("p{other}").as_str()));
            (format!("{key} has the login p{other}"), hr)
        }
        7 => {
            let Some(key) = dice.one_of(&persons).cloned() else { return ("nothing".into(), vec![]) };
            let size = if dice.below(3) == 0 { "huge" } else { "7" };
            both(&|world| world.set("Person", &key, "size", size));
            (format!("the size of {key} is {size}"), hr)
        }
        8 => {
            let Some(key) = dice.one_of(&accounts).cloned() else { return ("nothing".into(), vec![]) };
            if dice.below(3) == 0 {
                both(&|world| world.remove("Account", &key));
                return (format!("the account {key} is deleted by hand"), app);
            }
            both(&|world| world.set("Account", &key, "title", "Intruder"));
            (format!("the account {key} drifts"), app)
        }
        9 => {
            let key = format!("p{}", dice.below(9));
            both(&|world| world.put("Account", &key, &[("login", key.as_str().into()), ("title", "Clerk".into())]));
            (format!("the account {key} is made by hand"), app)
        }
        10 => {
            let hours = [1, 23, 25, 50][dice.below(4)];
            sides.iter().for_each(|side| side.suite.clock.advance(Duration::from_secs(3_600 * hours)));
            (format!("{hours} hours go by"), vec![])
        }
        11 => {
            let pending = sides.map(Side::pending);
            let place = dice.below(pending[0].len());
            for (side, pending) in sides.iter().zip(&pending) {
                if let Some(id) = pending.get(place) {
                    side.suite.ledger.fail(*id, "no room");
                }
            }
            (format!("the order {place} fails"), vec![])
        }
        _ => {
            // The agent does some of its work.
            let pending = sides.map(Side::pending);
            assert_eq!(pending[0].len(), pending[1].len());
            let chosen: Vec<usize> = (0..pending[0].len()).filter(|_| dice.below(3) > 0).collect();
            for (side, pending) in sides.iter().zip(&pending) {
                chosen.iter().for_each(|place| side.execute(pending[*place]));
            }
            (
                format!("{} orders are executed", chosen.len()),
                if dice.below(2) == 0 { vec!["app", "vault"] } else { vec![] },
            )
        }
    }
}

async fn live_through(engine_name: &str, engines: [&Engine; 2], seed: u64, steps: usize) -> Spared {
    let sides = [start(engines[0]).await, start(engines[1]).await];
    let mut dice = Dice::new(seed);
    let mut told: Vec<String> = Vec::new();
    let mut applied = catalog("owner.title", "finance");
    for side in &sides {
        side.suite.apply(&applied).await;
        side.read(&["hr", "app", "vault"], None).await;
    }
    let mut spared = Spared::default();
    for step in 0..steps {
        let (what, read) = if step == 0 {
            ("the first computation".to_owned(), vec![])
        } else if step % 17 == 16 {
            let (title, role) = if step % 2 == 0 { ("owner.title", "finance") } else { ("\"'Staff'\"", "led") };
            applied = with_contexts(title, role, step % 3 == 0);
            for side in &sides {
                side.suite.apply(&applied).await;
            }
            ("another catalog".to_owned(), vec![])
        } else if step % 4 == 2 {
            let before = std::mem::take(&mut applied);
            applied = otherwise(&mut dice, &before);
            for side in &sides {
                side.suite.apply(&applied).await;
            }
            let line = applied.lines().zip(before.lines()).find(|(now, before)| now != before);
            (format!("the catalog says {}", line.map_or("", |(now, _)| now.trim())), vec![])
        } else {
            happens(step, &mut dice, [&sides[0], &sides[1]])
        };
        told.push(what);
        for side in &sides {
            side.read(&read, None).await;
        }
        let all = sides[0].compute(false).await;
        let changed = sides[1].compute(true).await;
        spared.computed += usize::from(changed.owners < all.owners);
        let context = || format!("{engine_name}, seed {seed}, step {step}:\n{}", told.join("\n"));
        assert_eq!(all.verified, changed.verified, "verified: {}", context());
        let (whole, part) = (sides[0].kept().await, sides[1].kept().await);
        for (a, b) in whole.iter().zip(&part) {
            assert_eq!(a, b, "{}", context());
        }
        assert_eq!(whole.len(), part.len(), "{}", context());
        let way = way(&mut dice);
        told.push(format!("    generated: {way:?}"));
        let context = || format!("{engine_name}, seed {seed}, step {step}:\n{}", told.join("\n"));
        match way {
            Way::Not => continue,
            Way::ByPlan | Way::ByPart => {
                let resource_types = if way == Way::ByPart { vec!["AppAccount".to_owned()] } else { vec![] };
                let mut applied = Vec::new();
                for side in &sides {
                    let plan = side.suite.plan().await;
                    let only = PlanSelection { resource_types: resource_types.clone(), ..Default::default() };
                    applied.push(side.suite.apply_part(&plan, only, false).await.map_err(|status| status.code()));
                }
                // A part that names nothing, or what waits for something else, is refused.
                assert_eq!(applied[0].is_ok(), applied[1].is_ok(), "{applied:?} {}", context());
                let is_refused = |one: &Result<_, Code>| matches!(one, Err(Code::InvalidArgument));
                let is_fine = |one| way == Way::ByPart && is_refused(one);
                assert!(applied.iter().all(|one| one.is_ok() || is_fine(one)), "{applied:?} {}", context());
            }
            Way::AgainstPlan => {
                let planning = dice.below(2);
                let (side, other) = (&sides[planning], &sides[1 - planning]);
                let before = side.suite.ledger.table().len();
                let plan = side.suite.plan().await;
                side.suite.apply_plan(&plan).await.unwrap();
                generate(other, planning == 0, Way::Plainly).await;
                let mut planned = plan.lines();
                planned.retain(|line| !line.starts_with('x'));
                assert_eq!(side.suite.ledger.table().len() - before, planned.len(), "{planned:?} {}", context());
            }
            _ => {
                for _ in 0..=usize::from(way == Way::Twice) {
                    let whole = generate(&sides[0], false, way).await;
                    let part = generate(&sides[1], true, way).await;
                    assert_eq!(whole.by_kind, part.by_kind, "{}", context());
                    let did = |of: &GenerateOrdersResponse| (of.submitted, of.superseded, of.cancelled, of.rejected);
                    assert_eq!(did(&whole), did(&part), "{}", context());
                    assert!(part.duplicates <= whole.duplicates, "{}", context());
                    spared.looked_at += usize::from(part.duplicates < whole.duplicates);
                }
            }
        }
        assert_eq!(sides[0].orders().await, sides[1].orders().await, "{}", context());
    }
    spared
}

/// At how many steps somebody was spared.
#[derive(Debug, Default)]
struct Spared {
    computed: usize,
    looked_at: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_gives_what_everybody_gives_on_sqlite() {
    for seed in
        std::env::var("SEEDS").map_or(vec![1, 2, 3], |all| all.split(',').map(|one| one.parse().unwrap()).collect())
    {
        let (first, second) = (engines().await, engines().await);
        let spared = live_through("SQLite", [&first[0], &second[0]], seed, 34).await;
        assert!(spared.computed > 15 && spared.looked_at > 5, "seed {seed}: few steps spared anybody: {spared:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_gives_what_everybody_gives_on_postgres() {
    let (first, second) = (engines().await, engines().await);
    live_through("PostgreSQL", [&first[1], &second[1]], 99, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_catalog_concerns_those_whom_its_differences_are_for() {
    for engine in engines().await {
        let side = start(&engine).await;
        let mut applied = catalog("owner.title", "finance");
        side.suite.apply(&applied).await;
        // Two of six work in Bonn, and one of them in Rome too.
        side.world.put("Site", "s2", &[("id", "s2".into()), ("city", "bonn".into())]);
        for (position, person) in [("C5", "E5"), ("C6", "E6"), ("C7", "E6")] {
            place(&side.world, position, person, if position == "C7" { "s1" } else { "s2" }, None);
        }
        side.read(&["hr", "app", "vault"], None).await;
        side.compute(false).await;
        side.compute(true).await;
        assert_eq!(side.compute(true).await.owners, 0, "{}", engine.name);
        for ([one, other], concerned) in [
            (SAID[2], 0),
            // Whoever works in Rome, and from then on whoever works in Bonn.
            (SAID[0], 6),
            (["site: [bonn]", "site: [bonn, bern]"], 2),
            (["site: rome }", "site: bern }"], 5),
            (SAID[3], 6),
        ] {
            assert!(applied.contains(one), "{one}");
            applied = applied.replace(one, other);
            side.suite.apply(&applied).await;
            let computed = side.compute(true).await;
            assert_eq!(computed.owners, concerned, "{}: {other}", engine.name);
            let part = side.kept().await;
            side.compute(false).await;
            assert_eq!(side.kept().await, part, "{}: {other}", engine.name);
            side.compute(true).await;
        }
        // For one alone it is too early as long as others are concerned.
        side.suite.apply(&applied.replace("site: [bonn, bern]", "site: [rome]")).await;
        let refused = side.suite.generator().compute_role_model(owners(&["E1"])).await.unwrap_err();
        assert!(refused.message().contains("for what changed, first"), "{}", refused.message());
        side.suite.apply(&applied.replace("Finance, staff", "Finance")).await;
        side.suite.generator().compute_role_model(owners(&["E1"])).await.unwrap();
    }
}

fn owners(keys: &[&str]) -> ComputeRoleModelRequest {
    ComputeRoleModelRequest { owner_keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn some_owners_are_computed_and_the_others_wait() {
    for engine in engines().await {
        let side = start(&engine).await;
        let refused = side.suite.generator().compute_role_model(owners(&["E1"])).await.unwrap_err();
        assert!(refused.message().contains("there is no catalog"), "{}", refused.message());
        side.suite.apply(&catalog("owner.title", "finance")).await;
        side.read(&["hr", "app", "vault"], None).await;
        let refused = side.suite.generator().compute_role_model(owners(&["E1"])).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{}", refused.message());
        assert!(
            refused.message().contains("compute it for everybody, or for what changed, first"),
            "{}",
            refused.message()
        );
        // Never computed, so everybody is concerned.
        assert_eq!(side.compute(true).await.owners, 6, "{}", engine.name);
        side.compute(true).await;
        assert_eq!(side.compute(true).await.owners, 0, "{}: nothing changed", engine.name);

        for key in ["E1", "E2"] {
            side.world.set("Person", key, "title", "Boss");
        }
        side.read(&["hr"], None).await;
        let computed = side.suite.generator().compute_role_model(owners(&["E1"])).await.unwrap().into_inner();
        assert_eq!(computed.owners, 1, "{}", engine.name);
        let title = async |key: &str| {
            let resources = side.suite.permissions(key).await.resources;
            let account = resources.into_iter().find(|resource| resource.resource_type == "AppAccount").unwrap();
            let title = account.properties.into_iter().find(|property| property.property == "title").unwrap();
            title.proposed.unwrap()
        };
        assert_eq!(title("E1").await, to_wire::value(&"Boss".into()), "{}", engine.name);
        assert_eq!(title("E2").await, to_wire::value(&"Clerk".into()), "{}", engine.name);
        // What was computed alone is looked at once more with the others.
        assert_eq!(side.compute(true).await.owners, 2, "{}", engine.name);
        assert_eq!(title("E2").await, to_wire::value(&"Boss".into()), "{}", engine.name);

        let wrong = [
            (owners(&["E99"]), Code::NotFound, "Person 'E99'"),
            (
                ComputeRoleModelRequest { incremental: true, ..owners(&["E1"]) },
                Code::InvalidArgument,
                "contradict incremental",
            ),
            (
                ComputeRoleModelRequest { owner_entity_type: "Account".into(), ..owners(&["E1"]) },
                Code::InvalidArgument,
                "'Account' owns nothing; must be one of Person",
            ),
            (owners(&vec!["E1"; 1_001]), Code::InvalidArgument, "hold more than 1000 keys"),
        ];
        for (request, code, message) in wrong {
            let refused = side.suite.generator().compute_role_model(request).await.unwrap_err();
            assert_eq!(refused.code(), code, "{}", refused.message());
            let details = format!("{} {:?}", refused.message(), refused.get_error_details());
            assert!(details.contains(message), "{details}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_happens_though_nobody_touches_anything() {
    for engine in engines().await {
        let suite = Suite::start_with(&engine.url, |config| config.due_seconds = 1).await;
        suite.apply(&with_contexts("owner.title", "finance", false)).await;
        let world = people(3);
        leave(&world, "E2", "2026-03-03");
        let _agent = Agent::working(&suite, &world);
        let run = suite.run("complete").await;
        assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed);
        assert!(suite.ledger.table().iter().all(|(_, kind, _, _)| kind != "Deletion"), "{:?}", suite.ledger.table());

        suite.clock.advance(Duration::from_secs(2 * 86_400));
        let run = eventually("the job due has run", Duration::from_secs(30), async || {
            let request = ListJobRunsRequest { job: "due".into(), ..Default::default() };
            let runs = suite.jobs().list_job_runs(request).await.unwrap().into_inner().runs;
            runs.into_iter().find(|run| run.ended_at.is_some()).ok_or("not yet")
        })
        .await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert_eq!(run.started_by, "order-generator");
        let deleted = suite.ledger.read(|orders| {
            let deletions = orders.iter().filter(|held| held.order.kind == OrderKind::Deletion);
            deletions.map(|held| held.order.owner.key.clone()).collect::<Vec<_>>()
        });
        assert_eq!(deleted, ["E2"], "{}", engine.name);
        // Nothing more is due: the next look starts nothing.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let request = ListJobRunsRequest { job: "due".into(), ..Default::default() };
        assert_eq!(suite.jobs().list_job_runs(request).await.unwrap().into_inner().runs.len(), 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incremental_job_reads_what_it_is_told_and_orders_what_changed() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&with_contexts("owner.title", "finance", false)).await;
        let world = people(3);
        let _agent = Agent::working(&suite, &world);
        let run = suite.run("complete").await;
        assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed);
        world.set("Person", "E2", "title", "Boss");
        let request = RunJobRequest { job: "incremental".into(), connectors: vec!["hr".into()], ..Default::default() };
        let run = suite.jobs().run_job(request).await.unwrap().into_inner();
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        let names: Vec<&str> = run.tasks.iter().map(|task| task.name.as_str()).collect();
        let wanted =
            ["export hr-csv", "synchronize hr-csv", "compute what changed", "generate provisioning orders", "fulfill"];
        assert_eq!(names, wanted, "{}", engine.name);
        assert_eq!(world.get("Account", "p2").unwrap()["title"], "Boss".into(), "{}", engine.name);

        for (job, connector, message) in [
            ("incremental", "hrr", "'hrr' is not a connector that can be read; there are hr, app, vault"),
            ("complete", "hr", "can be chosen for the jobs read and incremental only, not for complete"),
        ] {
            let request = RunJobRequest { job: job.into(), connectors: vec![connector.into()], ..Default::default() };
            let refused = suite.jobs().run_job(request).await.unwrap_err();
            let details = format!("{:?}", refused.get_error_details());
            assert!(refused.code() == Code::InvalidArgument && details.contains(message), "{refused:?} {details}");
        }
    }
}

/// An order generator that lives on what changed: computed and generated so.
async fn changed(suite: &Suite) -> GenerateOrdersResponse {
    let request = ComputeRoleModelRequest { incremental: true, ..Default::default() };
    suite.generator().compute_role_model(request).await.unwrap();
    let request = GenerateOrdersRequest { incremental: true, ..Default::default() };
    suite.generator().generate_orders(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_count_against_everybody_and_what_they_hold_back_is_not_lost() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let limits = "thresholds: { updates_percent: 30 }";
        suite.apply(&catalog_with(limits, &format!("review: false\n    {NO_LIMITS}"))).await;
        let world = people(10);
        let _agent = Agent::working(&suite, &world);
        let run = suite.run("complete").await;
        assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed, "{}", engine.name);
        let read = async || {
            let request = RunJobRequest { job: "read".into(), connectors: vec!["hr".into()], ..Default::default() };
            let run = suite.jobs().run_job(request).await.unwrap().into_inner();
            assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed);
        };
        let promote = |numbers: &[u32]| {
            numbers.iter().for_each(|number| world.set("Person", &format!("E{number}"), "title", "Boss"));
        };
        // Three of ten, though nobody else is looked at.
        promote(&[2, 3, 4]);
        read().await;
        let generated = changed(&suite).await;
        assert!(!generated.blocked, "{}: {generated:?}", engine.name);
        assert_eq!(generated.submitted, 3, "{}", engine.name);
        // Five of ten are too many, and stay so though nothing changes any more.
        promote(&[5, 6, 7, 8, 9]);
        read().await;
        for _ in 0..2 {
            let generated = changed(&suite).await;
            assert!(generated.blocked, "{}: {generated:?}", engine.name);
            assert_eq!(generated.breaches[0].rule, "30 % of 10 resources", "{}", engine.name);
            assert_eq!(generated.breaches[0].count, 5, "{}", engine.name);
        }
        // Two of them after all: the others are as they were, and three may go.
        world.set("Person", "E8", "title", "Clerk");
        world.set("Person", "E9", "title", "Clerk");
        read().await;
        let generated = changed(&suite).await;
        assert_eq!((generated.blocked, generated.submitted), (false, 3), "{}: {generated:?}", engine.name);
        assert_eq!(changed(&suite).await.submitted, 0, "{}", engine.name);
    }
}
