//! Paths of requests: none has an alias.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::http::v2::route::Route;

fuzz_target!(|path: &str| {
    if let Ok(route) = Route::parse(path)
        && let Some(name) = route.repository
    {
        assert!(path.starts_with(&format!("/v2/{name}/")), "{path} is not spelled like {name}");
    }
});
