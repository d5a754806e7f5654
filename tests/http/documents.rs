//! What people and generators read: `/openapi.json`, the page at `/docs`, and what browsers are told.

use std::collections::BTreeSet;

use crate::harness::client::{self, Answer};
use crate::harness::{TestService, images};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(googlenet::http::document()).unwrap()
}

/// All objects of the document, each with where it stands.
fn objects<'a>(value: &'a Value, place: &str, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(members) => {
            found.push((place.to_owned(), value));
            for (name, member) in members {
                objects(member, &format!("{place}/{name}"), found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                objects(element, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_licence_is_an_expression() {
    let license = &document()["info"]["license"];
    let expression = "MIT OR Apache-2.0";
    assert_eq!(license, &json!({"name": expression, "identifier": expression}));
}

#[test]
fn every_reference_leads_to_a_schema() {
    let document = document();
    let mut found = Vec::new();
    objects(&document, "", &mut found);
    let references: Vec<_> = found
        .iter()
        .filter_map(|(place, object)| Some((place, object["$ref"].as_str()?)))
        .collect();
    assert!(references.len() > 50, "{references:?}");
    for (place, reference) in references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some_and(Value::is_object), "{reference} in {place}");
    }
}

#[test]
fn bytes_are_strings_in_the_format_binary() {
    let document = document();
    let mut found = Vec::new();
    objects(&document, "", &mut found);
    let raw: Vec<_> = found
        .iter()
        .filter(|(place, _)| place.ends_with("image/*") || place.ends_with("octet-stream"))
        .collect();
    let expected = "two each for classify, explain and activations, those of infer";
    assert_eq!(raw.len(), 10, "{expected}: {raw:?}");
    for (place, content) in raw {
        let schema = &content["schema"];
        assert_eq!(
            (&schema["type"], &schema["format"]),
            (&json!("string"), &json!("binary")),
            "{place}"
        );
    }
    let image = &document["components"]["schemas"]["ClassifyForm"]["properties"]["image"];
    assert_eq!((&image["type"], &image["format"]), (&json!("string"), &json!("binary")));
}

/// A page fills the query in from defaults and examples, a form from examples, and makes zeros of numbers
/// that have none; generated clients send defaults. A parameter must come once.
#[test]
fn a_page_fills_in_each_parameter_once() {
    let document = document();
    let parameters = ["/classify", "/explain", "/activations"]
        .into_iter()
        .flat_map(|path| document["paths"][path]["post"]["parameters"].as_array().unwrap());
    for parameter in parameters {
        let schema = &parameter["schema"];
        assert!(parameter["description"].is_string(), "{parameter}");
        for member in ["default", "example", "examples"] {
            assert!(parameter[member].is_null() && schema[member].is_null(), "{parameter}");
        }
    }
    let crops = &document["components"]["schemas"]["CropCount"];
    assert_eq!(crops["enum"], json!([1, 5, 10]), "a page takes the first");
    assert!(crops["example"].is_null() && crops["default"].is_null(), "{crops}");
    for name in ["ClassifyForm", "ClassifyJson", "ClassifyJsonBatch"] {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}");
        for parameter in ["top_k", "min_probability"] {
            let property = &schema["properties"][parameter];
            assert!(property["example"].is_number(), "{name}: {property}");
            assert!(property["default"].is_null(), "{name}: {property}");
            // A form's fields are text: no page can send null there.
            let or_null = name != "ClassifyForm";
            assert_eq!(property["type"].is_array(), or_null, "{name}: {property}");
        }
        assert_eq!(schema["required"].as_array().unwrap().len(), 1, "{name}");
    }
}

/// What "Try it out" sends when nothing is filled in.
#[tokio::test(flavor = "multi_thread")]
async fn examples_are_requests_that_succeed() {
    let service = TestService::start(&[]).await;
    let document = client::get(service.address, "/openapi.json").await.json();
    let mut sent = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let examples = &item["post"]["requestBody"]["content"]["application/json"]["examples"];
        let Some(examples) = examples.as_object() else { continue };
        let target = path.replace("{name}", "googlenet").replace("{version}", "1");
        for (name, example) in examples {
            let body = example["value"].to_string();
            let json = "application/json";
            let answer = client::post(service.address, &target, json, body.as_bytes()).await;
            assert_eq!(answer.status, 200, "{path}, {name}: {}", answer.json());
            sent.insert(format!("{path} {name}"));
        }
    }
    assert_eq!(sent.len(), 6, "{sent:?}");
    service.stop().await;
}

