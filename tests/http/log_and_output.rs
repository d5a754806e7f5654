//! Standard error and standard output that do not take what is written: the service serves on, and
//! commands end as other programs do.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::process::Process;
use crate::harness::{client, images, small_model};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOST: &str = "googlenet_log_lines_lost_total";
const FLAGS: [&str; 2] = ["--drain-delay-ms=0", "--drain-timeout-ms=3000"];

/// So many requests on one connection, each a line of the log.
async fn burst(address: SocketAddr, requests: usize) {
    // Probes that succeed have no line.
    let one = "GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut text = one.repeat(requests - 1).into_bytes();
    text.extend(client::head("GET", "/nothing", &[]));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answers = String::new();
    let (sent, received) = tokio::join!(write.write_all(&text), read.read_to_string(&mut answers));
    sent.unwrap();
    received.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404").count(), requests);
}

/// It answers, counts what it lost, and ends as if nothing were.
async fn assert_serves_on(mut service: Process) {
    let address = service.address;
    let deadline = Instant::now() + Duration::from_secs(30);
    while client::metric(address, LOST).await == 0.0 {
        burst(address, 1000).await;
        assert!(Instant::now() < deadline, "no line is lost");
    }
    assert_eq!(client::classify(address, &images::png(1)).await.status, 200);
    service.terminate();
    let status = service.wait(Duration::from_secs(30)).expect("it ends");
    assert_eq!(status.code(), Some(0), "{status}");
}

async fn until_ready(service: &Process) {
    let request = client::head("GET", "/readyz", &[]);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match client::try_send(service.address, &request).await {
            Ok(answer) if answer.status == 200 => return,
            _ => assert!(Instant::now() < deadline, "it does not become ready"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_of_the_log_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (service, log) = Process::start_with_log(&small_model(folder.path()), &FLAGS);
    assert_serves_on(service).await;
    drop(log);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_of_the_log_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (service, log) = Process::start_with_log(&small_model(folder.path()), &FLAGS);
    drop(log);
    assert_serves_on(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_log_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    let service = Process::start_logging_to(&model, &FLAGS, full_disk());
    until_ready(&service).await;
    assert_serves_on(service).await;
}

fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads from.
fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Commands that print, without a network to download.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let model = format!("--model={}", small_model(folder).display());
    let photos: Vec<String> = (1..3)
        .map(|number| {
            let path: PathBuf = folder.join(format!("{number}.png"));
            std::fs::write(&path, images::png(number)).unwrap();
            path.display().to_string()
        })
        .collect();
    let (one, other) = (photos[0].as_str(), photos[1].as_str());
    let made = folder.join("made.onnx").display().to_string();
    let owned = |arguments: &[&str]| arguments.iter().map(|&text| text.to_owned()).collect();
    vec![
        owned(&["--help"]),
        owned(&["--version"]),
        owned(&["help", "serve"]),
        owned(&["classify", one, other, &model]),
        owned(&["classify", "--json", one, other, &model]),
        owned(&["summary", &model]),
        owned(&["summary", "--json", &model]),
        owned(&["init", "--side=32", "--classes=10", "--output", &made]),
        owned(&["bench", "--images=1", "--only=input", one, &model]),
    ]
}

/// The exit status, and what it says but for warnings about the small model.
fn run(arguments: &[String], output: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
    command.args(arguments).stdout(output).stderr(Stdio::piped());
    let Output { status, stderr, .. } = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(" WARN ")).collect();
    (status.code(), lines.join("\n"))
}

#[test]
fn commands_end_quietly_without_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in commands(folder.path()) {
        let ended = run(&arguments, without_reader());
        assert_eq!(ended, (Some(141), String::new()), "{arguments:?}");
    }
}

#[test]
fn commands_fail_on_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in commands(folder.path()) {
        let (status, said) = run(&arguments, full_disk());
        assert_eq!(status, Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: cannot write to standard output: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn commands_bear_a_standard_error_that_takes_nothing() {
    for stderr in [full_disk(), without_reader()] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.args(["summary", "--model=/there/is/no.onnx"]).stderr(stderr);
        assert_eq!(command.status().unwrap().code(), Some(1));
    }
    let status = Command::new(env!("CARGO_BIN_EXE_googlenet"))
        .args(["serve", "--workers=many"])
        .stderr(without_reader())
        .status();
    assert_eq!(status.unwrap().code(), Some(2));
}

/// What every command writes when nothing is a terminal, be it the result, a message or the log.
#[test]
fn nothing_but_a_terminal_gets_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = commands(folder.path());
    let names = [
        "serve",
        "classify",
        "summary",
        "calibrate",
        "bench",
        "fetch",
        "inspect",
        "init",
        "health",
    ];
    for name in names {
        for flag in ["--help", "--there-is-no-such-flag"] {
            all.push(vec![name.to_owned(), flag.to_owned()]);
        }
    }
    let photos = folder.path().display().to_string();
    let owned = |arguments: &[&str]| arguments.iter().map(|&text| text.to_owned()).collect();
    let (model, table) = (format!("--model={photos}/small.onnx"), format!("{photos}/table.toml"));
    // It leaves files out, with warnings and beside a progress bar.
    all.push(owned(&["calibrate", &photos, "--output", &table, &model]));
    all.push(owned(&["classify", "/there/is/no.png", &model]));
    all.push(owned(&["summary", "--model=/there/is/no.onnx"]));
    all.push(owned(&["health", "--listen=127.0.0.1:1"]));
    all.push(owned(&["serve", "--workers=many"]));
    all.push(owned(&["serve", "--listen=192.0.2.1:80", "--model=untrained"]));
    for arguments in all {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.args(&arguments).env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
        let Output { stdout, stderr, .. } = command.output().unwrap();
        for written in [&stdout, &stderr] {
            let text = String::from_utf8_lossy(written);
            assert!(!written.contains(&0x1b), "{arguments:?}: {text:?}");
        }
        assert!(!stdout.is_empty() || !stderr.is_empty(), "{arguments:?}");
    }
}

/// `cargo run` alone is the whole service.
#[tokio::test]
async fn without_a_command_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    let (process, _log) = Process::start_alone(&[("GOOGLENET_MODEL", model.to_str().unwrap())]);
    let answer = client::get(process.address, "/docs/").await;
    assert_eq!(answer.status, 200);
}
