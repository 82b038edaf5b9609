//! Which endpoint a path names. Repository names contain slashes, so the path is read from its tail.
//!
//! No name has an alias: an encoded octet is refused in names, and in the last component only `%3A` is read (as the colon of a
//! digest).

use crate::domain::RepositoryName;
use crate::domain::oci::repository_name::InvalidRepositoryName;

/// What the paths of the scripts by which hosts trust the registry begin with.
const TRUST_SCRIPTS: &str = "/.well-known/portcullis/trust/";

/// The endpoints, without the parameters in their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/`
    Index,
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags,
    /// `/v2/<name>/manifests/<reference>`
    Manifest,
    /// `/v2/<name>/blobs/<digest>`
    Blob,
    /// `/v2/<name>/blobs/uploads/`
    Uploads,
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload,
    /// `/v2/<name>/referrers/<digest>`
    Referrers,
    /// `/v1/search`
    Search,
    /// `/auth/token`
    Token,
    /// `/.well-known/jwks.json`
    Jwks,
    /// `/.well-known/portcullis/ca.pem`
    Ca,
    /// `/.well-known/portcullis/rotation.pem`
    Rotation,
    /// `/.well-known/portcullis/trust/<version>`
    TrustScript,
    /// `/health/live`
    Live,
    /// `/health/ready`
    Ready,
}

impl Endpoint {
    /// The path as it is written in documentation.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Ping => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Tags => "/v2/<name>/tags/list",
            Self::Manifest => "/v2/<name>/manifests/<reference>",
            Self::Blob => "/v2/<name>/blobs/<digest>",
            Self::Uploads => "/v2/<name>/blobs/uploads/",
            Self::Upload => "/v2/<name>/blobs/uploads/<id>",
            Self::Referrers => "/v2/<name>/referrers/<digest>",
            Self::Search => "/v1/search",
            Self::Token => "/auth/token",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Ca => "/.well-known/portcullis/ca.pem",
            Self::Rotation => "/.well-known/portcullis/rotation.pem",
            Self::TrustScript => "/.well-known/portcullis/trust/<version>",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
        }
    }
}

/// A path that names an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which one.
    pub endpoint: Endpoint,
    /// The repository, on endpoints that have one.
    pub repository: Option<RepositoryName>,
    /// The last component of the path (reference, digest, upload), not parsed yet; empty on endpoints that have none.
    pub last: String,
}

/// A path that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// Unknown path.
    Unknown,
    /// The part that should be a repository's name is none.
    InvalidName(InvalidRepositoryName),
}

impl Route {
    /// Reads a request's path (still percent-encoded, without the query).
    pub fn parse(path: &str) -> Result<Self, NoRoute> {
        let fixed = match path {
            "/" => Some(Endpoint::Index),
            "/v2" | "/v2/" => Some(Endpoint::Ping),
            "/v2/_catalog" => Some(Endpoint::Catalog),
            "/v1/search" => Some(Endpoint::Search),
            "/auth/token" => Some(Endpoint::Token),
            "/.well-known/jwks.json" => Some(Endpoint::Jwks),
            "/.well-known/portcullis/ca.pem" => Some(Endpoint::Ca),
            "/.well-known/portcullis/rotation.pem" => Some(Endpoint::Rotation),
            "/health/live" => Some(Endpoint::Live),
            "/health/ready" => Some(Endpoint::Ready),
            _ => None,
        };
        match fixed {
            Some(endpoint) => Ok(Self { endpoint, repository: None, last: String::new() }),
            None => match path.strip_prefix(TRUST_SCRIPTS) {
                Some(version) => {
                    Ok(Self { endpoint: Endpoint::TrustScript, repository: None, last: version.to_owned() })
                }
                None => Self::parse_in_repository(path.strip_prefix("/v2/").ok_or(NoRoute::Unknown)?),
            },
        }
    }

