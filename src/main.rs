//! The `portcullis` program.

use std::process::ExitCode;

/// musl's own allocator is slow, and glibc's keeps what it once had.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::run()
}
