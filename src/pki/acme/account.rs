//! The account with an authority: made once, kept sealed in the store, found there by every node.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use zeroize::Zeroizing;

use super::error::AcmeError;
use super::http_client::AcmeHttpClient;
use super::settings::OrderSettings;
use super::store::AcmeStore;
use crate::pki::files::private_file::read_key;

/// The stored account, or a new one.
pub(super) async fn open(
    settings: &OrderSettings,
    store: &dyn AcmeStore,
    client: &AcmeHttpClient,
) -> Result<Account, AcmeError> {
    if let Some(kept) = store.account(&settings.directory).await.map_err(AcmeError::AcmeStore)? {
        return restore(settings, client, &kept).await;
    }
    let (account, credentials) = create(settings, client).await?;
    if store.keep_account(&settings.directory, &credentials).await.map_err(AcmeError::AcmeStore)? {
        tracing::info!(directory = settings.directory, account = account.id(), "made an ACME account");
        return Ok(account);
    }
    // Another process was first: its account counts.
    match store.account(&settings.directory).await.map_err(AcmeError::AcmeStore)? {
        Some(kept) => restore(settings, client, &kept).await,
        None => Ok(account),
    }
}

/// A new account to replace one that the authority does not know any more.
pub(super) async fn replace(
    settings: &OrderSettings,
    store: &dyn AcmeStore,
    client: &AcmeHttpClient,
) -> Result<Account, AcmeError> {
    let (account, credentials) = create(settings, client).await?;
    store.replace_account(&settings.directory, &credentials).await.map_err(AcmeError::AcmeStore)?;
    tracing::warn!(
        directory = settings.directory,
        account = account.id(),
        "the authority does not know the ACME account any more; made a new one"
    );
    Ok(account)
}

async fn restore(settings: &OrderSettings, client: &AcmeHttpClient, kept: &[u8]) -> Result<Account, AcmeError> {
    let damaged = || AcmeError::DamagedAccount { directory: settings.directory.clone() };
    let credentials: AccountCredentials = serde_json::from_slice(kept).map_err(|_| damaged())?;
    let restored = Account::builder_with_http(Box::new(client.clone())).from_credentials(credentials).await;
    restored.map_err(AcmeError::client(&settings.directory, "reading the directory", client.take_retry_after()))
}

async fn create(settings: &OrderSettings, client: &AcmeHttpClient) -> Result<(Account, Zeroizing<Vec<u8>>), AcmeError> {
    let contact: Vec<String> = settings.acme.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = match settings.acme.external_account() {
        Some(external) => Some(ExternalAccountKey::new(external.kid.to_owned(), &external_key(external.key_file)?)),
        None => None,
    };
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let created = builder.create(&new, settings.directory.clone(), external.as_ref()).await;
    let (account, credentials) = created.map_err(|error| {
        AcmeError::client(&settings.directory, "making an account", client.take_retry_after())(error)
    })?;
    let damaged = |_| AcmeError::DamagedAccount { directory: settings.directory.clone() };
    Ok((account, Zeroizing::new(serde_json::to_vec(&credentials).map_err(damaged)?)))
}

/// Base64url, as authorities show it, with or without padding.
fn external_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, AcmeError> {
    let text = read_key(path)?;
    let text = text.trim_ascii();
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    match URL_SAFE_NO_PAD.decode(&text[..end]) {
        Ok(key) if !key.is_empty() => Ok(Zeroizing::new(key)),
        _ => Err(AcmeError::ExternalAccountKey { path: path.display().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::write_key;

    #[test]
    fn external_keys_are_base64url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eab.key");
        for text in ["zWNDZM6eQGHW", "zWNDZM6eQGHWpQ==\n", " zWND-_6e "] {
            write_key(&path, text.as_bytes()).unwrap();
            assert!(!external_key(&path).unwrap().is_empty(), "{text}");
        }
        for text in ["", "=", "not a key"] {
            write_key(&path, text.as_bytes()).unwrap();
            assert!(matches!(external_key(&path), Err(AcmeError::ExternalAccountKey { .. })), "{text}");
        }
    }
}
