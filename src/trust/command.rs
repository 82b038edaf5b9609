//! The lines that make another host trust this registry's CA.
//!
//! The short one fetches the registry's script (`trust_script`) and runs it if it has the hash that the line names. The
//! self-contained one carries its steps itself: it fetches the CA alone, compares its fingerprint with the pinned one, and writes
//! it. Neither believes anything that came over the network, so neither verifies the connection; both send no credentials, follow
//! no redirect, and read a bounded number of bytes.

use super::script::{CURRENT, Trusted};

/// Where a registry serves the version `CURRENT` of the script.
const SCRIPT_PATH: &str = "/.well-known/portcullis/trust";
/// More than any script has.
const SCRIPT_LIMIT: u32 = 65_536;
/// `-q` first: no configuration of curl's, and with that no `~/.netrc`. Without `-L` no redirect is followed.
const CURL: &str = "curl -qfsSk";
/// The same for GNU wget.
const WGET: &str = "wget --no-config --no-netrc --max-redirect=0 --tries=1 --no-check-certificate -qO-";

/// The line that a person can read, with curl.
pub fn short_line(trusted: &Trusted<'_>) -> String {
    pinned_script(CURL, trusted)
}

/// The same for hosts with GNU wget and no curl.
pub fn wget_line(trusted: &Trusted<'_>) -> String {
    pinned_script(WGET, trusted)
}

fn pinned_script(fetch: &str, trusted: &Trusted<'_>) -> String {
    let (host, hash) = (trusted.host.strip_suffix(":443").unwrap_or(trusted.host), trusted.script_sha256());
    let url = format!("https://{host}{SCRIPT_PATH}/{CURRENT}");
    // To some shells the brackets of an IPv6 address are a pattern.
    let url = if url.contains('[') { format!("\"{url}\"") } else { url };
    format!("{fetch} {url} | head -c {SCRIPT_LIMIT} >t && echo \"{hash}  t\" | sha256sum -c && sudo sh t")
}

/// The line that runs nothing but itself, for hosts with openssl.
pub fn self_contained_line(trusted: &Trusted<'_>) -> String {
    let names = trusted.names();
    let store = if trusted.constrained { SELF_CONTAINED_STORE } else { "" };
    let steps = SELF_CONTAINED.lines().chain(store.lines()).collect::<Vec<_>>().join(" ");
    // None of these holds a quote: a parsed host, and what this program prints.
    let values = [
        ("@CURL@", CURL),
        ("@WGET@", WGET),
        ("@HOST@", trusted.host),
        ("@NAMES@", &names),
        ("@SHA256@", trusted.sha256),
        ("@FILE_NAME@", &trusted.file_name()),
    ];
    let steps = values.iter().fold(steps, |steps, (place, value)| steps.replace(place, value));
    format!("sh -c '{steps}'")
}

// -f: the brackets of an IPv6 address are not a pattern for files in the directory. BusyBox has none of wget's
// options, reads no ~/.netrc, and sends nothing along with a redirect.
const SELF_CONTAINED: &str = r#"set -euf; umask 022; t=$(mktemp); trap "rm -f $t" EXIT;
u=https://@HOST@/.well-known/portcullis/ca.pem;
if command -v curl >/dev/null; then f="@CURL@ --noproxy * --max-time 20";
else case $(wget --help 2>&1) in *BusyBox*) f="wget -T 20 -Y off --no-check-certificate -qO-";;
*) f="@WGET@ --no-proxy --timeout=20";; esac; fi;
$f "$u" | head -c 16384 >"$t";
[ -s "$t" ] || { echo "$u did not answer. Nothing was written." >&2; exit 1; };
got=$(openssl x509 -in "$t" -outform DER | openssl dgst -sha256 -r | cut -c1-64);
[ "$got" = @SHA256@ ] || { echo "REFUSED: the CA at $u is $got, not the pinned one. Nothing was written." >&2; exit 1; };
w() { mkdir -p "${1%/*}"; openssl x509 -in "$t" -out "$1.new"; mv "$1.new" "$1"; echo "trusted: $1"; };
c=; if [ "$(id -u)" = 0 ]; then b=/etc; [ ! -d /etc/containerd ] || c=containerd; else b=$HOME/.config; fi;
for d in docker containers $c; do for n in @NAMES@; do w "$b/$d/certs.d/$n/ca.crt"; done; done"#;

// Each family of systems is known by the directory of its store.
const SELF_CONTAINED_STORE: &str = r#"; s() { if [ -d "$1" ] && command -v "$2" >/dev/null; then w "$1/portcullis-@FILE_NAME@.crt"; "$2" >/dev/null; exit; fi; };
if [ "$b" = /etc ]; then s /usr/local/share/ca-certificates update-ca-certificates;
s /etc/pki/ca-trust/source/anchors update-ca-trust; s /etc/pki/trust/anchors update-ca-certificates;
s /etc/ca-certificates/trust-source/anchors update-ca-trust; fi"#;

