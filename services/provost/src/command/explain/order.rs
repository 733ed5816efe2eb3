//! Why an order is what it is, as text: what it does and where it stands first, then because.

use super::words::{section, sentences, sources};
use crate::console::Style;
use crate::show::{self, instant, short};
use provost_contract::generator::v1::{
    ExplainOrderResponse, ExplainedCause, ExplainedCauseKind, ExplainedChange, ExplainedPrerequisite, ExplainedRun,
};
use provost_contract::types::v1::Reason;

pub(super) fn lines(told: &ExplainOrderResponse, style: Style) -> Vec<String> {
    use ExplainedCauseKind as K;
    let of = |kinds: &[K]| sentences(told.causes.iter().filter(|cause| kinds.contains(&cause.kind())));
    let is_other = |cause: &&ExplainedCause| !matches!(cause.kind(), K::ReviewRequired | K::Run | K::History);
    let mut lines = vec![style.bold(&told.answer)];
    lines.extend(section("because", sentences(told.causes.iter().filter(is_other)), style));
    lines.extend(section("its changes", told.changes.iter().flat_map(change).collect(), style));
    lines.extend(section("reviewed because", of(&[K::ReviewRequired]), style));
    let run: Vec<String> = told.run.iter().flat_map(run).chain(of(&[K::Run])).collect();
    lines.extend(section("generated", run, style));
    lines.extend(section("goes after", told.prerequisites.iter().map(prerequisite).collect(), style));
    lines.extend(section("happened", of(&[K::History]), style));
    lines.extend(section("seen then", sources(&told.sources), style));
    let today = match (told.differences.as_slice(), &told.today) {
        ([], None) => vec![],
        ([], Some(_)) => vec!["the rules say the same".to_owned()],
        (differences, _) => differences.to_vec(),
    };
    lines.extend(section("today", today, style));
    lines.extend(section("not told", told.notes.clone(), style));
    lines
}

fn change(told: &ExplainedChange) -> Vec<String> {
    let Some(change) = &told.change else { return vec![] };
    let mut lines = vec![show::change(change)];
    lines.extend(why(&change.why).into_iter().map(|why| format!("  {why}")));
    lines
}

/// One line for each rule of the resource type, with the roles that led to it.
fn why(reasons: &[Reason]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for reason in reasons {
        let own = reason.rule.split_once(" / ").filter(|(of, _)| of.starts_with("resource type "));
        // Its resource type stands above already.
        let rule = own.map_or(reason.rule.as_str(), |(_, rule)| rule);
        let text = if reason.detail.is_empty() { rule.to_owned() } else { format!("{rule}: {}", reason.detail) };
        match lines.last_mut().filter(|_| own.is_none()) {
            Some(line) => line.push_str(&format!(" ← {text}")),
            None => lines.push(text),
        }
    }
    lines
}

fn run(run: &ExplainedRun) -> Vec<String> {
    let ExplainedRun { generation_run, at, actor, catalog_revision, catalog_applied_by, catalog_applied_at, .. } = run;
    let mut lines = vec![format!("on {} by {actor}, in the run {}", instant(at.as_ref()), short(generation_run))];
    match (catalog_revision, catalog_applied_by.as_str()) {
        (0, _) => {}
        (revision, "") => lines.push(format!("by revision {revision} of the catalog")),
        (revision, by) => {
            let applied = instant(catalog_applied_at.as_ref());
            lines.push(format!("by revision {revision} of the catalog, which {by} applied on {applied}"));
        }
    }
    lines
}

