//! A second SIGINT or SIGTERM ends the service at once, whatever it is doing.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::process::{LogLines, Process};
use crate::harness::small_model;

/// Much longer than the end may take.
const DRAIN: [&str; 2] = ["--drain-delay-ms=60000", "--drain-timeout-ms=60000"];

fn send(signal: &str, service: &Process) {
    let status = Command::new("kill").args([signal, &service.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Sends a signal, and another when the log says what it will do. Soon after the first it would be taken for the same,
/// sent on by a launcher: it is sent until it is heard.
fn stop_twice(mut service: Process, mut log: LogLines, signals: [&str; 2], status: i32) {
    send(signals[0], &service);
    let told =
        log.find(|line| line.contains("a second SIGINT or SIGTERM ends the service at once"));
    assert!(told.is_some(), "the first signal is in the log");
    let end = Instant::now() + Duration::from_secs(30);
    let ended = loop {
        assert!(Instant::now() < end, "it ends long before the drain does");
        send(signals[1], &service);
        if let Some(ended) = service.wait(Duration::from_millis(300)) {
            break ended;
        }
    };
    assert_eq!(ended.code(), Some(status), "{signals:?}");
    let log: Vec<_> = log.collect();
    assert!(log.iter().any(|line| line.contains("a second signal: ending at once")), "{log:?}");
}

#[test]
fn while_it_drains() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_model(folder.path());
    for (signals, status) in [
        (["-TERM", "-TERM"], 143),
        (["-INT", "-INT"], 130),
        (["-INT", "-TERM"], 143),
        (["-TERM", "-INT"], 130),
    ] {
        let (service, log) = Process::start_with_log(&model, &DRAIN);
        stop_twice(service, log, signals, status);
    }
}

/// The load is neither waited for nor does it keep the signals from being heard.
#[test]
fn while_the_model_is_loading() {
    for delay_ms in [0, 50, 200] {
        let (service, log) = Process::start_loading("untrained".as_ref(), &DRAIN);
        std::thread::sleep(Duration::from_millis(delay_ms));
        stop_twice(service, log, ["-TERM", "-INT"], 130);
    }
}

/// As GNU `timeout` sends it, and launchers that pass a Ctrl-C on.
#[test]
fn one_signal_that_comes_twice_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let drain = ["--drain-delay-ms=600", "--drain-timeout-ms=1000"];
    let (mut service, log) = Process::start_with_log(&small_model(folder.path()), &drain);
    // It finds both when it goes on.
    for signal in ["-STOP", "-INT", "-TERM", "-CONT"] {
        send(signal, &service);
    }
    let ended = service.wait(Duration::from_secs(30)).expect("it ends");
    assert_eq!(ended.code(), Some(0), "{:?}", log.collect::<Vec<_>>());
}

#[test]
fn one_signal_while_the_model_is_loading_ends_it_in_order() {
    let ends_before_it_is_ready = || {
        let flags = ["--drain-delay-ms=0"];
        let (mut service, log) = Process::start_loading("untrained".as_ref(), &flags);
        send("-TERM", &service);
        let log: Vec<_> = log.collect();
        let status = service.wait(Duration::from_secs(30)).expect("it ends");
        assert_eq!(status.code(), Some(0));
        !log.iter().any(|line| line.contains("\"ready\""))
    };
    // On a busy machine the signal may come when the model is there: not ten times in a row.
    assert!((0..10).any(|_| ends_before_it_is_ready()), "the load is waited for");
}
