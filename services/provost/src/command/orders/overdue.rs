//! `orders overdue`: what lies too long, by state and age.

use super::filter::FilterArguments;
use crate::client::Service;
use crate::command::age;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table, instant, short};
use provost_contract::fulfillment::v1::{CountOrdersByAgeRequest, CountOrdersByAgeResponse, OrderFilter};

/// Which orders, and where one age ends and the next begins.
#[derive(Debug, clap::Args)]
pub struct OverdueArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Where one age ends and the next begins; left out: 1h,1d,1w.
    #[arg(long, value_name = "AGE", value_delimiter = ',', value_parser = age::minutes)]
    bounds: Vec<i32>,
}

pub(super) async fn run(arguments: OverdueArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let OverdueArguments { filter, bounds } = arguments;
    let message = CountOrdersByAgeRequest { filter: Some(OrderFilter::from(filter)), bounds_minutes: bounds };
    let answer = session.clients.orders().count_orders_by_age(session.clients.request(message)).await;
    let counts = session.clients.answer(Service::Fulfillment, answer)?;
    if session.is_json() {
        session.json("provost.fulfillment.v1.CountOrdersByAgeResponse", &counts)?;
        return Ok(Outcome::Done);
    }
    session.table(&table(&counts), "every order is finished")?;
    Ok(Outcome::Done)
}

/// States down, ages across.
fn table(counts: &CountOrdersByAgeResponse) -> Table {
    let bounds: Vec<String> = counts.bounds_minutes.iter().map(|bound| age::shown(*bound)).collect();
    let first = bounds.first().map(|bound| format!("< {bound}"));
    let others = bounds.iter().map(|bound| format!("≥ {bound}"));
    let mut header = vec!["state".to_owned(), "orders".to_owned()];
    header.extend(first.into_iter().chain(others));
    header.extend(["oldest since", "oldest", "next deadline"].map(str::to_owned));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Table::new(&header);
    for count in &counts.counts {
        let mut row = vec![show::provisioning_state(count.state), count.count.to_string()];
        row.extend(count.by_age.iter().map(|count| if *count == 0 { "·".to_owned() } else { count.to_string() }));
        row.extend([
            instant(count.oldest_since.as_ref()),
            short(&count.oldest_order_id).to_owned(),
            instant(count.next_deadline_at.as_ref()),
        ]);
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::fulfillment::v1::AgeCount;

    #[test]
    fn states_are_laid_out_by_age() {
        let count = AgeCount {
            state: 2,
            count: 5,
            by_age: vec![3, 0, 2],
            oldest_order_id: "019aa5c0-0000-7000-8000-0123456789ab".into(),
            ..AgeCount::default()
        };
        let counts = CountOrdersByAgeResponse { counts: vec![count], bounds_minutes: vec![60, 1_440] };
        assert_eq!(
            table(&counts).render(Style::new(false)),
            [
                "STATE        ORDERS  < 1H  ≥ 1H  ≥ 1D  OLDEST SINCE  OLDEST        NEXT DEADLINE",
                "Transmitted  5       3     ·     2     –             0123456789ab  –",
            ]
        );
    }
}