/// A header or a query cannot be null: only left out.
#[test]
fn no_parameter_is_null() {
    let document = document();
    let mut found = Vec::new();
    objects(&document["paths"], "", &mut found);
    let parameters: Vec<_> = found.iter().filter(|(_, object)| object["in"].is_string()).collect();
    assert!(parameters.len() > 10, "{parameters:?}");
    for (place, parameter) in parameters {
        let schema = &parameter["schema"];
        assert!(schema["type"].is_string() || schema["$ref"].is_string(), "{place}: {parameter}");
    }
}

#[test]
fn every_operation_says_what_it_may_answer() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let mut expected = vec!["200", "400", "501"];
            if method == "post" {
                expected.extend(["408", "413", "415", "422", "429", "500", "503", "504"]);
            }
            for status in expected {
                assert!(responses.contains_key(status), "{method} {path}: {status}");
            }
            for (status, code) in [("400", "invalid_request"), ("501", "not_implemented")] {
                let description = responses[status]["description"].as_str().unwrap();
                assert!(description.contains(code), "{method} {path}: {description}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_a_title_and_fits_a_telephone() {
    let service = TestService::start(&[]).await;
    let redirect = client::get(service.address, "/docs").await;
    assert_eq!((redirect.status, redirect.header("location")), (303, "docs/"));
    let page = client::get(service.address, "/docs/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("<meta name=\"viewport\" content=\"width=device-width"), "{page}");
    assert!(page.contains("<title>googlenet"), "{page}");
    let links = page.split("=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let files: Vec<&str> = links
        .filter(|link| link.ends_with(".js") || link.ends_with(".css") || link.ends_with(".png"))
        .collect();
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        assert_eq!(
            client::get(service.address, &format!("/docs/{file}")).await.status,
            200,
            "{file}"
        );
    }
    let missing = client::get(service.address, "/docs/nothing.js").await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "not_found"));
    service.stop().await;
}

/// Their addresses have no version: a browser keeps them and asks whether they are still the same.
#[tokio::test(flavor = "multi_thread")]
async fn documents_are_kept_and_checked() {
    let service = TestService::start(&[]).await;
    for (path, kept) in [
        ("/openapi.json", "no-cache"),
        ("/docs/", "no-cache"),
        ("/docs/swagger-initializer.js", "no-cache"),
        ("/docs/swagger-ui-bundle.js", "public, max-age=3600, must-revalidate"),
        ("/docs/swagger-ui.css", "public, max-age=3600, must-revalidate"),
    ] {
        let first = client::get(service.address, path).await;
        assert_eq!((first.status, first.header("cache-control")), (200, kept), "{path}");
        assert!(!first.header("content-type").is_empty(), "{path}");
        let etag = first.header("etag");
        for tags in [etag, etag.trim_start_matches("W/"), &format!("\"other\", {etag}"), "*"] {
            let again = ask(&service, "GET", path, &[("If-None-Match", tags)]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} with {tags}");
            assert_eq!(again.header("vary"), "accept-encoding", "{path}");
            assert_eq!(
                (again.header("etag"), again.header("cache-control")),
                (etag, kept),
                "{path}"
            );
        }
        let changed = ask(&service, "GET", path, &[("If-None-Match", "\"other\"")]).await;
        assert_eq!((changed.status, changed.body.len()), (200, first.body.len()), "{path}");
        let head = ask(&service, "HEAD", path, &[]).await;
        assert_eq!((head.status, head.header("etag")), (200, etag), "{path}");
    }
    service.stop().await;
}

async fn ask(service: &TestService, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    client::send(service.address, &client::head(method, path, headers)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_of_other_origins_may_remember_and_measure() {
    let origin = ("Origin", "https://a.example");
    let preflight = [origin, ("Access-Control-Request-Method", "POST")];
    for (flag, timing) in [
        ("--cors-origins=*", "*"),
        (
            "--cors-origins=https://a.example,https://b.example",
            "https://a.example, https://b.example",
        ),
    ] {
        let service = TestService::start(&[flag]).await;
        let answer = ask(&service, "OPTIONS", "/classify", &preflight).await;
        assert_eq!(answer.header("access-control-max-age"), "7200");
        let headers = [origin, ("Content-Type", "image/png"), ("Content-Length", "0")];
        for (method, path) in [("GET", "/healthz"), ("GET", "/nothing"), ("POST", "/classify")] {
            let answer = ask(&service, method, path, &headers).await;
            assert_eq!(answer.header("timing-allow-origin"), timing, "{path}");
        }
        service.stop().await;
    }
    let service = TestService::start(&[]).await;
    let answer = client::classify(service.address, &images::png(1)).await;
    assert_eq!(answer.header("timing-allow-origin"), "");
    service.stop().await;
}
