//! The Open Inference Protocol over a real socket.

use crate::harness::client::{self, Answer};
use crate::harness::faults::gated;
use crate::harness::{CLASSES, SIDE, TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use googlenet::preprocess::{Crops, Preprocessor};
use googlenet_engine::model::{Preprocessing, Resize};
use serde_json::{Value, json};

const INFER: &str = "/v2/models/googlenet/infer";
/// Elements of one image.
const ELEMENTS: usize = 3 * SIDE * SIDE;

/// Sends a request in JSON.
async fn infer(service: &TestService, request: &Value) -> Answer {
    client::post(service.address, INFER, "application/json", request.to_string().as_bytes()).await
}

/// Sends a request with raw bytes behind its JSON.
async fn infer_raw(service: &TestService, request: &Value, raw: &[u8]) -> Answer {
    let json = request.to_string();
    let length = json.len().to_string();
    let body = [json.as_bytes(), raw].concat();
    let headers = [("Inference-Header-Content-Length", length.as_str())];
    client::send(service.address, &client::request("POST", INFER, &headers, &body)).await
}

/// A request for `n` tensors.
fn tensor(n: usize, data: &Value) -> Value {
    json!({"inputs": [{"name": "data_0", "datatype": "FP32", "shape": [n, 3, SIDE, SIDE],
        "data": data}]})
}

/// A request for encoded images.
fn encoded(images: &[Vec<u8>]) -> Value {
    let texts: Vec<String> = images.iter().map(|image| STANDARD.encode(image)).collect();
    json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [images.len()],
        "data": texts}]})
}

/// The probabilities of an answer in JSON, one row an image.
fn rows(answer: &Answer) -> Vec<Vec<f64>> {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    let output = &body["outputs"][0];
    let data: Vec<f64> = serde_json::from_value(output["data"].clone()).unwrap();
    let shape: [usize; 2] = serde_json::from_value(output["shape"].clone()).unwrap();
    assert_eq!((shape[0] * shape[1], shape[1]), (data.len(), CLASSES));
    data.chunks(CLASSES).map(<[f64]>::to_vec).collect()
}

/// What the service makes of a picture, computed here: `[3, SIDE, SIDE]`, as in `small.toml`.
fn normalised(number: u32) -> Vec<f32> {
    let preprocessing =
        Preprocessing { side: SIDE, resize: Resize::Stretch { size: 36 }, ..Preprocessing::bvlc() };
    let order = preprocessing.channels.from_rgb();
    let mean = preprocessing.mean;
    let preprocessor = Preprocessor::new(preprocessing).unwrap();
    let crops = preprocessor.crops(&images::picture(number), Crops::One).unwrap();
    let pixels: Vec<&[u8]> = crops[0].as_bytes().chunks(3).collect();
    (0..3).flat_map(|c| pixels.iter().map(move |p| f32::from(p[order[c]]) - mean[c])).collect()
}

fn assert_close(a: &[f64], b: &[f64]) {
    // Both are FP32; the arithmetic is the same.
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} is not {b:?}");
}

