//! Silent and trickling connections: all closed by their deadline, and nobody else notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::process::Process;
use crate::harness::{client, images, small_model};
use googlenet::machine::raise_open_files;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_millis(2_500);

/// Sends `start`, then a byte of `trickle` every 500 ms, until the server closes.
async fn hold(address: SocketAddr, start: Vec<u8>, trickle: &'static [u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let opened = Instant::now();
    // The server may close at any time from here on: that is what is waited for.
    let _ = stream.write_all(&start).await;
    let (mut read, mut write) = stream.split();
    let closed = async {
        let mut rest = Vec::new();
        // A connection that is held too long fails the test below.
        let _ = timeout(DEADLINE * 10, read.read_to_end(&mut rest)).await;
    };
    let send = async {
        for byte in trickle.iter().cycle() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    if trickle.is_empty() {
        closed.await;
    } else {
        tokio::select! { () = closed => {}, () = send => {} }
    }
    opened.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn are_closed_by_their_deadline() {
    let _alone = crate::ALONE.lock().await;
    assert!(raise_open_files() > 3_000, "the test opens 2,100 connections");
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--header-timeout-ms=2500", "--request-timeout-ms=2500"];
    let service = Process::start(&small_model(folder.path()), &flags);
    let address = service.address;
    let image = images::png(1);
    assert_eq!(client::classify(address, &image).await.status, 200);
    let before = service.open_files();

    let mut slow = JoinSet::new();
    for _ in 0..1000 {
        slow.spawn(hold(address, Vec::new(), b""));
        slow.spawn(hold(address, b"POST /classify HTTP/1.1\r\nX-Slow: ".to_vec(), b"a"));
    }
    for _ in 0..100 {
        let head = client::head("POST", "/classify", &[("Content-Length", "100000")]);
        slow.spawn(hold(address, head, b"a"));
    }
    let mut served = 0;
    let mut held = Vec::new();
    while !slow.is_empty() {
        assert_eq!(client::classify(address, &image).await.status, 200);
        assert_eq!(client::get(address, "/healthz").await.status, 200);
        served += 1;
        while let Some(time) = slow.try_join_next() {
            held.push(time.unwrap());
        }
    }
    assert_eq!(held.len(), 2100);
    let longest = held.iter().max().unwrap();
    // Those that send a byte now and then would hold it for as long as they like.
    assert!(*longest < DEADLINE * 9, "{longest:?}: the deadline is {DEADLINE:?}");
    assert!(served > 5, "{served}");
    let end = Instant::now() + DEADLINE * 9;
    while service.open_files() > before && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(service.open_files() <= before, "{} > {before}", service.open_files());
}
