//! What policy says of one account: its row, the grants that apply to it, and the version, from one snapshot.

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, values};
use super::{SqlMetadata, grants, users};
use crate::domain::Grantee;
use crate::storage::StorageError;
use crate::storage::metadata::{AccountPolicies, AccountPolicy};

statements! {
    /// One row in any case; without a name where the account does not exist.
    ACCOUNT_AND_VERSION = "SELECT m.policy_version, u.name, u.password_hash, u.admin, u.disabled, u.epoch, u.created_at, u.failed_at, u.failed_in_row
        FROM meta m LEFT JOIN users u ON u.name = $1 WHERE m.id = 1";
    GRANTS_OF = "SELECT g.grantee, g.pattern, g.can_pull, g.can_push, g.can_delete
        FROM json_each($1) j CROSS JOIN grants g WHERE g.grantee = j.value";
}

#[async_trait]
impl<E: Engine> AccountPolicies for SqlMetadata<E> {
    async fn account_policy(&self, grantee: &Grantee) -> Result<AccountPolicy, StorageError> {
        let grantee = grantee.clone();
        self.engine.snapshot(move |session| Box::pin(read(session, grantee))).await
    }
}

async fn read<S: Session>(session: &mut S, grantee: Grantee) -> Result<AccountPolicy, StorageError> {
    let account = match &grantee {
        Grantee::User(name) => name.as_str(),
        // No account has an empty name.
        _ => "",
    };
    let found = only(session, ACCOUNT_AND_VERSION, values![account]).await?;
    let version = found.integer("policy_version")?;
    let user = found.optional_text("name")?.is_some().then(|| users::read(&found)).transpose()?;
    let found = session.all(GRANTS_OF, values![list(applying_to(grantee))]).await?;
    Ok(AccountPolicy { version, user, grants: found.iter().map(grants::read).collect::<Result<_, _>>()? })
}

/// Those whose grants the grantee has, each once.
fn applying_to(grantee: Grantee) -> Vec<Grantee> {
    match grantee {
        Grantee::Anonymous => vec![Grantee::Anonymous],
        Grantee::Authenticated => vec![Grantee::Anonymous, Grantee::Authenticated],
        account => vec![Grantee::Anonymous, Grantee::Authenticated, account],
    }
}
