//! The agent as a process of its own, killed by SIGKILL: every order has exactly one effect.
//!
//! The managed system counts by itself: a trigger of the database notes every row that was written.

use crate::scene::{SOON, Scene, order, set};
use crate::servers::Reports;
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_domain::{Order, Value};
use provost_testkit::{Process, Slapd, eventually, free_address};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::process::Command;
use std::time::Duration;

const TABLES: &str = "
    CREATE TABLE accounts (login TEXT PRIMARY KEY, title TEXT);
    CREATE TABLE groups (name TEXT PRIMARY KEY);
    INSERT INTO groups VALUES ('staff');
    CREATE TABLE memberships (account_login TEXT REFERENCES accounts, group_name TEXT REFERENCES groups);
    CREATE TABLE effects (login TEXT);
    CREATE TRIGGER a AFTER INSERT ON accounts BEGIN INSERT INTO effects VALUES (NEW.login); END;
    CREATE TRIGGER m AFTER INSERT ON memberships BEGIN INSERT INTO effects VALUES (NEW.account_login); END;";

/// The program, with the connection `app`.
async fn agent(scene: &Scene, app: &str) -> Process {
    let (listen, servers) = (free_address(), scene.servers_at);
    let config = scene.folder.path().join("agent.toml");
    let addresses =
        format!("listen = '{listen}'\nfulfillment = 'http://{servers}'\norder_generator = 'http://{servers}'\n");
    std::fs::write(&config, format!("{addresses}[connections.app]\n{app}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.arg("--config").arg(config);
    Process::start(command, listen).await
}

/// Kills and restarts the agent so often, each time after some more orders were reported.
async fn kill_again_and_again(scene: &Scene, agent: &Process, rounds: usize) {
    for round in 1..=rounds {
        let done = || scene.servers.with(|state| state.feedback.len()) >= round * 15;
        scene.until("some progress", done).await;
        agent.kill9().await;
        agent.restart().await;
    }
    let settled = async || {
        let left = scene.servers.with(|state| state.pending.len() + state.leased.len());
        if left == 0 { Ok(()) } else { Err(format!("{left} orders are left")) }
    };
    eventually("all orders settle", SOON * 3, settled).await;
}

pub(crate) struct Town {
    pub(crate) scene: Scene,
    around: DatabaseConnection,
    pub(crate) agent: Process,
}

impl Town {
    pub(crate) async fn new(lease: Duration) -> Self {
        let scene = Scene::new().await;
        scene.servers.with(|state| state.lease = lease);
        let file = scene.folder.path().join("app.db");
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
        options.max_connections(1).sqlx_logging(false);
        let around = sea_orm::Database::connect(options).await.unwrap();
        around.execute_unprepared(TABLES).await.unwrap();
        let app = "package = 'sql'\nurl = 'sqlite://app.db'\n\
                   [connections.app.entities.Account]\ntable = 'accounts'\nkey = 'login'\n\
                   [connections.app.entities.Account.links.groups]\n\
                   table = 'memberships'\nresource = 'account_login'\ntarget = 'group_name'\n";
        let agent = agent(&scene, app).await;
        Self { scene, around, agent }
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.around.execute_unprepared(sql).await.unwrap();
    }

    /// How often an account or a membership of it was written.
    pub(crate) async fn effects(&self, login: &str) -> i64 {
        let sql = "SELECT COUNT(*) FROM effects WHERE login = $1";
        let query = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [login.into()]);
        self.around.query_one_raw(query).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.scene.until(what, is_so).await;
    }

    fn report_calls(&self) -> usize {
        self.scene.servers.with(|state| state.report_calls)
    }
}

/// An account and a membership: two effects.
pub(crate) fn account(number: u128) -> Order {
    let login = format!("user{number}");
    let mut order = order(number, "app", &login);
    order.changes = vec![
        set("login", Value::String(login)),
        set("title", Value::from("Analyst")),
        set("groups", Value::List(vec!["staff".into()])),
    ];
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_it_could_write_the_order_is_written_once() {
    let town = Town::new(Duration::from_secs(1)).await;
    // Nobody else can write now: the agent has the order and its journal, and waits.
    town.sql("BEGIN EXCLUSIVE").await;
    let order = account(1);
    town.scene.servers.submit([order.clone()]);
    town.until("the order is taken", || town.scene.servers.with(|state| !state.leased.is_empty())).await;
    town.agent.kill9().await;
    town.sql("ROLLBACK").await;
    assert_eq!(town.effects("user1").await, 0);
    town.agent.restart().await;
    town.scene.reported(1).await;
    let feedback = town.scene.servers.feedback_of(&order);
    assert!(matches!(feedback[..], [(attempt, Outcome::Executed(_))] if attempt >= 2), "{feedback:?}");
    assert_eq!(town.effects("user1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_write_before_the_report_arrived_it_reports_from_the_journal() {
    let town = Town::new(Duration::from_secs(60)).await;
    town.scene.servers.with(|state| state.reports = Reports::Swallowed);
    let order = account(1);
    town.scene.servers.submit([order.clone()]);
    town.until("the report", || town.report_calls() > 0).await;
    town.agent.kill9().await;
    town.scene.servers.with(|state| state.reports = Reports::Taken);
    town.agent.restart().await;
    town.scene.reported(1).await;
    let feedback = town.scene.servers.feedback_of(&order);
    assert!(matches!(&feedback[..], [(1, Outcome::Executed(executed))] if executed.note == "created"), "{feedback:?}");
    assert_eq!(town.effects("user1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_report_before_the_thanks_it_says_the_same_again() {
    let town = Town::new(Duration::from_secs(60)).await;
    town.scene.servers.with(|state| state.reports = Reports::AnswerLost);
    let order = account(1);
    town.scene.servers.submit([order.clone()]);
    town.scene.reported(1).await;
    town.agent.kill9().await;
    town.scene.servers.with(|state| state.reports = Reports::Taken);
    town.agent.restart().await;
    town.scene.reported(2).await;
    let feedback = town.scene.servers.feedback_of(&order);
    assert_eq!(feedback[0], feedback[1]);
    assert_eq!(town.effects("user1").await, 2);
    // And then it is silent: what was thanked for is forgotten.
    let calls = town.report_calls();
    town.agent.restart().await;
    town.scene.servers.submit([account(2)]);
    town.scene.reported(3).await;
    assert_eq!(town.report_calls(), calls + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_every_order_has_one_effect() {
    const ORDERS: u128 = 120;
    let town = Town::new(Duration::from_millis(1_500)).await;
    let orders: Vec<_> = (1..=ORDERS).map(account).collect();
    town.scene.servers.submit(orders.clone());
    kill_again_and_again(&town.scene, &town.agent, 6).await;
    for order in &orders {
        let feedback = town.scene.servers.feedback_of(order);
        assert!(!feedback.is_empty() && feedback.iter().all(|(_, outcome)| matches!(outcome, Outcome::Executed(_))));
        assert_eq!(town.effects(&order.target_key).await, 2, "{}", order.target_key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_directory_holds_every_account_with_its_group() {
    const ORDERS: u128 = 100;
    let (scene, slapd) = (Scene::new().await, Slapd::start().await);
    scene.servers.with(|state| state.lease = Duration::from_millis(1_500));
    let (people, groups) = (format!("ou=people,{}", Slapd::SUFFIX), format!("ou=groups,{}", Slapd::SUFFIX));
    let staff = format!("cn=staff,{groups}");
    let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
    let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &["staff"]), ("member", &[nobody.as_str()])];
    slapd.add(&staff, &attributes).await;
    let app = format!(
        "package = 'ldap'\nurl = '{}'\nbind_dn = '{}'\nbind_password = '{}'\n\
         [connections.app.entities.Account]\nbase_dn = '{people}'\nrdn_attribute = 'uid'\n\
         object_classes = ['inetOrgPerson']\nattributes = {{ login = 'uid' }}\n\
         [connections.app.entities.Account.links.groups]\nentity = 'Group'\nattribute = 'member'\n\
         [connections.app.entities.Group]\nbase_dn = '{groups}'\nrdn_attribute = 'cn'\n\
         object_classes = ['groupOfNames']\n",
        slapd.ldap_url(),
        Slapd::AGENT_DN,
        Slapd::AGENT_PASSWORD
    );
    let agent = agent(&scene, &app).await;
    let orders: Vec<_> = (1..=ORDERS)
        .map(|number| {
            let mut order = account(number);
            order.changes.extend(["cn", "sn"].map(|name| set(name, Value::from("Byron"))));
            order
        })
        .collect();
    scene.servers.submit(orders.clone());
    kill_again_and_again(&scene, &agent, 5).await;
    let held = slapd.search(&people, "(objectClass=inetOrgPerson)").await;
    assert_eq!(held.len(), orders.len());
    let members = slapd.entry(&staff).await.unwrap().remove("member").unwrap();
    assert_eq!(members.len(), orders.len() + 1);
    for order in &orders {
        let dn = format!("uid={},{people}", order.target_key);
        assert!(held[&dn]["title"].contains("Analyst") && members.contains(&dn), "{dn}");
        let feedback = scene.servers.feedback_of(order);
        assert!(!feedback.is_empty() && feedback.iter().all(|(_, outcome)| matches!(outcome, Outcome::Executed(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_well() {
    let town = Town::new(Duration::from_secs(60)).await;
    town.scene.servers.submit((1..=20).map(account));
    town.scene.reported(5).await;
    assert_eq!(town.agent.terminate().await, 0);
}
