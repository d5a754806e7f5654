//! Why an answer is what it is: `POST /classify?explain=cam`, `POST /explain`, and the command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::client::Answer;
use crate::harness::process::Process;
use crate::harness::{client, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, onnx};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};

const CLASSES: usize = 12;
/// The last map has 3x3 squares.
const SIDE: usize = 96;

/// A seeded network whose last map has several squares, with labels.
fn model(folder: &Path) -> PathBuf {
    let path = folder.join("squares.onnx");
    onnx::write(&seeded_model(&GoogLeNet::new(SIDE, CLASSES).unwrap(), 11), &path).unwrap();
    let toml = format!(
        "labels = \"squares.txt\"\nsource = \"seeded\"\nlicence = \"none\"\n[input]\nside = {SIDE}\n\
         channels = \"BGR\"\nmean = [104.0, 117.0, 123.0]\nscale = 1.0\n\
         resize = {{ mode = \"stretch\", size = 108 }}\n"
    );
    std::fs::write(path.with_extension("toml"), toml).unwrap();
    let labels: String =
        (0..CLASSES).map(|class| format!("n0000000{} kind {class}, thing\n", class % 9)).collect();
    std::fs::write(path.with_extension("txt"), labels.replace("n00000000 kind 0", "n00000000 cat"))
        .unwrap();
    path
}

fn service(flags: &[&str]) -> (Process, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Process::start(&model(folder.path()), flags), folder)
}

async fn post(address: SocketAddr, path: &str, image: &[u8]) -> Answer {
    client::post(address, path, "image/png", image).await
}

async fn ask(address: SocketAddr, path: &str, image: &[u8]) -> Value {
    let answer = post(address, path, image).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn grid(value: &Value) -> Vec<f64> {
    let rows = value.as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap().iter().map(number)).collect()
}

/// The sum of the grid, bias and residual is the logit.
fn assert_adds_up(cam: &Value) {
    let logit = number(&cam["logit"]);
    let sum =
        grid(&cam["grid"]).iter().sum::<f64>() + number(&cam["bias"]) + number(&cam["residual"]);
    assert!((sum - logit).abs() <= 1e-3 * logit.abs().max(1.0), "{cam}");
    assert!(number(&cam["residual"]).abs() <= 1e-3 * logit.abs().max(1.0), "{cam}");
}

