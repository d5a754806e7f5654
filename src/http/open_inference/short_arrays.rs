//! Arrays in a request's JSON that must be short. Longer ones are refused, so memory follows the bytes of the body.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::http::json_text::{Members, Object};

/// Elements of `inputs`, `outputs` and `shape` at most.
const MAX_ELEMENTS: usize = 16;

/// An array of up to [`MAX_ELEMENTS`].
pub(super) fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write!(f, "an array of up to {MAX_ELEMENTS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = array.next_element()? {
                if elements.len() == MAX_ELEMENTS {
                    return Err(A::Error::invalid_length(MAX_ELEMENTS + 1, &self));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }
    input.deserialize_seq(Few(PhantomData))
}

/// The same of objects.
pub(super) fn few_objects<'de, D: Deserializer<'de>, T: Deserialize<'de> + Members>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    let objects = few::<D, Object<T>>(input)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// The same; `null` is an empty array.
pub(super) fn few_objects_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Members>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    struct Array<T>(Vec<T>);
    impl<'de, T: Deserialize<'de> + Members> Deserialize<'de> for Array<T> {
        fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
            few_objects(input).map(Self)
        }
    }
    Option::<Array<T>>::deserialize(input).map(|array| array.map_or_else(Vec::new, |a| a.0))
}
