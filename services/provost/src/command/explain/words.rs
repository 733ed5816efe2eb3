//! What explanations of orders and of owners have in common: indented sentences, contexts, and where facts are from.

use crate::console::Style;
use crate::show::{instant, period, short};
use provost_contract::generator::v1::{ExplainedCause, ExplainedContext, ExplainedDimension, ExplainedSource};

/// A heading and what stands under it; nothing when that is nothing.
pub(super) fn section(heading: &str, lines: Vec<String>, style: Style) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    std::iter::once(format!("  {}", style.dim(heading)))
        .chain(lines.into_iter().map(|line| format!("    {line}")))
        .collect()
}

pub(super) fn sentences<'a>(causes: impl IntoIterator<Item = &'a ExplainedCause>) -> Vec<String> {
    causes.into_iter().map(|cause| cause.sentence.clone()).collect()
}

/// The contexts, one a line: `position '1', from …, until …: department = 'Sales'`.
pub(in crate::command) fn contexts(contexts: &[ExplainedContext]) -> Vec<String> {
    let dimension = |ExplainedDimension { name, value, withheld }: &ExplainedDimension| match (withheld, value.as_str())
    {
        (true, _) => format!("{name} (confidential)"),
        (false, "") => format!("{name} is empty"),
        (false, value) => format!("{name} = '{value}'"),
    };
    let one = |context: &ExplainedContext| {
        let dimensions: Vec<String> = context.dimensions.iter().map(dimension).collect();
        if context.position.is_empty() && dimensions.is_empty() && context.failure.is_none() {
            return None;
        }
        let mut line = match context.position.as_str() {
            "" => "its own context".to_owned(),
            position => format!("position '{position}'"),
        };
        match period(context.period.as_ref()) {
            when if when.is_empty() => {}
            when => line.push_str(&format!(", {when}")),
        }
        if context.is_main && contexts.len() > 1 {
            line.push_str(", the main one");
        }
        if !dimensions.is_empty() {
            line.push_str(&format!(": {}", dimensions.join(", ")));
        }
        if let Some(failure) = &context.failure {
            line.push_str(&format!("; {} failed: {}", failure.rule, failure.message));
        }
        Some(line)
    };
    contexts.iter().filter_map(one).collect()
}

/// Where facts are from: `Person E1, from hr by synchronization 019a…, read 2026-03-01 00:00`.
pub(super) fn sources(sources: &[ExplainedSource]) -> Vec<String> {
    let one = |source: &ExplainedSource| {
        let ExplainedSource { entity_type, key, connector, synchronization_id, export_started_at, is_there } = source;
        let is_there = if *is_there { "" } else { " (not there)" };
        match synchronization_id.as_str() {
            "" => format!("{entity_type} {key}{is_there}, in {connector}, which was never read"),
            id => {
                let read = instant(export_started_at.as_ref());
                format!("{entity_type} {key}{is_there}, from {connector} by synchronization {}, read {read}", short(id))
            }
        }
    };
    sources.iter().map(one).collect()
}
