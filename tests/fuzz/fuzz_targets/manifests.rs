//! Manifests: bytes that claim to be one, with and without a Content-Type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::oci::manifest::{DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, Kind, OCI_INDEX, OCI_MANIFEST};
use portcullis::domain::{Manifest, MediaType};

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let types = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST];
    let header: Option<MediaType> = types.get(usize::from(choice % 5)).and_then(|text| text.parse().ok());
    if let Ok(manifest) = Manifest::parse(header.as_ref(), bytes) {
        assert!(header.is_none_or(|header| header == *manifest.media_type()));
        assert_eq!(Kind::of(manifest.media_type()), Some(manifest.kind()));
        match manifest.kind() {
            Kind::Image => assert!(manifest.children().is_empty()),
            Kind::Index => assert_eq!(manifest.blobs().count(), 0),
        }
    }
});
