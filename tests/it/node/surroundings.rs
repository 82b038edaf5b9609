//! File systems that lack something, a clock that is wrong, and a kernel that parts IPv6 from IPv4: each is named with what to do, or
//! makes no difference.

use crate::support::{Server, eventually};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Replaces the C library's functions by these for the program that is started with the result.
fn shim(directory: &Path, functions: &str) -> PathBuf {
    let (source, library) = (directory.join("shim.c"), directory.join("shim.so"));
    let head = "#define _GNU_SOURCE\n#include <errno.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n";
    std::fs::write(&source, format!("{head}{functions}")).expect("written");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(made.expect("a C compiler, which the build needs too").success());
    library
}

fn refusal(functions: &str) -> String {
    let server = Server::absent("");
    let library = shim(server.home(), functions);
    let output = server.command(&["init", "--host", "localhost"]).env("LD_PRELOAD", library).output().expect("run");
    assert!(!output.status.success(), "it cannot work there");
    assert!(!server.data().join("ca").exists(), "nothing was made");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_system_without_locks_is_named() {
    let text = refusal("int flock(int fd, int operation) { errno = ENOLCK; return -1; }\n");
    assert!(text.contains("no file locks") && text.contains("rpc.statd") && text.contains("local one"), "{text}");
    assert!(!text.contains("served by process"), "{text}");
}

#[test]
fn a_file_system_that_cannot_sync_directories_is_named() {
    let text = refusal(
        "int fsync(int fd) { struct stat found; fstat(fd, &found); if (S_ISDIR(found.st_mode)) { errno = EINVAL; return -1; } \
         return syscall(SYS_fsync, fd); }\n",
    );
    assert!(text.contains("cannot make a directory durable") && text.contains("ext4"), "{text}");
}

#[test]
fn a_clock_behind_the_program_makes_no_ca_and_says_so() {
    let text = refusal(
        "int clock_gettime(clockid_t clock, struct timespec *now) { long result = syscall(SYS_clock_gettime, clock, now); \
         if (clock == CLOCK_REALTIME) now->tv_sec = 1000000000; return result; }\n",
    );
    assert!(text.contains("2001-09-09") && text.contains("was built on") && text.contains("timedatectl"), "{text}");
}

#[test]
fn a_read_only_data_directory_is_named() {
    assert!(rustix::process::geteuid().is_root(), "mounting takes root: run the tests as root");
    let server = Server::absent("");
    std::fs::create_dir(server.data()).expect("made");
    let init = server.command(&["init", "--host", "localhost"]);
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs -o ro,mode=700 none \"$0\" && exec \"$@\""])
        .arg(server.data())
        .arg(init.get_program())
        .args(init.get_args())
        .output()
        .expect("unshare is installed (Debian package util-linux)");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("mounted read-only") && text.contains("--data"), "{text}");
}

/// Runs a shell script in a network of its own, where IPv6 sockets take no IPv4 unless they ask for it.
fn in_a_parted_network(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let setup = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/bindv6only && ";
    command.args(["--net", "sh", "-c", &format!("{setup}{script}"), "sh"]).args(arguments);
    command
}

#[tokio::test]
async fn every_address_means_both_families_whatever_the_kernel_says() {
    assert!(rustix::process::geteuid().is_root(), "a network of its own takes root: run the tests as root");
    let mut server = Server::absent("");
    server.initialise();
    let serve = server.command(&["serve", "--listen", "[::]:5000"]);
    let arguments: Vec<&str> = std::iter::once(serve.get_program())
        .chain(serve.get_args())
        .map(|text| text.to_str().expect("UTF-8"))
        .collect();
    let log = server.home().join("served");
    let output = std::fs::File::create(&log).expect("made");
    let mut child = in_a_parted_network("exec \"$@\"", &arguments)
        .stdout(Stdio::from(output))
        .stderr(Stdio::null())
        .spawn()
        .expect("unshare and ip are installed (Debian packages util-linux and iproute2)");
    eventually("it serves", async || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("serving https")))
        .await;
    let pid = child.id().to_string();
    for address in ["127.0.0.1", "[::1]"] {
        let url = format!("https://{address}:5000/health/live");
        let asked = Command::new("nsenter")
            .args([
                "--target",
                &pid,
                "--net",
                "curl",
                "--silent",
                "--show-error",
                "--insecure",
                "--max-time",
                "30",
                &url,
            ])
            .output()
            .expect("nsenter and curl are installed");
        assert!(asked.status.success(), "{address}: {}", String::from_utf8_lossy(&asked.stderr));
    }
    child.kill().expect("ours");
    child.wait().expect("ours");
}
