//! Whether the bucket can be used at all, and if not, why in words: asked when a server starts, and by doctor.

use std::time::Duration;

use http::StatusCode;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::bucket::Bucket;
use super::error::{Refusal, is_missing, is_transport, shown};
use super::options::S3Options;
use crate::domain::Clock;
use crate::storage::StorageError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// A name that no object has.
const NOTHING: &str = "instance/none";

/// Why a bucket cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What was found.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// Whether it may pass by itself: the object store does not answer.
    pub is_passing: bool,
}

/// Asks the bucket for an object that is not there, and for a name: some object stores say of a missing bucket that the object is missing.
pub async fn probe(options: &S3Options, clock: &Clock) -> Result<Option<Unusable>, StorageError> {
    let bucket = Bucket::open(options, clock)?;
    let asked = tokio::time::timeout(PATIENCE, ask(&bucket)).await;
    Ok(match asked {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(reason(&error, options)),
        Err(_) => Some(unreachable(options, "no answer")),
    })
}

async fn ask(bucket: &Bucket) -> object_store::Result<()> {
    match bucket.get(NOTHING, 0..1).await {
        Err(error) if !is_missing(&error) => return Err(error),
        _ => {}
    }
    let start = format!("{}/", bucket.path("u"));
    let page = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
    bucket.store.list_paginated(Some(&start), page).await.map(drop)
}

fn reason(error: &object_store::Error, options: &S3Options) -> Unusable {
    let Some(Refusal::Answered { status, code, message }) = Refusal::of(error) else {
        return silent(error, options);
    };
    let (endpoint, bucket, region) = (endpoint(options), &options.bucket, &options.region);
    let told = Refusal::of(error).map(ToString::to_string).unwrap_or_default();
    let (what, fix) = match (code.as_str(), *status) {
        ("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "PermanentRedirect", _)
        | (_, StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT) => (
            format!("the bucket {bucket} is not in the region {region}: {told}"),
            "set blobs.s3.region to the region of the bucket, and blobs.s3.endpoint to that region's".to_owned(),
        ),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "NotSignedUp", _)
        | (_, StatusCode::UNAUTHORIZED) => (
            format!("{endpoint} refuses the credentials: {told}"),
            "correct the files of blobs.s3.access_key_file and blobs.s3.secret_key_file, or AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
                .to_owned(),
        ),
        ("RequestTimeTooSkewed", _) => (
            format!("the clock of this machine differs too much from that of {endpoint}: {message}"),
            "set the clock: timedatectl set-ntp true".to_owned(),
        ),
        (_, StatusCode::FORBIDDEN) => (
            format!("the credentials give no right to read and list the bucket {bucket}: {told}"),
            "grant the rights that `portcullis guide s3` lists".to_owned(),
        ),
        ("NoSuchBucket", _) | (_, StatusCode::NOT_FOUND) => (
            format!("{endpoint} has no bucket {bucket}"),
            format!("create the bucket {bucket}, or correct blobs.s3.bucket"),
        ),
        _ => {
            let is_passing = Refusal::of(error).is_some_and(Refusal::is_passing);
            let fix = "look into the log of the object store, then run: portcullis doctor --s3".to_owned();
            return Unusable { what: format!("{endpoint}: {told}"), fix, is_passing };
        }
    };
    Unusable { what, fix, is_passing: false }
}

/// No answer at all.
fn silent(error: &object_store::Error, options: &S3Options) -> Unusable {
    let (text, whole) = (shown(error), error.to_string());
    if whole.contains("169.254.") {
        return Unusable {
            what: "no credentials for the bucket: none in files or the environment, and this machine is not an instance with a role"
                .to_owned(),
            fix: "set blobs.s3.access_key_file and blobs.s3.secret_key_file".to_owned(),
            is_passing: false,
        };
    }
    if text.contains("certificate") || text.contains("UnknownIssuer") {
        return Unusable {
            what: format!("the certificate of {} is not trusted: {text}", endpoint(options)),
            fix: "set blobs.s3.ca to a file with the CA of the object store".to_owned(),
            is_passing: false,
        };
    }
    if is_transport(error) || Refusal::of(error).is_some_and(Refusal::is_passing) {
        return unreachable(options, &text);
    }
    let fix = "correct [blobs.s3]".to_owned();
    Unusable { what: format!("the bucket cannot be used: {text}"), fix, is_passing: false }
}

fn unreachable(options: &S3Options, why: &str) -> Unusable {
    Unusable {
        what: format!("{} does not answer: {why}", endpoint(options)),
        fix: "start the object store, or correct blobs.s3.endpoint".to_owned(),
        is_passing: true,
    }
}

fn endpoint(options: &S3Options) -> String {
    options.endpoint.clone().unwrap_or_else(|| format!("Amazon S3 in {}", options.region))
}
