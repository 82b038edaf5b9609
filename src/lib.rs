//! Portcullis, a self-hosted registry for container images: TLS, tokens and permissions from the first start.
//!
//! This page is the map. `portcullis guide` is the operator's guide, `.github/CONTRIBUTING.md` says how to work on the code and where to
//! find what.
//!
//! # The house
//!
//! ```text
//! main -> cli -> { node, admin, doctor, trust, guide }
//!                node -> { server, http, jobs, telemetry }
//!                        http, jobs -> { registry, admin } -> auth -> storage -> domain
//!                                                          server -> tls -> pki -> client
//! ```
//!
//! Dependencies point down only. A test (`tests/it/architecture`) reads every path in the code, re-exports too, and checks each edge.
//!
//! | room | what it is for |
//! |---|---|
//! | [`domain`] | values that are valid by construction: `oci` (names, tags, digests, manifests), `access` (actions, patterns), `net` (host names, networks); the clock |
//! | [`config`] | what the operator wrote, checked, with the source of every value |
//! | [`storage`] | `blobs` as files; `metadata` in a database; `coordination`: what several nodes agree on; `archive`: where backups are kept |
//! | [`auth`] | `credentials`: who; `throttle`: brute-force protection; `access`: what they may; `keys`: what signs tokens |
//! | [`registry`] | the protocol's use cases: pull, push, upload, mount, delete, list, referrers |
//! | [`admin`] | the use cases on users, grants and repositories |
//! | [`jobs`] | the one driver for everything that repeats |
//! | [`client`] | the one bounded HTTPS client, for everything that is asked of other servers |
//! | [`pki`] | makes and keeps certificates: the private CA, ACME, leaf certificates, their files |
//! | [`tls`] | uses them: handshakes, the served certificate, client certificates |
//! | [`trust`] | the client host: a registry's CA fetched, checked against its pin, installed and removed |
//! | [`doctor`] | diagnosis, of this server and of a client host |
//! | [`http`] | the wire: `v2` (the protocol), `auth`, `web` (the browser), `middleware`; one table of routes, one mapping of failures |
//! | [`server`] | the accept loop: limits, timeouts, draining |
//! | [`node`] | one node put together: data directory, first start, stores, wiring, run |
//! | [`telemetry`] | the log, and what keeps it from growing without bound |
//! | [`cli`] | arguments in, text out; one file per noun |
//! | [`guide`] | the operator's guide in Markdown, compiled in |
//!
//! # What may never be
//!
//! What does not hold yet is listed in `tests/it/architecture/to_go.rs`; that list only shrinks.
//!
//! *Parse at the edge.* Behind [`http`] and [`cli`], a repository, tag, digest, account or host name is never a raw string, and no value of
//! [`domain`] is ever invalid. There is never a second parser of the same notion.
//!
//! *Permission is a value.* No use case of [`registry`] or [`admin`] is ever reached without a permit, nothing but [`auth`] ever makes one,
//! and it never outlives its request. A token only ever narrows what its holder may do. No answer ever tells whether a
//! repository exists to someone who may not read it.
//!
//! *The database is the truth.* A blob that no row names is never served, whatever is on the disk, and no request ever lists a
//! directory. What a process keeps in memory never decides by itself: it carries a version or generation that the database confirms.
//! A change is never committed without what follows from it.
//!
//! *Acknowledged is durable.* A 201 is never sent before content and row are on the disk. Bytes are hashed while they
//! arrive and never read back for it, unless a client names another algorithm at the end; they are never stored under a digest that
//! they do not have. A migration that has been released never changes.
//!
//! *Layers keep to themselves.* [`http`] never names [`storage`], not even by a re-export; [`server`] never names [`http`]; [`config`] knows
//! [`domain`] alone, and rooms take their sections of it; a backend's errors never leave the backend; failures become statuses in `http::error` and nowhere else. A command
//! never decides a rule: [`admin`] and [`registry`] do, so that other callers decide the same.
//!
//! *Time is passed in.* Nothing but [`domain`]'s clock ever asks what time it is. Nothing ever repeats outside of [`jobs`], but for loops
//! that belong to one connection or one call.
//!
//! *Nothing is unbounded.* Whatever a client can make larger (connections, bodies, memory, log lines, unfinished uploads) has a limit, and one client
//! never uses it up for everyone. Nothing is ever fetched without limits of time and size.
//!
//! *Secrets stay inside.* A password, token or key is never an argument, never in a log line, and never in a file that others can read.
//! Nothing of the registry is ever served without TLS. `unsafe` code is never accepted.
//!
//! # One login
//!
//! `docker login localhost:5000` pings `GET /v2/`. [`server`] completes the TLS handshake and hands the request to the table of routes
//! in `http::router`, which calls the ping handler. The handler's extractor finds no credential and answers 401 with a challenge that
//! names the token endpoint under the host and port that the client used. Docker then asks `GET /auth/token` with its password as Basic
//! credentials. [`auth::Authenticator`] reads the user's row. `auth::throttle` decides whether the password is verified at all: after too
//! many wrong ones for the name or from the address, only a source that is known keeps working. Argon2id runs off the async threads, a
//! few at a time.
//!
//! A right password is remembered for a minute and then costs no more than a token: docker's containerd store and BuildKit send it with
//! every request, because they fetch no token from a host that they know by `certs.d` alone. No scope was asked for, so the token has
//! none. It is signed with ES256 by a key that is encrypted in the database, and valid for five minutes. Docker pings again with the
//! token; its signature is verified once and remembered until it expires.
//!
//! # One push
//!
//! `docker push localhost:5000/alice/app:v1` asks for a token with `repository:alice/app:pull,push`; [`auth::Authenticator`] cuts that
//! down to what [`auth::Policy`] allows alice. For each layer: `HEAD` the blob (404), `POST` a session, `PATCH` its bytes, `PUT` its
//! digest.
//!
//! - `POST`: the extractor asks policy for an [`auth::Authorized`]`<Push>`. [`registry`] stores a session that belongs to this repository
//!   and to alice; no one else finds it. It is not synced: a power cut may lose a session that has no bytes yet.
//! - `PATCH`: the blob store writes and hashes in one pass, off the async threads, and past the page cache from 32 MiB on. Length and hash
//!   state are then saved with the session, so that it continues after a restart without reading anything back; so is a content that fits
//!   into one small buffer, which has no file yet.
//! - `PUT`: the digest is compared, the file is made durable (fdatasync, rename, fsync of the directory), and one transaction enters the
//!   blob into the repository. Only then is the answer 201.
//!
//! The manifest comes last: [`domain::Manifest`] is parsed, and one transaction checks that everything it refers to is in the
//! repository, stores the bytes as they came, and moves the tag. Writers share commits: many transactions, one fsync.
//!
//! # One deletion
//!
//! `DELETE /v2/alice/app/manifests/v1` asks policy for an [`auth::Authorized`]`<Delete>`. One transaction looks for holds, writes down
//! what the tag pointed to, by whom and until when, makes an entry of the trash, and deletes the tag's row; a manifest that is deleted keeps
//! its row and its references, and is hidden from every statement that reads for clients. As long as the entry is there, the
//! collector keeps what it is about. Restoring is the way back, in one transaction. When its time is over, the job that collects removes the entry
//! and the row, and what only these kept goes through the collector's queue like everything else.
//!
//! # One pull
//!
//! `GET /v2/alice/app/manifests/v1`: the remembered token gives an [`auth::Authorized`]`<Pull>`, and the manifest comes from memory. An
//! entry there is valid as long as its repository has the generation that it was read at; the database was asked for that at most
//! 50 ms ago. For each blob, the row (repository, digest) is the right to read the file; it is remembered in the same way, with the
//! content of small blobs. What of a file is in the page cache is read at once, in pieces of 128 KiB, and the rest off the async threads.
//!
//! # One grant
//!
//! `portcullis grant add --to user:alice --on 'team/**' --allow pull,push` is parsed by [`cli`] and calls one use case of [`admin`] with
//! the permit of the local operator. One transaction writes the row and raises the version of the policy. A running server (another
//! process) has a job that asks for that version every 250 ms; accounts are then read again as they are needed, and the
//! next request is judged by what they may do now, with tokens that were issued before as well.
//!
//! # One certificate
//!
//! [`pki`] finds what is to be served: the configured files, ACME's, the imported one, or the registry's own from its private CA. Jobs
//! follow the files, renew our own at two thirds of its life, order by ACME, and give each new one to [`tls`], which uses it for every
//! new handshake; open connections keep theirs. After `ca rotate` the chain carries a certificate of the new root that the old one has
//! signed: clients that trust either verify it, and [`trust`] accepts it as the proof by which a host changes to the new root. ACME's
//! challenges are answered in the same handshakes. With client certificates, [`tls`] says which user a connection belongs to, and the
//! extractors of [`http`] use that if a request has no credentials of its own.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "not a library for others: the documentation shows private rooms too"
)]

pub(crate) mod admin;
pub mod auth;
pub mod cli;
pub(crate) mod client;
pub mod config;
pub(crate) mod doctor;
pub mod domain;
mod guide;
pub mod http;
mod jobs;
pub(crate) mod node;
pub mod pki;
pub mod registry;
pub mod server;
pub mod storage;
pub mod telemetry;
pub(crate) mod tls;
pub mod trust;
