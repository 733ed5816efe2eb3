//! The real OpenLDAP.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope};
use provost_testkit::Slapd;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;
use std::sync::Arc;

const PEOPLE: &str = "ou=people,dc=example,dc=org";
const PERSON: [&str; 1] = ["inetOrgPerson"];

/// Trusts the authorities of the file, if there is one; nobody otherwise.
fn trust(ca_file: Option<&Path>) -> LdapConnSettings {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = ca_file {
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    LdapConnSettings::new().set_config(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn bind(url: &str, settings: LdapConnSettings) -> ldap3::result::Result<Ldap> {
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, url).await?;
    ldap3::drive!(connection);
    ldap.simple_bind(Slapd::AGENT_DN, Slapd::AGENT_PASSWORD).await?.success()?;
    Ok(ldap)
}

async fn add_people(slapd: &Slapd, count: usize) {
    let people = (0..count).map(|n| {
        (format!("uid=p{n},{PEOPLE}"), vec![("objectClass", &PERSON[..]), ("cn", &["Some One"]), ("sn", &["One"])])
    });
    slapd.add_all(people).await;
}

#[tokio::test]
async fn tls_is_offered_on_both_ports_and_checked() {
    let slapd = Slapd::start().await;
    let ca = Some(slapd.ca_file());
    bind(&slapd.ldaps_url(), trust(ca)).await.unwrap();
    bind(&slapd.ldap_url(), trust(ca).set_starttls(true)).await.unwrap();
    bind(&slapd.ldap_url(), LdapConnSettings::new()).await.unwrap();
    for (url, starttls) in [(slapd.ldaps_url(), false), (slapd.ldap_url(), true)] {
        let refused = bind(&url, trust(None).set_starttls(starttls)).await.expect_err("an unknown authority");
        assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    }
}

#[tokio::test]
async fn agent_needs_pages_to_read_everyone() {
    let slapd = Slapd::start().await;
    let count = Slapd::SIZE_LIMIT + 120;
    add_people(&slapd, count).await;
    let mut agent = bind(&slapd.ldap_url(), LdapConnSettings::new()).await.unwrap();

    let unpaged = agent.search(PEOPLE, Scope::OneLevel, "(objectClass=*)", vec!["1.1"]).await.unwrap();
    assert_eq!((unpaged.1.rc, unpaged.0.len()), (4, Slapd::SIZE_LIMIT), "size limit exceeded");

    let pages: Vec<Box<dyn Adapter<_, _>>> = vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(200))];
    let mut stream = agent
        .streaming_search_with(pages, PEOPLE, Scope::OneLevel, "(objectClass=inetOrgPerson)", vec!["1.1"])
        .await
        .unwrap();
    let mut found = 0;
    while stream.next().await.unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, count);
    assert_eq!(
        slapd.search(PEOPLE, "(objectClass=inetOrgPerson)").await.len(),
        count,
        "the administrator has no limit"
    );
}

#[tokio::test]
async fn agent_may_write() {
    let slapd = Slapd::start().await;
    let mut agent = bind(&slapd.ldap_url(), LdapConnSettings::new()).await.unwrap();
    let dn = format!("cn=staff,ou=groups,{}", Slapd::SUFFIX);
    let group = vec![("objectClass", ["groupOfNames"].into()), ("cn", ["staff"].into()), ("member", [PEOPLE].into())];
    agent.add(&dn, group).await.unwrap().success().unwrap();
    assert_eq!(slapd.entry(&dn).await.unwrap()["member"], [PEOPLE.to_owned()].into());
    agent.delete(&dn).await.unwrap().success().unwrap();
    assert_eq!(slapd.entry(&dn).await, None);
}

#[tokio::test]
async fn entries_survive_stop_and_kill() {
    let slapd = Slapd::start().await;
    add_people(&slapd, 2).await;
    slapd.replace(&format!("uid=p0,{PEOPLE}"), "title", &["Clerk"]).await;
    slapd.delete(&format!("uid=p1,{PEOPLE}")).await;

    slapd.stop().await;
    bind(&slapd.ldap_url(), LdapConnSettings::new()).await.expect_err("nobody answers");
    slapd.restart().await;
    slapd.add(&format!("uid=p2,{PEOPLE}"), &[("objectClass", &PERSON), ("cn", &["Two"]), ("sn", &["Two"])]).await;
    slapd.kill9().await;
    slapd.restart().await;

    let people = slapd.search(PEOPLE, "(uid=*)").await;
    assert_eq!(
        people.keys().collect::<Vec<_>>(),
        ["uid=p0,ou=people,dc=example,dc=org", "uid=p2,ou=people,dc=example,dc=org"]
    );
    assert_eq!(people["uid=p0,ou=people,dc=example,dc=org"]["title"], ["Clerk".to_owned()].into());
}
