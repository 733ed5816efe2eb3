//! `jobs list`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Listing, Session};
use crate::show::Table;
use provost_contract::generator::v1::{Job, ListJobsRequest};

pub(super) async fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(ListJobsRequest {});
    let answer = session.clients.jobs().list_jobs(request).await;
    let jobs = session.clients.answer(Service::OrderGenerator, answer)?.jobs;
    let listing = Listing { items: jobs, more: false };
    session.list("provost.generator.v1.Job", &listing, table, "no jobs: apply a catalog first")?;
    Ok(Outcome::Done)
}

fn table(jobs: &[Job]) -> Table {
    let mut table = Table::new(&["job", "level", "task", "description"]);
    for job in jobs {
        table.row(vec![job.name.clone(), String::new(), String::new(), job.description.clone()]);
        for task in &job.tasks {
            table.row(vec![String::new(), task.level.to_string(), task.name.clone(), String::new()]);
        }
    }
    table
}
