//! Forms, JSON and base64 as clients write them, over a real socket: each row is taken, or refused as what it is.

use crate::harness::client::{self, Answer};
use crate::harness::{TestService, images};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What a row ends in.
enum Fate {
    /// 200 with one answer, that of picture 1.
    One,
    /// 200 with so many results.
    Results(usize),
    /// An error whose sentence has this in it.
    Refused(u16, &'static str, &'static str),
}
use Fate::{One, Refused, Results};

fn assert_fate(row: &str, answer: &Answer, fate: &Fate, expected: &Value) {
    let body = answer.json();
    match fate {
        One => {
            assert_eq!((answer.status, &body), (200, expected), "{row}");
        }
        Results(count) => {
            let results = body["results"].as_array().map(Vec::len);
            assert_eq!((answer.status, results), (200, Some(*count)), "{row}: {body}");
            assert_eq!(body["results"][0]["predictions"], expected["predictions"], "{row}");
        }
        Refused(status, code, because) => {
            let actual = (answer.status, body["code"].as_str());
            assert_eq!(actual, (*status, Some(*code)), "{row}: {body}");
            let sentence = body["error"].as_str().unwrap();
            assert!(sentence.contains(because), "{row}: {sentence}");
        }
    }
}

/// A form of parts `(head, content)`.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--xyz\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    body
}

const IMAGE: &str = "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"";
const NOT_CHOSEN: &str = "Content-Disposition: form-data; name=\"image\"; filename=\"\"\r\nContent-Type: \
    application/octet-stream";
const MUST_BE_NAMED: &str = "the part of an image must be named `image`";

