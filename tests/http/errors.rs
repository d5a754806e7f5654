//! Every row of the error table, over a real socket.

use std::time::Duration;

use crate::harness::client::{self, Answer};
use crate::harness::faults::gated;
use crate::harness::{TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The status, the code, and what every error has.
fn assert_error(answer: &Answer, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(body["error"].as_str().is_some_and(|sentence| sentence.len() > 15), "{body}");
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
}

async fn json(service: &TestService, body: &str) -> Answer {
    client::post(service.address, "/classify", "application/json", body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_parameter() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    for query in
        ["top_k=0", "top_k=11", "min_probability=2", "crops=3", "topk=1", "top_k=1&top_k=2"]
    {
        let path = format!("/classify?{query}");
        let answer = client::post(service.address, &path, "image/png", &image).await;
        assert_error(&answer, 400, "invalid_parameter");
    }
    let (content_type, body) =
        client::form(&[("image", Some("a.png"), &image), ("top_k", None, b"many")]);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_error(&answer, 400, "invalid_parameter");
    let body = format!(r#"{{"image":"{}","crops":"ten"}}"#, STANDARD.encode(&image));
    assert_error(&json(&service, &body).await, 400, "invalid_parameter");
    service.stop().await;
}

/// Of each path with a name in it, and of those that no document describes.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_no_text_is_an_error_like_others() {
    let service = TestService::start(&[]).await;
    let document = client::get(service.address, "/openapi.json").await.json();
    let described = document["paths"].as_object().unwrap().keys();
    let replaced = described.filter(|path| path.contains('{')).map(|path| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "a%ff" } else { part });
        parts.collect::<Vec<_>>().join("/")
    });
    let undescribed =
        ["/%ff", "/assets/%ff", "/assets/%ff/a", "/docs/%ff", "/docs/a/%ff", "/v2/models/%C3%28"];
    let paths: Vec<String> = replaced.chain(undescribed.map(String::from)).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        for method in ["GET", "POST", "PUT"] {
            let answer =
                client::send(service.address, &client::request(method, &path, &[], b"{}")).await;
            assert!([400, 404, 405].contains(&answer.status), "{method} {path}: {answer:?}");
            let code = answer.code();
            assert_error(&answer, answer.status, &code);
        }
    }
    for path in ["/assets/%ff", "/docs/%ff"] {
        let answer = client::get(service.address, path).await;
        assert_error(&answer, 404, "not_found");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_json_and_base64() {
    let service = TestService::start(&[]).await;
    for body in [
        "",
        "{",
        "[]",
        "\u{0}",
        r#"{"image":1}"#,
        r#"{"picture":"x"}"#,
        r#"{"image":"","images":[]}"#,
    ] {
        assert_error(&json(&service, body).await, 400, "invalid_json");
    }
    assert_error(&json(&service, r#"{"image":"not base64!"}"#).await, 400, "invalid_base64");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_multipart() {
    let service = TestService::start(&[]).await;
    for (content_type, body) in [
        ("multipart/form-data", "--x\r\n"),
        ("multipart/form-data; boundary=x", "no boundary"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nabc",
        ),
    ] {
        let answer =
            client::post(service.address, "/classify", content_type, body.as_bytes()).await;
        assert_error(&answer, 400, "invalid_multipart");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_empty_image() {
    let service = TestService::start(&[]).await;
    assert_error(&json(&service, "{}").await, 400, "missing_image");
    assert_error(&json(&service, r#"{"images":[]}"#).await, 400, "missing_image");
    let (content_type, body) = client::form(&[("top_k", None, b"1")]);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_error(&answer, 400, "missing_image");
    assert_error(&client::classify(service.address, b"").await, 400, "empty_image");
    assert_error(&json(&service, r#"{"image":""}"#).await, 400, "empty_image");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_found_and_method_not_allowed() {
    let service = TestService::start(&[]).await;
    assert_error(&client::get(service.address, "/nothing").await, 404, "not_found");
    assert_error(&client::get(service.address, "/model/layers/no/such").await, 404, "not_found");
    let answer = client::get(service.address, "/classify").await;
    assert_error(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    let answer = client::post(service.address, "/healthz", "text/plain", b"").await;
    assert_error(&answer, 405, "method_not_allowed");
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_timeout() {
    let service = TestService::start(&["--request-timeout-ms=300"]).await;
    let partial = client::head("POST", "/classify", &[("Content-Length", "100")]);
    let answer = client::send(service.address, &[partial, b"half".to_vec()].concat()).await;
    assert_error(&answer, 408, "request_timeout");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_too_large() {
    let limit = 2000;
    let service = TestService::start(&["--max-body-bytes=2000"]).await;
    let mut body = images::plain([9, 9, 9]);
    assert!(body.len() < limit, "the picture is {} bytes", body.len());
    // Bytes after a PNG's end are passed over.
    body.resize(limit, 0);
    let png = [("Content-Type", "image/png")];
    let chunked = |body: &[u8]| client::chunked("POST", "/classify", &png, body, 700);
    assert_eq!(client::classify(service.address, &body).await.status, 200);
    assert_eq!(client::send(service.address, &chunked(&body)).await.status, 200);
    body.push(0);
    for answer in [
        client::classify(service.address, &body).await,
        client::send(service.address, &chunked(&body)).await,
        client::classify(service.address, &vec![0; 8 << 20]).await,
    ] {
        assert_error(&answer, 413, "body_too_large");
        let sentence = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains("2000") && sentence.contains("--max-body-bytes"), "{sentence}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn image_too_large_and_too_many_images() {
    let service = TestService::start(&["--max-pixels=1599", "--max-images=3"]).await;
    let answer = client::classify(service.address, &images::png(1)).await;
    assert_error(&answer, 413, "image_too_large");
    assert!(answer.json()["error"].as_str().unwrap().contains("1599"), "{answer:?}");
    let image = images::png(1);
    let (content_type, body) = client::form(&[("image", Some("a"), image.as_slice()); 4]);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_error(&answer, 413, "too_many_images");
    assert!(answer.json()["error"].as_str().unwrap().contains("--max-images"), "{answer:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_types() {
    let service = TestService::start(&[]).await;
    let answer = client::post(service.address, "/classify", "text/html", b"<p>").await;
    assert_error(&answer, 415, "unsupported_content_type");
    let headers = [("Content-Type", "image/png"), ("Content-Encoding", "br")];
    let request = client::request("POST", "/classify", &headers, b"x");
    assert_error(&client::send(service.address, &request).await, 415, "unsupported_content_type");
    let answer = client::post(service.address, "/classify", "image/svg+xml", b"<svg/>").await;
    assert_error(&answer, 415, "unsupported_image_format");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_image() {
    let service = TestService::start(&[]).await;
    let mut image = images::png(1);
    image.truncate(image.len() / 2);
    assert_error(&client::classify(service.address, &image).await, 422, "corrupt_image");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_full() {
    for (flag, status) in [("--overload-status=429", 429), ("--overload-status=503", 503)] {
        let (around, gate) = gated();
        let flags = ["--workers=1", "--queue-capacity=1", "--max-batch-size=1", flag];
        let service = TestService::start_around(&flags, around).await;
        gate.shut();
        let image = images::png(1);
        let address = service.address;
        let spawn = || {
            let image = image.clone();
            tokio::spawn(async move { client::classify(address, &image).await })
        };
        let running = spawn();
        service.until("googlenet_workers_busy", 1.0).await;
        let waiting = spawn();
        service.until("googlenet_queue_depth", 1.0).await;
        let answer = client::classify(address, &image).await;
        assert_error(&answer, status, "queue_full");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{answer:?}");
        let refused = "googlenet_rejected_total{reason=\"queue_full\",bound=\"places\"}";
        assert_eq!(service.metric(refused).await, 1.0);
        gate.open();
        assert_eq!(running.await.unwrap().status, 200);
        assert_eq!(waiting.await.unwrap().status, 200);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_ready_and_shutting_down() {
    let (around, _) = gated();
    let (loading, load) = std::sync::mpsc::channel::<()>();
    let wait = move || {
        // A dropped sender lets it go too.
        let _ = load.recv();
    };
    let service = TestService::start_with(&["--drain-delay-ms=5000"], around, wait).await;
    let address = service.address;
    for answer in [
        client::get(address, "/readyz").await,
        client::classify(address, &images::png(1)).await,
        client::get(address, "/model/summary").await,
    ] {
        assert_error(&answer, 503, "not_ready");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(client::get(address, "/healthz").await.status, 200);
    loading.send(()).unwrap();
    while client::get(address, "/readyz").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let end = service.begin_stop();
    let answer = loop {
        let answer = client::get(address, "/readyz").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_error(&answer, 503, "shutting_down");
    assert_eq!(client::get(address, "/healthz").await.status, 200);
    assert_eq!(client::classify(address, &images::png(1)).await.status, 200, "still served");
    end.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline_exceeded() {
    let (around, gate) = gated();
    let service = TestService::start_around(&["--request-timeout-ms=2000"], around).await;
    gate.shut();
    let answer = client::classify(service.address, &images::png(1)).await;
    assert_error(&answer, 504, "deadline_exceeded");
    gate.open();
    // The run that nobody waits for ends first.
    service.until("googlenet_workers_busy", 0.0).await;
    assert_eq!(client::classify(service.address, &images::png(1)).await.status, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn internal() {
    let (around, _) = gated();
    let service = TestService::start_around(&[], around).await;
    let image = images::plain(crate::harness::faults::PANICS_IN_PLAN);
    let answer = client::classify(service.address, &image).await;
    assert_error(&answer, 500, "internal");
    assert!(!answer.json()["error"].as_str().unwrap().contains("injected"), "{answer:?}");
    service.stop().await;
}
