//! Words of a shell line. Only what a cookbook needs: anything that a shell would run, join or
//! redirect is refused, so that no line does more here than in a terminal, or less.

/// Splits a line into words as a shell does.
pub(crate) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '#' if word.is_none() => break,
            ' ' | '\t' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&quoted(&mut rest)?),
            '"' => word.get_or_insert_default().push_str(&double_quoted(&mut rest)?),
            '\\' => word.get_or_insert_default().push(rest.next().ok_or("nothing follows the last backslash")?),
            '|' | '&' | ';' | '<' | '>' | '`' | '(' | ')' | '*' | '?' => {
                return Err(format!("'{letter}' outside quotes means more to a shell than a word"));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(rest: &mut std::str::Chars<'_>) -> Result<String, String> {
    let (text, after) = rest.as_str().split_once('\'').ok_or("a single quote is not closed")?;
    let text = text.to_owned();
    *rest = after.chars();
    Ok(text)
}

fn double_quoted(rest: &mut std::str::Chars<'_>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => return Ok(text),
            '`' => return Err("a shell would run what stands between backquotes".to_owned()),
            '\\' => match rest.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => text.push(escaped),
                Some(other) => text.extend(['\\', other]),
                None => break,
            },
            other => text.push(other),
        }
    }
    Err("a double quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let line = r#"grpcurl  -d '{"a": "b c"}' x"y z"'w' \$1 ""	end # a comment"#;
        let expected = ["grpcurl", "-d", r#"{"a": "b c"}"#, "xy zw", "$1", "", "end"];
        assert_eq!(words(line).unwrap(), expected);
    }

    #[test]
    fn double_quotes_keep_other_backslashes() {
        assert_eq!(words(r#""a\"b\\c\nd""#).unwrap(), [r#"a"b\c\nd"#]);
    }

    #[test]
    fn hash_inside_a_word_is_no_comment() {
        assert_eq!(words("a#b '# c'").unwrap(), ["a#b", "# c"]);
    }

    #[test]
    fn what_is_more_than_words_is_refused() {
        for line in ["a | b", "a; b", "a > b", "`a`", "\"`a`\"", "$(a)", "a &", "'a", "\"a", "\"a\\", "a\\"] {
            assert!(words(line).is_err(), "{line}");
        }
        assert_eq!(words("").unwrap(), Vec::<String>::new());
    }
}
