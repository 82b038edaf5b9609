//! Several nodes over one database and one store of blobs.

mod client;
mod images;
mod model;
mod steps;
mod two_nodes;
