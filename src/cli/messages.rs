//! Messages of commands on standard error. Writing one never panics and never blocks for long.

use std::convert::Infallible;
use std::io::{Write, stderr};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How long a message may take: a reader that does not read must not hold the end of the process.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes `text` and a line's end. When that fails there is nobody to tell.
pub(super) fn say(text: &str) {
    let line = format!("{text}\n");
    let (writing, written) = channel::<Infallible>();
    let thread = thread::Builder::new().name("message".into()).spawn(move || {
        let _writing = writing;
        let _ = stderr().write_all(line.as_bytes());
    });
    if thread.is_ok() {
        // Disconnected when the line is written; a thread that is stuck ends with the process.
        let _ = written.recv_timeout(PATIENCE);
    }
}
