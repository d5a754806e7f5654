//! What the output of a file's graph means: logits, probabilities or log-probabilities.

use serde::{Deserialize, Serialize};

/// What the output of a file's graph is. The plan makes probabilities of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// What a softmax makes probabilities of: any numbers.
    Logits,
    /// Each in 0..=1, together 1.
    Probabilities,
    /// Their natural logarithms, 0 or less.
    LogProbabilities,
}

impl OutputKind {
    /// As the TOML writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
            Self::LogProbabilities => "log_probabilities",
        }
    }
}
