//! The queries and bodies of requests as the document describes them. The handlers read requests without them.
//!
//! Everything that a page fills in by itself must make a request that gets 200: Swagger UI fills zeros into numbers
//! without an example, and generated clients send each `default`. A parameter can be in the query and in the body, so
//! it has a `default` in neither, and has an example where a page would otherwise invent one.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// A drawing of a traffic light in base64: a PNG of 32x32 pixels.
pub const EXAMPLE_IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgBAMAAACBVGfHAAAAGFBMVEVojicpKSkoKCiOIRslIyQjIiIcICAZGh+cTa32\
     AAAAuElEQVR42oWSwQpBURRF130xUbgD9SbieeZKpgx8AX/gG/gcM78hI/kAylwYe90UM12DW7ytcCbntNpnt08dkwLg\
     HcYCUCC0HpVtDvhWl4uzOYVZMQxTFFod1gLe9Q2coCEgSqKEfA5fa2fqkR0QBSkXAcclM1npw0ZAGXa/g+1hIOA8LnYE\
     NOPpVT28+7jWGgVmPreStORYiMKD0xWwAm4wUsU0VoW/T9yfYK8KOcyhyiOYmM93eAL/qijtQuRNZgAAAABJRU5ErkJg\
     gg==";

/// Bytes as they are, such as an image file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code)] // only described, never read
pub struct RawBytes(Vec<u8>);

/// The query of `POST /classify`. Its parameters have no `default` there:
/// generated clients would send it beside a parameter of the body.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only described, never read
pub struct QueryParameters {
    /// How many classes to list: 1 to the number of classes; 5 if left out.
    #[param(minimum = 1, maximum = 1000)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability; 0 if left out.
    #[param(minimum = 0.0, maximum = 1.0)]
    min_probability: Option<f32>,
    /// Crops whose probabilities are averaged: 1 (the centre; if left out), 5 (and the corners) or 10 (and
    /// all five mirrored).
    #[param(value_type = CropCount, required = false)]
    crops: Option<u32>,
    /// Lists what classes have in common, such as "dog", and what the network is sure of; false if left out.
    groups: Option<bool>,
    /// Says what the network is sure of, a class or a group; false if left out.
    sure: Option<bool>,
    /// The probability from which on it is sure; 0.9 if left out.
    #[param(minimum = 0.5, maximum = 0.999)]
    sure_at: Option<f64>,
    /// Lists only classes under these groups and classes: ids, or names of shown groups, separated by commas; at most 100.
    within: Option<String>,
    /// `cam` adds the evidence for each class; needs `crops=1` and a `top_k` of at most 10.
    explain: Option<ExplainMethod>,
}

/// The body of `POST /classify` as a form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ClassifyForm {
    /// An image file. Several parts of this name are a batch, answered in order.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// How many classes to list; 5 if left out.
    #[schema(minimum = 1, maximum = 1000, example = 5, nullable = false)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability; 0 if left out.
    #[schema(minimum = 0.0, maximum = 1.0, example = 0, nullable = false)]
    min_probability: Option<f32>,
    /// Crops whose probabilities are averaged: 1 (the centre; if left out), 5 (and the corners) or 10 (and
    /// all five mirrored).
    #[schema(value_type = CropCount, required = false)]
    crops: Option<u32>,
    /// Lists what classes have in common, such as "dog", and what the network is sure of; false if left out.
    #[schema(example = false, nullable = false)]
    groups: Option<bool>,
    /// Says what the network is sure of, a class or a group; false if left out.
    #[schema(example = false, nullable = false)]
    sure: Option<bool>,
    /// The probability from which on it is sure; 0.9 if left out.
    #[schema(minimum = 0.5, maximum = 0.999, example = 0.9, nullable = false)]
    sure_at: Option<f64>,
    /// Lists only classes under these groups and classes: ids, or names of shown groups, separated by commas; at most 100.
    // A page leaves out an empty field.
    #[schema(example = "", nullable = false)]
    within: Option<String>,
    /// `cam` adds the evidence for each class; needs `crops=1` and a `top_k` of at most 10.
    // Of a list of values a page would send the first.
    #[schema(example = "", nullable = false)]
    explain: Option<String>,
}

/// The body of `POST /classify` as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // only described, never read
pub enum ClassifyBody {
    /// One image.
    One(ClassifyJson),
    /// Several images.
    Several(ClassifyJsonBatch),
}

