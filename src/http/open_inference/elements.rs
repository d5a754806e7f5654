//! Streams the array `data` of a request's JSON into a tensor, without a tree of values in between.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

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

/// An array of a request's JSON.
#[derive(Clone, Debug)]
pub struct JsonArray {
    json: Bytes,
    /// Where it begins.
    at: usize,
    length: usize,
}

impl JsonArray {
    /// `array`, a part of `json`.
    pub fn new(json: &Bytes, array: &RawValue) -> Self {
        let array = json.slice_ref(array.get().as_bytes());
        let at = array.as_ptr().addr() - json.as_ptr().addr();
        Self { json: json.clone(), at, length: array.len() }
    }

    /// Reads the elements of an array that is flat or nested as `shape` says.
    ///
    /// # Errors
    /// A sentence, when the array is nested otherwise, or `elements` refuses one.
    pub fn read(&self, shape: &[usize], elements: &mut impl Elements) -> Result<(), String> {
        let mut array = Array { shape, leaf_depth: None, elements };
        let text = &self.json[self.at..self.at + self.length];
        let read = Node { depth: 0, array: &mut array };
        read.deserialize(&mut serde_json::Deserializer::from_slice(text))
            .map_err(|error| self.told(&error))
    }

    /// What is wrong, and where in the whole JSON.
    fn told(&self, error: &serde_json::Error) -> String {
        let sentence = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let Some(sentence) = sentence.strip_suffix(&place) else { return sentence };
        let before = &self.json[..self.at];
        let line_begins = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let lines = memchr::memchr_iter(b'\n', before).count();
        let columns = if error.line() == 1 { self.at - line_begins } else { 0 };
        format!("{sentence} at line {} column {}", lines + error.line(), columns + error.column())
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
