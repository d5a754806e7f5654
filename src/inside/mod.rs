//! What is inside the network: figures and pictures of its maps and filters. Pure.
//!
//! | file | what it is |
//! |---|---|
//! | `filters` | a picture of the filters of the first layer |
//! | `channels` | what the channels of a map are like: which are silent, which are largest |
//! | `sprite` | a picture of the channels of a map, side by side |
//! | `tiles` | where the tiles of a picture are |
//! | `occlusion` | variants of a photo, a part of each covered, and what that changed |

mod channels;
mod filters;
mod occlusion;
mod sprite;
mod tiles;

pub use channels::{ChannelFacts, MapFacts, Sort};
pub use filters::filters;
pub use occlusion::{Covers, drops, variants};
pub use sprite::{Sprite, sprite, sprite_bytes};
