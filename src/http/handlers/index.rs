//! `/`: what a person sees who opens the registry's address.

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;

use crate::http::App;
use crate::http::error::OciError;
use crate::http::origin::origin;

/// Says what this is and how to log in.
pub(in crate::http) async fn get(State(app): State<App>, parts: Parts) -> Result<impl IntoResponse, OciError> {
    let host = origin(&parts, &app.settings.trusted_proxies)?;
    let text = format!(
        "This is a registry for container images, served by Portcullis.\n\n\
         \x20 docker login {host}\n\
         \x20 docker pull {host}/REPOSITORY:TAG\n\n\
         If your client says that the certificate is signed by an unknown authority, ask the registry's administrator\n\
         for the line that `portcullis ca trust-command {host}` prints, and run it on this host.\n"
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}
