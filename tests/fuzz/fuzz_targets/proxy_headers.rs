//! Headers of the PROXY protocol: whatever comes, it names one client, none, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::net::proxy_header::{FIXED, LONGEST_REST, TEXT, parse_binary, parse_text, rest_of_binary};

fuzz_target!(|header: &[u8]| {
    if let Ok(client) = parse_text(header) {
        assert!(header.starts_with(TEXT) && header.ends_with(b"\r\n"));
        assert!(client.is_none_or(|client| client.ip() == client.ip().to_canonical()));
    }
    if let Some((fixed, rest)) = header.split_first_chunk::<FIXED>() {
        let told = rest_of_binary(fixed);
        assert!(told.is_err() || told.is_ok_and(|length| length <= LONGEST_REST));
        let client = parse_binary(fixed, rest);
        assert!(client.is_err() || told == Ok(rest.len()));
    }
});
