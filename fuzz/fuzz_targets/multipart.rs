//! `POST /classify` with a form. The first line is the Content-Type, the rest the body.
#![no_main]

use std::sync::LazyLock;

use googlenet_fuzz::{InProcess, split_line};
use libfuzzer_sys::fuzz_target;

static SERVICE: LazyLock<InProcess> = LazyLock::new(InProcess::start);

fuzz_target!(|bytes: &[u8]| {
    let (content_type, body) = split_line(bytes);
    SERVICE.post("/classify", &[("content-type", content_type)], body);
});
