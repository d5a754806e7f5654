//! Files that take much from few bytes, or that state what is not there.
#![allow(dead_code)] // each test file uses its part

pub mod bmp;
pub mod bodies;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod tiff;
pub mod webp;

/// The most pixels that are taken by default.
pub const WIDTH: u16 = 8000;
pub const HEIGHT: u16 = 4000;

/// A body to send.
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
}

impl File {
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, content_type: "application/octet-stream" }
    }
}
