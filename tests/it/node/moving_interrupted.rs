//! Ctrl-C during a move: the registry takes changes again at once, and the same command continues.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::moving::{Place, filled, has, said, start_on_a_file, takes};
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Image, Server};

/// Runs the move, and sends it SIGINT after this time. What it said, if that came in time.
async fn interrupted_after(server: &Server, config: &str, delay: Duration) -> Option<String> {
    let mut command = server.command(&["migrate-storage", "--to", config]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    tokio::time::sleep(delay).await;
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
    for round in 0..10_u64 {
        let said = interrupted_after(&server, &config, Duration::from_millis(100 + 120 * round)).await;
        let Some(said) = said else { continue };
        assert!(said.contains("run the same command again"), "{said}");
        interruptions += 1;
        let image = Image::of(&format!("late {round}"));
        takes(&alice, &image, &format!("alice/late{round}")).await;
        late.push((round, image));
    }
    assert!(interruptions > 0, "each move was over, or had not begun");
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
