//! Users. Their epochs come from one counter, so that a user who is added again never gets an old one.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written, grants, login_failures, meta, repositories};
use crate::domain::{AccountName, Grantee};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{AddedUser, NewUser, UserRecord, Users};

statements! {
    ADD = "INSERT INTO users (name, password_hash, admin, epoch, created_at) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT name, password_hash, admin, disabled, epoch, created_at, failed_at, failed_in_row
        FROM users WHERE name = $1";
    USERS = "SELECT name, password_hash, admin, disabled, epoch, created_at, failed_at, failed_in_row
        FROM users ORDER BY name";
    EXISTS = "SELECT name FROM users WHERE name = $1";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, epoch = $3, failed_at = NULL, failed_in_row = 0 WHERE name = $1";
    REHASH = "UPDATE users SET password_hash = $3 WHERE name = $1 AND password_hash = $2";
    DISABLE = "UPDATE users SET disabled = $2, epoch = $3 WHERE name = $1";
    ENABLE = "UPDATE users SET disabled = $2 WHERE name = $1";
    REMOVE = "DELETE FROM users WHERE name = $1";
}

#[async_trait]
impl<E: Engine> Users for SqlMetadata<E> {
    async fn add_user(&self, user: NewUser, owns_nothing: bool) -> Result<AddedUser, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| Box::pin(add(session, user, owns_nothing, now))).await
    }

    async fn add_first_user(&self, user: NewUser) -> Result<bool, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move {
                meta::lock(session).await?;
                if !meta::has_no_epoch(session).await? {
                    return Ok(Written::without_effects(false));
                }
                let Written { outcome, effects } = add(session, user, false, now).await?;
                Ok(Written::with(effects, outcome == AddedUser::Added))
            })
        })
        .await
    }

    async fn user(&self, name: &AccountName) -> Result<Option<UserRecord>, StorageError> {
        self.engine.first(FIND, values![name]).await?.as_ref().map(read).transpose()
    }

    async fn users(&self) -> Result<Vec<UserRecord>, StorageError> {
        self.engine.all(USERS, values![]).await?.iter().map(read).collect()
    }

    async fn set_password(&self, name: &AccountName, password_hash: String) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |session| {
            Box::pin(async move {
                if !exists(session, &name).await? {
                    return Ok(Written::without_effects(false));
                }
                let epoch = meta::next_epoch(session).await?;
                session.run(SET_PASSWORD, values![&name, password_hash, epoch]).await?;
                Ok(Written::with(Effects::POLICY, true))
            })
        })
        .await
    }

    async fn rehash_password(&self, name: &AccountName, old: &str, new: String) -> Result<bool, StorageError> {
        let values = values![name, old, new];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(REHASH, values).await? > 0)) })
        })
        .await
    }

    async fn set_disabled(&self, name: &AccountName, disabled: bool) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |session| {
            Box::pin(async move {
                if !exists(session, &name).await? {
                    return Ok(Written::without_effects(false));
                }
                if disabled {
                    let epoch = meta::next_epoch(session).await?;
                    session.run(DISABLE, values![&name, disabled, epoch]).await?;
                } else {
                    session.run(ENABLE, values![&name, disabled]).await?;
                }
                Ok(Written::with(Effects::POLICY, true))
            })
        })
        .await
    }

    async fn remove_user(&self, name: &AccountName) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |session| {
            Box::pin(async move {
                if session.run(REMOVE, values![&name]).await? == 0 {
                    return Ok(Written::without_effects(false));
                }
                grants::remove_all(session, &Grantee::User(name)).await?;
                Ok(Written::with(Effects::POLICY, true))
            })
        })
        .await
    }
}

async fn add<S: Session>(
    session: &mut S,
    user: NewUser,
    owns_nothing: bool,
    now: i64,
) -> Result<Written<AddedUser>, StorageError> {
    if exists(session, &user.name).await? {
        return Ok(Written::without_effects(AddedUser::NameTaken));
    }
    let owned = if owns_nothing { repositories::below(session, &user.name).await? } else { Vec::new() };
    if !owned.is_empty() {
        return Ok(Written::without_effects(AddedUser::WouldOwn(owned)));
    }
    let epoch = meta::next_epoch(session).await?;
    session.run(ADD, values![&user.name, user.password_hash, user.admin, epoch, now]).await?;
    Ok(Written::with(Effects::POLICY, AddedUser::Added))
}

pub(super) async fn exists<S: Session>(session: &mut S, name: &AccountName) -> Result<bool, StorageError> {
    Ok(session.first(EXISTS, values![name]).await?.is_some())
}

/// The user in a row with every column of `users`.
pub(super) fn read<R: Columns>(found: &R) -> Result<UserRecord, StorageError> {
    Ok(UserRecord {
        name: found.parsed("name")?,
        password_hash: found.text("password_hash")?.to_owned(),
        admin: found.boolean("admin")?,
        disabled: found.boolean("disabled")?,
        epoch: found.integer("epoch")?,
        created_at: found.integer("created_at")?,
        failures: login_failures::read(found)?,
    })
}
