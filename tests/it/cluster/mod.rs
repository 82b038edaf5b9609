//! Several nodes over one database and one store of blobs.

mod model;
