//! The connections to the directory: one that all orders share, made when needed and again when it broke,
//! and one for each export.
//!
//! The rules that must hold: every operation ends within its time limit, and no two searches that go page by
//! page are on one connection at once, for directories remember one page for each connection.

use super::failure::{ADMIN_LIMIT_EXCEEDED, NO_SUCH_OBJECT, SIZE_LIMIT_EXCEEDED, SUCCESS, of_error, of_result};
use super::together::Together;
use super::{LdapSettings, dn};
use crate::package::failure::{Particulars, invalid, transport};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, ResultEntry, Scope, SearchEntry, SearchStream};
use provost_domain::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes connections, and keeps the one that orders share.
pub(super) struct Connector {
    settings: LdapSettings,
    timeout: Duration,
    shared: Mutex<Shared>,
    /// Memberships that orders change, over whichever connection.
    together: Together,
    /// A password in the clear was warned of.
    warned: AtomicBool,
}

#[derive(Default)]
struct Shared {
    open: Option<Session>,
    /// Grows with each connection.
    generation: u64,
    /// How the last try ended, if it failed, and when.
    failed: Option<(Instant, Failure)>,
}

/// The use of a connection for one order or one export.
#[derive(Clone)]
pub(super) struct Session {
    ldap: Ldap,
    page_size: i32,
    timeout: Duration,
    /// Held while a search goes page by page.
    paging: Arc<Mutex<()>>,
    together: Together,
    generation: u64,
    /// The connection was there before: it may have broken unnoticed.
    pub(super) reused: bool,
}

impl Connector {
    pub(super) fn new(settings: LdapSettings) -> Self {
        let warned = AtomicBool::new(false);
        Self { settings, timeout: OPERATION_TIMEOUT, shared: Mutex::default(), together: Together::default(), warned }
    }

    /// Gives every operation another time limit.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The connection that orders share; a new one if there is none or it broke.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        let asked_at = Instant::now();
        let mut shared = self.shared.lock().await;
        if let Some(session) = shared.open.as_mut()
            && !session.ldap.is_closed()
        {
            return Ok(Session { reused: true, ..session.clone() });
        }
        // Somebody tried while we waited: each trying again in turn would make the last wait for all of them.
        if let Some((_, failure)) = shared.failed.as_ref().filter(|(ended_at, _)| *ended_at >= asked_at) {
            return Err(failure.clone());
        }
        shared.open = None;
        match self.connection().await {
            Ok(mut session) => {
                shared.generation += 1;
                session.generation = shared.generation;
                (shared.open, shared.failed) = (Some(session.clone()), None);
                Ok(session)
            }
            Err(failure) => {
                shared.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// A connection of one's own. It ends with the session.
    pub(super) async fn connection(&self) -> Result<Session, Failure> {
        if sends_password_in_clear(&self.settings) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                url = self.settings.url,
                "the password goes over the network in the clear: use ldaps:// or start_tls"
            );
        }
        let ldap = tokio::time::timeout(CONNECT_TIMEOUT.min(self.timeout) * 2, connect(&self.settings, self.timeout))
            .await
            .unwrap_or_else(|_| {
                Err(transport("directory: no answer in time")
                    .with_hint("check that the directory runs and is not overloaded"))
            })?;
        Ok(Session {
            ldap,
            page_size: self.settings.page_size,
            timeout: self.timeout,
            paging: Arc::default(),
            together: self.together.clone(),
            generation: 0,
            reused: false,
        })
    }

    /// Forgets the connection of a session that broke, unless there is a newer one already.
    pub(super) async fn forget(&self, generation: u64) {
        let mut shared = self.shared.lock().await;
        if shared.generation == generation {
            shared.open = None;
        }
    }
}

/// Whether the password is sent unencrypted to another host.
fn sends_password_in_clear(settings: &LdapSettings) -> bool {
    let host = settings.url.strip_prefix("ldap://").unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(host) => host.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    settings.bind_password.is_some() && settings.url.starts_with("ldap://") && !settings.start_tls && !is_here
}

