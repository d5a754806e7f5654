//! The interface between the batcher and the plan.

use super::{
    ColourFilters, Input, InputError, Look, OperatorCount, Probabilities, ProbabilitiesError, Seen,
    Views,
};

/// A loaded network, shared by the workers. Each worker opens one [`Session`] on it.
pub trait Engine: Send + Sync + 'static {
    /// Makes what one worker needs.
    ///
    /// # Errors
    /// [`EngineError`] when the plan cannot be prepared.
    fn session(&self) -> Result<Box<dyn Session>, EngineError>;

    /// What runs for a photo, kind by kind, in the order in which they first run.
    fn operators(&self) -> Vec<OperatorCount>;

    /// What [`Session::look`] can show; nothing where the engine does not know the layers.
    fn views(&self) -> Views {
        Views::default()
    }

    /// The filters of the first layer; none unless it is a convolution that reads the three colours.
    fn colour_filters(&self) -> Option<ColourFilters> {
        None
    }
}

/// One worker's state of an [`Engine`]; it stays on the thread that opened it.
pub trait Session {
    /// Does in advance what the first run would do beside its work: takes the buffers of a run, so that nothing is
    /// allocated later but the answers. Does nothing by default.
    ///
    /// # Errors
    /// [`EngineError`] when the plan fails.
    fn warm_up(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Runs the network on `batch` and gives the probabilities in its order. The answer for an
    /// input does not depend on its company.
    ///
    /// # Errors
    /// [`EngineError`] when an input has the wrong size or the plan fails; then no input of the
    /// batch has an answer.
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError>;

    /// Runs the network on one input and shows what it computes on the way. The probabilities are those of
    /// [`Session::run`].
    ///
    /// # Errors
    /// [`EngineError::NothingToSee`] when `look` asks for what [`Engine::views`] does not have, and those of
    /// [`Session::run`].
    fn look(&mut self, input: &Input, look: &Look) -> Result<Seen, EngineError> {
        let _ = (input, look);
        Err(EngineError::NothingToSee)
    }
}

/// Why a batch has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An input does not have the network's size.
    #[error("input: {0}")]
    Input(#[from] InputError),
    /// The plan stopped.
    #[error("plan: {0}")]
    Plan(String),
    /// The plan's output is no probability.
    #[error("output: {0}")]
    Output(#[from] ProbabilitiesError),
    /// The engine cannot show what was asked for.
    #[error("this network has no such layer to look at")]
    NothingToSee,
}
