//! What the log says of requests.

use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::{client, images, small_model};
use serde_json::Value;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Runs `requests` against a service with `flags`, and returns the lines of its log from when it was ready.
fn log_of(flags: &[&str], requests: &[Vec<u8>]) -> Vec<String> {
    log_at("info", flags, requests)
}

/// The same at a level of the log.
fn log_at(level: &str, flags: &[&str], requests: &[Vec<u8>]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let flags = [&["--drain-delay-ms=0"], flags].concat();
    let model = small_model(folder.path());
    let (mut service, log) = Process::start_with(&model, &flags, "RUST_LOG", level);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for request in requests {
            client::send(service.address, request).await;
        }
    });
    service.terminate();
    let lines = log.collect();
    assert!(service.wait(Duration::from_secs(5)).unwrap().success());
    lines
}

fn events(lines: &[String], message: &str) -> Vec<Value> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.filter(|event| event["message"] == message).collect()
}

#[test]
fn each_request_has_one_line_with_each_field_once() {
    let image = images::png(1);
    let headers = [("X-Request-Id", "of-the-test"), ("traceparent", TRACE)];
    let (content_type, form) =
        client::form(&[("image", Some("a"), &image), ("image", Some("b"), &image)]);
    let lines = log_of(
        &["--trusted-proxies=127.0.0.0/8"],
        &[
            client::request("POST", "/classify?top_k=1", &headers, &image),
            client::request(
                "POST",
                "/classify",
                &[("Content-Type", content_type.as_str()), ("X-Forwarded-For", "198.51.100.7")],
                &form,
            ),
            client::request("POST", "/classify", &[], b"no image"),
            client::request("POST", "/nowhere", &[], b"12345"),
        ],
    );
    let answered = events(&lines, "answered");
    assert_eq!(answered.len(), 4, "{lines:?}");
    let first = &answered[0];
    assert_eq!(first["method"], "POST");
    assert_eq!(first["path"], "/classify");
    assert_eq!(first["status"], 200);
    assert_eq!(first["bytes_in"], image.len());
    assert_eq!(first["images"], 1);
    assert_eq!(first["client"], "127.0.0.1");
    assert_eq!(first["request_id"], "of-the-test");
    assert_eq!(first["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let milliseconds = first["milliseconds"].as_f64().unwrap();
    assert_eq!(milliseconds, (milliseconds * 1e3).round() / 1e3);
    assert!(first.get("span").is_none() && first.get("spans").is_none(), "{first}");
    let fields = [
        "method",
        "path",
        "status",
        "milliseconds",
        "bytes_in",
        "images",
        "client",
        "request_id",
        "trace_id",
    ];
    let line = lines.iter().find(|line| line.contains("of-the-test")).unwrap();
    for field in fields {
        assert_eq!(line.matches(&format!("\"{field}\":")).count(), 1, "{field} in {line}");
    }
    assert_eq!(
        (&answered[1]["images"], &answered[1]["client"]),
        (&2.into(), &"198.51.100.7".into())
    );
    assert_eq!(
        (&answered[2]["code"], &answered[2]["images"]),
        (&"unsupported_image_format".into(), &1.into())
    );
    assert_eq!(
        (&answered[3]["status"], &answered[3]["bytes_in"]),
        (&404.into(), &5.into()),
        "thrown away"
    );
}

/// As often as balancer, orchestrator, Prometheus and the image's health check ask in ten minutes under
/// docker/compose.yaml: every 500 ms, 5 s, 15 s and 5 s.
#[test]
fn an_idle_replica_writes_little() {
    let probe = |path, count| vec![client::head("GET", path, &[]); count];
    let requests = [
        probe("/readyz", 1200 + 120),
        probe("/healthz", 120),
        probe("/metrics", 40),
        probe("/v2/health/live", 60),
        probe("/v2/health/ready", 60),
        probe("/v2/models/googlenet/ready", 60),
        probe("/v2/models/googlenet/versions/1/ready", 60),
    ];
    let lines = log_of(&[], &requests.concat());
    assert!(lines.len() <= 20, "{} lines: {:?}", lines.len(), &lines[..20]);
}

#[test]
fn a_probe_that_fails_is_told() {
    let lines = log_of(&[], &[client::head("GET", "/v2/models/other/ready", &[])]);
    assert_eq!(events(&lines, "answered").len(), 1, "{lines:?}");
}

/// What a client does that has a timeout of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_gone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    let (mut service, log) = Process::start_with_log(&model, &["--drain-delay-ms=0"]);
    let headers = [("X-Request-Id", "gone"), ("Content-Length", "1000")];
    let mut head = client::head("POST", "/classify", &headers);
    head.extend_from_slice(b"part of a body");
    let mut stream = std::net::TcpStream::connect(service.address).unwrap();
    std::io::Write::write_all(&mut stream, &head).unwrap();
    let held = "googlenet_body_memory_bytes";
    client::until_that(service.address, held, |bytes| bytes > 0.0).await;
    drop(stream);
    client::until_that(service.address, held, |bytes| bytes == 0.0).await;
    service.terminate();
    let lines: Vec<String> = log.collect();
    assert!(service.wait(Duration::from_secs(5)).unwrap().success());
    let of_request: Vec<&String> = lines.iter().filter(|line| line.contains("\"gone\"")).collect();
    assert_eq!(of_request.len(), 1, "{lines:?}");
    assert!(of_request[0].contains("\"bytes_in\":14"), "{of_request:?}");
}

#[test]
fn debug_has_the_stages_of_each_image() {
    let request =
        client::request("POST", "/classify", &[("X-Request-Id", "mine")], &images::png(1));
    let lines = log_at("debug", &[], &[request, client::head("GET", "/readyz", &[])]);
    for (stage, field) in [
        ("header read", "decode_bytes"),
        ("decoded and cropped", "decode_ms"),
        ("decoded and cropped", "preprocess_ms"),
        ("network run", "queue_ms"),
        ("network run", "inference_ms"),
    ] {
        let events = events(&lines, stage);
        assert_eq!(events.len(), 1, "{stage}: {lines:?}");
        assert!(events[0][field].is_number(), "{}", events[0]);
        assert_eq!(events[0]["span"]["request_id"], "mine");
    }
    let line = lines.iter().find(|line| line.contains("network run")).unwrap();
    assert_eq!(line.matches("\"mine\"").count(), 1, "{line}");
    assert_eq!(events(&lines, "answered").len(), 2, "the probe too");
    assert!(lines.len() < 20, "{lines:?}");
}
