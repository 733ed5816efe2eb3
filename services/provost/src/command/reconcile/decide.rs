//! `reconcile decide VERDICT ITEM...`, and `reconcile decide VERDICT` with filters.

use super::filter::FilterArguments;
use super::list::{self, short};
use super::words::Verdict;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session};
use crate::show::counted;
use provost_contract::generator::v1::{
    DecideReconciliationItemsRequest, DecideReconciliationItemsResponse, DecidedItem, ItemToDecide,
    ReconciliationFilter, ReconciliationItem, ReconciliationVerdict,
};

/// Most items that one call takes.
const BATCH_MAX: usize = 1_000;
const SHOWN_MAX: usize = 10;

/// What is decided, and on what.
#[derive(Debug, clap::Args)]
pub struct DecideArguments {
    /// What is decided.
    verdict: Verdict,
    /// The items; the beginning of each is enough. Instead of items: the options that narrow them.
    #[arg(value_name = "ITEM")]
    items: Vec<String>,
    /// In which words; the history keeps them. Needed to keep and to delete.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
    #[command(flatten)]
    filter: FilterArguments,
    /// To keep an account that nobody owns: the key of its owner from now on.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    give_to: String,
    /// That owner's entity type, when several own resources.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    give_to_entity_type: String,
    /// To keep an account: approve its values as they are, too.
    #[arg(long)]
    take_over: bool,
}

pub(super) async fn run(arguments: DecideArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let is_filtered = !arguments.filter.is_empty();
    if arguments.items.is_empty() && !is_filtered {
        let hint = "name items as 'reconcile list' shows them, or narrow them, for example with --property";
        return Err(Failure::Usage(hint.to_owned()));
    }
    let filter: ReconciliationFilter = arguments.filter.clone().into();
    let message = DecideReconciliationItemsRequest {
        verdict: ReconciliationVerdict::from(arguments.verdict).into(),
        comment: arguments.comment.clone(),
        owner_key: arguments.give_to.clone(),
        owner_entity_type: arguments.give_to_entity_type.clone(),
        take_over: arguments.take_over,
        ..Default::default()
    };
    let mut total = DecideReconciliationItemsResponse::default();
    if arguments.items.is_empty() {
        loop {
            let one = DecideReconciliationItemsRequest { filter: Some(filter.clone()), ..message.clone() };
            let answer = decide(session, one).await?;
            let goes_on = answer.more && answer.decided > 0;
            add(&mut total, answer);
            if !goes_on {
                break;
            }
        }
    } else {
        let named = named(session, &filter, &arguments.items).await?;
        for part in named.chunks(BATCH_MAX) {
            // What was seen goes along: whatever moved since is refused.
            let item = |item: &ReconciliationItem| ItemToDecide {
                item_id: item.item_id.clone(),
                version: item.version.clone(),
            };
            let one = DecideReconciliationItemsRequest { items: part.iter().map(item).collect(), ..message.clone() };
            let answer = decide(session, one).await?;
            add(&mut total, answer);
        }
    }
    show(session, &total, arguments.verdict)
}

async fn decide(
    session: &Session,
    message: DecideReconciliationItemsRequest,
) -> Result<DecideReconciliationItemsResponse, Failure> {
    let answer = session.clients.reconciliation().decide_reconciliation_items(session.clients.request(message)).await;
    session.clients.answer(Service::OrderGenerator, answer)
}

fn add(total: &mut DecideReconciliationItemsResponse, answer: DecideReconciliationItemsResponse) {
    total.decided += answer.decided;
    total.more = answer.more;
    total.results.extend(answer.results);
}

/// The items that these texts name.
async fn named(
    session: &Session,
    filter: &ReconciliationFilter,
    texts: &[String],
) -> Result<Vec<ReconciliationItem>, Failure> {
    let all = list::all(&session.clients, filter, Limit::ALL).await?.items;
    let mut found: Vec<ReconciliationItem> = Vec::with_capacity(texts.len());
    for text in texts {
        let fitting: Vec<&ReconciliationItem> = all.iter().filter(|item| item.item_id.starts_with(text)).collect();
        match fitting.as_slice() {
            [one] => found.push((*one).clone()),
            [] => return Err(Failure::Usage(format!("no item that waits for a decision begins with '{text}'"))),
            several => return Err(Failure::Usage(format!("'{text}' names {} items; write more of it", several.len()))),
        }
    }
    found.dedup_by(|a, b| a.item_id == b.item_id);
    Ok(found)
}

fn show(
    session: &mut Session,
    answer: &DecideReconciliationItemsResponse,
    verdict: Verdict,
) -> Result<Outcome, Failure> {
    let refused = answer.results.iter().filter(|result| result.error.is_some());
    let failures = refused.clone().count();
    if session.is_json() {
        session.json("provost.generator.v1.DecideReconciliationItemsResponse", answer)?;
        return Ok(Outcome::of_failures(failures));
    }
    let style = session.console.style();
    let done = match verdict {
        Verdict::Write => "to be written by the next generation",
        Verdict::Keep => "kept",
        Verdict::Postpone => "postponed",
        Verdict::Delete => "to be deleted by the next generation",
    };
    let mut lines = vec![format!("{} {} {done}", style.green("✓"), counted(answer.decided, "items"))];
    let with: usize = answer.results.iter().map(|result| result.with.len()).sum();
    if with > 0 {
        lines.push(format!("  and {} that go with them", counted(with as i64, "items")));
    }
    lines.extend(refused.take(SHOWN_MAX).map(|DecidedItem { item_id, error, .. }| {
        let why = error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        format!("{} {}: {why}", style.red("✗"), short(item_id))
    }));
    if failures > SHOWN_MAX {
        lines.push(format!("{} and {} more", style.red("✗"), failures - SHOWN_MAX));
    }
    session.console.lines(lines)?;
    Ok(Outcome::of_failures(failures))
}
