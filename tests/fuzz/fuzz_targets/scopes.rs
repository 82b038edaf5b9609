//! Scopes of the token endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::auth::Scope;

fuzz_target!(|text: &str| {
    if let Some(scope) = Scope::parse(text) {
        assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
    }
    assert!(Scope::parse_all(text.split('\n')).len() <= 32);
});
