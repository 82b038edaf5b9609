//! `portcullis health`: asks the server of this data directory whether it is ready.

use std::time::Duration;

use super::context::{Context, block_on};
use crate::node::health::require_ready;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let config = context.config()?;
    let data = context.data_directory()?;
    block_on(require_ready(&config, &data, Duration::from_secs(args.timeout)))
}