async fn connect(settings: &LdapSettings, timeout: Duration) -> Result<Ldap, Failure> {
    let mut options = LdapConnSettings::new().set_conn_timeout(CONNECT_TIMEOUT).set_starttls(settings.start_tls);
    if let Some(file) = &settings.ca_file {
        options = options.set_config(trusting(file)?);
    }
    let (connection, mut ldap) =
        LdapConnAsync::with_settings(options, &settings.url).await.map_err(|error| of_error(&error))?;
    tokio::spawn(async move {
        // A connection that ends is noticed by its next use.
        if let Err(error) = connection.drive().await {
            tracing::debug!(%error, "directory connection ended");
        }
    });
    if let Some(bind_dn) = &settings.bind_dn {
        let password = settings.bind_password.as_ref().map_or("", ExposeSecret::expose_secret);
        let bound = ldap.with_timeout(timeout).simple_bind(bind_dn, password).await;
        let bound = bound.map_err(|error| of_error(&error))?;
        if bound.rc != SUCCESS {
            return Err(of_result(&bound));
        }
    }
    Ok(ldap)
}

/// A TLS configuration that trusts the certificates of one file, and no others.
fn trusting(file: &std::path::Path) -> Result<Arc<rustls::ClientConfig>, Failure> {
    let wrong = |problem: String| {
        invalid(format!("ca_file {}: {problem}", file.display())).with_hint("it must hold certificates in PEM form")
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// An attribute and its values.
pub(super) type Attribute = (Vec<u8>, HashSet<Vec<u8>>);

impl Session {
    pub(super) async fn add(&self, dn: &str, attributes: Vec<Attribute>) -> Result<LdapResult, Failure> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout).add(dn, attributes).await.map_err(|error| of_error(&error))
    }

    pub(super) async fn modify(&self, dn: &str, changes: Vec<Mod<Vec<u8>>>) -> Result<LdapResult, Failure> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout).modify(dn, changes).await.map_err(|error| of_error(&error))
    }

    pub(super) async fn delete(&self, dn: &str) -> Result<LdapResult, Failure> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout).delete(dn).await.map_err(|error| of_error(&error))
    }

    /// One entry; `None` if it does not exist.
    pub(super) async fn read(&self, dn: &str, attributes: Vec<String>) -> Result<Option<SearchEntry>, Failure> {
        let mut ldap = self.ldap.clone();
        let found = ldap
            .with_timeout(self.timeout)
            .search(dn, Scope::Base, "(objectClass=*)", attributes)
            .await
            .map_err(|error| of_error(&error))?;
        match found.1.rc {
            SUCCESS => found.0.into_iter().next().map(whole).transpose(),
            NO_SUCH_OBJECT => Ok(None),
            _ => Err(of_result(&found.1)),
        }
    }

    /// All entries directly below `base` that the filter lets through, for searches that give few. At once, so
    /// that many orders may ask side by side; page by page only where the directory does not give as many.
    pub(super) async fn few(
        &self,
        base: &str,
        filter: &str,
        attributes: Vec<String>,
    ) -> Result<Vec<SearchEntry>, Failure> {
        let mut ldap = self.ldap.clone();
        let found = ldap.with_timeout(self.timeout).search(base, Scope::OneLevel, filter, attributes.clone()).await;
        let found = found.map_err(|error| of_error(&error))?;
        match found.1.rc {
            SUCCESS => found.0.into_iter().map(whole).collect(),
            SIZE_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED => {
                let _turn = self.paging.lock().await;
                let mut all = Vec::new();
                let mut entries = self.entries(base, filter, attributes).await?;
                while let Some(entry) = entries.next().await? {
                    all.push(entry);
                }
                Ok(all)
            }
            _ => Err(of_result(&found.1)),
        }
    }

    /// Where memberships meet that other orders change.
    pub(super) const fn together(&self) -> &Together {
        &self.together
    }

    /// The connection that this is the use of.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The entries directly below `base` that the filter lets through, page by page. Nothing else may go page
    /// by page on this connection meanwhile.
    pub(super) async fn entries(&self, base: &str, filter: &str, attributes: Vec<String>) -> Result<Entries, Failure> {
        let mut ldap = self.ldap.clone();
        let adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(self.page_size))];
        ldap.with_timeout(self.timeout)
            .streaming_search_with(adapters, base, Scope::OneLevel, filter, attributes)
            .await
            .map(Entries)
            .map_err(|error| of_error(&error))
    }
}

