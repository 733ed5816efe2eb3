//! Makes the organisation: seats by department, ids, then a person for every seat.
//!
//! Answers for: who exists, who manages whom, from when to when. The rule that must hold: chance decides names, dates and
//! places only. How many people a department has and who manages whom follow from the number of people alone, and
//! only those who manage nobody are contractors, leave or have yet to start.

use crate::company::{
    CEO_COST_CENTER, CEO_TITLE, DEPARTMENTS, DEPOT, DEPOT_SHARE, Department, EXECUTIVE, LOCATIONS, Location, SPAN,
    department_sizes,
};
use crate::names::{FIRST_NAMES, Handles, LAST_NAMES};
use crate::person::{Person, WorkerType, write_people, write_people_csv};
use crate::special::{self, SPECIALS, Special};
use chrono::{NaiveDate, TimeDelta};
use rand::Rng;
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::io::Write;
use std::path::Path;

/// An organisation and the day on which it is as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Everyone, by ascending number of the employee id; the CEO first. A test may change them.
    pub people: Vec<Person>,
    /// The day that past and future are counted from.
    pub today: NaiveDate,
}

impl Organisation {
    /// Makes an organisation of `people` people as of `today`; the same arguments always give the same one.
    ///
    /// ```
    /// use provost_sample::Organisation;
    /// let today = "2026-03-01".parse().unwrap();
    /// let organisation = Organisation::generate(7, 250, today);
    /// assert_eq!(organisation.people.len(), 250);
    /// assert_eq!(organisation, Organisation::generate(7, 250, today));
    /// ```
    pub fn generate(seed: u64, people: usize, today: NaiveDate) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut seats = seats(people);
        let numbers = number(&mut seats, &mut rng);
        let mut by_number: Vec<(usize, &Seat)> = numbers.iter().copied().zip(&seats).collect();
        by_number.sort_unstable_by_key(|&(number, _)| number);

        let mut handles = Handles::default();
        let mut people: Vec<Person> = by_number
            .into_iter()
            .map(|(number, seat)| {
                let manager =
                    seat.manager.and_then(|manager| numbers.get(manager)).map(|&manager| employee_id(manager));
                hire(seat, number, manager, today, &mut handles, &mut rng)
            })
            .collect();
        send_to_depot(&mut people, today);
        Self { people, today }
    }

    /// The person with this employee id.
    pub fn person(&self, employee_id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.employee_id == employee_id)
    }

    /// The person with this employee id, to be changed.
    pub fn person_mut(&mut self, employee_id: &str) -> Option<&mut Person> {
        self.people.iter_mut().find(|person| person.employee_id == employee_id)
    }

    /// The people whose period includes [`Organisation::today`].
    pub fn active(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|person| person.is_active_on(self.today))
    }

    /// Writes everyone as CSV, the form of the HR feed.
    ///
    /// # Errors
    /// When `writer` refuses.
    pub fn write_people(&self, writer: impl Write) -> Result<(), csv::Error> {
        write_people(&self.people, writer)
    }

    /// Writes the HR feed's file, replacing what is there.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn write_people_csv(&self, path: impl AsRef<Path>) -> Result<(), csv::Error> {
        write_people_csv(&self.people, path.as_ref())
    }
}