#[tokio::test(flavor = "multi_thread")]
async fn forms() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let expected = client::classify(service.address, &image).await.json();
    let picture = &image[..];
    let file =
        |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"a.png\"");
    let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let (top_k, other) = (field("top_k"), |name: &str| form(&[(&file(name), picture)]));
    let rows: Vec<(&str, Vec<u8>, Fate)> = vec![
        ("one file", form(&[(IMAGE, picture)]), One),
        ("named file", other("file"), One),
        ("named data", other("data"), One),
        ("two files", form(&[(IMAGE, picture), (IMAGE, picture)]), Results(2)),
        ("no file name", form(&[(&field("image"), picture)]), One),
        (
            "no disposition but a type",
            form(&[(
                "Content-Disposition: form-data; name=image\r\nContent-Type: image/png",
                picture,
            )]),
            One,
        ),
        ("a second file was not chosen", form(&[(IMAGE, picture), (NOT_CHOSEN, b"")]), One),
        ("the first was not chosen", form(&[(NOT_CHOSEN, b""), (IMAGE, picture)]), One),
        ("none was chosen", form(&[(NOT_CHOSEN, b"")]), Refused(400, "missing_image", "no image")),
        ("an empty file", form(&[(IMAGE, b"")]), Refused(400, "empty_image", "0 bytes")),
        ("one of two is empty", form(&[(IMAGE, picture), (IMAGE, b"")]), Results(2)),
        (
            "another file was not chosen",
            form(&[
                (IMAGE, picture),
                ("Content-Disposition: form-data; name=\"mask\"; filename=\"\"", b""),
            ]),
            One,
        ),
        ("images", other("images"), Refused(400, "invalid_multipart", MUST_BE_NAMED)),
        ("image[]", other("image[]"), Refused(400, "invalid_multipart", MUST_BE_NAMED)),
        ("files", other("files"), Refused(400, "invalid_multipart", MUST_BE_NAMED)),
        ("photo", other("photo"), Refused(400, "invalid_multipart", MUST_BE_NAMED)),
        ("upload", other("upload"), Refused(400, "invalid_multipart", MUST_BE_NAMED)),
        (
            "a parameter's name for a file",
            other("top_k"),
            Refused(400, "invalid_multipart", MUST_BE_NAMED),
        ),
        (
            "another name, with a type only",
            form(&[(
                "Content-Disposition: form-data; name=pic\r\nContent-Type: image/png",
                picture,
            )]),
            Refused(400, "invalid_multipart", "`pic`"),
        ),
        (
            "another name, with neither",
            form(&[(&field("picture"), picture)]),
            Refused(400, "invalid_multipart", MUST_BE_NAMED),
        ),
        (
            "name*",
            form(&[(
                "Content-Disposition: form-data; name*=UTF-8''image; filename=a.png",
                picture,
            )]),
            One,
        ),
        (
            "name in the file name before the name",
            form(&[(
                "Content-Disposition: form-data; filename=\"my name=x.png\"; name=\"image\"",
                picture,
            )]),
            One,
        ),
        (
            "a quote in the file name before the name",
            form(&[(
                "Content-Disposition: form-data; filename=\"a\\\"; name=\\\"b.png\"; name=\"image\"",
                picture,
            )]),
            One,
        ),
        (
            "no name",
            form(&[("Content-Disposition: form-data; filename=\"a.png\"", picture)]),
            Refused(400, "invalid_multipart", "has no name"),
        ),
        (
            "an empty name",
            form(&[("Content-Disposition: form-data; name=\"\"; filename=\"a.png\"", picture)]),
            Refused(400, "invalid_multipart", "has no name"),
        ),
        (
            "no disposition",
            form(&[("Content-Type: image/png", picture)]),
            Refused(400, "invalid_multipart", "has no name"),
        ),
        ("top_k", form(&[(IMAGE, picture), (&top_k, b"5")]), One),
        (
            "top_k as JSON, as Java's clients write a number",
            form(&[
                (IMAGE, picture),
                (&format!("{top_k}\r\nContent-Type: application/json; charset=UTF-8"), b"5"),
            ]),
            One,
        ),
        ("top_k 5.0", form(&[(IMAGE, picture), (&top_k, b"5.0")]), One),
        ("top_k twice, the same", form(&[(&top_k, b"5"), (&top_k, b"5"), (IMAGE, picture)]), One),
        (
            "top_k twice, not the same",
            form(&[(&top_k, b"5"), (&top_k, b"4"), (IMAGE, picture)]),
            Refused(400, "invalid_parameter", "as `5` and as `4`"),
        ),
        ("top_k left empty", form(&[(IMAGE, picture), (&top_k, b"")]), One),
        (
            "a parameter that there is not",
            form(&[(IMAGE, picture), (&field("k"), b"5")]),
            Refused(400, "invalid_parameter", "no parameter `k`: use top_k"),
        ),
        (
            "an address in a field",
            form(&[(&field("image"), b"https://example.org/cat.jpg")]),
            Refused(415, "unsupported_image_format", "addresses are not fetched"),
        ),
    ];
    for (row, body, fate) in rows {
        let content_type = "multipart/form-data; boundary=xyz";
        let answer = client::post(service.address, "/classify", content_type, &body).await;
        assert_fate(row, &answer, &fate, &expected);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boundaries() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let expected = client::classify(service.address, &image).await.json();
    let body = form(&[(IMAGE, &image)]);
    for (boundary, written) in [
        ("xyz", "boundary=\"xyz\""),
        ("===============4273045368061766042==", "boundary================4273045368061766042=="),
        ("----=_Part_1_123.456", "charset=utf-8; boundary=----=_Part_1_123.456"),
        ("a(b,c/d:e?f", " Boundary = a(b,c/d:e?f"),
    ] {
        let text = [b"--", boundary.as_bytes()].concat();
        let mut body = body.clone();
        while let Some(at) = body.windows(5).position(|five| five == b"--xyz") {
            if boundary == "xyz" {
                break;
            }
            body.splice(at..at + 5, text.iter().copied());
        }
        let content_type = format!("multipart/form-data; {written}");
        let answer = client::post(service.address, "/classify", &content_type, &body).await;
        assert_fate(written, &answer, &One, &expected);
    }
    for (content_type, because) in [
        ("multipart/form-data", "has no boundary"),
        ("multipart/form-data; boundary=", "has no boundary"),
        ("multipart/form-data; boundary=abc", "separated by lines of `--` and the boundary"),
    ] {
        let answer = client::post(service.address, "/classify", content_type, &body).await;
        assert_fate(content_type, &answer, &Refused(400, "invalid_multipart", because), &expected);
    }
    service.stop().await;
}

fn lines(text: &str, length: usize, end: &str) -> String {
    let lines = text.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap());
    lines.map(|line| format!("{line}{end}")).collect()
}

