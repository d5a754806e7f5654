//! The service over real sockets, and the program as its users start it.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../shared/mod.rs"]
mod shared;

mod activations;
mod classify;
mod damaged_models;
mod dialects;
mod documents;
mod errors;
mod explain;
mod explain_grids;
mod filters;
mod groups;
mod hostile_http;
mod knobs;
mod log_and_output;
mod model_commands;
mod open_inference;
mod page;
mod photos;
mod refusals;
mod request_log;
mod second_signal;
mod unread_answers;
