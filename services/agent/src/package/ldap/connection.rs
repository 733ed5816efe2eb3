//! The connection to the directory: made when needed, bound, kept, made again when it broke.
//!
//! The rule that must hold: every operation ends within its time limit.

use super::failure::{SUCCESS, of_error, of_result};
use super::{LdapSettings, dn};
use crate::package::failure::{Particulars, invalid, transport};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchEntry, SearchStream};
use provost_domain::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// Keeps one connection, which all operations share.
pub(super) struct Connector {
    settings: LdapSettings,
    open: Mutex<Option<Ldap>>,
}

/// The use of the connection for one order or one export.
#[derive(Clone)]
pub(super) struct Session {
    ldap: Ldap,
    page_size: i32,
    /// The connection was there before: it may have broken unnoticed.
    pub(super) reused: bool,
}

impl Connector {
    pub(super) fn new(settings: LdapSettings) -> Self {
        Self { settings, open: Mutex::new(None) }
    }

    /// The connection; a new one if there is none or it broke.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        let page_size = self.settings.page_size;
        let mut open = self.open.lock().await;
        if let Some(ldap) = open.as_mut()
            && !ldap.is_closed()
        {
            return Ok(Session { ldap: ldap.clone(), page_size, reused: true });
        }
        let ldap = tokio::time::timeout(CONNECT_TIMEOUT * 2, connect(&self.settings))
            .await
            .unwrap_or_else(|_| Err(transport("directory: no answer in time")))?;
        *open = Some(ldap.clone());
        Ok(Session { ldap, page_size, reused: false })
    }

    /// Forgets a connection that broke.
    pub(super) async fn forget(&self) {
        *self.open.lock().await = None;
    }
}

async fn connect(settings: &LdapSettings) -> Result<Ldap, Failure> {
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
        let bound = ldap.with_timeout(OPERATION_TIMEOUT).simple_bind(bind_dn, password).await;
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
        ldap.with_timeout(OPERATION_TIMEOUT).add(dn, attributes).await.map_err(|error| of_error(&error))
    }

    pub(super) async fn modify(&self, dn: &str, changes: Vec<Mod<Vec<u8>>>) -> Result<LdapResult, Failure> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(OPERATION_TIMEOUT).modify(dn, changes).await.map_err(|error| of_error(&error))
    }

    pub(super) async fn delete(&self, dn: &str) -> Result<LdapResult, Failure> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(OPERATION_TIMEOUT).delete(dn).await.map_err(|error| of_error(&error))
    }

    /// One entry; `None` if it does not exist.
    pub(super) async fn read(&self, dn: &str, attributes: Vec<String>) -> Result<Option<SearchEntry>, Failure> {
        let mut ldap = self.ldap.clone();
        let found = ldap
            .with_timeout(OPERATION_TIMEOUT)
            .search(dn, Scope::Base, "(objectClass=*)", attributes)
            .await
            .map_err(|error| of_error(&error))?;
        match found.1.rc {
            SUCCESS => Ok(found.0.into_iter().next().map(SearchEntry::construct)),
            super::failure::NO_SUCH_OBJECT => Ok(None),
            _ => Err(of_result(&found.1)),
        }
    }

    /// The entries directly below `base` that the filter lets through, page by page.
    pub(super) async fn entries(&self, base: &str, filter: &str, attributes: Vec<String>) -> Result<Entries, Failure> {
        let mut ldap = self.ldap.clone();
        let adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(self.page_size))];
        ldap.with_timeout(OPERATION_TIMEOUT)
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
            return Ok(Some(SearchEntry::construct(entry)));
        }
        let result = self.0.finish().await;
        // Anything but success means that entries are missing: the answer is worth nothing then.
        if result.rc == SUCCESS { Ok(None) } else { Err(of_result(&result)) }
    }
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