/// Base64 of `image` as clients write it.
fn written(image: &[u8]) -> Vec<(&'static str, String)> {
    let text = STANDARD.encode(image);
    vec![
        ("plain", text.clone()),
        ("lines of 76 with LF: Python's encodebytes, base64", lines(&text, 76, "\n")),
        ("lines of 76 with CR LF: Java's MIME encoder", lines(&text, 76, "\r\n")),
        ("lines of 76: Android's Base64.DEFAULT", lines(&text, 76, "\n") + "\n"),
        ("white space around", format!(" \t{text}\r\n")),
        ("without padding", text.trim_end_matches('=').to_owned()),
        ("URL-safe", text.replace('+', "-").replace('/', "_")),
        ("a data URL", format!("data:image/png;base64,{text}")),
        ("a data URL in capitals", format!("DATA:IMAGE/PNG;BASE64,{text}")),
        ("a data URL with lines", format!("data:image/png;base64,{}", lines(&text, 76, "\n"))),
        ("a data URL with white space", format!("\n data:image/png;base64, {text} ")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn base64() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let expected = client::classify(service.address, &image).await.json();
    let json = async |body: Value| post_json(&service, "/classify", &body.to_string()).await;
    for (row, text) in written(&image) {
        assert_fate(row, &json(json!({"image": text})).await, &One, &expected);
        assert_fate(row, &json(json!({"images": [text, text]})).await, &Results(2), &expected);
    }
    let address = "addresses are not fetched";
    for (row, text, because) in [
        ("an address", "https://example.org/cat.jpg", address),
        ("an address in capitals", " HTTPS://EXAMPLE.ORG/CAT.JPG", address),
        ("a bucket", "s3://bucket/cat.jpg", address),
        ("a browser's object", "blob:https://example.org/1", address),
        ("a file's name", "cat.jpg", "there is '.' at position 3"),
        ("a character in a line", "AAAA\nAA?A", "there is '?' at position 7"),
        ("in a data URL", "data:image/png;base64,AA!A", "there is '!' at position 24"),
        ("another data URL", "data:image/png,abc", "data:image/jpeg;base64,"),
        ("cut off", "AAAAA", "incomplete"),
    ] {
        let refused = Refused(400, "invalid_base64", because);
        assert_fate(row, &json(json!({"image": text})).await, &refused, &expected);
    }
}

async fn post_json(service: &TestService, path: &str, body: &str) -> Answer {
    client::post(service.address, path, "application/json", body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn json_members() {
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let expected = client::classify(service.address, &image).await.json();
    let text = STANDARD.encode(&image);
    let members = "`image` (base64) or `images`";
    let invalid = |because| Refused(400, "invalid_json", because);
    let rows = [
        ("a byte order mark", format!("\u{feff}{{\"image\": \"{text}\"}}"), One),
        ("top_k 5.0", format!(r#"{{"image": "{text}", "top_k": 5.0}}"#), One),
        ("top_k twice", format!(r#"{{"image": "{text}", "top_k": 5, "top_k": 5}}"#), One),
        ("nulls", format!(r#"{{"image": "{text}", "images": null, "top_k": null}}"#), One),
        ("escaped slashes", format!(r#"{{"image": "{}"}}"#, text.replace('/', "\\/")), One),
        (
            "top_k 5.5",
            format!(r#"{{"image": "{text}", "top_k": 5.5}}"#),
            Refused(400, "invalid_parameter", "top_k must be a whole number from 1 to 10"),
        ),
        (
            "top_k in quotes",
            format!(r#"{{"image": "{text}", "top_k": "5"}}"#),
            Refused(400, "invalid_parameter", "top_k must be a number"),
        ),
        (
            "top_k twice, not the same",
            format!(r#"{{"top_k": 5, "top_k": 4, "image": "{text}"}}"#),
            Refused(400, "invalid_parameter", "as `5` and as `4`"),
        ),
        ("an array", "[]".into(), invalid(members)),
        ("a string", format!("\"{text}\""), invalid(members)),
        ("a number", "5".into(), invalid(members)),
        ("nothing", String::new(), invalid("ends within")),
        (
            "TensorFlow Serving's",
            r#"{"instances": [{"b64": "AA"}]}"#.into(),
            invalid("`image`, `images`"),
        ),
        (
            "an object for an image",
            r#"{"image": {"b64": "AA"}}"#.into(),
            invalid("an image in base64"),
        ),
        ("an array for an image", r#"{"image": ["AA"]}"#.into(), invalid("an image in base64")),
        ("bytes for an image", r#"{"image": [255, 216]}"#.into(), invalid("an image in base64")),
        ("a string for images", r#"{"images": "AA"}"#.into(), invalid("an array of images")),
        (
            "objects in images",
            r#"{"images": [{"b64": "AA"}]}"#.into(),
            invalid("an image in base64"),
        ),
        ("images twice", r#"{"images": ["AA"], "images": ["AA"]}"#.into(), invalid("duplicate")),
    ];
    for (row, body, fate) in rows {
        let answer = post_json(&service, "/classify", &body).await;
        assert_fate(row, &answer, &fate, &expected);
    }
    let twice = format!(r#"{{"image": "{text}", "top_k": 5}}"#);
    let answer = post_json(&service, "/classify?top_k=5&crops=1", &twice).await;
    assert_fate("top_k in the query too", &answer, &One, &expected);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_inference() {
    const INFER: &str = "/v2/models/googlenet/infer";
    let service = TestService::start(&[]).await;
    let image = images::png(1);
    let request = |data: Value| {
        json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": data}]})
            .to_string()
    };
    let text = STANDARD.encode(&image);
    let expected = post_json(&service, INFER, &request(json!([text]))).await.json();
    assert_eq!(expected["outputs"][0]["shape"], json!([1, 10]), "{expected}");
    for (row, text) in written(&image) {
        let answer = post_json(&service, INFER, &request(json!([text]))).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{row}");
    }
    for (row, body) in [
        ("a byte order mark", format!("\u{feff}{}", request(json!([text])))),
        ("1.0 in the shape", request(json!([text])).replace("[1]", "[1.0]")),
    ] {
        let answer = post_json(&service, INFER, &body).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{row}");
    }
    for (row, data, because) in [
        (
            "an address",
            json!(["https://example.org/a.jpg"]),
            "element 0 is an address, and addresses are not",
        ),
        ("a character", json!(["AAAA\nAA?A"]), "there is '?' at position 7"),
    ] {
        let answer = post_json(&service, INFER, &request(data)).await;
        let refused = Refused(400, "invalid_input", because);
        assert_fate(row, &answer, &refused, &expected);
    }
    for (row, from, to) in [
        ("an array for the request", "{\"inputs\"", "[{\"inputs\""),
        ("an array for parameters", "{\"inputs\"", "{\"parameters\": [false], \"inputs\""),
        (
            "arrays for outputs",
            "{\"inputs\"",
            "{\"outputs\": [[\"prob_1\", [true, null, null]]], \"inputs\"",
        ),
    ] {
        let body = request(json!([text])).replacen(from, to, 1);
        let answer = post_json(&service, INFER, &body).await;
        assert_fate(
            row,
            &answer,
            &Refused(400, "invalid_input", "array, expected an object"),
            &expected,
        );
    }
    service.stop().await;
}

/// Whatever stands in place of whatever: the message is about JSON, not about the program's types.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_names_a_type_of_the_program() {
    let service = TestService::start(&[]).await;
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!("text"),
        json!([]),
        json!([[], {}, 1]),
        json!({}),
        json!({"a": 1}),
    ];
    let classify = json!({"image": "AAAA", "top_k": 1, "min_probability": 0, "crops": 1,
        "groups": true, "sure": true, "sure_at": 0.9, "within": "dog", "explain": "cam"});
    let explain = json!({"image": "AAAA", "class": 1, "against": "dog", "method": "cam", "squares": 3,
        "channels": 10, "size": 448});
    let several = json!({"images": ["AAAA"]});
    let infer = json!({
        "id": "1", "parameters": {"binary_data_output": false},
        "inputs": [{"name": "data_0", "datatype": "FP32", "shape": [1, 3, 32, 32],
            "parameters": {"binary_data_size": 4, "shared_memory_region": "x"}, "data": [1.0]}],
        "outputs": [{"name": "prob_1", "parameters":
            {"binary_data": false, "classification": 2, "shared_memory_region": "x"}}],
    });
    for (path, body) in [
        ("/classify", classify),
        ("/classify", several),
        ("/explain", explain),
        ("/v2/models/googlenet/infer", infer),
    ] {
        for pointer in pointers(&body, String::new()) {
            for value in &values {
                let mut body = body.clone();
                *body.pointer_mut(&pointer).unwrap() = value.clone();
                let answer = post_json(&service, path, &body.to_string()).await;
                assert_speaks_of_json(&answer, &format!("{path} {pointer} {value}"));
            }
        }
    }
    for path in
        ["/classify?top_k=x&crops", "/model/layers/%ff", "/v2/models/%ff/infer", "/v2/models/%ff"]
    {
        for answer in
            [post_json(&service, path, "{").await, client::get(service.address, path).await]
        {
            assert_speaks_of_json(&answer, path);
        }
    }
    service.stop().await;
}

/// Paths to all values of `json`.
fn pointers(json: &Value, path: String) -> Vec<String> {
    let mut inner: Vec<String> = match json {
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| pointers(value, format!("{path}/{key}"))).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| pointers(value, format!("{path}/{index}")))
            .collect(),
        _ => Vec::new(),
    };
    inner.push(path);
    inner
}

fn assert_speaks_of_json(answer: &Answer, row: &str) {
    const OF_THE_PROGRAM: [&str; 22] = [
        "struct",
        "enum",
        "tuple",
        "newtype",
        "variant identifier",
        "usize",
        "u8",
        "u16",
        "u32",
        "u64",
        "i32",
        "i64",
        "f32",
        "f64",
        "Vec",
        "Option",
        "String",
        "borrowed",
        "::",
        "Request",
        "Upload",
        "Member",
    ];
    if answer.status == 200 {
        return;
    }
    let body = answer.json();
    let sentence = body["error"].as_str().unwrap_or_else(|| panic!("{row}: {body}"));
    assert!((400..500).contains(&answer.status), "{row}: {body}");
    for name in OF_THE_PROGRAM {
        assert!(!sentence.contains(name), "{row}: {sentence}");
    }
}
