//! Holds README.md and docs/api.md against the program: knobs, paths, errors, metrics, an answer.

use std::collections::BTreeSet;
use std::process::Command;

use clap::Args;
use googlenet::config::ServeConfig;
use serde_json::Value;

/// A default that the program works out when it starts is told in words, without backticks.
#[test]
fn knobs() {
    let readme = crate::markdown::read("README.md");
    let rows = crate::markdown::table(&readme, &["flag", "variable", "default", "what it sets"]);
    let documented: Vec<_> = rows
        .iter()
        .map(|row| {
            let literal = |cell: &str| crate::markdown::code(cell).join(" ");
            assert!(!row[2].is_empty() && !row[3].is_empty(), "an empty cell: {row:?}");
            (literal(&row[0]), literal(&row[1]), literal(&row[2]))
        })
        .collect();
    let command = ServeConfig::augment_args(clap::Command::new("serve"));
    let expected: Vec<_> = command.get_arguments().map(knob).collect();
    assert_eq!(documented, expected);
    for (argument, row) in command.get_arguments().zip(&rows) {
        for value in argument.get_possible_values() {
            let name = value.get_name();
            assert!(crate::markdown::code(&row[3]).contains(&name), "{name} is not told: {row:?}");
        }
    }
}

/// Flag, variable and default as the README writes them.
fn knob(argument: &clap::Arg) -> (String, String, String) {
    let flag = argument.get_long().map(|flag| format!("--{flag}")).unwrap_or_default();
    let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
    let default = match argument.is_hide_default_value_set() {
        true => String::new(),
        false => argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
    };
    (flag, variable.unwrap_or_default(), default)
}

#[test]
fn paths() {
    let readme = crate::markdown::read("README.md");
    let rows = crate::markdown::table(&readme, &["request", "answer"]);
    let documented: BTreeSet<String> =
        rows.iter().flat_map(|row| crate::markdown::code(&row[0])).map(str::to_owned).collect();
    let document = serde_json::to_value(googlenet::http::document()).unwrap();
    let mut served: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    // The document lists neither itself nor what browsers show.
    let for_browsers = ["GET /openapi.json", "GET /docs", "GET /", "GET /assets/{file}"];
    served.extend(for_browsers.map(str::to_owned));
    assert_eq!(documented, served);
}

#[test]
fn error_codes() {
    let source = crate::markdown::read("src/http/error_table.rs");
    let (_, table) = source.split_once("fn row(").expect("the table of all codes");
    // The other texts are sentences.
    let texts = table.split('"').skip(1).step_by(2);
    let codes: BTreeSet<&str> = texts.filter(|text| !text.contains(' ')).collect();
    assert!(codes.contains("queue_full"), "the list is read wrongly: {codes:?}");
    let text = crate::markdown::read("docs/api.md");
    let rows = crate::markdown::table(&text, &["code", "status", "when"]);
    let documented: BTreeSet<&str> =
        rows.iter().flat_map(|row| crate::markdown::code(&row[0])).collect();
    assert_eq!(documented, codes);
}

#[test]
fn metrics() {
    let source = crate::markdown::read("src/metrics.rs");
    let literals = source.split('"').skip(1).step_by(2);
    let names: BTreeSet<&str> = literals.filter(|text| text.starts_with("googlenet_")).collect();
    assert!(names.contains("googlenet_queue_depth"), "the names are read wrongly: {names:?}");
    let text = crate::markdown::read("docs/api.md");
    let rows = crate::markdown::table(&text, &["name", "type", "labels", ""]);
    let documented: BTreeSet<&str> =
        rows.iter().flat_map(|row| crate::markdown::code(&row[0])).collect();
    assert_eq!(documented, names);
}

/// The README's answer, in both its forms, is what the program says of that photo.
#[test]
fn the_answer() {
    let Some(shared) = crate::shared::folder() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_googlenet"))
        .args(["classify", "--json", "--model"])
        .arg(shared.join("models/googlenet.onnx"))
        .arg(shared.join("photos/n02484975_guenon.JPEG"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = answer["predictions"].as_array().unwrap();

    let readme = crate::markdown::read("README.md");
    let shown: Value = serde_json::from_str(crate::markdown::block(&readme, "json")).unwrap();
    let predictions = shown["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 3);
    for (shown, actual) in predictions.iter().zip(answer) {
        for member in ["class", "id", "label"] {
            assert_eq!(shown[member], actual[member]);
        }
        assert_close(shown["probability"].as_f64().unwrap(), actual);
    }

    let (_, table) = crate::markdown::block(&readme, "text").split_once(".jpg\n").unwrap();
    let (_, table) = table.split_once(".jpg\n").unwrap();
    assert_eq!(table.lines().count(), answer.len());
    for (line, actual) in table.lines().zip(answer) {
        let (percent, names) = line.split_once(" %  ").unwrap();
        assert_close(percent.trim().parse::<f64>().unwrap() / 100.0, actual);
        let (id, label) = names.split_once(' ').unwrap();
        assert_eq!((id, label.trim()), (actual["id"].as_str().unwrap(), label_of(actual)));
    }
}

fn label_of(prediction: &Value) -> &str {
    prediction["label"].as_str().unwrap()
}

/// Processors round differently; the README shows four digits.
fn assert_close(shown: f64, actual: &Value) {
    let actual = actual["probability"].as_f64().unwrap();
    assert!((shown - actual).abs() < 1e-3, "{shown} is shown, {actual} is the answer");
}
