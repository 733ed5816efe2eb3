//! Whether an export is believed: what it would change of an entity type is counted, and held against the limits of its
//! connector.
//!
//! The rule that must hold: a first load is believed whatever it holds, and that everything is gone never, unless it is
//! a handful.

use super::catalog::SynchronizationThresholds;
use super::limits::{Limit, are_few, at_most, lowest, percent_of};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Resources that appear.
    Inserted,
    /// Resources that change.
    Updated,
    /// Resources that disappear, and that no order of ours took away.
    Deleted,
}

impl Counted {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// What an export would make of an entity type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// How many resources were known.
    pub known: usize,
    /// It was read before.
    pub was_read: bool,
    /// How many the export shows.
    pub shown: usize,
    /// How many appear.
    pub inserted: usize,
    /// How many change.
    pub updated: usize,
    /// How many disappear, and no order of ours took them away.
    pub deleted: usize,
}

/// A limit that an export breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What is counted.
    pub counted: Counted,
    /// How many there would be.
    pub count: usize,
    /// How many there may be.
    pub limit: usize,
    /// The limit as the catalog says it.
    pub rule: String,
}

/// Whether so many that disappear can break a limit at all.
pub fn may_be_too_many(limits: &SynchronizationThresholds, deleted: usize) -> bool {
    !are_few(deleted) || at_most(limits.deletions).is_some_and(|(limit, _)| deleted > limit)
}

/// The limits that an export breaks.
pub fn breaches(limits: &SynchronizationThresholds, effect: &Effect) -> Vec<Breach> {
    let Effect { known, was_read, shown, inserted, updated, deleted } = *effect;
    // A first load is all insertions, and says nothing of what is usual.
    if known == 0 || !was_read {
        return vec![];
    }
    // Whatever the limits: that all of them are gone is a feed that is broken.
    let of_all = || (shown == 0 && !are_few(deleted)).then(|| (0, "never all of them".to_owned()));
    let counted = [
        (Counted::Inserted, inserted, limits.insertions, limits.insertions_percent, None),
        (Counted::Updated, updated, limits.updates, limits.updates_percent, None),
        (Counted::Deleted, deleted, limits.deletions, limits.deletions_percent, of_all()),
    ];
    let judged = |(counted, count, most, percent, of_all): (Counted, usize, u32, u32, Option<Limit>)| {
        let of_percent = if are_few(count) { None } else { percent_of(percent, known) };
        let (limit, rule) = lowest([of_percent, at_most(most), of_all]).filter(|(limit, _)| count > *limit)?;
        Some(Breach { counted, count, limit, rule })
    };
    counted.into_iter().filter_map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(limits: &SynchronizationThresholds, effect: &Effect) -> Vec<String> {
        let one =
            |Breach { counted, count, limit, rule }: Breach| format!("{count} {} > {limit}, {rule}", counted.word());
        breaches(limits, effect).into_iter().map(one).collect()
    }

    const USUAL: Effect = Effect { known: 100, was_read: true, shown: 100, inserted: 0, updated: 0, deleted: 0 };

    #[test]
    fn each_limit_is_held_against_what_it_counts() {
        let limits = SynchronizationThresholds {
            insertions: 3,
            insertions_percent: 50,
            updates_percent: 10,
            ..SynchronizationThresholds::default()
        };
        assert_eq!(broken(&limits, &Effect { inserted: 3, updated: 10, deleted: 30, ..USUAL }), Vec::<String>::new());
        assert_eq!(
            broken(&limits, &Effect { inserted: 4, updated: 11, deleted: 31, ..USUAL }),
            [
                "4 inserted > 3, at most 3",
                "11 updated > 10, 10 % of 100 resources",
                "31 deleted > 30, 30 % of 100 resources"
            ]
        );
    }

    #[test]
    fn of_a_handful_only_what_there_may_be_at_most_counts() {
        let five = Effect { known: 5, shown: 0, deleted: 5, ..USUAL };
        let four = Effect { known: 4, deleted: 4, ..five };
        let usual = SynchronizationThresholds::default();
        assert_eq!(broken(&usual, &four), Vec::<String>::new());
        assert_eq!(broken(&usual, &five), ["5 deleted > 0, never all of them"]);
        let strict = SynchronizationThresholds { deletions: 2, ..usual };
        assert_eq!(broken(&strict, &four), ["4 deleted > 2, at most 2"]);
        assert!(!may_be_too_many(&usual, 4) && may_be_too_many(&usual, 5));
        assert!(!may_be_too_many(&strict, 2) && may_be_too_many(&strict, 3));
    }

    #[test]
    fn that_all_are_gone_is_never_believed_and_a_first_load_always() {
        let off = SynchronizationThresholds { deletions_percent: 0, ..SynchronizationThresholds::default() };
        let empty = Effect { shown: 0, deleted: 100, ..USUAL };
        assert_eq!(broken(&off, &empty), ["100 deleted > 0, never all of them"]);
        assert_eq!(broken(&off, &Effect { shown: 1, deleted: 99, ..USUAL }), Vec::<String>::new());
        let strict = SynchronizationThresholds { insertions: 1, ..off };
        assert_eq!(broken(&strict, &Effect { known: 0, inserted: 100, ..USUAL }), Vec::<String>::new());
        assert_eq!(broken(&strict, &Effect { was_read: false, inserted: 100, ..USUAL }), Vec::<String>::new());
    }
}
