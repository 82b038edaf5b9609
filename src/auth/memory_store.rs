//! A store in memory for this layer's tests: users, grants and keys; the rest is never asked.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::domain::{AccountName, Algorithm, Digest, Glob, Grantee, RepositoryName, Tag, UploadId};
use crate::storage::StorageError;
use crate::storage::metadata::{
    BlobLinks, BlobRecord, GrantRecord, Grants, Manifests, Metadata, NewManifest, NewUser, PutOutcome, ReferrerRecord,
    Repositories, RepositorySummary, StoredManifest, TagRecord, Tags, TokenKeyRecord, TokenKeys, UploadRecord, Uploads,
    UserRecord, Users,
};

/// See the module.
#[derive(Default)]
pub(super) struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    users: Vec<UserRecord>,
    grants: Vec<GrantRecord>,
    keys: Vec<TokenKeyRecord>,
    version: i64,
    epoch: i64,
}

impl MemoryStore {
    fn read(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while holding it")
    }

    fn change(&self) -> MutexGuard<'_, State> {
        let mut state = self.read();
        state.version += 1;
        state
    }

    fn change_user(&self, name: &AccountName, change: impl FnOnce(&mut UserRecord)) -> bool {
        let mut state = self.change();
        state.epoch += 1;
        let epoch = state.epoch;
        let user = state.users.iter_mut().find(|user| user.name == *name);
        user.map(|user| {
            user.epoch = epoch;
            change(user);
        })
        .is_some()
    }

    /// Makes a user an administrator, or no longer; the epoch stays.
    pub(super) fn set_admin(&self, name: &str, admin: bool) {
        let mut state = self.change();
        state.users.iter_mut().filter(|user| user.name.as_str() == name).for_each(|user| user.admin = admin);
    }
}

#[async_trait]
impl Users for MemoryStore {
    async fn add_user(&self, user: NewUser) -> Result<bool, StorageError> {
        let mut state = self.change();
        state.epoch += 1;
        let NewUser { name, password_hash, admin } = user;
        let record = UserRecord { name, password_hash, admin, disabled: false, epoch: state.epoch, created_at: 0 };
        state.users.push(record);
        Ok(true)
    }

    async fn user(&self, name: &AccountName) -> Result<Option<UserRecord>, StorageError> {
        Ok(self.read().users.iter().find(|user| user.name == *name).cloned())
    }

    async fn users(&self) -> Result<Vec<UserRecord>, StorageError> {
        Ok(self.read().users.clone())
    }

    async fn set_password(&self, name: &AccountName, password_hash: String) -> Result<bool, StorageError> {
        Ok(self.change_user(name, |user| user.password_hash = password_hash))
    }

    async fn rehash_password(&self, name: &AccountName, old: &str, new: String) -> Result<bool, StorageError> {
        let mut state = self.read();
        let user = state.users.iter_mut().find(|user| user.name == *name && user.password_hash == old);
        Ok(user.map(|user| user.password_hash = new).is_some())
    }

    async fn set_disabled(&self, name: &AccountName, disabled: bool) -> Result<bool, StorageError> {
        Ok(self.change_user(name, |user| user.disabled = disabled))
    }

    async fn remove_user(&self, name: &AccountName) -> Result<bool, StorageError> {
        let mut state = self.change();
        state.users.retain(|user| user.name != *name);
        state.grants.retain(|grant| grant.to != Grantee::User(name.clone()));
        Ok(true)
    }
}

#[async_trait]
impl Grants for MemoryStore {
    async fn add_grant(&self, grant: GrantRecord) -> Result<(), StorageError> {
        self.change().grants.push(grant);
        Ok(())
    }

    async fn remove_grant(&self, to: &Grantee, on: &Glob) -> Result<bool, StorageError> {
        self.change().grants.retain(|grant| grant.to != *to || grant.on != *on);
        Ok(true)
    }

    async fn grants(&self) -> Result<Vec<GrantRecord>, StorageError> {
        Ok(self.read().grants.clone())
    }
}

#[async_trait]
impl TokenKeys for MemoryStore {
    async fn token_keys(&self) -> Result<Vec<TokenKeyRecord>, StorageError> {
        Ok(self.read().keys.clone())
    }

    async fn add_token_key(&self, key: TokenKeyRecord, successor_of: Option<&str>) -> Result<bool, StorageError> {
        let mut state = self.change();
        if state.keys.last().map(|last| last.kid.as_str()) != successor_of {
            return Ok(false);
        }
        state.keys.iter_mut().for_each(|old| old.signs_until = old.signs_until.min(key.signs_from));
        state.keys.push(key);
        Ok(true)
    }

