//! Several nodes of one registry, on one database: who does what, what each sees of the others, and what happens when one dies.

mod clocks;
mod guesses;
mod model;
mod settings;
mod takeover;
mod visibility;
