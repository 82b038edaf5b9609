//! The values of the OCI specifications: names, tags, digests, descriptors, manifests, ranges.

pub mod byte_range;
pub mod descriptor;
pub mod descriptor_type;
pub mod digest;
pub mod hasher;
pub mod image_name;
pub mod manifest;
pub mod media_type;
pub mod name_range;
pub mod precondition;
pub mod reference;
pub mod repository_name;
pub mod strict_json;
pub mod tag;
pub mod upload_id;

pub use byte_range::{ByteRange, ContentRange};
pub use descriptor::Descriptor;
pub use descriptor_type::DescriptorType;
pub use digest::{Algorithm, Digest};
pub use hasher::Hasher;
pub use image_name::ImageName;
pub use manifest::Manifest;
pub use media_type::MediaType;
pub use name_range::NameRange;
pub use precondition::Precondition;
pub use reference::Reference;
pub use repository_name::RepositoryName;
pub use tag::Tag;
pub use upload_id::UploadId;
