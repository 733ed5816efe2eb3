#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use provost_service_kit::configuration::{Sources, from_toml, load};

const WHOLE: &str = r#"
agent_id = "agent-7"
[connections.hr-csv]
package = "csv"
[connections.hr-csv.entities.Person]
file = "people.csv"
delimiter = ";"
columns = { First_Name = "given" }
[connections.app-sql]
package = "sql"
url = "postgres://user:hunter2@127.0.0.1/db"
concurrency = 8
[connections.app-sql.entities.Account]
table = "accounts"
key = "login"
columns = { display_name = "full_name" }
[connections.app-sql.entities.Account.links.groups]
table = "memberships"
resource = "account_login"
target = "group_name"
[connections.dir]
package = "ldap"
url = "ldap://127.0.0.1:3890"
bind_dn = "cn=admin,dc=example,dc=org"
bind_password = "hunter2"
[connections.dir.entities.LdapAccount]
base_dn = "ou=people,dc=example,dc=org"
rdn_attribute = "uid"
object_classes = ["inetOrgPerson"]
[connections.badge-desk]
package = "manual-ticket"
"#;

#[tokio::test]
async fn whole_configuration_is_read() {
    let config: Config = from_toml(WHOLE).unwrap();
    let connections = config.connections().unwrap();
    let shown: Vec<_> = connections.iter().map(|c| (c.name.to_string(), c.package_name, c.concurrency)).collect();
    assert_eq!(
        shown,
        [
            ("app-sql".to_owned(), "sql", 8),
            ("badge-desk".to_owned(), "manual-ticket", 4),
            ("dir".to_owned(), "ldap", 4),
            ("hr-csv".to_owned(), "csv", 1),
        ]
    );
    assert!(connections.get("dir").unwrap().package.abilities().fulfill);
}

