//! `[limits]`: how large and how many things may be that clients send or ask for.

use crate::config::{
    ByteSize,
    checks::{unless_none, within},
    definition::settings,
};
use crate::domain::Glob;

settings! {
    /// The section `[limits]`.
    LimitSettings {
        /// The largest manifest that is accepted, from 64KiB to 64MiB. The specification asks every registry for 4MiB.
        manifest_size: ByteSize = ByteSize::mib(4), within(ByteSize::kib(64)..=ByteSize::mib(64));

        /// How many layers, or images of an index, one manifest may list, from 100 to 50000.
        manifest_descriptors: usize = 2000, within(100..=50_000);

        /// Repositories that accept an index before the images that it lists, or without them, such as ["mirror/**"]: for
        /// mirrors that copy only some platforms. Images that are pushed later become part of the index. Elsewhere such an
        /// index is refused ("400 MANIFEST_BLOB_UNKNOWN"). Empty: nowhere.
        sparse_indexes: Vec<Glob> = Vec::new();

        /// The largest layer that is accepted, such as "20GiB". "none": as large as the disk allows.
        blob_size: Option<ByteSize> = None, unless_none(within(ByteSize::mib(1)..=ByteSize::tib(1024)));

        /// How many tags one manifest may be given in a single push, at least 10.
        tags_per_push: usize = 32, within(10..=1000);

        /// The longest page of a list (tags, repositories), up to 1000. Clients follow the pages by themselves.
        page_size: u32 = 1000, within(1..=1000);

        /// How many uploads may be writing at the same time; more wait for their turn. An upload that waits for its client
        /// does not count. One account (or one address, for clients that have not logged in) writes with a quarter of
        /// these, and has at most this many uploads under way; four times as many may be under way in all. More are
        /// answered "429 Too Many Requests".
        concurrent_uploads: usize = 1024, within(1..=100_000);

        /// How many unfinished uploads one account may have open, or one address without an account. More are answered
        /// "429 Too Many Requests"; unfinished ones expire after storage.upload_expiry.
        uploads_per_account: u32 = 1000, within(1..=1_000_000);

        /// How much memory may hold manifests and login forms while they arrive, and manifests that wait to be sent. One
        /// account, and all clients that have not logged in together, get at most a quarter of it (or one manifest of
        /// limits.manifest_size). More is answered "429 Too Many Requests" or "503 Service Unavailable" and tried again by
        /// the client.
        body_memory: ByteSize = ByteSize::mib(32), within(ByteSize::mib(4)..=ByteSize::tib(1));
    }
}
