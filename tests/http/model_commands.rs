//! `inspect` and `calibrate` on models of one's own: what they write, and what they leave alone.

use std::process::Command;

use googlenet_kernels::isa::Isa;
use serde_json::Value;

use crate::shared::own_models::{copied, fixtures, is_quantised, names};

fn program(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_googlenet")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A row for each instruction set and number of cores, f32 beside int8.
#[test]
fn precisions_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..16 {
        let path = folder.path().join(format!("{number}.png"));
        std::fs::write(path, crate::harness::images::png(number)).unwrap();
    }
    let (photos, table) = (folder.path().to_str().unwrap(), folder.path().join("table.toml"));
    let table = table.to_str().unwrap();
    // The table that is built in is for other weights.
    let made = program(&["calibrate", photos, "--model=untrained", "--output", table]);
    assert_eq!(made.0, Some(0), "{made:?}");
    let arguments =
        ["bench", "--compare", "--model=untrained", "--images=2", "--calibration", table];
    let (status, said, errors) = program(&[&arguments[..], &["--json"]].concat());
    assert_eq!(status, Some(0), "{errors}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let alone: Vec<&Value> = rows.iter().filter(|row| row["cores"] == 1).collect();
    let isas: Vec<&str> = alone.iter().map(|row| row["isa"].as_str().unwrap()).collect();
    let here: Vec<&str> = Isa::available().iter().map(|isa| isa.name().as_str()).collect();
    assert_eq!(isas, here);
    let with_others = if rows.len() == alone.len() { 1 } else { 2 };
    assert_eq!(rows.len(), with_others * alone.len(), "{said}");
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        let (f32, int8) = (number("f32_milliseconds"), number("int8_milliseconds"));
        assert!(f32 > 0.0 && int8 > 0.0, "{row}");
        assert!((number("int8_by_f32") - int8 / f32).abs() < 1e-9, "{row}");
    }
    let last = here.last().unwrap();
    let (status, said, errors) = program(&[&arguments[..], &["--isa", last]].concat());
    assert_eq!(status, Some(0), "{errors}");
    let named: Vec<&str> =
        said.lines().filter_map(|line| line.split(' ').find(|word| here.contains(word))).collect();
    assert!(!named.is_empty() && named.iter().all(|isa| isa == last), "{said}");
    let (status, _, errors) = program(&[&arguments[..], &["--only=f32"]].concat());
    assert!(status == Some(2) && errors.contains("cannot be used with"), "{errors}");
}

/// From a file alone to one that serves without a word.
#[test]
fn a_toml_is_proposed() {
    for name in names(&fixtures()) {
        let model = copied(&fixtures(), &name, "");
        std::fs::remove_file(model.path.with_extension("toml")).unwrap();
        let path = model.path.to_str().unwrap();
        let (status, said, errors) = program(&["inspect", path, "--write-toml"]);
        if is_quantised(&name) {
            assert_eq!(status, Some(1), "{name}: {said}{errors}");
            assert!(
                errors.contains("it cannot be served: this model was quantised (node `"),
                "{name}: {errors}"
            );
            assert!(
                said.contains("operator set") && !model.path.with_extension("toml").exists(),
                "{name}"
            );
            continue;
        }
        assert_eq!(status, Some(0), "{name}: {said}{errors}");
        assert!(said.contains("9 Inception") && said.contains("wrote "), "{name}: {said}");
        let (status, _, warnings) = program(&["summary", "--model", path]);
        assert_eq!(status, Some(0), "{name}: {warnings}");
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        let (status, _, errors) = program(&["inspect", path, "--write-toml"]);
        assert_eq!(status, Some(1));
        assert!(errors.contains("is there already and was not changed"), "{errors}");
    }
}

