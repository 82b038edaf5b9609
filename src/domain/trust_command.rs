//! The line that makes another host trust this registry's CA: self-contained, pinned, nothing to install first.
//!
//! It fetches the CA without verification, compares the fingerprint of what it got with the pinned one, and only then writes
//! that very certificate where docker, podman, skopeo, buildah and containerd look. Nothing that came over the network is executed.

/// The shell line for a client host. `host` is `NAME:PORT` exactly as images will name it; `pin` the SHA-256 of the CA's DER in
/// lower-case hexadecimal digits.
pub fn shell_line(host: &str, pin: &str) -> String {
    // `host` was parsed, `pin` printed by this program: neither holds a quote.
    let names = match host.strip_suffix(":443") {
        Some(bare) => format!("{bare} {host}"),
        None => host.to_owned(),
    };
    [
        // -f: the brackets of an IPv6 address are no pattern for files that happen to lie here.
        "sh -c 'set -euf",
        "umask 022",
        "t=$(mktemp)",
        "trap \"rm -f $t\" EXIT",
        &format!("u=https://{host}/.well-known/portcullis/ca.pem"),
        "if command -v curl >/dev/null",
        "then curl -fsSk --noproxy \"*\" --max-time 20 --max-filesize 16384 -o \"$t\" \"$u\"",
        "else wget -qO \"$t\" --no-proxy --no-check-certificate --timeout=20 \"$u\"",
        "fi",
        "got=$(openssl x509 -in \"$t\" -outform DER | openssl dgst -sha256 -r | cut -c1-64)",
        &format!(
            "[ \"$got\" = {pin} ] || {{ echo \"REFUSED: the CA at $u is $got, not the pinned one. Nothing was written.\" >&2; exit 1; }}"
        ),
        "if [ \"$(id -u)\" = 0 ]",
        "then b=/etc",
        "else b=$HOME/.config",
        "fi",
        &format!("for d in \"$b/docker/certs.d\" \"$b/containers/certs.d\"; do for n in {names}"),
        "do mkdir -p \"$d/$n\"",
        "openssl x509 -in \"$t\" -out \"$d/$n/.ca.crt.new\"",
        "chmod 644 \"$d/$n/.ca.crt.new\"",
        "mv \"$d/$n/.ca.crt.new\" \"$d/$n/ca.crt\"",
        "echo \"trusted: $d/$n/ca.crt\"",
        "done",
        "done'",
    ]
    .join("; ")
    .replace("then; ", "then ")
    .replace("do; ", "do ")
}

/// The same for a host that has this program; it checks more, and can undo it.
pub fn program_line(host: &str, pin: &str) -> String {
    format!("portcullis trust {host} --ca-sha256 {pin}")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_line_is_one_line_of_valid_shell() {
        let line = shell_line("registry.test:5000", &"0a".repeat(32));
        assert!(!line.contains('\n'));
        let checked = Command::new("sh").args(["-n", "-c", &line]).status().expect("sh is there");
        assert!(checked.success(), "{line}");
        let inner = line.trim_start_matches("sh -c '").trim_end_matches('\'');
        assert!(!inner.contains('\''), "a quote would end the line early");
        let checked = Command::new("sh").args(["-n", "-c", inner]).status().expect("sh is there");
        assert!(checked.success(), "{inner}");
    }

    #[test]
    fn brackets_of_an_address_are_no_pattern() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("1:5000"), "").expect("writable");
        let line = shell_line("[::1]:5000", "00");
        let (begin, end) = (line.find("set ").expect("it is set"), line.find(';').expect("a command ends"));
        let names = &line[line.find("for n in").expect("the loop")..line.find("; do mkdir").expect("its body")];
        let script = format!("{}; {names}; do echo \"$n\"; done", &line[begin..end]);
        let said = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh is there");
        assert_eq!(String::from_utf8_lossy(&said.stdout), "[::1]:5000\n", "{script}");
    }

    #[test]
    fn port_443_is_trusted_under_both_spellings() {
        assert!(shell_line("r.test:443", "00").contains("for n in r.test r.test:443;"));
        assert!(shell_line("r.test:5000", "00").contains("for n in r.test:5000;"));
    }
}
