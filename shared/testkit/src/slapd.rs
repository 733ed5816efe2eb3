//! A real OpenLDAP server on loopback, in a temporary directory.

use crate::audit::{self, Audited};
use crate::port::free_port;
use crate::watchdog::{Kept, Watchdog, directory, find_program};
use anyhow::{Context, Result};
use ldap3::{Ldap, LdapConnAsync, Mod, Scope, SearchEntry};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::sync::Mutex;

const START_MAX: Duration = Duration::from_secs(20);
const STARTS_MAX: u32 = 3;

/// An entry as the server holds it: attribute → values, both ordered.
pub type Attributes = BTreeMap<String, BTreeSet<String>>;

/// A running directory with the suffix [`Slapd::SUFFIX`] and the entries ou=people and ou=groups.
///
/// Schemas core, cosine and inetorgperson. TLS on `ldaps_url` and StartTLS on `ldap_url`, with a
/// certificate for localhost and 127.0.0.1 from the authority in `ca_file`.
pub struct Slapd {
    port: u16,
    tls_port: u16,
    ca_file: PathBuf,
    /// Its own log of what it did.
    audit_file: PathBuf,
    watchdog: Mutex<Watchdog>,
}

impl Slapd {
    /// The top of the tree.
    pub const SUFFIX: &str = "dc=example,dc=org";
    /// May do everything, without limits.
    pub const ADMIN_DN: &str = "cn=admin,dc=example,dc=org";
    /// The password of [`Self::ADMIN_DN`].
    pub const ADMIN_PASSWORD: &str = "admin-secret";
    /// May read and write everything, but no search gives more than [`Self::SIZE_LIMIT`] entries without paging.
    pub const AGENT_DN: &str = "cn=agent,dc=example,dc=org";
    /// The password of [`Self::AGENT_DN`].
    pub const AGENT_PASSWORD: &str = "agent-secret";
    /// How many entries one answer holds at most for [`Self::AGENT_DN`].
    pub const SIZE_LIMIT: usize = 500;

    /// Starts an empty directory server.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// As [`Self::start`], and the server logs every change that it carries out.
    pub async fn start_audited() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(audited: bool) -> Self {
        for _ in 1..STARTS_MAX {
            // Another process may have taken a port in between: try with the next.
            if let Ok(slapd) = Self::try_start(audited).await {
                return slapd;
            }
        }
        crate::or_fail(Self::try_start(audited).await)
    }