    fn parse_in_repository(path: &str) -> Result<Self, NoRoute> {
        let (head, last) = path.rsplit_once('/').ok_or(NoRoute::Unknown)?;
        let (name, endpoint) = if let Some(name) = head.strip_suffix("/blobs/uploads") {
            (name, if last.is_empty() { Endpoint::Uploads } else { Endpoint::Upload })
        } else if let Some(name) = head.strip_suffix("/manifests") {
            (name, Endpoint::Manifest)
        } else if let Some(name) = head.strip_suffix("/blobs") {
            (name, if last == "uploads" { Endpoint::Uploads } else { Endpoint::Blob })
        } else if let Some(name) = head.strip_suffix("/referrers") {
            (name, Endpoint::Referrers)
        } else if let Some(name) = head.strip_suffix("/tags").filter(|_| last == "list") {
            (name, Endpoint::Tags)
        } else {
            return Err(NoRoute::Unknown);
        };
        let repository = name.parse().map_err(NoRoute::InvalidName)?;
        let last = if last.contains('%') { last.replace("%3A", ":").replace("%3a", ":") } else { last.to_owned() };
        Ok(Self { endpoint, repository: Some(repository), last })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(path: &str) -> Option<(Endpoint, String, String)> {
        let route = Route::parse(path).ok()?;
        Some((route.endpoint, route.repository.map(|n| n.to_string()).unwrap_or_default(), route.last))
    }

    fn at(endpoint: Endpoint, name: &str, last: &str) -> (Endpoint, String, String) {
        (endpoint, name.to_owned(), last.to_owned())
    }

    #[test]
    fn paths_are_read_from_their_tail() {
        assert_eq!(parse("/v2/a/manifests/latest"), Some(at(Endpoint::Manifest, "a", "latest")));
        assert_eq!(parse("/v2/a/b/c/blobs/sha256:00"), Some(at(Endpoint::Blob, "a/b/c", "sha256:00")));
        assert_eq!(parse("/v2/a/blobs/sha256%3A00"), Some(at(Endpoint::Blob, "a", "sha256:00")));
        assert_eq!(parse("/v2/a/blobs/uploads/"), Some(at(Endpoint::Uploads, "a", "")));
        assert_eq!(parse("/v2/a/blobs/uploads"), Some(at(Endpoint::Uploads, "a", "uploads")));
        assert_eq!(parse("/v2/a/blobs/uploads/x"), Some(at(Endpoint::Upload, "a", "x")));
        assert_eq!(parse("/v2/a/tags/list"), Some(at(Endpoint::Tags, "a", "list")));
        assert_eq!(parse("/v2/a/referrers/x"), Some(at(Endpoint::Referrers, "a", "x")));
        assert_eq!(parse("/v2/"), Some(at(Endpoint::Ping, "", "")));
        assert_eq!(parse("/.well-known/portcullis/trust/1"), Some(at(Endpoint::TrustScript, "", "1")));
    }

    #[test]
    fn repositories_may_be_called_like_endpoints() {
        assert_eq!(
            parse("/v2/manifests/manifests/manifests/x"),
            Some(at(Endpoint::Manifest, "manifests/manifests", "x"))
        );
        assert_eq!(parse("/v2/blobs/uploads/blobs/uploads/"), Some(at(Endpoint::Uploads, "blobs/uploads", "")));
        assert_eq!(parse("/v2/tags/list/tags/list"), Some(at(Endpoint::Tags, "tags/list", "list")));
    }

    #[test]
    fn nothing_has_an_alias() {
        for path in [
            "/v2/a%2fb/tags/list",
            "/v2/%61/tags/list",
            "/v2/a/../b/tags/list",
            "/v2//a/tags/list",
            "/v2/a//tags/list",
            "/v2/A/tags/list",
            "/v2/tags/list",
            "/v2/manifests/x",
            "//v2/a/tags/list",
            "/v2/a/tags/list/",
            "/v2/a/tags",
            "/v1/_ping",
            "/v3/",
            "",
            "/v2/_catalog/",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_panic(path in "\\PC*") {
            let _ = Route::parse(&path);
        }

        #[test]
        fn a_name_comes_back_as_it_was(name in "[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,5}", last in "[a-z0-9]{1,9}") {
            prop_assert_eq!(parse(&format!("/v2/{name}/manifests/{last}")), Some(at(Endpoint::Manifest, &name, &last)));
        }
    }
}
