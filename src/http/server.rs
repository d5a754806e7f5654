//! The accept loop: bounded connections, each with deadlines, all answered before the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::connection::WriteTimeout;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub max_connections: usize,
    /// For the head of a request, and between two requests.
    pub header_timeout: Duration,
    /// For a write without progress.
    pub write_timeout: Duration,
}

/// What one connection buffers of what it receives: bodies are counted when they are taken out of it.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// How long a connection that is open when the service stops may still bring a request: one that
/// its client sent just then is answered, not reset.
const LAST_REQUEST: Duration = Duration::from_millis(300);
/// A pause when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until [`Phase::Stopping`], then takes what has connected already and returns when all
/// connections have ended. Dropping the future ends them at once.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    lifecycle: Lifecycle,
    metrics: Metrics,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    let spawn = |connections: &mut JoinSet<()>, stream, place| {
        let connection = serve_connection(stream, router.clone(), limits, lifecycle.clone());
        let gauge = metrics.connections.clone();
        connections.spawn(async move {
            let _place: OwnedSemaphorePermit = place;
            gauge.inc();
            connection.await;
            gauge.dec();
        });
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = lifecycle.reached(Phase::Stopping) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => spawn(&mut connections, stream, place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those in the backlog have connected: closing the listener would reset them.
    while let Ok(Ok((stream, place))) =
        tokio::time::timeout(Duration::ZERO, accept(&listener, &places)).await
    {
        spawn(&mut connections, stream, place);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    lifecycle: Lifecycle,
) {
    // Without it, small answers wait for the client's acknowledgement; failing is harmless.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let io = TokioIo::new(WriteTimeout::new(stream, limits.write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(READ_BUFFER_BYTES)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = lifecycle.reached(Phase::Stopping) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => match tokio::time::timeout(LAST_REQUEST, connection.as_mut()).await {
            Ok(ended) => ended,
            Err(_) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    if let Err(error) = ended {
        // Clients that break off or stay silent are ordinary.
        tracing::debug!(%error, "connection ended");
    }
}
