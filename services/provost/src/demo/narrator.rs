//! The voice of the demo: headings, sentences, tables, and the checks with their verdict.

use crate::console::{Console, Style};
use crate::failure::{Failure, Outcome};
use crate::show::{Progress, Table, program};
use provost_contract::generator::v1::JobRun;
use provost_sample::Organisation;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Differences shown of a check that failed.
const SHOWN_MAX: usize = 4;

/// The voice, and the memory of what was checked.
pub(super) struct Narrator {
    console: Console,
    program: String,
    acts: usize,
    checks: usize,
    failed: Vec<String>,
    broken_off: bool,
}

impl Narrator {
    pub(super) fn new(console: Console) -> Self {
        Self { console, program: program(), acts: 0, checks: 0, failed: Vec::new(), broken_off: false }
    }

    pub(super) fn style(&self) -> Style {
        self.console.style()
    }

    /// How to call the program.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// Who plays, and where.
    pub(super) fn opening(&mut self, organisation: &Organisation, data_dir: &Path) -> io::Result<()> {
        let today = organisation.today;
        let everyone = organisation.people.len();
        let to_come = organisation.people.iter().filter(|person| person.start_date > today).count();
        let active = organisation.active().count();
        let style = self.style();
        self.console.line(style.bold("Provost: one provisioning order's whole life, through four services"))?;
        self.console.line(format!(
            "Alderway employs {active} people today; its HR feed also holds {to_come} who have yet to start and {} who left.",
            everyone - active - to_come
        ))?;
        self.console.line(style.dim(&format!("data in {0}, log in {0}/provost.log", data_dir.display())))
    }

    /// A new act.
    pub(super) fn act(&mut self, title: &str, about: &str) -> io::Result<()> {
        self.acts += 1;
        let rule = "─".repeat(88_usize.saturating_sub(title.chars().count()));
        let heading = self.style().cyan(&format!("── {} · {title} {rule}", self.acts));
        self.console.lines(["", &heading, about])
    }

    /// A sentence.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.console.line(text)
    }

    /// The command that a person would type for what happens next.
    pub(super) fn command(&mut self, arguments: &str) -> io::Result<()> {
        let line = self.style().dim(&format!("  $ provost {arguments}"));
        self.console.line(line)
    }

    /// Something that happened.
    pub(super) fn event(&mut self, text: &str) -> io::Result<()> {
        self.console.line(format!("  · {text}"))
    }

    /// A table.
    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        let lines = table.indented(self.style(), 4);
        self.console.lines(lines)
    }

    /// Lines as they are.
    pub(super) fn lines(&mut self, lines: &[String]) -> io::Result<()> {
        self.console.lines(lines.iter().map(|line| if line.is_empty() { String::new() } else { format!("  {line}") }))
    }

    /// A run as it goes.
    pub(super) fn progress(&mut self, progress: &mut Progress, run: &JobRun) -> io::Result<()> {
        progress.draw(run, &mut self.console)
    }

    /// A check: it holds when nothing differs.
    pub(super) fn check(&mut self, claim: &str, differences: Vec<String>) -> io::Result<()> {
        self.checks += 1;
        if differences.is_empty() {
            let line = format!("  {} {claim}", self.style().green("✓"));
            return self.console.line(line);
        }
        self.failed.push(claim.to_owned());
        let line = format!("  {} {claim}", self.style().red("✗"));
        self.console.line(line)?;
        self.console.lines(differences.iter().take(SHOWN_MAX).map(|difference| format!("      {difference}")))?;
        if differences.len() > SHOWN_MAX {
            self.console.line(format!("      … and {} more", differences.len() - SHOWN_MAX))?;
        }
        Ok(())
    }

    /// An act could not go on.
    pub(super) fn broken_off(&mut self, why: &str) -> io::Result<()> {
        self.broken_off = true;
        let line = format!("  {} the demo cannot go on: {why}", self.style().red("✗"));
        self.console.line(line)
    }

    /// The verdict.
    pub(super) fn closing(&mut self, took: Duration, data_dir: &Path) -> Result<Outcome, Failure> {
        let style = self.style();
        self.console.line("")?;
        if self.failed.is_empty() && !self.broken_off && self.checks > 0 {
            let line = format!("✓ all {} checks hold, in {} s", self.checks, took.as_secs());
            self.console.line(style.green(&line))?;
            return Ok(Outcome::Done);
        }
        let (failed, checks, seconds) = (self.failed.len(), self.checks, took.as_secs());
        let line = match (self.broken_off, failed) {
            (true, 0) => format!("✗ broken off after {checks} checks, which hold, and {seconds} s"),
            (true, _) => format!("✗ broken off after {checks} checks, of which {failed} failed, and {seconds} s"),
            (false, _) => format!("✗ {failed} of {checks} checks failed, after {seconds} s"),
        };
        self.console.line(style.red(&line))?;
        self.console.lines(self.failed.iter().map(|claim| format!("  - {claim}")))?;
        self.console.line(format!("  the log says more: {}", data_dir.join("provost.log").display()))?;
        Ok(Outcome::Failed)
    }
}

/// No difference when `holds`, else the one that `otherwise` tells.
pub(super) fn holds(holds: bool, otherwise: impl FnOnce() -> String) -> Vec<String> {
    if holds { Vec::new() } else { vec![otherwise()] }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::console::tests::Captured;

    fn narrator() -> (Narrator, Captured) {
        let captured = Captured::default();
        (Narrator::new(Console::to(captured.clone(), Style::new(false))), captured)
    }

    #[test]
    fn all_is_well_only_if_every_check_holds() {
        let (mut narrator, captured) = narrator();
        narrator.check("one is one", holds(true, String::new)).unwrap();
        assert_eq!(narrator.closing(Duration::from_secs(3), Path::new("d")).unwrap(), Outcome::Done);
        assert!(captured.text().ends_with("✓ all 1 checks hold, in 3 s\n"), "{}", captured.text());
    }

    #[test]
    fn one_difference_fails_the_demo_and_is_told() {
        let (mut narrator, captured) = narrator();
        narrator.check("one is one", Vec::new()).unwrap();
        narrator.check("one is two", (0..6).map(|n| format!("difference {n}")).collect()).unwrap();
        assert_eq!(narrator.closing(Duration::from_secs(3), Path::new("d")).unwrap(), Outcome::Failed);
        let text = captured.text();
        for part in ["✗ one is two", "difference 3", "… and 2 more", "✗ 1 of 2 checks failed", "d/provost.log"] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
        assert!(!text.contains("difference 4"), "{text}");
    }

    #[test]
    fn demo_that_broke_off_or_checked_nothing_fails() {
        let (mut narrator, captured) = narrator();
        assert_eq!(narrator.closing(Duration::ZERO, Path::new("d")).unwrap(), Outcome::Failed);
        assert!(captured.text().contains("✗ 0 of 0 checks failed"), "{}", captured.text());
        narrator.check("one is one", Vec::new()).unwrap();
        narrator.broken_off("no server").unwrap();
        assert_eq!(narrator.closing(Duration::ZERO, Path::new("d")).unwrap(), Outcome::Failed);
        assert!(captured.text().contains("✗ broken off after 1 checks, which hold, and 0 s"), "{}", captured.text());
        narrator.check("one is two", vec!["it is not".to_owned()]).unwrap();
        assert_eq!(narrator.closing(Duration::ZERO, Path::new("d")).unwrap(), Outcome::Failed);
        assert!(captured.text().contains("✗ broken off after 2 checks, of which 1 failed"), "{}", captured.text());
    }
}
