//! A job run as it goes: redrawn in place on a terminal; elsewhere one line per finished task, and one
//! whenever a running task says something new.

use super::{elapsed, job_state, short};
use crate::console::{Console, Style};
use provost_contract::generator::v1::{JobRun, JobRunState, JobTaskRun};
use std::collections::BTreeMap;
use std::io;

/// What was drawn so far.
#[derive(Debug, Default)]
pub struct Progress {
    drawn: usize,
    told: BTreeMap<String, (bool, String)>,
    margin: &'static str,
    brief: bool,
    ends_only: bool,
}

impl Progress {
    /// Draws with two spaces before each line, as part of a story.
    pub fn indented() -> Self {
        Self { margin: "  ", ends_only: true, ..Self::default() }
    }

    /// Leaves out the reading of systems, unless something is wrong with it.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    fn is_shown(&self, task: &JobTaskRun) -> bool {
        let reads = task.name.starts_with("export ") || task.name.starts_with("synchronize ");
        let quiet = matches!(state(task), JobRunState::Waiting | JobRunState::Running | JobRunState::Completed);
        !(self.brief && reads && quiet)
    }

    /// It ended, or says something that it did not say before; other numbers are nothing new. A story
    /// is told without what is said meanwhile.
    fn is_news(&mut self, task: &JobTaskRun) -> bool {
        let over = is_over(task);
        let told = !self.ends_only && state(task) == JobRunState::Running && !task.message.is_empty();
        if !over && !told {
            return false;
        }
        let words = task.message.chars().filter(|letter| !letter.is_ascii_digit());
        let message = if over { String::new() } else { words.collect() };
        let now = (over, message);
        self.told.insert(task.name.clone(), now.clone()) != Some(now)
    }

    /// Draws the run as it stands now.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn draw(&mut self, run: &JobRun, console: &mut Console) -> io::Result<()> {
        let style = console.style();
        if !style.is_terminal() {
            let margin = self.margin;
            let shown: Vec<_> = run.tasks.iter().filter(|task| self.is_shown(task)).collect();
            let news: Vec<_> = shown.into_iter().filter(|task| self.is_news(task)).collect();
            return console.lines(news.iter().map(|task| format!("{margin}{}", line(task, style, usize::MAX))));
        }
        console.clear_above(self.drawn)?;
        let tasks: Vec<_> = run.tasks.iter().filter(|task| self.is_shown(task)).collect();
        self.drawn = tasks.len();
        let margin = self.margin;
        console.lines(tasks.into_iter().map(|task| format!("{margin}{}", line(task, style, MESSAGE_MAX))))
    }
}

fn state(task: &JobTaskRun) -> JobRunState {
    JobRunState::try_from(task.state).unwrap_or(JobRunState::Unspecified)
}

fn is_over(task: &JobTaskRun) -> bool {
    !matches!(state(task), JobRunState::Unspecified | JobRunState::Waiting | JobRunState::Running)
}

/// Longest message of a line that is drawn anew in place: it must not take a second one.
const MESSAGE_MAX: usize = 90;

fn line(task: &JobTaskRun, style: Style, message_max: usize) -> String {
    let mark = match state(task) {
        JobRunState::Completed => style.green("✓"),
        JobRunState::Warning => style.yellow("!"),
        JobRunState::Errored => style.red("✗"),
        JobRunState::Blocked => style.yellow("■"),
        JobRunState::Cancelled => style.dim("–"),
        JobRunState::Running => style.bold("›"),
        JobRunState::Waiting | JobRunState::Unspecified => style.dim("·"),
    };
    let amount = match (task.done, task.total) {
        (0, 0) => String::new(),
        (done, 0) => done.to_string(),
        (done, total) => format!("{done}/{total}"),
    };
    let took = elapsed(task.started_at.as_ref(), task.ended_at.as_ref());
    let text = format!("{:<30} {amount:>11} {took:>8}  {}", task.name, super::shortened(&task.message, message_max));
    format!("{mark} {}", text.trim_end())
}

/// How a run ended, in a line, and what to do next when it needs somebody. Before that the messages that
/// were cut while it was drawn in place.
pub fn ending(run: &JobRun, style: Style) -> Vec<String> {
    let was_cut = |task: &&JobTaskRun| style.is_terminal() && task.message.chars().count() > MESSAGE_MAX;
    let whole = |task: &JobTaskRun| format!("  {}: {}", task.name, task.message);
    let mut lines: Vec<String> = run.tasks.iter().filter(was_cut).map(whole).collect();
    lines.extend(last_lines(run, style));
    lines
}

