//! The bucket: what doctor says of it, and what a server says that cannot use it.

use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;

use crate::support::Server;
use crate::support::s3::Bucket;

/// The findings about the bucket.
fn findings(output: &Output) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    all.into_iter().filter(|finding| finding["check"] == "s3").collect()
}

/// The command, which must end by itself.
fn ended(command: &Command) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args()).env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().expect("timeout runs");
    assert_ne!(output.status.code(), Some(124), "it does not end");
    output
}

fn server() -> (Arc<Bucket>, Server) {
    let bucket = Arc::new(Bucket::new());
    let mut server = Server::absent("").with_bucket(&bucket);
    server.initialise();
    (bucket, server)
}

#[test]
fn everything_that_is_needed_of_a_bucket_is_tried_and_nothing_is_left_in_it() {
    let (bucket, server) = server();
    let public = format!("https://{}", Bucket::address());
    let mut command = server.command(&["doctor", "--s3", "--json"]);
    command.env("PORTCULLIS_BLOBS_S3_REDIRECT", "always").env("PORTCULLIS_BLOBS_S3_PUBLIC_ENDPOINT", public);
    let found = findings(&command.output().expect("it runs"));
    assert_eq!(found.len(), 11, "{found:?}");
    let of_state = |state: &str| found.iter().filter(|finding| finding["state"] == state).collect::<Vec<_>>();
    assert!(of_state("problem").is_empty(), "{found:?}");
    let [wrong_part, uploads] = of_state("warning")[..] else { panic!("{found:?}") };
    assert!(wrong_part["what"].as_str().is_some_and(|what| what.contains("names another part")), "{wrong_part}");
    assert!(uploads["fix"].as_str().is_some_and(|fix| fix.contains("lifecycle rule")), "{uploads}");
    assert!(bucket.is_empty(), "the trial leaves nothing");
}

#[test]
fn blobs_on_the_disk_need_no_bucket() {
    let mut server = Server::absent("");
    server.initialise();
    let mut command = server.command(&["doctor", "--s3", "--json"]);
    let found = findings(&command.env("PORTCULLIS_BLOBS_STORE", "disk").output().expect("it runs"));
    assert!(found.len() == 1 && found[0]["state"] == "ok", "{found:?}");
}

#[test]
fn a_bucket_that_cannot_be_used_is_refused_in_words_by_server_and_doctor() {
    let (_bucket, server) = server();
    let other_ca = server.home().join("other-ca.pem");
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&other_ca, pair.cert.pem()).expect("written");
    let other_ca = other_ca.display().to_string();
    for (variable, value, what, fix) in [
        ("PORTCULLIS_BLOBS_S3_BUCKET", "no-such-bucket", "has no bucket no-such-bucket", "blobs.s3.bucket"),
        ("AWS_ACCESS_KEY_ID", "someone-else", "refuses the credentials", "blobs.s3.access_key_file"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "refuses the credentials", "blobs.s3.secret_key_file"),
        ("PORTCULLIS_BLOBS_S3_CA", &other_ca, "is not trusted", "blobs.s3.ca"),
    ] {
        let run = |arguments: &[&str]| ended(server.command(arguments).env(variable, value));
        let refused = run(&["serve", "--listen", "127.0.0.1:0"]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(what) && told.contains(fix), "{variable}: {told}");
        let found = findings(&run(&["doctor", "--s3", "--json"]));
        assert!(found.len() == 1 && found[0]["state"] == "problem", "{variable}: {found:?}");
        let (said, fixed) = (found[0]["what"].as_str().expect("text"), found[0]["fix"].as_str().expect("text"));
        assert!(said.contains(what) && fixed.contains(fix), "{variable}: {found:?}");
        assert!(!told.contains("test-secret-key") && !said.contains("test-secret-key"));
    }
}
