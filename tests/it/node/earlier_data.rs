//! A data directory of an earlier version opens and works: what was pushed is pulled, who could log in can, and it continues from there.
//!
//! The copy was made by an earlier 0.1.0: `init`, three users (one of them disabled), two grants,
//! images, an index and a referrer, an upload that was under way, and a wrong password each of a known and an unknown name. Its CA may
//! sign for localhost until 2036; what it signs is renewed by the server when it is opened.

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Image, Server, TokenKey, header};

const COPY: &[u8] = include_bytes!("earlier_data_directory.tar.gz");

const ALICES_PASSWORD: &str = "alices-password";

/// What is in the copy, as the version that made it said.
const CA: &str = "12f598a46d589eac11bfe712a559b148a0d7f9e999863c5181d33d35e342420e";
const FIRST: &str = "sha256:88feb1334f1bf0f193585e4be9294b8d831343919fbcd9c430b2ad2ce00393ef";
const FIRST_LAYER: &str = "sha256:26e0e8fb13363c5af4bf61eca9590bdcd836f41cc9153ed6dfb180a3a180e43a";
const SECOND: &str = "sha256:42abc0bf28f4718b75e4bc6b535fadb43391942ec969a5c79bb87df423bbaf88";
const INDEX: &str = "sha256:c86e32fb76c2dfa0f469ff302a14dc9a3aae15b627f9c6660cac6d3ccae566c7";
const SIGNATURE: &str = "sha256:76a98b0ff1d8a6cb5427d5f2b9e70c633f2a74822d5b9e1a095e6b19c5ac426f";

/// The copy in a directory of its own, with the modes that its files had; no server yet.
pub fn unpacked() -> Server {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--preserve-permissions", "--no-same-owner", "--directory"]).arg(server.home());
    let mut tar = tar.stdin(Stdio::piped()).spawn().expect("tar and gzip are installed");
    tar.stdin.take().expect("piped").write_all(COPY).expect("tar reads it");
    assert!(tar.wait().expect("tar ends").success());
    server
}

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    serde_json::from_slice(&server.run(&[arguments, &["--json"]].concat()).stdout).expect("JSON")
}

#[tokio::test]
async fn an_earlier_data_directory_is_listed_by_every_command_before_a_server_has_opened_it() {
    let server = unpacked();
    let users = json_of(&server, &["user", "list"]);
    let states: Vec<_> =
        users.as_array().expect("a list").iter().map(|user| (&user["name"], &user["disabled"])).collect();
    assert_eq!(
        states,
        [(&json!("admin"), &json!(false)), (&json!("alice"), &json!(false)), (&json!("carol"), &json!(true))]
    );
    let grants = json_of(&server, &["grant", "list"]);
    assert_eq!(grants.as_array().expect("a list").len(), 2, "{grants}");
    let listed = json_of(&server, &["repo", "list"]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|repository| &repository["name"]).collect();
    assert_eq!(names, ["alice/app", "open/base", "team/tool"]);
    let tags = json_of(&server, &["repo", "tags", "alice/app"]);
    let tags: Vec<_> = tags.as_array().expect("a list").iter().map(|tag| (&tag["tag"], &tag["digest"])).collect();
    let expected = [("all", INDEX), ("latest", FIRST), ("signature", SIGNATURE), ("v1", FIRST), ("v2", SECOND)]
        .map(|(tag, digest)| (json!(tag), json!(digest)));
    assert_eq!(tags, expected.iter().map(|(tag, digest)| (tag, digest)).collect::<Vec<_>>());
    assert_eq!(json_of(&server, &["ca", "show"])["sha256"], CA);
}

#[tokio::test]
async fn an_earlier_data_directory_is_served_pushed_to_and_served_again() {
    let mut server = unpacked();
    TokenKey::of(&server).await;
    server.spawn().await;
    let alice = server.actor("alice", ALICES_PASSWORD);
    for (reference, digest) in [("v1", FIRST), ("latest", FIRST), (SECOND, SECOND), ("all", INDEX)] {
        let answer = alice.get(&format!("/v2/alice/app/manifests/{reference}")).await;
        assert_eq!((answer.status(), header(&answer, "docker-content-digest").as_str()), (StatusCode::OK, digest));
        let stored = answer.bytes().await.expect("a manifest");
        assert_eq!(crate::support::image::digest(&stored), digest);
    }
    let layer = alice.get(&format!("/v2/alice/app/blobs/{FIRST_LAYER}")).await;
    assert_eq!(layer.text().await.expect("text"), "the layer of one");
    let referrers: Value = alice.get(&format!("/v2/alice/app/referrers/{FIRST}")).await.json().await.expect("JSON");
    assert_eq!(referrers["manifests"][0]["digest"], SIGNATURE, "{referrers}");

    let open = server.anonymous().get("/v2/open/base/manifests/v1").await;
    assert_eq!(open.status(), StatusCode::OK, "everyone may pull it");
    assert_eq!(alice.get("/v2/team/tool/manifests/v1").await.status(), StatusCode::OK, "by her grant");
    assert_eq!(alice.get("/v2/open/absent/manifests/v1").await.status(), StatusCode::NOT_FOUND);
    let admin = server.actor("admin", "the-administrators-password");
    assert_eq!(admin.get("/v2/team/tool/tags/list").await.status(), StatusCode::OK);
    for (name, password) in [("alice", "another password"), ("carol", "carols-password")] {
        let refused = server.actor(name, password).basic(Method::GET, "/auth/token").send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{name}");
    }

    let new = Image::of("new");
    new.push(&alice, "alice/app", "v3").await;
    new.push(&alice, "team/tool", "v2").await;
    assert_eq!(alice.delete("/v2/alice/app/manifests/v2").await.status(), StatusCode::ACCEPTED);
    server.stop().await;
    server.spawn().await;
    let alice = server.actor("alice", ALICES_PASSWORD);
    let tags: Value = alice.get("/v2/alice/app/tags/list").await.json().await.expect("JSON");
    assert_eq!(tags["tags"], json!(["all", "latest", "signature", "v1", "v3"]));
    let pulled = alice.get("/v2/team/tool/manifests/v2").await.bytes().await.expect("a manifest");
    assert_eq!(pulled, new.manifest);
    assert_eq!(json_of(&server, &["ca", "show"])["sha256"], CA, "clients keep their trust");
}
