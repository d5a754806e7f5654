//! SIGTERM with a real process: what has arrived whole is answered, and nobody else holds it up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::faults::gated;
use crate::harness::process::Process;
use crate::harness::{TestService, client, images, small_model};
use googlenet::app::AppError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_request_is_lost() {
    let _alone = crate::ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--drain-delay-ms=5000", "--drain-timeout-ms=5000"];
    let mut service = Process::start(&small_model(folder.path()), &flags);
    let address = service.address;
    let stopped = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let (stopped, answered) = (Arc::clone(&stopped), Arc::clone(&answered));
            tokio::spawn(async move {
                let image = images::png(number);
                // A refused connection was never accepted: only there may a client stop.
                loop {
                    match client::try_send(
                        address,
                        &client::request("POST", "/classify", &[], &image),
                    )
                    .await
                    {
                        Ok(answer) => {
                            assert_eq!(answer.status, 200, "{answer:?}");
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
                            assert!(stopped.load(Ordering::SeqCst), "refused before the signal");
                            return;
                        }
                    }
                }
            })
        })
        .collect();
    while answered.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    let before = answered.load(Ordering::SeqCst);
    stopped.store(true, Ordering::SeqCst);
    service.terminate();
    let readyz = loop {
        let readyz = client::get(address, "/readyz").await;
        if readyz.status != 200 {
            break readyz;
        }
    };
    assert_eq!((readyz.status, readyz.code().as_str()), (503, "shutting_down"));
    assert_eq!(client::get(address, "/healthz").await.status, 200);
    for client in clients {
        client.await.unwrap();
    }
    let after = answered.load(Ordering::SeqCst);
    assert!(before > 0 && after > before + 16, "{before}, then {after}: it served on");
    let status = service.wait(LONG).expect("it ends with the drain");
    assert_eq!(status.code(), Some(0));
}

/// A request that comes on an open connection so soon after the signal is answered: well within the time for which the
/// service listens there.
const SOON: Duration = Duration::from_millis(200);
/// Far more than an end takes on a busy machine, and far less than what could hold it: [`PATIENT`].
const LONG: Duration = Duration::from_secs(30);
/// Timeouts of two minutes, which are not waited for.
const PATIENT: [&str; 2] = ["--request-timeout-ms=120000", "--header-timeout-ms=120000"];

/// Connects with a small receive buffer, so that the other end soon has to wait.
async fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends `start` and waits for the end of the connection; what came until then.
async fn hold(mut stream: TcpStream, start: Vec<u8>) -> String {
    stream.write_all(&start).await.unwrap();
    let mut answer = Vec::new();
    // It may end with a reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// More answers than all buffers between the service and a client that does not read can take.
fn large_answers() -> Vec<u8> {
    b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n".repeat(600)
}

/// Asks for more than it reads, until the service waits for it with an answer that it cannot send.
async fn stuck_with(address: SocketAddr) -> TcpStream {
    let mut deaf = connect_narrow(address).await;
    let large = large_answers();
    // Its own end fills too: what is sent is enough.
    let _ = timeout(Duration::from_millis(300), deaf.write_all(&large)).await;
    let answered = "googlenet_requests_total{endpoint=\"/openapi.json\"}";
    client::until_that(address, answered, |answers| answers > 0.0).await;
    // What the service could do, it would do beside so many requests.
    let (mut last, mut same) = (0.0, 0);
    while same < 20 {
        let now = client::metric(address, answered).await;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        sleep(Duration::from_millis(5)).await;
    }
    deaf
}

/// Asks for one large answer after another and takes its time to read each, until the connection
/// ends between two of them.
async fn read_slowly(address: SocketAddr) {
    let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answers = 0;
    while stream.write_all(request).await.is_ok() {
        let (mut received, mut expected) = (Vec::new(), usize::MAX);
        let mut part = vec![0; 64 << 10];
        while received.len() < expected {
            let length = stream.read(&mut part).await.unwrap_or_default();
            if length == 0 {
                assert!(received.is_empty(), "{} of {expected} bytes", received.len());
                break;
            }
            received.extend_from_slice(&part[..length]);
            expected = whole_length(&received);
            sleep(Duration::from_millis(5)).await;
        }
        if received.is_empty() {
            break;
        }
        assert!(expected > 500_000, "{expected}");
        answers += 1;
    }
    assert!(answers > 0);
}

/// The length of the answer that begins with `received`, once its head is there.
fn whole_length(received: &[u8]) -> usize {
    let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return usize::MAX;
    };
    let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    end + 4 + length.lines().next().unwrap().parse::<usize>().unwrap()
}

/// When the service was told to stop.
type Stopped = watch::Receiver<Option<Instant>>;

/// Sends one image after another on one connection until an answer says that it is the last, or the connection is closed
/// because this client was too slow for it.
async fn classify_on(address: SocketAddr, number: u32, stopped: Stopped) -> usize {
    let image = images::png(number);
    let head =
        format!("POST /classify HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", image.len());
    let request = [head.as_bytes(), &image].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for answered in 1.. {
        let Some(answer) = exchange(&mut stream, &request, &stopped).await else {
            return answered - 1;
        };
        assert!(answer.starts_with("http/1.1 200 "), "{answer:?} after {answered}");
        if answer.contains("connection: close") {
            return answered;
        }
    }
    unreachable!("the service stops")
}

