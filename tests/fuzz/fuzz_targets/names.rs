//! Names: what is accepted comes back as it was, and is safe wherever a name stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::net::host_port::HostPort;
use portcullis::domain::{AccountName, RepositoryName, Tag, UploadId};

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<RepositoryName>() {
        assert_eq!(name.as_str(), text);
        assert!(text.len() <= 255 && !text.contains("..") && !text.contains("//"));
        assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b)));
        assert!(name.segments().all(|segment| !segment.is_empty()));
    }
    if let Ok(name) = text.parse::<AccountName>() {
        // A user owns NAME/**, so a user's name must be a component of a repository's.
        assert!(text.len() > 255 || name.as_str().parse::<RepositoryName>().is_ok());
        assert!(!text.contains('/'));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert_eq!(tag.as_str(), text);
        assert!(text.len() <= 128 && !text.contains(['/', ':', '@']));
    }
    if let Ok(id) = text.parse::<UploadId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(host) = text.parse::<HostPort>() {
        assert!(!host.to_string().contains(['\'', '"', '/', ' ', ';', '$', '`', '\\']));
    }
});