/// One image as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ClassifyJson {
    /// An image file in base64.
    #[schema(content_encoding = "base64", format = Byte, example = json!(EXAMPLE_IMAGE))]
    image: String,
    /// How many classes to list; 5 if left out.
    #[schema(minimum = 1, maximum = 1000, example = 5)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability; 0 if left out.
    #[schema(minimum = 0.0, maximum = 1.0, example = 0)]
    min_probability: Option<f32>,
    /// Crops whose probabilities are averaged: 1 (the centre; if left out), 5 (and the corners) or 10 (and
    /// all five mirrored).
    #[schema(value_type = Option<CropCount>)]
    crops: Option<u32>,
    /// Lists what classes have in common, such as "dog", and what the network is sure of; false if left out.
    #[schema(example = false)]
    groups: Option<bool>,
    /// Says what the network is sure of, a class or a group; false if left out.
    #[schema(example = false)]
    sure: Option<bool>,
    /// The probability from which on it is sure; 0.9 if left out.
    #[schema(minimum = 0.5, maximum = 0.999, example = 0.9)]
    sure_at: Option<f64>,
    /// Lists only classes under these groups and classes: ids, or names of shown groups, separated by commas; at most 100.
    within: Option<String>,
    /// `cam` adds the evidence for each class; needs `crops=1` and a `top_k` of at most 10.
    explain: Option<ExplainMethod>,
}

/// Several images as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ClassifyJsonBatch {
    /// Image files in base64, answered in order.
    #[schema(value_type = Vec<Base64Image>, min_items = 1, example = json!([EXAMPLE_IMAGE]))]
    images: Vec<String>,
    /// How many classes to list; 5 if left out.
    #[schema(minimum = 1, maximum = 1000, example = 5)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability; 0 if left out.
    #[schema(minimum = 0.0, maximum = 1.0, example = 0)]
    min_probability: Option<f32>,
    /// Crops whose probabilities are averaged: 1 (the centre; if left out), 5 (and the corners) or 10 (and
    /// all five mirrored).
    #[schema(value_type = Option<CropCount>)]
    crops: Option<u32>,
    /// Lists what classes have in common, such as "dog", and what the network is sure of; false if left out.
    #[schema(example = false)]
    groups: Option<bool>,
    /// Says what the network is sure of, a class or a group; false if left out.
    #[schema(example = false)]
    sure: Option<bool>,
    /// The probability from which on it is sure; 0.9 if left out.
    #[schema(minimum = 0.5, maximum = 0.999, example = 0.9)]
    sure_at: Option<f64>,
    /// Lists only classes under these groups and classes: ids, or names of shown groups, separated by commas; at most 100.
    within: Option<String>,
    /// `cam` adds the evidence for each class; needs `crops=1` and a `top_k` of at most 10.
    explain: Option<ExplainMethod>,
}

/// How an answer is explained.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)] // only described, never read
pub enum ExplainMethod {
    /// Class activation map: what each square of the last map adds to the logit.
    Cam,
}

/// How `POST /explain` explains an answer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)] // only described, never read
pub enum ExplanationMethod {
    /// Class activation map: what each square of the last map adds to the logit.
    Cam,
    /// The gradient of the logit at the map of a module, times the map.
    Gradient,
    /// What the logit loses when a part of the photo is covered.
    Occlusion,
}

/// The query of `POST /explain`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only described, never read
pub struct ExplainQueryParameters {
    /// The class to explain: its index, its WordNet id or its name; the best one if left out.
    class: Option<String>,
    /// A second class: then the difference of the two is explained.
    against: Option<String>,
    /// How; `cam` if left out.
    #[param(value_type = ExplanationMethod, required = false)]
    method: Option<ExplanationMethod>,
    /// With `method=gradient`: the module at whose map it is; `inception_4e` in GoogLeNet if left out.
    module: Option<String>,
    /// With `method=cam`: classes named for each square, 0 to 5; 3 if left out. With `method=occlusion`: parts on a side,
    /// 2 to 12; 8 if left out.
    #[param(minimum = 0, maximum = 12)]
    squares: Option<u32>,
    /// With `method=cam`: channels listed; 10 if left out.
    #[param(minimum = 0, maximum = 50)]
    channels: Option<u32>,
    /// Width and height of a picture in pixels; 448 if left out.
    #[param(minimum = 224, maximum = 1024)]
    size: Option<u32>,
}

/// The body of `POST /explain` as a form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ExplainForm {
    /// An image file.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The class to explain: its index, its WordNet id or its name; the best one if left out.
    // A page leaves out an empty field.
    #[schema(example = "", nullable = false)]
    class: Option<String>,
    /// A second class: then the difference of the two is explained.
    #[schema(example = "", nullable = false)]
    against: Option<String>,
    /// How; `cam` if left out.
    #[schema(nullable = false)]
    method: Option<ExplanationMethod>,
    /// With `method=gradient`: the module at whose map it is; `inception_4e` in GoogLeNet if left out.
    // A page leaves out an empty field.
    #[schema(example = "", nullable = false)]
    module: Option<String>,
    /// With `method=cam`: classes named for each square, 0 to 5; 3 if left out. With `method=occlusion`: parts on a side,
    /// 2 to 12; 8 if left out.
    #[schema(minimum = 0, maximum = 12, example = "", nullable = false)]
    squares: Option<u32>,
    /// With `method=cam`: channels listed; 10 if left out.
    #[schema(minimum = 0, maximum = 50, example = "", nullable = false)]
    channels: Option<u32>,
    /// Width and height of a picture in pixels; 448 if left out.
    #[schema(minimum = 224, maximum = 1024, example = 448, nullable = false)]
    size: Option<u32>,
}

