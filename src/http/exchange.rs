//! One request and its answer, from the head of the request to the end of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::connection_state::ConnectionState;
use super::unanswered::Owed;

/// Tells the connection that it has a request, and counts it among the unanswered ones from the
/// moment when it is whole to the head of its answer.
pub(super) struct Exchange {
    connection: Arc<ConnectionState>,
    step: Mutex<Step>,
}

enum Step {
    /// The body has not arrived whole: the service owes nothing yet.
    Arriving,
    Accepted {
        _owed: Owed,
    },
    Answered,
}

impl Exchange {
    /// The head of a request has arrived.
    pub(super) fn begin(connection: &Arc<ConnectionState>) -> Arc<Self> {
        connection.exchange_begins();
        Arc::new(Self { connection: Arc::clone(connection), step: Mutex::new(Step::Arriving) })
    }

    /// The head of the answer is there: hyper writes it before it waits for anything else.
    pub(super) fn answered(&self) {
        self.enter(|_| Some(Step::Answered));
    }

    /// The answer ends the connection before the body has been read to its end.
    pub(super) fn body_is_left(&self) {
        self.connection.linger();
    }

    fn arrived(&self) {
        self.enter(|step| match step {
            Step::Arriving => Some(Step::Accepted { _owed: self.connection.unanswered.owe() }),
            Step::Accepted { .. } | Step::Answered => None,
        });
    }

    fn enter(&self, next: impl FnOnce(&Step) -> Option<Step>) {
        // Nothing panics while it is held.
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = next(&step) {
            *step = next;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.exchange_ends();
    }
}

/// The body of a request, which notices when it is whole.
pub(super) struct ArrivingBody {
    body: Incoming,
    exchange: Arc<Exchange>,
}

impl ArrivingBody {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>) -> Self {
        if body.is_end_stream() {
            exchange.arrived();
        }
        Self { body, exchange }
    }
}

impl HttpBody for ArrivingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let last = match &frame {
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if last {
            self.exchange.arrived();
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

/// The body of an answer, which keeps the exchange going until hyper has taken all of it.
pub(super) struct LeavingBody {
    body: Body,
    _exchange: Arc<Exchange>,
}

impl LeavingBody {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, _exchange: exchange }
    }
}

impl HttpBody for LeavingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
