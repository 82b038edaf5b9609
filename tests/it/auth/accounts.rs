//! Accounts: what a name and a password may be, and that a new account inherits nothing from one that had its name.

use reqwest::{Method, StatusCode};

use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Image, Server, eventually, header};

/// What the command said where it failed; nothing where it did not.
fn refusal(server: &Server, arguments: &[&str], input: &str) -> Option<String> {
    let output = server.try_run(arguments, input);
    (output.status.code() == Some(1)).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn add(server: &Server, name: &str, password: &str) -> Option<String> {
    refusal(server, &["user", "add", name, "--password-stdin"], password)
}

#[tokio::test]
async fn a_user_owns_no_repositories_that_were_there_before_unless_that_is_meant() {
    let (server, admin, _, _) = Server::start_with_people().await;
    Image::of("web").push(&admin, "nginx/web", "v1").await;
    Image::of("other").push(&admin, "nginx2/web", "v1").await;
    Image::of("single").push(&admin, "solo", "v1").await;
    let refused = add(&server, "nginx", ALICE_PASSWORD).expect("refused");
    assert!(refused.contains("nginx/web") && refused.contains("--own-existing"), "{refused}");
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(!server.try_run(&["user", "show", "nginx"], "").status.success());
    assert_eq!(add(&server, "solo", ALICE_PASSWORD), None, "a repository of the same name is not the user's");
    server.run_with_input(&["user", "add", "nginx", "--password-stdin", "--own-existing"], ALICE_PASSWORD);
    let nginx = server.actor("nginx", ALICE_PASSWORD);
    assert_eq!(nginx.get("/v2/nginx/web/manifests/v1").await.status(), StatusCode::OK);

    let removed = String::from_utf8(server.run(&["user", "remove", "nginx"]).stdout).expect("text");
    assert!(removed.contains("1 repositories of nginx/** stay") && removed.contains("repo list"), "{removed}");
    assert!(add(&server, "nginx", ALICE_PASSWORD).is_some(), "the name does not lead to what the first one left");
    server.run(&["repo", "remove", "nginx/web"]);
    assert_eq!(add(&server, "nginx", ALICE_PASSWORD), None);
    let removed = String::from_utf8(server.run(&["user", "remove", "nginx"]).stdout).expect("text");
    assert!(removed.contains("no repositories of nginx/** exist"), "{removed}");
}

#[tokio::test]
async fn where_users_own_nothing_there_is_nothing_to_take_over() {
    let server = Server::start_with("[auth]\npersonal_namespaces = false\n").await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    Image::of("web").push(&admin, "nginx/web", "v1").await;
    assert_eq!(add(&server, "nginx", ALICE_PASSWORD), None);
}

#[tokio::test]
async fn a_user_who_is_added_again_does_not_find_the_uploads_of_the_first() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    let session = header(&opened, "location");
    assert_eq!(alice.get(&session).await.status(), StatusCode::NO_CONTENT);
    server.run(&["user", "remove", "alice"]);
    server.add_user("alice", ALICE_PASSWORD);
    let again = server.actor("alice", ALICE_PASSWORD);
    eventually("the new alice", async || {
        let asked = again.basic(Method::GET, &session).send().await.expect("an answer");
        asked.status() == StatusCode::NOT_FOUND
    })
    .await;
    assert_eq!(again.get("/v2/").await.status(), StatusCode::OK);
    for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let request = again.basic(method.clone(), &session).query(&[("digest", digest)]);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn passwords_that_people_choose_have_ten_characters_and_are_not_guessed_first() {
    let server = Server::start().await;
    for (password, reason) in [
        ("hunter2", "at least 10 characters"),
        ("123456789", "at least 10 characters"),
        ("Password123!", "first that are guessed"),
        ("qwertyuiop", "first that are guessed"),
        ("bobbobbobbob", "own name"),
        ("\u{feff}a password with a mark", "byte order mark"),
        ("", "empty"),
    ] {
        let refused = add(&server, "bob", password).expect(password);
        assert!(refused.contains(reason) && refused.contains("nothing was changed"), "{password}: {refused}");
    }
    assert_eq!(add(&server, "bob", "horse battery staple\n"), None);
    let refused = refusal(&server, &["user", "passwd", "bob", "--password-stdin"], "short").expect("refused");
    assert!(refused.contains("at least 10 characters"), "{refused}");
    let bob = server.actor("bob", "horse battery staple");
    assert_eq!(bob.get("/v2/").await.status(), StatusCode::OK);

    let fresh = Server::absent("");
    let init = ["init", "--host", "localhost", "--admin-password-stdin"];
    let refused = refusal(&fresh, &init, "changeme123").expect("refused");
    assert!(refused.contains("first that are guessed"), "{refused}");
    assert_eq!(refusal(&fresh, &init, ADMIN_PASSWORD), None, "and then it begins as if nothing had been");
}

#[tokio::test]
async fn words_that_mean_everyone_are_refused_as_names_of_new_accounts() {
    let server = Server::start().await;
    for name in ["anonymous", "authenticated"] {
        let refused = add(&server, name, ALICE_PASSWORD).expect("refused");
        assert!(refused.contains("reserved"), "{refused}");
        let fresh = Server::absent("");
        let refused = refusal(&fresh, &["init", "--admin", name, "--host", "localhost"], "").expect("refused");
        assert!(refused.contains("reserved") && !fresh.data().exists(), "{refused}");
    }
}

#[tokio::test]
async fn grant_explain_never_advises_what_grant_add_refuses() {
    let server = Server::start().await;
    for (n, (who, action)) in
        [("anonymous", "push"), ("anonymous", "delete"), ("anonymous", "pull"), ("authenticated", "push")]
            .iter()
            .enumerate()
    {
        let explained = server.run(&["grant", "explain", who, action, &format!("team/app{n}")]).stdout;
        let text = String::from_utf8(explained).expect("text");
        let (_, advice) = text.split_once("what would allow it: portcullis ").expect("advice");
        let command: Vec<&str> = advice.split_whitespace().collect();
        assert!(server.try_run(&command, "").status.success(), "{who} {action}: {advice}");
    }
}
