//! The key that encrypts the secrets in the database, which a registry keeps wherever it moves: tokens stay valid, and the target's
//! configuration says where its nodes look for the key.

use anyhow::bail;

use super::side::Side;
use crate::node::secrets;

/// Puts the key of the source where the target looks for it. Refused if there is another one.
pub(super) async fn bring(source: &Side, target: &Side) -> anyhow::Result<()> {
    let key = secrets::data_key(&source.config, &source.data, &*source.metadata).await?;
    let Some(found) = secrets::kept_key(&target.config, &target.data)? else {
        return secrets::keep_key(&target.config, &target.data, &key);
    };
    if found.check_value() == key.check_value() {
        return Ok(());
    }
    let (from, to) = (secrets::key_file(&source.config, &source.data), secrets::key_file(&target.config, &target.data));
    bail!(
        "the key in {} is not the one of this registry, which is in {}, and the registry keeps its key when it moves. Remove the former \
         if nothing needs it, or let secrets.key_file in the target's configuration name another file: the key is put there",
        to.display(),
        from.display()
    )
}
