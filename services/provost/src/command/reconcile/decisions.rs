//! `reconcile decisions`.

use super::words::{self, Kind, Verdict};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, counted, instant, shortened};
use provost_contract::generator::v1::{
    ListDecisionsRequest, ReconciliationDecision, ReconciliationKind, ReconciliationVerdict,
};

/// Which decisions.
#[derive(Debug, clap::Args)]
pub struct DecisionsArguments {
    /// On this kind.
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    /// With this verdict.
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<Verdict>,
    /// By this person.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    by: String,
    /// Only those that nobody decided otherwise since.
    #[arg(long)]
    standing: bool,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: DecisionsArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListDecisionsRequest {
            kind: arguments.kind.map_or(0, |kind| ReconciliationKind::from(kind).into()),
            owner_key: arguments.owner.clone(),
            verdict: arguments.verdict.map_or(0, |verdict| ReconciliationVerdict::from(verdict).into()),
            actor: arguments.by.clone(),
            only_standing: arguments.standing,
            page_size,
            page_token,
        };
        let answer = clients.reconciliation().list_decisions(clients.request(message)).await;
        let page = clients.answer(Service::OrderGenerator, answer)?;
        Ok((page.decisions, page.next_page_token))
    })
    .await?;
    session.list("provost.generator.v1.ReconciliationDecision", &listing, table, "nothing was decided yet")?;
    Ok(Outcome::Done)
}

fn table(decisions: &[ReconciliationDecision]) -> Table {
    let mut table =
        Table::new(&["when", "by", "said", "kind", "owner", "on", "proposed then", "current then", "comment"]);
    for decision in decisions {
        let owner = decision.owner.clone().unwrap_or_default();
        let on = [&decision.resource_type, &decision.target_key, &decision.property].map(String::as_str).join(" ");
        let given_to = decision.given_to.as_ref().map(|owner| format!(", to {}", owner.key)).unwrap_or_default();
        let is_baseline = decision.kind == i32::from(ReconciliationKind::Baseline);
        let taken =
            || format!(", {} of {}", counted(decision.values, "values"), counted(decision.resources, "resources"));
        let taken = if is_baseline { taken() } else { String::new() };
        let on = if is_baseline && decision.resource_type.is_empty() { "everything".to_owned() } else { on };
        let said = if decision.standing { "" } else { " (replaced)" };
        table.row(vec![
            instant(decision.at.as_ref()),
            decision.actor.clone(),
            format!("{}{taken}{given_to}{said}", words::verdict(decision.verdict)),
            words::kind(decision.kind).to_owned(),
            shortened(format!("{} {}", owner.display_name, owner.key).trim(), 32),
            shortened(on.trim(), 40),
            show::optional(decision.proposed.as_ref()),
            show::optional(decision.current.as_ref()),
            shortened(&decision.comment, 60),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::Owner;

    #[test]
    fn a_decision_says_whom_an_account_went_to_and_whether_it_still_stands() {
        let owner = |key: &str| Some(Owner { key: key.into(), ..Owner::default() });
        let decision = ReconciliationDecision {
            kind: 3,
            owner: owner("svc"),
            target_key: "svc".into(),
            verdict: 2,
            given_to: owner("E1"),
            actor: "grace".into(),
            comment: "a shared mailbox".into(),
            ..ReconciliationDecision::default()
        };
        let text = table(&[decision]).render(Style::new(false)).join("\n");
        assert!(text.contains("keep, to E1 (replaced)") && text.contains("a shared mailbox"), "{text}");
    }

    #[test]
    fn a_baseline_says_how_much_was_taken_and_why() {
        let baseline = ReconciliationDecision {
            kind: 6,
            verdict: 5,
            actor: "grace".into(),
            comment: "going live".into(),
            standing: true,
            resources: 2,
            values: 3,
            ..ReconciliationDecision::default()
        };
        let text = table(&[baseline]).render(Style::new(false)).join("\n");
        for said in ["grace", "pre-existing, 3 values of 2 resources", "baseline", "everything", "going live"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
