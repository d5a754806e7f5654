//! `POST /v2/models/googlenet/infer` with the data in the JSON, which is all of the body.
#![no_main]

use std::sync::LazyLock;

use googlenet_fuzz::InProcess;
use libfuzzer_sys::fuzz_target;

static SERVICE: LazyLock<InProcess> = LazyLock::new(InProcess::start);

fuzz_target!(|bytes: &[u8]| {
    SERVICE.post("/v2/models/googlenet/infer", &[("content-type", b"application/json")], bytes);
});