/// The error's status, its code, and a word that it must say.
fn assert_error(answer: &Answer, status: u16, code: &str, because: &str) {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert!(body["error"].as_str().unwrap().contains(because), "{body}: not {because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_forms_of_an_image_give_one_answer() {
    let service = TestService::start(&[]).await;
    let image = images::png(3);
    let path = format!("/classify?top_k={CLASSES}");
    let classified = client::post(service.address, &path, "image/png", &image).await.json();
    let mut expected = vec![0.0; CLASSES];
    for prediction in classified["predictions"].as_array().unwrap() {
        let class = prediction["class"].as_u64().unwrap() as usize;
        expected[class] = prediction["probability"].as_f64().unwrap();
    }
    let values = normalised(3);
    let planes: Vec<Vec<&[f32]>> =
        values.chunks(SIDE * SIDE).map(|plane| plane.chunks(SIDE).collect()).collect();
    for request in [
        encoded(std::slice::from_ref(&image)),
        tensor(1, &json!(values)),
        tensor(1, &json!([planes])),
    ] {
        assert_close(&rows(&infer(&service, &request).await)[0], &expected);
    }
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let request = json!({"inputs": [{"name": "data_0", "datatype": "FP32",
        "shape": [1, 3, SIDE, SIDE], "parameters": {"binary_data_size": raw.len()}}]});
    assert_close(&rows(&infer_raw(&service, &request, &raw).await)[0], &expected);
    let raw = [&(image.len() as u32).to_le_bytes(), &image[..]].concat();
    let request = json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1, 1],
        "parameters": {"binary_data_size": raw.len()}}]});
    assert_close(&rows(&infer_raw(&service, &request, &raw).await)[0], &expected);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_as_the_protocol_says() {
    let service = TestService::start(&[]).await;
    let mut request = encoded(&[images::png(1), images::png(2), images::png(1)]);
    request["id"] = json!("request 1");
    let answer = infer(&service, &request).await;
    let all = rows(&answer);
    assert_eq!((&all[0], all.len()), (&all[2], 3));
    assert_ne!(all[0], all[1]);
    let body = answer.json();
    assert_eq!((&body["model_name"], &body["id"]), (&json!("small"), &json!("request 1")));
    assert_eq!(body["model_version"].as_str().unwrap().len(), 12);
    assert_eq!(body["parameters"], json!({"trained": false}));
    assert_eq!(body["outputs"][0]["name"], "prob_1");
    assert_eq!(body["outputs"][0]["datatype"], "FP32");
    assert!(answer.header("server-timing").contains("inference;dur="));

    // The same as raw bytes, asked for in either way.
    let in_all = json!({"binary_data_output": true});
    let in_one = json!([{"name": "prob_1", "parameters": {"binary_data": true}}]);
    for (member, value) in [("parameters", in_all), ("outputs", in_one)] {
        let mut request = request.clone();
        request[member] = value;
        let answer = infer(&service, &request).await;
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        let json_length: usize = answer.header("inference-header-content-length").parse().unwrap();
        let (head, raw) = answer.body.split_at(json_length);
        let head: Value = serde_json::from_slice(head).unwrap();
        let output = &head["outputs"][0];
        assert_eq!(output["parameters"]["binary_data_size"], 3 * CLASSES * 4);
        assert_eq!((&output["data"], &output["shape"]), (&Value::Null, &json!([3, CLASSES])));
        let (values, rest) = raw.as_chunks();
        assert!(rest.is_empty());
        let values: Vec<f64> = values.iter().map(|v| f64::from(f32::from_le_bytes(*v))).collect();
        assert_close(&values, &all.concat());
    }
    service.stop().await;
}

