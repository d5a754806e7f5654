//! `POST /explain` by gradient and by occlusion.

use std::sync::Arc;

use crate::harness::client::{self, Answer};
use crate::harness::faults::{FaultyEngine, Gate};
use crate::harness::process::Process;
use crate::harness::{Around, TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn ask(address: std::net::SocketAddr, query: &str) -> Answer {
    client::post(address, &format!("/explain?{query}"), "image/png", &images::png(3)).await
}

fn grid(answer: &Value) -> Vec<f64> {
    let rows = answer["grid"].as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()))
        .collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gradient_at_the_last_module_is_the_cam() {
    let service = TestService::start(&[]).await;
    for query in ["", "class=4", "class=4&against=7"] {
        let cam = ask(service.address, query).await.json();
        let gradient =
            ask(service.address, &format!("method=gradient&module=inception_5b&{query}")).await;
        assert_eq!(gradient.status, 200, "{}", gradient.json());
        let gradient = gradient.json();
        let (cam_grid, found) = (grid(&cam), grid(&gradient));
        let apart: Vec<f64> = cam_grid.iter().zip(&found).map(|(a, b)| a - b).collect();
        assert!(largest(&apart) <= 1e-3 * largest(&cam_grid), "{cam_grid:?} and {found:?}");
        assert_eq!((&gradient["class"], &gradient["against"]), (&cam["class"], &cam["against"]));
        let (logit, value) = (cam["logit"].as_f64().unwrap(), gradient["value"].as_f64().unwrap());
        assert!((logit - value).abs() < 1e-4 * logit.abs().max(1.0), "{logit} and {value}");
        assert_eq!(gradient["measure"], "logit");
    }
    let answer = ask(service.address, "method=gradient&module=inception_3a").await.json();
    let rows = answer["grid"].as_array().unwrap().len();
    assert_eq!((rows, &answer["module"]), (4, &"inception_3a".into()), "32 pixels by 8");
    let default = ask(service.address, "method=gradient").await.json();
    assert_eq!(default["module"], "inception_4e");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grids_are_pictures_too() {
    let service = TestService::start(&[]).await;
    for query in ["method=gradient&size=224", "method=occlusion&squares=4&size=224"] {
        let headers = [("Content-Type", "image/png"), ("Accept", "image/png")];
        let path = format!("/explain?{query}");
        let request = client::request("POST", &path, &headers, &images::png(3));
        let answer = client::send(service.address, &request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{query}");
        let picture = image::load_from_memory(&answer.body).unwrap();
        assert_eq!((picture.width(), picture.height()), (224, 224));
        let logit: f64 = answer.header("x-logit").parse().unwrap();
        assert!(logit.is_finite());
    }
    service.stop().await;
}

/// Each value is the logit of the photo less that of the photo with the square covered, sent by the client itself.
#[tokio::test(flavor = "multi_thread")]
async fn occlusion_is_what_covering_by_hand_gives() {
    let service = TestService::start(&[]).await;
    // As large as the resized photo, so that the crop is a part of it, pixel by pixel.
    let photo =
        image::RgbImage::from_fn(36, 36, |x, y| image::Rgb([(x * 7) as u8, (y * 5) as u8, 90]));
    let send = async |photo: &image::RgbImage, query: &str| {
        let mut png = std::io::Cursor::new(Vec::new());
        photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let path = format!("/explain?class=3&{query}");
        client::post(service.address, &path, "image/png", png.get_ref()).await.json()
    };
    let answer = send(&photo, "method=occlusion&squares=4").await;
    let values = grid(&answer);
    assert_eq!((values.len(), &answer["measure"]), (16, &"logit".into()));
    let whole = send(&photo, "method=cam").await["logit"].as_f64().unwrap();
    assert!((answer["value"].as_f64().unwrap() - whole).abs() < 1e-4);
    for square in [0, 5, 15] {
        let mut covered = photo.clone();
        for (x, y) in (0..8).flat_map(|y| (0..8).map(move |x| (x, y))) {
            // The crop begins 2 pixels from the edge.
            let (left, top) = (square % 4 * 8 + 2, square / 4 * 8 + 2);
            covered.put_pixel(left + x, top + y, image::Rgb([123, 117, 104]));
        }
        let logit = send(&covered, "method=cam").await["logit"].as_f64().unwrap();
        let drop = values[square as usize];
        assert!(
            (whole - logit - drop).abs() < 1e-3,
            "square {square}: {drop}, by hand {}",
            whole - logit
        );
    }
    service.stop().await;
}

/// A graph without an average pool has neither CAM nor gradient nor modules, but can be covered.
#[tokio::test(flavor = "multi_thread")]
async fn occlusion_works_for_other_graphs() {
    let folder = tempfile::tempdir().unwrap();
    let graphs = crate::shared::workspace().join("crates/engine/tests/fixtures/graphs");
    let model = folder.path().join("small_cnn.onnx");
    std::fs::copy(graphs.join("small_cnn.onnx"), &model).unwrap();
    let toml = "source = \"seeded\"\nlicence = \"none\"\n[input]\nside = 32\nchannels = \"RGB\"\n\
        mean = [120.0, 120.0, 120.0]\nscale = 0.01\nresize = { mode = \"stretch\", size = 32 }\n";
    std::fs::write(folder.path().join("small_cnn.toml"), toml).unwrap();
    let service = Process::start(&model, &[]);
    let answer = ask(service.address, "method=occlusion&squares=3").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let answer = answer.json();
    let measure = answer["measure"].as_str().unwrap();
    assert!(["logit", "log_probability"].contains(&measure), "{measure}");
    let values = grid(&answer);
    assert_eq!(values.len(), 9);
    assert!(values.iter().all(|value| value.is_finite()) && largest(&values) > 0.0, "{values:?}");
    for query in ["method=cam", "method=gradient"] {
        let refused = ask(service.address, query).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "not_explainable"), "{query}");
    }
    let maps = client::post(service.address, "/activations", "image/png", &images::png(3)).await;
    assert_eq!((maps.status, maps.code().as_str()), (400, "not_explainable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_told_why() {
    let service = TestService::start(&[]).await;
    for query in [
        "method=gradient&module=inception_9z",
        "module=inception_4e",
        "method=occlusion&squares=1",
        "method=occlusion&squares=13",
        "method=gradient&squares=6",
        "method=lime",
    ] {
        let refused = ask(service.address, query).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    service.stop().await;
}

/// Parameters of the address and of the body are one set: the ranges depend on the method, wherever it stands.
#[tokio::test(flavor = "multi_thread")]
async fn the_method_may_stand_in_the_body() {
    let service = TestService::start(&[]).await;
    let image = STANDARD.encode(images::png(3));
    for (query, method, status) in [
        ("squares=8", "occlusion", 200),
        ("module=inception_5a", "gradient", 200),
        ("squares=8", "cam", 400),
        ("squares=13", "occlusion", 400),
        ("module=inception_5a", "occlusion", 400),
    ] {
        let body = json!({"image": image, "method": method}).to_string();
        let path = format!("/explain?{query}");
        let answer =
            client::post(service.address, &path, "application/json", body.as_bytes()).await;
        assert_eq!(answer.status, status, "{query} {method}: {}", answer.json());
    }
    service.stop().await;
}

/// Four wait, the fifth hears when to come again; ordinary images pass them all.
#[tokio::test(flavor = "multi_thread")]
async fn occlusions_wait_for_idle_workers() {
    let gate = Arc::new(Gate::default());
    let inner = Arc::clone(&gate);
    let around = Around {
        engine: Box::new(move |engine| Arc::new(FaultyEngine { inner: engine, gate: inner })),
        ..Around::default()
    };
    let service = TestService::start_around(&["--workers=1"], around).await;
    gate.shut();
    let address = service.address;
    let waiting: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async move { ask(address, "method=occlusion&squares=2").await }))
        .collect();
    // One is with the worker.
    service.until("googlenet_queue_depth", 3.0).await;
    let refused = ask(address, "method=occlusion&squares=2").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "queue_full"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    gate.open();
    let images = join_all(
        (0..3)
            .map(|seed| async move { client::classify(address, &images::png(seed)).await.status }),
    );
    assert_eq!(images.await, [200; 3]);
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(ask(address, "method=occlusion&squares=2").await.status, 200, "the places are free");
    service.stop().await;
}
