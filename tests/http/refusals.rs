//! Refusals of requests whose body is still coming: the client gets its answer, whatever it does.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::client::{self, Answer};
use crate::harness::{TestService, images};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const MIB: usize = 1 << 20;

/// Without waiting for what is yet to come: that takes until the request's time is over, which is a minute here.
const SOON: Duration = Duration::from_secs(20);

/// Method, path, header of the request and its refusal.
const REFUSALS: [(&str, &str, (&str, &str), u16); 8] = [
    ("POST", "/nowhere", ("Content-Type", "image/png"), 404),
    ("POST", "/v2/models/other/infer", ("Content-Type", "application/json"), 404),
    ("POST", "/healthz", ("Content-Type", "image/png"), 405),
    ("PUT", "/classify", ("Content-Type", "image/png"), 405),
    ("POST", "/classify", ("Content-Type", "text/plain"), 415),
    ("POST", "/classify", ("Content-Encoding", "br"), 415),
    ("POST", "/classify?top_k=0", ("Content-Type", "image/png"), 400),
    ("POST", "/classify?colour=red", ("Content-Type", "image/png"), 400),
];

/// Writes all of `request`, and only then reads: as Python's http.client does.
async fn write_then_read(service: &TestService, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(request).await.expect("the whole request is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the answer comes, then the end");
    Answer::parse(&answer)
}

fn chunked(method: &str, path: &str, header: (&str, &str), body: &[u8]) -> Vec<u8> {
    client::chunked(method, path, &[header], body, 60_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_everything_first_hears_why() {
    let service = TestService::start(&[]).await;
    let body = vec![7; 12 * MIB];
    for (method, path, header, status) in REFUSALS {
        for request in
            [client::request(method, path, &[header], &body), chunked(method, path, header, &body)]
        {
            let answer = write_then_read(&service, &request).await;
            assert_eq!(answer.status, status, "{method} {path} {header:?}");
            assert_eq!(answer.header("connection"), "close", "{method} {path} {header:?}");
            assert!(!answer.code().is_empty());
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_much_hears_why() {
    let service = TestService::start(&["--max-body-bytes=1000000"]).await;
    let body = vec![7; 12 * MIB];
    let header = ("Content-Type", "image/png");
    for request in [
        client::request("POST", "/classify", &[header], &body),
        chunked("POST", "/classify", header, &body),
    ] {
        let answer = write_then_read(&service, &request).await;
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_says_so_to_the_whole_body() {
    let (open, wait) = std::sync::mpsc::channel::<()>();
    let around = crate::harness::Around::default();
    let service = TestService::start_with(&[], around, move || {
        let _ = wait.recv();
    })
    .await;
    let request =
        client::request("POST", "/classify", &[("Content-Type", "image/png")], &vec![7; 12 * MIB]);
    let answer = write_then_read(&service, &request).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    drop(open);
    service.stop().await;
}

/// The refusal comes in place of `100 Continue`, and no body is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_is_refused_at_once() {
    let service = TestService::start(&["--max-body-bytes=1000000"]).await;
    let too_large = ("POST", "/classify", ("Content-Type", "image/png"), 413);
    for (method, path, header, status) in REFUSALS.into_iter().chain([too_large]) {
        let length = (12 * MIB).to_string();
        let headers = [header, ("Content-Length", length.as_str()), ("Expect", "100-Continue")];
        let head = client::head(method, path, &headers);
        let answer = timeout(SOON, write_then_read(&service, &head)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path} waits for the body"));
        assert_eq!(answer.status, status, "{method} {path}: not 100");
        assert_eq!(answer.header("connection"), "close");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_and_is_taken_is_asked_for_the_body() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let length = image.len().to_string();
    let headers = [("Content-Length", length.as_str()), ("Expect", "100-continue")];
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(&client::head("POST", "/classify", &headers)).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&image).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).status, 200);
    service.stop().await;
}

/// A client need not wait for `100 Continue` (RFC 9110, section 10.1.1), and one of HTTP/1.0 does not know it.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_wait_hears_why() {
    let service = TestService::start(&["--max-body-bytes=1000000"]).await;
    let body = vec![7; 12 * MIB];
    let too_large = ("POST", "/classify", ("Content-Type", "image/png"), 413);
    for (method, path, header, status) in REFUSALS.into_iter().chain([too_large]) {
        for expect in [&["100-continue"][..], &["100-continue", "another"]] {
            let mut headers = vec![header];
            headers.extend(expect.iter().map(|expect| ("Expect", *expect)));
            let request = client::request(method, path, &headers, &body);
            let answer = write_then_read(&service, &request).await;
            assert_eq!(answer.status, status, "{method} {path} {header:?} {expect:?}");
            let old = String::from_utf8_lossy(&request[..request.len() - body.len()]).into_owned();
            let old = [old.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes(), &body].concat();
            let answer = write_then_read(&service, &old).await;
            assert_eq!(answer.status, status, "HTTP/1.0 {method} {path} {header:?} {expect:?}");
        }
    }
    service.stop().await;
}

/// An answer that is no refusal does not wait for a body that it has no use for.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_needed_is_not_waited_for() {
    let service = TestService::start(&[]).await;
    for path in ["/healthz", "/model/summary"] {
        let head = client::head("GET", path, &[("Content-Length", "5")]);
        let answer = timeout(SOON, write_then_read(&service, &head)).await;
        assert_eq!(answer.expect("at once").status, 200, "{path}");
    }
    service.stop().await;
}

/// What the head says wrong is refused without the body.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_all_modules_is_refused_before_the_body() {
    // A body that is waited for gets 408 then; the connection stays open for it that long.
    let service = TestService::start(&["--request-timeout-ms=1000"]).await;
    let headers = [("Content-Type", "image/png"), ("Accept", "image/png"), ("Content-Length", "9")];
    let head = client::head("POST", "/activations", &headers);
    let answer = timeout(SOON, write_then_read(&service, &head)).await;
    let answer = answer.expect("it is answered");
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"));
    assert!(answer.json()["error"].as_str().unwrap().contains("one module"), "{answer:?}");
    service.stop().await;
}

/// A body that never ends is thrown away for as long as a body may take, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_thrown_away_has_a_deadline() {
    let service = TestService::start(&["--request-timeout-ms=500"]).await;
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let head = client::head("POST", "/nowhere", &[("Content-Length", "1000000")]);
    stream.write_all(&head).await.unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).status, 404);
    let waited = started.elapsed();
    assert!((Duration::from_millis(400)..SOON).contains(&waited), "{waited:?}");
    service.stop().await;
}

