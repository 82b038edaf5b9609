//! What `cluster status` shows, and settings on which nodes disagree.

use serde_json::Value;

use crate::support::database::Database;
use crate::support::{ClientCa, Cluster, Server, eventually};

fn states(status: &Value) -> Vec<&str> {
    status["nodes"].as_array().expect("a list").iter().map(|node| node["state"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn nodes_and_what_only_one_runs_are_shown_and_one_that_stops_leaves() {
    let mut cluster = Cluster::start(2).await;
    eventually("both serve, and one runs each job", async || {
        let status = cluster.status_by(0);
        states(&status) == ["serving"; 2] && status["leases"].as_array().expect("a list").len() >= 2
    })
    .await;
    let status = cluster.status_by(1);
    for node in status["nodes"].as_array().expect("a list") {
        cluster.at(node["address"].as_str().expect("text"));
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(status["differences"], Value::Array(Vec::new()), "{status}");
    let text = String::from_utf8(cluster.node(0).run(&["cluster", "status"]).stdout).expect("text");
    assert!(text.contains("NODE") && text.contains("rotate-keys") && !text.contains("disagree"), "{text}");
    cluster.node_mut(1).stop().await;
    assert_eq!(states(&cluster.status_by(0)), ["serving"], "it said that it has stopped");
}

#[tokio::test]
async fn settings_that_differ_are_named_with_their_nodes_by_status_and_in_the_log() {
    let mut cluster = Cluster::absent(&["[storage]\nread_only = true\n", "[server]\nmax_requests = 100\n"]);
    cluster.spawn().await;
    let addresses = [0, 1].map(|number| format!("127.0.0.1:{}", cluster.node(number).port()));
    let status = cluster.status_by(0);
    let differences = status["differences"].as_array().expect("a list");
    assert_eq!(differences.len(), 1, "{status}");
    assert_eq!(differences[0]["setting"], "storage.read_only");
    for (value, address) in [("true", &addresses[0]), ("false", &addresses[1])] {
        let values = differences[0]["values"].as_array().expect("a list");
        assert!(values.iter().any(|one| one["value"] == value && one["nodes"][0] == **address), "{status}");
    }
    let words = format!("storage.read_only: false on {}; true on {}", addresses[1], addresses[0]);
    let text = String::from_utf8(cluster.node(1).run(&["cluster", "status"]).stdout).expect("text");
    assert!(text.contains(&words), "{text}");
    for node in cluster.nodes() {
        eventually("the log says so", async || node.log().contains("the nodes disagree on a setting: false on")).await;
    }
}

#[tokio::test]
async fn a_ca_of_client_certificates_that_one_node_alone_has_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = ClientCa::new("people").write(&folder.path().join("people.pem"));
    let mut cluster = Cluster::absent(&[&format!("[client_certificates]\nca = \"{}\"\n", ca.display()), ""]);
    cluster.spawn().await;
    let status = cluster.status_by(0);
    assert_eq!(status["differences"][0]["setting"], "client_certificates.ca", "{status}");
    let values = status["differences"][0]["values"].as_array().expect("a list");
    assert!(values.iter().any(|one| one["value"] == "none"), "{status}");
    assert!(
        values.iter().any(|one| one["value"].as_str().is_some_and(|value| value.starts_with("sha256:"))),
        "{status}"
    );
}

#[tokio::test]
async fn a_revocation_list_that_one_node_alone_has_is_shown_until_all_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = ClientCa::new("people");
    let ca_file = ca.write(&folder.path().join("people.pem"));
    let lists = ["one", "two"].map(|node| folder.path().join(format!("{node}.crl")));
    let (old, new) = (ca.crl(&[1], 30), ca.crl(&[1, 2], 30));
    let configs = lists.each_ref().map(|list| {
        std::fs::write(list, &old).expect("written");
        format!("[client_certificates]\nca = {ca_file:?}\ncrl = [{list:?}]\n")
    });
    let mut cluster = Cluster::absent(&configs.each_ref().map(String::as_str));
    cluster.spawn().await;
    let differing = |cluster: &Cluster| {
        let status = cluster.status_by(0);
        let differences = status["differences"].as_array().expect("a list");
        differences.iter().map(|one| one["setting"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert!(differing(&cluster).is_empty());
    std::fs::write(&lists[0], &new).expect("written");
    eventually("the lists differ", async || differing(&cluster) == ["client_certificates.crl"]).await;
    std::fs::write(&lists[1], &new).expect("written");
    eventually("both have the new one", async || differing(&cluster).is_empty()).await;
}

#[tokio::test]
async fn a_single_node_is_one_line_while_it_runs() {
    let mut server = Server::start().await;
    let text = |server: &Server| String::from_utf8(server.run(&["cluster", "status"]).stdout).expect("text");
    let shown = text(&server);
    let line = shown.lines().nth(1).unwrap_or_default();
    assert!(line.contains("serving"), "{shown}");
    assert!(line.contains(&server.port().to_string()), "{shown}");
    if matches!(server.database(), Database::File(_)) {
        assert_eq!(shown.lines().count(), 2, "it shares no work: {shown}");
        server.kill().await;
        assert!(text(&server).contains("no node serves this registry"), "a crash leaves nothing that looks alive");
        server.spawn().await;
    }
    server.stop().await;
    assert!(text(&server).contains("no node serves this registry"));
}
