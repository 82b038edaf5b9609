//! How the server of the database is reached: it proves its name by a certificate, the password comes from a file or the environment and
//! is never shown, and what is wrong is told with the setting that fixes it.

use std::path::Path;

use rcgen::{ExtendedKeyUsagePurpose, SanType};
use tempfile::TempDir;

use super::{assert_kept, push_until};
use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::postgres::PASSWORD;
use crate::support::{ClientCa, Server, postgres};

/// A server with a certificate for localhost, its CA in a file, and the address of a database on it over TCP.
struct OverTls {
    server: postgres::Server,
    folder: TempDir,
    name: String,
}

impl OverTls {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let ca = ClientCa::new("database CA");
        let pair = ca.pair_with("localhost", 1, |params| {
            params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().expect("a name"))];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        std::fs::write(folder.path().join("server.pem"), pair).expect("written");
        ca.write(&folder.path().join("ca.pem"));
        let server = postgres::Server::over_tls(folder.path());
        let database = server.database();
        let (path, _) = database.split_once('?').expect("an address over a socket");
        let name = path.rsplit('/').next().expect("a name").to_owned();
        Self { server, folder, name }
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    fn address(&self, user: &str, host: &str, more: &str) -> String {
        self.address_at(user, host, self.server.port(), more)
    }

    fn address_at(&self, user: &str, host: &str, port: u16, more: &str) -> String {
        format!("postgres://{user}@{host}:{port}/{}?sslmode=verify-full{more}", self.name)
    }
}

/// A configuration with the password in a file.
fn password_file(folder: &Path) -> String {
    let path = folder.join("password");
    std::fs::write(&path, format!("{PASSWORD}\n")).expect("written");
    format!("[database]\npassword_file = \"{}\"\n", path.display())
}

/// What a first start says that fails; it never tells the password.
fn refusal(url: &str, config: &str) -> String {
    let output = Server::absent_on(url, config).try_run(&["init", "--host", "localhost"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains(PASSWORD), "{said}");
    said
}

#[tokio::test]
async fn a_server_proves_its_name_and_the_password_is_told_to_no_one() {
    let database = OverTls::start();
    let url = database.address("postgres", "localhost", &format!("&sslrootcert={}", database.ca()));
    let (server, alice) = super::registry(&url, &password_file(database.folder.path())).await;
    let (acknowledged, _) = push_until(&alice, "alice/app", || true).await;
    assert_kept(&alice, "alice/app", &acknowledged).await;
    for command in [&["config", "show"][..], &["doctor"], &["doctor", "--json"], &["config", "check"]] {
        let output = server.try_run(command, "");
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(PASSWORD), "{command:?}");
    }
    assert!(!server.log().contains(PASSWORD));
}

#[test]
fn what_is_wrong_with_a_connection_is_told_with_what_fixes_it() {
    let database = OverTls::start();
    let with_password = password_file(database.folder.path());
    let trusting = format!("&sslrootcert={}", database.ca());
    let said = refusal(&database.address("postgres", "localhost", ""), &with_password);
    assert!(said.contains("certificate") && said.contains("sslrootcert"), "a CA that is not known: {said}");
    let said = refusal(&database.address("postgres", "127.0.0.1", &trusting), &with_password);
    assert!(said.contains("certificate") && said.contains("database.url"), "another name: {said}");
    let said = refusal(&database.address("postgres", "localhost", &trusting), "");
    assert!(said.contains("database.password_file"), "no password: {said}");
    let proxy = FaultProxy::to(&postgres::shared().socket());
    let without = format!("postgres://postgres@localhost:{}/postgres?sslmode=verify-full", proxy.port());
    let said = refusal(&without, "");
    assert!(said.contains("no TLS") && said.contains("sslmode"), "a server without TLS: {said}");
    let said = refusal("postgres://postgres@db.example.com/name?sslmode=prefer", "");
    assert!(said.contains("verify-full"), "an sslmode that protects nothing: {said}");
    let missing = database.address("postgres", "localhost", &trusting).replace(&database.name, "missing");
    let said = refusal(&missing, &with_password);
    assert!(said.contains("does not exist") && said.contains("createdb"), "{said}");
    proxy.set(Fault::Stalled);
    let said = refusal(&without, "");
    assert!(said.contains("does not answer"), "a server that hangs: {said}");
}

#[test]
fn the_environment_gives_the_password_and_no_file_may() {
    let database = OverTls::start();
    let trusting = format!("&sslrootcert={}", database.ca());
    let percent = PASSWORD.replace(' ', "%20").replace('\'', "%27");
    let url = database.address(&format!("postgres:{percent}"), "localhost", &trusting);
    let server = Server::absent_on(&url, "");
    server.run(&["init", "--host", "localhost"]);
    let shown = server.run(&["config", "show"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("postgres://postgres@localhost") && !shown.contains(&percent), "{shown}");

    let another = OverTls { name: "postgres".to_owned(), ..database };
    let server = Server::absent_on(&another.address("postgres", "localhost", &trusting), "");
    let mut command = server.command(&["init", "--host", "localhost"]);
    let output = command.env("PORTCULLIS_DATABASE_PASSWORD", PASSWORD).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for file in [format!("[database]\npassword = \"{PASSWORD}\"\n"), format!("[database]\nurl = \"{url}\"\n")] {
        let said = refusal("", &file);
        assert!(said.contains("database.password_file") && !said.contains(&percent), "{said}");
    }
}

#[tokio::test]
async fn bytes_that_are_changed_in_between_are_never_taken_for_an_answer() {
    let database = OverTls::start();
    let proxy = FaultProxy::to(&format!("127.0.0.1:{}", database.server.port()));
    let url = database.address_at("postgres", "localhost", proxy.port(), &format!("&sslrootcert={}", database.ca()));
    let (server, _) = super::registry(&url, &password_file(database.folder.path())).await;
    super::outages::pushes_survive(&server, async || {
        proxy.set(Fault::Corrupt(7_000));
        while proxy.struck() < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        proxy.set(Fault::None);
    })
    .await;
}