/// The same for a host that has this program; it checks more, and can undo it.
pub fn program_line(host: &str, pin: &str) -> String {
    format!("portcullis trust {host} --ca-sha256 {pin}")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    fn trusted(host: &str) -> Trusted<'_> {
        Trusted { host, pem: "PEM", sha256: "0a", constrained: true }
    }

    /// Both kinds of line, with and without the operating system's store.
    fn lines(host: &str) -> Vec<String> {
        let constrained = trusted(host);
        let all = [constrained, Trusted { constrained: false, ..constrained }];
        all.iter().flat_map(|trusted| [short_line(trusted), wget_line(trusted), self_contained_line(trusted)]).collect()
    }

    fn inner(line: &str) -> &str {
        line.strip_prefix("sh -c '").and_then(|rest| rest.strip_suffix('\'')).unwrap_or(line)
    }

    #[test]
    fn every_line_is_one_line_of_valid_shell() {
        for line in lines("registry.test:5000") {
            assert!(!line.contains('\n') && !line.contains('@'), "{line}");
            assert!(!inner(&line).contains('\''), "a quote would end the line early: {line}");
            for text in [line.as_str(), inner(&line)] {
                let checked = Command::new("sh").args(["-n", "-c", text]).status().expect("sh is there");
                assert!(checked.success(), "{text}");
            }
        }
    }

    #[test]
    fn the_short_line_is_one_that_a_person_reads() {
        let (line, hash) = (short_line(&trusted("registry.test:5000")), trusted("registry.test:5000").script_sha256());
        assert_eq!(
            line,
            format!(
                "curl -qfsSk https://registry.test:5000/.well-known/portcullis/trust/1 | head -c 65536 >t && \
                 echo \"{hash}  t\" | sha256sum -c && sudo sh t"
            )
        );
        assert!(line.len() < 220, "{}", line.len());
        assert!(
            short_line(&trusted("[::1]:5000")).contains(" \"https://[::1]:5000/.well-known/portcullis/trust/1\" |")
        );
        assert!(short_line(&trusted("r.test:443")).contains("https://r.test/.well-known"));
    }

    /// Runs a line where `tool` is a fake that records its arguments and answers without end.
    fn run_with(tool: &str, line: &str) -> (String, Output) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (log, program) = (folder.path().join("log"), folder.path().join(tool));
        let script =
            format!("#!/bin/sh\necho \"$*\" >>{}\ncase $1 in --help) exit ;; esac\nyes endless\n", log.display());
        std::fs::write(&program, script).expect("writable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
        for needed in ["sh", "head", "mktemp", "rm", "sha256sum", "yes", "cut", "openssl", "cat", "id", "sudo"] {
            let found = ["/usr/bin", "/bin"].iter().map(|dir| format!("{dir}/{needed}"));
            if let Some(found) = found.into_iter().find(|path| std::path::Path::new(path).exists()) {
                std::os::unix::fs::symlink(found, folder.path().join(needed)).expect("writable");
            }
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env_clear().env("PATH", folder.path()).env("HOME", folder.path());
        let output = command.env("TMPDIR", folder.path()).current_dir(folder.path()).output().expect("sh is there");
        for entry in std::fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable")) {
            let size = entry.metadata().map_or(0, |meta| meta.len());
            assert!(entry.path().is_symlink() || size <= 65_536, "{:?} has {size} bytes", entry.path());
        }
        (std::fs::read_to_string(log).expect("the tool was called"), output)
    }

    #[test]
    fn a_fetch_sends_no_credentials_follows_nothing_and_is_bounded() {
        let trusted = trusted("registry.test:5000");
        for (tool, line) in [
            ("curl", short_line(&trusted)),
            ("curl", self_contained_line(&trusted)),
            ("wget", wget_line(&trusted)),
            ("wget", self_contained_line(&trusted)),
        ] {
            let (called, output) = run_with(tool, &line);
            assert!(!output.status.success(), "{line}");
            let called = called.lines().last().expect("a call").to_owned();
            if tool == "curl" {
                assert!(called.starts_with("-q"), "{called}");
                assert!(!called.contains("-L") && !called.contains("--location"), "{called}");
            } else {
                for option in ["--no-config", "--no-netrc", "--max-redirect=0"] {
                    assert!(called.contains(option), "{called}");
                }
            }
        }
    }

    #[test]
    fn brackets_of_an_address_are_not_a_pattern() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("1:5000"), "").expect("writable");
        let line = self_contained_line(&trusted("[::1]:5000"));
        let (begin, end) = (line.find("set ").expect("it is set"), line.find(';').expect("a command ends"));
        let names = &line[line.find("for n in").expect("the loop")..line.find("; do w").expect("its body")];
        let script = format!("{}; {names}; do echo \"$n\"; done", &line[begin..end]);
        let said = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh is there");
        assert_eq!(String::from_utf8_lossy(&said.stdout), "[::1]:5000\n", "{script}");
    }

    #[test]
    fn port_443_is_trusted_under_both_spellings() {
        assert!(self_contained_line(&trusted("r.test:443")).contains("for n in r.test r.test:443;"));
        assert!(self_contained_line(&trusted("r.test:5000")).contains("for n in r.test:5000;"));
    }
}
