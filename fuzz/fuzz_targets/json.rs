//! `POST /classify` with JSON. The first line is the query, the rest the body.
#![no_main]

use std::sync::LazyLock;

use googlenet_fuzz::{InProcess, split_line};
use libfuzzer_sys::fuzz_target;

static SERVICE: LazyLock<InProcess> = LazyLock::new(InProcess::start);

fuzz_target!(|bytes: &[u8]| {
    let (query, body) = split_line(bytes);
    let path = format!("/classify?{}", String::from_utf8_lossy(query));
    SERVICE.post(&path, &[("content-type", b"application/json")], body);
});
