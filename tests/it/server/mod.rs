//! The server's connections: what one client takes, and what is left for the others.

mod connections;
mod greed;
mod handshakes;
mod unread;
