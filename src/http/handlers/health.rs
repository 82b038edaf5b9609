//! Liveness and readiness, for supervisors and load balancers.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::App;

/// The process answers.
pub(in crate::http) async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "alive")
}

/// Requests can be served: the database answers, and the server is not about to stop.
pub(in crate::http) async fn ready(State(app): State<App>) -> Response {
    if app.is_draining() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    match app.registry.ready().await {
        Ok(()) => answer(StatusCode::OK, "ready"),
        Err(error) => {
            tracing::error!(%error, "not ready: the database does not answer");
            answer(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}

fn answer(status: StatusCode, text: &str) -> Response {
    let body = serde_json::json!({ "status": text }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
