//! Someone who talks to the registry, as clients do: asks, is challenged, fetches a token, asks again.

use std::net::IpAddr;
use std::sync::Mutex;

use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode};

/// A person with or without credentials, and the tokens of theirs.
pub struct Actor {
    client: Client,
    port: u16,
    credentials: Option<(String, String)>,
    token: Mutex<Option<String>>,
}

impl Actor {
    pub fn new(port: u16, ca: &str, credentials: Option<(&str, &str)>) -> Self {
        Self::with_client(client(ca), port, credentials)
    }

    /// The same, with a client that does not offer HTTP/2.
    pub fn over_http1(port: u16, ca: &str, credentials: Option<(&str, &str)>) -> Self {
        Self::with_client(client(ca).http1_only(), port, credentials)
    }

    /// Someone who shows a certificate (with its key, both PEM) in the handshake, with HTTP/2 or without.
    pub fn with_certificate(port: u16, ca: &str, pair: &str, http2: bool) -> Self {
        let identity = reqwest::Identity::from_pem(pair.as_bytes()).expect("a certificate and its key");
        let client = client(ca).identity(identity);
        Self::with_client(if http2 { client } else { client.http1_only() }, port, None)
    }

    /// Someone at this address of this machine.
    pub fn at(port: u16, ca: &str, credentials: Option<(&str, &str)>, address: IpAddr) -> Self {
        Self::with_client(client(ca).local_address(address), port, credentials)
    }

    fn with_client(client: ClientBuilder, port: u16, credentials: Option<(&str, &str)>) -> Self {
        Self {
            client: client.build().expect("a client"),
            port,
            credentials: credentials.map(|(name, password)| (name.to_owned(), password.to_owned())),
            token: Mutex::new(None),
        }
    }

    /// An absolute address on the server.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// A request without any credentials on it.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request with name and password on it.
    pub fn basic(&self, method: Method, path: &str) -> RequestBuilder {
        let (name, password) = self.credentials.as_ref().expect("someone with credentials");
        self.bare(method, path).basic_auth(name, Some(password))
    }

    /// Sends a request the way clients do. Bodies must be bytes, since the request may be sent twice.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let again = request.try_clone().expect("a body of bytes");
        let token = self.token.lock().expect("not poisoned").clone();
        let first = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = first.send().await.expect("an answer");
        if response.status() != StatusCode::UNAUTHORIZED {
            return response;
        }
        let Some(token) = self.token_for(&response).await else { return response };
        *self.token.lock().expect("not poisoned") = Some(token.clone());
        again.bearer_auth(token).send().await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.bare(Method::GET, path)).await
    }

    pub async fn head(&self, path: &str) -> Response {
        self.send(self.bare(Method::HEAD, path)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.bare(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str) -> Response {
        self.send(self.bare(Method::POST, path)).await
    }

    pub async fn put(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(self.bare(Method::PUT, path).header("content-type", content_type).body(body.into())).await
    }

    /// A token for these scopes; `None` where the credentials are refused.
    pub async fn token(&self, scopes: &[&str]) -> Option<String> {
        let mut request = self.bare(Method::GET, "/auth/token").query(&[("service", "portcullis")]);
        for scope in scopes {
            request = request.query(&[("scope", scope)]);
        }
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        let response = request.send().await.expect("an answer");
        if response.status() != StatusCode::OK {
            return None;
        }
        let body: serde_json::Value = response.json().await.expect("JSON");
        Some(body["token"].as_str().expect("a token").to_owned())
    }

    /// What the challenge of a 401 asks for.
    async fn token_for(&self, response: &Response) -> Option<String> {
        let challenge = response.headers().get(WWW_AUTHENTICATE)?.to_str().ok()?;
        let scopes = parameter(challenge, "scope").unwrap_or_default();
        let scopes: Vec<&str> = scopes.split_whitespace().collect();
        self.token(&scopes).await
    }

    /// A request with this token on it.
    pub fn with_token(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.bare(method, path).header(AUTHORIZATION, format!("Bearer {token}"))
    }
}

fn client(ca: &str) -> ClientBuilder {
    let ca = Certificate::from_pem(ca.as_bytes()).expect("the CA is PEM");
    Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none())
}

/// A parameter of a challenge.
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
