//! The client of large transfers: contents made up on the fly, few copies and few system calls, so that the server is the limit.
//!
//! `transfer digest|make SEED MIB` prints the digest of made-up content, or the content itself.
//! `transfer put|patch|chunks|pull PORT CERTIFICATE HEADER REPOSITORY SEED MIB DIGEST STREAMS` prints the seconds that it took and its own
//! CPU seconds. `patch` is one stream without a length, as docker's; `chunks` are of 16 MiB.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MIB: usize = 1024 * 1024;
/// What is handed to TLS at once.
const PIECE: usize = MIB / 4;
/// In MiB.
const CHUNK: usize = 16;

/// The blocks of a content: the same random MiB, each with its number and the content's seed at its head.
struct Blocks {
    block: Vec<u8>,
    seed: u64,
}

impl Blocks {
    fn new(seed: u64) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let block = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self { block: block.take(MIB / 8).flatten().collect(), seed }
    }

    fn number(&mut self, number: usize) -> &[u8] {
        self.block[..8].copy_from_slice(&self.seed.to_le_bytes());
        self.block[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        &self.block
    }

    fn digest(&mut self, mebibytes: usize) -> String {
        let mut hasher = Context::new(&SHA256);
        (0..mebibytes).for_each(|number| hasher.update(self.number(number)));
        hasher.finish().as_ref().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[derive(Clone)]
struct Target {
    port: u16,
    tls: Arc<ClientConfig>,
    header: String,
    repository: String,
}

impl Target {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&arguments[1])?)?;
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let header = if arguments[2].is_empty() { String::new() } else { format!("{}\r\n", arguments[2]) };
        Ok(Self { port: arguments[0].parse()?, tls: tls.into(), header, repository: arguments[3].clone() })
    }

    /// The head of a request, without the length of its body.
    fn head(&self, method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nUser-Agent: transfer\r\n{}", self.port, self.header)
    }
}

/// The connection of an upload, over which all its requests go.
struct Upload {
    connection: ClientConnection,
    stream: TcpStream,
    target: Target,
    location: String,
}

impl Upload {
    fn open(target: Target) -> Outcome<Self> {
        let connection = ClientConnection::new(Arc::clone(&target.tls), ServerName::try_from("localhost")?)?;
        let stream = TcpStream::connect(("localhost", target.port))?;
        stream.set_nodelay(true)?;
        let location = format!("/v2/{}/blobs/uploads/", target.repository);
        let mut upload = Self { connection, stream, target, location };
        upload.connection.set_buffer_limit(None);
        upload.ask("POST", "", "Content-Length: 0\r\n", 202)?;
        Ok(upload)
    }

