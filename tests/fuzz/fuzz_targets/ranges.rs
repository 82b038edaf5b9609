//! Ranges of downloads, and of chunks of uploads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::{ByteRange, ContentRange};

fuzz_target!(|input: (&str, u64)| {
    let (text, length) = input;
    if let Some(range) = ByteRange::from_header(text)
        && let Ok(bytes) = range.within(length)
    {
        assert!(bytes.start < bytes.end && bytes.end <= length);
    }
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.length() >= 1);
        assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
    }
});
