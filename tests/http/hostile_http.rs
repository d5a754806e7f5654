//! Messages that no honest client sends, byte by byte.

use crate::harness::client::{self, Answer};
use crate::harness::process::Process;
use crate::harness::{TestService, images, small_model};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn send(service: &TestService, request: &str) -> Answer {
    client::send(service.address, request.as_bytes()).await
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_valid_host() {
    let service = TestService::start(&[]).await;
    for hosts in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a b\r\n",
        "Host: http://a/\r\n",
        "Host: user@a\r\n",
        "Host: \u{e4}\r\n",
    ] {
        for path in ["/healthz", "/nothing", "http://a/healthz"] {
            let answer = send(&service, &format!("GET {path} HTTP/1.1\r\n{hosts}\r\n")).await;
            assert_refused(&answer, 400, "invalid_request");
        }
    }
    for host in ["", "a", "a:80", "[::1]:8080"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(send(&service, &request).await.status, 200, "{host}");
    }
    assert_eq!(send(&service, "GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_one_length() {
    let service = TestService::start(&[]).await;
    let post = |headers: &str, body: &str| {
        format!("POST /classify HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
    };
    for coding in ["gzip, chunked", "chunked, chunked", "x-own, chunked"] {
        let headers = format!("Transfer-Encoding: {coding}\r\n");
        let answer = send(&service, &post(&headers, "0\r\n\r\n")).await;
        assert_refused(&answer, 501, "not_implemented");
    }
    // hyper refuses these itself, without a body.
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1, 2\r\n",
    ] {
        assert_eq!(send(&service, &post(headers, "0\r\n\r\n")).await.status, 400, "{headers}");
    }
    service.stop().await;
}

/// What follows the chunked body is never taken for a request.
#[tokio::test(flavor = "multi_thread")]
async fn two_kinds_of_length_end_the_connection() {
    let service = TestService::start(&[]).await;
    let lengths = ["Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n"];
    for (first, second) in [(0, 1), (1, 0)] {
        let request = format!(
            "POST /classify HTTP/1.1\r\nHost: a\r\n{}{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
            lengths[first], lengths[second]
        );
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        // The rest of what was sent is never read, so that the end may be a reset.
        let _ = stream.read_to_end(&mut answers).await;
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        assert!(answers.starts_with("HTTP/1.1 400 "), "{answers}");
    }
    service.stop().await;
}

/// A method of 30 kB is cut in the log; so would be any other text of a client.
#[test]
fn the_log_has_no_long_lines() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--drain-delay-ms=0"];
    let (mut service, log) = Process::start_with_log(&small_model(folder.path()), &flags);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let method = "M".repeat(30_000);
    let path = format!("/{}", "p".repeat(20_000));
    let name = "n".repeat(20_000);
    runtime.block_on(async {
        for request in [
            client::head(&method, "/classify", &[]),
            client::head("GET", &path, &[]),
            client::head("GET", &format!("/model/layers{path}"), &[]),
            client::head("GET", "/healthz", &[("X-Request-Id", name.as_str())]),
            client::head("GET", "/healthz", &[("traceparent", name.as_str())]),
            client::request("POST", "/classify", &[("Content-Type", name.as_str())], b"x"),
            client::request("POST", "/classify?top_k=0", &[], &images::png(1)),
        ] {
            let answer = client::send(service.address, &request).await;
            assert!(answer.status < 500, "{answer:?}");
        }
    });
    service.terminate();
    let lines: Vec<String> = log.collect();
    assert!(service.wait(std::time::Duration::from_secs(5)).unwrap().success());
    assert!(lines.iter().all(|line| line.len() < 1000), "{lines:?}");
    let answered = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        (event["message"] == "answered").then(|| event["method"].as_str().unwrap().to_owned())
    };
    let methods: Vec<String> = lines.iter().filter_map(answered).collect();
    // Not the two probes.
    assert_eq!((methods.len(), methods[0].as_str()), (5, "M".repeat(32).as_str()));
}
