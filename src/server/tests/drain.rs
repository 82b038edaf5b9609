//! The end of a server: what is under way ends well, nothing new begins.

use super::*;

#[tokio::test]
async fn a_response_under_way_ends_and_new_connections_are_refused() {
    let running = start(|_| {});
    let (slow, url) = (running.client().build().unwrap(), running.url("/slow"));
    let under_way = tokio::spawn(async move { slow.get(url).send().await.unwrap().text().await.unwrap() });
    let mut idle = running.tls().await;
    exchange(&mut idle, WHO, "127.0.0.1").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let address = running.address;
    running.shutdown.cancel();
    assert!(is_closed(&mut idle, Duration::from_millis(200)).await, "idle connections end at once");
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    assert_eq!(under_way.await.unwrap(), "done");
    assert_eq!(running.ended.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn an_http1_response_under_way_closes_its_connection() {
    let running = start(|_| {});
    let mut stream = running.tls().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.shutdown.cancel();
    let text = exchange(&mut stream, "", "done").await;
    assert!(text.contains("connection: close"), "{text}");
    assert!(is_closed(&mut stream, Duration::from_millis(200)).await);
    assert_eq!(running.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn what_takes_too_long_is_cut() {
    let running = start(|settings| settings.drain_timeout = Duration::from_millis(50));
    let mut stream = running.tls().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(running.stop().await, Drained { cut: 1 });
}
