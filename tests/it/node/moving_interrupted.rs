//! Ctrl-C during a move: the registry takes changes again at once, and the same command continues.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::moving::{Place, filled, has, said, start_on_a_file, takes};
use crate::support::s3::Bucket;
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Image, Server};

/// Runs the move, and sends it SIGINT when it has copied something. What it said, if that came in time.
async fn interrupted(server: &Server, config: &str, bucket: &Bucket) -> Option<String> {
    let before = bucket.objects().len();
    let mut command = server.command(&["migrate-storage", "--to", config]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    while bucket.objects().len() <= before && running.try_wait().expect("ours").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw).expect("a process's number");
    // It may be over by now; its number is not given away before it is waited for.
    let _ = kill_process(pid, Signal::INT);
    let output = running.wait_with_output().expect("it ends");
    let text = said(&output);
    (output.status.code() == Some(1) && text.contains("interrupted")).then_some(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_interrupted_gives_the_registry_free_and_continues() {
    let mut server = start_on_a_file().await;
    let images = filled(&server, 60).await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    let there = Place::services(&server, "there");
    let config = there.config(&server);
    let (mut interruptions, mut late) = (0, Vec::new());
    for round in 0..4 {
        let said = interrupted(&server, &config, there.bucket.as_ref().expect("a bucket")).await;
        let Some(said) = said else { continue };
        assert!(said.contains("run the same command again"), "{said}");
        interruptions += 1;
        let image = Image::of(&format!("late {round}"));
        takes(&alice, &image, &format!("alice/late{round}")).await;
        late.push((round, image));
    }
    assert!(interruptions > 0, "each move was over at once");
    let last = server.try_run(&["migrate-storage", "--to", &config], "");
    assert!(last.status.success() || said(&last).contains("was moved to"), "{}", said(&last));
    server.stop().await;
    there.is_now_of(&mut server);
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    for (number, image) in images.iter().enumerate() {
        has(&alice, "alice/app", &format!("v{number}"), image).await;
    }
    for (round, image) in &late {
        has(&alice, &format!("alice/late{round}"), "v1", image).await;
    }
}
