//! Answers that are given before the request's body was read: they arrive, and say what becomes of the connection.

use super::*;

/// As much as a client may be sending by the time it hears the answer: more than all buffers in between hold.
const BODY: usize = 12 * 1024 * 1024;

/// Sends everything first and reads only then, as simple clients do.
async fn send_then_read(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), head: &str, body: usize) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![0; 64 * 1024];
    for _ in 0..body / chunk.len() {
        stream.write_all(&chunk).await.expect("the server still reads");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the answer is there and not reset");
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(length: usize) -> String {
    format!("POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_arrives_every_time() {
    let running = start(|_| {});
    for _ in 0..20 {
        let answer = send_then_read(&mut running.tls().await, &post(BODY), BODY).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("refused"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn answers_that_no_handler_gave_arrive_as_well() {
    let running = start(|_| {});
    for _ in 0..10 {
        let nonsense = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ten\r\n\r\n";
        let answer = send_then_read(&mut running.tls().await, nonsense, BODY).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let plain = format!("PUT /v2/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY}\r\n\r\n");
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let answer = send_then_read(&mut stream, &plain, BODY).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https"), "{answer}");
    }
}

#[tokio::test]
async fn a_small_body_that_was_not_read_does_not_cost_the_connection() {
    let running = start(|_| {});
    let mut stream = running.tls().await;
    for _ in 0..3 {
        let answer = exchange(&mut stream, &format!("{}0123456789", post(10)), "refused").await;
        assert!(answer.contains("connection: keep-alive"), "{answer}");
    }
    exchange(&mut stream, WHO, "127.0.0.1").await;
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_not_asked() {
    let running = start(|_| {});
    let head = "POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    let answer = send_then_read(&mut running.tls().await, head, 0).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_left_in_the_end() {
    let running = start(|settings| settings.max_connections = 1);
    let mut endless = running.tls().await;
    endless.write_all(post(usize::MAX / 4).as_bytes()).await.unwrap();
    let chunk = vec![0; 64 * 1024];
    let sends = tokio::spawn(async move { while endless.write_all(&chunk).await.is_ok() {} });
    // It is closing, so it is the first to make room for another one.
    let client = running.client().timeout(Duration::from_secs(10)).build().unwrap();
    assert!(client.get(running.url("/who")).send().await.unwrap().status().is_success());
    tokio::time::timeout(Duration::from_secs(30), sends).await.expect("it was left").unwrap();
}