fn prerequisite(told: &ExplainedPrerequisite) -> String {
    let ExplainedPrerequisite { order_id, is_waited_for, sentence } = told;
    let waits = if *is_waited_for { ", and it waits for it" } else { "" };
    format!("order {}: {sentence}{waits}", short(order_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::generator::v1::Explained;
    use provost_contract::types::v1::{Change, Value, value::Kind};

    fn cause(kind: ExplainedCauseKind, sentence: &str) -> ExplainedCause {
        ExplainedCause { kind: kind.into(), sentence: sentence.into(), ..Default::default() }
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value { kind: Some(Kind::StringValue(text.into())) })
    }

    #[test]
    fn an_order_says_what_it_does_then_why_then_what_is_another_today() {
        use ExplainedCauseKind as K;
        let reason = |rule: &str, detail: &str| Reason { rule: rule.into(), detail: detail.into() };
        let title = Change {
            property: "title".into(),
            operation: 1,
            proposed: text("Lead"),
            why: vec![reason("resource type App / scalar title", "title = 'Lead'")],
            ..Change::default()
        };
        let groups = Change {
            property: "groups".into(),
            operation: 2,
            proposed: text("finance"),
            why: vec![
                reason("resource type App / navigation groups -> finance", "has role finance"),
                reason("role finance / rule 1", "department = 'Finance'"),
                reason("resource type App / navigation groups -> all", "everyone"),
            ],
            ..Change::default()
        };
        let pin = Change { property: "pin".into(), operation: 1, sensitive: true, ..Change::default() };
        let told = ExplainOrderResponse {
            answer: "It creates App 'ada' of Ada (E1) in app; Awaiting Approval: waits for a review.".into(),
            causes: vec![
                cause(K::GivenByRule, "resource type App / type rule 1: everyone"),
                cause(K::ReviewRequired, "App requires a review of every order"),
                cause(K::Run, "its run went past a threshold unseen, as eve wanted: 9 additions of App, at most 3"),
                cause(K::History, "postponed by bob on 2026-03-02: ask me tomorrow"),
            ],
            changes: [title, groups, pin]
                .map(|change| ExplainedChange { change: Some(change), today: String::new() })
                .to_vec(),
            run: Some(ExplainedRun {
                generation_run: "019aa5c0-1111-7000-8000-0000000000aa".into(),
                actor: "eve".into(),
                catalog_revision: 7,
                catalog_applied_by: "ann".into(),
                ..ExplainedRun::default()
            }),
            prerequisites: vec![ExplainedPrerequisite {
                order_id: "019aa5c0-2222-7000-8000-0000000000bb".into(),
                is_waited_for: true,
                sentence: "the addition of Mailbox 'ada', on which it depends, is Pending".into(),
            }],
            today: Some(Explained::default()),
            differences: vec!["title: at generation 'Lead', today 'Boss' (title = 'Boss')".into()],
            notes: vec!["who decided on it cannot be told now".into()],
            ..Default::default()
        };
        assert_eq!(
            lines(&told, Style::new(false)),
            [
                "It creates App 'ada' of Ada (E1) in app; Awaiting Approval: waits for a review.",
                "  because",
                "    resource type App / type rule 1: everyone",
                "  its changes",
                "    title = Lead",
                "      scalar title: title = 'Lead'",
                "    groups + finance",
                "      navigation groups -> finance: has role finance ← role finance / rule 1: department = 'Finance'",
                "      navigation groups -> all: everyone",
                "    pin = ••••••",
                "  reviewed because",
                "    App requires a review of every order",
                "  generated",
                "    on – by eve, in the run 0000000000aa",
                "    by revision 7 of the catalog, which ann applied on –",
                "    its run went past a threshold unseen, as eve wanted: 9 additions of App, at most 3",
                "  goes after",
                "    order 0000000000bb: the addition of Mailbox 'ada', on which it depends, is Pending, and it waits for it",
                "  happened",
                "    postponed by bob on 2026-03-02: ask me tomorrow",
                "  today",
                "    title: at generation 'Lead', today 'Boss' (title = 'Boss')",
                "  not told",
                "    who decided on it cannot be told now",
            ]
        );
        let same = ExplainOrderResponse { differences: vec![], ..told };
        assert!(lines(&same, Style::new(false)).contains(&"    the rules say the same".to_owned()));
    }
}
