//! A wire that breaks when a test says so: it stands between the server under test and another one (a database, an object store), and cuts,
//! holds, delays or corrupts what passes. It runs on a thread of its own, so that tests may wait in any way they like.
//!
//! ```ignore
//! let proxy = FaultProxy::to("127.0.0.1:5432");       // or the path of a socket
//! proxy.set(Fault::Cut);                              // now, and for every new connection
//! proxy.set(Fault::None);
//! ```

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// What happens to connections, from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// They are closed, and new ones are closed at once.
    Cut,
    /// They stay open and nothing passes, as when a cable is pulled.
    Stalled,
    /// Each piece of up to 16 KiB takes this much longer.
    Delay(Duration),
    /// One bit in every so many bytes that the server sends is wrong.
    Corrupt(usize),
    /// What contains this text arrives at the server, and the connection ends before its answer.
    LoseAnswer(&'static str),
    /// The connection ends before what contains this text arrives, every other time.
    LoseRequest(&'static str),
}

/// A running proxy; it ends with this value.
pub struct FaultProxy {
    port: u16,
    faults: watch::Sender<Fault>,
    done: watch::Sender<bool>,
    struck: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// In front of this address, or of the socket at this path.
    pub fn to(target: &str) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("bound").port();
        let (faults, _) = watch::channel(Fault::None);
        let (done, ended) = watch::channel(false);
        let struck = Arc::new(AtomicUsize::new(0));
        let line = Line { target: target.into(), faults: faults.subscribe(), struck: Arc::clone(&struck) };
        let thread = thread::spawn(move || serve(listener, &line, ended));
        Self { port, faults, done, struck, thread: Some(thread) }
    }

    /// Where clients connect to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.faults.send_replace(fault);
    }

    /// Ends the connections there are; new ones pass.
    pub async fn cut_once(&self) {
        self.set(Fault::Cut);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.set(Fault::None);
    }

    /// How many times a byte was corrupted or an answer was lost.
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.done.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What each connection needs to know.
#[derive(Clone)]
struct Line {
    target: Arc<str>,
    faults: watch::Receiver<Fault>,
    struck: Arc<AtomicUsize>,
}

fn serve(listener: std::net::TcpListener, line: &Line, mut ended: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("a listener");
        loop {
            tokio::select! {
                client = listener.accept() => {
                    if let Ok((client, _)) = client {
                        tokio::spawn(join(client, line.clone()));
                    }
                }
                _ = ended.changed() => return,
            }
        }
    });
}

async fn join(client: TcpStream, line: Line) -> io::Result<()> {
    if *line.faults.borrow() == Fault::Cut {
        return Ok(());
    }
    client.set_nodelay(true)?;
    let (client_out, client_in) = client.into_split();
    if line.target.starts_with('/') {
        let (server_out, server_in) = UnixStream::connect(&*line.target).await?.into_split();
        both((client_out, client_in), (server_out, server_in), line).await;
    } else {
        let server = TcpStream::connect(&*line.target).await?;
        server.set_nodelay(true)?;
        let (server_out, server_in) = server.into_split();
        both((client_out, client_in), (server_out, server_in), line).await;
    }
    Ok(())
}

/// Until one side ends; then both do.
async fn both<R, W, S, T>((client_out, client_in): (R, W), (server_out, server_in): (S, T), line: Line)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    S: AsyncRead + Unpin,
    T: AsyncWrite + Unpin,
{
    let muted = AtomicBool::new(false);
    let up = Pump { is_up: true, line: line.clone(), muted: &muted, passed: 0 };
    let down = Pump { is_up: false, line, muted: &muted, passed: 0 };
    tokio::select! {
        _ = up.run(client_out, server_in) => {}
        _ = down.run(server_out, client_in) => {}
    }
}

/// One direction of a connection.
struct Pump<'a> {
    is_up: bool,
    line: Line,
    /// Whether no answer may pass any more.
    muted: &'a AtomicBool,
    passed: usize,
}

impl Pump<'_> {
    async fn run(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let length = tokio::select! {
                length = from.read(&mut piece) => length?,
                _ = self.line.faults.wait_for(|fault| *fault == Fault::Cut) => return Ok(()),
            };
            if length == 0 {
                return Ok(());
            }
            let fault = self.line.faults.wait_for(|fault| *fault != Fault::Stalled).await;
            match fault.map_or(Fault::Cut, |fault| *fault) {
                Fault::Cut => return Ok(()),
                Fault::Delay(time) => tokio::time::sleep(time).await,
                Fault::Corrupt(every) if !self.is_up => self.corrupt(&mut piece[..length], every),
                Fault::LoseAnswer(text) if self.is_up && contains(&piece[..length], text) => {
                    self.line.struck.fetch_add(1, Ordering::Relaxed);
                    self.muted.store(true, Ordering::Release);
                    to.write_all(&piece[..length]).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return Ok(());
                }
                Fault::LoseRequest(text)
                    if self.is_up
                        && contains(&piece[..length], text)
                        && self.line.struck.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) =>
                {
                    return Ok(());
                }
                _ => {}
            }
            if self.is_up || !self.muted.load(Ordering::Acquire) {
                to.write_all(&piece[..length]).await?;
            }
        }
    }

    fn corrupt(&mut self, piece: &mut [u8], every: usize) {
        for byte in piece {
            self.passed += 1;
            if self.passed.is_multiple_of(every) {
                *byte ^= 0x10;
                self.line.struck.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn contains(piece: &[u8], text: &str) -> bool {
    piece.windows(text.len()).any(|part| part == text.as_bytes())
}