    async fn remove_token_key(&self, kid: &str) -> Result<bool, StorageError> {
        self.change().keys.retain(|key| key.kid != kid);
        Ok(true)
    }
}

#[async_trait]
impl Metadata for MemoryStore {
    async fn policy_version(&self) -> Result<i64, StorageError> {
        Ok(self.read().version)
    }

    async fn ping(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

type Answer<T> = Result<T, StorageError>;

#[async_trait]
impl Repositories for MemoryStore {
    async fn repositories(&self, _: Option<&str>, _: u32) -> Answer<Vec<RepositoryName>> {
        unreachable!("auth asks for no repositories")
    }
    async fn repository_exists(&self, _: &RepositoryName) -> Answer<bool> {
        unreachable!("auth asks for no repositories")
    }
    async fn repository_summary(&self, _: &RepositoryName) -> Answer<Option<RepositorySummary>> {
        unreachable!("auth asks for no repositories")
    }
    async fn remove_repository(&self, _: &RepositoryName) -> Answer<bool> {
        unreachable!("auth asks for no repositories")
    }
}

#[async_trait]
impl Manifests for MemoryStore {
    async fn manifest(&self, _: &RepositoryName, _: &Digest) -> Answer<Option<StoredManifest>> {
        unreachable!("auth asks for no manifests")
    }
    async fn manifest_by_tag(&self, _: &RepositoryName, _: &Tag) -> Answer<Option<StoredManifest>> {
        unreachable!("auth asks for no manifests")
    }
    async fn put_manifest(&self, _: &RepositoryName, _: NewManifest) -> Answer<PutOutcome> {
        unreachable!("auth asks for no manifests")
    }
    async fn delete_manifest(&self, _: &RepositoryName, _: &Digest) -> Answer<bool> {
        unreachable!("auth asks for no manifests")
    }
    async fn referrers(
        &self,
        _: &RepositoryName,
        _: &Digest,
        _: Option<&str>,
        _: Option<&Digest>,
        _: u32,
    ) -> Answer<Vec<ReferrerRecord>> {
        unreachable!("auth asks for no manifests")
    }
}

#[async_trait]
impl Tags for MemoryStore {
    async fn tags(&self, _: &RepositoryName, _: Option<&str>, _: u32) -> Answer<Option<Vec<TagRecord>>> {
        unreachable!("auth asks for no tags")
    }
    async fn delete_tag(&self, _: &RepositoryName, _: &Tag) -> Answer<bool> {
        unreachable!("auth asks for no tags")
    }
}

#[async_trait]
impl BlobLinks for MemoryStore {
    async fn blob(&self, _: &RepositoryName, _: &Digest) -> Answer<Option<BlobRecord>> {
        unreachable!("auth asks for no blobs")
    }
    async fn link_blob(&self, _: &RepositoryName, _: BlobRecord, _: Option<UploadId>) -> Answer<()> {
        unreachable!("auth asks for no blobs")
    }
    async fn mount_blob(&self, _: &RepositoryName, _: &RepositoryName, _: &Digest) -> Answer<bool> {
        unreachable!("auth asks for no blobs")
    }
    async fn repositories_with_blob(
        &self,
        _: &Digest,
        _: Option<&RepositoryName>,
        _: u32,
    ) -> Answer<Vec<RepositoryName>> {
        unreachable!("auth asks for no blobs")
    }
    async fn unlink_blob(&self, _: &RepositoryName, _: &Digest) -> Answer<bool> {
        unreachable!("auth asks for no blobs")
    }
}

#[async_trait]
impl Uploads for MemoryStore {
    async fn create_upload(&self, _: UploadRecord) -> Answer<()> {
        unreachable!("auth asks for no uploads")
    }
    async fn upload(&self, _: &RepositoryName, _: &str, _: UploadId) -> Answer<Option<UploadRecord>> {
        unreachable!("auth asks for no uploads")
    }
    async fn save_upload(&self, _: UploadId, _: Algorithm, _: u64, _: Vec<u8>) -> Answer<bool> {
        unreachable!("auth asks for no uploads")
    }
    async fn delete_upload(&self, _: UploadId) -> Answer<bool> {
        unreachable!("auth asks for no uploads")
    }
    async fn upload_exists(&self, _: UploadId) -> Answer<bool> {
        unreachable!("auth asks for no uploads")
    }
    async fn stale_uploads(&self, _: i64, _: u32) -> Answer<Vec<UploadId>> {
        unreachable!("auth asks for no uploads")
    }
}
