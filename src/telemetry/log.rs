//! The log: one line per event, for people on a terminal, as JSON elsewhere. Lines are written off the threads that serve.

use std::io;

use anyhow::Context;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::log_limit::LogLimit;
use crate::config::{LogFormat, LogSettings};

/// How many lines wait to be written; when the reader is slower than that, lines are dropped rather than requests delayed.
const WAITING_LINES: usize = 16_384;

/// Starts logging: to stderr if stdout is a terminal, which has the banner, else to stdout. Waiting lines are written when the guard is
/// dropped.
pub(crate) fn start(log: &LogSettings, on_terminal: bool) -> anyhow::Result<WorkerGuard> {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).lossy(true);
    let (writer, guard) = if on_terminal { builder.finish(io::stderr()) } else { builder.finish(io::stdout()) };
    let filter = EnvFilter::try_new(&log.level).context("log.level is not a valid filter")?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !on_terminal,
    };
    let layer = if json {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        layer.with_target(false).with_ansi(on_terminal).boxed()
    };
    let started = tracing_subscriber::registry().with(layer).with(LogLimit::default()).with(filter).try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(guard)
}