/// Their softmax is the probabilities, for encoded images and tensors, in the order in which the outputs are named.
#[tokio::test(flavor = "multi_thread")]
async fn logits_come_to_who_asks_for_them() {
    let service = TestService::start(&[]).await;
    let tensors = json!([normalised(4), normalised(5)].concat());
    for request in [encoded(&[images::png(4), images::png(5)]), tensor(2, &tensors)] {
        let expected = rows(&infer(&service, &request).await);
        let mut request = request;
        request["outputs"] = json!([{"name": "logits_1"}, {"name": "prob_1"}]);
        let answer = infer(&service, &request).await.json();
        let outputs = answer["outputs"].as_array().unwrap();
        assert_eq!(
            (&outputs[0]["name"], &outputs[1]["name"]),
            (&json!("logits_1"), &json!("prob_1"))
        );
        assert_eq!(
            (&outputs[0]["datatype"], &outputs[0]["shape"]),
            (&json!("FP32"), &json!([2, CLASSES]))
        );
        let values = |output: &Value| -> Vec<f64> {
            serde_json::from_value(output["data"].clone()).unwrap()
        };
        assert_close(&values(&outputs[1]), &expected.concat());
        for (logits, expected) in values(&outputs[0]).chunks(CLASSES).zip(&expected) {
            let powers: Vec<f64> = logits.iter().map(|logit| logit.exp()).collect();
            let sum: f64 = powers.iter().sum();
            let softmax: Vec<f64> = powers.iter().map(|power| power / sum).collect();
            assert_close(&softmax, expected);
        }
        request["outputs"] = json!([{"name": "logits_1", "parameters": {"binary_data": true}}]);
        let raw = infer(&service, &request).await;
        let json_length: usize = raw.header("inference-header-content-length").parse().unwrap();
        let (_, raw) = raw.body.split_at(json_length);
        let raw: Vec<f64> =
            raw.as_chunks().0.iter().map(|v| f64::from(f32::from_le_bytes(*v))).collect();
        assert_close(&raw, &values(&outputs[0]));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn classification_names_the_best() {
    let service = TestService::start(&[]).await;
    let image = images::png(4);
    let expected = client::classify(service.address, &image).await.json();
    let mut request = encoded(&[image.clone(), image]);
    request["outputs"] = json!([{"name": "prob_1", "parameters": {"classification": 3}}]);
    let answer = infer(&service, &request).await.json();
    let output = &answer["outputs"][0];
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([2, 3])));
    for (index, text) in output["data"].as_array().unwrap().iter().enumerate() {
        let best = &expected["predictions"][index % 3];
        let parts: Vec<&str> = text.as_str().unwrap().splitn(3, ':').collect();
        let probability: f64 = parts[0].parse().unwrap();
        assert!((probability - best["probability"].as_f64().unwrap()).abs() < 1e-6);
        assert_eq!(parts[1], best["class"].to_string());
        assert_eq!(parts[2], best["label"]);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_probes() {
    let service = TestService::start(&[]).await;
    let get = async |path: &str| client::get(service.address, path).await;
    let server = get("/v2").await.json();
    assert_eq!((&server["name"], &server["version"]), (&json!("googlenet"), &json!("0.1.0")));
    assert!(server["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
    let model = get("/v2/models/googlenet").await.json();
    assert_eq!((&model["name"], &model["platform"]), (&json!("small"), &json!("tract_onnx")));
    assert_eq!(
        model["inputs"],
        json!([{"name": "data_0", "datatype": "FP32", "shape": [-1, 3, SIDE, SIDE]},
            {"name": "image", "datatype": "BYTES", "shape": [-1]}])
    );
    let outputs = json!([{"name": "prob_1", "datatype": "FP32", "shape": [-1, CLASSES]}]);
    assert_eq!((&model["outputs"], &model["parameters"]), (&outputs, &json!({"trained": false})));
    let version = model["versions"][0].as_str().unwrap();
    for path in ["/v2/health/live", "/v2/health/ready"] {
        assert_eq!(get(path).await.status, 200, "{path}");
    }
    for name in ["small", "googlenet"] {
        for version in ["1", version] {
            let path = format!("/v2/models/{name}/versions/{version}");
            assert_eq!(get(&path).await.json(), model);
            assert_eq!(get(&format!("{path}/ready")).await.status, 200);
            let body = encoded(&[images::png(1)]).to_string();
            let path = format!("{path}/infer");
            let answer =
                client::post(service.address, &path, "application/json", body.as_bytes()).await;
            assert_eq!(answer.status, 200);
        }
        assert_eq!(get(&format!("/v2/models/{name}/ready")).await.status, 200);
    }
    for path in ["/v2/models/resnet", "/v2/models/small/versions/2", "/v2/models/resnet/ready"] {
        assert_error(&get(path).await, 404, "not_found", "there is no");
    }
    assert_error(&get("/v2/models/%FF").await, 400, "invalid_input", "path");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_moves_to_the_admin_listener() {
    let service = TestService::start(&["--admin-listen=127.0.0.1:0"]).await;
    let (public, admin) = (service.address, service.admin_address.unwrap());
    let status = async |address, path: &str| client::get(address, path).await.status;
    for path in ["/v2/models/googlenet", "/v2/models/googlenet/versions/1"] {
        assert_eq!((status(public, path).await, status(admin, path).await), (404, 200), "{path}");
    }
    for path in ["/v2", "/v2/models/googlenet/ready", "/v2/models/googlenet/versions/1/ready"] {
        assert_eq!((status(public, path).await, status(admin, path).await), (200, 404), "{path}");
    }
    for path in ["/v2/health/live", "/v2/health/ready"] {
        assert_eq!((status(public, path).await, status(admin, path).await), (200, 200), "{path}");
    }
    let answer = infer(&service, &encoded(&[images::png(1)])).await;
    assert_eq!(answer.status, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_whole() {
    let service = TestService::start(&["--max-images=2"]).await;
    let good = images::png(1);
    let broken = good[..good.len() / 2].to_vec();
    let answer = infer(&service, &encoded(&[good.clone(), broken])).await;
    assert_error(&answer, 422, "corrupt_image", "");
    let answer = infer(&service, &encoded(&[good.clone(), b"text".to_vec()])).await;
    assert_error(&answer, 415, "unsupported_image_format", "");
    let answer = infer(&service, &encoded(&vec![good.clone(); 3])).await;
    assert_error(&answer, 413, "too_many_images", "--max-images");
    let answer = infer(&service, &encoded(&[])).await;
    assert_error(&answer, 400, "invalid_input", "n at least 1");
    // A shape for terabytes costs nothing: the number of images is checked first.
    let answer = infer(&service, &tensor(1 << 40, &json!([1.0]))).await;
    assert_error(&answer, 413, "too_many_images", "--max-images");
    let answer = infer(&service, &tensor(1, &json!([1.0]))).await;
    assert_error(&answer, 400, "invalid_input", "there are 1 elements");
    let answer = infer(&service, &tensor(1, &json!(vec![1e38; ELEMENTS]))).await;
    assert_error(&answer, 400, "invalid_input", "element 0");
    for body in ["", "{", "[]", "null", "{\"inputs\":null}", "\u{0}"] {
        let answer =
            client::post(service.address, INFER, "application/json", body.as_bytes()).await;
        assert_error(&answer, 400, "invalid_input", "");
    }
    let headers = [("Inference-Header-Content-Length", "many")];
    let request = client::request("POST", INFER, &headers, b"{}");
    let answer = client::send(service.address, &request).await;
    assert_error(&answer, 400, "invalid_input", "Inference-Header-Content-Length");
    assert_eq!(service.metric("googlenet_queue_depth").await, 0.0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_values_that_are_taken_have_an_answer() {
    let service = TestService::start(&[]).await;
    for value in [1e6, -1e6] {
        let answer = infer(&service, &tensor(1, &json!(vec![value; ELEMENTS]))).await;
        let sum: f64 = rows(&answer)[0].iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{value}: {sum}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tensor_that_takes_too_much_memory_is_refused_as_a_tensor() {
    let flags = ["--decode-memory-bytes=1048576", "--max-images=100", "--queue-capacity=100"];
    let service = TestService::start(&flags).await;
    let answer = infer(&service, &tensor(90, &json!([]))).await;
    assert_error(&answer, 413, "image_too_large", "reading this tensor takes");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_image_takes_a_place_or_none_does() {
    let (around, gate) = gated();
    let flags = ["--queue-capacity=3", "--workers=1", "--max-batch-size=1"];
    let service = TestService::start_around(&flags, around).await;
    let zeros = |n: usize| tensor(n, &json!(vec![0.0; n * ELEMENTS]));
    let depth = "googlenet_queue_depth";
    let (one, two) = (zeros(1), zeros(2));
    gate.shut();
    // One image is with the worker, two wait: there is one place.
    let running = async {
        service.until("googlenet_workers_busy", 1.0).await;
        let waiting = async {
            service.until(depth, 2.0).await;
            let refused = infer(&service, &two).await;
            assert_error(&refused, 429, "queue_full", "Retry-After");
            assert_eq!(service.metric(depth).await, 2.0);
            gate.open();
        };
        let (answer, ()) = tokio::join!(infer(&service, &two), waiting);
        answer
    };
    let (first, second) = tokio::join!(infer(&service, &one), running);
    assert_eq!((rows(&first).len(), rows(&second).len()), (1, 2));
    service.until(depth, 0.0).await;
    for answer in join_all((0..3).map(|_| infer(&service, &one))).await {
        assert_eq!(answer.status, 200, "it recovers");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_frees_the_places() {
    let (around, gate) = gated();
    let flags = ["--request-timeout-ms=2000", "--workers=1", "--max-batch-size=1"];
    let service = TestService::start_around(&flags, around).await;
    gate.shut();
    let request = tensor(2, &json!(vec![0.0; 2 * ELEMENTS]));
    let answer = infer(&service, &request).await;
    assert_error(&answer, 504, "deadline_exceeded", "2000 ms");
    assert_eq!(service.metric("googlenet_queue_depth").await, 0.0);
    gate.open();
    service.stop().await;
}
