//! Delivers answers that are ready before the request's body has been read, also to a client that writes its whole
//! request before it reads.
//!
//! Without this layer hyper would send the answer and close the connection. The bytes that still arrive would make the
//! system reset the connection, and the client would see a broken pipe instead of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::client::Client;
use super::deadline::out_of_time;
use super::request_tally::RequestTally;
use super::state::AppState;

/// What is read and thrown away of a body, if `--max-body-bytes` is not more. Less would cut off the
/// clients that are to hear that their body is too large.
const DISCARD_BYTES: usize = 64 << 20;
/// A body of this size, thrown away whole, does not cost the client its connection.
const SMALL_BYTES: usize = 64 << 10;

/// The middleware, around all that may answer before the body has been read.
///
/// A client that waits for `100 Continue` gets a refusal in its place (RFC 9110, section 10.1.1). What
/// others still send is read and thrown away, up to a number of bytes and the request's deadline; then they
/// get the refusal, with `Connection: close` unless that was little. An answer that is no refusal is sent at once:
/// its client sends a body to a path that has no use for one.
pub(super) async fn unread_body(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
    next: Next,
) -> Response {
    let waits = waits_for_continue(&request);
    let rest = Rest::default();
    let request = request.map(|body| Body::new(LentBody::new(body, &rest, tally.clone())));
    let mut response = next.run(request).await;
    let Some(Unread { body, begun }) = rest.take() else { return response };
    let is_refusal = response.status().is_client_error() || response.status().is_server_error();
    // hyper sends `100 Continue` when the body is asked for.
    let is_asked_for = begun || !waits;
    if is_refusal && is_asked_for {
        let discarded = discard(body, client.deadline.0, &tally, &state).await;
        if discarded.is_some_and(|bytes| bytes <= SMALL_BYTES) {
            return response;
        }
    }
    if is_refusal {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response.extensions_mut().insert(LeftBody);
    }
    response
}

/// In the extensions of an answer that ends the connection while the client may still be sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftBody;

/// HTTP/1.0 does not know it (RFC 9110, section 10.1.1). Of several, hyper believes the last.
fn waits_for_continue(request: &Request) -> bool {
    let expect = request.headers().get_all(header::EXPECT).iter().next_back();
    request.version() > Version::HTTP_10
        && expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads what is left of a body: how many bytes, none if it did not come to its end.
async fn discard(
    mut body: Body,
    deadline: Instant,
    tally: &RequestTally,
    state: &AppState,
) -> Option<usize> {
    let most = DISCARD_BYTES.max(state.settings.max_body_bytes);
    let read = async {
        let mut discarded = 0;
        while let Some(frame) = body.frame().await {
            let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
            tally.add_body_bytes(length);
            discarded += length;
            if discarded > most {
                return None;
            }
        }
        Some(discarded)
    };
    // Running out of time is as good as having read all: the connection is closed then.
    tokio::select! {
        discarded = read => discarded,
        _ = out_of_time(deadline, state) => None,
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
