//! JSON as clients write it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// The text behind a byte order mark, which programs of Windows write in front of UTF-8 (RFC 8259, section
/// 8.1: readers may ignore it).
pub fn without_byte_order_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// What stands in a request as an object.
pub trait Members {
    /// What a client hears that sent something else: goes on from "expected".
    const EXPECTED: &'static str;
}

/// An object, where a struct alone would be read from an array as well.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de> + Members> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Members> Visitor<'de> for Any<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        input.deserialize_map(Any(PhantomData))
    }
}

/// An object, or `null`; for a member that may be left out.
///
/// # Errors
/// What the object's type says.
pub fn object_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Members>(
    input: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(input).map(|object| object.map(|Object(value)| value))
}

/// What is wrong with JSON, in its own words.
pub fn told(error: &serde_json::Error) -> String {
    let mut sentence = error.to_string();
    for (of_the_parser, of_json) in [
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: array"),
        ("unknown variant", "unknown value"),
        ("EOF while parsing", "it ends within"),
    ] {
        sentence = sentence.replacen(of_the_parser, of_json, 1);
    }
    sentence
}

/// A whole number from 0 on. `3.0` is 3: some clients have one type of numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeNumber(pub usize);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = WholeNumber;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number from 0 on")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<WholeNumber, E> {
                let number = usize::try_from(value).map(WholeNumber);
                number.map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<WholeNumber, E> {
                let number = usize::try_from(value).map(WholeNumber);
                number.map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<WholeNumber, E> {
                /// Whole numbers up to here are exact.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if value.fract() == 0.0 && (0.0..=EXACT).contains(&value) {
                    return Ok(WholeNumber(value as usize));
                }
                Err(E::invalid_value(Unexpected::Float(value), &self))
            }
        }
        input.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_point() {
        let read = |json| serde_json::from_str::<WholeNumber>(json).map(|number| number.0);
        for (json, number) in [("0", 0), ("3", 3), ("3.0", 3), ("1e2", 100), ("-0.0", 0)] {
            assert_eq!(read(json).unwrap(), number, "{json}");
        }
        for wrong in ["-1", "1.5", "1e300", "-3.0", "\"3\"", "null", "true", "[1]", "{}"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("expected a whole number from 0 on"), "{wrong}: {error}");
        }
    }
}
