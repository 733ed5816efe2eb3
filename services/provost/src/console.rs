//! Where the program writes, and how it may look there.
//!
//! The rule that must hold: colour and redrawing only where a person looks on; a pipe or a file gets
//! plain lines.

use std::io::{self, IsTerminal, Write};

/// Standard output, or what stands for it in a test.
pub struct Console {
    out: Box<dyn Write + Send>,
    style: Style,
}

/// Whether text is decorated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    terminal: bool,
}

impl Style {
    /// For a terminal, or plain.
    pub const fn new(terminal: bool) -> Self {
        Self { terminal }
    }

    /// A person looks on: lines may be redrawn.
    pub const fn is_terminal(self) -> bool {
        self.terminal
    }

    fn wrapped(self, code: &str, text: &str) -> String {
        if self.terminal { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.wrapped("1", text)
    }

    /// What may be overlooked.
    pub fn dim(self, text: &str) -> String {
        self.wrapped("2", text)
    }

    /// What went well.
    pub fn green(self, text: &str) -> String {
        self.wrapped("32", text)
    }

    /// What went wrong.
    pub fn red(self, text: &str) -> String {
        self.wrapped("31", text)
    }

    /// What to look at.
    pub fn yellow(self, text: &str) -> String {
        self.wrapped("33", text)
    }

    /// Names of acts.
    pub fn cyan(self, text: &str) -> String {
        self.wrapped("1;36", text)
    }
}

impl Console {
    /// Standard output; decorated on a terminal, unless `NO_COLOR` is set.
    pub fn standard() -> Self {
        let decorated = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out: Box::new(io::stdout()), style: Style::new(decorated) }
    }

    /// Any writer.
    pub fn to(out: impl Write + Send + 'static, style: Style) -> Self {
        Self { out: Box::new(out), style }
    }

    /// How text may look.
    pub const fn style(&self) -> Style {
        self.style
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", text.as_ref())?;
        self.out.flush()
    }

    /// Writes several lines.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn lines<T: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = T>) -> io::Result<()> {
        for line in lines {
            writeln!(self.out, "{}", line.as_ref())?;
        }
        self.out.flush()
    }

    /// Goes up and clears what stands there; only for a terminal.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn clear_above(&mut self, lines: usize) -> io::Result<()> {
        if lines > 0 && self.style.terminal {
            write!(self.out, "\x1b[{lines}A\x1b[0J")?;
        }
        Ok(())
    }

    /// Says on standard error what went wrong.
    pub fn fail(&self, text: &str) {
        let decorated = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let label = Style::new(decorated).red("error:");
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "{label} {text}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A writer that a test can read.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pipes_get_plain_lines() {
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(false));
        let text = console.style().red("wrong");
        console.line(text).unwrap();
        console.clear_above(3).unwrap();
        assert_eq!(captured.text(), "wrong\n");
    }

    #[test]
    fn terminals_get_colour_and_redrawing() {
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(true));
        console.clear_above(2).unwrap();
        let text = console.style().green("ok");
        console.line(text).unwrap();
        assert_eq!(captured.text(), "\x1b[2A\x1b[0J\x1b[32mok\x1b[0m\n");
    }
}
