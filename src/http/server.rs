//! The accept loop: bounded connections, each with deadlines, all answered before the end.

use std::convert::Infallible;
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
use tokio::time::{timeout, timeout_at};
use tower::ServiceExt;

use super::accept_failures::AcceptFailures;
use super::client_address::PeerAddress;
use super::connection::WriteTimeout;
use super::connection_state::ConnectionState;
use super::deadline::drain_patience;
use super::exchange::{ArrivingBody, Exchange, LeavingBody};
use super::unanswered::Unanswered;
use super::unread_body::LeftBody;
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
    /// For what is in flight when the service stops.
    pub drain_timeout: Duration,
}

/// What one connection buffers of what it receives: bodies are counted when they are taken out of it.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// How long a connection that is open when the service stops may still bring a request: one that
/// its client sent just then is answered, not reset.
const LAST_REQUEST: Duration = Duration::from_millis(300);
/// How long after the stop a connection may take to bring the rest of a head: what is less than a head
/// is no request.
const LAST_HEAD: Duration = Duration::from_secs(1);
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
    unanswered: Unanswered,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    let spawn = |connections: &mut JoinSet<()>, stream, place| {
        let state = Arc::new(ConnectionState::new(unanswered.clone()));
        let connection = serve_connection(stream, router.clone(), limits, lifecycle.clone(), state);
        let gauge = metrics.connections.clone();
        connections.spawn(async move {
            let _place: OwnedSemaphorePermit = place;
            gauge.inc();
            connection.await;
            gauge.dec();
        });
    };
    let mut failures = AcceptFailures::default();
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
                failures.tell(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those in the backlog have connected: closing the listener would reset them.
    while let Ok(Ok((stream, place))) = timeout(Duration::ZERO, accept(&listener, &places)).await {
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
    state: Arc<ConnectionState>,
) {
    // Without it, small answers wait for the client's acknowledgement; failing is harmless.
    let _ = stream.set_nodelay(true);
    // It fails when the client has gone already.
    let Ok(peer) = stream.peer_addr().map(PeerAddress) else { return };
    let stop_timeout = drain_patience(limits.drain_timeout);
    let io = WriteTimeout::new(stream, Arc::clone(&state), limits.write_timeout, stop_timeout);
    let exchanges = Arc::clone(&state);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        answer(router.clone(), request, Exchange::begin(&exchanges))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(READ_BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let stopping = tokio::select! {
        ended = connection.as_mut() => return told(ended),
        stopping = lifecycle.stopping() => stopping,
    };
    state.stop(stopping);
    if let Ok(ended) = timeout(LAST_REQUEST, connection.as_mut()).await {
        return told(ended);
    }
    // It ends with the answer in hand. Without a request it ends now, or, with a part of a head, below.
    connection.as_mut().graceful_shutdown();
    let last_head = (stopping + LAST_HEAD).into();
    match timeout_at(last_head, connection.as_mut()).await {
        Ok(ended) => told(ended),
        Err(_) if state.is_busy() => told(connection.await),
        Err(_) => tracing::debug!("connection ended: no request came in time"),
    }
}

/// Answers, and tells the connection how far the exchange is.
async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    exchange: Arc<Exchange>,
) -> Result<hyper::Response<LeavingBody>, Infallible> {
    let arriving = Arc::clone(&exchange);
    let request = request.map(|body| Body::new(ArrivingBody::new(body, arriving)));
    let response = router.oneshot(request).await?;
    exchange.answered();
    if response.extensions().get::<LeftBody>().is_some() {
        exchange.body_is_left();
    }
    Ok(response.map(|body| LeavingBody::new(body, exchange)))
}

/// Clients that break off or stay silent are ordinary.
fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
