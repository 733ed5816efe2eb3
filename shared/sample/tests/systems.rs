//! The managed systems' SQL on a real engine, and the agent's configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use chrono::NaiveDate;
use provost_sample::{Organisation, directory, special, workplace};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::collections::BTreeSet;

async fn sqlite(scripts: &[&'static str]) -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    for script in scripts {
        connection.execute(*script).await.unwrap();
    }
    connection
}

async fn refusal(connection: &mut SqliteConnection, sql: &str) -> String {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect_err(sql).to_string()
}

fn organisation() -> Organisation {
    Organisation::generate(4, 250, NaiveDate::from_ymd_opt(2026, 3, 1).unwrap())
}

fn insert(login: &str, mail: &str) -> String {
    format!("INSERT INTO accounts (login, mail, full_name, cost_center) VALUES ('{login}', '{mail}', 'Somebody', 2100)")
}

#[tokio::test]
async fn taken_address_is_refused_until_mended() {
    let mut app = sqlite(&[workplace::APP_SCHEMA_SQL, workplace::APP_ROWS_SQL]).await;
    let organisation = organisation();
    let person = organisation.person(special::DEMO_DUPLICATE).unwrap();
    let sql = insert(&person.login, &person.mail);
    assert!(refusal(&mut app, &sql).await.contains("UNIQUE constraint failed: accounts.mail"));
    app.execute(workplace::APP_MEND_SQL).await.unwrap();
    app.execute(AssertSqlSafe(sql)).await.unwrap();
    let foreign: (String,) = sqlx::query_as("SELECT mail FROM accounts WHERE login = $1")
        .bind(workplace::FOREIGN_LOGIN)
        .fetch_one(&mut app)
        .await
        .unwrap();
    assert_eq!(foreign.0, "reception-tablet@alderway.example");
}

#[tokio::test]
async fn constraints_refuse_what_they_should() {
    let mut app = sqlite(&[workplace::APP_SCHEMA_SQL, workplace::APP_ROWS_SQL]).await;
    app.execute(AssertSqlSafe(insert("somebody", "somebody@alderway.example"))).await.unwrap();
    for (sql, reason) in [
        (insert("x", "x@alderway.example"), "CHECK"),
        (insert("nobody", "no address"), "CHECK"),
        ("UPDATE accounts SET cost_center = 7 WHERE login = 'somebody'".into(), "CHECK"),
        ("UPDATE accounts SET full_name = NULL WHERE login = 'somebody'".into(), "NOT NULL"),
        ("INSERT INTO memberships VALUES ('somebody', 'no-such-group')".into(), "FOREIGN KEY"),
        ("INSERT INTO memberships VALUES ('no-such-account', 'it')".into(), "FOREIGN KEY"),
    ] {
        assert!(refusal(&mut app, &sql).await.contains(reason), "{sql}");
    }
    let mut vault = sqlite(&[workplace::VAULT_SCHEMA_SQL]).await;
    let sql = "INSERT INTO vault_accounts (login, full_name, clearance) VALUES ('a', 'A', 'everything')";
    assert!(refusal(&mut vault, sql).await.contains("CHECK"));
}

#[tokio::test]
async fn everyone_fits_into_the_application_once_it_is_mended() {
    let mut app = sqlite(&[workplace::APP_SCHEMA_SQL, workplace::APP_ROWS_SQL, workplace::APP_MEND_SQL]).await;
    let organisation = organisation();
    let known: BTreeSet<String> = sqlx::query_as::<_, (String,)>("SELECT name FROM groups")
        .fetch_all(&mut app)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.0)
        .collect();
    let mut used = BTreeSet::new();
    for person in organisation.active() {
        let manager = person.manager.as_deref().and_then(|id| organisation.person(id));
        let Some(row) = workplace::expected_account(person, manager) else { continue };
        sqlx::query("INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&row.login)
            .bind(row.mail)
            .bind(row.full_name)
            .bind(row.title)
            .bind(row.department)
            .bind(row.location)
            .bind(row.manager_login)
            .bind(row.cost_center)
            .execute(&mut app)
            .await
            .unwrap();
        for group in workplace::expected_groups(person) {
            sqlx::query("INSERT INTO memberships VALUES ($1, $2)")
                .bind(&row.login)
                .bind(group)
                .execute(&mut app)
                .await
                .unwrap();
            used.insert(group.to_owned());
        }
    }
    assert_eq!(used, known);
}

#[test]
fn agent_configurations_are_toml_without_gaps() {
    let workplace = workplace::agent_toml("127.0.0.1:7404", "http://127.0.0.1:7402", "http://127.0.0.1:7401");
    let directory = directory::agent_toml(&directory::AgentSettings {
        listen: "127.0.0.1:7404",
        fulfillment: "http://127.0.0.1:7402",
        order_generator: "http://127.0.0.1:7401",
        ldap_url: "ldap://127.0.0.1:3890",
        bind_dn: "cn=admin,dc=example,dc=org",
        bind_password: "secret",
        base_dn: "dc=example,dc=org",
    });
    for text in [&workplace, &directory] {
        assert!(!text.contains('@'), "{text}");
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["fulfillment"].as_str(), Some("http://127.0.0.1:7402"));
    }
    for path in
        [workplace::PEOPLE_CSV_PATH, workplace::APP_DB_PATH, workplace::VAULT_DB_PATH, workplace::BADGES_CSV_PATH]
    {
        assert!(workplace.contains(path), "{path}");
    }
    assert!(directory.contains("ou=groups,dc=example,dc=org"));
}

#[test]
fn agent_connections_are_those_of_the_catalogs() {
    for (catalog, toml) in
        [(workplace::CATALOG, workplace::AGENT_TOML), (directory::LDAP_CATALOG, directory::AGENT_TOML)]
    {
        let table: toml::Table = toml.parse().unwrap();
        for (name, connection) in table["connections"].as_table().unwrap() {
            let package = connection["package"].as_str().unwrap();
            let line = format!("- {{ name: {name}, package: {package} }}");
            assert!(catalog.iter().any(|(_, text)| text.contains(&line)), "{line}");
        }
    }
}
