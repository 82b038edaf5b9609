//! Clients of HTTP/2 that hold on to what they do not use: connections without requests, windows that stay shut.

use h2::client::{Connection, SendRequest};

use super::*;

const SOON: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(20);

type RequestLimit = SendRequest<bytes::Bytes>;

impl Running {
    /// A client whose streams may receive `window` bytes, and its connection as much as `connection`.
    async fn http2(&self, window: u32, connection: u32) -> (RequestLimit, JoinHandle<Result<(), h2::Error>>) {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(connection);
        let (requests, connection): (RequestLimit, Connection<_, _>) =
            builder.handshake(self.tls().await).await.unwrap();
        (requests, tokio::spawn(connection))
    }
}

fn get(path: &str) -> http::Request<()> {
    http::Request::get(format!("https://localhost{path}")).body(()).unwrap()
}

async fn whole(requests: &RequestLimit, path: &str) -> String {
    let (response, _) = requests.clone().ready().await.unwrap().send_request(get(path), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut text = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        let _ = body.flow_control().release_capacity(chunk.len());
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_though_it_answers_pings() {
    let running = start(|settings| settings.keep_alive = SOON);
    let (requests, connection) = running.http2(1 << 16, 1 << 16).await;
    assert!(whole(&requests, "/who").await.starts_with("127.0.0.1"));
    // The client keeps its handle, so only the server can end it.
    tokio::time::timeout(PATIENT, connection).await.expect("closed").unwrap().expect("by GOAWAY, not by a reset");
    drop(requests);
}

#[tokio::test]
async fn idle_http2_connections_shut_no_one_out() {
    let running = start(|settings| {
        settings.max_connections = 8;
        settings.max_connections_per_address = 8;
    });
    let mut idle = Vec::new();
    for _ in 0..8 {
        let (requests, connection) = running.http2(1 << 16, 1 << 16).await;
        whole(&requests, "/who").await;
        idle.push((requests, connection));
    }
    let client = running.client().timeout(PATIENT).build().unwrap();
    assert!(client.get(running.url("/who")).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_and_the_others_continue() {
    let running = start(|settings| settings.idle_timeout = SOON);
    let (requests, _connection) = running.http2(1000, 1 << 20).await;
    let (response, _) = requests.clone().ready().await.unwrap().send_request(get("/endless"), true).unwrap();
    let mut deaf = response.await.unwrap().into_body();
    assert_eq!(deaf.data().await.unwrap().unwrap().len(), 1000, "as much as the window lets through");
    let ended = async {
        loop {
            tokio::time::sleep(SOON / 3).await;
            // Another stream of the same connection works meanwhile, and after it.
            whole(&requests, "/who").await;
            if let Some(Some(Err(error))) = futures_util::FutureExt::now_or_never(deaf.data()) {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(PATIENT, ended).await.expect("reset");
    assert!(error.is_reset() && error.is_remote(), "{error}");
    assert!(whole(&requests, "/who").await.starts_with("127.0.0.1"));
}

#[tokio::test]
async fn the_last_part_of_an_answer_that_is_never_taken_ends_with_its_connection() {
    let running = start(|settings| settings.idle_timeout = SOON);
    // The window lets one byte through, so hyper sends all of the response and is done with it.
    let (requests, connection) = running.http2(1, 1 << 20).await;
    let (response, _) = requests.clone().ready().await.unwrap().send_request(get("/who"), true).unwrap();
    let deaf = response.await.unwrap().into_body();
    tokio::time::timeout(PATIENT, connection).await.expect("closed").unwrap().ok();
    drop((deaf, requests));
}

#[tokio::test]
async fn answers_that_are_not_taken_hold_only_so_much_memory() {
    let running = start(|_| {});
    let (requests, _connection) = running.http2(0, 1 << 20).await;
    let mut waiting = Vec::new();
    let (mut served, mut refused) = (0, 0);
    for _ in 0..40 {
        let (response, _) = requests.clone().ready().await.unwrap().send_request(get("/large"), true).unwrap();
        let response = response.await.unwrap();
        match response.status().as_u16() {
            200 => served += 1,
            429 => {
                assert_eq!(response.headers()["retry-after"], "1");
                refused += 1;
            }
            other => panic!("{other}"),
        }
        waiting.push(response.into_body());
    }
    assert_eq!((served, refused), (8, 32), "32 MiB of answers of 4 MiB");
    drop(waiting);
    let client = running.client().build().unwrap();
    let again = async {
        while client.get(running.url("/large")).send().await.unwrap().status() != 200 {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    tokio::time::timeout(PATIENT, again).await.expect("what is given up makes room");
}

#[tokio::test]
async fn requests_are_capped_in_all_and_the_rest_told_to_come_back() {
    let running = start(|settings| settings.max_requests = 4);
    let (requests, _connection) = running.http2(1000, 1 << 20).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let (response, _) = requests.clone().ready().await.unwrap().send_request(get("/endless"), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        waiting.push(response.into_body());
    }
    let client = running.client().build().unwrap();
    let refused = client.get(running.url("/who")).send().await.unwrap();
    assert_eq!(refused.status(), 429, "the address has its half");
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains("TOOMANYREQUESTS"));
    drop(waiting);
    let again = async {
        while client.get(running.url("/who")).send().await.unwrap().status() != 200 {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    tokio::time::timeout(PATIENT, again).await.expect("what is given up makes room");
}

#[tokio::test]
async fn an_early_answer_is_followed_by_time_to_stop_sending() {
    let running = start(|_| {});
    let (requests, _connection) = running.http2(1 << 16, 1 << 20).await;
    let post = http::Request::post("https://localhost/refuse").body(()).unwrap();
    let (response, mut sending) = requests.clone().ready().await.unwrap().send_request(post, false).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "refused");
    let reset = std::future::poll_fn(|context| sending.poll_reset(context));
    assert!(tokio::time::timeout(SOON, reset).await.is_err(), "the stream is reset together with the answer");
    sending.send_data(bytes::Bytes::new(), true).expect("the client can end it by itself");
    assert!(whole(&requests, "/who").await.starts_with("127.0.0.1"));
}
