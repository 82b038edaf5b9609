//! The `portcullis` program: arguments, configuration, command.

fn main() {}
