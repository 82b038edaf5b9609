//! `[blobs.s3]`: the bucket, and how it is reached.

use std::path::PathBuf;

use crate::config::{
    ByteSize, EndpointUrl, RedirectRule,
    checks::{text, unless_none, within},
    definition::settings,
    setting::quoted,
};

settings! {
    /// The section `[blobs.s3]`. It counts where blobs.store is "s3".
    S3Settings {
        /// The address of the object store, such as "https://s3.example.com". "none": Amazon S3 in the region.
        endpoint: Option<EndpointUrl> = None;

        /// The bucket. It must exist; `portcullis doctor --s3` tries everything that is needed of it.
        bucket: Option<String> = None, unless_none(text(bucket_name));

        /// What the names of all objects begin with, such as "registry", if the bucket has other uses. "none": nothing.
        prefix: Option<String> = None, unless_none(text(prefix));

        /// The region, which is part of every signature.
        region: String = "us-east-1".to_owned(), text(region);

        /// A file (PEM) with the CAs by which the object store's certificate is trusted, instead of the system's. "none": the
        /// system's.
        ca: Option<PathBuf> = None;

        /// Whether the bucket is named in the path of addresses, as most object stores other than Amazon's expect; false: in
        /// the host name.
        path_style: bool = true;

        /// Whether an endpoint that is not of this machine may be used without TLS. Everyone between here and there can
        /// then read and change images.
        plain_http: bool = false;

        /// A file with the access key's id, which only Portcullis can read. "none": the credentials are those of the
        /// environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), of a web identity, of the container or of the instance.
        access_key_file: Option<PathBuf> = None;

        /// A file with the secret access key, which only Portcullis can read. Set it together with access_key_file.
        secret_key_file: Option<PathBuf> = None;

        /// The size of the parts in which large blobs are sent, from 5MiB to 512MiB. A blob has at most 10000 parts: with 16MiB
        /// up to 156GiB.
        part_size: ByteSize = ByteSize::mib(16), within(ByteSize::mib(5)..=ByteSize::mib(512));

        /// How much memory the parts of all uploads may take while they arrive and are sent; uploads beyond that wait for
        /// each other. Never less than two parts.
        upload_memory: ByteSize = ByteSize::mib(128), within(ByteSize::mib(10)..=ByteSize::tib(1));

        /// Which clients are sent to the object store for the content of blobs ("307 Temporary Redirect"), after the registry
        /// has checked that they may pull: "never", "always", or those of some networks, such as ["10.0.0.0/8"]. The address
        /// that they get is signed and valid for five minutes. All others get the content through the registry.
        redirect: RedirectRule = RedirectRule::Never;

        /// The address of the object store as those clients reach it, such as "https://images.example.com".
        public_endpoint: Option<EndpointUrl> = None;
    }
}

/// The names that object stores accept.
fn bucket_name(name: &str) -> Result<(), String> {
    let bytes = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if (3..=63).contains(&name.len()) && name.bytes().all(bytes) && name.as_bytes()[0].is_ascii_alphanumeric() {
        return Ok(());
    }
    Err(format!("{} is not a bucket: 3 to 63 lower-case letters, digits, `-`, `.` or `_`", quoted(name)))
}

fn prefix(prefix: &str) -> Result<(), String> {
    let bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(bytes);
    if prefix.is_empty() || (prefix.len() <= 500 && prefix.split('/').all(is_part)) {
        return Ok(());
    }
    Err(format!("{} is not a prefix such as \"registry\" or \"images/registry\"", quoted(prefix)))
}

fn region(region: &str) -> Result<(), String> {
    let bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !region.is_empty() && region.len() <= 64 && region.bytes().all(bytes) {
        return Ok(());
    }
    Err(format!("{} is not a region such as \"us-east-1\"", quoted(region)))
}
