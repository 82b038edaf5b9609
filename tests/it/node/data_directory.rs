//! The data directory: whose it is, what a first start is, and what an interrupted one leaves.

use reqwest::StatusCode;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Server, eventually};

/// A user that no machine has.
const SERVICE: u32 = 48_231;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// Whether an administrator of this password gets in.
async fn lets_in(server: &Server, password: &str) -> bool {
    server.actor("admin", password).token(&[]).await.is_some()
}

#[tokio::test]
async fn a_missing_file_does_not_make_a_first_start_of_it() {
    let mut server = Server::start().await;
    let ca = server.ca().to_owned();
    server.stop().await;
    fs::remove_file(server.data().join("initialised")).expect("it was there");
    assert!(server.run(&["user", "list"]).status.success(), "the database knows");
    server.spawn().await;
    assert!(lets_in(&server, ADMIN_PASSWORD).await, "the administrator's password is as it was");
    assert!(!server.data().join("initial-admin-password").exists());
    assert!(server.data().join("initialised").exists() && server.log().contains("are unchanged"), "{}", server.log());
    assert_eq!(String::from_utf8_lossy(&server.run(&["ca", "export"]).stdout), ca);
    fs::remove_file(server.data().join("initialised")).expect("written again");
    server.stop().await;
    let again = server.try_run(&["init", "--host", "localhost"], "");
    assert!(!again.status.success() && said(&again).contains("already initialised"), "{}", said(&again));
}

#[tokio::test]
async fn a_first_start_that_is_killed_leaves_a_password_that_can_be_read() {
    let mut server = Server::absent("");
    server.spawn().await;
    let file = server.data().join("initial-admin-password");
    let password = fs::read_to_string(&file).expect("the password");
    assert_eq!(password.trim_end_matches('\n').lines().count(), 1);
    assert_eq!(password, format!("{}\n", password.trim()), "the password and a line feed, nothing else");
    server.kill().await;
    // Killed after the administrator was made, and before the file that says so.
    fs::remove_file(server.data().join("initialised")).expect("it was there");
    server.spawn().await;
    assert_eq!(fs::read_to_string(&file).expect("still there"), password);
    assert!(lets_in(&server, password.trim()).await);
    server.stop().await;

    // Killed before: the password is there already, and becomes the administrator's.
    for name in ["initialised", "portcullis.db"] {
        fs::remove_file(server.data().join(name)).expect("it was there");
    }
    for name in ["portcullis.db-wal", "portcullis.db-shm"] {
        let _ = fs::remove_file(server.data().join(name));
    }
    server.spawn().await;
    assert_eq!(fs::read_to_string(&file).expect("still there"), password);
    assert!(lets_in(&server, password.trim()).await);
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_can_be_repeated() {
    let mut server = Server::absent("");
    fs::create_dir(server.data()).expect("made");
    // A place that cannot be written stands for a disk without room.
    fs::create_dir(server.data().join("initial-admin-password")).expect("made");
    fs::write(server.data().join("initial-admin-password/x"), "").expect("made");
    let refused = server.try_run(&["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!refused.status.success() && said(&refused).contains("initial-admin-password"), "{}", said(&refused));
    assert!(!server.data().join("initialised").exists());
    let list = server.try_run(&["user", "list"], "");
    assert!(said(&list).contains("not initialised"), "no administrator without a password: {}", said(&list));
    fs::remove_dir_all(server.data().join("initial-admin-password")).expect("removed");
    server.spawn().await;
    let password = fs::read_to_string(server.data().join("initial-admin-password")).expect("the password");
    assert!(lets_in(&server, password.trim()).await);
}

#[test]
fn init_shows_its_password_and_leaves_no_file() {
    let server = Server::absent("");
    let shown = server.run(&["--json", "init", "--host", "localhost"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert!(shown["password"].as_str().is_some_and(|password| password.len() >= 16));
    assert!(!server.data().join("initial-admin-password").exists());
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "077"] {
        let server = Server::absent("");
        let inner = server.command(&["init", "--host", "localhost"]);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "umask $0; exec \"$@\"", umask]).arg(inner.get_program()).args(inner.get_args());
        assert!(command.env_clear().output().expect("run").status.success());
        let data = server.data();
        for (name, wanted) in [
            ("README", 0o644),
            ("ca/root.pem", 0o644),
            ("ca/root.key", 0o600),
            ("tls/leaf.key", 0o600),
            ("keys/seal.key", 0o600),
            ("initialised", 0o600),
            ("portcullis.db", 0o600),
            ("ca", 0o700),
            (".", 0o700),
        ] {
            assert_eq!(mode(&data.join(name)), wanted, "{name} with umask {umask}");
        }
    }
}

#[tokio::test]
async fn a_key_that_an_orchestrator_gave_to_a_group_is_put_right() {
    let mut server = Server::start().await;
    server.stop().await;
    let keys = ["ca/root.key", "ca/issuing.key", "tls/leaf.key", "keys/seal.key"].map(|key| server.data().join(key));
    for key in &keys {
        fs::set_permissions(key, Permissions::from_mode(0o660)).expect("ours");
    }
    server.spawn().await;
    for key in &keys {
        assert_eq!(mode(key), 0o600, "{}", key.display());
        assert!(server.log().contains(&key.display().to_string()), "it is told: {}", server.log());
    }
}

#[test]
fn a_near_miss_variable_is_told_by_every_command() {
    let mut server = Server::absent("");
    server.initialise();
    for arguments in
        [&["user", "list"][..], &["cert", "show"], &["config", "check"], &["ca", "show"], &["grant", "list"]]
    {
        let told = server.command(arguments).env("PORTCULLIS_HOST", "registry.test").output().expect("run");
        assert!(told.status.success() && said(&told).contains("PORTCULLIS_HOSTS"), "{arguments:?}: {}", said(&told));
        let linked = server
            .command(arguments)
            .env("PORTCULLIS_SERVER_PORT", "tcp://10.0.0.1:5000")
            .env("PORTCULLIS_SERVER_SERVICE_HOST", "10.0.0.1")
            .output()
            .expect("run");
        assert!(linked.status.success() && said(&linked).is_empty(), "{arguments:?}: {}", said(&linked));
    }
}

#[test]
fn names_that_no_client_can_use_are_refused_by_one_rule() {
    let mut server = Server::absent("");
    for (name, why) in [("0.0.0.0", "listen"), ("::", "listen"), ("my_host", "underscore"), ("a:5000", "port")] {
        let refused = server.try_run(&["init", "--host", name], "");
        assert!(!refused.status.success() && said(&refused).contains(why), "init {name}: {}", said(&refused));
        let refused = server.try_run(&["serve", "--host", name], "");
        assert!(!refused.status.success() && said(&refused).contains(why), "serve {name}: {}", said(&refused));
    }
    server.initialise();
    for (name, why) in [("0.0.0.0", "listen"), ("my_host", "underscore"), ("a:5000", "port")] {
        let refused = server.try_run(&["ca", "rotate", "--host", name], "");
        assert!(!refused.status.success() && said(&refused).contains(why), "rotate {name}: {}", said(&refused));
    }
}

/// Everything below a directory, with itself; links are not followed.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.symlink_metadata().expect("there").is_dir() { found.extend(tree(&path)) } else { found.push(path) }
    }
    found
}

