//! `resources list TYPE`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{instant, optional, shortened};
use provost_contract::generator::v1::{ListResourcesRequest, Resource};
use std::collections::BTreeSet;

/// Which resources.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// The entity type, for example Person.
    entity_type: String,
    /// Only these properties.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    limit: Limit,
}

const CELL_MAX: usize = 28;

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListResourcesRequest { entity_type: arguments.entity_type.clone(), page_size, page_token };
        let answer = clients.repository().list_resources(clients.request(message)).await;
        let page = clients.answer(Service::OrderGenerator, answer)?;
        Ok((page.resources, page.next_page_token))
    })
    .await?;
    let table = |resources: &[Resource]| table(resources, &arguments.columns);
    session.list(
        "provost.generator.v1.Resource",
        &listing,
        table,
        "no such resources; was the system synchronized?",
    )?;
    Ok(Outcome::Done)
}

fn table(resources: &[Resource], columns: &[String]) -> crate::show::Table {
    let known: BTreeSet<&String> = resources.iter().flat_map(|resource| resource.properties.keys()).collect();
    let shown: Vec<&String> = if columns.is_empty() { known.into_iter().collect() } else { columns.iter().collect() };
    let mut table = crate::show::Table::new(&["key", "properties", "seen"]);
    for resource in resources {
        let property = |name: &&String| {
            let value = resource.properties.get(*name)?;
            Some(format!("{name}={}", shortened(&optional(Some(value)), CELL_MAX)))
        };
        let properties: Vec<String> = shown.iter().filter_map(property).collect();
        let width = if columns.is_empty() { 140 } else { usize::MAX };
        table.row(vec![
            resource.key.clone(),
            shortened(&properties.join("  "), width),
            instant(resource.seen_at.as_ref()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::{Value, value::Kind};

    #[test]
    fn columns_narrow_what_is_shown() {
        let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
        let properties = [("title".to_owned(), text("Clerk")), ("mail".to_owned(), text("a@b"))].into();
        let resource = Resource { key: "ada".into(), properties, ..Resource::default() };
        let lines = |columns: &[String]| table(std::slice::from_ref(&resource), columns).render(Style::new(false));
        assert_eq!(lines(&[]).last().map(String::as_str), Some("ada  mail=a@b  title=Clerk  –"));
        assert_eq!(lines(&["title".into()]).last().map(String::as_str), Some("ada  title=Clerk  –"));
    }
}
