//! `orders held [RUN]`: what a blocked run would have done.

use crate::client::Service;
use crate::command::apply::breach_line;
use crate::command::ids;
use crate::command::plan::order_lines;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{instant, short};
use provost_contract::generator::v1::{ListHeldOrdersRequest, ListHeldOrdersResponse, PlannedOrder};

/// Which run, and what of it.
#[derive(Debug, clap::Args)]
pub struct HeldArguments {
    /// The job run, or the generation run; the newest that is blocked unless one is named.
    run: Option<String>,
    /// Only of these resource types.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    resource_type: Vec<String>,
    /// Only of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: HeldArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = &session.clients;
    let generation_run = match &arguments.run {
        Some(run) => ids::run(clients, run).await?,
        None => String::new(),
    };
    let mut about = ListHeldOrdersResponse::default();
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListHeldOrdersRequest {
            generation_run: generation_run.clone(),
            resource_types: arguments.resource_type.clone(),
            owner_key: arguments.owner.clone(),
            page_size,
            page_token,
            ..ListHeldOrdersRequest::default()
        };
        let answer = clients.generator().list_held_orders(clients.request(message)).await;
        let mut page = clients.answer(Service::OrderGenerator, answer)?;
        let (orders, next) = (std::mem::take(&mut page.orders), std::mem::take(&mut page.next_page_token));
        about = page;
        Ok((orders, next))
    })
    .await;
    let listing = match listing {
        // Nothing held is no mistake, unless somebody asked for a run by name.
        Err(failure) if failure.is_not_found() && arguments.run.is_none() => {
            if session.is_json() {
                session.json_list::<PlannedOrder>("provost.generator.v1.PlannedOrder", &[])?;
            } else {
                session.console.line("nothing is held back")?;
            }
            return Ok(Outcome::Done);
        }
        listing => listing?,
    };
    if session.is_json() {
        session.json_list("provost.generator.v1.PlannedOrder", &listing.items)?;
        return Ok(Outcome::Done);
    }
    let style = session.console.style();
    let at = instant(about.blocked_at.as_ref());
    session.console.line(style.bold(&format!("held back {at}, because of thresholds")))?;
    session.console.lines(about.breaches.iter().map(|breach| format!("  {}", breach_line(breach))))?;
    for planned in &listing.items {
        let name = planned.order.as_ref().map(|order| order.resource_type.clone()).unwrap_or_default();
        let mut lines = order_lines(planned, style);
        if let Some(first) = lines.first_mut() {
            first.push_str(&style.dim(&format!(" ({name})")));
        }
        session.console.lines(lines)?;
    }
    if listing.more {
        let note = format!("… the first {}; there are more (--limit N, 0 for all)", listing.items.len());
        session.console.line(style.dim(&note))?;
    }
    session.console.lines(release(&about.job_run_id))?;
    Ok(Outcome::Done)
}

fn release(job_run_id: &str) -> Vec<String> {
    if job_run_id.is_empty() {
        return vec![
            "no job run waits for it. If the numbers are right: provost plan --out FILE, then".to_owned(),
            "provost apply FILE --force-thresholds; if not, mend what is wrong, and generate again".to_owned(),
        ];
    }
    let id = short(job_run_id);
    vec![
        format!("if the numbers are right: provost jobs resume {id} --comment WHY"),
        format!("if not: provost jobs cancel {id}"),
    ]
}
