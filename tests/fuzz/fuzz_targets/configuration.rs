//! Configuration files.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use portcullis::config::{Config, Environment, Overrides};

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("/etc/portcullis/portcullis.toml");
    if let Err(errors) = Config::parse(path, bytes, &Overrides::default(), &Environment::default()) {
        assert!(!errors.to_string().is_empty());
    }
});
