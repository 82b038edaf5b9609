//! A running registry, asked over the API of the distribution specification: by name and password, or for what anyone may pull.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, LINK, LOCATION, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use http_body_util::Empty;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::{Client, Limits, Response, TrustMode};
use crate::domain::oci::manifest::{DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST};
use crate::domain::{Algorithm, Digest, Hasher, HostPort, MediaType, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;

/// Of everything but blobs.
const SMALL: Limits = Limits { total: Duration::from_mins(2), idle: Duration::from_secs(30), size: 64 << 20 };
const BLOBS: Limits = Limits { total: Duration::from_hours(24), idle: Duration::from_mins(1), size: 0 };
const REDIRECTS: usize = 5;

/// Name and password.
pub(crate) type Login = (String, Zeroizing<String>);

/// The registry.
pub(super) struct Remote {
    small: Client,
    large: Client,
    /// `https://HOST:PORT`.
    address: String,
    login: Option<Login>,
    /// What is sent as `Authorization`, by repository.
    authorizations: Mutex<HashMap<String, String>>,
}

/// A manifest as it came.
pub(super) struct Fetched {
    pub(super) digest: Digest,
    pub(super) media_type: Option<MediaType>,
    pub(super) content: Bytes,
}

#[derive(Deserialize)]
struct Names {
    #[serde(alias = "tags")]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    /// Docker's name.
    token: Option<String>,
    /// The same, by OAuth's.
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Referrers {
    #[serde(default)]
    manifests: Vec<Referrer>,
}

#[derive(Deserialize)]
struct Referrer {
    digest: Digest,
}

impl Remote {
    /// `authorities` are certificates as PEM that are trusted, instead of the public ones.
    pub(super) fn new(host: &HostPort, login: Option<Login>, authorities: Option<&[u8]>) -> anyhow::Result<Self> {
        let trust = match authorities {
            Some(pem) => TrustMode::Roots(roots(pem)?),
            None => TrustMode::PublicRoots,
        };
        Ok(Self {
            small: Client::new(trust.clone(), SMALL)?,
            large: Client::new(trust, BLOBS)?,
            address: format!("https://{}", host.with_default_port(443)),
            login,
            authorizations: Mutex::default(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The names of all repositories that it lists.
    pub(super) async fn repositories(&self) -> anyhow::Result<Vec<String>> {
        self.names("/v2/_catalog?n=1000", "").await
    }

    /// The tags of a repository.
    pub(super) async fn tags(&self, name: &RepositoryName) -> anyhow::Result<Vec<String>> {
        self.names(&format!("/v2/{name}/tags/list?n=1000"), name.as_str()).await
    }

    async fn names(&self, path: &str, repository: &str) -> anyhow::Result<Vec<String>> {
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next.take() {
            let Some(response) = self.get(&self.small, &path, repository, "application/json").await? else { break };
            next = text(&response, &LINK).and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_owned()));
            let names: Names = serde_json::from_slice(&response.bytes().await?)
                .with_context(|| format!("{}{path} is answered with something else than a list", self.address))?;
            all.extend(names.repositories.unwrap_or_default());
        }
        Ok(all)
    }

    /// A manifest by tag or digest; `None` where it is missing.
    pub(super) async fn manifest(&self, name: &RepositoryName, reference: &str) -> anyhow::Result<Option<Fetched>> {
        let accepted = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(", ");
        let path = format!("/v2/{name}/manifests/{reference}");
        let Some(response) = self.get(&self.small, &path, name.as_str(), &accepted).await? else { return Ok(None) };
        let media_type = text(&response, &CONTENT_TYPE).and_then(|text| MediaType::from_content_type(&text).ok());
        let content = response.bytes().await?;
        let asked = reference.parse::<Digest>().ok();
        let algorithm = asked.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Hasher::digest(algorithm, &content);
        if asked.is_some_and(|asked| asked != digest) {
            bail!("{}{path} is answered with a manifest of another digest, {digest}", self.address);
        }
        Ok(Some(Fetched { digest, media_type, content }))
    }

    /// The digests of what refers to a manifest; none where the registry has no list of them.
    pub(super) async fn referrers(&self, name: &RepositoryName, subject: &Digest) -> anyhow::Result<Vec<Digest>> {
        let path = format!("/v2/{name}/referrers/{subject}");
        let Some(response) = self.get(&self.small, &path, name.as_str(), OCI_INDEX).await? else {
            return Ok(Vec::new());
        };
        let referrers: Referrers =
            serde_json::from_slice(&response.bytes().await?).unwrap_or(Referrers { manifests: Vec::new() });
        Ok(referrers.manifests.into_iter().map(|referrer| referrer.digest).collect())
    }

    /// The content of a blob, and no more than `size` bytes of it; `None` where it is missing.
    pub(super) async fn blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) -> anyhow::Result<Option<ByteStream>> {
        let path = format!("/v2/{name}/blobs/{digest}");
        let Some(response) = self.get(&self.large, &path, name.as_str(), "*/*").await? else { return Ok(None) };
        let chunks = response.stream().scan(size, |left, chunk| {
            std::future::ready(Some(match chunk {
                Ok(chunk) if chunk.len() as u64 > *left => {
                    Err(StorageError::Damaged("it is longer than it should be".to_owned()))
                }
                Ok(chunk) => {
                    *left -= chunk.len() as u64;
                    Ok(chunk)
                }
                Err(error) => Err(StorageError::Unavailable(error.to_string())),
            }))
        });
        Ok(Some(Box::pin(chunks)))
    }

    /// The answer with the status 200, logged in where that is asked for, after redirections.
    async fn get(
        &self,
        client: &Client,
        path: &str,
        repository: &str,
        accept: &str,
    ) -> anyhow::Result<Option<Response>> {
        let mut url = if path.starts_with('/') { format!("{}{path}", self.address) } else { path.to_owned() };
        let (mut logged_in, mut redirects) = (false, 0);
        loop {
            let mut request = Request::get(&url).header(ACCEPT, accept);
            // No other server gets it.
            if url.starts_with(&format!("{}/", self.address))
                && let Some(authorization) = self.authorization(repository)
            {
                request = request.header(AUTHORIZATION, authorization);
            }
            let request = request.body(Empty::<Bytes>::new()).with_context(|| format!("{url} is not an address"))?;
            let response = client.send(request).await.with_context(|| format!("cannot ask {url}"))?;
            match response.status() {
                StatusCode::UNAUTHORIZED if !logged_in => {
                    self.log_in(&response, repository).await?;
                    logged_in = true;
                }
                status if status.is_redirection() && redirects < REDIRECTS => {
                    redirects += 1;
                    let to = text(&response, &LOCATION).unwrap_or_default();
                    url = if to.starts_with('/') { format!("{}{to}", self.address) } else { to };
                }
                StatusCode::OK => return Ok(Some(response)),
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                    "{url}: the registry does not allow that; log in with --username NAME and --password-stdin, as someone who may pull it"
                ),
                status => bail!("{url}: the registry answered {status}; run the same command again to continue"),
            }
        }
    }

    fn authorization(&self, repository: &str) -> Option<String> {
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned()
    }

    /// Does what the challenge of a 401 asks for.
    async fn log_in(&self, response: &Response, repository: &str) -> anyhow::Result<()> {
        let challenge = text(response, &WWW_AUTHENTICATE).unwrap_or_default();
        let basic = self.login.as_ref().map(|(name, password)| {
            let pair = Zeroizing::new(format!("{name}:{}", password.as_str()));
            format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))
        });
        let authorization = match parameter(&challenge, "realm") {
            Some(realm) if challenge.to_ascii_lowercase().starts_with("bearer") => {
                let url = token_address(realm, &challenge);
                Some(format!("Bearer {}", self.token(&url, basic).await?))
            }
            _ => basic,
        };
        if let Some(authorization) = authorization {
            let mut known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(repository.to_owned(), authorization);
        }
        Ok(())
    }

    async fn token(&self, url: &str, basic: Option<String>) -> anyhow::Result<String> {
        let mut request = Request::get(url);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        let request = request.body(Empty::<Bytes>::new()).with_context(|| format!("{url} is not an address"))?;
        let response = self.small.send(request).await.with_context(|| format!("cannot ask {url} for a token"))?;
        if response.status() != StatusCode::OK {
            bail!("{url}: the login was refused ({})", response.status());
        }
        let Token { token, access_token } =
            serde_json::from_slice(&response.bytes().await?).context("the token server sent no token")?;
        token.or(access_token).context("the token server sent no token")
    }
}

fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.context("the file of --ca is not PEM")?).context("the file of --ca")?;
    }
    if roots.is_empty() {
        bail!("the file of --ca contains no certificate");
    }
    Ok(roots)
}

fn text(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// Where a challenge sends for a token.
fn token_address(realm: &str, challenge: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["service", "scope"] {
        query.extend_pairs(parameter(challenge, name).map(|value| (name, value)));
    }
    let separator = if realm.contains('?') { '&' } else { '?' };
    format!("{realm}{separator}{}", query.finish())
}

/// A parameter of a challenge.
fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}