#[tokio::test]
async fn example_is_right_and_says_what_holds_when_nothing_is_said() {
    let example: Config = from_toml(include_str!("../agent.example.toml")).unwrap();
    assert_eq!(example.connections().unwrap().iter().count(), 4);
    let usual = Config { connections: example.connections.clone(), ..Config::default() };
    assert_eq!(format!("{example:?}"), format!("{usual:?}"));
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let config: Config = from_toml(WHOLE).unwrap();
    let shown = format!("{config:?} {:?}", config.connections().unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn all_mistakes_of_all_connections_come_together() {
    let text = WHOLE
        .replace("package = \"csv\"", "package = \"cvs\"")
        .replace("key = \"login\"", "key = \"login\"\ncolour = \"red\"")
        .replace(
            "concurrency = 8",
            "concurrency = 0\n[connections.app-sql.entities.Group]\ntable = \"a\\\"b\"\nkey = \"name\"",
        )
        .replace("url = \"ldap://", "page_size = 0\nurl = \"http://")
        .replace("base_dn = \"ou=people,dc=example,dc=org\"", "")
        .replace("rdn_attribute = \"uid\"", "");
    let text = format!("agent_id = ''\n{}", text.replace("agent_id = \"agent-7\"\n", ""));
    let mistakes = from_toml::<Config>(&text).unwrap_err().to_string();
    for expected in [
        "agent_id: must have",
        "connections.hr-csv: package: there is no 'cvs'",
        "connections.app-sql: concurrency: must be 1 to 256",
        "connections.app-sql: entities.Account: unknown field `colour`",
        "connections.app-sql: entities.Group.table: ",
        "connections.dir: entities.LdapAccount: missing field `rdn_attribute`",
        "connections.dir: entities.LdapAccount: missing field `base_dn`",
        "connections.dir: url: must begin with ldap:// or ldaps://",
        "connections.dir: page_size: must be",
    ] {
        assert!(mistakes.contains(expected), "'{expected}' is not in {mistakes}");
    }
    assert_eq!(mistakes.lines().count(), 10, "{mistakes}");
    assert!(!mistakes.contains("hunter2"), "{mistakes}");
}

#[tokio::test]
async fn wrong_address_and_wrong_entities_come_together() {
    let text = WHOLE.replace("postgres://user:hunter2@127.0.0.1/db", "mysql://user:hunter2@x");
    let text = text.replace("key = \"login\"", "").replace("url = \"ldap", "uri = \"ldap");
    let mistakes = from_toml::<Config>(&text).unwrap_err().to_string();
    for expected in [
        "connections.app-sql: url: must begin with",
        "connections.app-sql: entities.Account: missing field `key`",
        "connections.dir: unknown field `uri`",
        "connections.dir: missing field `url`",
    ] {
        assert!(mistakes.contains(expected), "'{expected}' is not in {mistakes}");
    }
    let text = WHOLE.replace("concurrency = 8", "concurrency = 0").replace("postgres://", "mysql://");
    let text = text.replace("bind_password = \"hunter2\"", "bind_password = 271828");
    let mistakes = from_toml::<Config>(&text).unwrap_err().to_string();
    for expected in ["concurrency: must be 1 to 256", "url: must begin with", "bind_password: must be text, in quotes"]
    {
        assert!(mistakes.contains(expected), "'{expected}' is not in {mistakes}");
    }
    assert!(!mistakes.contains("hunter2") && !mistakes.contains("271828"), "{mistakes}");
    let mistakes = from_toml::<Config>("[connections.a]\npackage = 'sql'\n").unwrap_err().to_string();
    assert!(mistakes.contains("url: missing") && mistakes.contains("entities: missing"), "{mistakes}");
}

#[tokio::test]
async fn names_that_cannot_be_quoted_are_mistakes() {
    let text = WHOLE.replace("target = \"group_name\"", "target = \"group\\\"name\"");
    let mistakes = from_toml::<Config>(&text).unwrap_err().to_string();
    assert!(mistakes.contains("entities.Account.links.groups.target"), "{mistakes}");
}

#[tokio::test]
async fn keys_that_nobody_knows_are_mistakes() {
    let mistakes = from_toml::<Config>("agent = 'x'\nagent_id = ''\nfulfillment = 'no where'").unwrap_err().to_string();
    for expected in ["`agent`", "agent_id: must have", "fulfillment: "] {
        assert!(mistakes.contains(expected), "{mistakes}");
    }
}

#[tokio::test]
async fn nothing_said_listens_on_loopback() {
    assert!(from_toml::<Config>("").unwrap().listen.ip().is_loopback());
}

#[tokio::test]
async fn paths_are_meant_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(folder.path().join("people.csv"), "id\n1\n").unwrap();
    let text = "[connections.hr]\npackage = 'csv'\n[connections.hr.entities.Person]\nfile = 'people.csv'\n";
    std::fs::write(&file, text).unwrap();
    let sources = Sources { file: Some(file), prefix: "PROVOST_NOBODY_SETS_THIS", flags: vec![] };
    let config: Config = load(&sources).unwrap();
    assert_eq!(config.journal_file(), folder.path().join("agent-journal.db"));
    let connections = config.connections().unwrap();
    let package = &connections.get("hr").unwrap().package;
    assert!(package.check().await.is_ok_and(|words| words.contains("Person")));
}

#[tokio::test]
async fn secrets_can_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let text = WHOLE
        .replace("bind_password = \"hunter2\"", "bind_password_file = \"password\"")
        .replace("url = \"postgres://user:hunter2@127.0.0.1/db\"", "url_file = \"address\"");
    let load_text = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let sources = Sources { file: Some(file.clone()), prefix: "PROVOST_NOBODY_SETS_THIS", flags: vec![] };
        load::<Config>(&sources)
    };
    let mistakes = load_text(&text).unwrap_err().to_string();
    assert!(mistakes.contains("bind_password_file:") && mistakes.contains("url_file:"), "{mistakes}");
    std::fs::write(folder.path().join("password"), "hunter2\n").unwrap();
    std::fs::write(folder.path().join("address"), "postgres://user:hunter2@127.0.0.1/db\n").unwrap();
    assert_eq!(load_text(&text).unwrap().connections().unwrap().iter().count(), 4);
    std::fs::write(folder.path().join("password"), "\n").unwrap();
    let mistakes = load_text(&text).unwrap_err().to_string();
    assert!(mistakes.contains("connections.dir: bind_password: must not be empty"), "{mistakes}");
    let twice = WHOLE.replace("bind_password =", "bind_password_file = \"password\"\nbind_password =");
    let twice = twice.replace("url = \"postgres", "url_file = \"address\"\nurl = \"postgres");
    let mistakes = load_text(&twice).unwrap_err().to_string();
    for expected in ["connections.dir: bind_password: given twice", "connections.app-sql: url: given twice"] {
        assert!(mistakes.contains(expected), "{mistakes}");
    }
}

