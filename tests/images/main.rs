//! From bytes of every kind to the crops that the network sees, and what int8 makes of them.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../hostile/mod.rs"]
mod hostile;
#[path = "../jpeg_encoder/mod.rs"]
mod jpeg_encoder;
#[path = "../shared/mod.rs"]
mod shared;

mod cases;
mod decode_formats;
mod evidence;
mod hostile_files;
mod int8_plan;
mod jpeg_layouts;
mod preprocess_reference;
