//! `POST /v2/models/googlenet/infer` with raw bytes behind the JSON.
//!
//! The first line is the value of Inference-Header-Content-Length, the right one if it is empty. The JSON
//! follows; in it `@` stands for the number of raw bytes. They begin behind a byte 255, which is in no JSON.
#![no_main]

use std::sync::LazyLock;

use googlenet_fuzz::{InProcess, split_line};
use libfuzzer_sys::fuzz_target;

static SERVICE: LazyLock<InProcess> = LazyLock::new(InProcess::start);

fuzz_target!(|bytes: &[u8]| {
    let (stated, rest) = split_line(bytes);
    let end = rest.iter().position(|&byte| byte == 255).unwrap_or(rest.len());
    let (json, raw) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let size = raw.len().to_string();
    let mut body = Vec::new();
    for (index, part) in json.split(|&byte| byte == b'@').enumerate() {
        if index > 0 {
            body.extend_from_slice(size.as_bytes());
        }
        body.extend_from_slice(part);
    }
    let right = body.len().to_string();
    body.extend_from_slice(raw);
    let length = if stated.is_empty() { right.as_bytes() } else { stated };
    SERVICE.post(
        "/v2/models/googlenet/infer",
        &[("inference-header-content-length", length)],
        &body,
    );
});
