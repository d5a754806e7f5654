//! The deadline of a request, and the answer when it passes.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use super::client::Deadline;
use super::error::ApiError;
use super::state::AppState;

/// How much of `drain_timeout` a client gets that does not do its part: that sends no more of a body, or
/// takes no more of an answer. The rest is for what has arrived in it.
pub(super) fn drain_patience(drain_timeout: Duration) -> Duration {
    drain_timeout / 2
}

/// Waits for `work` until the deadline; then it is dropped, which frees its places in the queue.
pub(super) async fn before<T>(
    deadline: Deadline,
    state: &AppState,
    work: impl Future<Output = T>,
) -> Result<T, ApiError> {
    timeout_at(deadline.0.into(), work)
        .await
        .map_err(|_| ApiError::DeadlineExceeded(state.settings.request_timeout))
}

/// Waits until a body may arrive no more; what its client is told then.
pub(super) async fn out_of_time(deadline: Instant, state: &AppState) -> ApiError {
    let stopped = async {
        let stopping = state.lifecycle.stopping().await;
        let patience = drain_patience(state.settings.drain_timeout);
        sleep_until((stopping + patience).into()).await;
    };
    tokio::select! {
        () = sleep_until(deadline.into()) => {
            ApiError::RequestTimeout(state.settings.request_timeout)
        }
        () = stopped => ApiError::ShuttingDown,
    }
}
