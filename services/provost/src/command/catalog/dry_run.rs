//! `catalog apply --dry-run`: what a catalog declares otherwise than the current one, and what that would do,
//! before anything is saved.

use super::apply::{tell_problems, warning_lines};
use crate::client::Service;
use crate::command::plan;
use crate::console::Style;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::generator::v1::{ApplyCatalogRequest, CatalogChange, CatalogFile};
use serde_json::{Value, json};
use tonic::Code;

/// Orders of each resource type that are shown.
const ORDERS_SHOWN: usize = 5;

pub(super) async fn run(files: Vec<CatalogFile>, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(ApplyCatalogRequest { files: files.clone(), validate_only: true });
    let answer = session.clients.catalog().apply_catalog(request).await;
    let checked = session.clients.answer(Service::OrderGenerator, answer)?;
    let style = session.console.style();
    let outcome = Outcome::of_failures(checked.problems.len());
    if !checked.problems.is_empty() {
        if session.is_json() {
            session.json("provost.generator.v1.ApplyCatalogResponse", &checked)?;
        } else {
            tell_problems(&checked, &files, session)?;
        }
        return Ok(outcome);
    }
    // Before the systems were read there is nothing to plan from: the catalog is told all the same.
    let planned = match plan::by_catalog(session, files).await {
        Ok(planned) => Ok(planned),
        Err(Failure::Call { status, .. }) if status.code() == Code::FailedPrecondition => {
            Err(status.message().to_owned())
        }
        Err(failure) => return Err(failure),
    };
    if session.is_json() {
        let catalog = provost_contract::json_of("provost.generator.v1.ApplyCatalogResponse", &checked);
        let plan = planned.as_ref().map_or(Ok(Value::Null), plan::Collected::to_json)?;
        let json = json!({ "catalog": catalog.map_err(anyhow::Error::msg)?, "plan": plan });
        session.console.line(format!("{json:#}"))?;
        return Ok(outcome);
    }
    session.console.lines(changes(&checked.changes, style))?;
    session.console.lines(warning_lines(&checked, style))?;
    session.console.line("")?;
    match planned {
        Ok(planned) => session.console.lines(plan::lines(&planned, ORDERS_SHOWN, style))?,
        Err(why) => session.console.line(format!("what it would do to people and orders cannot be said yet: {why}"))?,
    }
    session.console.line(style.dim("the catalog is good; nothing was applied, saved or submitted"))?;
    Ok(outcome)
}

/// What differs, a line each.
fn changes(changes: &[CatalogChange], style: Style) -> Vec<String> {
    if changes.is_empty() {
        return vec!["it declares what the current catalog declares".to_owned()];
    }
    let mut lines = Vec::new();
    for CatalogChange { section, name, change, details } in changes {
        let sign = match change.as_str() {
            "added" => style.green("+"),
            "removed" => style.red("-"),
            _ => style.yellow("~"),
        };
        let section = section.replace('_', " ");
        lines.push(format!("{sign} {section}: {}", style.bold(name)).trim_end().to_owned());
        lines.extend(details.iter().map(|detail| format!("    {detail}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_section_and_name() {
        let change = |change: &str, details: &[&str]| CatalogChange {
            section: "resource_types".into(),
            name: "Account".into(),
            change: change.into(),
            details: details.iter().map(|detail| (*detail).to_owned()).collect(),
        };
        let told = changes(&[change("added", &[]), change("changed", &["review: true -> false"])], Style::new(false));
        assert_eq!(told, ["+ resource types: Account", "~ resource types: Account", "    review: true -> false"]);
        assert_eq!(changes(&[], Style::new(false)), ["it declares what the current catalog declares"]);
    }
}
