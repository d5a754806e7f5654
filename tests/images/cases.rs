//! Files that went wrong once: each is answered as its line in `cases.tsv` says, and decodes to the pixels
//! beside it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::harness::client::{self, Answer};
use crate::harness::process::Process;
use bytes::Bytes;
use googlenet::decode::{DecodeLimits, decode, read_header};

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 32_000_000, max_side_pixels: 65_535 };
const FULL_SCALE: usize = usize::MAX;
/// Of 255.
const MEAN_DIFFERENCE: f64 = 2.0;

/// A line of the table.
struct Case<'a> {
    file: &'a str,
    status: u16,
    code: Option<&'a str>,
    /// Names of the format, one of which the message has.
    names: Option<Vec<String>>,
    best_class: Option<u64>,
    pixels: Option<&'a str>,
    content_type: &'a str,
}

impl<'a> Case<'a> {
    /// `file`, `expected` (`<status>[ <code>][, <more>]`), `best_class`, `pixels`, `what it is`.
    fn parse(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [file, expected, best_class, pixels, what] = columns[..] else {
            panic!("not five columns: {line:?}")
        };
        let (answer, more) = expected.split_once(',').unwrap_or((expected, ""));
        let mut answer = answer.split_whitespace();
        let status = answer.next().and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line:?}"));
        let is_named = more.contains("name") || what.contains("named");
        let sent_as = what.split_whitespace().find(|word| word.starts_with("image/"));
        let optional = |text: &'a str| (!text.is_empty()).then_some(text);
        Self {
            file,
            status,
            code: answer.next(),
            names: is_named.then(|| names(file, what)),
            best_class: optional(best_class)
                .filter(|_| status == 200)
                .map(|class| class.parse().unwrap_or_else(|_| panic!("no class: {line:?}"))),
            pixels: optional(pixels),
            content_type: sent_as.unwrap_or("application/octet-stream"),
        }
    }
}

/// What the format may be called: the first words of its description, its ending, or the name in full.
fn names(file: &str, what: &str) -> Vec<String> {
    let ending = file.rsplit('.').next().unwrap_or_default();
    let first = what.split([' ', ',']).next().unwrap_or_default();
    let full = match ending {
        "jxl" => "JPEG XL",
        "jp2" | "j2k" | "jpx" | "j2c" => "JPEG 2000",
        "jls" => "JPEG-LS",
        "jxr" | "wdp" | "hdp" => "JPEG XR",
        "psd" => "Photoshop",
        "ico" | "cur" => "icon",
        "txt" => "text",
        _ => ending,
    };
    [first, ending, full].iter().filter(|n| !n.is_empty()).map(|n| n.to_lowercase()).collect()
}

fn wrong_answer(case: &Case<'_>, answer: &Answer) -> Option<String> {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status != case.status {
        return Some(format!("{} in place of {}: {body}", answer.status, case.status));
    }
    if let Some(code) = case.code
        && answer.code() != code
    {
        return Some(format!("no {code}: {body}"));
    }
    let message = answer.json()["error"].as_str().unwrap_or_default().to_lowercase();
    if let Some(names) = &case.names
        && !names.iter().any(|name| message.contains(name))
    {
        return Some(format!("none of {names:?} is in the message: {body}"));
    }
    if let Some(class) = case.best_class
        && answer.best().0 != class
    {
        return Some(format!("not class {class}: {body}"));
    }
    None
}

fn wrong_pixels(bytes: &[u8], reference: &Path) -> Result<(), String> {
    let expected = image::open(reference).map_err(|error| error.to_string())?.to_rgb8();
    let file = Bytes::copy_from_slice(bytes);
    let file = read_header(&file, &LIMITS).map_err(|error| error.to_string())?;
    let decoded = decode(&file, FULL_SCALE).map_err(|error| error.to_string())?.pixels;
    let (size, right_size) = (decoded.dimensions(), expected.dimensions());
    if size != right_size {
        return Err(format!("{size:?} pixels in place of {right_size:?}"));
    }
    let (ours, theirs) = (decoded.as_raw(), expected.as_raw());
    let sum: u64 = ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let difference = sum as f64 / theirs.len() as f64;
    println!("{}: differs by {difference:.3}", reference.display());
    if difference > MEAN_DIFFERENCE {
        return Err(format!("differs by {difference:.2} of 255"));
    }
    Ok(())
}

async fn failures_of(folder: &Path, address: SocketAddr, case: &Case<'_>) -> Vec<String> {
    let bytes = match fs::read(folder.join(case.file)) {
        Ok(bytes) => bytes,
        Err(error) => return vec![error.to_string()],
    };
    let answer = client::post(address, "/classify", case.content_type, &bytes).await;
    let wrong_pixels =
        case.pixels.and_then(|pixels| wrong_pixels(&bytes, &folder.join(pixels)).err());
    wrong_answer(case, &answer).into_iter().chain(wrong_pixels).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_answered_as_its_line_says() {
    let Some(shared) = crate::shared::folder() else { return };
    let folder = shared.join("cases");
    let table = fs::read_to_string(folder.join("cases.tsv")).expect("the table of cases");
    let lines = table.lines().skip(1).filter(|line| !line.trim().is_empty());
    let cases: Vec<Case<'_>> = lines.map(Case::parse).collect();
    assert!(!cases.is_empty(), "{table}");
    let service = Process::start(&shared.join("models/googlenet.onnx"), &[]);
    let mut failures = Vec::new();
    for case in &cases {
        for failure in failures_of(&folder, service.address, case).await {
            failures.push(format!("{}: {failure}", case.file));
        }
    }
    let total = cases.len();
    assert!(failures.is_empty(), "{} of {total}\n{}", failures.len(), failures.join("\n"));
}
