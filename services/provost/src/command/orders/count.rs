//! `orders count`: resource types down, states across.

use super::filter::FilterArguments;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::Table;
use provost_contract::fulfillment::v1::{CountOrdersRequest, OrderCount, OrderFilter};
use provost_domain::ProvisioningState as State;
use std::collections::BTreeMap;

pub(super) async fn run(arguments: FilterArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session
        .clients
        .request(CountOrdersRequest { filter: Some(OrderFilter::from(arguments)), ..Default::default() });
    let answer = session.clients.orders().count_orders(request).await;
    let counts = session.clients.answer(Service::Fulfillment, answer)?.counts;
    if session.is_json() {
        session.json_list("provost.fulfillment.v1.OrderCount", &counts)?;
    } else {
        session.table(&by_state(&counts), "no such orders")?;
    }
    Ok(Outcome::Done)
}

/// The states in the order of their numbers.
const COLUMNS: [(State, &str); 8] = [
    (State::Pending, "1 pending"),
    (State::Transmitted, "2 transmitted"),
    (State::Errored, "3 errored (system)"),
    (State::Verified, "4 verified"),
    (State::AwaitingApproval, "5 awaiting approval"),
    (State::Inactive, "6 inactive"),
    (State::Error, "7 error (rule)"),
    (State::Executed, "8 executed"),
];

/// Counts as a table; states that do not occur are left out.
pub fn by_state(counts: &[OrderCount]) -> Table {
    let mut rows: BTreeMap<&str, BTreeMap<i32, i64>> = BTreeMap::new();
    let mut sums: BTreeMap<i32, i64> = BTreeMap::new();
    for count in counts {
        *rows.entry(count.resource_type.as_str()).or_default().entry(count.state).or_default() += count.count;
        *sums.entry(count.state).or_default() += count.count;
    }
    let header: Vec<&'static str> =
        ["resource type"].into_iter().chain(COLUMNS.map(|(_, name)| name)).chain(["all"]).collect();
    let mut table = Table::new(&header);
    let cells = |name: &str, of: &BTreeMap<i32, i64>| {
        let states = COLUMNS.iter().map(|(state, _)| match of.get(&state.number()) {
            Some(&count) => count.to_string(),
            None if sums.contains_key(&state.number()) => "·".to_owned(),
            None => String::new(),
        });
        let all = of.values().sum::<i64>().to_string();
        [name.to_owned()].into_iter().chain(states).chain([all]).collect()
    };
    for (name, of) in &rows {
        table.row(cells(name, of));
    }
    if rows.len() > 1 {
        table.row(cells("all", &sums));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;

    #[test]
    fn counts_are_laid_out_with_sums() {
        let count = |resource_type: &str, state, count| OrderCount {
            resource_type: resource_type.into(),
            state,
            count,
            in_flight: 0,
        };
        let table = by_state(&[count("App", 4, 240), count("App", 3, 1), count("Vault", 5, 6)]);
        assert_eq!(
            table.render(Style::new(false)),
            [
                "RESOURCE TYPE  3 ERRORED (SYSTEM)  4 VERIFIED  5 AWAITING APPROVAL  ALL",
                "App            1                   240         ·                    241",
                "Vault          ·                   ·           6                    6",
                "all            1                   240         6                    247",
            ]
        );
    }
}
