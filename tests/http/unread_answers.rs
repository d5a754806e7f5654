//! The memory of large answers that nobody reads, and of uploads that are decoded already.

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::client;
use crate::harness::faults::gated;
use crate::harness::{TestService, images};
use image::{ImageFormat, Rgb, RgbImage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// The largest body is 1 MiB: two of these for the bodies of requests, and half of one for answers.
const LITTLE: [&str; 2] = ["--max-body-bytes=1048576", "--body-memory-bytes=0"];
const REFUSED: &str = "googlenet_rejected_total{bound=\"answer_memory\",reason=\"queue_full\"}";

const PATIENCE: Duration = Duration::from_secs(20);

/// A photo whose picture is hard to compress.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let photo = RgbImage::from_fn(64, 64, |_, _| Rgb([byte(), byte(), byte()]));
    images::encode(&photo, ImageFormat::Png)
}

/// More answers than the system keeps for a connection within one machine, which is 4 MB at most.
const ANSWERS: usize = 20;

/// Sends a request many times over, and reads nothing. An answer that the system has no room for stays with the service.
async fn ask_only(address: SocketAddr, path: &str, accept: &str, photo: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\nAccept: {accept}\r\n\
         Content-Length: {}\r\n\r\n",
        photo.len()
    );
    for _ in 0..ANSWERS {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(photo).await.unwrap();
    }
    stream
}

/// Past the memory for answers, large ones are refused; small answers go on.
async fn assert_counts_until_it_is_read(path: &str, accept: &str, photo: &[u8]) {
    let service = TestService::start(&LITTLE).await;
    let address = service.address;
    let headers = [("Content-Type", "image/png"), ("Accept", accept)];
    let request = client::request("POST", path, &headers, photo);
    let send = async || client::send(address, &request).await;
    let mut unread = ask_only(address, path, accept, photo).await;
    let is_refused = async {
        loop {
            let answer = send().await;
            if answer.status != 200 {
                break answer;
            }
        }
    };
    let refused = timeout(PATIENCE, is_refused).await.expect("nothing is refused");
    assert_eq!((refused.status, refused.code().as_str()), (429, "queue_full"));
    let sentence = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(sentence.contains("yet to read"), "{sentence}");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(service.metric(REFUSED).await >= 1.0);
    assert_eq!(client::classify(address, &images::png(1)).await.status, 200);
    // The shares come back with the last bytes.
    let mut received = 0;
    while received < 350_000 * ANSWERS / 2 {
        let mut bytes = [0; 1 << 16];
        received += timeout(PATIENCE, unread.read(&mut bytes)).await.unwrap().unwrap();
    }
    drop(unread);
    let is_served = async { while send().await.status != 200 {} };
    timeout(PATIENCE, is_served).await.expect("the share of a connection that has ended is held");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_counts_until_it_is_read() {
    assert_counts_until_it_is_read("/explain?size=1024", "image/png", &noise()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_count_until_they_are_read() {
    let photo = images::png(3);
    assert_counts_until_it_is_read("/activations?channels=1024", "*/*", &photo).await;
}

/// While an occlusion is computed, its upload has been decoded and takes nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_counts_until_it_is_decoded() {
    let (around, gate) = gated();
    let service = TestService::start_around(&LITTLE, around).await;
    gate.shut();
    let address = service.address;
    let mut photo = images::png(3);
    // What follows the end of a PNG is ignored; a form counts twice: there is nothing left for others.
    photo.resize(1_000_000, 0);
    let (content_type, body) = client::form(&[("image", Some("a.png"), &photo)]);
    for path in ["/explain?method=occlusion&squares=2", "/classify"] {
        let decoded = service.metric("googlenet_decode_seconds_count").await;
        let (content_type, body) = (content_type.clone(), body.clone());
        let held =
            tokio::spawn(
                async move { client::post(address, path, &content_type, &body).await.status },
            );
        service.until("googlenet_decode_seconds_count", decoded + 1.0).await;
        // Read whole, and found to be no image.
        let other = client::post(address, "/classify", "image/png", &vec![7; 1_000_000]).await;
        assert_eq!((other.status, other.code().as_str()), (415, "unsupported_image_format"));
        gate.open();
        assert_eq!(held.await.unwrap(), 200, "{path}");
        gate.shut();
    }
    gate.open();
    service.stop().await;
}
