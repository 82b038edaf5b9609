//! Pulling from a running registry over the API, with and without a login.

use serde_json::{Value, json};

use super::{fill, has_image, import, said};
use crate::support::distribution::{Distribution, Version};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Image, Server};

/// A fresh server, and the registry's CA in a file next to it.
async fn next_to(source: &Distribution) -> (Server, String) {
    let mut server = Server::absent("");
    server.initialise();
    server.spawn().await;
    let ca = server.home().join("source-ca.pem");
    std::fs::write(&ca, source.ca()).expect("writable");
    (server, ca.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_distribution_is_pulled_with_filters() {
    let source = Distribution::start(Version::Two).await;
    let filled = fill(&source.actor(None)).await;
    let (server, ca) = next_to(&source).await;
    let (host, admin) = (format!("localhost:{}", source.port()), server.actor("admin", ADMIN_PASSWORD));

    let some = import(&server, &["registry", &host, "--ca", &ca, "--on", "team/**"]);
    assert_eq!((&some["repositories"], &some["tags"], &some["not_kept"]), (&json!(2), &json!(3), &json!(0)), "{some}");
    has_image(&admin, "team/app", "v1", &filled.app).await;
    assert_eq!(admin.get("/v2/multi/tags/list").await.status(), 404);
    let all = import(&server, &["registry", &host, "--ca", &ca]);
    assert_eq!((&all["repositories"], &all["not_kept"]), (&json!(3), &json!(0)), "{all}");
    let again = import(&server, &["registry", &host, "--ca", &ca]);
    assert_eq!((&again["new_contents"], &again["tags"]), (&json!(0), &json!(4)), "{again}");

    let here = Image::of("pushed here");
    here.push(&admin, "team/app", "v1").await;
    let stays = import(&server, &["registry", &host, "--ca", &ca, "--on", "team/app"]);
    assert_eq!(stays["different_tags"], json!(1), "{stays}");
    has_image(&admin, "team/app", "v1", &here).await;
    import(&server, &["registry", &host, "--ca", &ca, "--on", "team/app", "--overwrite"]);
    has_image(&admin, "team/app", "v1", &filled.app).await;
}

/// Referrers come by the API of another portcullis, and tokens from its token endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn another_portcullis_is_pulled_with_a_login_and_its_referrers() {
    let other = Server::start().await;
    let filled = fill(&other.actor("admin", ADMIN_PASSWORD)).await;
    let mut server = Server::absent("");
    server.initialise();
    server.spawn().await;
    let ca = server.home().join("source-ca.pem");
    std::fs::write(&ca, other.ca()).expect("writable");
    let (host, ca) = (other.host(), ca.display().to_string());

    let arguments = ["import", "registry", &host, "--ca", &ca];
    let denied = server.try_run(&[&arguments[..], &["--on", "multi"]].concat(), "");
    assert!(!denied.status.success() && said(&denied).contains("--username"), "{}", said(&denied));
    let login = ["--username", "admin", "--password-stdin", "--json"];
    let pulled = server.run_with_input(&[&arguments[..], &login].concat(), ADMIN_PASSWORD);
    let pulled: Value = serde_json::from_slice(&pulled.stdout).expect("JSON");
    assert_eq!((&pulled["tags"], &pulled["not_kept"]), (&json!(4), &json!(0)), "{pulled}");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    // Manifests that no tag leads to are in no list.
    super::has(&admin, "multi", "v1", &filled.index).await;
    let referrers = admin.get(&format!("/v2/team/app/referrers/{}", filled.app.digest())).await;
    let referrers: Value = referrers.json().await.expect("JSON");
    assert_eq!(referrers["manifests"][0]["digest"], crate::support::image::digest(&filled.signature), "{referrers}");
}
