//! What holds orders, in a sentence, and what may go when nothing does.

use super::Said;
use provost_domain::Timestamp;
use std::fmt;

/// What a brake counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrakeKind {
    /// Deletions; tripped, it holds those.
    Deletions,
    /// Orders of every kind; tripped, it holds all.
    Orders,
}

impl fmt::Display for BrakeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deletions => "deletions",
            Self::Orders => "orders",
        })
    }
}

/// What must be counted before it can be said what may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Orders under live leases.
    pub(crate) in_flight: u64,
    /// Those of them that are urgent.
    pub(crate) urgent_in_flight: u64,
    /// The end of the probe's live lease.
    pub(crate) probe_lease: Option<Timestamp>,
}

/// Why orders wait because of their connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Paused { said: Option<Said> },
    Draining { said: Option<Said> },
    Brake { kind: BrakeKind, since: Timestamp },
    Breaker { until: Timestamp, failure: String },
    Throttled { until: Timestamp },
    Rate { until: Timestamp, per_minute: u32 },
    InFlight { most: u32 },
}

impl Hold {
    /// When it ends by itself, where that is known.
    pub(crate) const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Breaker { until, .. } | Self::Throttled { until } | Self::Rate { until, .. } => Some(*until),
            Self::Paused { .. } | Self::Draining { .. } | Self::Brake { .. } | Self::InFlight { .. } => None,
        }
    }

    /// The sentence, about the connection of that name.
    pub(crate) fn sentence(&self, name: &str) -> String {
        let by = |said: &Option<Said>| match said {
            Some(Said { at, actor, comment }) if comment.is_empty() => format!(" since {at} by {actor}"),
            Some(Said { at, actor, comment }) => format!(" since {at} by {actor}: {comment}"),
            None => String::new(),
        };
        match self {
            Self::Paused { said } => format!("connection {name} is paused{}", by(said)),
            Self::Draining { said } => format!("connection {name} is draining{}", by(said)),
            Self::Brake { kind, since } => format!(
                "the dispatch brake on {kind} of connection {name} holds it since {since}; look at what is held, then \
                 release the brake or cancel the orders"
            ),
            Self::Breaker { until, failure } => {
                format!("connection {name} does not answer ({failure}); it is tried again at {until}")
            }
            Self::Throttled { until } => {
                format!("the system behind connection {name} asked to be left alone until {until}")
            }
            Self::Rate { per_minute, .. } => format!("connection {name} takes {per_minute} orders a minute"),
            Self::InFlight { most } => format!("connection {name} takes {most} orders at once, and they are in flight"),
        }
    }
}

/// What becomes of the next order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It goes.
    Goes,
    /// There is no room for it; for an urgent one there may be.
    Full,
    /// It would be one too many for this brake.
    Trips(BrakeKind),
}

/// What may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    /// So many at all.
    pub(crate) total: u64,
    /// So many of them that are not urgent.
    pub(crate) ordinary: u64,
    /// So many for the first time, before the brake on orders trips.
    pub(crate) orders: u64,
    /// So many deletions for the first time, before the brake on deletions trips.
    pub(crate) deletions: u64,
    /// The one that goes finds out whether the managed system answers.
    pub(crate) is_probe: bool,
    /// The brake on deletions has tripped: they are passed over.
    pub(crate) without_deletions: bool,
}

impl Permit {
    /// What becomes of an order; one that goes uses up its room. One that went before is not counted again.
    pub(crate) fn admit(&mut self, is_urgent: bool, is_deletion: bool, is_first: bool) -> Admission {
        if self.total == 0 || (!is_urgent && self.ordinary == 0) {
            return Admission::Full;
        }
        if is_first && self.orders == 0 {
            return Admission::Trips(BrakeKind::Orders);
        }
        if is_first && is_deletion && self.deletions == 0 {
            return Admission::Trips(BrakeKind::Deletions);
        }
        self.total -= 1;
        self.ordinary -= u64::from(!is_urgent);
        if is_first {
            self.orders -= 1;
            self.deletions -= u64::from(is_deletion);
        }
        Admission::Goes
    }
}
