//! Counts collected while a request is served, for its line in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts of one request; a clone counts on.
#[derive(Clone, Debug, Default)]
pub struct RequestTally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    body_bytes: AtomicU64,
    images: AtomicUsize,
}

impl RequestTally {
    /// More of the body has arrived: so many bytes, as they were sent.
    pub fn add_body_bytes(&self, bytes: usize) {
        self.0.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The request turned out to have so many images.
    pub fn set_images(&self, images: usize) {
        self.0.images.store(images, Ordering::Relaxed);
    }

    /// Bytes of the body that have arrived.
    pub fn body_bytes(&self) -> u64 {
        self.0.body_bytes.load(Ordering::Relaxed)
    }

    /// Images in the request; 0 until they have been counted.
    pub fn images(&self) -> usize {
        self.0.images.load(Ordering::Relaxed)
    }
}
