//! An inference request as written in its JSON. The elements stay text, because their type follows from the data type
//! and the shape, which may come after them.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::short_arrays::{few, few_objects, few_objects_or_null};
use crate::http::json_text::{Members, WholeNumber, object_or_null};
use crate::http::openapi::bodies::infer_input_example;

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    /// 32-bit floating point.
    Fp32,
    /// Strings of bytes.
    Bytes,
}

/// An inference request.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InferRequest<'a> {
    /// Comes back in the answer.
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "object_or_null")]
    pub(super) parameters: Option<RequestParameters>,
    /// One tensor.
    #[serde(borrow, deserialize_with = "few_objects")]
    #[schema(min_items = 1, max_items = 1)]
    pub(super) inputs: Vec<RequestInput<'a>>,
    /// What is asked for; the output as FP32 if left out.
    #[serde(default, deserialize_with = "few_objects_or_null")]
    #[schema(max_items = 1, nullable, required = false)]
    pub(super) outputs: Vec<RequestOutput>,
}

/// How the request wants its answer. Others are passed over.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RequestParameters {
    /// Outputs come as raw bytes behind the answer's JSON.
    pub(super) binary_data_output: Option<bool>,
}

/// An input: `data_0` (or the graph's own name for it) or `image`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!(infer_input_example()))]
pub struct RequestInput<'a> {
    /// `data_0`: FP32 `[n, 3, side, side]`, normalised, channels in the model's order.
    /// `image`: BYTES `[n]` or `[n, 1]`, encoded images.
    pub(super) name: String,
    pub(super) datatype: Datatype,
    #[serde(deserialize_with = "few")]
    #[schema(value_type = Vec<u64>)]
    pub(super) shape: Vec<WholeNumber>,
    #[serde(default, deserialize_with = "object_or_null")]
    pub(super) parameters: Option<InputParameters>,
    /// The elements in row-major order, flat or nested as `shape` says; images in base64. Left out
    /// when they come as raw bytes behind the JSON.
    #[serde(borrow)]
    #[schema(schema_with = data_schema)]
    pub(super) data: Option<&'a RawValue>,
}

/// Where an input's elements are. Others are passed over.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct InputParameters {
    /// Raw bytes behind the JSON that are the elements: FP32 little endian; BYTES each with its length
    /// before it, 32 bits little endian.
    #[schema(value_type = Option<u64>)]
    pub(super) binary_data_size: Option<WholeNumber>,
    #[schema(ignore)]
    pub(super) shared_memory_region: Option<IgnoredAny>,
}

/// An output that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RequestOutput {
    #[schema(example = "prob_1")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "object_or_null")]
    pub(super) parameters: Option<OutputParameters>,
}

/// In which form. Others are passed over.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OutputParameters {
    /// As raw bytes behind the answer's JSON.
    pub(super) binary_data: Option<bool>,
    /// How many classes to list, best first, as BYTES `probability:class:label` instead of the
    /// probabilities.
    #[schema(minimum = 1, maximum = 1000, value_type = Option<u64>)]
    pub(super) classification: Option<WholeNumber>,
    #[schema(ignore)]
    pub(super) shared_memory_region: Option<IgnoredAny>,
}

impl Members for InferRequest<'_> {
    const EXPECTED: &'static str = "an object with `inputs` (an array of one), and with `id`, `parameters` and `outputs` if wanted";
}

impl Members for RequestParameters {
    const EXPECTED: &'static str = "an object, with `binary_data_output` if wanted";
}

impl Members for RequestInput<'_> {
    const EXPECTED: &'static str =
        "an object with `name`, `datatype`, `shape`, and `data` or `parameters`";
}

impl Members for InputParameters {
    const EXPECTED: &'static str =
        "an object, with `binary_data_size` if raw bytes follow the JSON";
}

impl Members for RequestOutput {
    const EXPECTED: &'static str = "an object with `name`, and with `parameters` if wanted";
}

impl Members for OutputParameters {
    const EXPECTED: &'static str = "an object, with `binary_data` or `classification` if wanted";
}

fn data_schema() -> utoipa::openapi::schema::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType};
    let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    let description = "The elements in row-major order, flat or nested as `shape` says; images in base64. Left out \
        when they come as raw bytes behind the JSON.";
    ArrayBuilder::new().items(anything).description(Some(description)).build()
}
