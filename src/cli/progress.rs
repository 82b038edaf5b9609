//! The bar that shows how far a long command is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::node::progress::Progress;

const OF_BYTES: &str = "{msg}  {bar:30}  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const OF_ROWS: &str = "{msg}  {spinner}  {elapsed}";

/// A bar on stderr, if that is a terminal; nothing else.
pub(super) struct Bar(Mutex<ProgressBar>);

impl Bar {
    pub(super) fn new() -> Self {
        Self(Mutex::new(ProgressBar::hidden()))
    }

    /// What is done now, in other words.
    pub(super) fn say(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).set_message(what);
    }

    /// Removes it.
    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, bytes: Option<u64>) {
        let template = if bytes.is_some() { OF_BYTES } else { OF_ROWS };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Of a terminal alone: it draws nothing elsewhere.
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr()).with_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), bar);
        before.finish_and_clear();
    }

    fn advance(&self, bytes: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).inc(bytes);
    }

    fn rows(&self, table: &str, rows: u64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set_message(format!("copying the database: {rows} {table}"));
    }
}