#[tokio::test]
async fn secret_without_quotes_is_told_by_its_place() {
    let mistakes = from_toml::<Config>("[connections.dir]\nbind_password = hunter2\n").unwrap_err().to_string();
    assert!(mistakes.contains("line 2, column 17: "), "{mistakes}");
    assert!(!mistakes.contains("hunter2"), "{mistakes}");
}

#[tokio::test]
async fn connection_that_is_no_table_is_told_without_its_value_and_hides_nothing() {
    let text = "[connections]\napp = 'postgres://u:hunter2@h/db'\npin = 271828\n\
                [connections.dir]\npackage = 'ldap'\nurl = true\nbind_dn = 271828\nconcurrency = 'hunter2'\n\
                [connections.dir.entities.A]\nbase_dn = ['hunter2']\nrdn_attribute = 'uid'\n";
    let mistakes = from_toml::<Config>(text).unwrap_err().to_string();
    for expected in [
        "connections.app: must be a table",
        "connections.pin: must be a table",
        "connections.dir: url: must be text, in quotes",
        "connections.dir: bind_dn: invalid type: integer, expected",
        "connections.dir: concurrency: invalid type: string, expected u32",
        "connections.dir: entities.A: base_dn: invalid type: sequence, expected a string",
    ] {
        assert!(mistakes.contains(expected), "'{expected}' is not in {mistakes}");
    }
    let whole = from_toml::<Config>("connections = 'hunter2, expected nothing'").unwrap_err().to_string();
    assert!(whole.contains("connections: invalid type: string, expected a map"), "{whole}");
    for text in [mistakes, whole] {
        assert!(!text.contains("hunter2") && !text.contains("271828"), "{text}");
    }
}

#[tokio::test]
async fn variable_without_its_key_is_told_without_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, WHOLE.replace("rdn_attribute = \"uid\"", "")).unwrap();
    // A flag takes the way of a variable, and needs no process of its own.
    let load_with = |file: &Path, key: &str| {
        let flags = vec![(key.to_owned(), "postgres://u:hunter2@h/db".to_owned())];
        let sources = Sources { file: Some(file.to_owned()), prefix: "PROVOST_NOBODY_SETS_THIS", flags };
        load::<Config>(&sources).unwrap_err().to_string()
    };
    let mistakes = load_with(&file, "connections.app-sql");
    for expected in ["connections.app-sql: must be a table", "connections.dir: entities.LdapAccount: missing field"] {
        assert!(mistakes.contains(expected), "'{expected}' is not in {mistakes}");
    }
    assert!(!mistakes.contains("hunter2"), "{mistakes}");
    let mistakes = load_with(&folder.path().join("nowhere.toml"), "connections.app-sql.url");
    assert!(mistakes.contains("nowhere.toml cannot be read"), "{mistakes}");
    assert_eq!(mistakes.lines().count(), 2, "{mistakes}");
}
