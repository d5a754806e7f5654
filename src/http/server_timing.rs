//! How long each stage took, in a header of the answer (W3C Server Timing).

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::pipeline::Timing;

/// The header.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Puts what the images took into the head of their answer.
pub(super) fn add_server_timing(response: &mut Response, timings: impl Iterator<Item = Timing>) {
    if let Ok(value) = HeaderValue::try_from(server_timing(timings)) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
}

/// For several images, the longest of each stage.
fn server_timing(timings: impl Iterator<Item = Timing>) -> String {
    let longest = timings.fold(Timing::default(), |a, b| Timing {
        decode: a.decode.max(b.decode),
        preprocess: a.preprocess.max(b.preprocess),
        queue: a.queue.max(b.queue),
        inference: a.inference.max(b.inference),
        occlusion: a.occlusion.max(b.occlusion),
    });
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let mut stages = format!(
        "decode;dur={:.3}, preprocess;dur={:.3}, queue;dur={:.3}, inference;dur={:.3}",
        ms(longest.decode),
        ms(longest.preprocess),
        ms(longest.queue),
        ms(longest.inference)
    );
    if let Some(occlusion) = longest.occlusion {
        stages += &format!(", occlusion;dur={:.3}", ms(occlusion));
    }
    stages
}
