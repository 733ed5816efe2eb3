//! What every command gets: the services, the console, and the form of the output. Paging is here
//! too, since every list is read the same way.

use crate::client::Clients;
use crate::console::Console;
use crate::failure::Failure;
use crate::show::Table;
use prost::Message;

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// For programs: canonical protobuf JSON; a list is one array, a watch is one line per event.
    Json,
}

/// What every command gets.
pub struct Session {
    /// The services.
    pub clients: Clients,
    /// Where to write.
    pub console: Console,
    /// In which form.
    pub output: OutputFormat,
}

impl Session {
    /// The output is for programs.
    pub fn is_json(&self) -> bool {
        self.output == OutputFormat::Json
    }

    /// Writes one message as a JSON document. `name` is the full name of its type.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn json(&mut self, name: &str, message: &impl Message) -> Result<(), Failure> {
        let json = provost_contract::json_of(name, message).map_err(anyhow::Error::msg)?;
        Ok(self.console.line(format!("{json:#}"))?)
    }

    /// Writes one message as one line of JSON.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn json_line(&mut self, name: &str, message: &impl Message) -> Result<(), Failure> {
        let json = provost_contract::json_of(name, message).map_err(anyhow::Error::msg)?;
        Ok(self.console.line(json.to_string())?)
    }

    /// Writes messages as one JSON array.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn json_list<M: Message>(&mut self, name: &str, messages: &[M]) -> Result<(), Failure> {
        let items: Result<Vec<_>, _> = messages.iter().map(|item| provost_contract::json_of(name, item)).collect();
        let array = serde_json::Value::Array(items.map_err(anyhow::Error::msg)?);
        Ok(self.console.line(format!("{array:#}"))?)
    }

    /// Writes a table, or one sentence when it is empty.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn table(&mut self, table: &Table, when_empty: &str) -> Result<(), Failure> {
        if table.is_empty() {
            return Ok(self.console.line(when_empty)?);
        }
        let style = self.console.style();
        Ok(self.console.lines(table.render(style))?)
    }

    /// Writes a list: as JSON, or as a table with a note when there is more than was asked for.
    ///
    /// # Errors
    /// When the reader went away.
    pub fn list<M: Message>(
        &mut self,
        name: &str,
        listing: &Listing<M>,
        table: impl FnOnce(&[M]) -> Table,
        when_empty: &str,
    ) -> Result<(), Failure> {
        if self.is_json() {
            return self.json_list(name, &listing.items);
        }
        self.table(&table(&listing.items), when_empty)?;
        if listing.more {
            let note = format!("… the first {}; there are more (--limit N, 0 for all)", listing.items.len());
            let note = self.console.style().dim(&note);
            self.console.line(note)?;
        }
        Ok(())
    }
}

/// How many items a list shows.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limit {
    /// How many to show at most; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

impl Limit {
    /// No limit.
    pub const ALL: Self = Self { limit: 0 };
}

/// What a list holds.
#[derive(Debug)]
pub struct Listing<T> {
    /// The items, at most as many as asked for.
    pub items: Vec<T>,
    /// There are more.
    pub more: bool,
}

const PAGE: usize = 1_000;

/// Reads pages until the limit or the end. `page` takes a size and a token, and answers with items
/// and the next token.
///
/// # Errors
/// The first failure of `page`.
pub async fn pages<T>(
    limit: Limit,
    mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Failure>,
) -> Result<Listing<T>, Failure> {
    let wanted = if limit.limit == 0 { usize::MAX } else { limit.limit };
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let size = i32::try_from((wanted - items.len()).min(PAGE)).unwrap_or(i32::MAX);
        let (more, next) = page(size, std::mem::take(&mut token)).await?;
        items.extend(more);
        if next.is_empty() || items.len() >= wanted {
            let more = !next.is_empty() || items.len() > wanted;
            items.truncate(wanted);
            return Ok(Listing { items, more });
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn numbers(size: i32, token: String, of: i32) -> Result<(Vec<i32>, String), Failure> {
        let from: i32 = token.parse().unwrap_or(0);
        let until = (from + size).min(of);
        Ok(((from..until).collect(), if until < of { until.to_string() } else { String::new() }))
    }

    #[tokio::test]
    async fn pages_are_read_until_the_limit() {
        let listing = pages(Limit { limit: 3 }, async |size, token| numbers(size, token, 2_500).await).await.unwrap();
        assert_eq!((listing.items, listing.more), (vec![0, 1, 2], true));
    }

    #[tokio::test]
    async fn zero_reads_everything() {
        let listing = pages(Limit::ALL, async |size, token| numbers(size, token, 2_500).await).await.unwrap();
        assert_eq!((listing.items.len(), listing.more), (2_500, false));
    }

    #[tokio::test]
    async fn list_of_exactly_the_limit_has_no_more() {
        let listing = pages(Limit { limit: 5 }, async |size, token| numbers(size, token, 5).await).await.unwrap();
        assert_eq!((listing.items.len(), listing.more), (5, false));
    }
}
