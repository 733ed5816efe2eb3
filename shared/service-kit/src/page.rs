//! Pages of lists: bounded sizes, and tokens that say where to go on.

use provost_contract::Violations;

/// Items on a page when the request does not say.
pub const PAGE_DEFAULT: u64 = 100;
/// Most items on a page.
pub const PAGE_MAX: u64 = 1_000;

/// The page size asked for: 0 means [`PAGE_DEFAULT`].
///
/// # Errors
/// When it is negative or above [`PAGE_MAX`].
pub fn size(page_size: i32) -> Result<u64, Violations> {
    match u64::try_from(page_size) {
        Ok(0) => Ok(PAGE_DEFAULT),
        Ok(size) if size <= PAGE_MAX => Ok(size),
        _ => Err(Violations::one("page_size", format!("must be 0 to {PAGE_MAX}"))),
    }
}

/// The number after which the page starts; 0 for an empty token.
///
/// # Errors
/// When the token is not one that a page before gave.
pub fn after(page_token: &str) -> Result<i64, Violations> {
    if page_token.is_empty() {
        return Ok(0);
    }
    let number = page_token.strip_prefix('n').and_then(|digits| digits.parse().ok()).filter(|number| *number >= 0);
    number.ok_or_else(|| Violations::one("page_token", "is not the next_page_token of a page before"))
}

/// The token of a page that ends with `last`; empty when the page was not full.
pub fn next(last: Option<i64>, items: usize, size: u64) -> String {
    match last {
        Some(last) if items as u64 >= size => format!("n{last}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(size(0), Ok(PAGE_DEFAULT));
        assert_eq!(size(1_000), Ok(1_000));
        assert!(size(1_001).is_err());
        assert!(size(-1).is_err());
    }

    #[test]
    fn tokens_go_there_and_back_and_others_are_refused() {
        assert_eq!(after(&next(Some(42), 10, 10)), Ok(42));
        assert_eq!(next(Some(42), 9, 10), "");
        assert!(after("42").is_err());
        assert!(after("n-1").is_err());
    }
}
