//! Changes per second into a real directory: the agent's package beside OpenLDAP's own tools, which write the same
//! changes from one LDIF, one by one, over one connection. Each has a server of its own, set up alike.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use provost_agent::package::ldap::{Directory, LdapEntity, LdapLink, LdapSettings};
use provost_agent::package::{Outcome, Package};
use provost_domain::{Change, ChangeOperation, Order, OrderId, OrderKind, Owner, Period, Timestamp, Value};
use provost_testkit::Slapd;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Orders that the package gets side by side.
const CONCURRENCY: usize = 256;
const GROUP: &str = "everyone";

/// What is measured, and how long each side took.
pub(crate) struct Measured {
    pub(crate) what: &'static str,
    pub(crate) package: Duration,
    pub(crate) tool: Duration,
}

#[derive(Clone, Copy)]
enum What {
    Add,
    Change,
    Join,
}

/// Accounts are added, changed, and come into one group.
pub(crate) async fn run(accounts: usize) -> Result<Vec<Measured>> {
    let folder = tempfile::tempdir()?;
    let (ours, theirs) = (server().await, server().await);
    let package = Directory::new(settings(&ours), entities())
        .map_err(|mistakes| anyhow::anyhow!("the package's settings are wrong: {mistakes:?}"))?;
    package.check().await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let mut measured = Vec::new();
    let all = [
        ("account additions", What::Add, "ldapadd"),
        ("account changes", What::Change, "ldapmodify"),
        ("group memberships", What::Join, "ldapmodify"),
    ];
    for (what, which, program) in all {
        let file = folder.path().join(format!("{program}.ldif"));
        std::fs::write(&file, (0..accounts).map(|number| ldif(which, number)).collect::<String>())?;
        let tool = tool(program, &theirs, &file).await?;
        let orders: Vec<Order> = (0..accounts).map(|number| order(which, number)).collect();
        let started = Instant::now();
        let outcomes = stream::iter(&orders).map(|order| package.fulfill(order)).buffer_unordered(CONCURRENCY);
        let outcomes: Vec<Outcome> = outcomes.collect().await;
        let package = started.elapsed();
        let wrong =
            outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Executed { note } if note != "already so"));
        ensure!(wrong.is_none(), "{what}: {wrong:?}");
        measured.push(Measured { what, package, tool });
    }
    let members = |slapd: Slapd| async move {
        let group = slapd.entry(&group_dn()).await.context("the group is gone")?;
        Ok::<_, anyhow::Error>(group.get("member").map_or(0, std::collections::BTreeSet::len))
    };
    let (ours, theirs) = (members(ours).await?, members(theirs).await?);
    ensure!(ours == accounts + 1 && theirs == ours, "{ours} and {theirs} members of {accounts}");
    Ok(measured)
}

async fn server() -> Slapd {
    let slapd = Slapd::start().await;
    let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
    let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &[GROUP]), ("member", &[nobody.as_str()])];
    slapd.add(&group_dn(), &attributes).await;
    slapd
}

/// Runs one of OpenLDAP's tools on a file.
async fn tool(program: &'static str, slapd: &Slapd, file: &Path) -> Result<Duration> {
    let mut command = Command::new(program);
    command.args(["-x", "-H", &slapd.ldap_url(), "-D", Slapd::AGENT_DN, "-w", Slapd::AGENT_PASSWORD, "-f"]).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    let took = started.elapsed();
    let output =
        output.with_context(|| format!("{program} does not run; run `make test-deps` (Debian package: ldap-utils)"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(took)
}

fn settings(slapd: &Slapd) -> LdapSettings {
    LdapSettings {
        url: slapd.ldap_url(),
        start_tls: false,
        ca_file: None,
        bind_dn: Some(Slapd::AGENT_DN.to_owned()),
        bind_password: Some(SecretString::from(Slapd::AGENT_PASSWORD)),
        page_size: 500,
    }
}

fn entities() -> BTreeMap<String, LdapEntity> {
    let entity = |unit: &str, rdn: &str, class: &str, links: BTreeMap<String, LdapLink>| LdapEntity {
        base_dn: format!("ou={unit},{}", Slapd::SUFFIX),
        rdn_attribute: rdn.to_owned(),
        object_classes: vec![class.to_owned()],
        attributes: BTreeMap::new(),
        filter: format!("(objectClass={class})"),
        links,
    };
    let link = LdapLink { entity: "Group".to_owned(), attribute: "member".to_owned() };
    BTreeMap::from([
        ("Account".to_owned(), entity("people", "uid", "inetOrgPerson", [("groups".to_owned(), link)].into())),
        ("Group".to_owned(), entity("groups", "cn", "groupOfNames", BTreeMap::new())),
    ])
}

fn group_dn() -> String {
    format!("cn={GROUP},ou=groups,{}", Slapd::SUFFIX)
}

/// What an account has, beside its name.
fn attributes(number: usize) -> [(&'static str, String); 7] {
    [
        ("cn", format!("Person {number}")),
        ("sn", format!("Number {number}")),
        ("givenName", "Person".to_owned()),
        ("mail", format!("person{number}@example.org")),
        ("title", "Analyst".to_owned()),
        ("departmentNumber", format!("{}", number % 40)),
        ("employeeNumber", format!("E{number:06}")),
    ]
}

/// The change as the tools read it.
fn ldif(which: What, number: usize) -> String {
    let dn = format!("uid=user{number},ou=people,{}", Slapd::SUFFIX);
    match which {
        What::Add => {
            let mut text = format!("dn: {dn}\nobjectClass: inetOrgPerson\nuid: user{number}\n");
            for (name, value) in attributes(number) {
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{name}: {value}");
            }
            text + "\n"
        }
        What::Change => {
            format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: Head of {number}\n-\n\n")
        }
        What::Join => format!("dn: {}\nchangetype: modify\nadd: member\nmember: {dn}\n-\n\n", group_dn()),
    }
}

/// The same change as an order.
fn order(which: What, number: usize) -> Order {
    let change = |property: &str, operation, value: Value| Change {
        property: property.to_owned(),
        operation,
        proposed: Some(value),
        current: None,
        sensitive: false,
        write_only: false,
        why: vec![],
    };
    let (kind, changes) = match which {
        What::Add => {
            let all = attributes(number).into_iter();
            let set = all.map(|(name, value)| change(name, ChangeOperation::Set, Value::String(value)));
            (OrderKind::Addition, set.collect())
        }
        What::Change => {
            let title = Value::String(format!("Head of {number}"));
            (OrderKind::Update, vec![change("title", ChangeOperation::Set, title)])
        }
        What::Join => {
            (OrderKind::Update, vec![change("groups", ChangeOperation::Add, Value::List(vec![GROUP.into()]))])
        }
    };
    Order {
        id: OrderId::new(uuid::Uuid::from_u128(number as u128 + 1)),
        kind,
        resource_type: "DirectoryAccount".into(),
        connector: "directory".into(),
        connection: "directory".into(),
        entity_type: "Account".into(),
        owner: Owner { entity_type: "Person".into(), key: number.to_string(), display_name: String::new() },
        target_key: format!("user{number}"),
        changes,
        arguments: BTreeMap::new(),
        why: vec![],
        priority: 0,
        not_before: None,
        period: Period::default(),
        generation_run: "bench".into(),
        depends_on: vec![],
        block_causes: vec![],
        transmitted_validity_minutes: 0,
        rule_failure: None,
        expired: false,
        generated_at: Timestamp::from_millis(0),
    }
}
