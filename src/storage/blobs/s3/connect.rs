//! A client of the object store: endpoint, credentials, trust, time limits.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use super::breaker::Breaker;
use super::connector::Connector;
use super::options::S3Options;
use crate::domain::Clock;
use crate::storage::StorageError;

const CONNECT: Duration = Duration::from_secs(5);
/// Connections that are not used are closed before most servers do.
const IDLE: Duration = Duration::from_secs(20);
/// How often a request is tried again, and until when after it began: not after it has waited for an answer once.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(8);

/// What the environment may say of credentials, by the names that all tools use.
const CREDENTIALS: [(&str, AmazonS3ConfigKey); 12] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_METADATA_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
    ("AWS_IMDSV1_FALLBACK", AmazonS3ConfigKey::ImdsV1Fallback),
];

/// A client of the bucket at `endpoint`.
pub(super) fn connect(options: &S3Options, endpoint: Option<&str>, clock: &Clock) -> Result<AmazonS3, StorageError> {
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut builder = with_credentials(AmazonS3Builder::new(), options)
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(!options.path_style)
        // TLS sees to it that what is sent arrives. Without it, the signature does.
        .with_unsigned_payload(!is_plain)
        .with_disable_bulk_delete(true)
        .with_disable_tagging(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: RETRY_FOR,
        })
        .with_client_options(client_options(options, is_plain)?)
        .with_http_connector(Connector(Breaker::new(clock.clone())));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(address(endpoint, options));
    }
    builder.build().map_err(|error| StorageError::Failed {
        context: format!("the bucket {} of [blobs.s3]", options.bucket),
        source: std::sync::Arc::new(error),
    })
}

/// With the bucket in the host name, where that is asked for.
fn address(endpoint: &str, options: &S3Options) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !options.path_style => format!("{scheme}://{}.{host}", options.bucket),
        _ => endpoint.to_owned(),
    }
}

fn with_credentials(builder: AmazonS3Builder, options: &S3Options) -> AmazonS3Builder {
    if let Some(credentials) = &options.credentials {
        return builder.with_access_key_id(&credentials.id).with_secret_access_key(credentials.secret.as_str());
    }
    let given = CREDENTIALS.iter().filter_map(|(name, key)| Some((*key, std::env::var(name).ok()?)));
    given.filter(|(_, value)| !value.is_empty()).fold(builder, |builder, (key, value)| builder.with_config(key, value))
}

fn client_options(options: &S3Options, is_plain: bool) -> Result<ClientOptions, StorageError> {
    let mut client = ClientOptions::new()
        .with_user_agent(http::HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION"))))
        .with_allow_http(is_plain)
        // A large blob takes as long as it takes; what is silent is noticed by other limits.
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_pool_idle_timeout(IDLE);
    if let Some(authorities) = &options.authorities {
        let certificates = Certificate::from_pem_bundle(authorities).ok().filter(|found| !found.is_empty());
        let certificates = certificates.ok_or_else(|| {
            StorageError::Damaged("the file of blobs.s3.ca contains no certificate: it must be PEM".to_owned())
        })?;
        client = client.with_no_system_certificates(true);
        client = certificates.into_iter().fold(client, ClientOptions::with_root_certificate);
    }
    Ok(client)
}

/// What requests of our own need: options of a client, and the bucket's address.
pub(super) fn raw(options: &S3Options) -> Result<(ClientOptions, String), StorageError> {
    let amazon = format!("https://s3.{}.amazonaws.com", options.region);
    let endpoint = options.endpoint.as_deref().unwrap_or(&amazon);
    let client = client_options(options, endpoint.starts_with("http://"))?;
    let address = address(endpoint, options);
    Ok((client, if options.path_style { format!("{address}/{}", options.bucket) } else { format!("{address}/") }))
}
