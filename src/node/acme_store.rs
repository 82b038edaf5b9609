//! ACME's records in the database: accounts encrypted with the key of the data directory, challenges in plain text.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::auth::DataKey;
use crate::pki::acme::{AcmeStore, AcmeStoreError, PendingAcmeChallenge};
use crate::storage::coordination::Lease;
use crate::storage::metadata::{AcmeChallengeRecord, Metadata};

/// The lease of an order under way, whether a node or a command has placed it.
const ORDER: &str = "acme-order";
/// How long it is claimed at a time.
const CLAIM: Duration = Duration::from_mins(1);

/// The store of a data directory.
pub(crate) struct DatabaseAcmeStore {
    metadata: Arc<dyn Metadata>,
    data_key: DataKey,
    /// In whose name this process orders.
    id: String,
    claim: Mutex<Option<Lease>>,
}

impl DatabaseAcmeStore {
    pub(crate) fn new(metadata: Arc<dyn Metadata>, data_key: DataKey) -> Self {
        Self { metadata, data_key, id: Uuid::new_v4().to_string(), claim: Mutex::default() }
    }
}

#[async_trait]
impl AcmeStore for DatabaseAcmeStore {
    async fn account(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, AcmeStoreError> {
        let encrypted = self.metadata.acme_account(directory).await?;
        Ok(encrypted.map(|encrypted| self.data_key.decrypt_account(directory, &encrypted)).transpose()?)
    }

    async fn keep_account(&self, directory: &str, account: &[u8]) -> Result<bool, AcmeStoreError> {
        let encrypted = self.data_key.encrypt_account(directory, account)?;
        Ok(self.metadata.keep_acme_account(directory, encrypted, None).await?)
    }

    async fn replace_account(&self, directory: &str, account: &[u8]) -> Result<(), AcmeStoreError> {
        let before = self.metadata.acme_account(directory).await?;
        let encrypted = self.data_key.encrypt_account(directory, account)?;
        // If another process has just replaced it too, its account is used from the next order on.
        self.metadata.keep_acme_account(directory, encrypted, before).await?;
        Ok(())
    }

    async fn claim_order(&self) -> Result<bool, AcmeStoreError> {
        if !self.metadata.serves_many_nodes() {
            // The lock of the data directory says who orders.
            return Ok(true);
        }
        let mut claim = self.claim.lock().await;
        *claim = match &*claim {
            Some(held) => self.metadata.renew_lease(held, CLAIM).await?,
            None => self.metadata.take_lease(ORDER, &self.id, CLAIM).await?,
        };
        Ok(claim.is_some())
    }

    async fn release_order(&self) -> Result<(), AcmeStoreError> {
        if let Some(held) = self.claim.lock().await.take() {
            self.metadata.release_lease(&held).await?;
        }
        Ok(())
    }

    async fn publish(&self, challenges: &[PendingAcmeChallenge]) -> Result<(), AcmeStoreError> {
        Ok(self.metadata.add_acme_challenges(challenges.iter().map(record).collect()).await?)
    }

    async fn withdraw(&self, challenges: &[PendingAcmeChallenge]) -> Result<(), AcmeStoreError> {
        Ok(self.metadata.remove_acme_challenges(challenges.iter().map(record).collect()).await?)
    }

    async fn pending(&self) -> Result<Vec<PendingAcmeChallenge>, AcmeStoreError> {
        self.metadata.acme_challenges().await?.into_iter().map(challenge).collect()
    }
}

fn record(challenge: &PendingAcmeChallenge) -> AcmeChallengeRecord {
    AcmeChallengeRecord {
        name: challenge.name.to_string(),
        token: challenge.token.clone(),
        key_authorization: challenge.key_authorization.clone(),
        expires_at: challenge.expires.as_second(),
    }
}

fn challenge(record: AcmeChallengeRecord) -> Result<PendingAcmeChallenge, AcmeStoreError> {
    Ok(PendingAcmeChallenge {
        name: record.name.parse()?,
        token: record.token,
        key_authorization: record.key_authorization,
        expires: Timestamp::from_second(record.expires_at)?,
    })
}