/// The body of `POST /explain` as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ExplainJson {
    /// An image file in base64.
    #[schema(content_encoding = "base64", format = Byte, example = json!(EXAMPLE_IMAGE))]
    image: String,
    /// The class to explain: its index, its WordNet id or its name; the best one if left out.
    class: Option<ClassName>,
    /// A second class: then the difference of the two is explained.
    against: Option<ClassName>,
    /// How; `cam` if left out.
    method: Option<ExplanationMethod>,
    /// With `method=gradient`: the module at whose map it is; `inception_4e` in GoogLeNet if left out.
    module: Option<String>,
    /// With `method=cam`: classes named for each square, 0 to 5; 3 if left out. With `method=occlusion`: parts on a side,
    /// 2 to 12; 8 if left out.
    #[schema(minimum = 0, maximum = 12, example = 3)]
    squares: Option<u32>,
    /// With `method=cam`: channels listed; 10 if left out.
    #[schema(minimum = 0, maximum = 50, example = 10)]
    channels: Option<u32>,
    /// Width and height of a picture in pixels; 448 if left out.
    #[schema(minimum = 224, maximum = 1024, example = 448)]
    size: Option<u32>,
}

/// A class.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // only described, never read
pub enum ClassName {
    /// Its index in the network's output.
    Index(u32),
    /// Its WordNet id or its name.
    Name(String),
}

/// An image file in base64.
#[derive(Deserialize, ToSchema)]
#[schema(content_encoding = "base64", format = Byte)]
#[allow(dead_code)] // only described, never read
pub struct Base64Image(String);

/// Which channels come first.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)] // only described, never read
pub enum ChannelSort {
    /// Those of the largest mean.
    Mean,
    /// Those of the largest value.
    Max,
    /// Those of the smallest index.
    Index,
}

/// The query of `POST /activations`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only described, never read
pub struct ActivationsQueryParameters {
    /// Modules, separated by commas, or in several parameters of this name; all if left out.
    module: Option<String>,
    /// Channels of each that are listed and drawn; 64 if left out.
    #[param(minimum = 1, maximum = 1024)]
    channels: Option<u32>,
    /// Which come first; `mean` if left out.
    #[param(value_type = ChannelSort, required = false)]
    sort: Option<ChannelSort>,
    /// Whether they are drawn; true if left out.
    sprite: Option<bool>,
}

/// The body of `POST /activations` as a form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ActivationsForm {
    /// An image file.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// Modules, separated by commas, or in several fields of this name; all if left out.
    // A page leaves out an empty field.
    #[schema(example = "", nullable = false)]
    module: Option<String>,
    /// Channels of each that are listed and drawn; 64 if left out.
    #[schema(minimum = 1, maximum = 1024, example = 64, nullable = false)]
    channels: Option<u32>,
    /// Which come first; `mean` if left out.
    #[schema(nullable = false)]
    sort: Option<ChannelSort>,
    /// Whether they are drawn; true if left out.
    #[schema(example = true, nullable = false)]
    sprite: Option<bool>,
}

/// The body of `POST /activations` as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // only described, never read
pub struct ActivationsJson {
    /// An image file in base64.
    #[schema(content_encoding = "base64", format = Byte, example = json!(EXAMPLE_IMAGE))]
    image: String,
    /// Modules; all if left out.
    module: Option<ModuleNames>,
    /// Channels of each that are listed and drawn; 64 if left out.
    #[schema(minimum = 1, maximum = 1024, example = 64)]
    channels: Option<u32>,
    /// Which come first; `mean` if left out.
    sort: Option<ChannelSort>,
    /// Whether they are drawn; true if left out.
    #[schema(example = true)]
    sprite: Option<bool>,
}

/// Names of modules.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // only described, never read
pub enum ModuleNames {
    /// One, or several separated by commas.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// How many crops there may be. Without an example, which a page would fill the query in with: into a form it
/// puts the first.
pub struct CropCount;

impl PartialSchema for CropCount {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .enum_values(Some([1, 5, 10]))
            .build()
            .into()
    }
}

impl ToSchema for CropCount {}

/// The input of [`infer_example`].
pub fn infer_input_example() -> Value {
    json!({"name": "image", "datatype": "BYTES", "shape": [1], "data": [EXAMPLE_IMAGE]})
}

/// A request to `/v2/models/{name}/infer` for the best classes of an image.
pub fn infer_example() -> Value {
    json!({
        "inputs": [infer_input_example()],
        "outputs": [{"name": "prob_1", "parameters": {"classification": 5}}],
    })
}
