//! The program: reads the command line and hands over.

use std::process::ExitCode;

// glibc's arenas keep what a burst of large photos took; this allocator gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    googlenet::cli::run()
}
