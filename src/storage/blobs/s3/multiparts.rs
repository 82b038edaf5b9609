//! Lists multipart uploads that were begun and neither completed nor aborted. The library has no such request.

use bytes::Bytes;
use http::Method;
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse, ReqwestConnector,
};
use serde::Deserialize;

use super::breaker::Breaker;
use super::bucket::Bucket;
use super::connector::Connector;
use super::options::S3Options;
use crate::domain::Clock;
use crate::storage::StorageError;

/// Sends requests of our own.
pub(super) struct Raw {
    client: HttpClient,
    options: ClientOptions,
    /// `https://HOST/BUCKET`.
    address: String,
}

/// A page of multipart uploads.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Page {
    #[serde(rename = "Upload")]
    pub(super) uploads: Vec<Begun>,
    pub(super) is_truncated: bool,
    pub(super) next_key_marker: String,
    pub(super) next_upload_id_marker: String,
}

/// A multipart upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Begun {
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) initiated: String,
}

impl Raw {
    pub(super) fn new(options: &S3Options, clock: &Clock) -> Result<Self, StorageError> {
        let (options, address) = super::connect::raw(options)?;
        let client = Connector(Breaker::new(clock.clone())).connect(&options);
        let client = client.map_err(|error| super::error::failed("the client of [blobs.s3]", error))?;
        Ok(Self { client, options, address })
    }
}

impl Raw {
    /// The bucket's address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.client.execute(request).await
    }

    /// What the object store says that the time is, whatever it answers.
    pub(super) async fn date(&self, request: HttpRequest) -> Option<String> {
        let client = ReqwestConnector::default().connect(&self.options).ok()?;
        let answer = client.execute(request).await.ok()?;
        Some(answer.headers().get(http::header::DATE)?.to_str().ok()?.to_owned())
    }
}

impl Bucket {
    /// Up to `limit` multipart uploads whose names begin with `start`, behind this name and id.
    pub(super) async fn multiparts(
        &self,
        start: &str,
        (name, id): (&str, &str),
        limit: usize,
    ) -> Result<Page, StorageError> {
        let (prefix, limit) = (format!("{}/", self.path(start)), limit.to_string());
        let name = if name.is_empty() { String::new() } else { self.path(name).to_string() };
        let all = [
            ("uploads", ""),
            ("prefix", &prefix),
            ("max-uploads", &limit),
            ("key-marker", &name),
            ("upload-id-marker", id),
        ];
        let said = all.into_iter().filter(|(key, value)| *key == "uploads" || !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
        let body = self.ask("listing multipart uploads", &query).await?;
        let page: Page = quick_xml::de::from_reader(body.as_ref()).map_err(|error| {
            StorageError::Damaged(format!("the object store's list of multipart uploads cannot be read: {error}"))
        })?;
        Ok(page)
    }

    /// Asks something of the bucket that the library knows no request for.
    pub(super) async fn ask(&self, context: &str, query: &str) -> Result<Bytes, StorageError> {
        let wrong = |error: &dyn ToString| StorageError::Damaged(format!("{context}: {}", error.to_string()));
        let mut request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("{}?{}", self.raw.address, query.replace('+', "%20")))
            .body(HttpRequestBody::empty())
            .map_err(|error| wrong(&error))?;
        let credentials: &AwsCredentialProvider = self.store.credentials();
        let credential = credentials.get_credential().await.map_err(|error| super::error::failed(context, error))?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| wrong(&error))?;
        let answer = self.raw.client.execute(request).await.map_err(|error| generic(context, error))?;
        let body = answer.into_body().bytes();
        let body = tokio::time::timeout(std::time::Duration::from_mins(1), body).await;
        body.map_err(|_| StorageError::Unavailable(format!("{context}: the answer does not end")))?
            .map_err(|error| generic(context, error))
    }
}

fn generic(context: &str, error: object_store::client::HttpError) -> StorageError {
    super::error::failed(context, object_store::Error::Generic { store: "S3", source: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let text = "<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>u/a</NextKeyMarker><Upload><Key>u/a</Key><UploadId>1</UploadId>\
            <Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload><Prefix>u/</Prefix><Upload><Key>u/b</Key>\
            <UploadId>2</UploadId><Initiated>2026-01-02T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>";
        let page: Page = quick_xml::de::from_reader(text.as_bytes()).expect("read");
        assert!(page.is_truncated && page.next_key_marker == "u/a" && page.uploads.len() == 2);
        assert_eq!((page.uploads[1].key.as_str(), page.uploads[1].upload_id.as_str()), ("u/b", "2"));
        let empty: Page = quick_xml::de::from_reader("<ListMultipartUploadsResult/>".as_bytes()).expect("read");
        assert!(empty.uploads.is_empty() && !empty.is_truncated);
    }
}
