//! Connections that take and do not give.

use super::*;

const SOON: Duration = Duration::from_millis(300);
/// Long enough for a machine that is busy with other things.
const PATIENT: Duration = Duration::from_secs(10);

fn impatient(settings: &mut ServerSettings) {
    settings.handshake_timeout = SOON;
    settings.header_timeout = SOON;
}

#[tokio::test]
async fn half_open_connections_are_closed() {
    let running = start(impatient);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut stuck = TcpStream::connect(running.address).await.unwrap();
    stuck.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    let mut idle = running.tls().await;
    let mut preface = running.tls().await;
    preface.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let mut header = running.tls().await;
    header.write_all(b"GET /who HTTP/1.1\r\nhost: ").await.unwrap();
    let within = PATIENT;
    assert!(is_closed(&mut silent, within).await, "no byte");
    assert!(is_closed(&mut stuck, within).await, "half a handshake");
    assert!(is_closed(&mut idle, within).await, "no request");
    assert!(is_closed(&mut preface, within).await, "half a preface");
    assert!(is_closed(&mut header, within).await, "half a header");
}

#[tokio::test]
async fn an_http2_client_without_a_request_is_closed() {
    let running = start(impatient);
    let mut client = running.tls().await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    assert!(is_closed(&mut client, PATIENT).await);
}

#[tokio::test]
async fn requests_longer_than_the_timeouts_continue() {
    let running = start(impatient);
    let client = running.client().build().unwrap();
    assert_eq!(client.get(running.url("/slow")).send().await.unwrap().text().await.unwrap(), "done");
}

#[tokio::test]
async fn half_open_connections_keep_no_one_out() {
    let running = start_with_pending(10, |settings| {
        settings.max_connections = 20;
        settings.max_connections_per_address = 15;
    });
    let mut kept = running.tls().await;
    exchange(&mut kept, WHO, "127.0.0.1").await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(TcpStream::connect(running.address).await.unwrap());
    }
    let client = running.client().timeout(Duration::from_secs(2)).build().unwrap();
    client.get(running.url("/who")).send().await.unwrap();
    exchange(&mut kept, WHO, "127.0.0.1").await;
    assert!(is_closed(&mut flood[0], PATIENT).await, "the oldest made room");
}

#[tokio::test]
async fn one_address_has_its_share() {
    let running = start(|settings| settings.max_connections_per_address = 2);
    let (mut first, mut second) = (running.tls().await, running.tls().await);
    exchange(&mut first, ENDLESS, "200 OK").await;
    exchange(&mut second, ENDLESS, "200 OK").await;
    let mut third = TcpStream::connect(running.address).await.unwrap();
    assert!(is_closed(&mut third, PATIENT).await, "both are at work");
    drop(first);
    tokio::time::sleep(SOON).await;
    let mut idle = running.tls().await;
    exchange(&mut idle, WHO, "127.0.0.1").await;
    let mut newcomer = running.tls().await;
    exchange(&mut newcomer, WHO, "127.0.0.1").await;
    assert!(is_closed(&mut idle, PATIENT).await, "the idle one made room");
}

#[tokio::test]
async fn a_response_that_is_not_taken_ends() {
    let running = start(|settings| settings.idle_timeout = SOON);
    let mut deaf = running.tls().await;
    deaf.write_all(ENDLESS.as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENT, ENDLESS_ENDED.notified()).await.expect("the body is dropped");
}
