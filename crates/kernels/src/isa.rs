//! The instruction sets that the kernels run on.
//!
//! Numbers of different formats need different instructions: a kernel asks an [`Isa`] for those of its format,
//! [`Isa::for_floats`] or [`Isa::for_bytes`], and never for more.

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
    /// The same with AVX-VNNI: products of bytes in one instruction.
    AvxVnni,
    /// AVX-512 F, BW, DQ and VL: vectors of 16.
    Avx512,
    /// The same with AVX-512 VNNI: products of bytes in one instruction.
    Avx512Vnni,
}

impl IsaName {
    /// All of them, the fastest last.
    pub const ALL: [Self; 5] =
        [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512, Self::Avx512Vnni];

    /// As it is written in configuration and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::AvxVnni => Self::Avx2.is_here() && is_x86_feature_detected!("avxvnni"),
            Self::Avx512 => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            Self::Avx512Vnni => Self::Avx512.is_here() && is_x86_feature_detected!("avx512vnni"),
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

    /// What of it the kernels of f32 use.
    pub fn for_floats(self) -> IsaName {
        match self.name() {
            IsaName::Portable => IsaName::Portable,
            IsaName::Avx2 | IsaName::AvxVnni => IsaName::Avx2,
            IsaName::Avx512 | IsaName::Avx512Vnni => IsaName::Avx512,
        }
    }

    /// What of it the products of bytes use: all.
    pub fn for_bytes(self) -> IsaName {
        self.name()
    }

    /// Whether the network takes less time in int8 than in f32: with all but the portable code, where
    /// it takes longer. Measured with the BVLC weights by `googlenet bench --compare` (`docs/performance.md`).
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

/// Which instruction set is to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsaChoice {
    /// The fastest that the machine has.
    #[default]
    Auto,
    /// This one.
    Only(IsaName),
}

impl IsaChoice {
    /// How [`IsaChoice::Auto`] is written.
    pub const AUTO: &str = "auto";

    /// The instruction set.
    ///
    /// # Errors
    /// [`IsaError`] when the machine does not have it.
    pub fn isa(self) -> Result<Isa, IsaError> {
        match self {
            Self::Auto => Ok(Isa::best()),
            Self::Only(name) => Isa::require(name),
        }
    }
}

impl FromStr for IsaChoice {
    type Err = IsaError;

    fn from_str(text: &str) -> Result<Self, IsaError> {
        if text == Self::AUTO { Ok(Self::Auto) } else { text.parse().map(Self::Only) }
    }
}

/// An instruction set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// The machine does not have it.
    #[error("this machine has no {name}: it has {}", list(Isa::available().into_iter().map(Isa::name)))]
    Missing {
        /// The one that was asked for.
        name: IsaName,
    },
    /// There is none of that name.
    #[error("no instruction set is called {text:?}: use one of {}", list(IsaName::ALL))]
    Unknown {
        /// What was asked for.
        text: String,
    },
}

fn list(names: impl IntoIterator<Item = IsaName>) -> String {
    names.into_iter().map(IsaName::as_str).collect::<Vec<_>>().join(", ")
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
        assert_eq!("auto".parse(), Ok(IsaChoice::Auto));
        assert_eq!("avx2".parse(), Ok(IsaChoice::Only(IsaName::Avx2)));
    }

    #[test]
    fn each_format_asks_for_no_more_than_there_is() {
        for isa in Isa::available() {
            assert!(isa.for_floats().is_here() && isa.for_bytes().is_here(), "{isa:?}");
            assert_eq!(IsaChoice::Only(isa.name()).isa(), Ok(isa));
        }
        assert_eq!(IsaChoice::Auto.isa(), Ok(Isa::best()));
    }

    #[test]
    fn the_portable_one_is_always_there_and_first() {
        assert_eq!(Isa::available()[0], Isa::PORTABLE);
        assert_eq!(Isa::available().last(), Some(&Isa::best()));
    }
}
