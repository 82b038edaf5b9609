//! The attainable limit: a server of manifests and blobs with the registry's crates and disk, and nothing of a registry: no login,
//! no database, no limits. `probe PORT CERTIFICATE KEY DIRECTORY`.

#[path = "../upload.rs"]
mod upload;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{IoSliceMut, Result};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::io::{ReadWriteFlags, preadv2};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use upload::Upload;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is read of a file at once, and what TLS may have unsent.
const READ: usize = 256 * 1024;
/// Where the content of a buffer begins: rustls copies it to five bytes after the same place in another page, which is slow.
const PHASE: usize = 2048;

struct Store {
    directory: PathBuf,
    /// Manifests by reference, and small blobs by digest: their media type and content.
    cached: RwLock<HashMap<String, (String, Bytes)>>,
    uploads: Mutex<HashMap<String, Upload>>,
    counter: AtomicU64,
}

/// What an answer has as its body.
enum Content {
    Memory(Option<Bytes>),
    File { file: Arc<File>, at: u64, end: u64 },
}

/// A buffer that returns to where it came from.
struct Recycled(Vec<u8>);

static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl AsRef<[u8]> for Recycled {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        BUFFERS.lock().expect("not poisoned").push(std::mem::take(&mut self.0));
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        Poll::Ready(match &mut *self {
            Self::Memory(content) => content.take().map(|content| Ok(Frame::data(content))),
            Self::File { at, end, .. } if at == end => None,
            Self::File { file, at, end } => Some(read(file, *at, *end).map(|content| {
                *at += content.len() as u64;
                Frame::data(content)
            })),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Memory(content) => content.is_none(),
            Self::File { at, end, .. } => at == end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Memory(content) => content.as_ref().map_or(0, Bytes::len) as u64,
            Self::File { at, end, .. } => end - at,
        })
    }
}

/// At once where the page is cached; else the thread is given up meanwhile.
fn read(file: &File, at: u64, end: u64) -> Result<Bytes> {
    let wanted = READ.min(usize::try_from(end - at).unwrap_or(READ));
    let mut buffer = BUFFERS.lock().expect("not poisoned").pop().unwrap_or_else(|| vec![0; PHASE + READ]);
    let mut slices = [IoSliceMut::new(&mut buffer[PHASE..PHASE + wanted])];
    let read = match preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT) {
        Ok(read) if read > 0 => read,
        _ => tokio::task::block_in_place(|| preadv2(file, &mut slices, at, ReadWriteFlags::empty()))?,
    };
    Ok(Bytes::from_owner(Recycled(buffer)).slice(PHASE..PHASE + read))
}

fn plain(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::Memory(None));
    *response.status_mut() = status;
    response
}

impl Store {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> std::result::Result<Response<Content>, Infallible> {
        Ok(self.route(request).await.unwrap_or_else(|error| {
            eprintln!("probe: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }))
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Content>> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let last = path.rsplit('/').next().unwrap_or_default();
        if path.contains("/manifests/") && request.method() == Method::PUT {
            return self.keep_manifest(last, request).await;
        }
        match *request.method() {
            Method::GET | Method::HEAD if path == "/v2/" => Ok(plain(StatusCode::OK)),
            Method::GET | Method::HEAD => self.serve(last, &request),
            Method::POST => {
                let id = self.counter.fetch_add(1, Ordering::Relaxed).to_string();
                let upload = Upload::begin(self.directory.join(format!("upload-{id}")));
                self.uploads.lock().expect("not poisoned").insert(id.clone(), upload);
                Ok(accepted(&format!("{path}{id}")))
            }
            Method::PATCH | Method::PUT => self.append(&path, last, &query, request).await,
            _ => Ok(plain(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    async fn keep_manifest(&self, reference: &str, request: Request<Incoming>) -> Result<Response<Content>> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let content = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        let mut cached = self.cached.write().expect("not poisoned");
        cached.insert(upload::digest_of(&content), (kind.clone(), content.clone()));
        cached.insert(reference.to_owned(), (kind, content));
        Ok(plain(StatusCode::CREATED))
    }

    async fn append(&self, path: &str, id: &str, query: &str, request: Request<Incoming>) -> Result<Response<Content>> {
        let Some(mut upload) = self.uploads.lock().expect("not poisoned").remove(id) else {
            return Ok(plain(StatusCode::NOT_FOUND));
        };
        let closing = request.method() == Method::PUT;
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(content) = frame.map_err(std::io::Error::other)?.into_data() {
                upload.append(&content).await?;
            }
        }
        if !closing {
            self.uploads.lock().expect("not poisoned").insert(id.to_owned(), upload);
            return Ok(accepted(path));
        }
        let claimed =
            query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default().replace("%3A", ":");
        let small = upload.finish(&claimed, &self.directory).await?;
        if let Some(content) = small {
            let kind = "application/octet-stream".to_owned();
            self.cached.write().expect("not poisoned").insert(claimed, (kind, content));
        }
        Ok(plain(StatusCode::CREATED))
    }

    fn serve(&self, name: &str, request: &Request<Incoming>) -> Result<Response<Content>> {
        let head = request.method() == Method::HEAD;
        let cached = self.cached.read().expect("not poisoned").get(name).cloned();
        if let Some((kind, content)) = cached {
            let response = Response::builder().header(CONTENT_TYPE, kind).header(CONTENT_LENGTH, content.len());
            return Ok(response.body(Content::Memory((!head).then_some(content))).expect("valid"));
        }
        let Ok(file) = File::open(self.directory.join(name)) else {
            return Ok(plain(StatusCode::NOT_FOUND));
        };
        let size = file.metadata()?.len();
        let range =
            request.headers().get(RANGE).and_then(|range| range.to_str().ok()).and_then(|range| range_of(range, size));
        let (at, end) = range.unwrap_or((0, size));
        let mut response =
            Response::builder().header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, end - at);
        if range.is_some() {
            response = response.status(206).header(CONTENT_RANGE, format!("bytes {at}-{}/{size}", end - 1));
        }
        let content = if head { Content::Memory(None) } else { Content::File { file: Arc::new(file), at, end } };
        Ok(response.body(content).expect("valid"))
    }
}

/// Of `bytes=A-B`, the first byte and the one after the last.
fn range_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < size).then_some((first, last + 1))
}

fn accepted(location: &str) -> Response<Content> {
    let response = Response::builder().status(StatusCode::ACCEPTED).header(LOCATION, location);
    response.body(Content::Memory(None)).expect("valid")
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, store: Arc<Store>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = acceptor.accept(stream).await.ok()?;
    stream.get_mut().1.set_buffer_limit(Some(2 * READ));
    let service = service_fn(move |request| Arc::clone(&store).answer(request));
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certificate, key, directory] = &arguments[..] else {
        return Err("usage: probe PORT CERTIFICATE KEY DIRECTORY".into());
    };
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<std::result::Result<_, _>>()?;
    let builder = rustls::ServerConfig::builder().with_no_client_auth();
    let mut tls = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    tls.send_tls13_tickets = 1;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let store = Arc::new(Store {
        directory: directory.into(),
        cached: RwLock::default(),
        uploads: Mutex::default(),
        counter: AtomicU64::new(0),
    });
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&store)));
    }
}
