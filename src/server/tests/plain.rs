//! Plain HTTP on the TLS port gets told what to do.

use super::*;

async fn plain(running: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn curl_is_sent_to_https() {
    let running = start(|_| {});
    let answer = plain(&running, "GET /v2/_catalog HTTP/1.1\r\nHost: localhost:5000\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");
    assert!(answer.contains("location: https://localhost:5000/v2/_catalog\r\n"), "{answer}");
    assert!(answer.contains("This port speaks HTTPS") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn unencrypted_credentials_must_be_changed() {
    let running = start(|_| {});
    let answer = plain(&running, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic Y2FuYXJ5\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("change them"), "{answer}");
    assert!(!answer.contains("Y2FuYXJ5"));
}

#[tokio::test]
async fn uploads_are_refused_with_a_text() {
    let running = start(|_| {});
    let body = "x".repeat(1000);
    let request = format!("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{body}");
    let answer = plain(&running, &request).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://a/v2/a/blobs/uploads/"), "{answer}");
}

#[tokio::test]
async fn nonsense_and_slowness_end() {
    let running = start(|settings| settings.header_timeout = Duration::from_millis(300));
    plain(&running, "SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    assert!(plain(&running, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    plain(&running, "GET / HTTP/1.1\r\nHost: slow").await;
    plain(&running, &format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000))).await;
}
