//! Liveness and readiness, for supervisors and load balancers.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use serde_json::{Value, json};

use crate::http::{App, ServedCertificate};

/// The process answers.
pub(super) async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, &json!({ "status": "alive" }))
}

/// Requests can be served: the database answers, and the server is not about to stop. How long the certificate lasts is told, but
/// a node whose certificate is about to expire continues to serve: clients have no better one to go to.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (status, text) = if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        match app.registry.ready().await {
            Ok(()) => (StatusCode::OK, "ready"),
            Err(error) => {
                tracing::error!(%error, "not ready: the database does not answer");
                (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
        }
    };
    answer(status, &json!({ "status": text, "certificate": certificate(app.certificates.served()) }))
}

/// The warning stands there only while there is one.
fn certificate(served: ServedCertificate) -> Value {
    let mut json = json!({ "not_after": served.not_after, "days_left": served.days_left });
    if let Some(warning) = served.warning {
        json["warning"] = warning.into();
    }
    json
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
