//! The log: one line per event, for people on a terminal, as JSON elsewhere. Lines are written off the threads that serve.

use std::io;

use anyhow::Context;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::output::is_terminal;
use crate::config::{Log, LogFormat};

/// How many lines wait to be written; when the reader is slower than that, lines are dropped rather than requests delayed.
const WAITING_LINES: usize = 65_536;

/// Starts logging, to stdout where that is no terminal, else to stderr beside the banner. What is waiting is written when the
/// guard goes.
pub(super) fn start(log: &Log) -> anyhow::Result<WorkerGuard> {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).lossy(true);
    let (writer, guard) = if is_terminal() { builder.finish(io::stderr()) } else { builder.finish(io::stdout()) };
    let filter = EnvFilter::try_new(&log.level).context("log.level is no filter")?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal(),
    };
    let started = if json {
        subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        subscriber.with_target(false).with_ansi(is_terminal()).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(guard)
}
