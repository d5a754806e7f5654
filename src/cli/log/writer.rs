//! Writes the log on a thread of its own, so that a thread that logs never waits for the reader of standard error and
//! never fails because of it. Lines that cannot be written are counted and dropped.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel,
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the thread; a line has some hundred bytes.
const WAITING_LINES: usize = 4096;
/// How long the end of the log may take: a reader that does not read must not hold the process.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Between two looks for a place in the queue, at the end.
const PAUSE: Duration = Duration::from_millis(5);

enum Message {
    Line(Vec<u8>),
    End,
}

/// The thread that writes, and its owner: dropping it writes what waits, for at most a second, and
/// leaves the thread behind if it is stuck in a write even then.
pub(in crate::cli) struct Writer {
    lines: Lines,
    /// Disconnected when the thread has ended; nothing is ever sent.
    ended: Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which writes to `output`.
    pub(super) fn start(output: impl Write + Send + 'static, lost: IntCounter) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_LINES);
        let (ending, ended) = channel::<Infallible>();
        let lines = Lines { queue, lost: lost.clone() };
        let thread = thread::Builder::new().name("log".into()).spawn(move || {
            let _ending = ending;
            write(&waiting, output, &lost);
        })?;
        Ok(Self { lines, ended, thread: Some(thread) })
    }

    /// Where the lines go.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// False when there was no place for it until `deadline`.
    fn send_end(&self, deadline: Instant) -> bool {
        while let Err(TrySendError::Full(_)) = self.lines.queue.try_send(Message::End) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_LINES;
        if !self.send_end(deadline) {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Disconnected) = self.ended.recv_timeout(left)
            && let Some(thread) = self.thread.take()
        {
            // It has ended, and what it does cannot panic.
            let _ = thread.join();
        }
    }
}

fn write(waiting: &Receiver<Message>, mut output: impl Write, lost: &IntCounter) {
    while let Ok(Message::Line(line)) = waiting.recv() {
        if output.write_all(&line).is_err() {
            lost.inc();
        }
    }
}

/// Takes a line in each write, as the subscriber formats it.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: IntCounter,
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Failing;

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn counter() -> IntCounter {
        IntCounter::new("lost", "lines").unwrap()
    }

    fn log(writer: &Writer, lines: usize) {
        for _ in 0..lines {
            (&writer.lines).write_all(b"line\n").unwrap();
        }
    }

    #[test]
    fn the_end_writes_what_waits() {
        let (output, lost) = (Shared::default(), counter());
        let writer = Writer::start(output.clone(), lost.clone()).unwrap();
        log(&writer, 1000);
        drop(writer);
        assert_eq!(output.0.lock().unwrap().len(), 5000);
        assert_eq!(lost.get(), 0);
    }

    #[test]
    fn failed_writes_are_counted() {
        let lost = counter();
        let writer = Writer::start(Failing, lost.clone()).unwrap();
        log(&writer, 10);
        drop(writer);
        assert_eq!(lost.get(), 10);
    }

    #[test]
    fn a_stuck_write_holds_neither_who_logs_nor_the_end() {
        let lost = counter();
        let writer = Writer::start(Stuck, lost.clone()).unwrap();
        // Either would wait for ever.
        log(&writer, WAITING_LINES + 100);
        assert!((99..=100).contains(&lost.get()), "{}", lost.get());
        drop(writer);
    }
}