    fn send(&mut self, content: &[u8]) -> Outcome<()> {
        self.connection.writer().write_all(content)?;
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    fn begin(&mut self, method: &str, query: &str, headers: &str) -> Outcome<()> {
        let joint = if query.is_empty() {
            ""
        } else if self.location.contains('?') {
            "&"
        } else {
            "?"
        };
        let head = self.target.head(method, &format!("{}{joint}{query}", self.location)) + headers + "\r\n";
        self.send(head.as_bytes())
    }

    /// Reads the answer, and where the upload continues.
    fn end(&mut self, wanted: u16) -> Outcome<()> {
        let mut answer = Vec::new();
        let mut tls = rustls::Stream::new(&mut self.connection, &mut self.stream);
        let mut piece = [0; 4096];
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = tls.read(&mut piece)?;
            answer.extend_from_slice(&piece[..read]);
        }
        let text = String::from_utf8_lossy(&answer);
        if !text.starts_with(&format!("HTTP/1.1 {wanted} ")) {
            return Err(format!("{wanted} was expected: {text}").into());
        }
        let location = text
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location")));
        if let Some((_, location)) = location {
            let path = location.trim().split_once("://").map_or(Some(0), |(_, rest)| rest.find('/'));
            let skipped = location.find("://").map_or(0, |scheme| scheme + 3) + path.unwrap_or(0);
            self.location = location.trim()[skipped..].to_owned();
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, query: &str, headers: &str, wanted: u16) -> Outcome<()> {
        self.begin(method, query, headers)?;
        self.end(wanted)
    }

    fn put(mut self, blocks: &mut Blocks, mebibytes: usize, digest: &str) -> Outcome<()> {
        let headers = format!("Content-Type: application/octet-stream\r\nContent-Length: {}\r\n", mebibytes * MIB);
        self.begin("PUT", &format!("digest={digest}"), &headers)?;
        for number in 0..mebibytes {
            for piece in blocks.number(number).chunks(PIECE) {
                self.send(piece)?;
            }
        }
        self.end(201)
    }

    /// As Go's client does: chunks of 32 KiB.
    fn patch(mut self, blocks: &mut Blocks, mebibytes: usize, digest: &str) -> Outcome<()> {
        self.begin("PATCH", "", "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n")?;
        let mut encoded = Vec::with_capacity(2 * PIECE);
        for number in 0..mebibytes {
            for piece in blocks.number(number).chunks(PIECE) {
                encoded.clear();
                for chunk in piece.chunks(32 * 1024) {
                    write!(encoded, "{:x}\r\n", chunk.len())?;
                    encoded.extend_from_slice(chunk);
                    encoded.extend_from_slice(b"\r\n");
                }
                self.send(&encoded)?;
            }
        }
        self.send(b"0\r\n\r\n")?;
        self.end(202)?;
        self.ask("PUT", &format!("digest={digest}"), "Content-Length: 0\r\n", 201)
    }

    fn chunks(mut self, blocks: &mut Blocks, mebibytes: usize, digest: &str) -> Outcome<()> {
        for first in (0..mebibytes).step_by(CHUNK) {
            let last = (first + CHUNK).min(mebibytes);
            let range = format!(
                "Content-Range: {}-{}\r\nContent-Length: {}\r\n",
                first * MIB,
                last * MIB - 1,
                (last - first) * MIB
            );
            self.begin("PATCH", "", &format!("Content-Type: application/octet-stream\r\n{range}"))?;
            for number in first..last {
                for piece in blocks.number(number).chunks(PIECE) {
                    self.send(piece)?;
                }
            }
            self.end(202)?;
        }
        self.ask("PUT", &format!("digest={digest}"), "Content-Length: 0\r\n", 201)
    }
}

/// Reads a blob, decrypted in place, and checks that all of it came.
fn pull(target: &Target, digest: &str, size: usize) -> Outcome<()> {
    let mut stream = TcpStream::connect(("localhost", target.port))?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let mut connection = rustls::client::UnbufferedClientConnection::new(Arc::clone(&target.tls), name)?;
    let path = format!("/v2/{}/blobs/{digest}", target.repository);
    let mut request = Some(target.head("GET", &path) + "\r\n");
    let (mut incoming, mut used, mut outgoing) = (vec![0; PIECE], 0, Vec::new());
    let (mut head, mut received) = (Vec::new(), 0);
    loop {
        let UnbufferedStatus { mut discard, state } = connection.process_tls_records(&mut incoming[..used]);
        let mut starving = false;
        match state? {
            ConnectionState::EncodeTlsData(mut data) => {
                let mut record = vec![0; PIECE];
                let length = data.encode(&mut record).map_err(|error| format!("{error:?}"))?;
                outgoing.extend_from_slice(&record[..length]);
            }
            ConnectionState::TransmitTlsData(data) => {
                stream.write_all(&outgoing)?;
                outgoing.clear();
                data.done();
            }
            ConnectionState::WriteTraffic(mut traffic) => match request.take() {
                Some(request) => {
                    let mut record = vec![0; PIECE];
                    let length =
                        traffic.encrypt(request.as_bytes(), &mut record).map_err(|error| format!("{error:?}"))?;
                    stream.write_all(&record[..length])?;
                }
                None => starving = true,
            },
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    received += after_head(&mut head, record.payload)?;
                }
            }
            ConnectionState::BlockedHandshake => starving = true,
            _ => return Err("the server closed the connection".into()),
        }
        if discard > 0 {
            incoming.copy_within(discard..used, 0);
            used -= discard;
        }
        if received == size {
            return Ok(());
        }
        if starving {
            match stream.read(&mut incoming[used..])? {
                0 => return Err(format!("{received} of {size} bytes came").into()),
                read => used += read,
            }
        }
    }
}

/// How many bytes of this piece belong to the body.
fn after_head(head: &mut Vec<u8>, piece: &[u8]) -> Outcome<usize> {
    if head.ends_with(b"\r\n\r\n") {
        return Ok(piece.len());
    }
    let before = head.len();
    head.extend_from_slice(piece);
    let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
    head.truncate(end + 4);
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(head).into());
    }
    Ok(piece.len() - (head.len() - before))
}

/// The CPU time of this process so far, in seconds; the kernel counts a hundredth of a second as a tick.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn transfer(way: &str, target: &Target, content: (u64, usize, &str), streams: usize) -> Outcome<()> {
    let (seed, mebibytes, digest) = content;
    let begin = Barrier::new(streams + 1);
    let (began, before) = std::thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(|| {
                let mut blocks = Blocks::new(seed);
                begin.wait();
                let outcome = match way {
                    "pull" => pull(target, digest, mebibytes * MIB),
                    _ => Upload::open(target.clone()).and_then(|upload| match way {
                        "put" => upload.put(&mut blocks, mebibytes, digest),
                        "patch" => upload.patch(&mut blocks, mebibytes, digest),
                        _ => upload.chunks(&mut blocks, mebibytes, digest),
                    }),
                };
                outcome.unwrap_or_else(|error| {
                    eprintln!("transfer: {way}: {error}");
                    std::process::exit(1);
                });
            });
        }
        let before = cpu();
        begin.wait();
        (Instant::now(), before)
    });
    println!("{:.4} {:.2}", began.elapsed().as_secs_f64(), cpu()? - before?);
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map_or("1", String::as_str).parse::<usize>();
    match arguments.first().map(String::as_str) {
        Some("digest") => println!("{}", Blocks::new(number(1)? as u64).digest(number(2)?)),
        Some("make") => {
            let mut blocks = Blocks::new(number(1)? as u64);
            for number in 0..number(2)? {
                std::io::stdout().write_all(blocks.number(number))?;
            }
        }
        Some(way @ ("put" | "patch" | "chunks" | "pull")) if arguments.len() == 9 => {
            let content = (number(5)? as u64, number(6)?, arguments[7].as_str());
            transfer(way, &Target::parse(&arguments[1..])?, content, number(8)?)?;
        }
        _ => {
            return Err(
                "usage: transfer put|patch|chunks|pull PORT CERTIFICATE HEADER REPOSITORY SEED MIB DIGEST STREAMS"
                    .into(),
            );
        }
    }
    Ok(())
}
