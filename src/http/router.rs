//! Every route, in one table, and what happens around each request: routing, panics, request ids, the access log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::App;
use super::auth::token;
use super::error::{Code, OciError};
use super::middleware::access_log::{LoggedRequest, RequestId};
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

type Answer = Box<dyn Fn(Request, App) -> BoxFuture<'static, Response> + Send + Sync>;

struct Row {
    method: Method,
    endpoint: Endpoint,
    answer: Answer,
}

fn on<H, T>(handler: H) -> Answer
where
    H: Handler<T, App> + Sync,
    T: 'static,
{
    Box::new(move |request, app| Box::pin(handler.clone().call(request, app)))
}

/// Method and path pattern of every route, for the tests that cover them all. (HEAD goes wherever GET does.)
pub fn routes() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|row| (row.method, row.endpoint.pattern())).collect()
}

/// The service that answers every request.
pub fn service(app: &App) -> Router {
    let (table, app) = (Arc::<[Row]>::from(table()), app.clone());
    let notice = app.settings.server.notice.as_ref().map(|text| value(format!("299 - \"{text}\"")));
    let origins: Arc<[String]> = app.settings.server.cors_origins.iter().map(ToString::to_string).collect();
    Router::new().fallback(async move |request: Request| {
        let origin = cors::listed_origin(request.headers(), &origins);
        let preflight = origin.as_ref().and_then(|_| cors::preflight(&request));
        let mut response = match preflight {
            Some(preflight) => preflight,
            None => answer(table, app, request).await,
        };
        if !origins.is_empty() {
            cors::permit(response.headers_mut(), origin);
        }
        if let Some(notice) = notice {
            response.headers_mut().insert(header::WARNING, notice);
        }
        response
    })
}

async fn answer(table: Arc<[Row]>, app: App, mut request: Request) -> Response {
    let asked = LoggedRequest::note(&mut request);
    let (denied_log, pending) = (Arc::clone(&app.denied_log), Arc::clone(&app.pending));
    let response = AssertUnwindSafe(dispatch(&table, app, request)).catch_unwind().await;
    let response = response.unwrap_or_else(|_| asked.panicked());
    let mut response = pending.hold(response, || asked.owner()).await;
    complete(&mut response, asked.id);
    asked.log(response.status(), &denied_log);
    response
}

async fn dispatch(table: &[Row], app: App, mut request: Request) -> Response {
    if let Err(error) = super::request::framing::check(&request) {
        return error.into_response();
    }
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return OciError::unsupported_encoding().into_response();
    }
    if let Some(name) = ONCE.iter().find(|name| request.headers().get_all(*name).iter().nth(1).is_some()) {
        return OciError::repeated_header(name).into_response();
    }
    let route = match Route::parse(request.uri().path()) {
        Ok(route) => route,
        Err(NoRoute::InvalidName(why)) => return OciError::new(Code::NameInvalid, why.to_string()).into_response(),
        Err(NoRoute::Unknown) => return OciError::no_endpoint().into_response(),
    };
    let rows = || table.iter().filter(|row| row.endpoint == route.endpoint);
    let wanted = request.method();
    let exact = rows().find(|row| row.method == *wanted);
    let row = exact.or_else(|| rows().find(|row| *wanted == Method::HEAD && row.method == Method::GET));
    let Some(row) = row else {
        let allowed: Vec<_> = rows().map(|row| row.method.as_str()).collect();
        return OciError::method_not_allowed(&allowed.join(", ")).into_response();
    };
    request.extensions_mut().insert(route);
    (row.answer)(request, app).await
}

/// What every answer carries. The log says what went wrong inside, under the request's name.
fn complete(response: &mut Response, id: RequestId) {
    let id = id.0.to_string();
    if let Some(error) = response.extensions_mut().remove::<super::error::Internal>() {
        tracing::error!(request = id, error = error.0, "a request failed");
    }
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, value);
    }
}
