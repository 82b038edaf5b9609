//! A descriptor: how one piece of content names another.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

use crate::domain::{DescriptorType, Digest, MediaType};

/// A content descriptor (OCI image specification, "Content Descriptors"), of which the registry needs these fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of content it is.
    pub media_type: DescriptorType,
    /// Which content it is.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// The kind of artifact, on referrers.
    pub artifact_type: Option<String>,
    /// Free text by key.
    #[serde(default, deserialize_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
    /// Where else the content may be had; never fetched by the registry.
    pub urls: Option<Vec<String>>,
}

/// Go writes `null` for a map that has nothing in it, and reads it as an empty text instead of a value.
pub(in crate::domain) fn annotations<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let read = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(read.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

macro_rules! from_text {
    ($($value:ty),+) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

from_text!(Digest, DescriptorType, MediaType);
