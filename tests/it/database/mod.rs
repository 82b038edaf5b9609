//! A registry whose database is a PostgreSQL server: reached over TLS, through a pooler, restarted under load, and over a wire that breaks.

mod commits;
mod connecting;
mod outages;
mod poolers;

use std::collections::BTreeSet;

use reqwest::{Method, Response, StatusCode};

use crate::support::fault_proxy::FaultProxy;
use crate::support::image::{MANIFEST_TYPE, digest};
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Image, Server, postgres};

/// A registry on the database at this address, with the user alice; `config` is what its file says.
async fn registry(url: &str, config: &str) -> (Server, Actor) {
    let mut server = Server::absent_on(url, config);
    server.initialise();
    server.add_user("alice", ALICE_PASSWORD);
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    (server, alice)
}

/// A database of the shared server, behind a wire that can break.
fn behind_a_proxy() -> (FaultProxy, String, String) {
    let direct = postgres::database();
    let proxy = FaultProxy::to(&postgres::shared().socket());
    let (path, _) = direct.split_once('?').expect("an address over a socket");
    let name = path.rsplit('/').next().expect("a name");
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", proxy.port());
    (proxy, url, direct)
}

/// Pushes as [`Image::push`] does, until the first step that fails; its status.
async fn try_push(who: &Actor, image: &Image, repository: &str, tag: &str) -> Result<(), StatusCode> {
    let expect =
        |response: Response, status| if response.status() == status { Ok(response) } else { Err(response.status()) };
    for blob in [&image.config, &image.layer] {
        let opened = who.post(&format!("/v2/{repository}/blobs/uploads/")).await;
        let opened = expect(opened, StatusCode::ACCEPTED)?;
        let location = opened.headers()["location"].to_str().expect("text").to_owned();
        let put = who.bare(Method::PUT, &location).query(&[("digest", &digest(blob))]).body(blob.clone());
        expect(who.send(put).await, StatusCode::CREATED)?;
    }
    let path = format!("/v2/{repository}/manifests/{tag}");
    expect(who.put(&path, MANIFEST_TYPE, image.manifest.clone()).await, StatusCode::CREATED)?;
    Ok(())
}

/// Pushes images one after the other until `done`, each until it is acknowledged: their numbers, and what was answered to tries that failed.
async fn push_until(who: &Actor, repository: &str, done: impl Fn() -> bool) -> (Vec<usize>, BTreeSet<u16>) {
    let (mut acknowledged, mut failures) = (Vec::new(), BTreeSet::new());
    for number in 0.. {
        let (image, tag) = (Image::of(&format!("{repository} {number}")), format!("v{number}"));
        while let Err(status) = try_push(who, &image, repository, &tag).await {
            failures.insert(status.as_u16());
            assert!(failures.len() < 5, "{failures:?}");
        }
        acknowledged.push(number);
        if done() {
            break;
        }
    }
    (acknowledged, failures)
}

/// What was acknowledged can be pulled whole.
async fn assert_kept(who: &Actor, repository: &str, acknowledged: &[usize]) {
    for number in acknowledged {
        let image = Image::of(&format!("{repository} {number}"));
        let manifest = who.get(&format!("/v2/{repository}/manifests/v{number}")).await;
        assert_eq!(manifest.status(), StatusCode::OK, "{number}");
        assert_eq!(manifest.bytes().await.expect("a body"), image.manifest, "{number}");
        let layer = who.get(&format!("/v2/{repository}/blobs/{}", digest(&image.layer))).await;
        assert_eq!(layer.bytes().await.expect("a body"), image.layer, "{number}");
    }
}
