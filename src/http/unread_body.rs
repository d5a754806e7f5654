//! Answers that are there before the request's body has been read: a client that writes its whole request
//! before it reads gets them all the same.
//!
//! Without this layer hyper would send the answer and close the connection. The bytes that still come then
//! make the system reset it, and the client sees a broken pipe in place of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::body::out_of_time;
use super::request_context::Client;
use super::request_tally::RequestTally;
use super::state::AppState;

/// What is read and thrown away of a body, if `--max-body-bytes` is not more. Less would cut off the
/// clients that are to hear that their body is too large.
const DISCARD_BYTES: usize = 64 << 20;

/// The middleware, around all that may answer before the body has been read.
///
/// A client that waits for `100 Continue` gets the answer in its place (RFC 9110, section 10.1.1). What
/// others still send is read and thrown away, up to a number of bytes and the request's deadline; then they
/// get the answer, with `Connection: close`.
pub(super) async fn unread_body(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
    next: Next,
) -> Response {
    let waits = waits_for_continue(request.headers());
    let rest = Rest::default();
    let request = request.map(|body| Body::new(LentBody::new(body, &rest, tally.clone())));
    let mut response = next.run(request).await;
    if let Some(Unread { body, begun }) = rest.take() {
        // hyper sends `100 Continue` when the body is asked for.
        if begun || !waits {
            discard(body, client.deadline.0, &tally, &state).await;
        }
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn waits_for_continue(headers: &HeaderMap) -> bool {
    let expect = headers.get(header::EXPECT);
    expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

async fn discard(mut body: Body, deadline: Instant, tally: &RequestTally, state: &AppState) {
    let read = async {
        let mut left = DISCARD_BYTES.max(state.config.max_body_bytes);
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            tally.add_body_bytes(length);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Running out of time is as good as having read all: the connection is closed then.
    tokio::select! {
        () = read => {}
        _ = out_of_time(deadline, state) => {}
    }
}

/// A body that was not read to its end.
struct Unread {
    body: Body,
    /// Whether some of it was asked for.
    begun: bool,
}

/// Where a body goes that is dropped before its end.
#[derive(Clone, Default)]
struct Rest(Arc<Mutex<Option<Unread>>>);

impl Rest {
    fn put(&self, unread: Unread) {
        // Nothing panics while it is held.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
    }

    fn take(&self) -> Option<Unread> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body as the handlers see it. Dropped before its end, it leaves what is left of it behind.
struct LentBody {
    body: Body,
    begun: bool,
    ended: bool,
    rest: Rest,
    tally: RequestTally,
}

impl LentBody {
    fn new(body: Body, rest: &Rest, tally: RequestTally) -> Self {
        Self { ended: body.is_end_stream(), body, begun: false, rest: rest.clone(), tally }
    }
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.begun = true;
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.tally.add_body_bytes(frame.data_ref().map_or(0, Bytes::len));
                self.ended = self.body.is_end_stream();
            }
            Poll::Ready(None | Some(Err(_))) => self.ended = true,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if !self.ended {
            let body = std::mem::take(&mut self.body);
            self.rest.put(Unread { body, begun: self.begun });
        }
    }
}
