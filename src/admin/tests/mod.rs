//! The use cases against a real database, with a second handle on it where another process would look.

mod grants;
mod repositories;
mod users;

use std::fs::File;
use std::sync::Arc;

use super::{Administration, NewPassword, NewUser};
use jiff::Timestamp;

use crate::auth::AdminPermit;
use crate::config::{AuthSettings, TrashSettings};
use crate::domain::{AccountName, ManualClock};
use crate::storage::metadata::{Metadata, sqlite};

const PASSWORD: &str = "a river under the bridge";

/// Few failed logins lock an account.
fn settings() -> AuthSettings {
    AuthSettings { failures_per_account: 5, ..AuthSettings::default() }
}

/// A registry's administration, and the handle of another process on the same database.
struct Fixture {
    admin: Administration,
    other: Arc<dyn Metadata>,
    permit: AdminPermit,
    time: ManualClock,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: AuthSettings) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let permit = AdminPermit::local_operator(File::open(folder.path()).expect("opens")).expect("ours");
        let time = ManualClock::at(Timestamp::from_second(1_800_000_000).expect("a time"));
        let path = folder.path().join("portcullis.db");
        let open = async || sqlite::open(&path, time.clock()).await.expect("opens");
        let (metadata, other) = (open().await, open().await);
        Self {
            admin: Administration::new(metadata, settings, TrashSettings::default(), time.clock()),
            other,
            permit,
            time,
            _folder: folder,
        }
    }

    async fn add(&self, user: &str) -> AccountName {
        let name = name(user);
        self.admin.add_user(&self.permit, new_user(user)).await.expect("added");
        name
    }
}

fn name(text: &str) -> AccountName {
    text.parse().expect("a name")
}

fn new_user(user: &str) -> NewUser {
    let name = name(user);
    let password = NewPassword::chosen(&name, PASSWORD).expect("a good password");
    NewUser { name, password, admin: false, own_existing: false }
}