    async fn try_start(audited: bool) -> Result<Self> {
        let (port, tls_port) = (free_port(), free_port());
        let places = ["/usr/sbin", "/usr/libexec", "/usr/local/libexec", "/opt/homebrew/opt/openldap/libexec"];
        let mut command = Command::new(find_program("slapd", places.map(PathBuf::from), "slapd")?);
        // A debug level keeps it in the foreground; this one prints only what is always printed.
        command.args(["-d", "none", "-f", "slapd.conf"]);
        command.args(["-h", &format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/")]);
        let kept = Kept { name: "slapd", command: &command, setup: "mkdir data", last_signal: "KILL" };
        let mut watchdog = Watchdog::new(directory("slapd", true)?, true, &kept)?;
        watchdog.setup()?;
        let ca_file = watchdog.directory().join("ca.pem");
        write_certificates(watchdog.directory())?;
        let audit_file = watchdog.directory().join("audit.ldif");
        let audit = audited.then_some(audit_file.as_path());
        fs::write(watchdog.directory().join("slapd.conf"), configuration(audit)?)?;

        let slapd = Self { port, tls_port, ca_file, audit_file, watchdog: Mutex::new(watchdog) };
        slapd.run().await?;
        slapd.add_base_entries().await?;
        Ok(slapd)
    }

    /// `ldap://127.0.0.1:…`, plain or by StartTLS.
    pub fn ldap_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://127.0.0.1:…`.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// The certificate authority to trust, a PEM file.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// A connection bound as the administrator, for what no method here does.
    pub async fn admin(&self) -> Ldap {
        crate::or_fail(self.connect().await)
    }

    /// Adds an entry.
    pub async fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) {
        self.add_all([(dn.to_owned(), attributes.to_vec())]).await;
    }

    /// Adds entries over one connection.
    pub async fn add_all<'a>(&self, entries: impl IntoIterator<Item = (String, Vec<(&'a str, &'a [&'a str])>)>) {
        let mut admin = self.admin().await;
        for (dn, attributes) in entries {
            let added = add(&mut admin, &dn, &attributes).await;
            crate::or_fail(added);
        }
    }

    /// Replaces an attribute's values; without values the attribute goes.
    pub async fn replace(&self, dn: &str, attribute: &str, values: &[&str]) {
        let change = Mod::Replace(attribute, values.iter().copied().collect());
        let result = self.admin().await.modify(dn, vec![change]).await;
        crate::or_fail(result.and_then(|result| result.success()).with_context(|| format!("modify {dn}")));
    }

    /// Deletes an entry.
    pub async fn delete(&self, dn: &str) {
        let result = self.admin().await.delete(dn).await;
        crate::or_fail(result.and_then(|result| result.success()).with_context(|| format!("delete {dn}")));
    }

    /// Every entry at or below `base` that the filter selects, by DN. Independent of any code under test.
    pub async fn search(&self, base: &str, filter: &str) -> BTreeMap<String, Attributes> {
        let result = self.admin().await.search(base, Scope::Subtree, filter, vec!["*"]).await;
        let found = result.and_then(|result| result.success()).with_context(|| format!("search {base}"));
        let (entries, _) = crate::or_fail(found);
        entries.into_iter().map(SearchEntry::construct).map(|entry| (entry.dn, sorted(entry.attrs))).collect()
    }

    /// One entry's attributes, if it exists.
    pub async fn entry(&self, dn: &str) -> Option<Attributes> {
        let result = self.admin().await.search(dn, Scope::Base, "(objectClass=*)", vec!["*"]).await;
        let result = crate::or_fail(result.with_context(|| format!("read {dn}")));
        result.0.into_iter().next().map(|entry| sorted(SearchEntry::construct(entry).attrs))
    }

    /// Every change that the server has carried out since its first start, in order, by its own log. Only of one
    /// that was started with [`Self::start_audited`].
    pub fn audit(&self) -> Vec<Audited> {
        let file = &self.audit_file;
        let log = fs::read_to_string(file).with_context(|| format!("read the audit log {}", file.display()));
        crate::or_fail(log.and_then(|log| audit::read(&log)))
    }

    /// Where it listens without TLS.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Stops the server in order; its entries stay.
    pub async fn stop(&self) {
        crate::or_fail(self.watchdog.lock().await.end("TERM", START_MAX).await);
    }

    /// Makes the server hang: connections are taken, and nobody answers.
    pub async fn pause(&self) {
        crate::or_fail(self.watchdog.lock().await.signal_all("STOP"));
    }

    /// Lets the server go on after `pause`.
    pub async fn resume(&self) {
        crate::or_fail(self.watchdog.lock().await.signal_all("CONT"));
    }

    /// Ends the server by SIGKILL; its entries stay.
    pub async fn kill9(&self) {
        crate::or_fail(self.watchdog.lock().await.end("KILL", START_MAX).await);
    }

    /// Starts the server again, on the same ports, after `stop` or `kill9`; stops it first if it runs.
    pub async fn restart(&self) {
        self.stop().await;
        crate::or_fail(self.run().await);
    }

    async fn run(&self) -> Result<()> {
        let ready = async || self.connect().await.map(drop);
        self.watchdog.lock().await.start(START_MAX, ready).await
    }

    async fn connect(&self) -> Result<Ldap> {
        let (connection, mut ldap) = LdapConnAsync::new(&self.ldap_url()).await?;
        ldap3::drive!(connection);
        ldap.simple_bind(Self::ADMIN_DN, Self::ADMIN_PASSWORD).await?.success()?;
        Ok(ldap)
    }

    async fn add_base_entries(&self) -> Result<()> {
        let mut admin = self.connect().await?;
        let organisation =
            [("objectClass", &["dcObject", "organization"][..]), ("o", &["Example"]), ("dc", &["example"])];
        add(&mut admin, Self::SUFFIX, &organisation).await?;
        for unit in ["people", "groups"] {
            let dn = format!("ou={unit},{}", Self::SUFFIX);
            add(&mut admin, &dn, &[("objectClass", &["organizationalUnit"]), ("ou", &[unit])]).await?;
        }
        let agent = [
            ("objectClass", &["organizationalRole", "simpleSecurityObject"][..]),
            ("cn", &["agent"]),
            ("userPassword", &[Self::AGENT_PASSWORD]),
        ];
        add(&mut admin, Self::AGENT_DN, &agent).await
    }
}

