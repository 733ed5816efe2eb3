//! The four-process form on PostgreSQL, exactly as the README tells it: its SQL, its configuration
//! files and its commands are taken from the README. Only ports, the names of role and database, and
//! the directory are this test's own.

use crate::expectation;
use crate::installation::{load, turn};
use anyhow::{Context, Result, ensure};
use provost::demo::workplace::SEED;
use provost_sample::Organisation;
use provost_sample::directory::LDAP_CATALOG;
use provost_testkit::{Postgres, Process, Slapd, binary, free_address};
use sqlx::{Connection, Executor, PgConnection};
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const CATALOG: &str = "shared/sample/directory/catalog.yaml";
/// In place of the README's role and database: the test's own server may have those.
const NAME: &str = "as_in_the_readme";

/// The fenced block that contains a text.
fn block(language: &str, containing: &str) -> &'static str {
    let fence = format!("```{language}\n");
    README
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .find(|block| block.contains(containing))
        .unwrap_or_else(|| panic!("the README has no {language} block with '{containing}'"))
}

/// The lines of a block that begin with one of these words, each split into words, `&` taken off.
fn lines(block: &str, first: &[&str]) -> Vec<Vec<String>> {
    let words = |line: &str| line.trim_end_matches('&').split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    block
        .lines()
        .map(words)
        .filter(|words| first.iter().any(|first| words.first().is_some_and(|w| w == first)))
        .collect()
}

/// The README's SQL, run by the server's superuser; the URL of what it made, for the role it made.
async fn database() -> Result<String> {
    let superuser = Postgres::shared().await.database().await.url;
    let (_, sql) = block("sh", "<<'SQL'").split_once("<<'SQL'\n").context("SQL in a here-document")?;
    let sql = sql.strip_suffix("\nSQL").context("the end of the here-document")?.replace("provost", NAME);
    let mut connection = PgConnection::connect(&superuser).await?;
    for statement in sql.split_terminator(';') {
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.with_context(|| statement.to_owned())?;
    }
    let may_all: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = $1")
        .bind(NAME)
        .fetch_one(&mut connection)
        .await?;
    ensure!(!may_all, "the README makes a superuser");
    let (_, server) = superuser.split_once('@').context("a user in the URL")?;
    let (server, _) = server.split_once('/').context("a database in the URL")?;
    Ok(format!("postgres://{NAME}:secret@{server}/{NAME}"))
}

/// One command of the README, in the folder.
fn command(words: &[String], folder: &Path) -> Command {
    let mut command = Command::new(binary(&words[0]));
    command.args(&words[1..]).current_dir(folder).env_remove("PROVOST_SERVER");
    command
}

fn client(words: &[String], folder: &Path, variable: Option<&str>) -> String {
    let mut command = command(words, folder);
    command.envs(variable.map(|servers| ("PROVOST_SERVER", servers)));
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{words:?}\n{out}{err}");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_and_the_client_work_by_the_lines_of_the_readme() -> Result<()> {
    let _turn = turn().await;
    let folder = tempfile::tempdir()?;
    let (slapd, database) = (Slapd::start().await, database().await?);
    let addresses: Vec<_> = (7401..=7404).map(|port| (format!("127.0.0.1:{port}"), free_address())).collect();
    let here = |text: &str| {
        let text = text.replace("postgres://provost:secret@127.0.0.1:5432/provost", &database);
        let text = text.replace("ldaps://127.0.0.1:636", &slapd.ldaps_url());
        let text = text.replace("cn=provost,dc=example,dc=org", Slapd::AGENT_DN);
        addresses.iter().fold(text, |text, (from, to)| text.replace(from, &to.to_string()))
    };

    // What the README says stands beside the files.
    let preparation = block("sh", "provost sample");
    for words in lines(preparation, &["provost"]) {
        client(&words, folder.path(), None);
    }
    for words in lines(preparation, &["cp"]) {
        ensure!(Command::new("cp").args(&words[1..]).current_dir(folder.path()).status()?.success(), "{words:?}");
    }
    let [loading] = &lines(preparation, &["ldapadd"])[..] else { panic!("one ldapadd: {preparation}") };
    load(&slapd, &std::fs::read_to_string(folder.path().join(loading.last().context("a file")?))?).await;
    let feed = folder.path().join("people.csv");
    let organisation = Organisation::generate(SEED, 60, chrono::Utc::now().date_naive());
    std::fs::copy(slapd.ca_file(), folder.path().join("ca.pem"))?;
    std::fs::write(folder.path().join("bind-password"), Slapd::AGENT_PASSWORD)?;
    let catalog = folder.path().join(CATALOG);
    std::fs::create_dir_all(catalog.parent().context("a folder")?)?;
    std::fs::write(catalog, LDAP_CATALOG[0].1)?;

    // All four at once: none needs another to start.
    let programs = ["review", "fulfillment", "order-generator", "agent"];
    let starts = lines(block("sh", "review --config"), &programs);
    assert_eq!(starts.len(), programs.len(), "{starts:?}");
    let processes = starts.iter().map(|words| {
        let toml = here(block("toml", &format!("# {}\n", words[2])));
        std::fs::write(folder.path().join(&words[2]), &toml).unwrap();
        let listen = toml.lines().find_map(|line| line.strip_prefix("listen = ")).expect("an address");
        Process::start(command(words, folder.path()), listen.trim_matches('"').parse().expect("an address"))
    });
    let _processes = futures::future::join_all(processes).await;

    let script = here(block("sh", "export PROVOST_SERVER="));
    let servers = script.lines().find_map(|line| line.strip_prefix("export PROVOST_SERVER=")).context("servers")?;
    let commands = lines(&script, &["provost"]);
    let called: Vec<_> = commands.iter().map(|words| words[1..3].join(" ")).collect();
    assert_eq!(called, ["catalog apply", "jobs run", "orders count"]);
    let active = organisation.active().count().to_string();
    for form in ["PROVOST_SERVER", "--server"] {
        let said: Vec<_> = commands
            .iter()
            .map(|words| match form {
                "--server" => client(&[words, &["--server".into(), servers.into()][..]].concat(), folder.path(), None),
                _ => client(words, folder.path(), Some(servers)),
            })
            .collect();
        assert!(said[0].contains("is the current catalog"), "{form}: {}", said[0]);
        assert!(said[1].contains("job complete: completed"), "{form}: {}", said[1]);
        let [header, .., last] = said[2].lines().collect::<Vec<_>>()[..] else { panic!("{form}: {}", said[2]) };
        assert!(header.contains("4 VERIFIED") && last.split_whitespace().any(|word| word == active), "{}", said[2]);
    }
    expectation::assert_directory(&feed, &slapd).await;
    Ok(())
}
