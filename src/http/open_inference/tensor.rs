//! The data of a request: from JSON or raw bytes to inputs of the pipeline.

use std::sync::Arc;

use bytes::Bytes;

use super::elements::Elements;
use super::request::{Data, Input, invalid};
use crate::http::base64_image;
use crate::http::body_memory::BODY_COPIES;
use crate::http::error::ApiError;
use crate::pipeline::MemoryNeed;

/// Normalised pixels lie within a few hundreds. Beyond this the network's sums overflow, which
/// would fail the whole batch, the images of other clients included.
const MAX_MAGNITUDE: f32 = 1e6;

/// Reads the normalised images of a tensor, each `[3, side, side]`, channels in the model's order.
///
/// # Errors
/// [`ApiError::InvalidInput`] when their number or size is not what the shape says, or an element is not
/// a finite number.
pub fn read_tensors(input: &Input) -> Result<Vec<Arc<[f32]>>, ApiError> {
    read_elements_of(input).map_err(|sentence| named(input, &sentence))
}

/// Reads the encoded images of an input. They are part of the body's share ([`body_copies`]).
///
/// # Errors
/// [`ApiError::InvalidInput`] when their number or size is not what the shape says, or one of them is
/// not base64.
pub fn read_images(input: &Input) -> Result<Vec<Bytes>, ApiError> {
    read_encoded(input).map_err(|sentence| named(input, &sentence))
}

fn named(input: &Input, sentence: &str) -> ApiError {
    invalid(format!("input `{}`: {sentence}", input.name))
}

/// Memory that [`read_tensors`] takes beside the body's.
pub fn memory_need(input: &Input) -> MemoryNeed {
    // The shape's product was checked, four bytes an element included.
    let bytes = 4 * input.shape.iter().product::<usize>() as u64;
    MemoryNeed { running_bytes: bytes, kept_bytes: bytes }
}

/// How often a body is held: raw bytes behind a short JSON are images as they are, what is in the JSON is
/// held once more when it is read.
pub fn body_copies(json_bytes: Option<usize>) -> usize {
    const SHORT: usize = 64 << 10;
    if json_bytes.is_some_and(|bytes| bytes <= SHORT) { 1 } else { BODY_COPIES }
}

fn read_elements_of(input: &Input) -> Result<Vec<Arc<[f32]>>, String> {
    let mut tensors = Tensors::new(input);
    match &input.data {
        Data::Json(array) => array.read(&input.shape, &mut tensors)?,
        Data::Binary(bytes) => {
            let expected = tensors.expected * size_of::<f32>();
            if bytes.len() != expected {
                return Err(format!(
                    "the shape {:?} takes {expected} bytes of FP32, there are {}",
                    input.shape,
                    bytes.len()
                ));
            }
            let (values, _) = bytes.as_chunks();
            for value in values {
                tensors.push(f32::from_le_bytes(*value))?;
            }
        }
    }
    tensors.finish()
}

/// Parts a stream of values into images.
struct Tensors {
    /// Elements of all images.
    expected: usize,
    /// Elements of one image.
    image_elements: usize,
    image: Vec<f32>,
    images: Vec<Arc<[f32]>>,
}

impl Tensors {
    fn new(input: &Input) -> Self {
        let expected = input.shape.iter().product();
        let image_elements = input.shape.iter().skip(1).product();
        Self { expected, image_elements, image: Vec::new(), images: Vec::new() }
    }

    fn count(&self) -> usize {
        self.images.len() * self.image_elements + self.image.len()
    }

