//! Files made to cost more than they should: each alone is refused or answered at about the cost of an
//! honest picture, nothing ends, and the memory stays within bounds.

use std::fs;
use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::{client, images, small_model};
use crate::hostile::File;

/// A file may cost so many times the processor time of an honest picture of as many pixels as are allowed.
const DEAREST: u64 = 4;
const MOST_GROWTH_KIB: u64 = 200 * 1024;

/// What is wrong with how the service takes a file; its figures go to the test's output.
async fn failures_of(service: &Process, honest: Honest, file: &File) -> Vec<String> {
    service.forget_peak_memory();
    let before_kib = service.peak_memory_kib();
    let request =
        client::request("POST", "/classify", &[("Content-Type", file.content_type)], &file.bytes);
    let begun = service.processor_ticks();
    let answer = client::try_send(service.address, &request).await;
    let (ticks, peak_kib) = (service.processor_ticks() - begun, service.peak_memory_kib());
    let growth_kib = peak_kib.saturating_sub(honest.ready_kib);
    let (status, body) = match &answer {
        Ok(answer) => (answer.status, String::from_utf8_lossy(&answer.body).into_owned()),
        Err(error) => (0, error.to_string()),
    };
    let body: String = body.chars().take(160).collect();
    println!(
        "{:<48} {:>9} bytes  {status}  {:>4} of {} ticks  {:>4} MiB  {body}",
        file.name,
        file.bytes.len(),
        ticks,
        honest.ticks,
        growth_kib / 1024,
    );
    let mut failures = Vec::new();
    if !(status == 200 || (400..500).contains(&status) && status != 429) {
        failures.push(format!("{status} {body}"));
    }
    if ticks > DEAREST * honest.ticks {
        failures.push(format!("it took {ticks} ticks, an honest picture {}", honest.ticks));
    }
    // What is kept from the file before is that one's.
    if growth_kib > MOST_GROWTH_KIB && peak_kib > before_kib + 1024 {
        failures.push(format!("memory grew by {} MiB", growth_kib / 1024));
    }
    if client::classify(service.address, &images::png(1)).await.status != 200 {
        failures.push("no good answer afterwards".to_owned());
    }
    failures
}

/// What an honest picture takes on this machine.
#[derive(Clone, Copy)]
struct Honest {
    /// Memory before any picture.
    ready_kib: u64,
    /// Of one as large as is allowed, in a form that takes long to read.
    ticks: u64,
}

impl Honest {
    async fn measure(service: &Process) -> Self {
        let ready_kib = service.peak_memory_kib();
        let begun = service.processor_ticks();
        let answer = client::classify(service.address, &crate::hostile::png::rgba16()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { ready_kib, ticks: service.processor_ticks() - begun }
    }
}

async fn assert_survived(files: impl Iterator<Item = File>) {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Process::start(&small_model(folder.path()), &[]);
    let honest = Honest::measure(&service).await;
    let mut failures = Vec::new();
    let mut total = 0;
    for file in files {
        total += 1;
        for failure in failures_of(&service, honest, &file).await {
            failures.push(format!("{}: {failure}", file.name));
        }
        assert!(service.wait(Duration::ZERO).is_none(), "{}: the service ended", file.name);
    }
    assert!(failures.is_empty(), "{} of {total}\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn files_that_passed_the_limits() {
    let Some(shared) = crate::shared::folder() else { return };
    let mut paths: Vec<_> = fs::read_dir(shared.join("cases/hostile"))
        .expect("the folder of hostile files")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "md"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let files = paths.iter().map(|path| {
        File::new(path.file_name().unwrap().to_string_lossy(), fs::read(path).unwrap())
    });
    assert_survived(files).await;
}

#[tokio::test]
async fn tiff_with_a_jpeg_inside() {
    assert_survived(crate::hostile::tiff::jpeg_inside()).await;
}

#[tokio::test]
async fn tiff_with_endless_values() {
    assert_survived(crate::hostile::tiff::endless_values()).await;
}

#[tokio::test]
async fn webp_of_many_pixels() {
    assert_survived(crate::hostile::webp::files()).await;
}

#[tokio::test]
async fn gif_and_bmp_of_many_pixels() {
    assert_survived(crate::hostile::gif::files().chain(crate::hostile::bmp::files())).await;
}

#[tokio::test]
async fn png_of_many_pixels_and_chunks() {
    assert_survived(crate::hostile::png::files()).await;
}

#[tokio::test]
async fn jpeg_of_many_pixels_and_scans() {
    assert_survived(crate::hostile::jpeg::files()).await;
}

#[tokio::test]
async fn bodies_of_many_parts() {
    assert_survived(crate::hostile::bodies::files()).await;
}
