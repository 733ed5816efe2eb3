//! Two lists of lines, and where they differ.

/// The lines that differ, with what stands around them: `-` was expected, `+` was found. None when there
/// is no difference.
pub(crate) fn diff(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    // Longest common part, from the end.
    let mut common = vec![vec![0_usize; found.len() + 1]; expected.len() + 1];
    for (i, wanted) in expected.iter().enumerate().rev() {
        for (j, is) in found.iter().enumerate().rev() {
            common[i][j] = if wanted == is { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < expected.len() || j < found.len() {
        if i < expected.len() && j < found.len() && expected[i] == found[j] {
            lines.push(format!("  {}", expected[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < expected.len() && j < found.len() && about(&expected[i]) == about(&found[j]) {
            lines.extend([format!("- {}", expected[i]), format!("+ {}", found[j])]);
            (i, j) = (i + 1, j + 1);
        } else if i < expected.len() && (j == found.len() || common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("- {}", expected[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", found[j]));
            j += 1;
        }
    }
    Some(lines.join("\n"))
}

/// What a line is about: two lines about the same stand one below the other.
fn about(line: &str) -> Option<&str> {
    line.split_once(": ").map(|(about, _)| about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn equal_lines_do_not_differ() {
        assert_eq!(diff(&lines("a b"), &lines("a b")), None);
    }

    #[test]
    fn what_differs_stands_between_what_does_not() {
        assert_eq!(diff(&lines("a b d"), &lines("a c d e")).unwrap(), "  a\n- b\n+ c\n  d\n+ e");
        assert_eq!(diff(&[], &lines("a")).unwrap(), "+ a");
    }

    #[test]
    fn lines_about_the_same_stand_together() {
        let expected = ["state: a".to_owned(), "title: b".to_owned()];
        let found = ["state: c".to_owned(), "title: d".to_owned()];
        assert_eq!(diff(&expected, &found).unwrap(), "- state: a\n+ state: c\n- title: b\n+ title: d");
    }
}
