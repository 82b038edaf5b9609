//! The browser: the page at `/`.

pub(super) mod index;
mod page;

pub(super) use page::DEFAULT_PORT;