/// An empty data directory of the service's user, in one that everyone may pass.
fn of_the_service(config: &str) -> Server {
    assert!(rustix::process::geteuid().is_root(), "these stories are about root: run the tests as root");
    let server = Server::absent(config);
    fs::set_permissions(server.home(), Permissions::from_mode(0o755)).expect("ours");
    fs::create_dir(server.data()).expect("made");
    chown(server.data(), Some(SERVICE), Some(SERVICE)).expect("root gives it away");
    server
}

/// What belongs to another than the service's user.
fn foreign(server: &Server) -> Vec<PathBuf> {
    let is_foreign = |path: &PathBuf| {
        let meta = path.symlink_metadata().expect("there");
        (meta.uid(), meta.gid()) != (SERVICE, SERVICE)
    };
    tree(server.data()).into_iter().filter(is_foreign).collect()
}

#[tokio::test]
async fn root_leaves_nothing_that_the_service_cannot_read() {
    let mut server = of_the_service("");
    server.initialise();
    server.add_user("alice", "a password of alice");
    // Only root may read what is imported.
    let (chain, key) = (server.home().join("given.crt"), server.home().join("given.key"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    fs::write(&chain, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    for file in [&chain, &key] {
        fs::set_permissions(file, Permissions::from_mode(0o600)).expect("ours");
    }
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    server.run(&["cert", "import", "--cert", &chain, "--key", &key]);
    let away = server.home().join("closed");
    fs::create_dir(&away).expect("made");
    fs::set_permissions(&away, Permissions::from_mode(0o700)).expect("ours");
    let away = away.join("root.key").display().to_string();
    server.run(&["ca", "seal", "--move-to", &away]);
    server.run(&["ca", "unseal", "--from", &away]);
    assert_eq!(fs::metadata(&away).expect("made by root").uid(), 0);
    let _ = server.try_run(&["doctor"], "");
    assert_eq!(foreign(&server), Vec::<PathBuf>::new());

    fs::remove_file(server.data().join("tls/imported.pem")).expect("imported");
    server.spawn().await;
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("running");
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).expect("told").to_owned();
    assert_eq!(line("Uid:").split_whitespace().skip(1).collect::<Vec<_>>(), vec![SERVICE.to_string(); 4]);
    assert_eq!(line("Gid:").split_whitespace().skip(1).collect::<Vec<_>>(), vec![SERVICE.to_string(); 4]);
    assert_eq!(line("Groups:").split_whitespace().skip(1).collect::<Vec<_>>(), vec![SERVICE.to_string()]);
    assert_eq!(line("CapEff:").split_whitespace().last(), Some("0000000000000400"), "ports below 1024, nothing else");
    assert_eq!(server.anonymous().get("/health/ready").await.status(), StatusCode::OK);
    server.add_user("bob", "a password of bob");
    eventually("bob gets in", async || server.actor("bob", "a password of bob").token(&[]).await.is_some()).await;
    assert_eq!(foreign(&server), Vec::<PathBuf>::new());
}

#[test]
fn root_makes_a_directory_for_the_owner_of_where_it_is_made() {
    let parent = of_the_service("");
    let inside = parent.data().join("a/registry");
    let server = Server::absent_at(&inside, "");
    fs::set_permissions(server.home(), Permissions::from_mode(0o755)).expect("ours");
    server.run(&["init", "--host", "localhost"]);
    assert!(inside.join("initialised").exists());
    assert_eq!(foreign(&parent), Vec::<PathBuf>::new());
}

#[test]
fn root_follows_no_link_that_the_services_user_laid() {
    let victims = ["lock", "README", "initialised", "initial-admin-password", "portcullis.db", "ca", "keys", "tls"];
    for name in victims {
        let server = of_the_service("");
        let victim = server.home().join("victim");
        fs::create_dir(&victim).expect("made");
        let precious = if ["ca", "keys", "tls"].contains(&name) { victim.clone() } else { victim.join("file") };
        fs::write(victim.join("file"), "precious").expect("written");
        fs::set_permissions(victim.join("file"), Permissions::from_mode(0o600)).expect("ours");
        symlink(&precious, server.data().join(name)).expect("laid");
        let _ = server.try_run(&["init", "--host", "localhost"], "");
        let _ = server.try_run(&["user", "add", "alice", "--password-stdin"], "a password of alice");
        let _ = server.try_run(&["ca", "rotate"], "");
        assert_eq!(fs::read(victim.join("file")).expect("there"), b"precious", "{name}");
        assert_eq!(fs::read_dir(&victim).expect("there").count(), 1, "{name}: nothing was made there");
    }
}

#[test]
fn root_sweeps_through_no_link() {
    let mut server = of_the_service("");
    server.initialise();
    let victim = server.home().join("victim");
    fs::create_dir(&victim).expect("made");
    fs::write(victim.join("file"), "precious").expect("written");
    symlink(&victim, server.data().join(".ca.0123456789abcdef.tmp")).expect("laid");
    symlink(victim.join("file"), server.data().join("ca/.root.key.0123456789abcdef.tmp")).expect("laid");
    server.run(&["ca", "rotate"]);
    assert_eq!(fs::read(victim.join("file")).expect("there"), b"precious");
    // The directory itself may be such a link.
    let link = server.home().join("link");
    symlink("/etc", &link).expect("laid");
    rustix::fs::chownat(
        rustix::fs::CWD,
        &link,
        Some(rustix::fs::Uid::from_raw(SERVICE)),
        Some(rustix::fs::Gid::from_raw(SERVICE)),
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .expect("given away");
    let through = Server::absent_at(&link, "");
    let refused = through.try_run(&["init", "--host", "localhost"], "");
    assert!(!refused.status.success() && said(&refused).contains(&format!("the user {SERVICE}")), "{}", said(&refused));
}

#[test]
fn a_foreign_or_read_only_directory_is_named_with_what_to_do() {
    let server = of_the_service("");
    let inner = server.command(&["init", "--host", "localhost"]);
    let as_other = std::process::Command::new("setpriv")
        .args(["--reuid", "48232", "--regid", "48232", "--clear-groups"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .output()
        .expect("setpriv is installed (Debian package util-linux)");
    let text = said(&as_other);
    assert!(!as_other.status.success() && text.contains("48232") && text.contains("48231"), "{text}");
    assert!(text.contains("as root") && text.contains("--data"), "{text}");

    // Nothing can be made there, not even by root.
    let read_only = Server::absent_at(Path::new("/sys/portcullis-test"), "");
    let text = said(&read_only.try_run(&["init", "--host", "localhost"], ""));
    assert!(text.contains("/sys/portcullis-test") && text.contains("--data"), "{text}");
}