#[test]
fn calibration_loses_nothing() {
    let model = copied(&fixtures(), "legacy_softmax", "");
    let folder = model.path.parent().unwrap();
    let photos = folder.join("photos/within");
    std::fs::create_dir_all(&photos).unwrap();
    std::fs::write(photos.join("a.png"), crate::harness::images::png(1)).unwrap();
    let (model_path, photos) = (model.path.to_str().unwrap(), folder.join("photos"));
    let calibrate = |more: &[&str]| {
        program(&[&["calibrate", photos.to_str().unwrap(), "--model", model_path], more].concat())
    };
    let (status, said, errors) = calibrate(&[]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(
        said.contains("from 1 photos") && errors.contains("1 photos are few"),
        "{said}{errors}"
    );
    let (status, _, errors) = calibrate(&[]);
    assert!(
        status == Some(1) && errors.contains("is there already: --force replaces it"),
        "{errors}"
    );
    assert_eq!(calibrate(&["--force"]).0, Some(0));
    let (status, _, errors) = calibrate(&["--force", "--output", model_path]);
    assert!(status == Some(1) && errors.contains("does not end in .toml"), "{errors}");
    let link = folder.join("link.toml");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let (status, _, errors) = calibrate(&["--force", "--output", link.to_str().unwrap()]);
    assert!(status == Some(1) && errors.contains("is a link or no file"), "{errors}");
    let (status, _, errors) = calibrate(&["--output", "/no/such/folder/t.toml"]);
    assert!(status == Some(1) && errors.contains("there is no such folder"), "{errors}");
}

/// Every module that computes has its time; each has its receptive field.
#[test]
fn the_summary_measures_the_modules() {
    let folder = tempfile::tempdir().unwrap();
    let model = crate::harness::small_model(folder.path());
    let path = model.to_str().unwrap();
    let (status, said, errors) = program(&["summary", "--time", "--json", "--model", path]);
    assert_eq!(status, Some(0), "{errors}");
    let summary: Value = serde_json::from_str(&said).unwrap();
    let times = summary["times"].as_array().unwrap();
    for module in summary["modules"].as_array().unwrap() {
        assert!(module["receptive_field"].as_u64().unwrap() >= 7, "{module}");
        let time = times.iter().find(|time| time["name"] == module["name"]);
        if module["multiply_adds"] == 0 {
            continue;
        }
        let time = time.unwrap_or_else(|| panic!("no time for {module}"));
        let milliseconds = time["milliseconds"].as_f64().unwrap();
        let rate = time["multiply_adds_per_second"].as_f64().unwrap();
        let expected = module["multiply_adds"].as_f64().unwrap() / milliseconds * 1e3;
        assert!((rate / expected - 1.0).abs() < 1e-6, "{time}");
    }
    let (status, said, errors) = program(&["summary", "--time", "--model", path]);
    assert_eq!(status, Some(0), "{errors}");
    let (_, table) = said.split_once("Milliseconds").expect("a table of times");
    let line = table.lines().find(|line| line.starts_with("inception_3a")).unwrap();
    assert!(line.ends_with(" G") && line.contains('%'), "{line}");
    let (_, plain, _) = program(&["summary", "--model", path]);
    assert!(!plain.contains("Milliseconds"), "{plain}");
}

/// The same grids as over HTTP, as pictures.
#[test]
fn explanations_by_gradient_and_by_occlusion_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let model = crate::harness::small_model(folder.path());
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, crate::harness::images::png(3)).unwrap();
    let drawn = folder.path().join("why.png");
    let [photo, drawn_path, model] = [&photo, &drawn, &model].map(|path| path.to_str().unwrap());
    let explain = |more: &[&str]| {
        let common = ["explain", photo, "--output", drawn_path, "--model", model];
        program(&[&common[..], more].concat())
    };
    let mut pictures = Vec::new();
    for (arguments, says) in [
        (&["--method=gradient"][..], "gradient times map"),
        (&["--method=gradient", "--module=inception_3a", "--class=4"], "gradient times map"),
        (&["--method=occlusion", "--squares=3", "--size=224"], "less with a part covered"),
    ] {
        let (status, said, errors) = explain(arguments);
        assert_eq!(status, Some(0), "{errors}");
        assert!(said.contains("logit") && said.contains(says), "{said}");
        pictures.push(image::open(&drawn).unwrap().to_rgb8());
    }
    assert_eq!((pictures[0].width(), pictures[2].width()), (448, 224));
    assert_ne!(pictures[0], pictures[1]);
    for (arguments, says) in [
        (&["--module=inception_3a"][..], "needs --method gradient"),
        (&["--method=gradient", "--module=conv1"], "use inception_3a, "),
    ] {
        let (status, _, errors) = explain(arguments);
        assert!(status == Some(1) && errors.contains(says), "{errors}");
    }
}