/// Where somebody sits.
#[derive(Debug)]
struct Seat {
    /// None for the CEO.
    department: Option<&'static Department>,
    /// The seat of the manager.
    manager: Option<usize>,
    title: Title,
    special: Option<Special>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Title {
    Fixed(&'static str),
    /// One of the department's titles for those who manage nobody.
    Member,
}

/// The CEO's seat, then each department's: the head, and below everyone up to [`SPAN`] others in order.
fn seats(people: usize) -> Vec<Seat> {
    let Some(others) = people.checked_sub(1) else { return Vec::new() };
    let mut seats = Vec::with_capacity(people);
    seats.push(Seat { department: None, manager: None, title: Title::Fixed(CEO_TITLE), special: None });
    for (department, size) in DEPARTMENTS.iter().zip(department_sizes(others)) {
        let first = seats.len();
        seats.extend((0..size).map(|index| Seat {
            department: Some(department),
            manager: Some(if index == 0 { 0 } else { first + (index - 1) / SPAN }),
            title: match index {
                0 => Title::Fixed(department.head),
                _ if index * SPAN + 1 < size => Title::Fixed(department.manager),
                _ => Title::Member,
            },
            special: None,
        }));
    }
    seats
}

/// The number of each seat's employee id: fixed for the CEO and the special people, who are seated here, by chance for
/// everyone else, as people are not hired in order of rank.
fn number(seats: &mut [Seat], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let specials: &[Special] = if seats.len() >= special::MIN_PEOPLE { &SPECIALS } else { &[] };
    for special in specials {
        let free = |seat: &&mut Seat| {
            seat.special.is_none()
                && seat.department.is_some_and(|department| department.name == special.department)
                && match special.seat {
                    special::Seat::Head => seat.manager == Some(0),
                    special::Seat::Member => seat.title == Title::Member,
                }
        };
        if let Some(seat) = seats.iter_mut().find(free) {
            seat.special = Some(*special);
        }
    }
    let mut rest: Vec<usize> = (2 + specials.len()..=seats.len()).collect();
    rest.shuffle(rng);
    let mut rest = rest.into_iter();
    let mut number = |seat: &Seat| match seat.special {
        None if seat.department.is_none() => 1,
        None => rest.next().unwrap_or_default(),
        Some(special) => SPECIALS.iter().position(|it| it.employee_id == special.employee_id).map_or(0, |at| at + 2),
    };
    seats.iter().map(&mut number).collect()
}

fn employee_id(number: usize) -> String {
    format!("E{number:06}")
}

/// Unlike the employee id and without order, so that nobody takes one for the other; unique below nine million people.
fn badge_number(number: usize) -> String {
    (1_000_000 + (number * 7919) % 9_000_000).to_string()
}

/// The person on `seat`.
fn hire(
    seat: &Seat,
    number: usize,
    manager: Option<String>,
    today: NaiveDate,
    handles: &mut Handles,
    rng: &mut ChaCha8Rng,
) -> Person {
    let (first_name, last_name) = match seat.special {
        Some(special) => (special.first_name, special.last_name),
        None => (pick(FIRST_NAMES, rng), pick(LAST_NAMES, rng)),
    };
    let department = seat.department;
    let title = match seat.title {
        Title::Fixed(title) => title,
        // The lower of two draws: juniors outnumber seniors.
        Title::Member => department.map_or("", |department| {
            let ranks = department.members.len();
            let rank = rng.random_range(0..ranks).min(rng.random_range(0..ranks));
            department.members.get(rank).copied().unwrap_or_default()
        }),
    };
    let (place, location) = place(seat, rng);
    let (worker_type, start_date, end_date) = period(seat, today, rng);
    let cost_center = match seat.special {
        Some(special) if special.employee_id == special::DEMO_BAD_DATA => special::BAD_COST_CENTER.to_owned(),
        _ => (department.map_or(CEO_COST_CENTER, |department| department.cost_center) + place).to_string(),
    };
    Person {
        employee_id: employee_id(number),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        login: handles.login(first_name, last_name),
        mail: format!("{}@{}", handles.mailbox(first_name, last_name), crate::MAIL_DOMAIN),
        department: department.map_or(EXECUTIVE, |department| department.name).to_owned(),
        title: title.to_owned(),
        location: location.name.to_owned(),
        worker_type,
        manager,
        start_date,
        end_date,
        badge_number: badge_number(number),
        phone: phone(location, number),
        cost_center,
    }
}

fn pick<'a>(list: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    list.choose(rng).copied().unwrap_or_default()
}

fn phone(location: &Location, number: usize) -> String {
    format!("{} {:04}", location.phone_prefix, number % 10_000)
}

/// A place by its weight, with its number; the headquarters for the CEO.
fn place(seat: &Seat, rng: &mut ChaCha8Rng) -> (u32, &'static Location) {
    let [headquarters, ..] = &LOCATIONS;
    if seat.department.is_none() {
        return (0, headquarters);
    }
    let mut draw = rng.random_range(0..LOCATIONS.iter().map(|location| location.weight).sum());
    for (place, location) in (0..).zip(&LOCATIONS) {
        if draw < location.weight {
            return (place, location);
        }
        draw -= location.weight;
    }
    (0, headquarters)
}

/// How long somebody is here, and as what. Nobody starts or leaves within days of `today`, so that what holds when the
/// files are made still holds when they are used a little later.
fn period(seat: &Seat, today: NaiveDate, rng: &mut ChaCha8Rng) -> (WorkerType, NaiveDate, Option<NaiveDate>) {
    use WorkerType::{Contractor, Employee};
    let day = |days: i64| today.checked_add_signed(TimeDelta::days(days)).unwrap_or(today);
    let settled = day(-rng.random_range(30..4000));
    match seat.special.map(|special| special.employee_id) {
        Some(special::DEMO_EXPIRED) => return (Contractor, day(-800), Some(day(-365))),
        Some(special::DEMO_JOINER) => return (Employee, day(14), None),
        Some(_) => return (Employee, settled, None),
        None if seat.title != Title::Member => return (Employee, settled, None),
        None => {}
    }
    match rng.random_range(0..100) {
        0..13 => (Contractor, day(-rng.random_range(30..700)), Some(day(rng.random_range(21..400)))),
        13 => {
            let end = -rng.random_range(5..300);
            (Contractor, day(end - rng.random_range(60..600)), Some(day(end)))
        }
        14..16 => {
            let end = -rng.random_range(5..400);
            (Employee, day(end - rng.random_range(200..3000)), Some(day(end)))
        }
        16..18 => (Employee, day(rng.random_range(5..60)), None),
        18..21 => (Employee, settled, Some(day(rng.random_range(21..180)))),
        _ => (Employee, settled, None),
    }
}

/// Moves the depot's share of Operations there: current people who are neither special nor managers, so that the number
/// of badges follows from the number of people.
fn send_to_depot(people: &mut [Person], today: NaiveDate) {
    let wanted = people.len() * DEPOT_SHARE / 1000;
    let movable = |person: &&mut Person| {
        person.department == "Operations"
            && person.is_active_on(today)
            && !person.is_people_manager()
            && !special::ALL.contains(&person.employee_id.as_str())
    };
    for person in people.iter_mut().filter(movable).take(wanted) {
        person.location = DEPOT.name.to_owned();
        let extension: String = person.phone.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
        person.phone = format!("{} {extension}", DEPOT.phone_prefix);
    }
}