fn last_lines(run: &JobRun, style: Style) -> Vec<String> {
    let state = JobRunState::try_from(run.state).unwrap_or(JobRunState::Unspecified);
    let took = elapsed(run.started_at.as_ref(), run.ended_at.as_ref());
    let mut text = format!("job {}: {}", run.job, job_state(state));
    if !took.is_empty() {
        text = format!("{text} in {took}");
    }
    if !run.message.is_empty() {
        text = format!("{text}: {}", run.message);
    }
    let text = match state {
        JobRunState::Completed => style.green(&text),
        JobRunState::Errored => style.red(&text),
        _ => style.yellow(&text),
    };
    let id = short(&run.run_id);
    let next = match state {
        JobRunState::Blocked => format!(
            "  nothing was submitted; what is held back: provost orders held {id}\n  if the numbers are right: provost jobs resume {id} --comment WHY\n  if not: provost jobs cancel {id}"
        ),
        JobRunState::Errored => {
            "  mend what the message names, then run the job again; what was done stays done".to_owned()
        }
        JobRunState::Warning => {
            "  look at what the tasks above say; provost orders list --state errored,error shows the orders".to_owned()
        }
        _ => return vec![text],
    };
    vec![text, next]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::console::tests::Captured;

    fn run(states: &[JobRunState]) -> JobRun {
        let task = |(index, state): (usize, &JobRunState)| JobTaskRun {
            name: format!("task {index}"),
            state: (*state).into(),
            done: 3,
            total: 4,
            message: "what happened".into(),
            ..JobTaskRun::default()
        };
        JobRun { job: "complete".into(), tasks: states.iter().enumerate().map(task).collect(), ..JobRun::default() }
    }

    fn silent(states: &[JobRunState]) -> JobRun {
        let mut run = run(states);
        run.tasks.iter_mut().for_each(|task| task.message.clear());
        run
    }

    #[test]
    fn pipes_get_each_finished_task_once() {
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(false));
        let mut progress = Progress::default();
        progress.draw(&silent(&[JobRunState::Running, JobRunState::Waiting]), &mut console).unwrap();
        assert_eq!(captured.text(), "");
        progress.draw(&silent(&[JobRunState::Completed, JobRunState::Running]), &mut console).unwrap();
        progress.draw(&run(&[JobRunState::Completed, JobRunState::Errored]), &mut console).unwrap();
        let text = captured.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.starts_with("✓ task 0"), "{text}");
        assert!(text.contains("✗ task 1") && text.contains("3/4") && text.contains("what happened"), "{text}");
    }

    #[test]
    fn pipes_get_each_new_word_of_a_running_task() {
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(false));
        let mut progress = Progress::default();
        let mut waiting = run(&[JobRunState::Running]);
        for message in ["waits for an agent that serves hr-csv", "waits for app-sql: 12", "waits for app-sql: 3"] {
            waiting.tasks.iter_mut().for_each(|task| task.message = message.into());
            progress.draw(&waiting, &mut console).unwrap();
        }
        let text = captured.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.starts_with("› task 0") && text.contains("waits for an agent that serves hr-csv\n"), "{text}");
    }

    #[test]
    fn terminals_are_redrawn_in_place() {
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(true));
        let mut progress = Progress::indented();
        progress.draw(&run(&[JobRunState::Running, JobRunState::Waiting]), &mut console).unwrap();
        progress.draw(&run(&[JobRunState::Completed, JobRunState::Running]), &mut console).unwrap();
        assert!(captured.text().contains("\x1b[2A"), "{:?}", captured.text());
    }

    #[test]
    fn brief_progress_passes_over_reading_that_went_well() {
        let task = |name: &str, state: JobRunState| JobTaskRun {
            name: name.into(),
            state: state.into(),
            ..JobTaskRun::default()
        };
        let tasks = vec![
            task("export hr", JobRunState::Completed),
            task("export app", JobRunState::Errored),
            task("verify", JobRunState::Completed),
        ];
        let captured = Captured::default();
        let mut console = Console::to(captured.clone(), Style::new(false));
        Progress::default().brief().draw(&JobRun { tasks, ..JobRun::default() }, &mut console).unwrap();
        assert_eq!(captured.text(), "✗ export app\n✓ verify\n");
    }

    #[test]
    fn endings_say_what_to_do_next() {
        let ended = |state: JobRunState| {
            let run = JobRun { state: state.into(), run_id: "r".into(), message: "30 % passed".into(), ..run(&[]) };
            ending(&run, Style::new(false)).join("\n")
        };
        assert!(ended(JobRunState::Blocked).contains("provost jobs resume r --comment"));
        assert!(ended(JobRunState::Blocked).contains("provost orders held r"));
        assert!(ended(JobRunState::Errored).contains("run the job again"));
        assert!(ended(JobRunState::Warning).contains("orders list --state"));
        assert_eq!(ended(JobRunState::Completed), "job complete: completed: 30 % passed");
    }
}
