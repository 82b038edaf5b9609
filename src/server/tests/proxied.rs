//! Behind a proxy that speaks the PROXY protocol.

use super::*;

const PATIENT: Duration = Duration::from_secs(10);

fn behind_a_proxy() -> Running {
    start(|settings| {
        (settings.proxy_protocol, settings.trusted_proxies) = (true, vec!["127.0.0.0/8".parse().unwrap()]);
        settings.handshake_timeout = Duration::from_secs(2);
    })
}

/// What `/who` says to a connection that begins with these bytes; `None` where it is closed before.
async fn who_after(running: &Running, header: &[u8]) -> Option<String> {
    let mut tcp = TcpStream::connect(running.address).await.unwrap();
    tcp.write_all(header).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(running.client_config())).connect(name, tcp);
    let mut stream = tokio::time::timeout(PATIENT, connecting).await.expect("no hang").ok()?;
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.rsplit("\r\n\r\n").next().map(str::to_owned)
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, rest].concat()
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_names() {
    let running = behind_a_proxy();
    let text = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n";
    assert_eq!(who_after(&running, text).await.as_deref(), Some("192.0.2.7:56324"));
    let binary = version_2(0x21, 0x11, &[192, 0, 2, 8, 10, 0, 0, 1, 0, 9, 1, 0xbb]);
    assert_eq!(who_after(&running, &binary).await.as_deref(), Some("192.0.2.8:9"));
    let local = version_2(0x20, 0, &[]);
    assert!(who_after(&running, &local).await.unwrap().starts_with("127.0.0.1:"), "a health check of the proxy's own");
}

#[tokio::test]
async fn a_trusted_proxy_must_send_the_header_and_others_must_not() {
    let running = behind_a_proxy();
    assert_eq!(who_after(&running, b"").await, None, "no header");
    assert_eq!(who_after(&running, b"PROXY TCP4 nonsense\r\n").await, None);
    assert_eq!(who_after(&running, &[b"PROXY ".as_slice(), &[b'x'; 200]].concat()).await, None);
    let untrusted = start(|settings| {
        (settings.proxy_protocol, settings.trusted_proxies) = (true, vec!["192.0.2.0/24".parse().unwrap()]);
    });
    assert_eq!(who_after(&untrusted, b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n").await, None);
    assert!(who_after(&untrusted, b"").await.unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn a_proxy_that_sends_half_a_header_is_closed_in_time() {
    let running = behind_a_proxy();
    let mut tcp = TcpStream::connect(running.address).await.unwrap();
    tcp.write_all(b"PROXY TCP4 192.0").await.unwrap();
    assert!(is_closed(&mut tcp, PATIENT).await);
}
