//! The ldap package against OpenLDAP.

use crate::harness::{Account, System};
use crate::orders::{hired, set};
use async_trait::async_trait;
use provost_agent::package::Package;
use provost_agent::package::ldap::{Directory, LdapEntity, LdapLink, LdapSettings};
use provost_domain::{Change, FailureClass, Value};
use provost_testkit::Slapd;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
pub const GROUPS: &str = "ou=groups,dc=example,dc=org";
/// Keeps groups from being empty, which their class does not allow.
pub const NOBODY: &str = "cn=nobody,dc=example,dc=org";

pub struct LdapSystem {
    package: Arc<Directory>,
    pub slapd: Slapd,
}

pub fn settings(slapd: &Slapd) -> LdapSettings {
    LdapSettings {
        url: slapd.ldap_url(),
        start_tls: false,
        ca_file: None,
        bind_dn: Some(Slapd::AGENT_DN.to_owned()),
        bind_password: Some(SecretString::from(Slapd::AGENT_PASSWORD)),
        page_size: 100,
    }
}

pub fn entities() -> BTreeMap<String, LdapEntity> {
    let names = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let account = LdapEntity {
        base_dn: PEOPLE.into(),
        rdn_attribute: "uid".into(),
        object_classes: vec!["inetOrgPerson".into()],
        attributes: names(&[
            ("login", "uid"),
            ("full_name", "cn"),
            ("last_name", "sn"),
            ("grade", "employeeNumber"),
            ("enabled", "employeeType"),
            ("hired", "carLicense"),
            ("photo", "jpegPhoto"),
        ]),
        filter: "(objectClass=inetOrgPerson)".into(),
        links: BTreeMap::from([("groups".into(), LdapLink { entity: "Group".into(), attribute: "member".into() })]),
    };
    let group = LdapEntity {
        base_dn: GROUPS.into(),
        rdn_attribute: "cn".into(),
        object_classes: vec!["groupOfNames".into()],
        attributes: names(&[("name", "cn")]),
        filter: "(objectClass=groupOfNames)".into(),
        links: BTreeMap::new(),
    };
    BTreeMap::from([("Account".into(), account), ("Group".into(), group)])
}

fn dn(key: &str) -> String {
    format!("uid={},{PEOPLE}", ldap3::dn_escape(key))
}

impl LdapSystem {
    pub async fn start() -> Self {
        Self::over(Slapd::start().await).await
    }

    /// One whose server logs what it does.
    pub async fn start_audited() -> Self {
        Self::over(Slapd::start_audited().await).await
    }

    async fn over(slapd: Slapd) -> Self {
        let package = Arc::new(Directory::new(settings(&slapd), entities()).unwrap());
        let system = Self { package, slapd };
        system.put_group("staff").await;
        system.put_group("finance").await;
        system
    }
}

#[async_trait(?Send)]
impl System for LdapSystem {
    fn package(&self) -> Arc<dyn Package> {
        Arc::clone(&self.package) as Arc<dyn Package>
    }

    async fn account(&self, key: &str) -> Option<Account> {
        let entry = self.slapd.entry(&dn(key)).await?;
        let own = self.slapd.search(&dn(key), "(objectClass=*)").await;
        let own = own.keys().next()?.to_lowercase();
        let groups = self.slapd.search(GROUPS, "(objectClass=groupOfNames)").await;
        let is_in = |members: Option<&std::collections::BTreeSet<String>>| {
            members.is_some_and(|members| members.iter().any(|member| member.to_lowercase() == own))
        };
        let names = groups.values().filter(|group| is_in(group.get("member"))).filter_map(|group| group.get("cn"));
        Some(Account {
            title: entry.get("title").and_then(|titles| titles.first().cloned()),
            groups: names.flatten().cloned().collect(),
        })
    }

    async fn count(&self) -> usize {
        self.slapd.search(PEOPLE, "(objectClass=inetOrgPerson)").await.len()
    }

    async fn put(&self, key: &str, title: &str, groups: &[&str]) {
        let instant = hired().to_string();
        assert!(instant.starts_with("2026-03-01T08:00:00"), "{instant}");
        let mut admin = self.slapd.admin().await;
        let values = |value: &[u8]| std::collections::HashSet::from([value.to_vec()]);
        let attributes = vec![
            (b"objectClass".to_vec(), values(b"inetOrgPerson")),
            (b"uid".to_vec(), values(key.as_bytes())),
            (b"cn".to_vec(), values(b"Ada Byron")),
            (b"sn".to_vec(), values(b"Byron")),
            (b"title".to_vec(), values(title.as_bytes())),
            (b"employeeNumber".to_vec(), values(b"12")),
            (b"employeeType".to_vec(), values(b"TRUE")),
            (b"carLicense".to_vec(), values(b"20260301080000Z")),
            (b"jpegPhoto".to_vec(), values(&[0xff, 0xd8, 0x00])),
        ];
        admin.add(&dn(key), attributes).await.unwrap().success().unwrap();
        for group in groups {
            let change = ldap3::Mod::Add("member".to_owned(), std::collections::HashSet::from([dn(key)]));
            admin.modify(&format!("cn={group},{GROUPS}"), vec![change]).await.unwrap().success().unwrap();
        }
    }

    async fn put_group(&self, name: &str) {
        let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &[name]), ("member", &[NOBODY])];
        self.slapd.add(&format!("cn={name},{GROUPS}"), &attributes).await;
    }

    async fn spoil(&self, key: &str) {
        self.slapd.replace(&dn(key), "employeeNumber", &["high"]).await;
    }

    fn wrong_type(&self) -> Change {
        // A mail address is ASCII in a directory.
        set("mail", Value::from("very-hïgh"))
    }

    fn refused(&self) -> (Change, FailureClass, &'static str) {
        (set("createTimestamp", hired()), FailureClass::Refused, "19")
    }

    async fn stop(&self) {
        self.slapd.kill9().await;
    }

    async fn restart(&self) {
        self.slapd.restart().await;
    }
}
