//! Where the source of an expression is joined by `&&`, so that people are told which part of it does not hold.
//!
//! Looks at letters alone; whoever asks compares the number of parts with the tree's.

/// The parts, without the parentheses around them.
pub(super) fn of(source: &str) -> Vec<&str> {
    let source = stripped(source);
    let mut parts = Vec::new();
    let (mut begin, mut depth) = (0, 0_usize);
    let mut letters = Letters::of(source);
    while let Some((at, letter)) = letters.next_outside_of_texts() {
        match letter {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'&' if depth == 0 && source.as_bytes().get(at + 1) == Some(&b'&') => {
                parts.push(source.get(begin..at).unwrap_or_default());
                letters.skip();
                begin = at + 2;
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        return vec![source];
    }
    parts.push(source.get(begin..).unwrap_or_default());
    parts.into_iter().flat_map(of).collect()
}

/// Without the parentheses around the whole.
fn stripped(source: &str) -> &str {
    let source = source.trim();
    let Some(inner) = source.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return source };
    let mut depth = 0_usize;
    let mut letters = Letters::of(inner);
    while let Some((_, letter)) = letters.next_outside_of_texts() {
        match letter {
            b'(' => depth += 1,
            // The first one is closed before the end: they do not go around the whole.
            b')' if depth == 0 => return source,
            b')' => depth -= 1,
            _ => {}
        }
    }
    stripped(inner)
}

/// The bytes of a source, but for what stands in texts and comments.
struct Letters<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Letters<'a> {
    const fn of(source: &'a str) -> Self {
        Self { source: source.as_bytes(), at: 0 }
    }

    fn skip(&mut self) {
        self.at += 1;
    }

    fn next_outside_of_texts(&mut self) -> Option<(usize, u8)> {
        loop {
            let at = self.at;
            let letter = *self.source.get(at)?;
            self.at += 1;
            match letter {
                b'\'' | b'"' => self.skip_text(at, letter),
                b'/' if self.source.get(self.at) == Some(&b'/') => {
                    while self.source.get(self.at).is_some_and(|letter| *letter != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return Some((at, letter)),
            }
        }
    }

    fn skip_text(&mut self, begin: usize, quote: u8) {
        let is_raw = begin > 0 && self.source.get(begin - 1).is_some_and(|letter| matches!(letter, b'r' | b'R'));
        let three = [quote; 3];
        let is_long = self.source.get(begin..begin + 3) == Some(three.as_slice());
        if is_long {
            self.at = begin + 3;
        }
        while let Some(letter) = self.source.get(self.at) {
            if *letter == b'\\' && !is_raw {
                self.at += 2;
                continue;
            }
            if *letter == quote && !is_long {
                self.at += 1;
                return;
            }
            if is_long && self.source.get(self.at..self.at + 3) == Some(three.as_slice()) {
                self.at += 3;
                return;
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn parts_are_what_is_joined_at_the_outside() {
        for (source, parts) in [
            ("owner.a == 'x'", &["owner.a == 'x'"][..]),
            ("owner.a == 'x' && owner.b", &["owner.a == 'x'", "owner.b"]),
            ("(owner.a && (owner.b && owner.c))", &["owner.a", "owner.b", "owner.c"]),
            ("(owner.a || owner.b) && owner.c", &["owner.a || owner.b", "owner.c"]),
            ("owner.a == '&&' && owner.b == \"it's && so\"", &["owner.a == '&&'", "owner.b == \"it's && so\""]),
            ("owner.a == r'\\' && owner.b", &["owner.a == r'\\'", "owner.b"]),
            ("owner.a == 'it\\'s && so'", &["owner.a == 'it\\'s && so'"]),
            ("owner.a == '''it's && so''' && f(b && c)", &["owner.a == '''it's && so'''", "f(b && c)"]),
            ("owner.a // && owner.b\n && owner.c", &["owner.a // && owner.b", "owner.c"]),
        ] {
            assert_eq!(of(source), parts, "{source}");
        }
    }
}
