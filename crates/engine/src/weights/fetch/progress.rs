//! Tells the user how far a download is.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// Is told how a download goes, on the thread that downloads.
pub trait Progress {
    /// It begins, or resumes, with `received` of `total` bytes there already.
    fn begin(&mut self, url: &str, received: u64, total: u64);
    /// So many bytes are there now; fewer than before when it starts anew.
    fn received(&mut self, received: u64, total: u64);
    /// Something the user should know, such as a break.
    fn note(&mut self, text: &str);
    /// The file is whole and in its place.
    fn end(&mut self);
}

/// A bar when standard error is a terminal, log lines elsewhere.
pub fn progress_for_stderr() -> Box<dyn Progress> {
    if io::stderr().is_terminal() { Box::<Bar>::default() } else { Box::<LogLines>::default() }
}

/// A progress bar on standard error.
#[derive(Debug, Default)]
pub struct Bar {
    bar: Option<ProgressBar>,
}

impl Progress for Bar {
    fn begin(&mut self, url: &str, received: u64, total: u64) {
        let style = ProgressStyle::with_template(
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_position(received);
        bar.reset_eta();
        bar.println(format!("Downloading {url}"));
        self.bar = Some(bar);
    }

    fn received(&mut self, received: u64, _total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(received);
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => tracing::warn!("{text}"),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }
}

/// One line in the log for every tenth.
#[derive(Debug, Default)]
pub struct LogLines {
    /// Tenths that have been told.
    tenths: u64,
}

impl LogLines {
    /// The percentage to tell, if a tenth has been passed that was not told yet.
    fn passed(&mut self, received: u64, total: u64) -> Option<u64> {
        let tenths = received.saturating_mul(10) / total.max(1);
        (tenths > self.tenths).then(|| {
            self.tenths = tenths;
            tenths * 10
        })
    }
}

impl Progress for LogLines {
    fn begin(&mut self, url: &str, received: u64, total: u64) {
        *self = Self::default();
        // What is there already is told here and not again as a step.
        self.passed(received, total);
        if received > 0 {
            tracing::info!(url, bytes = total, received, "resuming the download");
        } else {
            tracing::info!(url, bytes = total, "downloading");
        }
    }

    fn received(&mut self, received: u64, total: u64) {
        if let Some(percent) = self.passed(received, total) {
            tracing::info!(bytes = received, "downloaded {percent} %");
        }
    }

    fn note(&mut self, text: &str) {
        tracing::warn!("{text}");
    }

    fn end(&mut self) {
        tracing::info!("the download is complete and its checksum is right");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn every_tenth_is_told_once() {
        let mut lines = LogLines::default();
        let told: Vec<_> = (0..=1000).filter_map(|received| lines.passed(received, 1000)).collect();
        assert_eq!(told, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    }

    proptest! {
        #[test]
        fn told_percentages_only_grow(steps in prop::collection::vec(0_u64..2000, 0..50), total in 0_u64..1000) {
            let mut lines = LogLines::default();
            let told: Vec<_> = steps.iter().filter_map(|&step| lines.passed(step, total)).collect();
            prop_assert!(told.is_sorted_by(|a, b| a < b), "{:?}", told);
        }
    }
}
