//! The number format of the arithmetic.

/// Number format of the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// Activations and weights of 8 bits.
    Int8,
}

impl Precision {
    /// As it is written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}
