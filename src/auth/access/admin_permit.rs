//! The permit to administer: users, grants, and every repository.

use std::io;
use std::os::fd::AsFd;

use nix::unistd::{Uid, User};
use rustix::fs::{Access, AtFlags, accessat};

use super::actor::Actor;

/// The proof that its holder may administer the registry. Made by [`crate::auth::Policy::authorize_administration`] for an administrator, and by
/// [`Self::local_operator`] for the operator at the command line.
#[derive(Debug)]
pub struct AdminPermit {
    actor: Actor,
}

impl AdminPermit {
    /// For policy alone.
    pub(super) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// The permit of the operator who runs a command on an open data directory. Anyone who may write there may change the database by
    /// hand, so this asks for that permission of the file system, by the open handle, and for nothing else.
    pub fn local_operator(data_directory: impl AsFd) -> io::Result<Self> {
        let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        accessat(data_directory, ".", access, AtFlags::EACCESS)?;
        Ok(Self::new(Actor::operator(os_user(Uid::effective()))))
    }

    /// Who administers.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// The user's name; its number if the system knows no name.
fn os_user(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::auth::{CredentialId, Principal};

    #[test]
    fn the_operator_is_the_user_of_the_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let permit = AdminPermit::local_operator(File::open(directory.path()).expect("open")).expect("ours");
        assert!(matches!(permit.actor().principal(), Principal::Operator { user } if !user.is_empty()));
        assert_eq!(permit.actor().credential(), &CredentialId::DataDirectory);
        assert_eq!((permit.actor().address(), permit.actor().request_id()), (None, None));
    }

    #[test]
    fn a_file_and_a_directory_that_may_not_be_written_give_no_permit() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("write");
        assert!(AdminPermit::local_operator(File::open(&file).expect("open")).is_err());
        let handle = File::open(directory.path()).expect("open");
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).expect("chmod");
        // Root may write everywhere.
        assert_eq!(AdminPermit::local_operator(&handle).is_ok(), Uid::effective().is_root());
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("chmod");
    }
}
