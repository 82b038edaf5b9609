//! What the documents tell people to type works: the commands of the README and of each topic of the guide are run in order against a
//! real server, configurations are checked, and command lines that need another host, docker or systemd must at least parse.
//!
//! The word after the fence says what is done with a block: `sh` is run, `sh serve` starts the server, `sh host` cannot run in a test,
//! `toml` is a configuration; `text` and `ini` are not commands.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// Each topic, and whether a test is there for it: see `every_topic_is_tested`.
macro_rules! topics {
    ($($test:ident $name:literal),+ $(,)?) => {
        const TESTED: &[&str] = &[$($name),+];
        $(
            #[test]
            fn $test() {
                follow(&format!("src/guide/{}.md", $name));
            }
        )+
    };
}

topics![
    acme "acme",
    backup "backup",
    ca "ca",
    check "check",
    client_certificates "client-certificates",
    clients "clients",
    cluster "cluster",
    configuration "configuration",
    containers "containers",
    database "database",
    doctor "doctor",
    files "files",
    import "import",
    kubernetes "kubernetes",
    limits "limits",
    monitoring "monitoring",
    moving "moving",
    passwords "passwords",
    permissions "permissions",
    proxies "proxies",
    quotas "quotas",
    repositories "repositories",
    retention "retention",
    s3 "s3",
    start "start",
    storage "storage",
    systemd "systemd",
    tls "tls",
    trash "trash",
    trust "trust",
    upgrade "upgrade",
    users "users",
];

#[test]
fn readme() {
    follow("README.md");
}

#[test]
fn documents_for_developers_parse() {
    for file in ["certs/README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/CHANGELOG.md"] {
        let document = Document::read(file);
        assert!(document.blocks.iter().all(|block| !block.kind.is_run()), "{file} has blocks that no test runs");
        document.parses();
    }
}

