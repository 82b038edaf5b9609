//! References and digests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::{Digest, MediaType, Reference};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert!(digest.hex().bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        assert_eq!(digest.hex().len(), digest.algorithm().hex_length());
    }
    if let Ok(media_type) = MediaType::from_content_type(text) {
        assert_eq!(media_type.as_str().parse(), Ok(media_type.clone()));
        assert!(!media_type.as_str().contains([';', ' ', '\n', '\r']));
    }
});
