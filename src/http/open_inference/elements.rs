//! Streams the array `inputs[0].data` of a request's JSON into a tensor, without a tree of values
//! in between.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Takes the elements of a tensor in row-major order.
pub trait Elements {
    /// A number.
    ///
    /// # Errors
    /// A sentence, when there may be no such element here.
    fn number(&mut self, value: f64) -> Result<(), String>;
    /// A string.
    ///
    /// # Errors
    /// A sentence, when there may be no such element here.
    fn text(&mut self, text: &str) -> Result<(), String>;
}

/// Reads `inputs[0].data` of `json`, an array that is flat or nested as `shape` says.
///
/// # Errors
/// When the JSON is broken, the array is nested otherwise, or `elements` refuses one.
pub fn read_elements(
    json: &[u8],
    shape: &[usize],
    elements: &mut impl Elements,
) -> Result<(), serde_json::Error> {
    let mut array = Array { shape, leaf_depth: None, elements };
    let mut json = serde_json::Deserializer::from_slice(json);
    At { path: &["inputs", "data"], array: &mut array }.deserialize(&mut json)?;
    json.end()
}

/// What stands at a path of member names; arrays on the way have one element.
struct At<'a, 'e, E> {
    path: &'a [&'a str],
    array: &'a mut Array<'e, E>,
}

impl<'de, E: Elements> DeserializeSeed<'de> for At<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            Node { depth: 0, array: self.array }.deserialize(input)
        } else {
            input.deserialize_any(self)
        }
    }
}

impl<'de, E: Elements> Visitor<'de> for At<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "`{}`", self.path.join("."))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.path.split_first() {
                Some((first, path)) if *first == key => {
                    map.next_value_seed(At { path, array: &mut *self.array })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Self { path, array } = self;
        while sequence.next_element_seed(At { path, array: &mut *array })?.is_some() {}
        Ok(())
    }
}

/// The array that is being read.
struct Array<'e, E> {
    shape: &'e [usize],
    /// How many brackets are around an element; the first one decides.
    leaf_depth: Option<usize>,
    elements: &'e mut E,
}

/// An element or an array, in `depth` brackets.
struct Node<'a, 'e, E> {
    depth: usize,
    array: &'a mut Array<'e, E>,
}

impl<E: Elements> Node<'_, '_, E> {
    /// Notes an element: all are equally deep, flat or as `shape` says.
    fn leaf<Er: Error>(&mut self) -> Result<&mut E, Er> {
        let (depth, rank) = (self.depth, self.array.shape.len());
        if *self.array.leaf_depth.get_or_insert(depth) != depth || (depth != 1 && depth != rank) {
            return Err(misnested(self.array.shape));
        }
        Ok(self.array.elements)
    }
}

fn misnested<E: Error>(shape: &[usize]) -> E {
    E::custom(format!("`data` must be a flat array, or nested as the shape {shape:?} says"))
}

impl<'de, E: Elements> DeserializeSeed<'de> for Node<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, E: Elements> Visitor<'de> for Node<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("numbers (FP32), base64 strings (BYTES) or arrays of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Self { depth, array } = self;
        if depth == array.shape.len() {
            return Err(misnested(array.shape));
        }
        let mut count = 0;
        while sequence.next_element_seed(Node { depth: depth + 1, array: &mut *array })?.is_some() {
            count += 1;
        }
        let flat = depth == 0 && (count == 0 || array.leaf_depth == Some(1));
        if !flat && count != array.shape[depth] {
            return Err(misnested(array.shape));
        }
        Ok(())
    }

    fn visit_f64<Er: Error>(mut self, value: f64) -> Result<(), Er> {
        self.leaf()?.number(value).map_err(Er::custom)
    }

    fn visit_u64<Er: Error>(self, value: u64) -> Result<(), Er> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<Er: Error>(self, value: i64) -> Result<(), Er> {
        self.visit_f64(value as f64)
    }

    fn visit_str<Er: Error>(mut self, text: &str) -> Result<(), Er> {
        self.leaf()?.text(text).map_err(Er::custom)
    }
}
