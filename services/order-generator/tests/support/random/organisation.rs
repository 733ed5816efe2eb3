//! People, devices and the accounts that they had before all began; and what happens to them in the source and by
//! hand in the managed systems.
//!
//! The rule that must hold: on equal worlds the same dice do the same.

use super::Dice;
use crate::support::World;
use provost_domain::{Timestamp, Value};
use std::time::Duration;

const DEPARTMENTS: [&str; 3] = ["Finance", "Sales", "Legal"];
const TITLES: [&str; 5] = ["Clerk", "clerk", "Boss", "Lead", ""];
const NAMES: [&str; 6] = ["Ada Byron", "Eve", "eve", "Élodie", "Elodie", "Bob Stone"];
const SIZES: [&str; 6] = ["3", "5", "7", "9", "huge", ""];
const TEAMS: [&str; 6] = ["blue", "bluerome", "red", "rome", "oslo", ""];
const CITIES: [&str; 3] = ["rome", "oslo", "bonn"];
const GROUPS: [&str; 4] = ["g1", "g2", "g3", "G1"];
const DAY: u64 = 86_400;

/// Something that happened, and the connector that shows it.
pub type Told = (String, Vec<&'static str>);

/// Some people, some with accounts that nobody made.
pub fn any(dice: &mut Dice, now: Timestamp) -> World {
    let world = World::default();
    for of in ["Person", "Position", "Site", "Device", "Account", "Group", "Team", "Safe"] {
        world.clear(of);
    }
    for site in ["s1", "s2"] {
        world.put("Site", site, &[("id", site.into()), ("city", dice.pick(&CITIES).into())]);
    }
    for group in &GROUPS[..3] {
        world.put("Group", group, &[("name", (*group).into())]);
    }
    for (team, label) in [("t1", "blue"), ("t2", "red"), ("t3", "Finance"), ("t4", "blue")] {
        world.put("Team", team, &[("id", team.into()), ("label", label.into())]);
    }
    for number in 1..=3 + dice.below(4) {
        hire(&world, dice, &format!("E{number}"), number, now);
    }
    for number in 1..=dice.below(3) {
        equip(&world, dice, &format!("D{number}"));
    }
    for _ in 0..dice.below(5) {
        found(&world, dice);
    }
    world
}

fn keys(world: &World, entity_type: &str) -> Vec<String> {
    world.0.lock().unwrap().get(entity_type).map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// The owners that there are: entity type and key.
pub fn owners(world: &World) -> Vec<(&'static str, String)> {
    let all = ["Person", "Device"].map(|of| keys(world, of).into_iter().map(move |key| (of, key)));
    all.into_iter().flatten().collect()
}

fn hire(world: &World, dice: &mut Dice, key: &str, number: usize, now: Timestamp) {
    let text = |text: String| Value::String(text);
    world.put(
        "Person",
        key,
        &[
            ("employee_id", text(key.to_owned())),
            ("name", dice.pick(&NAMES).into()),
            ("login", text(format!("p{number}"))),
            ("title", dice.pick(&TITLES[..4]).into()),
            ("department", dice.pick(&DEPARTMENTS).into()),
            ("size", dice.pick(&SIZES[..5]).into()),
            ("mail", text(format!("p{number}@{}", dice.pick(&["a", "b"])))),
            ("pin", text(format!("secret-{number}"))),
            ("team", dice.pick(&TEAMS).into()),
        ],
    );
    if dice.once_in(5) {
        world.set("Person", key, "start_date", day(dice, now));
    }
    for place in 0..dice.below(3) {
        position(world, dice, &format!("C{number}-{place}"), key, now);
    }
}

fn position(world: &World, dice: &mut Dice, id: &str, person: &str, now: Timestamp) {
    let site = dice.pick(&["s1", "s2", "s3"]);
    let job = dice.pick(&["lead", "member"]);
    world.put(
        "Position",
        id,
        &[("id", id.into()), ("person", person.into()), ("site", site.into()), ("job", job.into())],
    );
    for property in ["from", "until"] {
        if dice.once_in(3) {
            world.set("Position", id, property, day(dice, now));
        }
    }
}

fn equip(world: &World, dice: &mut Dice, serial: &str) {
    let users = keys(world, "Person");
    let kind = dice.pick(&["laptop", "phone"]);
    world.put("Device", serial, &[("serial", serial.into()), ("kind", kind.into())]);
    let is_somebodys = !dice.once_in(3);
    if let Some(user) = dice.one_of(&users).filter(|_| is_somebodys) {
        world.set("Device", serial, "user", user.as_str());
    }
}

/// A midnight around now.
fn day(dice: &mut Dice, now: Timestamp) -> Value {
    let at = now.millis() / (DAY as i64 * 1_000) + dice.below(6) as i64 - 2;
    Value::Timestamp(Timestamp::from_millis(at * DAY as i64 * 1_000))
}

/// An account, or a safe, that nobody ordered: somebody's by its key, its mail or its name, or nobody's.
fn found(world: &World, dice: &mut Dice) -> String {
    let people = keys(world, "Person");
    let (login, mail, name) = match dice.one_of(&people).and_then(|key| world.get("Person", key)) {
        Some(row) => (row["login"].to_string(), row["mail"].to_string(), row["name"].to_string()),
        None => ("p1".into(), "p1@a".into(), "Eve".into()),
    };
    let login = match dice.below(6) {
        0 | 1 => login,
        2 => login.to_uppercase(),
        3 => format!("adm-{login}"),
        4 => dice.one_of(&keys(world, "Device")).cloned().unwrap_or_else(|| "D1".into()),
        _ => format!("x{}", dice.below(4)),
    };
    if dice.once_in(5) {
        world.put("Safe", &login, &[("login", login.as_str().into()), ("title", dice.pick(&TITLES).into())]);
        return format!("the safe {login} is made by hand");
    }
    let title = if dice.once_in(3) { name } else { dice.pick(&TITLES).to_owned() };
    world.put("Account", &login, &[("login", login.as_str().into()), ("title", title.as_str().into())]);
    if dice.once_in(2) {
        let mail = if dice.once_in(3) { mail.to_uppercase() } else { mail };
        world.set("Account", &login, "mail", mail.as_str());
    }
    for _ in 0..dice.below(3) {
        drift(world, dice, &login);
    }
    format!("the account {login} ({title}) is made by hand")
}

/// Somebody changes a value of an account by hand.
fn drift(world: &World, dice: &mut Dice, login: &str) -> String {
    let (property, value): (&str, Option<Value>) = match dice.below(8) {
        0 | 1 => ("title", Some(dice.pick(&["Intruder", "Clerk", "CLERK", ""]).into())),
        2 => ("size", Some(Value::Integer(dice.pick(&[3, 5, 7, 11])))),
        3 => ("enabled", Some(Value::Boolean(dice.once_in(2)))),
        4 => ("boss", Some(dice.pick(&["p1", "nobody"]).into())),
        5 if dice.once_in(3) => ("home", None),
        5 => ("home", Some(dice.pick(&GROUPS).into())),
        6 => ("unit", Some(dice.pick(&["t1", "t2"]).into())),
        _ => {
            let (list, all): (&str, &[&str]) =
                if dice.once_in(3) { ("teams", &["t1", "t2", "t3"]) } else { ("groups", &GROUPS) };
            let item = Value::from(dice.pick(all));
            let mut items = world
                .get("Account", login)
                .and_then(|row| row.get(list).map(|value| value.items().to_vec()))
                .unwrap_or_default();
            match items.iter().position(|one| *one == item) {
                Some(place) => _ = items.remove(place),
                None => items.push(item),
            }
            (list, Some(Value::List(items)))
        }
    };
    let mut rows = world.0.lock().unwrap();
    let Some(row) = rows.get_mut("Account").and_then(|rows| rows.get_mut(login)) else { return "nothing".into() };
    let told = format!("{property} of the account {login} becomes {value:?} by hand");
    match value {
        Some(value) => row.insert(property.to_owned(), value),
        None => row.remove(property),
    };
    told
}

/// Something happens in the source.
pub fn in_source(world: &World, dice: &mut Dice, step: usize, now: Timestamp) -> Told {
    let (people, positions, devices) = (keys(world, "Person"), keys(world, "Position"), keys(world, "Device"));
    let hr = vec!["hr"];
    let Some(key) = dice.one_of(&people).cloned() else {
        hire(world, dice, &format!("E{}", 100 + step), 1, now);
        return ("somebody is hired again".into(), hr);
    };
    let set = |property: &str, value: &str| {
        world.set("Person", &key, property, value);
        format!("{property} of {key} is {value:?}")
    };
    let told = match dice.below(19) {
        0 => {
            let new = format!("E{}", 100 + step);
            let number = dice.pick(&[1, 2, 100 + step]);
            hire(world, dice, &new, number, now);
            format!("{new} is hired, with the login p{number}")
        }
        1 | 2 => set("department", dice.pick(&DEPARTMENTS)),
        3 | 4 => set("title", dice.pick(&TITLES)),
        5 => set("manager", dice.pick(&[people[0].as_str(), key.as_str(), "E99", people[people.len() - 1].as_str()])),
        6 | 7 => {
            let (property, at) = (dice.pick(&["start_date", "end_date", "end_date"]), day(dice, now));
            let told = format!("{property} of {key} is {at}");
            world.set("Person", &key, property, at);
            told
        }
        8 if people.len() > 2 => {
            world.remove("Person", &key);
            format!("{key} is gone")
        }
        // Whoever has another one's login claims that one's account too.
        9 => set("login", dice.pick(&["p1", "p2", "P1", "p7", ""])),
        10 => set("size", dice.pick(&SIZES)),
        11 => set("mail", dice.pick(&["p1@a", "P2@b", "p3@a", ""])),
        12 => set("team", dice.pick(&TEAMS)),
        13 => set("name", dice.pick(&NAMES)),
        14 => {
            let id = format!("C{}", 100 + step);
            position(world, dice, &id, &key, now);
            format!("{key} has one more position: {:?}", world.get("Position", &id))
        }
        15 => {
            let Some(id) = dice.one_of(&positions) else { return ("nothing".into(), vec![]) };
            match dice.below(3) {
                0 => {
                    world.remove("Position", id);
                    format!("the position {id} is gone")
                }
                1 => {
                    world.set("Position", id, "person", key.as_str());
                    format!("the position {id} is {key}'s")
                }
                _ => {
                    let at = day(dice, now);
                    let told = format!("the position {id} ends {at}");
                    world.set("Position", id, "until", at);
                    told
                }
            }
        }
        16 => {
            let (site, city) = (dice.pick(&["s1", "s2"]), dice.pick(&CITIES));
            world.set("Site", site, "city", city);
            format!("the site {site} moves to {city}")
        }
        17 => {
            let serial = format!("D{}", 1 + dice.below(3));
            if dice.once_in(4) && devices.contains(&serial) {
                world.remove("Device", &serial);
                return (format!("the device {serial} is gone"), hr);
            }
            equip(world, dice, &serial);
            if dice.once_in(3) {
                world.set("Device", &serial, "until", day(dice, now));
            }
            format!("the device {serial} is {:?}", world.get("Device", &serial))
        }
        _ => set("pin", dice.pick(&["1234", "9876"])),
    };
    (told, hr)
}

/// Something is done by hand in a managed system.
pub fn by_hand(world: &World, dice: &mut Dice) -> Told {
    let (accounts, safes) = (keys(world, "Account"), keys(world, "Safe"));
    let app = vec!["app"];
    match dice.below(9) {
        0..=2 => match dice.one_of(&accounts) {
            Some(login) => (drift(world, dice, login), app),
            None => ("nothing".into(), vec![]),
        },
        3 => match dice.one_of(&accounts) {
            Some(login) => {
                world.remove("Account", login);
                (format!("the account {login} is deleted by hand"), app)
            }
            None => ("nothing".into(), vec![]),
        },
        4 | 5 => (found(world, dice), vec!["app", "vault"]),
        6 => {
            let (team, label) = (dice.pick(&["t1", "t2", "t3"]), dice.pick(&["blue", "red", "Finance", "7"]));
            world.set("Team", team, "label", label);
            world.set("Team", team, "site", dice.pick(&["s1", "s2"]));
            (format!("the team {team} is {:?}", world.get("Team", team)), app)
        }
        7 => {
            let group = dice.pick(&GROUPS[..3]);
            if world.get("Group", group).is_some() {
                world.remove("Group", group);
                return (format!("the group {group} is gone"), app);
            }
            world.put("Group", group, &[("name", group.into())]);
            (format!("the group {group} is there again"), app)
        }
        _ => match dice.one_of(&safes) {
            Some(login) if dice.once_in(2) => {
                world.remove("Safe", login);
                (format!("the safe {login} is deleted by hand"), vec!["vault"])
            }
            Some(login) => {
                world.set("Safe", login, "title", "Intruder");
                (format!("the safe {login} drifts"), vec!["vault"])
            }
            None => ("nothing".into(), vec![]),
        },
    }
}

/// So much time goes by.
pub fn time(dice: &mut Dice) -> Duration {
    Duration::from_secs(3_600 * dice.pick(&[1, 23, 25, 50, 100]))
}
