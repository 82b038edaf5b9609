//! One node: its data directory, its first start, and the machine around it.

mod checking;
mod data_directory;
pub mod earlier_data;
mod first_start;
mod importing;
mod moving;
mod shared;
mod surroundings;
