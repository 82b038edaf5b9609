//! One node: its data directory, its first start, and the machine around it.

mod data_directory;
pub mod earlier_data;
mod first_start;
mod moving;
mod moving_interrupted;
mod moving_key;
mod shared;
mod surroundings;