#[test]
fn every_topic_is_tested_and_linked_from_the_readme() {
    let listed = portcullis(&["guide", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let mut listed: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|it| it["topic"].as_str()).collect();
    listed.sort_unstable();
    assert_eq!(listed, TESTED);
    let readme = Document::read("README.md").text;
    for topic in TESTED {
        assert!(root().join(format!("src/guide/{topic}.md")).exists(), "{topic}");
        assert!(readme.contains(&format!("](src/guide/{topic}.md)")), "the README does not link {topic}");
    }
    let files = fs::read_dir(root().join("src/guide")).expect("the guide").map(|file| file.expect("readable").path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    assert_eq!(texts.count(), TESTED.len(), "a file of the guide that is not compiled in");
}

#[test]
fn links_between_documents_lead_to_files() {
    for file in
        ["README.md", "certs/README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/CHANGELOG.md"]
    {
        let (path, text) = (root().join(file), Document::read(file).text);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let target = path.parent().expect("a directory").join(link);
            assert!(link.is_empty() || link.contains("://") || target.exists(), "{file}: {link} leads nowhere");
        }
    }
}

#[test]
fn a_topic_is_printed_and_an_unknown_one_is_wrong_usage() {
    let printed = portcullis(&["guide", "tls"]);
    assert_eq!(String::from_utf8_lossy(&printed.stdout), Document::read("src/guide/tls.md").text);
    let json: serde_json::Value =
        serde_json::from_slice(&portcullis(&["guide", "tls", "--json"]).stdout).expect("JSON");
    assert_eq!(json["topic"], "tls");
    assert_eq!(json["title"], "Server certificates");
    let unknown = portcullis(&["guide", "tsl"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the nearest one is 'tls'"), "{unknown:?}");
}

/// Does what the document says.
fn follow(file: &str) {
    let document = Document::read(file);
    document.parses();
    let mut operator = Operator::new(file);
    for block in &document.blocks {
        match block.kind {
            Kind::Run => operator.run(block),
            Kind::Serve => operator.serve(&block.text),
            Kind::Configuration => operator.checks(block),
            Kind::Host | Kind::Text => {}
        }
    }
}

struct Document {
    file: String,
    text: String,
    blocks: Vec<Block>,
}

struct Block {
    /// File and line, for messages.
    at: String,
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Run,
    Serve,
    Host,
    Configuration,
    Text,
}

impl Kind {
    /// `None`: a fence that does not say what it is.
    fn of(info: &str) -> Option<Self> {
        Some(match info {
            "sh" => Self::Run,
            "sh serve" => Self::Serve,
            "sh host" => Self::Host,
            "toml" => Self::Configuration,
            "text" | "ini" => Self::Text,
            _ => return None,
        })
    }

    fn is_run(self) -> bool {
        matches!(self, Self::Run | Self::Serve | Self::Configuration)
    }
}

impl Document {
    fn read(file: &str) -> Self {
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let (mut blocks, mut open) = (Vec::new(), None::<Block>);
        for (number, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(info), None) => {
                    let at = format!("{file}:{}", number + 1);
                    let kind = Kind::of(info).unwrap_or_else(|| panic!("{at}: unmarked block: ```{info}"));
                    open = Some(Block { at, kind, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{file}: a block without an end");
        Self { file: file.to_owned(), text, blocks }
    }

    /// Each command line of this program that is not run, in blocks and in the text, is one that it understands.
    fn parses(&self) {
        for block in self.blocks.iter().filter(|block| block.kind == Kind::Host) {
            for line in block.text.replace("\\\n", " ").lines() {
                let line = line.trim().trim_start_matches("sudo ");
                if line.starts_with("portcullis ") {
                    understands(&block.at, line);
                }
            }
        }
        let outside = self.text.split("```").step_by(2);
        for span in outside.flat_map(|text| text.split('`').skip(1).step_by(2)) {
            let span = span.split_whitespace().collect::<Vec<_>>().join(" ");
            if span.starts_with("portcullis ") {
                understands(&self.file, &span);
            }
        }
    }
}

/// `--help` in the end: the arguments before it are parsed, and nothing is done.
fn understands(at: &str, line: &str) {
    let words = line.split([';', '|', '<', '>', '#', '&']).next().unwrap_or_default();
    let pin = "0".repeat(64);
    let words = words.split_whitespace().skip(1).map(|word| match word.trim_matches(['\'', '"']) {
        "HEX" => pin.as_str(),
        "HOST:PORT" | "HOST[:PORT]" => "registry.example.com:5000",
        "NAME" => "alice",
        "GLOB" | "[GLOB]" => "team/**",
        "SIZE" => "5GiB",
        "TOPIC" => "start",
        word => word,
    });
    let words: Vec<&str> = words.chain(["--help"]).collect();
    let output = portcullis(&words);
    assert!(output.status.success(), "{at}: {line}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A person at a shell, with a data directory and a home of their own.
struct Operator {
    home: TempDir,
    listen: String,
    /// The shell that started it, and the reader of its log, who is done when every process of it has ended.
    server: Option<(Child, JoinHandle<()>)>,
    prepared: &'static str,
}

impl Operator {
    fn new(file: &str) -> Self {
        let home = TempDir::new().expect("a temporary directory");
        // An address for this process alone, and a port for each document: what the documents call localhost:5000.
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let number = TESTED.iter().position(|topic| file.ends_with(&format!("/{topic}.md"))).unwrap_or(TESTED.len());
        let listen = format!("127.{}.{b}.{c}:{}", 64 + a % 64, 7300 + number);
        fs::write(home.path().join(".curlrc"), format!("connect-to = \"localhost:5000:{listen}\"\n")).expect("written");
        fs::create_dir(home.path().join("work")).expect("made");
        let needs_image = ["/repositories.md", "/retention.md", "/trash.md"].iter().any(|name| file.ends_with(name));
        let prepared = if needs_image { PUSH } else { "" };
        Self { home, listen, server: None, prepared }
    }

    fn shell(&self, script: &str) -> Command {
        let mut path = binary().parent().expect("a directory").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("bash");
        command.env_clear().env("PATH", path).env("HOME", self.home.path()).current_dir(self.home.path().join("work"));
        command.env("PORTCULLIS_DATA", self.home.path().join("data")).env("PORTCULLIS_SERVER_LISTEN", &self.listen);
        command.args(["-euo", "pipefail", "-c", script]).stdin(Stdio::null());
        command
    }

    fn run(&mut self, block: &Block) {
        if self.server.is_none() {
            self.serve("portcullis serve --host localhost");
            self.succeeds("what the document takes for granted", self.prepared);
        }
        self.succeeds(&block.at, &block.text);
    }

    fn succeeds(&self, at: &str, script: &str) {
        let output = self.shell(script).output().expect("bash");
        assert!(
            output.status.success(),
            "{at}:\n{script}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The configuration, as a person would check it, without what this test sets in the environment.
    fn checks(&self, block: &Block) {
        let file = self.home.path().join("checked.toml");
        File::create(&file).and_then(|mut file| file.write_all(block.text.as_bytes())).expect("written");
        let output = portcullis(&["--config", &file.to_string_lossy(), "config", "check"]);
        assert!(output.status.success(), "{}: {}", block.at, String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server, after the one before has stopped; returns when it serves.
    fn serve(&mut self, script: &str) {
        self.stop();
        let mut command = self.shell(&format!("exec 2>&1\n{script}"));
        let mut server = command.stdout(Stdio::piped()).process_group(0).spawn().expect("bash");
        let log = BufReader::new(server.stdout.take().expect("piped"));
        let (said, line) = mpsc::channel();
        // Reads to the end, so that the server never waits for a reader; no one listens once it serves.
        let reader = thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| drop(said.send(line))));
        self.server = Some((server, reader));
        let mut told = String::new();
        while !told.contains("serving https") {
            let next = line.recv_timeout(Duration::from_secs(30));
            told.push_str(&next.unwrap_or_else(|_| panic!("does not serve:\n{script}\n{told}")));
            told.push('\n');
        }
    }

    fn stop(&mut self) {
        let Some((mut server, reader)) = self.server.take() else { return };
        let group = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process's number");
        // Where it has ended by itself there is nothing to stop.
        let _ = kill_process_group(group, Signal::TERM);
        server.wait().expect("a child");
        reader.join().expect("the log was read");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `team/app:v1`, for documents that show what is done with a repository.
const PUSH: &str = r#"
portcullis ca export > ca.pem
curl -sS --fail --cacert ca.pem -u "admin:$(cat "$PORTCULLIS_DATA/initial-admin-password")" -X PUT \
  -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
  -d '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' \
  https://localhost:5000/v2/team/app/manifests/v1
"#;

fn portcullis(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.env_clear().args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
