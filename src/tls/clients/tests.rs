//! Which certificates count.
