//! On a client host.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::{fs, thread};

use super::Report;
use crate::support::client_host::{ClientHost, stdout};
use crate::support::hostile_server::{Ca, REGISTRY, ok};
use crate::support::{DEADLINE, Server};

const NO_CA_PUBLISHED: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

fn doctor(host: &ClientHost, registry: &str) -> Report {
    let run = || host.run(&["doctor", registry, "--json", "--timeout", "3"]);
    Report::of(&tokio::task::block_in_place(run))
}

/// A host with docker (of this version) and podman.
fn host(docker: &str) -> ClientHost {
    let script = format!("#!/bin/sh\ncase \"$1\" in version) echo {docker} ;; *) exit 1 ;; esac\n");
    let host = ClientHost::new().with("usr/bin/docker", &script).with("usr/bin/podman", "");
    let program = host.0.path().join("usr/bin/docker");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("ours");
    host
}

fn pin_of(server: &Server) -> String {
    let shown: serde_json::Value = serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON");
    shown["sha256"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_first_and_trusted_after_the_command_that_is_named() {
    let server = Server::start().await;
    let (registry, pin, host) = (server.host(), pin_of(&server), host("28.0.4"));
    let before = host.tree();
    let report = doctor(&host, &registry);
    for check in ["docker", "podman"] {
        let fix = report.fix(check, "not trusted by");
        assert!(fix.starts_with(&format!("portcullis trust {registry} --ca-sha256 HEX")), "{fix}");
        assert!(fix.contains("administrator") && !fix.contains(&pin), "the pin never comes from the wire: {fix}");
    }
    report.find("authority", "ok", &format!("(not verified): {pin}"));
    for check in ["dns", "tcp", "tls", "certificate", "name", "registry", "insecure"] {
        assert!(report.has(check, "ok"), "{check}: {:#?}", report.findings);
    }
    assert_eq!(host.tree(), before, "nothing is written");

    stdout(&host.trust(&registry, &pin, &[]));
    let report = doctor(&host, &registry);
    report.healthy();
    report.find("docker", "ok", "/etc/docker/certs.d");
    report.find("podman", "ok", "/etc/containers/certs.d");
    report.find("authority", "ok", "pinned on this host");
    let text = tokio::task::block_in_place(|| stdout(&host.run(&["doctor", &registry])));
    assert!(text.lines().any(|line| line.starts_with("ok       docker: ")), "{text}");

    stdout(&tokio::task::block_in_place(|| host.run(&["untrust", &registry])));
    assert!(doctor(&host, &registry).has("docker", "problem"));
    let host = host.with("etc/ssl/certs/ca-certificates.crt", server.ca());
    doctor(&host, &registry).find("docker", "ok", "ca-certificates.crt");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ca_in_the_store_and_a_ca_with_the_wrong_ending() {
    let (server, other) = (Server::start().await, Server::start().await);
    let registry = server.host();
    let held = host("28.0.4").with(&format!("etc/docker/certs.d/{registry}/ca.crt"), other.ca());
    assert!(doctor(&held, &registry).fix("docker", "did not sign").contains("--replace"));
    let file = format!("etc/docker/certs.d/{registry}/ca.cert");
    let misnamed = host("28.0.4").with(&file, server.ca());
    assert!(doctor(&misnamed, &registry).fix("docker", "no .key").starts_with(&format!("mv /{file} ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_reads_what_its_configuration_names() {
    let server = Server::start().await;
    let registry = server.host();
    let config = "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'\n";
    let bare = host("28.0.4").with("usr/bin/containerd", "");
    doctor(&bare, &registry).find("containerd", "warning", "config_path");
    let untrusted = bare.with("etc/containerd/config.toml", config);
    assert!(doctor(&untrusted, &registry).fix("containerd", "not trusted by").contains("portcullis trust"));
    let hosts = format!("etc/containerd/certs.d/{registry}/hosts.toml");
    let by_file = untrusted
        .with(&hosts, "[host.\"https://x\"]\nca = \"own.crt\"\nskip_verify = true\n")
        .with(&format!("etc/containerd/certs.d/{registry}/own.crt"), server.ca());
    let report = doctor(&by_file, &registry);
    report.find("containerd", "ok", "hosts.toml");
    assert!(report.fix("insecure", "skip_verify").contains("hosts.toml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name() {
    let ca = Ca::new(|params| params.name_constraints = None);
    let registry = ca.serve("other.test", ok(&ca.pem()), REGISTRY).await;
    let fix = doctor(&host("28.0.4"), &registry).fix("name", "other.test").to_owned();
    assert!(fix.contains("server.hosts"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_man_in_the_middle_with_another_ca() {
    let server = Server::start().await;
    let (ours, pin) = (server.host(), pin_of(&server));
    let ca = Ca::new(|_| ());
    let registry = ca.serve("localhost", ok(&ca.pem()), REGISTRY).await;
    // The record of our registry is copied to the port of the other one.
    let host = host("28.0.4");
    stdout(&host.trust(&ours, &pin, &[]));
    let record = |name: &str| format!("var/lib/portcullis-trust/{}.json", name.replace(':', "+"));
    let text = host.text(&record(&ours));
    let host = host.with(&record(&registry), &text);
    let report = doctor(&host, &registry);
    let finding = report.find("authority", "problem", &pin);
    assert!(finding["why"].as_str().expect("text").contains("man in the middle"), "{finding}");
    let fix = finding["fix"].as_str().expect("text");
    assert!(fix.contains("administrator") && !fix.contains(&ca.pin()), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_file_that_did_not_sign_what_is_presented() {
    let server = Server::start().await;
    let ca = Ca::new(|_| ());
    let registry = ca.serve("localhost", ok(server.ca()), REGISTRY).await;
    let report = doctor(&host("28.0.4"), &registry);
    report.find("authority", "problem", &pin_of(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_rewrites_the_host() {
    let ca = Ca::new(|_| ());
    let answer = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"https://backend:5000/auth/token\"\r\n\
                  content-length: 0\r\n\r\n";
    let registry = ca.serve("localhost", NO_CA_PUBLISHED.to_vec(), answer).await;
    let report = doctor(&host("28.0.4"), &registry);
    assert!(report.fix("host", "backend:5000").contains("proxy_set_header Host"));
    report.find("authority", "ok", "publishes no CA");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_is_distinguished_from_one_without_tls() {
    let ca = Ca::new(|_| ());
    let page = ca.serve("localhost", ok(""), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    doctor(&host("28.0.4"), &page).find("registry", "problem", "200");

    let plain = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("localhost:{}", plain.local_addr().expect("bound").port());
    thread::spawn(move || {
        for stream in plain.incoming() {
            let Ok(mut stream) = stream else { return };
            // The client may hang up early.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let report = doctor(&host("28.0.4"), &address);
    report.find("tls", "problem", "plain HTTP");
    report.find("stores", "warning", "not checked");

    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("localhost:{}", silent.local_addr().expect("bound").port());
    doctor(&host("28.0.4"), &address).find("tls", "problem", "TLS handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses_and_a_name_that_leads_nowhere() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
    let refused = doctor(&host("28.0.4"), &format!("127.0.0.1:{free}"));
    assert!(refused.fix("tcp", "refuses").contains("start the registry"));
    let nowhere = doctor(&host("28.0.4"), "nowhere.invalid:5000");
    assert!(nowhere.fix("dns", "nowhere.invalid").contains("/etc/hosts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_left_over_from_before() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let leftovers = [
        ("etc/docker/daemon.json", format!("{{\"insecure-registries\": [\"x.test\", \"{registry}\"]}}")),
        ("etc/docker/daemon.json", "{\"insecure-registries\": [\"127.0.0.0/8\"]}".to_owned()),
        ("home/op/.config/docker/daemon.json", format!("{{\"insecure-registries\": [\"http://{registry}\"]}}")),
        (
            "etc/systemd/system/docker.service.d/x.conf",
            format!("[Service]\nExecStart=/usr/bin/dockerd --insecure-registry={registry}\n"),
        ),
        ("etc/containers/registries.conf", format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n")),
        ("etc/containers/registries.conf.d/x.conf", format!("[registries.insecure]\nregistries = [\"{registry}\"]\n")),
        (
            "etc/rancher/k3s/registries.yaml",
            format!("configs:\n  \"{registry}\":\n    tls:\n      insecure_skip_verify: true\n"),
        ),
        ("etc/buildkit/buildkitd.toml", format!("[registry.\"{registry}\"]\n  http = true\n")),
        ("home/op/.docker/buildx/buildkitd.default.toml", format!("[registry.\"{registry}\"]\n  insecure = true\n")),
        (
            "etc/containerd/config.toml",
            format!(
                "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"{registry}\".tls]\ninsecure_skip_verify = true\n"
            ),
        ),
    ];
    for (path, text) in leftovers {
        let host = host("28.0.4").with(path, &text);
        stdout(&host.trust(&registry, &pin, &[]));
        let report = doctor(&host, &registry);
        let name = path.rsplit('/').next().expect("a name");
        report.find("insecure", "problem", name);
        let problems = report.findings.iter().filter(|finding| finding["state"] == "problem").count();
        assert_eq!(problems, 1, "{path}: {:#?}", report.findings);
    }
    let others = host("28.0.4")
        .with("etc/docker/daemon.json", "{\"insecure-registries\": [\"other.test:5000\", \"10.0.0.0/8\"]}")
        .with("etc/containers/registries.conf", "[[registry]]\nlocation = \"other.test\"\ninsecure = true\n");
    stdout(&others.trust(&registry, &pin, &[]));
    doctor(&others, &registry).healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_versions_that_ignore_their_certificates_for_tokens() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let trusted = |version: &str| {
        let host = host(version);
        stdout(&host.trust(&registry, &pin, &[]));
        host
    };
    for version in ["29.0.0", "29.4.9"] {
        let report = doctor(&trusted(version), &registry);
        let fix = report.fix("docker-tokens", version);
        assert!(fix.contains("29.5") && fix.contains("--system") && fix.contains("auth.challenge"), "{fix}");
    }
    for version in ["27.5.1", "28.5.2", "29.5.0", "30.1.0"] {
        doctor(&trusted(version), &registry).healthy();
    }
    let store = "{\"features\": {\"containerd-snapshotter\": true}}";
    let report = doctor(&trusted("28.5.2").with("etc/docker/daemon.json", store), &registry);
    report.find("docker-tokens", "problem", "28.5.2");
    let told = "#!/bin/sh\ncase \"$1\" in version) echo 28.1.1 ;; info) echo '[[\"driver-type\",\"io.containerd.snapshotter.v1\"]]' ;; esac\n";
    doctor(&trusted("28.1.1").with("usr/bin/docker", told), &registry).find("docker-tokens", "problem", "28.1.1");
    let by_system = trusted("29.1.0").with("etc/ssl/certs/ca-certificates.crt", server.ca());
    doctor(&by_system, &registry).healthy();
    let basic = Server::start_with("[auth]\nchallenge = \"basic\"\n").await;
    let host = host("29.1.0");
    stdout(&host.trust(&basic.host(), &pin_of(&basic), &[]));
    doctor(&host, &basic.host()).find("docker-tokens", "ok", "Basic authentication");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_would_catch_the_registry() {
    let drop_in = "[Service]\nEnvironment=\"HTTPS_PROXY=http://me:secret@proxy.test:3128\" \"NO_PROXY=a.test\"\n";
    let json = "{\"proxies\": {\"https-proxy\": \"http://proxy.test:3128\", \"no-proxy\": \".invalid\"}}";
    let caught = host("28.0.4").with("etc/systemd/system/docker.service.d/proxy.conf", drop_in);
    let report = doctor(&caught, "nowhere.invalid:5000");
    let finding = report.find("proxy", "warning", "proxy.test:3128");
    assert!(!finding.to_string().contains("secret"), "{finding}");
    assert!(finding["fix"].as_str().expect("text").contains("NO_PROXY=a.test,nowhere.invalid"), "{finding}");
    let exempt = host("28.0.4").with("etc/docker/daemon.json", json);
    assert!(doctor(&exempt, "nowhere.invalid:5000").has("proxy", "ok"));
    assert!(doctor(&exempt, "nowhere.test:5000").has("proxy", "warning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_that_hangs_does_not_hang_the_doctor() {
    let server = Server::start().await;
    let host = host("28.0.4").with("usr/bin/docker", "#!/bin/sh\n/bin/sleep 300 &\nexec /bin/sleep 300\n");
    let asked = tokio::task::spawn_blocking(move || (doctor(&host, &server.host()), server));
    let (report, _server) =
        tokio::time::timeout(DEADLINE, asked).await.expect("it does not wait for docker").expect("a report");
    report.find("docker-tokens", "warning", "not checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trust_put_into_the_stores_counts_once_it_is_taken_over() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let host = host("28.0.4").with("usr/bin/curl", "").with("usr/bin/containerd", "");
    let host = host.with_command("usr/sbin/update-ca-certificates", 0).with("etc/os-release", "ID=debian\n");
    let advice = |report: &Report, check: &str, what: &str| {
        report.find(check, "warning", what)["fix"].as_str().expect("text").to_owned()
    };
    let report = doctor(&host, &registry);
    let fix = advice(&report, "os-store", "is not in");
    assert!(fix.starts_with(&format!("portcullis trust {registry} --ca-sha256 HEX, ")), "no option is needed: {fix}");
    assert!(fix.contains("--ca-file"), "{fix}");
    assert!(advice(&report, "containerd", "config_path").contains("portcullis trust"));

    stdout(&host.trust(&registry, &pin, &[]));
    // The fake of the system's command writes no bundle.
    let report = doctor(&host, &registry);
    let fix = advice(&report, "os-store", "is not in");
    assert!(fix.starts_with("update-ca-certificates: /usr/local/share/ca-certificates/portcullis-"), "{fix}");
    let fix = advice(&report, "containerd", "config_path");
    assert!(fix.starts_with("set config_path = \"/etc/containerd/certs.d\""), "{fix}");

    let host = host.with("etc/ssl/certs/ca-certificates.crt", server.ca());
    let report = doctor(&host, &registry);
    report.find("os-store", "ok", "ca-certificates.crt");
    report.find("containerd", "ok", "trusted by containerd");
}
