//! SIGTERM under load, with a real process.

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use harness::process::Process;
use harness::{client, images, small_model};

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_request_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--drain-delay-ms=700", "--drain-timeout-ms=5000"];
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
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = answered.load(Ordering::SeqCst);
    stopped.store(true, Ordering::SeqCst);
    service.terminate();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let readyz = client::get(address, "/readyz").await;
    assert_eq!((readyz.status, readyz.code().as_str()), (503, "shutting_down"));
    assert_eq!(client::get(address, "/healthz").await.status, 200);
    for client in clients {
        client.await.unwrap();
    }
    let after = answered.load(Ordering::SeqCst);
    assert!(before > 0 && after > before + 16, "{before}, then {after}: it served on");
    let status = service.wait(Duration::from_secs(6)).expect("it ends within the drain timeout");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_half_sent_connections_do_not_hold_it() {
    use tokio::io::AsyncWriteExt;

    let folder = tempfile::tempdir().unwrap();
    let flags = ["--drain-delay-ms=0", "--drain-timeout-ms=4000"];
    let mut service = Process::start(&small_model(folder.path()), &flags);
    let idle = tokio::net::TcpStream::connect(service.address).await.unwrap();
    let mut half = tokio::net::TcpStream::connect(service.address).await.unwrap();
    half.write_all(b"GET /healthz HT").await.unwrap();
    assert_eq!(client::get(service.address, "/healthz").await.status, 200);
    service.terminate();
    let status = service.wait(Duration::from_secs(6)).expect("it ends within the drain timeout");
    assert!(status.code().is_some(), "{status}");
    drop((idle, half));
}
