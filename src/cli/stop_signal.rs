//! The signals that end the service.

use std::fmt;
use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that come within this time are one.
const TOGETHER: Duration = Duration::from_millis(200);

/// A signal that asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl StopSignal {
    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        }
    }

    /// What a shell shows of a program that the signal ended: 128 and the signal's number.
    pub(super) fn exit_status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Hears the signals, which no longer end the process by themselves.
pub(super) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Hears those from now on.
    pub(super) fn hear() -> io::Result<Self> {
        let hear = |stop: StopSignal| signal(stop.kind());
        Ok(Self {
            interrupt: hear(StopSignal::Interrupt)?,
            terminate: hear(StopSignal::Terminate)?,
        })
    }

    /// Waits for one that was not sent together with the last: launchers pass a Ctrl-C on that the terminal
    /// has sent to the process already, and `timeout` signals the process and then its group.
    pub(super) async fn another(&mut self) -> StopSignal {
        tokio::time::sleep(TOGETHER).await;
        while self.next().now_or_never().is_some() {}
        self.next().await
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_128_and_the_number() {
        for stop in [StopSignal::Interrupt, StopSignal::Terminate] {
            assert_eq!(i32::from(stop.exit_status()), 128 + stop.kind().as_raw_value());
        }
    }
}