/// And no more of it than 64 MiB before the answer, and as much behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_thrown_away_has_a_limit() {
    let service = TestService::start(&[]).await;
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let head = client::head("POST", "/nowhere", &[("Transfer-Encoding", "chunked")]);
    stream.write_all(&head).await.unwrap();
    let chunk = [b"100000\r\n", &vec![7; MIB][..], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1000 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!((64..200).contains(&sent), "{sent} MiB were taken");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_a_body_leaves_the_connection_open() {
    let service = TestService::start(&[]).await;
    let mut connection =
        client::Connection::open([127, 0, 0, 1].into(), service.address).await.unwrap();
    for _ in 0..3 {
        let answer =
            connection.exchange(b"GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, ""));
        let request = b"POST /classify HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nno image";
        let answer = connection.exchange(request).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (415, ""), "its body was read");
        let request = b"POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nno image";
        let answer = connection.exchange(request).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, ""), "its body was little");
    }
    service.stop().await;
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

async fn post_coded(service: &TestService, coding: &str, body: &[u8]) -> Answer {
    let headers = [("Content-Type", "image/png"), ("Content-Encoding", coding)];
    client::send(service.address, &client::request("POST", "/classify", &headers, body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_compressed() {
    let service = TestService::start(&["--max-body-bytes=1000000"]).await;
    let image = images::png(1);
    let expected = client::classify(service.address, &image).await.json();
    for coding in ["", "identity", "Identity"] {
        assert_eq!(post_coded(&service, coding, &image).await.json(), expected, "{coding}");
    }
    for coding in ["gzip", "GZIP", "x-gzip"] {
        assert_eq!(post_coded(&service, coding, &gzip(&image)).await.json(), expected, "{coding}");
    }
    assert_eq!(post_coded(&service, "deflate", &deflate(&image)).await.json(), expected);
    for (coding, body, status, code) in [
        ("gzip", image.clone(), 400, "invalid_input"),
        ("gzip", gzip(&image)[..50].to_vec(), 400, "invalid_input"),
        ("deflate", gzip(&image), 400, "invalid_input"),
        ("gzip", gzip(b""), 400, "empty_image"),
        ("br", image.clone(), 415, "unsupported_content_type"),
        ("gzip, gzip", gzip(&gzip(&image)), 415, "unsupported_content_type"),
        // A kilobyte for each megabyte.
        ("gzip", gzip(&vec![0; 100 * MIB]), 413, "body_too_large"),
        ("deflate", deflate(&vec![0; 2_000_000]), 413, "body_too_large"),
    ] {
        let answer = post_coded(&service, coding, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{coding}");
        let taken = if status == 415 { "gzip, deflate" } else { "" };
        assert_eq!(answer.header("accept-encoding"), taken);
    }
    service.stop().await;
}
