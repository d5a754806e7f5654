//! The vocabulary that the stages share: what goes into the network, what comes out, and [`Engine`], the interface
//! between the batcher and the plan.

mod branch;
mod engine;
mod filters;
mod input;
mod instruction_sets;
mod look;
mod operators;
mod output_kind;
mod precision;
mod preprocessing;
mod probabilities;

pub use branch::Branch;
pub use engine::{Engine, EngineError, Session};
pub use filters::ColourFilters;
pub use input::{Input, InputError, Pixels};
pub use instruction_sets::InstructionSets;
pub use look::{
    Activations, Classifier, GradientMap, GradientOf, GradientViews, Look, ModuleView,
    OperatorTime, Score, Seen, Views,
};
pub use operators::{OperatorCount, OperatorPath};
pub use output_kind::OutputKind;
pub use precision::Precision;
pub use preprocessing::{ChannelOrder, Preprocessing, Resize};
pub use probabilities::{Probabilities, ProbabilitiesError};
