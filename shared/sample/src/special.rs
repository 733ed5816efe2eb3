//! The people that the demo and the tests know by employee id.
//!
//! Answers for: who they are and what is peculiar about each. The rule that must hold: in every organisation of at least
//! [`MIN_PEOPLE`] people all of them exist, under these ids, with these names and logins, whatever the seed.

/// The smallest organisation that has the special people.
pub const MIN_PEOPLE: usize = 60;

/// Has a cost centre that is not a number: the rule `int(owner.cost_center)` throws, and the order is in state Error.
pub const DEMO_BAD_DATA: &str = "E000002";

/// Has the mail address that the application's account `svc-reception` already uses: the application refuses the
/// account by its own UNIQUE constraint until [`APP_MEND_SQL`](crate::workplace::APP_MEND_SQL) has run.
pub const DEMO_DUPLICATE: &str = "E000003";

/// Left a year ago and never had anything: the order is Inactive from the start.
pub const DEMO_EXPIRED: &str = "E000004";

/// An ordinary, current employee whose title a test may change.
pub const DEMO_RETITLED: &str = "E000005";

/// An ordinary, current employee to whom a test may give an end date.
pub const DEMO_LEAVER: &str = "E000006";

/// Starts two weeks from today: has nothing yet.
pub const DEMO_JOINER: &str = "E000007";

/// The head of Finance: several roles, a workplace account and a reviewed vault account. Good to show permissions of.
pub const DEMO_EXECUTIVE: &str = "E000008";

/// Every special person's employee id, in ascending order.
pub const ALL: [&str; 7] =
    [DEMO_BAD_DATA, DEMO_DUPLICATE, DEMO_EXPIRED, DEMO_RETITLED, DEMO_LEAVER, DEMO_JOINER, DEMO_EXECUTIVE];

/// The cost centre of [`DEMO_BAD_DATA`], as the feed holds it.
pub const BAD_COST_CENTER: &str = "n/a";

/// A cost centre that mends [`DEMO_BAD_DATA`].
pub const MENDED_COST_CENTER: &str = "5100";

/// Where a special person sits in the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    Head,
    /// Somebody without reports.
    Member,
}

/// What is fixed about one special person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    pub(crate) employee_id: &'static str,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) department: &'static str,
    pub(crate) seat: Seat,
}

const fn special(
    employee_id: &'static str,
    first_name: &'static str,
    last_name: &'static str,
    department: &'static str,
    seat: Seat,
) -> Special {
    Special { employee_id, first_name, last_name, department, seat }
}

/// Their last names are in no name list, so nobody else can take their logins and addresses.
pub(crate) const SPECIALS: [Special; 7] = [
    special(DEMO_BAD_DATA, "Oskar", "Fjällström", "Marketing", Seat::Member),
    special(DEMO_DUPLICATE, "Imara", "Quillfeather", "Support", Seat::Member),
    special(DEMO_EXPIRED, "Benoît", "Vaucresson", "Sales", Seat::Member),
    special(DEMO_RETITLED, "Anneke", "Zandstra", "Engineering", Seat::Member),
    special(DEMO_LEAVER, "Tomasz", "Wiśnioch", "Operations", Seat::Member),
    special(DEMO_JOINER, "Leilani", "Kahananui", "Engineering", Seat::Member),
    special(DEMO_EXECUTIVE, "Célestine", "Abara-Møller", "Finance", Seat::Head),
];
