//! Where a day begins. Sources say dates, which are carried as midnight UTC; the policy says in which time zone such a
//! date falls due at 00:00.
//!
//! The rule that must hold: a date stays a date, in values, in reckoning (`owner.last_day + duration('24h')`) and in
//! what is written to a managed system. Only when it is asked whether a time has begun does it become the instant at
//! which that day begins there. What has a time of day is an instant already, and is left as it is.

use super::suggest;
use chrono::{MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone as _};
use chrono_tz::Tz;
use provost_domain::Timestamp;

const DAY: i64 = 86_400_000;

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl TimeZone {
    /// The time zone of a name such as `Europe/Paris`; none when there is no such.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What may have been meant by a name that is none.
    pub(super) fn hint(wrong: &str) -> String {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        fn city(name: &str) -> &str {
            name.rsplit('/').next().unwrap_or(name)
        }
        let by_city = || {
            let found = suggest::nearest(city(wrong), names().filter(|name| name.contains('/')).map(city))?;
            names().find(|name| city(name) == found)
        };
        match suggest::nearest(wrong, names().filter(|name| name.len() > 3)).or_else(by_city) {
            Some(name) => format!("did you mean '{name}'?"),
            None => "write a name of the IANA time zone database, for example Europe/Paris".to_owned(),
        }
    }

    /// When it falls due: a date at the first instant of that day; anything else is that instant.
    pub fn due(self, at: Timestamp) -> Timestamp {
        if self.0 == Tz::UTC || at.millis() % DAY != 0 {
            return at;
        }
        let day = at.to_chrono().map(|at| at.date_naive());
        // Years that no calendar knows are as far away here as anywhere.
        day.and_then(|day| self.begin(day)).unwrap_or(at)
    }

    /// The first instant of a day. Of two midnights that is the first; where the clock jumps over midnight, the
    /// instant at which it jumps.
    fn begin(self, day: NaiveDate) -> Option<Timestamp> {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.0.from_local_datetime(&midnight) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => {
                Some(Timestamp::from_millis(at.timestamp_millis()))
            }
            MappedLocalTime::None => self.jump_over(midnight),
        }
    }

    /// The first instant at which clocks show that time, or more. They jump once, within a day.
    fn jump_over(self, time: NaiveDateTime) -> Option<Timestamp> {
        let shown = |at: i64| {
            let at = Timestamp::from_millis(at).to_chrono()?.naive_utc();
            at.checked_add_offset(self.0.offset_from_utc_datetime(&at).fix())
        };
        let near = time.and_utc().timestamp_millis();
        let (mut before, mut after) = (near.checked_sub(DAY)?, near.checked_add(DAY)?);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if shown(middle)? < time {
                before = middle;
            } else {
                after = middle;
            }
        }
        Some(Timestamp::from_millis(after))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn begins(zone: &str, day: &str) -> String {
        let zone = TimeZone::from_name(zone).unwrap();
        zone.due(Timestamp::parse(day).unwrap()).to_string()
    }

    #[test]
    fn a_date_falls_due_when_its_day_begins_there() {
        for (zone, day, at) in [
            ("UTC", "2026-07-01", "2026-07-01T00:00:00.000Z"),
            ("Europe/Paris", "2026-01-01", "2025-12-31T23:00:00.000Z"),
            ("Europe/Paris", "2026-07-01", "2026-06-30T22:00:00.000Z"),
            ("America/New_York", "2026-07-01", "2026-07-01T04:00:00.000Z"),
            ("Asia/Kolkata", "2026-07-01", "2026-06-30T18:30:00.000Z"),
            ("Pacific/Auckland", "1969-01-01", "1968-12-31T12:00:00.000Z"),
        ] {
            assert_eq!(begins(zone, day), at, "{day} in {zone}");
        }
    }

    #[test]
    fn days_on_which_clocks_change_begin_with_their_first_instant() {
        for (zone, day, at) in [
            // Two o'clock is not there, midnight is; and the day after begins an hour earlier than it would.
            ("Europe/Paris", "2026-03-29", "2026-03-28T23:00:00.000Z"),
            ("Europe/Paris", "2026-03-30", "2026-03-29T22:00:00.000Z"),
            // Two o'clock is there twice.
            ("Europe/Paris", "2026-10-25", "2026-10-24T22:00:00.000Z"),
            ("Europe/Paris", "2026-10-26", "2026-10-25T23:00:00.000Z"),
            // From 23:59:59 to 01:00: there is no midnight.
            ("Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00.000Z"),
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00.000Z"),
            // From 23:30 to 00:30: that is where the day begins.
            ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00.000Z"),
            // At one o'clock it is midnight once more.
            ("America/Havana", "2025-11-02", "2025-11-02T04:00:00.000Z"),
            // A day that never was, west of the date line on the evening before, east of it in the morning.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z"),
        ] {
            assert_eq!(begins(zone, day), at, "{day} in {zone}");
        }
    }

    #[test]
    fn what_has_a_time_of_day_is_left_as_it_is() {
        let paris = TimeZone::from_name("Europe/Paris").unwrap();
        for at in ["2026-07-01T00:00:00.001Z", "2026-06-30T22:00:00Z", "2026-07-01T00:00:00+02:00"] {
            let at = Timestamp::parse(at).unwrap();
            assert_eq!(paris.due(at), at);
        }
        let far = Timestamp::from_millis(i64::MAX - i64::MAX % DAY);
        assert_eq!(paris.due(far), far);
    }

    #[test]
    fn days_follow_each_other_everywhere() {
        let first = Timestamp::parse("2000-01-01").unwrap().millis();
        for zone in chrono_tz::TZ_VARIANTS.map(TimeZone) {
            let mut before = zone.due(Timestamp::from_millis(first - DAY));
            for day in 0..400 {
                // Every 25th day: of any two that follow each other the later one begins later.
                let at = zone.due(Timestamp::from_millis(first + day * 25 * DAY));
                assert!(before < at, "day {day} in {}", zone.name());
                before = at;
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_one_that_is() {
        assert!(TimeZone::from_name("Europe/Pariss").is_none());
        for (wrong, hint) in [
            ("Europe/Pariss", "did you mean 'Europe/Paris'?"),
            ("europe/paris", "did you mean 'Europe/Paris'?"),
            ("Paris", "did you mean 'Europe/Paris'?"),
            ("Germany/Berlin", "did you mean 'Europe/Berlin'?"),
            ("+02:00", "write a name of the IANA time zone database, for example Europe/Paris"),
        ] {
            assert_eq!(TimeZone::hint(wrong), hint);
        }
    }
}
