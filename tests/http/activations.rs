//! `POST /activations`: the maps of the modules, in each form of a request, as JSON and as a picture.

use std::net::SocketAddr;

use crate::harness::client::{self, Answer};
use crate::harness::{TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const MODULES: [&str; 9] = [
    "inception_3a",
    "inception_3b",
    "inception_4a",
    "inception_4b",
    "inception_4c",
    "inception_4d",
    "inception_4e",
    "inception_5a",
    "inception_5b",
];

async fn ask(address: SocketAddr, query: &str) -> Answer {
    client::post(address, &format!("/activations?{query}"), "image/png", &images::png(3)).await
}

async fn picture(address: SocketAddr, query: &str) -> Answer {
    let headers = [("Content-Type", "image/png"), ("Accept", "image/png")];
    let path = format!("/activations?{query}");
    client::send(address, &client::request("POST", &path, &headers, &images::png(3))).await
}

/// What differs from run to run is left out.
fn without_times(mut answer: Value) -> Value {
    for module in answer["modules"].as_array_mut().unwrap() {
        assert!(module["milliseconds"].as_f64().unwrap() > 0.0, "{module}");
        module["milliseconds"] = json!(0);
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_module_is_shown() {
    let service = TestService::start(&[]).await;
    let answer = ask(service.address, "channels=1024&sort=index").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert!(answer.header("server-timing").contains("inference;dur="));
    let answer = answer.json();
    let summary = client::get(service.address, "/model/summary").await.json();
    let rows = summary["modules"].as_array().unwrap();
    let modules = answer["modules"].as_array().unwrap();
    let names: Vec<&str> = modules.iter().map(|module| module["name"].as_str().unwrap()).collect();
    assert_eq!(names, MODULES);
    for module in modules {
        let row = rows.iter().find(|row| row["name"] == module["name"]).unwrap();
        let size = json!([module["height"], module["width"], module["channels"]]);
        assert_eq!(size, row["output"], "{}", module["name"]);
        let channels = module["channels"].as_u64().unwrap();
        let branches = module["branches"].as_object().unwrap();
        assert_eq!(branches["1x1"], json!([0, row["branches"]["o_1"]]));
        assert_eq!(branches["pool"][1], channels);
        let largest = module["largest"].as_array().unwrap();
        assert_eq!(largest.len() as u64, channels, "all of them, by index");
        let silent = largest.iter().filter(|channel| channel["max"] == 0.0).count();
        assert_eq!(module["silent"], silent);
        let most =
            largest.iter().map(|channel| channel["max"].as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(module["sprite"]["scale"].as_f64().unwrap(), most);
        for (index, channel) in largest.iter().enumerate() {
            assert_eq!(channel["channel"], index);
            let range = &branches[channel["branch"].as_str().unwrap()];
            let [first, end] = [0, 1].map(|end| range[end].as_u64().unwrap());
            assert!((first..end).contains(&(index as u64)), "{channel}");
        }
        let (zeros, pixels) = (module["zeros"].as_f64().unwrap(), sprite(module).into_raw());
        assert!((0.0..=1.0).contains(&zeros) && (silent == 0 || zeros > 0.0));
        assert!(!pixels.is_empty());
    }
    assert_eq!(answer["image"]["format"], "png");
    assert!(answer["image"]["crop"]["width"].is_number());
    assert_eq!(service.metric("googlenet_explanations_total{method=\"activations\"}").await, 1.0);
    service.stop().await;
}

/// The picture of a module's channels.
fn sprite(module: &Value) -> image::GrayImage {
    let png = STANDARD.decode(module["sprite"]["png"].as_str().unwrap()).unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_luma8();
    let columns = module["sprite"]["columns"].as_u64().unwrap() as u32;
    let shown = module["largest"].as_array().unwrap().len() as u32;
    let [height, width] = ["height", "width"].map(|side| module[side].as_u64().unwrap() as u32);
    assert_eq!(picture.dimensions(), (columns * width, shown.div_ceil(columns) * height));
    picture
}

#[tokio::test(flavor = "multi_thread")]
async fn three_forms_give_one_answer() {
    let service = TestService::start(&[]).await;
    let image = images::png(3);
    let query = "module=inception_4e&module=inception_3a&channels=5&sort=max";
    let expected = ask(service.address, query).await;
    assert_eq!(expected.status, 200, "{}", expected.json());
    let expected = without_times(expected.json());
    assert_eq!(expected["modules"][0]["name"], "inception_4e", "in the order of the names");
    let (content_type, form) = client::form(&[
        ("image", Some("a.png"), &image),
        ("module", None, b"inception_4e"),
        ("module", None, b"inception_3a"),
        ("channels", None, b"5"),
        ("sort", None, b"max"),
    ]);
    let form = client::post(service.address, "/activations", &content_type, &form).await;
    assert_eq!(without_times(form.json()), expected);
    for module in [json!(["inception_4e", "inception_3a"]), json!("inception_4e,inception_3a")] {
        let body = json!({
            "image": STANDARD.encode(&image), "module": module, "channels": 5, "sort": "max", "sprite": true,
        });
        let body = body.to_string();
        let json =
            client::post(service.address, "/activations", "application/json", body.as_bytes());
        assert_eq!(without_times(json.await.json()), expected);
    }
    let without = ask(service.address, "module=inception_4e&sprite=false").await.json();
    assert_eq!(without["modules"][0]["sprite"], Value::Null);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_module_is_a_picture() {
    let service = TestService::start(&[]).await;
    let json = ask(service.address, "module=inception_3a").await.json();
    let answer = picture(service.address, "module=inception_3a").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"));
    let module = &json["modules"][0];
    let shown = image::load_from_memory(&answer.body).unwrap().to_luma8();
    assert_eq!(shown, sprite(module), "64 channels, the largest mean first");
    let scale: f64 = answer.header("x-scale").parse().unwrap();
    assert!((scale - module["sprite"]["scale"].as_f64().unwrap()).abs() < 1e-6);
    for query in ["", "module=inception_3a&module=inception_3b"] {
        let refused = picture(service.address, query).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_parameter"));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_why() {
    let service = TestService::start(&[]).await;
    for query in ["module=inception_9z", "channels=0", "channels=1025", "sort=best", "top_k=3"] {
        let refused = ask(service.address, query).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    let two =
        json!({ "images": [STANDARD.encode(images::png(1)), STANDARD.encode(images::png(2))] });
    let path = "/activations";
    let refused =
        client::post(service.address, path, "application/json", two.to_string().as_bytes()).await;
    assert_eq!(refused.status, 413, "{}", refused.json());
    let refused = client::post(service.address, path, "image/png", b"no image").await;
    assert_eq!(refused.status, 415);
    service.stop().await;
    let service = TestService::start(&["--explain=off"]).await;
    let refused = ask(service.address, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "not_found"));
    service.stop().await;
}
