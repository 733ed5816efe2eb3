//! Durations as people write them: `30d`, `12h`, `90m`, `1d12h`.

/// Longest duration, in minutes: ten years.
pub(super) const MINUTES_MAX: u32 = 10 * 366 * 24 * 60;

/// The units, longest first, each with its minutes.
const UNITS: [(char, u64); 3] = [('d', 24 * 60), ('h', 60), ('m', 1)];

/// The minutes of a duration; none when it is no duration. Days, hours and minutes, in that order and each at
/// most once; `0` needs no unit.
pub(super) fn minutes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut units, mut sum) = (text, UNITS.as_slice(), 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.chars().next()?;
        let place = units.iter().position(|(known, _)| *known == unit)?;
        let (_, each) = units.get(place)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*each)?)?;
        units = units.get(place + 1..)?;
        rest = after.get(1..)?;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_units_are_durations() {
        for (text, wanted) in
            [("0", 0), ("0d", 0), ("90m", 90), ("12h", 720), ("30d", 43_200), ("1d12h", 2_160), ("1d2h3m", 1_563)]
        {
            assert_eq!(minutes(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", "d", "5", "1w", "12h1d", "1d1d", "-1d", "1.5h", "1 d", "30D", "1d ", "99999999999999999999d", "é"]
        {
            assert_eq!(minutes(text), None, "{text}");
        }
    }
}
