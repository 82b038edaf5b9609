//! One node: its data directory, its first start, and the machine around it.

mod backing_up;
mod checking;
mod data_directory;
pub mod earlier_data;
mod first_start;
mod importing;
mod moving;
mod moving_interrupted;
mod moving_key;
mod rebuilding;
mod shared;
mod surroundings;
