//! "Did you mean …?": the nearest of what would be right.

/// The nearest name, when one is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distances = right.into_iter().map(|name| (distance(&wrong, &name.to_lowercase()), name));
    let (distance, name) = distances.min()?;
    // A third of the letters may be wrong; of three letters one.
    (distance <= wrong.chars().count().max(3) / 3).then_some(name)
}

/// A hint that names the nearest, or lists what there is.
pub(crate) fn hint<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wrong, right.clone()) {
        return format!("did you mean '{name}'?");
    }
    let mut names: Vec<&str> = right.into_iter().collect();
    names.sort_unstable();
    match names.len() {
        0 => "there is none; declare it first".to_owned(),
        1..=12 => format!("known: {}", names.join(", ")),
        _ => format!("known: {}, …", names.iter().take(12).copied().collect::<Vec<_>>().join(", ")),
    }
}

/// A hint that names the nearest, or lists all words in the order given.
pub(crate) fn one_of<'a>(wrong: &str, right: impl Iterator<Item = &'a str> + Clone) -> String {
    // Of one letter or two everything is near.
    match nearest(wrong, right.clone().filter(|word| word.len() > 2)) {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("write one of: {}", right.collect::<Vec<_>>().join(", ")),
    }
}

/// How many letters to insert, remove, replace, or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (get(&last, j) + usize::from(x != y)).min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("nmae", "name"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn suggests_what_is_near_and_lists_otherwise() {
        assert_eq!(hint("titel", ["title", "login"]), "did you mean 'title'?");
        assert_eq!(hint("Title", ["title", "login"]), "did you mean 'title'?");
        assert_eq!(hint("salary", ["title", "login"]), "known: login, title");
        assert_eq!(hint("salary", []), "there is none; declare it first");
    }
}
