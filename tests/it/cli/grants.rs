//! `portcullis grant`: who may do what.

use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::Server;

/// The grantees and patterns of a list.
fn pairs(listed: &Value) -> Vec<(String, String)> {
    let of = |grant: &Value, key: &str| grant[key].as_str().expect("text").to_owned();
    listed.as_array().expect("a list").iter().map(|grant| (of(grant, "to"), of(grant, "on"))).collect()
}

#[test]
fn grants_are_listed_by_grantee_and_pattern_explained_and_removed() {
    let mut server = Server::absent("");
    server.initialise();
    server.add_user("alice", "alice's password");
    let grants =
        [("user:alice", "team/**", "pull,push"), ("authenticated", "team/**", "pull"), ("anonymous", "open/*", "pull")];
    for (to, on, allow) in grants {
        server.run(&["grant", "add", "--to", to, "--on", on, "--allow", allow]);
    }
    assert_eq!(pairs(&json(&server, &["grant", "list"])).len(), 3);
    let alices = json(&server, &["grant", "list", "--to", "user:alice"]);
    assert_eq!(alices, json!([{ "to": "user:alice", "on": "team/**", "allow": "pull,push" }]));
    assert_eq!(pairs(&json(&server, &["grant", "list", "--on", "team/**"])).len(), 2);
    assert!(text(&server, &["grant", "list"]).lines().any(|line| line.starts_with("anonymous")));

    let explain = |who: &str, action: &str| json(&server, &["grant", "explain", who, action, "team/app"]);
    assert_eq!(explain("user:alice", "push")["allowed"], true);
    assert!(explain("user:alice", "push")["explanation"].as_str().is_some_and(|text| text.contains("team/**")));
    assert_eq!(explain("anonymous", "pull")["allowed"], false);

    server.run(&["grant", "remove", "--to", "user:alice", "--on", "team/**"]);
    assert_eq!(explain("user:alice", "push")["allowed"], false);
    assert_eq!(explain("user:alice", "pull")["allowed"], true, "as everyone who has logged in");
    let again = refusal(&server.try_run(&["grant", "remove", "--to", "user:alice", "--on", "team/**"], ""));
    assert!(again.contains("portcullis grant list"), "{again}");
}
