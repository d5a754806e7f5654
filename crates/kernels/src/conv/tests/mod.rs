//! Every instruction set against the textbook's loops.

pub(crate) mod float;
mod int8;
