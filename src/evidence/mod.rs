//! Where the network found evidence for a class: exact sums over the last map, and a picture of them.
//!
//! The last map has `channels` values at each of its squares, 7x7 in GoogLeNet. Their means over the squares, times the
//! weights of the fully connected layer, are the logits. So a logit is a sum over the squares and a bias:
//!
//! `logit[class] = bias[class] + sum over squares of (1 / squares) * sum over channels of weight[class, channel] *
//! map[square, channel]`
//!
//! | file | what it is |
//! |---|---|
//! | `shares` | the share of each square, channel and branch in a logit, or in the difference of two |
//! | `products` | the sums over the channels |
//! | `colours` | from a value to a colour |
//! | `picture` | the photo with the squares' shares over it |
//! | `digits` | the numbers beside the scale of a picture |
//!
//! Class activation maps: Zhou et al. 2016, "Learning Deep Features for Discriminative Localization". The values are
//! not rescaled here.

mod colours;
mod digits;
mod picture;
mod products;
mod shares;

pub use picture::{overlay, picture_bytes};
pub use shares::{
    ChannelShare, ClassShare, Compared, Evidence, Grid, LastMap, MOST_EXPLAINED_CHANNELS,
};
