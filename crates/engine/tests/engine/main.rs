//! The engine, from files to probabilities.

#[path = "../../../../tests/shared/mod.rs"]
mod shared;

mod fast_plan;
mod look;
mod network_report;
mod operator_models;
mod other_graphs;
mod own_models;
mod plan_parity;
mod self_check;
mod weights_download;