/// The answer without what `explain` adds.
fn without_cam(mut answer: Value) -> Value {
    for prediction in answer["predictions"].as_array_mut().unwrap() {
        prediction.as_object_mut().unwrap().remove("cam");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_comes_in_each_form_and_changes_nothing_else() {
    let (service, _folder) = service(&[]);
    let image = images::png(3);
    let plain = ask(service.address, "/classify", &image).await;
    let query = ask(service.address, "/classify?explain=cam", &image).await;
    assert_eq!(without_cam(query.clone()), plain);
    let predictions = query["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 5);
    let mut logits = Vec::new();
    for prediction in predictions {
        let cam = &prediction["cam"];
        assert_eq!(cam["grid"].as_array().unwrap().len(), 3);
        assert_eq!(grid(&cam["grid"]).len(), 9);
        assert_adds_up(cam);
        logits.push((number(&cam["logit"]), number(&prediction["probability"])));
    }
    let ratio = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).exp() / (a.1 / b.1);
    assert!(logits.iter().all(|&row| (ratio(row, logits[0]) - 1.0).abs() < 1e-3), "{logits:?}");

    let (content_type, body) =
        client::form(&[("image", Some("a.png"), &image), ("explain", None, b"cam")]);
    let form = client::post(service.address, "/classify", &content_type, &body).await;
    assert_eq!(form.json(), query);
    let body = json!({"images": [STANDARD.encode(&image), "!!"], "explain": "cam"}).to_string();
    let json =
        client::post(service.address, "/classify", "application/json", body.as_bytes()).await;
    assert_eq!(json.json()["results"][0]["predictions"], query["predictions"]);
    assert_eq!(json.json()["results"][1]["code"], "invalid_base64");
    let metric = client::metric(service.address, "googlenet_explanations_total{method=\"cam\"}");
    assert_eq!(metric.await, 3.0);
    assert_eq!(client::metric(service.address, "googlenet_explain_seconds_count").await, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_part_that_was_read_is_always_told() {
    let (service, _folder) = service(&[]);
    let photo =
        images::encode(&RgbImage::from_pixel(500, 325, Rgb([9, 8, 7])), image::ImageFormat::Png);
    for (query, expected) in [
        (
            "",
            [500.0 * 6.0 / 108.0, 325.0 * 6.0 / 108.0, 500.0 * 96.0 / 108.0, 325.0 * 96.0 / 108.0],
        ),
        ("?crops=5", [0.0, 0.0, 500.0, 325.0]),
        ("?crops=10&top_k=1", [0.0, 0.0, 500.0, 325.0]),
    ] {
        let answer = ask(service.address, &format!("/classify{query}"), &photo).await;
        let crop = &answer["image"]["crop"];
        for (member, expected) in ["left", "top", "width", "height"].into_iter().zip(expected) {
            assert!((number(&crop[member]) - expected).abs() < 1e-9, "{query} {member}: {crop}");
        }
    }
}

/// As many looks as one request may have, at once, with and without company: each has its own.
#[tokio::test(flavor = "multi_thread")]
async fn looks_in_a_batch_are_as_alone() {
    let flags = ["--max-batch-size=4", "--batch-max-wait-us=3000", "--workers=2"];
    let (service, _folder) = service(&flags);
    let pictures: Vec<Vec<u8>> = (0..32).map(images::png).collect();
    let mut alone = Vec::new();
    for picture in &pictures {
        alone.push(ask(service.address, "/classify?explain=cam", picture).await);
    }
    let encoded: Vec<String> = pictures.iter().map(|picture| STANDARD.encode(picture)).collect();
    let body = json!({"images": encoded, "explain": "cam"}).to_string();
    let together =
        client::post(service.address, "/classify", "application/json", body.as_bytes()).await;
    assert_eq!(together.status, 200);
    let results = together.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 32);
    for (result, alone) in results.iter().zip(&alone) {
        assert_eq!(result["predictions"], alone["predictions"]);
    }
    // Runs and looks in the same batches.
    let mixed = join_all(pictures.iter().enumerate().map(|(index, picture)| {
        let path = if index % 2 == 0 { "/classify?explain=cam" } else { "/classify" };
        ask(service.address, path, picture)
    }))
    .await;
    for (index, (answer, alone)) in mixed.into_iter().zip(alone).enumerate() {
        let expected = if index % 2 == 0 { alone } else { without_cam(alone) };
        assert_eq!(answer, expected, "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_squares_channels_and_branches() {
    let (service, _folder) = service(&[]);
    let image = images::png(5);
    let classified = ask(service.address, "/classify?explain=cam&top_k=2", &image).await;
    let best = &classified["predictions"][0];
    let answer = ask(service.address, "/explain", &image).await;
    for member in ["class", "id", "label", "probability"] {
        assert_eq!(answer[member], best[member], "{member}");
    }
    for member in ["logit", "bias", "residual", "grid"] {
        assert_eq!(answer[member], best["cam"][member], "{member}");
    }
    assert_eq!((&answer["method"], &answer["image"]), (&json!("cam"), &classified["image"]));
    assert!(answer.get("against").is_none() && answer["model"]["name"] == "squares");
    let squares = answer["squares"].as_array().unwrap();
    assert_eq!(squares.len(), 9);
    for square in squares {
        let values: Vec<f64> =
            square.as_array().unwrap().iter().map(|row| number(&row["value"])).collect();
        assert!(values.len() == 3 && values.is_sorted_by(|a, b| a >= b), "{square}");
        assert!(square[0]["label"].as_str().unwrap().len() > 2);
    }
    let channels = answer["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 10);
    for row in channels {
        let product = number(&row["weight"]) * number(&row["mean"]);
        assert!((product - number(&row["contribution"])).abs() <= 1e-4, "{row}");
        assert!(["1x1", "3x3", "5x5", "pool"].contains(&row["branch"].as_str().unwrap()), "{row}");
    }
    let branches = answer["branches"].as_object().unwrap();
    assert_eq!(branches.len(), 4);
    let sum: f64 = branches.values().map(number).sum();
    let logit = number(&answer["logit"]);
    let sum = sum + number(&answer["bias"]) + number(&answer["residual"]);
    assert!((sum - logit).abs() <= 1e-3 * logit.abs().max(1.0), "{answer}");

    let (class, other) = (&best["class"], &classified["predictions"][1]);
    let path = format!("/explain?class={class}&against={}&squares=0&channels=0", other["class"]);
    let difference = ask(service.address, &path, &image).await;
    assert_eq!(
        (&difference["against"], &difference["against_label"]),
        (&other["class"], &other["label"])
    );
    assert_adds_up(&difference);
    let expected = logit - number(&other["cam"]["logit"]);
    assert!((number(&difference["logit"]) - expected).abs() <= 1e-5, "{difference}");
    assert!(difference["squares"].as_array().unwrap().iter().all(|square| square == &json!([])));
    assert_eq!(difference["channels"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_takes_the_three_forms_and_one_image() {
    let (service, _folder) = service(&[]);
    let image = images::png(6);
    let query = ask(service.address, "/explain?class=cat&against=4&squares=1", &image).await;
    assert_eq!((&query["class"], &query["against"]), (&json!(0), &json!(4)));
    let (content_type, body) = client::form(&[
        ("image", Some("a.png"), &image),
        ("class", None, b"n00000000"),
        ("against", None, b"KIND 4"),
        ("squares", None, b"1"),
    ]);
    let form = client::post(service.address, "/explain", &content_type, &body).await;
    // Two classes have this id.
    assert_eq!((form.status, form.code().as_str()), (400, "invalid_parameter"));
    assert!(form.json()["error"].as_str().unwrap().contains("several classes, such as 0 and 9"));
    let (content_type, body) = client::form(&[
        ("image", Some("a.png"), &image),
        ("class", None, b"cat"),
        ("against", None, b"KIND 4"),
        ("squares", None, b"1"),
    ]);
    let form = client::post(service.address, "/explain", &content_type, &body).await;
    assert_eq!(form.json(), query);
    let json = |body: Value| async move {
        let body = body.to_string();
        client::post(service.address, "/explain", "application/json", body.as_bytes()).await
    };
    let image = STANDARD.encode(&image);
    let one = json(json!({"image": image, "class": 0, "against": "kind 4", "squares": 1})).await;
    assert_eq!(one.json(), query);
    let several = json(json!({"images": [image, image]})).await;
    assert_eq!((several.status, several.code().as_str()), (413, "too_many_images"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told() {
    let (service, _folder) = service(&[]);
    for path in [
        "/explain?class=12",
        "/explain?class=unicorn",
        "/explain?against=-1",
        "/explain?class=3&against=kind+3",
        "/explain?method=gradcam",
        "/explain?squares=6",
        "/explain?channels=51",
        "/explain?size=100",
        "/explain?size=2000",
        "/explain?top_k=3",
        "/classify?explain=yes",
        "/classify?explain=cam&crops=5",
        "/classify?explain=cam&crops=10",
        "/classify?explain=cam&top_k=11",
    ] {
        let answer = post(service.address, path, &images::png(1)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"), "{path}");
    }
    let best = ask(service.address, "/explain", &images::png(1)).await["class"].clone();
    for method in ["cam", "gradient", "occlusion"] {
        let path = format!("/explain?against={best}&method={method}");
        let answer = post(service.address, &path, &images::png(1)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"), "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("name a class"), "{path}");
    }
    let answer = post(service.address, "/explain?class=unicorn", &images::png(1)).await.json();
    let sentence = answer["error"].as_str().unwrap();
    assert!(sentence.contains("`unicorn`") && sentence.contains("/model/labels"), "{sentence}");
    let answer = post(service.address, "/explain", b"no image").await;
    assert_eq!((answer.status, answer.code().as_str()), (415, "unsupported_image_format"));
    let answer = client::get(service.address, "/explain").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_any_size_are_explained() {
    let (service, _folder) = service(&[]);
    let plain = |width, height, colour| {
        images::encode(&RgbImage::from_pixel(width, height, Rgb(colour)), image::ImageFormat::Png)
    };
    for (width, height) in [(1, 1), (400, 300), (8000, 4000)] {
        let photo = plain(width, height, [0, 0, 0]);
        let answer = ask(service.address, "/explain", &photo).await;
        assert_adds_up(&answer);
        assert!(grid(&answer["grid"]).iter().all(|value| value.is_finite()));
        let headers = [("Accept", "image/png"), ("Content-Type", "image/png")];
        let request = client::request("POST", "/explain?size=224", &headers, &photo);
        let picture = client::send(service.address, &request).await;
        assert_eq!(picture.status, 200, "{width}x{height}");
        assert_eq!(image::load_from_memory(&picture.body).unwrap().width(), 224);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_shows_the_evidence() {
    let (service, _folder) = service(&[]);
    let image = images::png(2);
    let explained = ask(service.address, "/explain?class=7&against=2", &image).await;
    for (accept, size, query) in [
        ("image/png", 448, ""),
        ("image/*;q=0.9, application/json;q=0.1", 224, "&size=224"),
        ("image/png", 1024, "&size=1024"),
    ] {
        let path = format!("/explain?class=7&against=2{query}");
        let headers = [("Accept", accept), ("Content-Type", "image/png")];
        let request = client::request("POST", &path, &headers, &image);
        let answer = client::send(service.address, &request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{path}");
        assert_eq!(answer.header("vary"), "accept");
        let logit: f64 = answer.header("x-logit").parse().unwrap();
        assert_eq!(logit, number(&explained["logit"]));
        assert!(answer.header("server-timing").contains("inference;dur="));
        let picture = image::load_from_memory(&answer.body).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (size, size));
        // The strongest square has its colour: orange for, blue against.
        let values = grid(&explained["grid"]);
        let strongest =
            (0..9).max_by(|a, b| values[*a].abs().total_cmp(&values[*b].abs())).unwrap();
        let middle = |index: usize| (2 * index as u32 + 1) * size / 6;
        let [red, _, blue] = picture.get_pixel(middle(strongest % 3), middle(strongest / 3)).0;
        assert_eq!(red > blue, values[strongest] > 0.0, "{values:?}");
    }
    let headers = [("Accept", "*/*"), ("Content-Type", "image/png")];
    let request = client::request("POST", "/explain?class=7&against=2", &headers, &image);
    assert_eq!(client::send(service.address, &request).await.json(), explained);
}

/// A large photo is decoded at a reduced scale, for the network and for a small picture more than for a large one.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_network_reads_does_not_depend_on_the_picture() {
    let (service, folder) = service(&[]);
    let photo = RgbImage::from_fn(1000, 900, |x, y| {
        Rgb([(x * y % 251) as u8, (x * 3 % 256) as u8, (y * 7 % 256) as u8])
    });
    let jpeg = images::encode(&photo, image::ImageFormat::Jpeg);
    let expected = ask(service.address, "/explain?class=3", &jpeg).await["logit"].clone();
    for size in [224, 448, 1024] {
        let path = format!("/explain?class=3&size={size}");
        let headers = [("Accept", "image/png"), ("Content-Type", "image/jpeg")];
        let request = client::request("POST", &path, &headers, &jpeg);
        let answer = client::send(service.address, &request).await;
        let logit: f64 = answer.header("x-logit").parse().unwrap();
        assert_eq!(json!(logit), expected, "{size}");
    }
    let path = folder.path().join("large.jpg");
    std::fs::write(&path, &jpeg).unwrap();
    let said = [224, 1024].map(|size| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.arg("explain").arg(&path).arg("--class=3").arg(format!("--size={size}"));
        command.arg("-o").arg(folder.path().join("why.png"));
        command.arg("--model").arg(folder.path().join("squares.onnx"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    });
    assert_eq!(said[0], said[1]);
    let logit = format!("logit {:.2} ", number(&expected));
    assert!(said[0].contains(&logit), "{said:?} has no {logit}");
}

/// The help of the knob names all that it takes away.
#[tokio::test(flavor = "multi_thread")]
async fn the_help_says_what_is_switched_off() {
    let paths = async |flags: &[&str]| {
        let (service, _folder) = service(flags);
        let index = client::get(service.address, "/").await.json();
        let paths = index["paths"].as_array().unwrap().iter();
        paths
            .map(|served| {
                let text = |member: &str| served[member].as_str().unwrap().to_owned();
                format!("{} {}", text("method"), text("path"))
            })
            .collect::<Vec<String>>()
    };
    let (with, without) = (paths(&[]).await, paths(&["--explain=off"]).await);
    let help = Command::new(env!("CARGO_BIN_EXE_googlenet")).args(["serve", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let about = help.split("--explain ").nth(1).unwrap();
    let about = about.split("GOOGLENET_EXPLAIN").next().unwrap();
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
    let gone: Vec<&String> = with.iter().filter(|path| !without.contains(path)).collect();
    assert_eq!(gone.len(), 2, "{gone:?}");
    for path in gone {
        assert!(about.contains(path), "no {path} in {about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_can_be_switched_off() {
    let (service, _folder) = service(&["--explain=off"]);
    let answer = post(service.address, "/explain", &images::png(1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    let answer = post(service.address, "/classify?explain=cam", &images::png(1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"));
    assert!(answer.json()["error"].as_str().unwrap().contains("--explain"));
    let answer = ask(service.address, "/classify", &images::png(1)).await;
    assert!(answer["image"]["crop"].is_object() && answer["predictions"][0].get("cam").is_none());
}

/// A network that no rule knows: it classifies, and there is nothing to see.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_the_pool_is_not_explained() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/engine/tests/fixtures");
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("other.onnx");
    std::fs::copy(fixtures.join("graphs/small_cnn.onnx"), &model).unwrap();
    let toml = "[input]\nside = 32\nchannels = \"RGB\"\nmean = [127.5, 127.5, 127.5]\n\
                scale = [0.0078, 0.0078, 0.0078]\nresize = { mode = \"stretch\", size = 32 }\n";
    std::fs::write(model.with_extension("toml"), toml).unwrap();
    let service = Process::start(&model, &[]);
    ask(service.address, "/classify", &images::png(1)).await;
    for path in ["/explain", "/classify?explain=cam"] {
        let answer = post(service.address, path, &images::png(1)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "not_explainable"), "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("method=occlusion"), "{path}");
    }
    let photo = folder.path().join("a.png");
    std::fs::write(&photo, images::png(1)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
    command.arg("explain").arg(&photo).arg("-o").arg(folder.path().join("why.png"));
    let refused = command.arg("--model").arg(&model).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("use --method occlusion"), "{said}");
}

#[test]
fn the_command_draws_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let (photo, picture) = (folder.path().join("a.png"), folder.path().join("why.png"));
    std::fs::write(&photo, images::png(3)).unwrap();
    let explain = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.arg("explain").arg(&photo).arg("-o").arg(&picture).arg("--model").arg(&model);
        let output = command.args(flags).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, said, errors) = explain(&["--class=cat", "--against=kind 4", "--size=300"]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(said.starts_with("cat rather than kind 4: logit "), "{said}");
    assert_eq!(image::open(&picture).unwrap().to_rgb8().dimensions(), (300, 300));
    let (status, said, _) = explain(&[]);
    assert_eq!(status, Some(0));
    assert!(said.contains(" = bias ") && said.contains(" + squares "), "{said}");
    let (status, _, errors) = explain(&["--class=unicorn"]);
    assert_eq!(status, Some(1));
    assert!(errors.contains("--class has `unicorn`"), "{errors}");
    let (status, _, errors) = explain(&["--squares=3"]);
    assert_eq!(status, Some(1));
    assert!(errors.contains("--squares needs --method occlusion"), "{errors}");
    let (status, _, errors) = explain(&["--size=10"]);
    assert_eq!(status, Some(2), "{errors}");
    let (status, _, errors) = explain(&["--class=cat", "--against=cat"]);
    assert!(status == Some(1) && errors.contains("compare it with another"), "{errors}");
}

#[test]
fn the_command_writes_the_picture_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("a.png");
    std::fs::write(&photo, images::png(3)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
    command.current_dir(folder.path()).args(["explain", "a.png", "-o", "-", "--model"]);
    let output = command.arg(model(folder.path())).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(": logit "), "{said}");
    assert_eq!(image::load_from_memory(&output.stdout).unwrap().width(), 448);
    assert!(!folder.path().join("-").exists());
}