/// The answer, in small letters; none, if the request was not sent soon after the signal and the connection is closed.
async fn exchange(stream: &mut TcpStream, request: &[u8], stopped: &Stopped) -> Option<String> {
    let sent = stream.write_all(request).await;
    let in_time = sent.is_ok() && stopped.borrow().is_none_or(|signal| signal.elapsed() < SOON);
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while answer.len() < whole_length(&answer) {
        let length = stream.read(&mut part).await.unwrap_or_default();
        if length == 0 {
            let text = String::from_utf8_lossy(&answer);
            assert!(text.is_empty() && !in_time, "the connection ended after {text:?}");
            return None;
        }
        answer.extend_from_slice(&part[..length]);
    }
    Some(String::from_utf8_lossy(&answer).to_lowercase())
}

/// A connection that is silent until just after the signal.
async fn send_late(address: SocketAddr, mut stopped: Stopped) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stopped.wait_for(Option::is_some).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let request = client::request("POST", "/classify", &[], &images::png(1));
    if let Some(answer) = exchange(&mut stream, &request, &stopped).await {
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    }
}

/// Clients of every kind at once.
async fn one_stop(service: &mut Process) {
    let address = service.address;
    let (stop, stopped) = watch::channel(None);
    let mut clients = JoinSet::new();
    for number in 0..6 {
        let stopped = stopped.clone();
        clients.spawn(async move {
            assert!(classify_on(address, number, stopped).await > 0);
        });
    }
    for _ in 0..3 {
        clients.spawn(send_late(address, stopped.clone()));
        clients.spawn(async move {
            hold(TcpStream::connect(address).await.unwrap(), Vec::new()).await;
        });
        clients.spawn(async move {
            let start = b"POST /classify HTTP/1.1\r\nHost: te".to_vec();
            hold(TcpStream::connect(address).await.unwrap(), start).await;
        });
        clients.spawn(async move {
            let mut start = client::head("POST", "/classify", &[("Content-Length", "1000")]);
            start.extend_from_slice(b"half");
            let answer = hold(TcpStream::connect(address).await.unwrap(), start).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
            assert!(answer.contains("shutting_down"), "{answer:?}");
        });
    }
    clients.spawn(read_slowly(address));
    let deaf = stuck_with(address).await;
    // The deaf one, and who asks.
    let connections = clients.len() as f64 + 2.0;
    client::until_that(address, "googlenet_connections", |open| open >= connections).await;
    stop.send(Some(Instant::now())).unwrap();
    service.terminate();
    let ended = tokio::task::block_in_place(|| service.wait(LONG));
    assert_eq!(ended.expect("it ends").code(), Some(0));
    drop(deaf);
    // The process has ended, and with it all connections.
    while let Some(client) = timeout(LONG, clients.join_next()).await.unwrap() {
        client.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_every_kind_do_not_hold_it() {
    let _alone = crate::ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    for _ in 0..20 {
        let flags = [&["--drain-delay-ms=0", "--drain-timeout-ms=2000"], &PATIENT[..]].concat();
        one_stop(&mut Process::start(&model, &flags)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_head_does_not_hold_it() {
    let _alone = crate::ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let flags = [&["--drain-delay-ms=0", "--drain-timeout-ms=120000"], &PATIENT[..]].concat();
    let mut service = Process::start(&small_model(folder.path()), &flags);
    let idle = TcpStream::connect(service.address).await.unwrap();
    let mut half = TcpStream::connect(service.address).await.unwrap();
    half.write_all(b"GET /healthz HT").await.unwrap();
    assert_eq!(client::get(service.address, "/healthz").await.status, 200);
    service.terminate();
    let status = service.wait(LONG).expect("it ends");
    assert_eq!(status.code(), Some(0));
    drop((idle, half));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_drain_timeout_it_ends_at_once() {
    let _alone = crate::ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let flags = [&["--drain-delay-ms=0", "--drain-timeout-ms=0"], &PATIENT[..]].concat();
    let mut service = Process::start(&small_model(folder.path()), &flags);
    let mut half = TcpStream::connect(service.address).await.unwrap();
    half.write_all(&client::head("POST", "/classify", &[("Content-Length", "10")])).await.unwrap();
    let deaf = stuck_with(service.address).await;
    service.terminate();
    let status = service.wait(LONG).expect("it ends");
    assert_eq!(status.code(), Some(0));
    drop((half, deaf));
}

/// The only failure: a request that arrived whole and got no answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_without_an_answer_is_a_failure() {
    let _alone = crate::ALONE.lock().await;
    let (around, gate) = gated();
    let service = TestService::start_around(&["--drain-timeout-ms=300"], around).await;
    let address = service.address;
    gate.shut();
    let client = tokio::spawn(async move {
        client::try_send(address, &client::request("POST", "/classify", &[], &images::png(1))).await
    });
    service.until("googlenet_workers_busy", 1.0).await;
    let end = service.begin_stop();
    assert!(client.await.unwrap().is_err(), "it was cut off");
    gate.open();
    let ended = end.await.unwrap();
    assert!(matches!(ended, Err(AppError::DrainTimeout(1))), "{ended:?}");
}