    fn push(&mut self, value: f32) -> Result<(), String> {
        if value.is_nan() || value.abs() > MAX_MAGNITUDE {
            return Err(format!(
                "element {} is {value}: it must be from {:e} to {MAX_MAGNITUDE:e}",
                self.count(),
                -MAX_MAGNITUDE
            ));
        }
        if self.count() == self.expected {
            return Err(format!("there are more than the {} elements of the shape", self.expected));
        }
        self.image.push(value);
        if self.image.len() == self.image_elements {
            self.images.push(Arc::from(&self.image[..]));
            self.image.clear();
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Arc<[f32]>>, String> {
        let (count, expected) = (self.count(), self.expected);
        if count == expected {
            Ok(self.images)
        } else {
            Err(format!("there are {count} elements, the shape takes {expected}"))
        }
    }
}

impl Elements for Tensors {
    fn number(&mut self, value: f64) -> Result<(), String> {
        // Larger than any FP32 becomes infinite, which is refused.
        self.push(value as f32)
    }

    fn text(&mut self, _: &str) -> Result<(), String> {
        Err(format!("element {} is a string: FP32 takes numbers", self.count()))
    }
}

fn read_encoded(input: &Input) -> Result<Vec<Bytes>, String> {
    let expected = input.images();
    match &input.data {
        Data::Json(array) => {
            let mut encoded = Encoded { expected, images: Vec::new() };
            array.read(&input.shape, &mut encoded)?;
            match encoded.images.len() {
                count if count == expected => Ok(encoded.images),
                count => Err(format!("there are {count} elements, the shape takes {expected}")),
            }
        }
        Data::Binary(bytes) => split_lengths(bytes.clone(), expected),
    }
}

/// Base64 strings.
struct Encoded {
    expected: usize,
    images: Vec<Bytes>,
}

impl Elements for Encoded {
    fn number(&mut self, _: f64) -> Result<(), String> {
        Err(format!("element {} is a number: BYTES takes base64 strings", self.images.len()))
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let index = self.images.len();
        if index == self.expected {
            return Err(format!("there are more than the {index} elements of the shape"));
        }
        let image = base64_image::decode(text);
        self.images.push(image.map_err(|error| format!("element {index} {error}"))?);
        Ok(())
    }
}

/// Elements with their lengths before them, 32 bits little endian; nothing is copied.
fn split_lengths(mut bytes: Bytes, expected: usize) -> Result<Vec<Bytes>, String> {
    let mut images = Vec::new();
    for index in 0..expected {
        let cut_short = || {
            format!(
                "the raw bytes end within element {index} of {expected}; each element is its \
                 length (32 bits, little endian) and so many bytes"
            )
        };
        let (length, _) = bytes.split_first_chunk::<4>().ok_or_else(cut_short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let _ = bytes.split_to(4);
        if length > bytes.len() {
            return Err(cut_short());
        }
        images.push(bytes.split_to(length));
    }
    if bytes.is_empty() {
        Ok(images)
    } else {
        Err(format!("{} bytes are left behind the {expected} elements", bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::super::elements::JsonArray;
    use super::super::request::InputKind;
    use super::*;

    /// Values that a decimal number gives back exactly.
    fn value() -> impl Strategy<Value = f32> {
        (-32_000i32..32_000).prop_map(|v| v as f32 / 64.0)
    }

    /// A batch of square images with its values.
    fn batch() -> impl Strategy<Value = (Vec<usize>, Vec<f32>)> {
        (1usize..4, 1usize..6).prop_flat_map(|(n, side)| {
            let values = prop::collection::vec(value(), n * 3 * side * side);
            (Just(vec![n, 3, side, side]), values)
        })
    }

    #[derive(Debug, PartialEq)]
    enum Images {
        Tensors(Vec<Arc<[f32]>>),
        Encoded(Vec<Bytes>),
    }

    fn read(input: &Input) -> Result<Images, ApiError> {
        match input.kind {
            InputKind::Tensor => read_tensors(input).map(Images::Tensors),
            InputKind::Images => read_images(input).map(Images::Encoded),
        }
    }

    fn input(kind: InputKind, shape: &[usize], data: Data) -> Input {
        Input { name: "it".into(), kind, shape: shape.to_vec(), data }
    }

    fn from_json(kind: InputKind, shape: &[usize], data: &Value) -> Result<Images, ApiError> {
        let json = Bytes::from(format!("[\n1, {data}]"));
        let (_, array): (u8, &RawValue) = serde_json::from_slice(&json).unwrap();
        read(&input(kind, shape, Data::Json(JsonArray::new(&json, array))))
    }

    fn from_raw(kind: InputKind, shape: &[usize], raw: Vec<u8>) -> Result<Images, ApiError> {
        read(&input(kind, shape, Data::Binary(raw.into())))
    }

    fn raw(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    /// Nested as `shape` says, down to `rank` brackets.
    fn nested(values: &[f32], shape: &[usize]) -> Value {
        match shape {
            [] => json!(values[0]),
            [n, inner @ ..] => {
                values.chunks(values.len() / n).map(|part| nested(part, inner)).collect()
            }
        }
    }

    fn assert_refused(read: Result<Images, ApiError>, because: &str) {
        let error = read.unwrap_err();
        assert_eq!(error.kind().code(), "invalid_input");
        assert!(error.to_string().contains(because), "{error}: not {because}");
    }

    proptest! {
        #[test]
        fn flat_nested_and_raw_are_one_tensor((shape, values) in batch()) {
            let images = values.chunks(values.len() / shape[0]).map(Arc::from).collect();
            let expected = Images::Tensors(images);
            let kind = InputKind::Tensor;
            prop_assert_eq!(&from_json(kind, &shape, &json!(values)).unwrap(), &expected);
            prop_assert_eq!(&from_json(kind, &shape, &nested(&values, &shape)).unwrap(), &expected);
            prop_assert_eq!(&from_raw(kind, &shape, raw(&values)).unwrap(), &expected);
        }

        #[test]
        fn raw_floats_keep_every_bit(bits in prop::collection::vec(any::<u32>(), 3)) {
            let values: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
            let taken = values.iter().all(|v| v.abs() <= MAX_MAGNITUDE);
            match from_raw(InputKind::Tensor, &[1, 3, 1, 1], raw(&values)) {
                Ok(Images::Tensors(images)) => {
                    prop_assert!(taken);
                    prop_assert_eq!(raw(&images[0]), raw(&values));
                }
                other => prop_assert!(!taken, "{:?}", other),
            }
        }

        #[test]
        fn a_wrong_number_of_elements_is_refused((shape, values) in batch(), extra in any::<bool>()) {
            let mut values = values;
            if extra { values.push(1.0) } else { values.truncate(values.len() - 1) }
            prop_assert!(from_json(InputKind::Tensor, &shape, &json!(values)).is_err());
            prop_assert!(from_raw(InputKind::Tensor, &shape, raw(&values)).is_err());
        }

        #[test]
        fn images_come_in_base64_or_with_lengths(
            images in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..5),
        ) {
            use base64::Engine as _;
            let encode = |image: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(image);
            let texts: Vec<String> = images.iter().map(encode).collect();
            let columns: Vec<[&String; 1]> = texts.iter().map(|text| [text]).collect();
            let raw: Vec<u8> = images
                .iter()
                .flat_map(|image| [&(image.len() as u32).to_le_bytes(), &image[..]].concat())
                .collect();
            let n = images.len();
            let expected = Images::Encoded(images.into_iter().map(Bytes::from).collect());
            let kind = InputKind::Images;
            for shape in [vec![n], vec![n, 1]] {
                prop_assert_eq!(&from_json(kind, &shape, &json!(texts)).unwrap(), &expected);
                prop_assert_eq!(&from_raw(kind, &shape, raw.clone()).unwrap(), &expected);
            }
            prop_assert_eq!(&from_json(kind, &[n, 1], &json!(columns)).unwrap(), &expected);
            for cut in 0..raw.len() {
                prop_assert!(from_raw(kind, &[n], raw[..cut].to_vec()).is_err());
            }
        }
    }

    #[test]
    fn other_nestings_are_refused() {
        let shape = [1, 3, 1, 2];
        for data in [
            json!([[1, 2, 3, 4, 5, 6]]),
            json!([[1, 2], [3, 4], [5, 6]]),
            json!([[[[1, 2, 3]], [[4, 5, 6]]]]),
            json!([[[[1, 2]], [[3, 4]], [[5]]]]),
            json!([[[[[1]]]]]),
            json!([1, [[[2]]]]),
            json!(1),
        ] {
            assert_refused(from_json(InputKind::Tensor, &shape, &data), "nested as the shape");
        }
    }

    #[test]
    fn other_elements_are_refused() {
        let tensor = |data| from_json(InputKind::Tensor, &[1, 3, 1, 1], &data);
        assert_refused(tensor(json!([1, 2e9, 3])), "element 1 is 2000000000");
        assert_refused(tensor(json!([1, 2, -1e300])), "element 2 is -inf");
        assert_refused(
            tensor(json!([1, 2, "3"])),
            "element 2 is a string: FP32 takes numbers at line 2 column 11",
        );
        assert_refused(tensor(json!([1, 2, null])), "expected numbers");
        assert_refused(tensor(json!([1, 2, true])), "expected numbers");
        assert_refused(tensor(json!([])), "0 elements");
        let images = |data| from_json(InputKind::Images, &[1], &data);
        assert_refused(images(json!([1])), "element 0 is a number");
        assert_refused(images(json!(["?"])), "not base64");
        assert_refused(images(json!([""])), "empty");
        assert_refused(images(json!(["aaaa", "aaaa"])), "more than the 1");
        assert_refused(images(json!([])), "0 elements");
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let huge = [u32::MAX.to_le_bytes(), [1; 4]].concat();
        assert_refused(from_raw(InputKind::Images, &[1], huge), "end within element 0");
        let behind = [1u32.to_le_bytes(), [1; 4]].concat();
        assert_refused(from_raw(InputKind::Images, &[1], behind), "3 bytes are left");
        assert_refused(from_raw(InputKind::Images, &[usize::MAX], vec![]), "end within element 0");
    }
}
