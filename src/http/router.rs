//! Every route, in one table, and what happens around each request: routing, panics, request ids, the access log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::App;
use super::auth::token;
use super::error::{Code, OciError};
use super::middleware::access_log::LoggedRequest;
use super::middleware::cors;
use super::request::headers::{API_VERSION, REQUEST_ID, value};
use super::v2::route::{Endpoint, NoRoute, Route};
use super::v2::{blobs, catalog, manifests, ping, referrers, search, tags, uploads};
use super::web::index;
use super::{health, well_known};

/// The routes. What a route requires of the caller is in its handler's arguments.
fn table() -> Vec<Row> {
    use Endpoint::{
        Blob, Ca, Catalog, Index, Jwks, Live, Manifest, Ping, Ready, Referrers, Rotation, Search, Tags, Token,
        TrustScript, Upload, Uploads,
    };
    let row = |method, endpoint, answer| Row { method, endpoint, answer };
    vec![
        row(Method::GET, Ping, on(ping::get)),
        row(Method::GET, Manifest, on(manifests::get)),
        row(Method::PUT, Manifest, on(manifests::put)),
        row(Method::DELETE, Manifest, on(manifests::delete)),
        row(Method::GET, Blob, on(blobs::get)),
        row(Method::HEAD, Blob, on(blobs::head)),
        row(Method::DELETE, Blob, on(blobs::delete)),
        row(Method::POST, Uploads, on(uploads::post)),
        row(Method::GET, Upload, on(uploads::get)),
        row(Method::PATCH, Upload, on(uploads::patch)),
        row(Method::PUT, Upload, on(uploads::put)),
        row(Method::DELETE, Upload, on(uploads::delete)),
        row(Method::GET, Tags, on(tags::get)),
        row(Method::GET, Catalog, on(catalog::get)),
        row(Method::GET, Referrers, on(referrers::get)),
        row(Method::GET, Search, on(search::get)),
        row(Method::GET, Token, on(token::get)),
        row(Method::POST, Token, on(token::post)),
        row(Method::GET, Jwks, on(well_known::jwks)),
        row(Method::GET, Ca, on(well_known::ca)),
        row(Method::GET, Rotation, on(well_known::rotation)),
        row(Method::GET, TrustScript, on(well_known::trust_script)),
        row(Method::GET, Live, on(health::live)),
        row(Method::GET, Ready, on(health::ready)),
        row(Method::GET, Index, on(index::get)),
    ]
}

/// Headers that a request may carry once: of a second one, a proxy in front and this server could each believe another value.
const ONCE: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_RANGE];

type BoxedHandler = Box<dyn Fn(Request, App) -> Answering + Send + Sync>;
/// A handler at work on a request.
type Answering = BoxFuture<'static, Response>;

struct Row {
    method: Method,
    endpoint: Endpoint,
    answer: BoxedHandler,
}

fn on<H, T>(handler: H) -> BoxedHandler
where
    H: Handler<T, App, Future = Answering> + Sync,
    T: 'static,
{
    Box::new(move |request, app| handler.clone().call(request, app))
}

/// Method and path pattern of every route, for the tests that cover them all. (HEAD goes wherever GET does.)
pub fn routes() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|row| (row.method, row.endpoint.pattern())).collect()
}

/// Answers every request. A plain function, not a router of axum's: with one table of our own, that found nothing and cost each request
/// more than a microsecond.
pub fn service(app: &App) -> Arc<dyn Fn(Request) -> Answering + Send + Sync> {
    let service = Arc::new(Service::new(app));
    Arc::new(move |request| {
        let service = Arc::clone(&service);
        Box::pin(async move { service.respond(request).await })
    })
}

/// The table of routes, and what all answers depend on.
struct Service {
    table: Vec<Row>,
    app: App,
    notice: Option<HeaderValue>,
    /// Of the pages that may read answers.
    origins: Vec<String>,
}

impl Service {
    fn new(app: &App) -> Self {
        let server = &app.settings.server;
        Self {
            table: table(),
            notice: server.notice.as_ref().map(|text| value(format!("299 - \"{text}\""))),
            origins: server.cors_origins.iter().map(ToString::to_string).collect(),
            app: app.clone(),
        }
    }

    async fn respond(&self, request: Request) -> Response {
        let origin = cors::listed_origin(request.headers(), &self.origins);
        let preflight = origin.as_ref().and_then(|_| cors::preflight(&request));
        let mut response = match preflight {
            Some(preflight) => preflight,
            None => self.answer(request).await,
        };
        if !self.origins.is_empty() {
            cors::permit(response.headers_mut(), origin);
        }
        if let Some(notice) = &self.notice {
            response.headers_mut().insert(header::WARNING, notice.clone());
        }
        response
    }

    async fn answer(&self, mut request: Request) -> Response {
        let asked = LoggedRequest::note(&mut request);
        let answering = async {
            match self.dispatch(request) {
                Ok(answering) => answering.await,
                Err(refusal) => refusal.into_response(),
            }
        };
        let response = AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| asked.panicked());
        let mut response = self.app.pending.hold(response, || asked.owner()).await;
        complete(&mut response, asked.id);
        asked.log(response.status(), &self.app.denied_log);
        response
    }

    /// The handler of a request, at work; the answer to one that has none.
    fn dispatch(&self, mut request: Request) -> Result<Answering, OciError> {
        super::request::framing::check(&request)?;
        if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(OciError::unsupported_encoding());
        }
        if let Some(name) = ONCE.iter().find(|name| request.headers().get_all(*name).iter().nth(1).is_some()) {
            return Err(OciError::repeated_header(name));
        }
        let route = Route::parse(request.uri().path()).map_err(|error| match error {
            NoRoute::InvalidName(why) => OciError::new(Code::NameInvalid, why.to_string()),
            NoRoute::Unknown => OciError::no_endpoint(),
        })?;
        let rows = || self.table.iter().filter(|row| row.endpoint == route.endpoint);
        let wanted = request.method();
        let exact = rows().find(|row| row.method == *wanted);
        let row = exact.or_else(|| rows().find(|row| *wanted == Method::HEAD && row.method == Method::GET));
        let row = row.ok_or_else(|| {
            let allowed: Vec<_> = rows().map(|row| row.method.as_str()).collect();
            OciError::method_not_allowed(&allowed.join(", "))
        })?;
        request.extensions_mut().insert(route);
        Ok((row.answer)(request, self.app.clone()))
    }
}

/// What every answer carries. The log says what went wrong inside, under the request's name.
fn complete(response: &mut Response, id: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    let id = &*id.hyphenated().encode_lower(&mut buffer);
    if let Some(error) = response.extensions_mut().remove::<super::error::Internal>() {
        tracing::error!(request = id, error = error.0, "a request failed");
    }
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(mut value) = HeaderValue::from_str(id) {
        // Not secret, but never the same: in HTTP/2's table it would push out what is.
        value.set_sensitive(true);
        headers.insert(REQUEST_ID, value);
    }
}
