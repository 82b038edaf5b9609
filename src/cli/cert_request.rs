//! `portcullis cert request`: requests a certificate by ACME now.

use super::cert::show;
use super::context::{Context, block_on};
use super::output::Output;
use crate::node::identity::identity_source;
use crate::node::operator::with_metadata_and_clock;
use crate::node::order::order_certificate;

pub(super) fn run(context: &Context, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    let clock = context.clock();
    let ordered = block_on(with_metadata_and_clock(&config, &data, clock, async |metadata| {
        order_certificate(&config, &data, clock, metadata).await
    }))?;
    tracing::debug!(sha256 = %ordered.certificate.fingerprint, "ordered");
    context.read_certificates(|config, data| {
        show(&identity_source(config, data, clock)?.load()?, Some(&ordered.directory), output)
    })
}
