//! `POST /explain` by gradient and by occlusion.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::client::{self, Answer};
use crate::harness::faults::{SlowEngine, gated};
use crate::harness::process::Process;
use crate::harness::{Around, TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use googlenet_engine::model::Engine;
use serde_json::{Value, json};

async fn ask(address: SocketAddr, query: &str) -> Answer {
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
        let timing = answer.header("server-timing");
        assert_eq!(timing.contains("occlusion;dur="), query.contains("occlusion"), "{timing}");
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
    let headers = [("Content-Type", "image/png"), ("Accept", "image/png")];
    let path = "/explain?method=occlusion&squares=2";
    let picture = client::request("POST", path, &headers, &images::png(3));
    let picture = client::send(service.address, &picture).await;
    assert_eq!(picture.header("content-type"), "image/png");
    assert_eq!(!picture.header("x-logit").is_empty(), measure == "logit", "{measure}");
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
        "method=gradient&squares=3",
        "method=gradient&channels=3",
        "method=occlusion&channels=3",
        "method=lime",
    ] {
        let refused = ask(service.address, query).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    let refused = ask(service.address, "method=gradient&squares=8").await.json();
    assert_eq!(
        refused["error"],
        "squares is a parameter of method=cam and method=occlusion, and this is method=gradient: leave out squares, or \
         change method"
    );
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

/// From another address of this machine.
async fn ask_from(last: u8, address: SocketAddr, query: &str) -> Answer {
    let path = format!("/explain?{query}");
    let request = client::request("POST", &path, &[("Content-Type", "image/png")], &images::png(3));
    client::send_from([127, 0, 0, last].into(), address, &request).await.unwrap()
}

/// Four wait, the fifth hears when to come again; no client has more than half of the places; ordinary images pass them
/// all.
#[tokio::test(flavor = "multi_thread")]
async fn occlusions_wait_for_idle_workers() {
    let (around, gate) = gated();
    let service = TestService::start_around(&["--workers=1"], around).await;
    gate.shut();
    let address = service.address;
    let query = "method=occlusion&squares=2";
    let mut waiting = vec![tokio::spawn(ask_from(1, address, query))];
    // One is with the worker.
    gate.until_started(1).await;
    waiting.push(tokio::spawn(ask_from(1, address, query)));
    service.until("googlenet_queue_depth", 1.0).await;
    let own = ask_from(1, address, query).await;
    assert_eq!((own.status, own.code().as_str()), (429, "queue_full"));
    assert!(
        own.json()["error"].as_str().unwrap().contains("of your occlusions"),
        "{:?}",
        own.json()
    );
    waiting.extend((2..4).map(|last| tokio::spawn(ask_from(last, address, query))));
    service.until("googlenet_queue_depth", 3.0).await;
    let refused = ask_from(5, address, query).await;
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
    assert_eq!(ask(address, query).await.status, 200, "the places are free");
    service.stop().await;
}

fn slow(run: Duration) -> Around {
    let engine = Box::new(move |inner| Arc::new(SlowEngine { inner, run }) as Arc<dyn Engine>);
    Around { engine, ..Around::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occlusion_that_is_always_late_is_never_begun() {
    let around = slow(Duration::from_millis(20));
    let flags = ["--workers=1", "--request-timeout-ms=3000"];
    let service = TestService::start_around(&flags, around).await;
    // 5 runs of 20 ms, from which the pace is known.
    assert_eq!(ask(service.address, "method=occlusion&squares=2").await.status, 200);
    // 145 of them.
    let never = ask(service.address, "method=occlusion&squares=12").await;
    assert_eq!((never.status, never.code().as_str()), (413, "image_too_large"));
    assert!(never.json()["error"].as_str().unwrap().contains("fewer squares"), "{never:?}");
    service.stop().await;
}

/// Before the first one nobody knows how long they take.
#[tokio::test(flavor = "multi_thread")]
async fn an_occlusion_that_turns_out_to_be_late_is_told_what_helps() {
    let around = slow(Duration::from_millis(20));
    let flags = ["--workers=1", "--request-timeout-ms=2000"];
    let service = TestService::start_around(&flags, around).await;
    let late = ask(service.address, "method=occlusion&squares=12").await;
    assert_eq!((late.status, late.code().as_str()), (504, "deadline_exceeded"));
    assert!(late.json()["error"].as_str().unwrap().contains("fewer squares"), "{late:?}");
    service.stop().await;
}

/// Four that together take longer than a request may: those that were admitted are answered in time, and the others are
/// told so at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_admitted_occlusion_is_answered_in_time() {
    // The time of a run is nearly all of it asleep: a busy machine changes little.
    let around = slow(Duration::from_millis(80));
    let flags = ["--workers=1", "--request-timeout-ms=4000"];
    let service = TestService::start_around(&flags, around).await;
    let address = service.address;
    // 5 runs of 80 ms, from which the pace is known.
    assert_eq!(ask(address, "method=occlusion&squares=2").await.status, 200);
    // 17 runs each, at least 1.36 s: at most two of them fit into 4 s.
    let query = "method=occlusion&squares=4";
    let asked = Instant::now();
    let answers = join_all((2..6).map(|last| async move {
        let answer = ask_from(last, address, query).await;
        (answer.status, asked.elapsed())
    }));
    let answers = answers.await;
    let of = |status: u16| answers.iter().filter(|(found, ..)| *found == status).count();
    // How many is a matter of how busy this machine is.
    assert!(of(200) >= 1 && of(429) >= 1 && of(200) + of(429) == 4, "{answers:?}");
    let times = |status| answers.iter().filter(move |(of, _)| *of == status).map(|(_, time)| time);
    assert!(times(429).max() < times(200).min(), "{answers:?}");
    service.stop().await;
}
