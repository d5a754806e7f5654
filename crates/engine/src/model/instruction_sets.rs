//! What the kernels of a plan run on.

use std::fmt;

use serde::Serialize;

/// The instruction set that was chosen for each number format; kernels of one plan may be of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstructionSets {
    /// For f32.
    #[cfg_attr(feature = "openapi", schema(example = "avx512"))]
    pub f32: &'static str,
    /// For products of bytes.
    #[cfg_attr(feature = "openapi", schema(example = "avx512vnni"))]
    pub int8: &'static str,
}

impl fmt::Display for InstructionSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for f32, {} for products of bytes", self.f32, self.int8)
    }
}