async fn add(ldap: &mut Ldap, dn: &str, attributes: &[(&str, &[&str])]) -> Result<()> {
    let attributes: Vec<(&str, HashSet<&str>)> =
        attributes.iter().map(|(name, values)| (*name, values.iter().copied().collect())).collect();
    let result = ldap.add(dn, attributes).await.and_then(|result| result.success());
    result.map(drop).with_context(|| format!("add {dn}"))
}

fn sorted(attributes: impl IntoIterator<Item = (String, Vec<String>)>) -> Attributes {
    attributes.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect()
}

fn configuration(audit: Option<&Path>) -> Result<String> {
    let first_that_exists = |places: &[&str], what: &str| -> Result<PathBuf> {
        let found = places.iter().map(PathBuf::from).find(|place| place.exists());
        found.with_context(|| format!("{what} not found; run `make test-deps` (Debian package: slapd)"))
    };
    let schemas = first_that_exists(
        &[
            "/etc/ldap/schema",
            "/etc/openldap/schema",
            "/opt/homebrew/etc/openldap/schema",
            "/usr/local/etc/openldap/schema",
        ],
        "the schemas of OpenLDAP",
    )?;
    let mut text = String::new();
    for schema in ["core", "cosine", "inetorgperson"] {
        writeln!(text, "include \"{}/{schema}.schema\"", schemas.display())?;
    }
    // Distributions that build back-mdb into slapd have no module to load.
    let modules = ["/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap"];
    if let Some(modules) = modules.iter().map(Path::new).find(|place| place.join("back_mdb.so").exists()) {
        writeln!(text, "modulepath {}\nmoduleload back_mdb", modules.display())?;
        if audit.is_some() {
            writeln!(text, "moduleload auditlog")?;
        }
    }
    writeln!(
        text,
        r#"
pidfile slapd.pid
TLSCACertificateFile ca.pem
TLSCertificateFile server.pem
TLSCertificateKeyFile server-key.pem
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory data
maxsize 1073741824
dbnosync
checkpoint 1024 1
index objectClass,uid,cn,member eq
sizelimit {limit}
limits dn.exact="{agent}" size.soft={limit} size.hard={limit} size.pr={limit} size.prtotal=unlimited
access to attrs=userPassword by dn.exact="{agent}" write by anonymous auth by * none
access to * by dn.exact="{agent}" write by * read"#,
        suffix = Slapd::SUFFIX,
        admin = Slapd::ADMIN_DN,
        password = Slapd::ADMIN_PASSWORD,
        agent = Slapd::AGENT_DN,
        limit = Slapd::SIZE_LIMIT,
    )?;
    if let Some(audit) = audit {
        writeln!(text, "overlay auditlog\nauditlog {}", audit.display())?;
    }
    Ok(text)
}

fn write_certificates(directory: &Path) -> Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Provost test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = rcgen::Issuer::new(ca, &ca_key);

    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(directory.join("ca.pem"), ca_certificate.pem())?;
    fs::write(directory.join("server.pem"), server.pem())?;
    // Readable by all, because `nobody` runs the server and root may have written it. It is a test's key.
    fs::write(directory.join("server-key.pem"), key.serialize_pem())?;
    Ok(())
}
