//! `sample DIR`: the demo's organisation, of any size, to try things on.
//!
//! The rule that must hold: only an empty directory is written to.

use crate::client::DEFAULT_ADDRESS;
use crate::console::Console;
use crate::demo::workplace;
use crate::failure::{Failure, Outcome};
use crate::show::program;
use crate::suite::create_private;
use anyhow::{Context, bail};
use provost_sample::Organisation;
use provost_sample::directory::initial_ldif;
use provost_service_kit::{Clock, SystemClock};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What an LDAP directory must hold before the LDAP catalog's first job.
const LDIF_FILE: &str = "directory.ldif";
/// Below what the entries of that file stand.
const BASE_DN: &str = "dc=example,dc=org";

/// Of which size, and where.
#[derive(Debug, clap::Args)]
pub struct SampleArguments {
    /// How many people the HR feed holds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    people: u32,
    /// Another seed makes another organisation; the same one makes the same.
    #[arg(long, value_name = "S", default_value_t = workplace::SEED)]
    seed: u64,
    /// Where to write it; created when it does not exist, refused when it is not empty.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) async fn run(arguments: SampleArguments, mut console: Console) -> Result<Outcome, Failure> {
    let SampleArguments { people, seed, directory } = arguments;
    check_empty(&directory)?;
    create_private(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let today = SystemClock.now().to_chrono().context("the clock shows no date")?.date_naive();
    let organisation = Organisation::generate(seed, usize::try_from(people).unwrap_or(usize::MAX), today);
    workplace::write(&directory, &organisation).await?;
    let ldif = directory.join(LDIF_FILE);
    std::fs::write(&ldif, initial_ldif(BASE_DN)).with_context(|| format!("cannot write {}", ldif.display()))?;
    workplace::write_agent_file(&directory, SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)))?;
    let (program, place) = (program(), directory.display());
    console.lines([
        format!("{} people, {} of them active today, are in {place}", people, organisation.active().count()),
        format!("next: {program} up --data-dir {place}"),
        format!("then, at {DEFAULT_ADDRESS}, in another terminal:"),
        format!("  {program} catalog apply {place}/catalog"),
        format!("  {program} jobs run complete --watch"),
    ])?;
    Ok(Outcome::Done)
}

fn check_empty(directory: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!("{} is not empty, so it is left alone; name a new directory", directory.display()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", directory.display())),
    }
}
