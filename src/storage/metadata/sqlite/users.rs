//! Users. Their epochs come from one counter, so that a user made anew never gets an old one.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, grants, login_failures, now, policy, repositories, row};
use crate::domain::{AccountName, Grantee};
use crate::storage::StorageError;
use crate::storage::metadata::{AddedUser, NewUser, UserRecord, Users};

statements! {
    ADD = "INSERT INTO users (name, password_hash, admin, epoch, created_at) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT name, password_hash, admin, disabled, epoch, created_at, failed_at, failed_in_row
        FROM users WHERE name = $1";
    USERS = "SELECT name, password_hash, admin, disabled, epoch, created_at, failed_at, failed_in_row
        FROM users ORDER BY name";
    EXISTS = "SELECT 1 FROM users WHERE name = $1";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, epoch = $3, failed_at = NULL, failed_in_row = 0 WHERE name = $1";
    REHASH = "UPDATE users SET password_hash = $3 WHERE name = $1 AND password_hash = $2";
    DISABLE = "UPDATE users SET disabled = 1, epoch = $2 WHERE name = $1";
    ENABLE = "UPDATE users SET disabled = 0 WHERE name = $1";
    REMOVE = "DELETE FROM users WHERE name = $1";
}

#[async_trait]
impl Users for SqliteMetadata {
    async fn add_user(&self, user: NewUser, owns_nothing: bool) -> Result<AddedUser, StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                if exists(connection, &user.name).await? {
                    return Ok(AddedUser::NameTaken);
                }
                let owned = if owns_nothing { repositories::below(connection, &user.name).await? } else { Vec::new() };
                if !owned.is_empty() {
                    return Ok(AddedUser::WouldOwn(owned));
                }
                let epoch = policy::next_epoch(connection).await?;
                sqlx::query(ADD)
                    .bind(user.name.as_str())
                    .bind(user.password_hash)
                    .bind(user.admin)
                    .bind(epoch)
                    .bind(now())
                    .execute(&mut *connection)
                    .await?;
                policy::bump(connection).await?;
                Ok(AddedUser::Added)
            })
        })
        .await
    }

    async fn user(&self, name: &AccountName) -> Result<Option<UserRecord>, StorageError> {
        sqlx::query(FIND).bind(name.as_str()).fetch_optional(&self.readers).await?.as_ref().map(read).transpose()
    }

    async fn users(&self) -> Result<Vec<UserRecord>, StorageError> {
        sqlx::query(USERS).fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    async fn set_password(&self, name: &AccountName, password_hash: String) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                if !exists(connection, &name).await? {
                    return Ok(false);
                }
                let epoch = policy::next_epoch(connection).await?;
                let set = sqlx::query(SET_PASSWORD).bind(name.as_str()).bind(password_hash).bind(epoch);
                set.execute(&mut *connection).await?;
                policy::bump(connection).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn rehash_password(&self, name: &AccountName, old: &str, new: String) -> Result<bool, StorageError> {
        let (name, old) = (name.clone(), old.to_owned());
        self.write(move |connection| {
            Box::pin(async move {
                let rehashed = sqlx::query(REHASH).bind(name.as_str()).bind(old).bind(new).execute(connection).await?;
                Ok(rehashed.rows_affected() > 0)
            })
        })
        .await
    }

    async fn set_disabled(&self, name: &AccountName, disabled: bool) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                if !exists(connection, &name).await? {
                    return Ok(false);
                }
                if disabled {
                    let epoch = policy::next_epoch(connection).await?;
                    sqlx::query(DISABLE).bind(name.as_str()).bind(epoch).execute(&mut *connection).await?;
                } else {
                    sqlx::query(ENABLE).bind(name.as_str()).execute(&mut *connection).await?;
                }
                policy::bump(connection).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn remove_user(&self, name: &AccountName) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let removed = sqlx::query(REMOVE).bind(name.as_str()).execute(&mut *connection).await?;
                if removed.rows_affected() == 0 {
                    return Ok(false);
                }
                grants::remove_all(connection, &Grantee::User(name)).await?;
                policy::bump(connection).await?;
                Ok(true)
            })
        })
        .await
    }
}

pub(super) async fn exists(connection: &mut SqliteConnection, name: &AccountName) -> Result<bool, StorageError> {
    Ok(sqlx::query(EXISTS).bind(name.as_str()).fetch_optional(connection).await?.is_some())
}

fn read(found: &SqliteRow) -> Result<UserRecord, StorageError> {
    Ok(UserRecord {
        name: row::parsed(found, "name")?,
        password_hash: found.try_get("password_hash")?,
        admin: found.try_get("admin")?,
        disabled: found.try_get("disabled")?,
        epoch: found.try_get("epoch")?,
        created_at: found.try_get("created_at")?,
        failures: login_failures::read(found)?,
    })
}
