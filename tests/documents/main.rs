//! The documents say what the code does.

#[path = "../markdown/mod.rs"]
mod markdown;
#[path = "../shared/mod.rs"]
mod shared;

mod architecture;
mod documents;
mod groups;
