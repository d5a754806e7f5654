//! The four branches of an inception module.

use std::fmt;

use serde::Serialize;

/// A branch of an inception module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Branch {
    /// 1x1 convolution.
    #[serde(rename = "1x1")]
    One,
    /// Reduction and 3x3 convolution.
    #[serde(rename = "3x3")]
    Three,
    /// Reduction and 5x5 convolution.
    #[serde(rename = "5x5")]
    Five,
    /// Max pooling and projection.
    #[serde(rename = "pool")]
    Pool,
}

impl Branch {
    /// All four, in the order of their channels in the module's output.
    pub const ALL: [Self; 4] = [Self::One, Self::Three, Self::Five, Self::Pool];

    /// The name in tables: `1x1`, `3x3`, `5x5` or `pool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "1x1",
            Self::Three => "3x3",
            Self::Five => "5x5",
            Self::Pool => "pool",
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
