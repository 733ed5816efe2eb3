//! What is too many at once to be true: so many at most, or so many percent of what there is.
//!
//! The rule that must hold: of a handful a percentage says nothing, wherever something is judged by one. So many are
//! judged by what there may be at most, and by the exceptions that whoever judges makes.

/// Of fewer than these, a percentage says nothing.
pub(crate) const FEW: usize = 5;

/// Whether they are so few that a percentage says nothing of them.
pub(crate) const fn are_few(count: usize) -> bool {
    count < FEW
}

/// How many there may be, and the limit as the catalog says it.
pub(crate) type Limit = (usize, String);

/// So many at most; 0 is no limit.
pub(crate) fn at_most(count: u32) -> Option<Limit> {
    (count > 0).then(|| (count as usize, format!("at most {count}")))
}

/// So many percent of what exists; 0 is no limit.
pub(crate) fn percent_of(percent: u32, existing: usize) -> Option<Limit> {
    let limit = || existing.saturating_mul(percent as usize) / 100;
    (percent > 0).then(|| (limit(), format!("{percent} % of {existing} resources")))
}

/// The lowest of several.
pub(crate) fn lowest(limits: impl IntoIterator<Item = Option<Limit>>) -> Option<Limit> {
    limits.into_iter().flatten().min_by_key(|(limit, _)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_that_is_set_counts() {
        assert_eq!(lowest([at_most(0), percent_of(0, 100)]), None);
        assert_eq!(lowest([at_most(20), percent_of(30, 100)]), Some((20, "at most 20".to_owned())));
        assert_eq!(lowest([at_most(40), percent_of(30, 110)]), Some((33, "30 % of 110 resources".to_owned())));
        assert_eq!(percent_of(30, 3), Some((0, "30 % of 3 resources".to_owned())));
        assert!(are_few(FEW - 1) && !are_few(FEW));
    }
}
