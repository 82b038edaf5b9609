//! Guessing passwords: it becomes slow and then impossible, tells nothing, and stops no one else.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Server, eventually, header};

/// Two addresses of this machine other than the one that everyone has.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];
const FAR_AWAY: [u8; 4] = [127, 0, 0, 3];

async fn login(who: &Actor) -> Response {
    who.basic(Method::GET, "/auth/token").send().await.expect("an answer")
}

async fn guess(who: &Actor, name: &str, password: &str) -> Response {
    let request = who.bare(Method::GET, "/auth/token").basic_auth(name, Some(password));
    request.send().await.expect("an answer")
}

/// The answer's `Retry-After`, where it is the one to who must wait.
fn pause(answer: &Response) -> Option<u64> {
    let seconds = header(answer, "retry-after").parse().ok();
    seconds.filter(|_| answer.status() == StatusCode::TOO_MANY_REQUESTS)
}

async fn server_with_alice(auth: &str) -> (Server, Actor) {
    let server = Server::start_with(auth).await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    (server, alice)
}

fn shown(server: &Server) -> Value {
    serde_json::from_slice(&server.run(&["user", "show", "alice", "--json"]).stdout).expect("JSON")
}

#[tokio::test]
async fn after_ten_wrong_passwords_in_a_minute_an_address_waits_and_others_do_not() {
    let (mut server, alice) = server_with_alice("").await;
    let guesser = server.actor_at(ELSEWHERE, "alice", ALICE_PASSWORD);
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    for n in 0..10 {
        let answer = guess(&guesser, &format!("unknown{n}"), "a guess that no log has").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{n}");
    }
    let waits = pause(&guess(&guesser, "unknown", "a guess that no log has").await).expect("429");
    assert!((1..=60).contains(&waits), "{waits}");
    // In every form, and the right one as well.
    let form = [("grant_type", "password"), ("username", "alice"), ("password", ALICE_PASSWORD)];
    let posted = guesser.bare(Method::POST, "/auth/token").form(&form).send().await.expect("an answer");
    let basic = guesser.basic(Method::GET, "/v2/").send().await.expect("an answer");
    for answer in [login(&guesser).await, posted, basic] {
        assert!(pause(&answer).is_some());
        assert!(answer.text().await.expect("text").contains("\"TOOMANYREQUESTS\""));
    }
    // A token is not a guess, and other addresses are not touched, whether they have been here before or not.
    let token = alice.token(&[]).await.expect("a token");
    let ping = guesser.with_token(Method::GET, "/v2/", &token).send().await.expect("an answer");
    assert_eq!(ping.status(), StatusCode::OK);
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    assert_eq!(login(&server.actor_at(FAR_AWAY, "alice", ALICE_PASSWORD)).await.status(), StatusCode::OK);
    server.signal("TERM");
    let log = server.log_at_its_end().await;
    assert_eq!(log.matches("an address sends wrong passwords").count(), 1, "{log}");
    assert!(log.contains("127.0.0.2") && !log.contains("a guess that no log has"), "{log}");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_for_itself_and_no_one_else_is_believed() {
    let (server, _) = server_with_alice("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").await;
    let (proxy, outsider) = (server.anonymous(), server.actor_at(ELSEWHERE, "x", "x"));
    let ask = async |who: &Actor, forwarded: &str, n: usize| {
        let request = who.bare(Method::GET, "/auth/token").basic_auth(format!("unknown{n}"), Some("guess"));
        request.header("x-forwarded-for", forwarded).send().await.expect("an answer").status()
    };
    for n in 0..10 {
        // What stands before the last entry is what the client says of itself.
        assert_eq!(ask(&proxy, &format!("203.0.113.{n}, 198.51.100.1"), n).await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&outsider, &format!("203.0.113.{n}"), n).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ask(&proxy, "198.51.100.1", 10).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&outsider, "203.0.113.10", 10).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&proxy, "198.51.100.2", 10).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_passwords_in_a_row_make_everyone_new_wait_for_known_and_unknown_names_alike() {
    let (server, alice) = server_with_alice("[auth]\nfailures_per_address = 0\n").await;
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    let token = alice.token(&[]).await.expect("a token");
    let guesser = server.actor_at(ELSEWHERE, "alice", ALICE_PASSWORD);
    // Twelve that are verified: the last two after a wait.
    for n in 0..12 {
        for name in ["alice", "unknown"] {
            let mut answer = guess(&guesser, name, &format!("guess {n}")).await;
            while let Some(seconds) = pause(&answer) {
                assert!(n >= 10, "{name} {n}");
                assert!(seconds <= 2, "{name} {n}: {seconds}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                answer = guess(&guesser, name, &format!("guess {n}")).await;
            }
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name} {n}");
        }
    }
    let mut bodies = Vec::new();
    for (name, password) in [("unknown", ALICE_PASSWORD), ("alice", "guess 13"), ("alice", ALICE_PASSWORD)] {
        let answer = guess(&guesser, name, password).await;
        assert!(pause(&answer).is_some_and(|seconds| (1..=4).contains(&seconds)), "{name}: {answer:?}");
        bodies.push(answer.text().await.expect("text"));
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    // Those who were here before continue, with the password and with the token.
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    let ping = alice.with_token(Method::GET, "/v2/", &token).send().await.expect("an answer");
    assert_eq!(ping.status(), StatusCode::OK);
    eventually("the right one, after the wait", async || login(&guesser).await.status() == StatusCode::OK).await;
    let user = shown(&server);
    assert_eq!((user["wrong_passwords"].as_u64(), &user["locked_until"]), (Some(12), &Value::Null), "{user}");
}

#[tokio::test]
async fn a_locked_user_stays_locked_over_a_restart_until_unlocked() {
    let limits = "[auth]\nfailures_per_address = 0\nfailures_per_account = 3\n";
    let (mut server, alice) = server_with_alice(limits).await;
    let lock = async |who: &Actor| {
        for n in 0..3 {
            assert_eq!(guess(who, "alice", &format!("guess {n}")).await.status(), StatusCode::UNAUTHORIZED);
        }
        let refused = pause(&login(who).await);
        assert!(refused.is_some_and(|seconds| (80_000..=86_400).contains(&seconds)), "{refused:?}");
    };
    lock(&alice).await;
    server.signal("TERM");
    let log = server.log_at_its_end().await;
    assert_eq!(log.matches("portcullis user unlock alice").count(), 1, "{log}");
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    assert!(pause(&login(&alice).await).is_some(), "a restart forgets nothing");
    let user = shown(&server);
    assert_eq!(user["wrong_passwords"], 3);
    assert!(user["locked_until"].as_str().is_some_and(|until| until.ends_with('Z')), "{user}");
    let listed = String::from_utf8(server.run(&["user", "list"]).stdout).expect("text");
    assert!(
        listed.contains("LOCKED UNTIL") && listed.contains(user["locked_until"].as_str().expect("text")),
        "{listed}"
    );

    let unlock = || String::from_utf8(server.run(&["user", "unlock", "alice"]).stdout).expect("text");
    assert_eq!(unlock(), "unlocked user alice; reset 3 wrong passwords\n");
    eventually("unlocked", async || login(&alice).await.status() == StatusCode::OK).await;
    assert_eq!(unlock(), "user alice was not locked\n");
    assert!(!server.try_run(&["user", "unlock", "unknown"], "").status.success());

    lock(&server.actor_at(ELSEWHERE, "alice", ALICE_PASSWORD)).await;
    server.run_with_input(&["user", "passwd", "alice", "--password-stdin"], "another password");
    let renewed = server.actor_at(ELSEWHERE, "alice", "another password");
    assert_eq!(login(&renewed).await.status(), StatusCode::OK, "a new password is a new beginning");
}

#[tokio::test]
async fn zero_switches_both_limits_off() {
    let limits = "[auth]\nfailures_per_address = 0\nfailures_per_account = 0\n";
    let (server, alice) = server_with_alice(limits).await;
    for n in 0..25 {
        assert_eq!(guess(&alice, "alice", &format!("guess {n}")).await.status(), StatusCode::UNAUTHORIZED, "{n}");
    }
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    assert_eq!(shown(&server)["wrong_passwords"], 0);
}

#[tokio::test]
async fn a_restart_forgets_wrong_passwords_of_no_name_and_tells_nothing() {
    let limits = "[auth]\nfailures_per_address = 0\nfailures_per_account = 3\n";
    let (mut server, alice) = server_with_alice(limits).await;
    let names = ["alice", "outsider", "Not a name"];
    for name in names {
        for n in 0..3 {
            let answer = guess(&alice, name, &format!("guess {n}")).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name} {n}");
        }
    }
    server.stop().await;
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    for name in names {
        let answer = guess(&alice, name, "another guess").await;
        assert!(pause(&answer).is_some_and(|seconds| seconds > 80_000), "{name}: {answer:?}");
    }
    server.stop().await;
    let database = server.database();
    let leaked = database.holds("outsider") || database.holds("Not a name");
    assert!(database.holds("alice") && !leaked, "what is typed as a name may be a password");
}

#[tokio::test]
async fn guessers_from_many_addresses_do_not_keep_out_who_was_here_before() {
    let (server, alice) =
        server_with_alice("[auth]\npassword_memory = \"1s\"\npassword_concurrency = 1\npassword_queue = 16\n").await;
    assert_eq!(login(&alice).await.status(), StatusCode::OK);
    let outsiders: Vec<Actor> = (10..180).map(|n| server.actor_at([127, 0, n, 1], "x", "x")).collect();
    let wave = async |n: usize| {
        let guesses = outsiders.iter().enumerate().map(|(who, outsider)| async move {
            guess(outsider, &format!("unknown{who}"), &format!("guess {n}")).await.status()
        });
        futures_util::future::join_all(guesses).await
    };
    let user = async {
        for n in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(login(&alice).await.status(), StatusCode::OK, "{n}");
        }
    };
    let guessing = async {
        let mut refused = 0;
        for n in 0..6 {
            refused += wave(n).await.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
        }
        refused
    };
    let ((), refused) = tokio::join!(user, guessing);
    assert!(refused > 0, "the line was full");
}
