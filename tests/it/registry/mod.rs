//! The protocol: what is pushed, pulled, listed and deleted, and what remains after a failure.

mod abandoned_uploads;
mod collection;
mod durability;
mod failures;
mod far_lists;
mod manifests;
mod pulls;
mod removal;
mod shared_blobs;
mod shared_blobs_away;
mod sizes;
mod uploads;
