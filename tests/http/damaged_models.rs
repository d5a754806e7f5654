//! Files that were damaged on their way: none ends the program by a signal, takes its time or its memory, or is called
//! fit to serve unless its answers pass the self-check.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::small_model;

const FILES: u64 = 200;
const LONGEST: Duration = Duration::from_secs(30);
const MOST_KIB: u64 = 1_500_000;

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// A damage of one of several kinds.
fn damage(bytes: &mut Vec<u8>, number: u64) -> &'static str {
    let mut numbers = Numbers(number);
    let length = bytes.len();
    match number % 6 {
        0 => {
            let at = numbers.next(length);
            bytes[at] ^= 1 << numbers.next(8);
            "one bit"
        }
        1 => {
            for _ in 0..64 {
                let at = numbers.next(length);
                bytes[at] ^= 1 << numbers.next(8);
            }
            "64 bits"
        }
        2 => {
            // The graph without its weights is in front of most of them, with the names and the shapes.
            let at = numbers.next(length.min(20_000));
            bytes[at] = numbers.next(256) as u8;
            "a byte in front"
        }
        3 => {
            bytes.truncate(numbers.next(length));
            "cut"
        }
        4 => {
            let (from, count) = (numbers.next(length), 1 + numbers.next(4096));
            bytes[from..].iter_mut().take(count).for_each(|byte| *byte = 0);
            "a block of zeros"
        }
        _ => {
            let (from, count) = (numbers.next(length), 1 + numbers.next(4096));
            let block: Vec<u8> = bytes[from..].iter().take(count).copied().collect();
            let at = numbers.next(length);
            bytes.splice(at..at, block);
            "a block twice"
        }
    }
}

/// What became of `googlenet inspect`: its exit status, and the most memory that it was seen to have.
fn inspect(model: &Path) -> (Option<i32>, Duration, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
    command.arg("inspect").arg(model).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (started, mut most) = (Instant::now(), 0);
    let status = format!("/proc/{}/status", child.id());
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.code(), started.elapsed(), most);
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        most = most.max(peak.map_or(0, |kib| kib.trim().parse().unwrap()));
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, started.elapsed(), most);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn models(folder: &Path) -> Vec<PathBuf> {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/engine/tests/fixtures/models");
    vec![
        small_model(folder),
        fixtures.join("dynamo_logits.onnx"),
        fixtures.join("tensorflow_pads.onnx"),
    ]
}

#[test]
fn damaged_files_are_served_only_if_they_work() {
    let folder = tempfile::tempdir().unwrap();
    let models: Vec<Vec<u8>> =
        models(folder.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    let (folder, models) = (folder.path(), &models);
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for number in (0..FILES).filter(|number| number % 2 == half) {
                    let mut bytes = models[number as usize % models.len()].clone();
                    let kind = damage(&mut bytes, number);
                    let path = folder.join(format!("damaged_{number}.onnx"));
                    std::fs::write(&path, &bytes).unwrap();
                    let (code, took, kib) = inspect(&path);
                    std::fs::remove_file(&path).unwrap();
                    let row = format!("file {number}, {kind}: {code:?} after {took:?}, {kib} KiB");
                    assert!(matches!(code, Some(0 | 1)), "{row}");
                    assert!(took < LONGEST && kib < MOST_KIB, "{row}");
                }
            });
        }
    });
}
