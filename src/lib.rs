//! Portcullis, a self-hosted registry for container images: TLS, tokens and rights from the first start.
//!
//! # The house
//!
//! ```text
//! main -> cli -> server -> { http, tls } -> registry -> { auth, storage } -> domain
//!         cli -> trust -> { tls, domain }
//! ```
//!
//! Dependencies point down only; `config` stands beside them and knows `domain` alone. A test reads every `use crate::` and
//! fails on any other edge.
//!
//! | module | what it is for |
//! |---|---|
//! | [`domain`] | values that are valid by construction: names, tags, digests, manifests, ranges, grants' patterns |
//! | [`config`] | what the operator wrote, checked, with the source of every value |
//! | [`storage`] | blobs as files, everything else in a database; small traits, one contract suite |
//! | [`auth`] | who someone is and what they may do; the only place that makes permits |
//! | [`registry`] | the use cases: pull, push, upload, mount, delete, list, referrers; each takes a permit |
//! | [`http`] | the wire: one table of routes, extractors, one mapping of failures |
//! | [`tls`] | the certificate authority, the served certificate, its renewal, ACME; whose client certificates count |
//! | [`trust`] | the client's side: a registry's CA fetched, checked against its pin, installed and removed; what keeps a host from it |
//! | [`server`] | the accept loop: limits, timeouts, draining |
//! | [`cli`] | one file per command |
//!
//! Three rules carry the rest. *Parse at the edge*: after [`http`] no raw string names anything. *Permission is a value*:
//! [`auth::Authorized`] is made by [`auth::Policy`] alone and names its repository, so a use case cannot be reached without it.
//! *The database is the truth*: a blob that no row names does not exist, whatever lies on the disk.
//!
//! # One login
//!
//! `docker login localhost:5000` pings `GET /v2/`. The accept loop ([`server`]) ends TLS and hands the request to
//! [`http::router`], whose table leads to the ping handler. Its extractor finds no credential and answers 401 with a challenge
//! that names the token endpoint under the host and port that the client used. Docker asks `GET /auth/token` with its password as
//! Basic credentials; [`auth::Authenticator::password`] reads the user's row and verifies Argon2id away from the async threads,
//! a few at a time; after too many wrong passwords for the name or from the address it waits, unless that password is known from
//! there. For a minute it is remembered, and costs no more than a token: docker's containerd store and BuildKit are asked for it
//! with every request, because they fetch no token from a host that they know by `certs.d` alone. No scope was asked for, so the token has none: ES256, five minutes, signed with a key that lies sealed in the
//! database. Docker pings again with the token; its signature is verified once and remembered until it expires.
//!
//! # One push
//!
//! `docker push localhost:5000/alice/app:v1` asks for a token with `repository:alice/app:pull,push`;
//! [`auth::Authenticator::issue`] cuts that down to what [`auth::Policy`] allows alice. For each layer: `HEAD` the blob (404),
//! `POST` a session, `PATCH` its bytes, `PUT` its digest.
//!
//! - `POST`: the extractor asks policy for an [`auth::Authorized`]`<Push>`; [`registry::Registry::begin_upload`] stores a session that
//!   belongs to this repository and to alice. Nobody else finds it.
//! - `PATCH`: [`registry::UploadSession::append`] lets the blob store write and hash in one pass off the async threads, then stores
//!   length and hash state, so that the session goes on after a restart without reading anything back.
//! - `PUT`: [`registry::UploadSession::commit`] compares the digest, makes the file durable (fdatasync, rename, fsync of the
//!   directory), and links it to the repository in one transaction. Only then is the answer 201.
//!
//! The manifest comes last: [`domain::Manifest`] is parsed, and one transaction checks that everything it refers to is in the
//! repository, stores the bytes as they came, and moves the tag. Writers share commits: many transactions, one fsync.
//!
//! # One pull
//!
//! `GET /v2/alice/app/manifests/v1`: an [`auth::Authorized`]`<Pull>` from the remembered token, then the manifest from memory, where
//! an entry counts as long as its repository has the generation that it was read at; the database was asked for that at most 250 ms
//! ago. Each blob: the row (repository, digest) is read, which is
//! the right to read the file; then 256 KiB reads off the async threads.
//!
//! # One certificate
//!
//! [`tls::IdentitySource`] finds what is to be served: the configured files, ACME's, the imported one, or the registry's own under
//! [`tls::Authority`]. [`tls::keep_fresh`] looks at the files, renews our own at two thirds of its life, and puts each new one into
//! [`tls::ServingIdentity`], which every new handshake asks; connections that are open keep theirs. After `ca rotate` the chain
//! carries a certificate of the new root that the old one has signed: clients that trust either find their way, and
//! [`trust`] takes it for the statement by which a host moves over. With [`tls::acme`] the authority's questions are answered in
//! the same handshakes ([`tls::Acceptor`]); with client certificates, [`tls::ClientVerifier`] says whom a connection stands for, and
//! the extractors of [`http`] take that where a request brings no credentials of its own.

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod doctor;
pub mod domain;
mod guide;
pub mod http;
pub mod node;
pub mod pki;
pub mod registry;
pub mod server;
pub mod storage;
pub mod telemetry;
pub mod tls;
pub mod trust;
