//! The cookbook: the grpcurl lines of one section of a Markdown text.

use crate::command::Command;

/// One line of the cookbook.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// Where it stands in the text, counted from 1.
    pub(crate) line: usize,
    pub(crate) command: Command,
}

/// The recipes of the section whose heading holds `section`, from its fenced `sh` blocks.
///
/// # Errors
/// Every line that begins with grpcurl and cannot be read.
pub(crate) fn recipes(markdown: &str, section: &str) -> Result<Vec<Recipe>, Vec<String>> {
    let (mut recipes, mut mistakes) = (Vec::new(), Vec::new());
    for (line, text) in commands(markdown, section) {
        match Command::parse(&text) {
            Ok(command) => recipes.push(Recipe { line, command }),
            Err(mistake) => mistakes.push(format!("line {line}: {mistake}: {text}")),
        }
    }
    if mistakes.is_empty() { Ok(recipes) } else { Err(mistakes) }
}

/// The lines that begin with grpcurl, with their numbers; lines that end in a backslash are joined.
fn commands(markdown: &str, section: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // The level of the section's heading while inside it; the language of the block while inside one.
    let (mut inside, mut block): (Option<usize>, Option<&str>) = (None, None);
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language.trim()),
            (Some(_), Some(_)) => block = None,
            (None, None) => {
                let level = line.chars().take_while(|c| *c == '#').count();
                if level > 0 && inside.is_none_or(|outer| level <= outer) {
                    inside = line.contains(section).then_some(level);
                }
            }
            (None, Some("sh")) if inside.is_some() && line.trim_start().starts_with("grpcurl") => {
                let mut whole = line.trim().to_owned();
                while let Some(begun) = whole.strip_suffix('\\') {
                    let next = lines.next().map_or("", |(_, next)| next.trim());
                    whole = format!("{begun}{next}");
                }
                found.push((index + 1, whole));
            }
            (None, Some(_)) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Action;

    const TEXT: &str = r#"# Project
```sh
grpcurl -plaintext h:1 not.In/Section
```
## Admin cookbook
Text with grpcurl -plaintext in it.
```sh
# A comment, not a heading
grpcurl -plaintext h:1 list
provost up
grpcurl -plaintext -d '{"a": 1}' \
    h:1 a.B/C
```
```text
grpcurl -plaintext h:1 shown.Only/Here
```
### More of it
```sh
  grpcurl -plaintext h:1 a.B/D
```
## Next
```sh
grpcurl -plaintext h:1 not.In/Section
```
"#;

    #[test]
    fn lines_of_the_section_are_found_with_their_numbers() {
        let recipes = recipes(TEXT, "Admin cookbook").unwrap();
        let found: Vec<_> = recipes.iter().map(|recipe| (recipe.line, recipe.command.action.clone())).collect();
        let call = |name: &str| Action::Call(name.to_owned());
        assert_eq!(found, [(9, Action::List(None)), (11, call("a.B/C")), (19, call("a.B/D"))]);
        assert_eq!(recipes[1].command.data.as_deref(), Some("{\"a\": 1}"));
    }

    #[test]
    fn no_such_section_has_no_lines() {
        assert!(recipes(TEXT, "Cookery").unwrap().is_empty());
    }

    #[test]
    fn all_lines_that_cannot_be_read_are_reported() {
        let text =
            "## Admin cookbook\n```sh\ngrpcurl h:1 list\ngrpcurl -plaintext h:1 list\ngrpcurl -plaintext '\n```\n";
        let mistakes = recipes(text, "Admin cookbook").unwrap_err();
        assert_eq!(mistakes.len(), 2);
        assert!(mistakes[0].starts_with("line 3: -plaintext is missing"), "{mistakes:?}");
        assert!(mistakes[1].starts_with("line 5: a single quote"), "{mistakes:?}");
    }
}
