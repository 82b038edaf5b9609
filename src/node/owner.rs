//! Root acts as the owner of a data directory.
//!
//! A command that root runs in the directory of a service's user would follow links that this user made, and leave files that the
//! service cannot read. So it switches to the user and group of the directory's owner before it touches anything there. Files that only
//! root can read are read before that.

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context as _, bail};
use nix::unistd::{Gid, Uid, User, getgrouplist, setgid, setgroups, setuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};

/// Exchanges the privileges of root for those of the directory's owner, in the whole process. Does nothing if this is not root, or if
/// root owns the directory. One that does not exist yet belongs to the owner of the directory that it is created in.
pub(crate) fn act_as_owner(directory: &Path) -> anyhow::Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(owner) = owner(directory)? else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    become_user(uid, gid).with_context(|| {
        format!(
            "cannot act as the user {uid}, who owns {}: run this command as that user, or make root the owner (chown -R 0:0 {})",
            directory.display(),
            directory.display()
        )
    })?;
    tracing::debug!(%uid, %gid, "acting as the owner of the data directory");
    Ok(())
}

/// The metadata of the directory, if its owner is not root. A link is only followed if root owns it.
fn owner(directory: &Path) -> anyhow::Result<Option<Metadata>> {
    let seen = fs::symlink_metadata(directory)
        .and_then(|meta| if meta.is_symlink() && meta.uid() == 0 { fs::metadata(directory) } else { Ok(meta) });
    match seen {
        Ok(meta) => Ok((meta.uid() != 0).then_some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => owner(parent),
            _ => Ok(None),
        },
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot examine {}", directory.display())),
    }
}

fn become_user(uid: Uid, gid: Gid) -> anyhow::Result<()> {
    setgroups(&groups(uid, gid))?;
    setgid(gid)?;
    // If root may bind ports below 1024, its command still may.
    let kept = set_keep_capabilities(true);
    setuid(uid)?;
    if kept.is_ok() {
        let binding = CapabilitySet::NET_BIND_SERVICE;
        let only = CapabilitySets { effective: binding, permitted: binding, inheritable: CapabilitySet::empty() };
        let none = CapabilitySets { effective: CapabilitySet::empty(), permitted: CapabilitySet::empty(), ..only };
        // A container may have dropped this capability from root too.
        set_capabilities(None, only).or_else(|_| set_capabilities(None, none))?;
    }
    if Uid::effective() != uid || setuid(Uid::from_raw(0)).is_ok() {
        bail!("the system did not drop the privileges of root");
    }
    Ok(())
}

/// The groups of the user, so that a key which is readable by one of them can be read; for an unknown user, only the group.
fn groups(uid: Uid, gid: Gid) -> Vec<Gid> {
    let user = User::from_uid(uid).ok().flatten().and_then(|user| CString::new(user.name).ok());
    let of_user = user.and_then(|name| getgrouplist(&name, gid).ok());
    // A system user may be in the group of root; that would keep some of its privileges.
    of_user.map_or_else(
        || vec![gid],
        |groups| groups.into_iter().filter(|group| *group == gid || group.as_raw() != 0).collect(),
    )
}