/// The entries of a search, as they come.
pub(super) struct Entries(SearchStream<'static, String, Vec<String>>);

impl Entries {
    /// The next entry; `None` when all were given.
    pub(super) async fn next(&mut self) -> Result<Option<SearchEntry>, Failure> {
        if let Some(entry) = self.0.next().await.map_err(|error| of_error(&error))? {
            return whole(entry).map(Some);
        }
        let result = self.0.finish().await;
        // Anything but success means that entries are missing: the answer is worth nothing then.
        if result.rc == SUCCESS { Ok(None) } else { Err(of_result(&result)) }
    }
}

/// An entry with all the values of its attributes. Some directories give only the first thousand or so, under
/// another name (`member;range=0-1499`): taken for no values at all, they would be removed or ordered again.
fn whole(entry: ResultEntry) -> Result<SearchEntry, Failure> {
    let entry = SearchEntry::construct(entry);
    let mut names = entry.attrs.keys().chain(entry.bin_attrs.keys());
    match names.find(|name| is_part(name)) {
        None => Ok(entry),
        Some(name) => {
            Err(invalid(format!("entry '{}': the directory gives only a part of the values: {name}", entry.dn))
                .with_hint("raise the directory's limit of values per attribute (MaxValRange)"))
        }
    }
}

fn is_part(name: &str) -> bool {
    name.split(';').skip(1).any(|option| option.to_ascii_lowercase().starts_with("range="))
}

/// The values of an attribute; directories may answer in another case than asked.
pub(super) fn values_of(entry: &SearchEntry, attribute: &str) -> Vec<Vec<u8>> {
    let text = entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
    let binary = entry.bin_attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
    let text = text.flat_map(|(_, values)| values.iter().map(|value| value.clone().into_bytes()));
    text.chain(binary.flat_map(|(_, values)| values.iter().cloned())).collect()
}

/// The DN in the form for comparing; the DN itself when it cannot be read.
pub(super) fn comparable(dn: &str) -> String {
    dn::normalized(dn).unwrap_or_else(|| dn.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn password_in_the_clear_is_told_by_url_and_settings() {
        let settings = |url: &str| LdapSettings {
            url: url.to_owned(),
            start_tls: false,
            ca_file: None,
            bind_dn: Some("cn=agent".to_owned()),
            bind_password: Some(SecretString::from("s3cret")),
            page_size: 100,
        };
        for url in ["ldap://dir.example.org:389", "ldap://10.0.0.1/", "ldap://[2001:db8::1]:389"] {
            assert!(sends_password_in_clear(&settings(url)), "{url}");
            assert!(!sends_password_in_clear(&LdapSettings { start_tls: true, ..settings(url) }), "{url}");
            assert!(!sends_password_in_clear(&LdapSettings { bind_password: None, ..settings(url) }), "{url}");
        }
        for url in ["ldaps://dir.example.org", "ldap://127.0.0.1:389", "ldap://localhost", "ldap://[::1]:389/"] {
            assert!(!sends_password_in_clear(&settings(url)), "{url}");
        }
    }

    #[test]
    fn parts_of_values_are_told_by_their_name() {
        assert!(is_part("member;range=0-1499") && is_part("member;binary;Range=0-*"));
        assert!(!is_part("member") && !is_part("cn;lang-en") && !is_part("range=1"));
    }
}
