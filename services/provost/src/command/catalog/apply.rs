//! `catalog apply`: all mistakes at once, as a compiler tells them; nothing applied if there is any.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use anyhow::{Context, bail};
use provost_contract::generator::v1::{ApplyCatalogRequest, ApplyCatalogResponse, CatalogFile, CatalogProblem};
use std::path::{Path, PathBuf};

/// Which catalog.
#[derive(Debug, clap::Args)]
pub struct ApplyArguments {
    /// YAML files, or folders of them; together they are the whole catalog.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Only check.
    #[arg(long)]
    check: bool,
    /// Shows what would change in the catalog, and what that would do to people and orders; applies nothing.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
}

pub(super) async fn run(arguments: ApplyArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let files = read_files(&arguments.paths)?;
    if arguments.dry_run {
        return super::dry_run::run(files, session).await;
    }
    let request = session.clients.request(ApplyCatalogRequest { files: files.clone(), validate_only: arguments.check });
    let answer = session.clients.catalog().apply_catalog(request).await;
    let response = session.clients.answer(Service::OrderGenerator, answer)?;
    let outcome = Outcome::of_failures(response.problems.len());
    if session.is_json() {
        session.json("provost.generator.v1.ApplyCatalogResponse", &response)?;
        return Ok(outcome);
    }
    if response.problems.is_empty() {
        let style = session.console.style();
        let line = style.green(&format!("✓ {}", praise(&response, arguments.check)));
        session.console.line(line)?;
        session.console.line(format!("  {}", declared(&response)))?;
        session.console.lines(warning_lines(&response, style))?;
        return Ok(outcome);
    }
    tell_problems(&response, &files, session)?;
    Ok(outcome)
}

pub(super) fn tell_problems(
    response: &ApplyCatalogResponse,
    files: &[CatalogFile],
    session: &mut Session,
) -> Result<(), Failure> {
    for problem in &response.problems {
        let lines = problem_lines(problem, files, session.console.style());
        session.console.lines(lines)?;
    }
    let count = response.problems.len();
    let mistakes = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
    let line = session.console.style().red(&format!("{mistakes}; the catalog was not applied"));
    Ok(session.console.line(line)?)
}

/// What is no mistake and may not be meant, a line each.
pub(super) fn warning_lines(response: &ApplyCatalogResponse, style: crate::console::Style) -> Vec<String> {
    response.warnings.iter().map(|warning| format!("{} {warning}", style.yellow("warning:"))).collect()
}

fn praise(response: &ApplyCatalogResponse, check: bool) -> String {
    match (check, response.applied) {
        (true, _) => "the catalog is good; nothing was applied".to_owned(),
        (false, true) => format!("revision {} is the current catalog", response.revision),
        (false, false) => "the catalog is good, but was not applied".to_owned(),
    }
}

fn declared(response: &ApplyCatalogResponse) -> String {
    let mut things: Vec<_> = response.declared.iter().collect();
    things.sort();
    let things: Vec<String> =
        things.into_iter().map(|(thing, count)| crate::show::counted(i64::from(*count), thing)).collect();
    things.join(", ")
}

fn problem_lines(problem: &CatalogProblem, files: &[CatalogFile], style: crate::console::Style) -> Vec<String> {
    let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
    let mut lines = vec![format!("{}: {}", style.bold(&place), problem.message)];
    let content = files.iter().find(|file| file.name == problem.file).map(|file| file.content.as_str());
    let line = usize::try_from(problem.line - 1).ok().and_then(|line| content?.lines().nth(line));
    if let Some(source) = line {
        let source: String = source.chars().take(110).map(|c| if c == '\t' { ' ' } else { c }).collect();
        lines.push(format!("  {} {source}", style.dim(&format!("{:>4} |", problem.line))));
        let indent = usize::try_from(problem.column - 1).unwrap_or(0);
        if indent < 110 {
            lines.push(format!("  {} {}{}", style.dim("     |"), " ".repeat(indent), style.red("^")));
        }
    }
    if !problem.hint.is_empty() {
        lines.push(format!("  hint: {}", problem.hint));
    }
    lines
}

/// Reads files, and the `.yaml` and `.yml` files of folders in the order of their names.
///
/// # Errors
/// When one cannot be read, is not UTF-8, or a folder holds none.
pub fn read_files(paths: &[PathBuf]) -> anyhow::Result<Vec<CatalogFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
                .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
                .with_context(|| format!("cannot read the folder {}", path.display()))?;
            inside.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
            inside.sort();
            if inside.is_empty() {
                bail!("the folder {} holds no .yaml file", path.display());
            }
            for path in inside {
                files.push(read_file(&path)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

fn read_file(path: &Path) -> anyhow::Result<CatalogFile> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let content = String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!("{} is not UTF-8 from byte {}", path.display(), error.utf8_error().valid_up_to())
    })?;
    Ok(CatalogFile { name: path.display().to_string(), content })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::console::Style;

    #[test]
    fn problems_point_into_the_file() {
        let files = [CatalogFile { name: "a.yaml".into(), content: "roles:\n  - nmae: x\n".into() }];
        let problem = CatalogProblem {
            file: "a.yaml".into(),
            line: 2,
            column: 5,
            message: "unknown key 'nmae'".into(),
            hint: "did you mean 'name'?".into(),
        };
        assert_eq!(
            problem_lines(&problem, &files, Style::new(false)),
            [
                "a.yaml:2:5: unknown key 'nmae'",
                "     2 |   - nmae: x",
                "       |     ^",
                "  hint: did you mean 'name'?",
            ]
        );
    }

    #[test]
    fn problem_outside_any_line_still_has_its_message() {
        let problem = CatalogProblem { file: "b.yaml".into(), message: "empty".into(), ..CatalogProblem::default() };
        assert_eq!(problem_lines(&problem, &[], Style::new(false)), ["b.yaml:0:0: empty"]);
    }

    #[test]
    fn what_may_not_be_meant_is_told_with_a_good_catalog() {
        let warnings = vec!["nothing tells A and B apart".to_owned()];
        let response = ApplyCatalogResponse { applied: true, warnings, ..ApplyCatalogResponse::default() };
        assert_eq!(warning_lines(&response, Style::new(false)), ["warning: nothing tells A and B apart"]);
    }

    #[test]
    fn folders_are_read_in_order_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["20.yml", "10.yaml", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let files = read_files(&[folder.path().to_owned()]).unwrap();
        let contents: Vec<_> = files.iter().map(|file| file.content.as_str()).collect();
        assert_eq!(contents, ["10.yaml", "20.yml"]);
        assert!(files[0].name.ends_with("10.yaml"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = |path: PathBuf| read_files(&[path]).map(|_| ()).unwrap_err().to_string();
        assert!(text(folder.path().to_owned()).contains("holds no .yaml file"));
        assert!(text(folder.path().join("none.yaml")).contains("none.yaml"));
        let latin = folder.path().join("latin.yaml");
        std::fs::write(&latin, b"na\xefve").unwrap();
        assert!(text(latin).contains("is not UTF-8 from byte 2"));
    }
}
