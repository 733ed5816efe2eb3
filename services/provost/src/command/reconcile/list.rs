//! `reconcile list`.

use super::filter::FilterArguments;
use super::words;
use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Listing, Session, pages};
use crate::show::{self, Table, shortened, workflow_state};
use provost_contract::generator::v1::{ListReconciliationItemsRequest, ReconciliationFilter, ReconciliationItem};

/// Which items.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    filter: FilterArguments,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let listing = all(&session.clients, &arguments.filter.into(), arguments.limit).await?;
    session.list("provost.generator.v1.ReconciliationItem", &listing, table, "nothing waits for a decision")?;
    Ok(Outcome::Done)
}

/// What waits for a decision.
pub(super) async fn all(
    clients: &Clients,
    filter: &ReconciliationFilter,
    limit: Limit,
) -> Result<Listing<ReconciliationItem>, Failure> {
    pages(limit, async |page_size, page_token| {
        let message = ListReconciliationItemsRequest { filter: Some(filter.clone()), page_size, page_token };
        let answer = clients.reconciliation().list_reconciliation_items(clients.request(message)).await;
        let page = clients.answer(Service::OrderGenerator, answer)?;
        Ok((page.items, page.next_page_token))
    })
    .await
}

/// Items as a table.
pub fn table(items: &[ReconciliationItem]) -> Table {
    let mut table =
        Table::new(&["item", "kind", "owner", "resource", "property", "proposed", "current", "workflow state", "note"]);
    for item in items {
        let owner = item.owner.clone().unwrap_or_default();
        let shown = |value| if item.sensitive { "(confidential)".to_owned() } else { show::optional(value) };
        let postponed = item.decision.as_ref().map(|decision| {
            let at = show::instant(decision.at.as_ref());
            format!("{}d by {} {at}; ", words::verdict(decision.verdict), decision.actor)
        });
        table.row(vec![
            short(&item.item_id).to_owned(),
            words::kind(item.kind).to_owned(),
            shortened(&format!("{} {}", owner.display_name, owner.key), 32),
            shortened(format!("{} {}", item.resource_type, item.target_key).trim(), 36),
            item.property.clone(),
            shown(item.proposed.as_ref()),
            shown(item.current.as_ref()),
            workflow_state(item.workflow_state),
            shortened(&format!("{}{}", postponed.unwrap_or_default(), item.note), 60),
        ]);
    }
    table
}

/// The beginning of an item's id, which is enough to name it.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::generator::v1::ReconciliationDecision;
    use provost_contract::types::v1::{Owner, Value, value::Kind};

    #[test]
    fn each_line_says_what_differs_and_hides_what_is_confidential() {
        let value = |text: &str| Some(Value { kind: Some(Kind::StringValue(text.into())) });
        let item = ReconciliationItem {
            item_id: "0123456789abcdef".into(),
            kind: 1,
            owner: Some(Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }),
            resource_type: "App".into(),
            target_key: "ada".into(),
            property: "title".into(),
            proposed: value("Clerk"),
            current: value("Boss"),
            workflow_state: 1,
            note: "differs".into(),
            decision: Some(ReconciliationDecision { verdict: 3, actor: "grace".into(), ..Default::default() }),
            ..ReconciliationItem::default()
        };
        let secret =
            ReconciliationItem { sensitive: true, proposed: None, current: None, decision: None, ..item.clone() };
        let text = table(&[item, secret]).render(Style::new(false)).join("\n");
        assert!(text.contains("01234567  property  Ada E1  App ada   title     Clerk"), "{text}");
        assert!(text.contains("postponed by grace") && text.contains("Non-conforming"), "{text}");
        assert!(text.contains("(confidential)"), "{text}");
    }
}
