//! The instruction set that the kernels run on.

use std::fmt;
use std::str::FromStr;

/// Proves that this machine has an instruction set: only this module makes one, and looks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Isa(IsaName);

/// An instruction set that there are kernels for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IsaName {
    /// What every machine has: plain Rust, which the compiler vectorises for the target.
    Portable,
    /// AVX2 and FMA: vectors of 8.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VNNI: vectors of 16.
    Avx512,
}

impl IsaName {
    /// All of them, the fastest last.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// As it is written in configuration and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512 => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_here(self) -> bool {
        self == Self::Portable
    }
}

impl Isa {
    /// What every machine has.
    pub const PORTABLE: Self = Self(IsaName::Portable);

    /// The fastest that this machine has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// All that this machine has, the fastest last.
    pub fn available() -> Vec<Self> {
        IsaName::ALL.into_iter().filter(|name| name.is_here()).map(Self).collect()
    }

    /// This one.
    ///
    /// # Errors
    /// [`IsaError`] when the machine does not have it.
    pub fn require(name: IsaName) -> Result<Self, IsaError> {
        if name.is_here() { Ok(Self(name)) } else { Err(IsaError::Missing { name }) }
    }

    /// Which one it is.
    pub fn name(self) -> IsaName {
        self.0
    }

    /// Whether the network takes less time in int8 than in f32: with all but the portable code, where
    /// it takes longer. Measured with the BVLC weights: on Zen 4 (AVX-512 with VNNI; `docs/performance.md`), and on
    /// Zen 3 (AVX2 and portable) with `googlenet bench --compare`.
    pub fn int8_is_faster(self) -> bool {
        self.name() != IsaName::Portable
    }
}

impl fmt::Display for IsaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IsaName {
    type Err = IsaError;

    fn from_str(text: &str) -> Result<Self, IsaError> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| IsaError::Unknown { text: text.to_owned() })
    }
}

/// An instruction set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// The machine does not have it.
    #[error("this machine has no {name}: it has {}", list(&Isa::available()))]
    Missing {
        /// The one that was asked for.
        name: IsaName,
    },
    /// There is none of that name.
    #[error("no instruction set is called {text:?}: use portable, avx2 or avx512")]
    Unknown {
        /// What was asked for.
        text: String,
    },
}

fn list(isas: &[Isa]) -> String {
    isas.iter().map(|isa| isa.name().as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in IsaName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert!("sse9".parse::<IsaName>().is_err());
    }

    #[test]
    fn the_portable_one_is_always_there_and_first() {
        assert_eq!(Isa::available()[0], Isa::PORTABLE);
        assert_eq!(Isa::available().last(), Some(&Isa::best()));
    }
}
