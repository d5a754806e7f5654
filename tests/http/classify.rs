//! `POST /classify` and the endpoints beside it, over a real socket.

use std::process::Command;

use crate::harness::{CLASSES, SIDE, TestService, client, images, small_model};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn three_forms_give_one_answer() {
    let service = TestService::start(&[]).await;
    let image = images::png(3);
    let raw = client::classify(service.address, &image).await;
    assert_eq!(raw.status, 200, "{raw:?}");
    let mut answers = vec![client::post(service.address, "/classify", "image/jpeg", &image).await];
    for name in ["image", "file", "data"] {
        let (content_type, body) = client::form(&[(name, Some("a.png"), &image)]);
        answers.push(client::post(service.address, "/classify", &content_type, &body).await);
    }
    let url = format!("data:image/png;base64,{}", STANDARD.encode(&image));
    for text in [STANDARD.encode(&image), STANDARD.encode(&image).replace('=', ""), url] {
        let body = json!({ "image": text }).to_string();
        let answer =
            client::post(service.address, "/classify", "application/json", body.as_bytes());
        answers.push(answer.await);
    }
    for answer in answers {
        assert_eq!(answer.json(), raw.json());
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_as_the_contract_says() {
    let service = TestService::start(&[]).await;
    let headers = [("X-Request-Id", "my-id.1"), ("Content-Type", "image/png")];
    let request = client::request("POST", "/classify", &headers, &images::png(3));
    let answer = client::send(service.address, &request).await;
    let body = answer.json();
    assert_eq!(body["model"]["name"], "small");
    assert_eq!(body["model"]["precision"], "f32");
    assert_eq!(body["model"]["trained"], false);
    assert_eq!(body["model"]["version"].as_str().unwrap().len(), 12);
    for member in ["width", "height"] {
        assert_eq!(body["image"][member], 40);
        let crop = body["image"]["crop"][member].as_f64().unwrap();
        assert!((crop - 40.0 * 32.0 / 36.0).abs() < 1e-9, "{body}");
    }
    assert_eq!(body["image"]["format"], "png");
    let predictions = body["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 5);
    let probabilities: Vec<f64> =
        predictions.iter().map(|p| p["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b), "{probabilities:?}");
    for member in ["class", "id", "label", "labels"] {
        assert!(!predictions[0][member].is_null(), "{member}");
    }
    assert_eq!(answer.header("x-request-id"), "my-id.1");
    for stage in ["decode;dur=", "preprocess;dur=", "queue;dur=", "inference;dur="] {
        assert!(answer.header("server-timing").contains(stage), "{answer:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_shape_the_answer() {
    let service = TestService::start(&[]).await;
    let image = images::png(3);
    let path = format!("/classify?top_k={CLASSES}");
    let all = client::post(service.address, &path, "image/png", &image).await.json();
    let all = all["predictions"].as_array().unwrap().clone();
    let sum: f64 = all.iter().map(|p| p["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    let middle = all[CLASSES / 2]["probability"].as_f64().unwrap();
    let path = format!("/classify?top_k={CLASSES}&min_probability={middle}");
    let some = client::post(service.address, &path, "image/png", &image).await.json();
    assert_eq!(some["predictions"].as_array().unwrap().len(), CLASSES / 2 + 1);
    let (content_type, body) =
        client::form(&[("top_k", None, b"1"), ("crops", None, b"10"), ("image", None, &image)]);
    let one = client::post(service.address, "/classify", &content_type, &body).await.json();
    assert_eq!(one["predictions"].as_array().unwrap().len(), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_image_does_not_spoil_the_others() {
    let service = TestService::start(&[]).await;
    let (good, other) = (images::png(3), images::png(4));
    let parts: [(&str, Option<&str>, &[u8]); 4] = [
        ("image", Some("a"), &good),
        ("image", Some("b"), b"no image"),
        ("image", Some("c"), b""),
        ("image", Some("d"), &other),
    ];
    let (content_type, body) = client::form(&parts);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_eq!(answer.status, 200);
    let results = answer.json()["results"].as_array().unwrap().clone();
    for (result, image) in [(&results[0], &good), (&results[3], &other)] {
        let alone = client::classify(service.address, image).await.json();
        assert_eq!(result["predictions"], alone["predictions"]);
    }
    assert_eq!(results[1]["code"], "unsupported_image_format");
    assert_eq!(results[2]["code"], "empty_image");
    let body = json!({"images": ["!!", STANDARD.encode(&good)]}).to_string();
    let answer =
        client::post(service.address, "/classify", "application/json", body.as_bytes()).await;
    assert_eq!(answer.json()["results"][0]["code"], "invalid_base64");
    assert!(answer.json()["results"][1]["predictions"].is_array());
    let (content_type, body) = client::form(&parts[1..3]);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (415, "unsupported_image_format"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_and_in_any_batch_an_image_gets_its_own_answer() {
    let service = TestService::start(&["--max-batch-size=5", "--batch-max-wait-us=3000"]).await;
    let pictures: Vec<Vec<u8>> = (0..64).map(images::png).collect();
    let mut alone = Vec::new();
    for picture in &pictures {
        alone.push(client::classify(service.address, picture).await.json()["predictions"].clone());
    }
    let distinct: std::collections::HashSet<String> = alone.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), pictures.len(), "the pictures must be told apart");
    for round in 0..20 {
        let answers = join_all(pictures.iter().map(|p| client::classify(service.address, p))).await;
        for (index, (answer, alone)) in answers.iter().zip(&alone).enumerate() {
            assert_eq!(&answer.json()["predictions"], alone, "round {round}, picture {index}");
        }
    }
    let batches = service.metric("googlenet_batch_size_count").await;
    let inputs = service.metric("googlenet_batch_size_sum").await;
    assert!(inputs > batches, "{inputs} images never shared a batch");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_endpoints() {
    let service = TestService::start(&[]).await;
    let summary = client::get(service.address, "/model/summary").await.json();
    assert_eq!(summary["classes"], CLASSES);
    assert_eq!(summary["trained"], false);
    assert_eq!(summary["input"]["channels"], "BGR");
    assert_eq!(summary["input"]["mean"], json!([104.0, 117.0, 123.0]));
    let modules = summary["modules"].as_array().unwrap();
    let first = modules.iter().find(|m| m["kind"] == "inception").unwrap();
    assert_eq!(first["name"], "inception_3a");
    assert_eq!(first["parameters"], 163_696);
    assert_eq!(first["parameters_without_reduction"], 393_472);
    let branches = json!({"o_1":64,"r_3":96,"o_3":128,"r_5":16,"o_5":32,"pool":32});
    assert_eq!(first["branches"], branches);
    let operators = summary["operators"].as_array().unwrap();
    let inception = operators.iter().find(|row| row["operator"] == "Inception").unwrap();
    assert_eq!((&inception["path"], &inception["count"]), (&json!("fast"), &json!(9)));

    let layers = client::get(service.address, "/model/layers").await.json();
    assert_eq!(layers["totals"]["parameters"], summary["parameters"]);
    for name in ["inception_3a/3x3_reduce", "inception_3a%2F3x3_reduce"] {
        let layer = client::get(service.address, &format!("/model/layers/{name}")).await.json();
        assert_eq!(layer["name"], "inception_3a/3x3_reduce");
        assert_eq!(layer["module"], "inception_3a");
        assert_eq!(layer["parameters"], 192 * 96 + 96);
    }
    let labels = client::get(service.address, "/model/labels").await.json();
    assert_eq!(labels["labels"].as_array().unwrap().len(), CLASSES);

    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_is_text_or_json() {
    let service = TestService::start(&[]).await;
    for (accept, kind) in [
        ("text/plain", "text/plain"),
        ("TEXT/PLAIN;charset=utf-8", "text/plain"),
        ("text/*", "text/plain"),
        ("text/plain, application/json", "text/plain"),
        ("*/*, text/plain", "text/plain"),
        ("text/plain;q=0.9, */*;q=0.1", "text/plain"),
        ("application/json;q=0.5, text/plain;q=0.8", "text/plain"),
        ("application/json, text/plain", "application/json"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("text/plain; q=0.5, */*", "application/json"),
        ("text/plain;q=0, */*;q=0.1", "application/json"),
        ("text/plain;q=0", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        (",;q=x", "application/json"),
    ] {
        let request = client::head("GET", "/model/summary", &[("Accept", accept)]);
        let answer = client::send(service.address, &request).await;
        assert!(answer.header("content-type").starts_with(kind), "{accept}: {answer:?}");
        assert!(answer.header("vary").starts_with("accept"), "{accept}: {answer:?}");
    }
    service.stop().await;
}

/// The text of the command and of the path is the same, and it says what the JSON says.
#[tokio::test(flavor = "multi_thread")]
async fn the_summary_is_the_same_in_both_forms() {
    let service = TestService::start(&[]).await;
    let json = client::get(service.address, "/model/summary").await.json();
    let request = client::head("GET", "/model/summary", &[("Accept", "text/plain")]);
    let text = client::send(service.address, &request).await.body;
    service.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    let program = env!("CARGO_BIN_EXE_googlenet");
    let command = Command::new(program).args(["summary", "--model"]).arg(model).output().unwrap();
    assert!(command.status.success() && command.stdout == text, "{command:?}");
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(cells).collect();
    let row = |cells: &[String]| assert!(rows.iter().any(|row| row == cells), "{cells:?}\n{text}");
    for module in json["modules"].as_array().unwrap() {
        let name = module["name"].as_str().unwrap().to_owned();
        let numbers = [&module["parameters"], &module["multiply_adds"]].map(thousands);
        let kind = kind(module["kind"].as_str().unwrap()).to_owned();
        let sizes = module["output"].as_array().unwrap().iter().map(Value::to_string);
        let output = sizes.collect::<Vec<_>>().join(" x ");
        let sees = module["receptive_field"].to_string();
        row(&[vec![name.clone(), kind, output, sees], numbers.to_vec()].concat());
        if let Some(branches) = module["branches"].as_object() {
            let six =
                ["o_1", "r_3", "o_3", "r_5", "o_5", "pool"].map(|of| branches[of].to_string());
            let costs =
                ["parameters", "parameters_without_reduction"].map(|of| thousands(&module[of]));
            let is_its = |row: &&Vec<&str>| row.len() > 7 && row[0] == name && row[1..7] == six;
            let found =
                rows.iter().find(is_its).unwrap_or_else(|| panic!("{name} {six:?}\n{text}"));
            assert!(costs.iter().all(|cost| found.contains(&cost.as_str())), "{costs:?}\n{text}");
        }
    }
    for operator in json["operators"].as_array().unwrap() {
        let words =
            ["operator", "path", "reads", "writes"].map(|of| operator[of].as_str().unwrap());
        row(&[words.map(str::to_owned).to_vec(), vec![operator["count"].to_string()]].concat());
    }
    let [parameters, multiply_adds] =
        ["parameters", "multiply_adds"].map(|of| thousands(&json[of]));
    row(&["Total".into(), parameters.clone(), multiply_adds.clone()]);
    assert!(text.contains(&format!("Parameters:          {parameters} (")), "{text}");
    assert!(text.contains(&format!("Multiply-adds:       {multiply_adds} an image")), "{text}");
}

/// Two spaces stand between columns.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// What the text calls a kind of module.
fn kind(in_json: &str) -> &str {
    match in_json {
        "max_pool" => "max pooling",
        "average_pool" => "average pooling",
        "local_response_normalization" => "response normalization",
        "linear" => "fully connected",
        other => other,
    }
}

/// `6,998,552`
fn thousands(number: &Value) -> String {
    let digits = number.as_u64().unwrap().to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_need_no_other_host() {
    let service = TestService::start(&[]).await;
    let document = client::get(service.address, "/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    for path in ["/classify", "/model/summary", "/model/layers/{name}", "/healthz", "/metrics"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let page = client::get(service.address, "/docs/").await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "{page}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_can_have_a_listener_of_their_own() {
    let service = TestService::start(&["--admin-listen=127.0.0.1:0"]).await;
    let admin = service.admin_address.unwrap();
    for path in ["/model/summary", "/metrics", "/openapi.json"] {
        assert_eq!(client::get(service.address, path).await.status, 404, "{path}");
        assert_eq!(client::get(admin, path).await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(client::get(service.address, path).await.status, 200, "{path}");
        assert_eq!(client::get(admin, path).await.status, 200, "{path}");
    }
    // For the page, which has all its tabs there.
    assert_eq!(client::classify(admin, &images::png(1)).await.status, 200);
    service.stop().await;
    let service = TestService::start(&["--admin-listen=127.0.0.1:0", "--page=off"]).await;
    assert_eq!(client::classify(service.admin_address.unwrap(), b"").await.status, 404);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_follow_the_contract() {
    let service = TestService::start(&[]).await;
    client::classify(service.address, &images::png(1)).await;
    client::classify(service.address, b"no image").await;
    let text = String::from_utf8(client::get(service.address, "/metrics").await.body).unwrap();
    for line in [
        "googlenet_requests_total{code=\"200\",endpoint=\"/classify\"} 1",
        "googlenet_requests_total{code=\"415\",endpoint=\"/classify\"} 1",
        "googlenet_request_duration_seconds_count{endpoint=\"/classify\"} 2",
        "googlenet_decode_seconds_count 1",
        "googlenet_queue_seconds_count 1",
        "googlenet_inference_seconds_count 1",
        "googlenet_batch_size_sum 1",
        "googlenet_queue_depth 0",
        "googlenet_workers_busy 0",
        "googlenet_cancelled_total 0",
        "# TYPE googlenet_build_info gauge",
        "# TYPE googlenet_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    service.stop().await;
}

/// Photos and tensors count alike, each once, whatever its crops; what was not classified does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_best_probabilities_are_counted() {
    let service = TestService::start(&[]).await;
    let one = client::classify(service.address, &images::png(1)).await.best().1;
    let query = "/classify?crops=10";
    let ten = client::post(service.address, query, "image/png", &images::png(2)).await.best().1;
    client::classify(service.address, b"no image").await;
    let black = vec![0; 3 * SIDE * SIDE];
    let input =
        json!({ "name": "data_0", "datatype": "FP32", "shape": [1, 3, SIDE, SIDE], "data": black });
    let body = json!({ "inputs": [input] }).to_string();
    let path = "/v2/models/small/infer";
    let answer = client::post(service.address, path, "application/json", body.as_bytes()).await;
    let data = answer.json()["outputs"][0]["data"].clone();
    let probabilities = data.as_array().unwrap().iter().map(|p| p.as_f64().unwrap());
    let sum = one + ten + probabilities.fold(0.0, f64::max);
    assert_eq!(service.metric("googlenet_top1_probability_count").await, 3.0);
    let counted = service.metric("googlenet_top1_probability_sum").await;
    assert!((counted - sum).abs() < 1e-5, "{counted} was counted, {sum} was answered");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_is_off_unless_asked_for() {
    let headers = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")];
    let preflight = client::head("OPTIONS", "/classify", &headers);
    let service = TestService::start(&[]).await;
    let answer = client::send(service.address, &preflight).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    service.stop().await;
    let service = TestService::start(&["--cors-origins=https://a.example"]).await;
    let answer = client::send(service.address, &preflight).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    service.stop().await;
}
