//! Ages, as people say them: `90m`, `12h`, `3d`, `2w`.

const MINUTES_MAX: u64 = 5_256_000;

/// An age in minutes.
///
/// # Errors
/// When the text is no age, or is more than ten years.
pub fn minutes(text: &str) -> Result<i32, String> {
    let wrong = || format!("'{text}' is no age: write 90m, 12h, 3d or 2w");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let of_unit: u64 = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let minutes = number.saturating_mul(of_unit);
    if minutes == 0 || minutes > MINUTES_MAX {
        return Err(format!("'{text}' must be a minute at least, and ten years at most"));
    }
    i32::try_from(minutes).map_err(|_| wrong())
}

/// Minutes in the largest unit that fits.
pub fn shown(minutes: i32) -> String {
    let units = [(7 * 24 * 60, "w"), (24 * 60, "d"), (60, "h")];
    match units.iter().find(|(of_unit, _)| minutes > 0 && minutes % of_unit == 0) {
        Some((of_unit, unit)) => format!("{}{unit}", minutes / of_unit),
        None => format!("{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_shown_in_the_same_words() {
        for (text, expected) in [("90m", 90), ("12h", 720), ("3d", 4_320), ("2w", 20_160)] {
            assert_eq!(minutes(text), Ok(expected));
            assert_eq!(shown(expected), text);
        }
        assert_eq!(shown(60), "1h");
    }

    #[test]
    fn what_is_no_age_says_what_is_one() {
        for wrong in ["", "3", "d", "-1d", "3 d", "é", "1.5h"] {
            assert!(minutes(wrong).is_err_and(|why| why.contains("90m, 12h, 3d or 2w")), "{wrong}");
        }
        assert!(minutes("0d").is_err() && minutes("999999999w").is_err());
    }
}
