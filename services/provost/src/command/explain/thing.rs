//! Why an owner has something, and why not, as text: the answer first, then because.

use super::words::{contexts, section, sentences, sources};
use crate::console::Style;
use provost_contract::generator::v1::{
    ExplainAssignmentResponse, ExplainOwnerResponse, Explained, ExplainedKind, ExplainedStanding,
};

/// One thing of an owner.
pub(super) fn lines(told: &ExplainAssignmentResponse, style: Style) -> Vec<String> {
    let explained = told.explained.clone().unwrap_or_default();
    let mut lines = vec![answer(&explained, style)];
    lines.extend(section("because", sentences(&explained.causes), style));
    let caused = |sentence: &String| explained.causes.iter().any(|cause| cause.sentence == *sentence);
    let others = explained.considered.iter().map(|line| line.sentence.clone());
    lines.extend(section("also considered", others.filter(|line| !caused(line)).collect(), style));
    lines.extend(section("its values", parts(&explained), style));
    lines.extend(section("seen", [contexts(&told.contexts), sources(&told.sources)].concat(), style));
    lines
}

/// Everything of an owner.
pub(super) fn owner_lines(told: &ExplainOwnerResponse, style: Style) -> Vec<String> {
    let mut lines = vec![style.bold(&told.answer)];
    lines.extend(section("seen", [contexts(&told.contexts), sources(&told.sources)].concat(), style));
    for explained in &told.has {
        lines.push(String::new());
        lines.push(answer(explained, style));
        lines.extend(section("because", sentences(&explained.causes), style));
        lines.extend(section("its values", parts(explained), style));
    }
    let missing = told.has_not.iter().map(|explained| {
        let why = explained.causes.first().map(|cause| format!(": {}", cause.sentence)).unwrap_or_default();
        format!("{} {}{why}", kind(explained), explained.name)
    });
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        lines.push(String::new());
        let heading = format!("what the owner does not have ({})", missing.len());
        lines.extend(section(&heading, missing, style));
    }
    lines
}

fn answer(explained: &Explained, style: Style) -> String {
    use ExplainedStanding as S;
    match explained.standing() {
        S::Has => style.green(&explained.answer),
        S::Unknown => style.red(&explained.answer),
        S::HasNot | S::NoLonger => style.bold(&explained.answer),
        S::Waits | S::NotYet | S::Leaves | S::Found | S::Unspecified => style.yellow(&explained.answer),
    }
}

const fn kind(explained: &Explained) -> &'static str {
    if explained.kind == ExplainedKind::CompositeRole as i32 {
        "composite role"
    } else if explained.kind == ExplainedKind::Role as i32 {
        "role"
    } else {
        "resource type"
    }
}

/// The properties of a resource, each with its reasons, and further resources.
fn parts(explained: &Explained) -> Vec<String> {
    let of = format!(" of {} '{}'", explained.name, explained.target_key);
    let one = |part: &Explained| {
        // Whose it is stands above.
        let answer = match part.answer.split_once(&of) {
            Some((what, rest)) if part.kind() == ExplainedKind::Property => {
                let rest = rest.split_once(") ").map_or(rest, |(_, rest)| rest);
                format!("{what} {}", rest.trim_start())
            }
            _ => part.answer.clone(),
        };
        let mut lines = vec![answer];
        lines.extend(part.causes.iter().map(|cause| format!("  {}", cause.sentence)));
        lines
    };
    explained.parts.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use provost_contract::generator::v1::{
        ConsideredRule, ExplainedCause, ExplainedContext, ExplainedDimension, ExplainedSource,
    };

    fn cause(sentence: &str) -> ExplainedCause {
        ExplainedCause { sentence: sentence.into(), ..Default::default() }
    }

    fn explained(kind: ExplainedKind, name: &str, answer: &str, causes: &[&str]) -> Explained {
        let causes = causes.iter().map(|sentence| cause(sentence)).collect();
        let mut explained = Explained { name: name.into(), answer: answer.into(), causes, ..Default::default() };
        explained.set_kind(kind);
        explained
    }

    #[test]
    fn the_answer_comes_first_then_because_then_the_facts() {
        let mut role = explained(
            ExplainedKind::Role,
            "finance",
            "Ada (E2) does not have role finance.",
            &["rule 1 does not apply: department is 'Sales', must be 'Finance'"],
        );
        role.considered = vec![
            ConsideredRule { sentence: role.causes[0].sentence.clone(), ..Default::default() },
            ConsideredRule { sentence: "rule 2 denied it until 2026-01-01".into(), ..Default::default() },
        ];
        let dimensions = vec![
            ExplainedDimension { name: "department".into(), value: "Sales".into(), withheld: false },
            ExplainedDimension { name: "grade".into(), value: String::new(), withheld: true },
            ExplainedDimension { name: "site".into(), ..Default::default() },
        ];
        let told = ExplainAssignmentResponse {
            explained: Some(role),
            contexts: vec![ExplainedContext { position: "1".into(), is_main: true, dimensions, ..Default::default() }],
            sources: vec![
                ExplainedSource {
                    entity_type: "Person".into(),
                    key: "E2".into(),
                    connector: "hr".into(),
                    synchronization_id: "019aa5c0-1111-7000-8000-0000000000aa".into(),
                    export_started_at: None,
                    is_there: true,
                },
                ExplainedSource {
                    entity_type: "Card".into(),
                    key: "ada".into(),
                    connector: "doors".into(),
                    ..Default::default()
                },
            ],
            ..Default::default()
        };
        assert_eq!(
            lines(&told, Style::new(false)),
            [
                "Ada (E2) does not have role finance.",
                "  because",
                "    rule 1 does not apply: department is 'Sales', must be 'Finance'",
                "  also considered",
                "    rule 2 denied it until 2026-01-01",
                "  seen",
                "    position '1': department = 'Sales', grade (confidential), site is empty",
                "    Person E2, from hr by synchronization 0000000000aa, read –",
                "    Card ada (not there), in doors, which was never read",
            ]
        );
    }

    #[test]
    fn an_owner_is_a_tree_of_answers() {
        let mut account = explained(
            ExplainedKind::ResourceType,
            "App",
            "Ada (E1) has App 'ada', and not all of it is as the rules say.",
            &["type rule 1 gives it: it is for everybody"],
        );
        account.target_key = "ada".into();
        account.parts = vec![explained(
            ExplainedKind::Property,
            "App",
            "title of App 'ada' of Ada (E1) shall be 'Boss', and is 'Clerk'.",
            &["scalar title gives it: title = 'Boss'"],
        )];
        let told = ExplainOwnerResponse {
            answer: "Ada (E1) has 0 roles, 1 resource type.".into(),
            has: vec![account],
            has_not: vec![explained(
                ExplainedKind::CompositeRole,
                "staff",
                "Ada (E1) does not …",
                &["no rule gives it"],
            )],
            ..Default::default()
        };
        assert_eq!(
            owner_lines(&told, Style::new(false)),
            [
                "Ada (E1) has 0 roles, 1 resource type.",
                "",
                "Ada (E1) has App 'ada', and not all of it is as the rules say.",
                "  because",
                "    type rule 1 gives it: it is for everybody",
                "  its values",
                "    title shall be 'Boss', and is 'Clerk'.",
                "      scalar title gives it: title = 'Boss'",
                "",
                "  what the owner does not have (1)",
                "    composite role staff: no rule gives it",
            ]
        );
    }
}
