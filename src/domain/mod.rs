//! The values of the protocol and of policy: names, digests, references, grants. Pure: nothing here does I/O.
//!
//! Every value is parsed once, at the edge; after that no raw string identifies anything.

pub mod account_name;
pub mod account_pattern;
pub mod action;
pub mod build_time;
pub mod byte_range;
pub mod client_certificate;
pub mod clock;
pub mod descriptor;
pub mod descriptor_type;
pub mod digest;
pub mod finding;
pub mod glob;
pub mod grantee;
pub mod hasher;
pub mod host_port;
pub mod manifest;
pub mod media_type;
pub mod name_range;
pub mod network;
pub mod peer_address;
pub mod proxy_header;
pub mod reference;
pub mod repository_name;
pub mod strict_json;
pub mod tag;
pub mod trust_command;
pub mod trust_script;
pub mod upload_id;
pub mod user_rule;

pub use account_name::AccountName;
pub use account_pattern::AccountPattern;
pub use action::{Action, Actions};
pub use byte_range::{ByteRange, ContentRange};
pub use client_certificate::ClientCertificate;
pub use clock::{Clock, ManualClock};
pub use descriptor::Descriptor;
pub use descriptor_type::DescriptorType;
pub use digest::{Algorithm, Digest};
pub use glob::Glob;
pub use grantee::Grantee;
pub use hasher::Hasher;
pub use manifest::Manifest;
pub use media_type::MediaType;
pub use name_range::NameRange;
pub use network::Network;
pub use reference::Reference;
pub use repository_name::RepositoryName;
pub use tag::Tag;
pub use upload_id::UploadId;
pub use user_rule::{CertificateField, Unnamed, UserRule};
