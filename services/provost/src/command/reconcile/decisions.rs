//! `reconcile decisions`.

use super::words::{self, Kind, Verdict};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, instant, shortened};
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
        let said = if decision.standing { "" } else { " (replaced)" };
        table.row(vec![
            instant(decision.at.as_ref()),
            decision.actor.clone(),
            format!("{}{given_to}{said}", words::verdict(decision.verdict)),
            words::kind(decision.kind).to_owned(),
            shortened(&format!("{} {}", owner.display_name, owner.key), 32),
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
}
