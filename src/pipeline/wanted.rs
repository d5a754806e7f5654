//! What is wanted of an image.

use crate::preprocess::Crops;
use googlenet_engine::model::{Look, Views};

/// What is wanted of an image beside its decoding.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// How many crops are classified.
    pub crops: Crops,
    /// What is looked at in the network; then one crop is classified, the last.
    pub look: Option<Look>,
    /// Width and height in pixels of a picture of what the crop shows.
    pub picture_side: Option<usize>,
    /// Memory that making an explanation of it takes.
    pub explanation_bytes: u64,
}

impl Wanted {
    /// Memory that it takes beside the crops until the image is answered.
    pub(super) fn bytes(&self, views: &Views) -> u64 {
        let seen = self.look.as_ref().map_or(0, |look| views.bytes(look));
        let side = self.picture_side.unwrap_or(0) as u64;
        seen + 3 * side * side + self.explanation_bytes
    }
}
