//! GoogLeNet, described as data: what it is, what it costs, and what a file really holds.
//!
//! Read in this order to learn the network:
//!
//! 1. [`description`]: Table 1 of the paper as a list of modules. An inception module is one
//!    function of six numbers, [`inception(o_1, r_3, o_3, r_5, o_5, pool)`](inception).
//! 2. [`single_layers`]: every module written out as its single layers, with the shapes of their maps.
//! 3. [`cost`]: parameters and multiply-adds, and why 1x1 convolutions save most of them.
//! 4. [`onnx`] and [`seeded`]: the same network as an ONNX file, with random weights.
//! 5. [`report`]: the same figures counted from the graph of a file, whoever wrote it;
//!    [`intake`]: that file brought into one form; [`check`]: whether it can be served; [`summary`]: the report as a text table;
//!    [`module_times`]: how long each module takes.
//!    [`ServableGraph`] is what comes of it, parsed by tract once for all that follows.
//!
//! The network is that of C. Szegedy et al., *Going Deeper with Convolutions*, 2014
//! (arXiv:1409.4842), in the form that BVLC trained and published for Caffe: without the two
//! auxiliary classifiers, which only training uses.

pub mod check;
pub mod cost;
pub mod description;
pub mod facts;
mod graph;
pub mod intake;
pub mod module_times;
pub mod onnx;
mod parsed;
pub mod report;
pub mod seeded;
mod servable;
pub mod shapes;
pub mod single_layers;
pub mod summary;
mod text_table;

pub use cost::Cost;
pub use description::{DescriptionError, GoogLeNet, Inception, Kind, Module, inception};
pub use parsed::ParsedGraph;
pub use report::ModelReport;
pub use servable::{GraphError, ServableGraph};
pub use single_layers::{FeatureMap, Layer, Operation};
