//! The house rules that a compiler does not know: who may import whom, where time comes from, how long a file may be.

mod edges;
mod house;
mod layout;
mod lexer;
mod places;
mod sizes;
mod to_go;
