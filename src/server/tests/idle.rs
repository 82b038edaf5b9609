//! Between two requests: a limit of its own, told to the client; a request that has begun has another.

use super::*;

const SOON: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_idle_connection_outlives_the_limit_for_headers() {
    let running = start(|settings| settings.header_timeout = SOON);
    let mut stream = running.tls().await;
    let answer = exchange(&mut stream, WHO, "127.0.0.1").await;
    assert!(answer.contains("keep-alive: timeout=75\r\n"), "{answer}");
    tokio::time::sleep(SOON * 4).await;
    exchange(&mut stream, WHO, "127.0.0.1").await;
    // A request that has begun keeps the limit for headers.
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: ").await.unwrap();
    assert!(is_closed(&mut stream, PATIENT).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_own_limit() {
    let running = start(|settings| settings.keep_alive = SOON);
    let mut stream = running.tls().await;
    exchange(&mut stream, WHO, "127.0.0.1").await;
    assert!(is_closed(&mut stream, PATIENT).await);
}

#[tokio::test]
async fn a_client_that_closes_is_not_told_of_keep_alive() {
    let running = start(|_| {});
    let mut stream = running.tls().await;
    let request = "GET /who HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = exchange(&mut stream, request, "127.0.0.1").await;
    assert!(answer.contains("connection: close") && !answer.contains("timeout="), "{answer}");
    assert!(is_closed(&mut stream, PATIENT).await);
}

#[tokio::test]
async fn the_longest_idle_make_room_before_the_house_is_full() {
    let running = start(|settings| {
        settings.max_connections = 32;
        settings.max_connections_per_address = 32;
    });
    let mut idle = Vec::new();
    for _ in 0..30 {
        let mut stream = running.tls().await;
        exchange(&mut stream, WHO, "127.0.0.1").await;
        idle.push(stream);
    }
    let mut newcomer = running.tls().await;
    exchange(&mut newcomer, WHO, "127.0.0.1").await;
    assert!(is_closed(&mut idle[0], PATIENT).await, "the longest idle was closed");
    exchange(&mut idle[29], WHO, "127.0.0.1").await;
}
