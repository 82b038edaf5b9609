//! The values of the protocol and of policy: names, digests, references, grants. Pure: nothing here does I/O.
//!
//! Every value is parsed once, at the edge; after that no raw string identifies anything.

pub mod access;
pub mod amount;
pub mod build_time;
pub mod clock;
pub mod net;
pub mod oci;
pub mod over_quota;
pub mod retention;
pub mod time_span;

pub use access::{
    AccountName, AccountPattern, Action, Actions, CertificateField, ClientCertificate, Glob, Grantee, ImmutableRule,
    ImmutableRules, TagPattern, TagProtection, Unnamed, UserRule,
};
pub use amount::Amount;
pub use clock::{Clock, ManualClock};
pub use net::{Fingerprint, HostName, HostPort, Network};
pub use oci::{
    Algorithm, ByteRange, ContentRange, Descriptor, DescriptorType, Digest, Hasher, ImageName, Manifest, MediaType,
    NameRange, Precondition, Reference, RepositoryName, Tag, UploadId,
};
pub use over_quota::OverQuota;
pub use time_span::TimeSpan;
