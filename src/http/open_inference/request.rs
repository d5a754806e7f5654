//! An inference request that fits the model: what is sent and what is asked for.
//!
//! Its elements are read when the number of images is known and there is a place for each
//! ([`super::tensor`]).

use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;

use super::elements::JsonArray;
use super::request_json::{Datatype, InferRequest, RequestInput, RequestOutput};
use crate::http::error::{ApiError, shown};
use crate::http::json_text::{Object, told, without_byte_order_mark};
use crate::topk::TopK;
use googlenet_engine::model_info::ModelInfo;

/// Where the JSON of a body ends and the raw bytes begin.
pub const INFERENCE_HEADER_CONTENT_LENGTH: HeaderName =
    HeaderName::from_static("inference-header-content-length");
/// The input for encoded images.
pub const IMAGE_INPUT: &str = "image";
/// What BVLC's GoogLeNet calls its input: taken for any model.
const TENSOR_INPUT: &str = "data_0";
/// What BVLC's GoogLeNet calls its output: taken for any model.
const OUTPUT: &str = "prob_1";
/// What the softmax reads, for those who ask for it.
const LOGITS: &str = "logits_1";

/// A request that fits the model; its data is not read yet.
#[derive(Debug)]
pub struct Checked {
    /// Comes back in the answer.
    pub id: Option<String>,
    /// The tensor that is sent.
    pub input: Input,
    /// The tensors that are asked for, at least one, in their order.
    pub outputs: Vec<Output>,
}

/// The tensor that is sent.
#[derive(Debug)]
pub struct Input {
    /// As the client calls it.
    pub name: String,
    /// What it holds.
    pub kind: InputKind,
    /// `[n, …]`, n at least 1; the product is a `usize`.
    pub shape: Vec<usize>,
    /// Where its elements are.
    pub data: Data,
}

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Normalised images, FP32 `[n, 3, side, side]`.
    Tensor,
    /// Encoded images, BYTES `[n]` or `[n, 1]`.
    Images,
}

/// Where an input's elements are.
#[derive(Clone, Debug)]
pub enum Data {
    /// In the JSON.
    Json(JsonArray),
    /// These raw bytes.
    Binary(Bytes),
}

/// The tensor that is asked for.
#[derive(Debug)]
pub struct Output {
    /// As the client calls it.
    pub name: String,
    /// What it holds.
    pub kind: OutputValues,
    /// As raw bytes behind the JSON.
    pub binary: bool,
    /// The best classes, not the probabilities.
    pub classification: Option<TopK>,
}

/// What an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputValues {
    /// Probabilities, or the best classes.
    Probabilities,
    /// What the softmax makes probabilities of.
    Logits,
}

impl Input {
    /// Images in the tensor.
    pub fn images(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
}

/// Bytes of the JSON, when raw bytes follow it.
///
/// # Errors
/// [`ApiError::InvalidInput`] when the header is no number.
pub fn json_bytes(headers: &HeaderMap) -> Result<Option<usize>, ApiError> {
    let Some(value) = headers.get(INFERENCE_HEADER_CONTENT_LENGTH) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        invalid("the header Inference-Header-Content-Length must be a number of bytes")
    })
}

/// Reads a request's JSON: the first `json_bytes` of the body, or all of it. `has_logits` says whether the model has any.
///
/// # Errors
/// [`ApiError::InvalidInput`] names what is wrong.
pub fn read_request(
    body: Bytes,
    json_bytes: Option<usize>,
    model: &ModelInfo,
    has_logits: bool,
) -> Result<Checked, ApiError> {
    let json_length = json_bytes.unwrap_or(body.len());
    if json_length > body.len() {
        return Err(invalid(format!(
            "Inference-Header-Content-Length is {json_length}, but the body has {} bytes",
            body.len()
        )));
    }
    let (json, binary) = (body.slice(..json_length), body.slice(json_length..));
    let json = json.slice_ref(without_byte_order_mark(&json));
    let Object(request): Object<InferRequest<'_>> = serde_json::from_slice(&json).map_err(|e| {
        invalid(format!("the request is not the JSON that is expected: {}", told(&e)))
    })?;
    let binary_output = request.parameters.and_then(|p| p.binary_data_output).unwrap_or(false);
    let outputs = check_outputs(request.outputs, binary_output, model, has_logits)?;
    let inputs = <[RequestInput<'_>; 1]>::try_from(request.inputs).map_err(|inputs| {
        invalid(format!(
            "give one input, `{TENSOR_INPUT}` or `{IMAGE_INPUT}`, not {}",
            inputs.len()
        ))
    })?;
    let [input] = inputs;
    let shape: Vec<usize> = input.shape.iter().map(|number| number.0).collect();
    let kind = check_input(&input, &shape, model)?;
    let data = find_data(&input, &json, binary)?;
    let name = input.name;
    Ok(Checked { id: request.id, input: Input { name, kind, shape, data }, outputs })
}

fn check_input(
    input: &RequestInput<'_>,
    shape: &[usize],
    model: &ModelInfo,
) -> Result<InputKind, ApiError> {
    let is_tensor = input.name == TENSOR_INPUT || input.name == model.input_name;
    let is_images = input.name == IMAGE_INPUT;
    let side = model.preprocessing.side;
    let (kind, fits, expected) = match input.datatype {
        Datatype::Fp32 if is_tensor => {
            let fits = matches!(*shape, [_, 3, height, width] if (height, width) == (side, side));
            (InputKind::Tensor, fits, format!("[n, 3, {side}, {side}]"))
        }
        Datatype::Bytes if is_images => {
            let fits = matches!(*shape, [_] | [_, 1]);
            (InputKind::Images, fits, "[n] or [n, 1]".into())
        }
        _ if is_tensor => return Err(invalid(format!("input `{}` must be FP32", input.name))),
        _ if is_images => return Err(invalid(format!("input `{IMAGE_INPUT}` must be BYTES"))),
        _ => {
            return Err(invalid(format!(
                "there is no input `{}`: give `{TENSOR_INPUT}` (FP32) or `{IMAGE_INPUT}` (BYTES)",
                shown(&input.name)
            )));
        }
    };
    let counts = shape.first().is_some_and(|n| *n > 0);
    let fits = fits && counts && shape.iter().try_fold(4usize, |a, b| a.checked_mul(*b)).is_some();
    if fits {
        Ok(kind)
    } else {
        Err(invalid(format!(
            "input `{}` has the shape {shape:?}: it must be {expected}, n at least 1",
            input.name
        )))
    }
}

fn find_data(input: &RequestInput<'_>, json: &Bytes, binary: Bytes) -> Result<Data, ApiError> {
    let name = &input.name;
    let parameters = input.parameters.as_ref();
    if parameters.is_some_and(|p| p.shared_memory_region.is_some()) {
        return Err(invalid(format!("input `{name}`: shared memory is not supported")));
    }
    match (input.data, parameters.and_then(|p| p.binary_data_size).map(|size| size.0)) {
        (Some(_), Some(_)) => {
            Err(invalid(format!("input `{name}` has both `data` and `binary_data_size`: give one")))
        }
        (None, None) => Err(invalid(format!(
            "input `{name}` has no elements: give `data`, or `binary_data_size` in its parameters"
        ))),
        (None, Some(size)) if size == binary.len() => Ok(Data::Binary(binary)),
        (None, Some(size)) => Err(invalid(format!(
            "input `{name}` has binary_data_size {size}, but {} bytes follow the JSON; the header \
             Inference-Header-Content-Length says where the JSON ends",
            binary.len()
        ))),
        (Some(data), None) if binary.is_empty() => Ok(Data::Json(JsonArray::new(json, data))),
        (Some(_), None) => Err(invalid(format!(
            "{} bytes follow the JSON, but input `{name}` has no binary_data_size",
            binary.len()
        ))),
    }
}

fn check_outputs(
    asked: Vec<RequestOutput>,
    binary: bool,
    model: &ModelInfo,
    has_logits: bool,
) -> Result<Vec<Output>, ApiError> {
    if asked.is_empty() {
        let (name, kind) = (model.output_name.clone(), OutputValues::Probabilities);
        return Ok(vec![Output { name, kind, binary, classification: None }]);
    }
    let mut outputs: Vec<Output> = Vec::with_capacity(2);
    for asked in asked {
        let output = check_output(asked, binary, model, has_logits)?;
        if outputs.iter().any(|other| other.kind == output.kind) {
            return Err(invalid(format!(
                "output `{}` is asked for twice: ask for it once",
                shown(&output.name)
            )));
        }
        outputs.push(output);
    }
    Ok(outputs)
}

fn check_output(
    RequestOutput { name, parameters }: RequestOutput,
    binary: bool,
    model: &ModelInfo,
    has_logits: bool,
) -> Result<Output, ApiError> {
    let kind = if name == model.output_name || name == OUTPUT {
        OutputValues::Probabilities
    } else if name == LOGITS && has_logits {
        OutputValues::Logits
    } else {
        let logits = if has_logits { format!(" or `{LOGITS}`") } else { String::new() };
        return Err(invalid(format!(
            "there is no output `{}`: it is `{}`{logits}",
            shown(&name),
            model.output_name
        )));
    };
    let parameters = parameters.unwrap_or_default();
    if parameters.shared_memory_region.is_some() {
        return Err(invalid(format!("output `{name}`: shared memory is not supported")));
    }
    let classes = model.classes();
    let best = |k: usize| {
        TopK::new(k.min(classes), classes)
            .ok_or_else(|| invalid(format!("output `{name}`: classification must be at least 1")))
    };
    let classification = match parameters.classification {
        Some(_) if kind == OutputValues::Logits => {
            return Err(invalid(format!(
                "output `{name}` has no classification: ask for that of `{}`",
                model.output_name
            )));
        }
        k => k.map(|k| best(k.0)).transpose()?,
    };
    Ok(Output { binary: parameters.binary_data.unwrap_or(binary), kind, classification, name })
}

/// An error of this protocol: 400 `invalid_input`.
pub fn invalid(sentence: impl Into<String>) -> ApiError {
    ApiError::InvalidInput(sentence.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use googlenet_engine::groups::{GroupTree, Groups};
    use googlenet_engine::model::Preprocessing;
    use googlenet_engine::model_info::ModelIdentity;
    use googlenet_engine::network::GoogLeNet;
    use googlenet_engine::network::report::ModelReport;
    use googlenet_engine::network::seeded::seeded_model;
    use googlenet_engine::weights::Labels;

    /// A model of 10 classes that takes 32x32 pixels and calls its input `pixels`.
    fn model() -> ModelInfo {
        let proto = seeded_model(&GoogLeNet::new(32, 10).unwrap(), 0);
        ModelInfo {
            identity: ModelIdentity {
                name: "small".into(),
                version: "0123456789ab".into(),
                precision: "f32".into(),
                trained: false,
            },
            path: None,
            input_name: "pixels".into(),
            output_kind: googlenet_engine::model::OutputKind::Probabilities,
            output_name: "scores".into(),
            instruction_sets: googlenet_engine::model::InstructionSets {
                f32: "portable",
                int8: "portable",
            },
            preprocessing: Preprocessing { side: 32, ..Preprocessing::bvlc() },
            labels: Labels::numbered(10),
            groups: Groups::new(GroupTree::wordnet(), Labels::numbered(10).ids()).unwrap(),
            report: ModelReport::new(&proto).unwrap(),
        }
    }

    fn read(request: &Value, tail: &[u8]) -> Result<Checked, ApiError> {
        let json = request.to_string();
        let body = [json.as_bytes(), tail].concat();
        read_request(body.into(), Some(json.len()), &model(), true)
    }

    /// One image as raw bytes, changed by `change`.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<Checked, ApiError> {
        let mut request = json!({
            "id": "7",
            "inputs": [{"name": "data_0", "datatype": "FP32", "shape": [1, 3, 32, 32],
                "parameters": {"binary_data_size": 4}}],
            "outputs": [{"name": "prob_1", "parameters": {"binary_data": true}}],
        });
        change(&mut request);
        read(&request, b"1234")
    }

    #[test]
    fn what_clients_send_is_taken() {
        let checked = changed(|_| {}).unwrap();
        assert_eq!(checked.id.as_deref(), Some("7"));
        assert_eq!((checked.input.images(), checked.input.kind), (1, InputKind::Tensor));
        assert!(matches!(&checked.input.data, Data::Binary(raw) if raw == "1234"));
        assert_eq!((checked.outputs[0].name.as_str(), checked.outputs[0].binary), ("prob_1", true));
        let own = changed(|r| r["inputs"][0]["name"] = json!("pixels")).unwrap();
        assert_eq!(own.input.kind, InputKind::Tensor);
        let nulls = json!({"id": null, "parameters": null, "outputs": null, "more": {},
            "inputs": [{"name": "image", "datatype": "BYTES", "shape": [2, 1], "parameters": null,
                "data": ["a", "b"]}]});
        let checked = read(&nulls, b"").unwrap();
        assert_eq!((checked.input.images(), checked.input.kind), (2, InputKind::Images));
        assert_eq!(
            (checked.outputs[0].name.as_str(), checked.outputs[0].binary),
            ("scores", false)
        );
    }

    #[test]
    fn outputs_take_the_form_that_is_asked_for() {
        let all = changed(|r| {
            r["outputs"] = json!([]);
            r["parameters"] = json!({"binary_data_output": true, "priority": 3});
        });
        assert!(all.unwrap().outputs[0].binary);
        let own = changed(|r| {
            r["outputs"] = json!([{"name": "scores", "parameters": {"binary_data": false}}]);
            r["parameters"] = json!({"binary_data_output": true});
        });
        assert!(!own.unwrap().outputs[0].binary);
        for (asked, given) in [(1, 1), (10, 10), (11, 10)] {
            let parameters = json!({"classification": asked});
            let best = changed(|r| r["outputs"][0]["parameters"] = parameters).unwrap();
            assert_eq!(best.outputs[0].classification, TopK::new(given, 10));
        }
    }

    #[test]
    fn logits_come_only_when_they_are_asked_for() {
        let kinds = |checked: Checked| -> Vec<_> {
            checked.outputs.iter().map(|output| (output.kind, output.binary)).collect()
        };
        let (probabilities, logits) = (OutputValues::Probabilities, OutputValues::Logits);
        assert_eq!(kinds(changed(|_| {}).unwrap()), [(probabilities, true)]);
        let both = changed(|r| {
            r["outputs"] = json!([{"name": "logits_1", "parameters": {"binary_data": true}}, {"name": "scores"}]);
        });
        assert_eq!(kinds(both.unwrap()), [(logits, true), (probabilities, false)]);
        let json = json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["a"]}],
            "outputs": [{"name": "logits_1"}]});
        let body = Bytes::from(json.to_string());
        assert!(read_request(body.clone(), None, &model(), true).is_ok());
        let error = read_request(body, None, &model(), false).unwrap_err();
        assert!(error.to_string().contains("no output `logits_1`: it is `scores`"), "{error}");
        let best = changed(|r| {
            r["outputs"] = json!([{"name": "logits_1", "parameters": {"classification": 3}}]);
        });
        assert!(best.unwrap_err().to_string().contains("has no classification"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 22] = [
            (|r| r["id"] = json!(7), "expected a string"),
            (|r| r["inputs"] = json!([]), "give one input"),
            (|r| r["inputs"] = json!([r["inputs"][0], r["inputs"][0]]), "not 2"),
            (|r| r["inputs"] = json!(vec![r["inputs"][0].clone(); 17]), "up to 16"),
            (|r| r["inputs"][0]["name"] = json!("in\nput"), "no input `in\\nput`"),
            (|r| r["inputs"][0]["datatype"] = json!("FP16"), "unknown value `FP16`"),
            (|r| r["inputs"][0]["datatype"] = json!("BYTES"), "must be FP32"),
            (|r| r["inputs"][0]["name"] = json!("image"), "must be BYTES"),
            (|r| r["inputs"][0]["shape"] = json!([3, 32, 32]), "must be [n, 3, 32, 32]"),
            (|r| r["inputs"][0]["shape"] = json!([1, 32, 32, 3]), "must be [n, 3, 32, 32]"),
            (|r| r["inputs"][0]["shape"] = json!([0, 3, 32, 32]), "n at least 1"),
            (|r| r["inputs"][0]["shape"] = json!([u64::MAX / 4, 3, 32, 32]), "must be"),
            (|r| r["inputs"][0]["shape"] = json!([-1, 3, 32, 32]), "-1"),
            (|r| r["inputs"][0]["shape"] = json!(null), "array"),
            (|r| r["inputs"][0]["data"] = json!([]), "both `data` and `binary_data_size`"),
            (|r| r["inputs"][0]["parameters"] = json!({}), "no elements"),
            (|r| r["inputs"][0]["parameters"]["binary_data_size"] = json!(5), "4 bytes follow"),
            (
                |r| r["inputs"][0]["parameters"]["shared_memory_region"] = json!("r"),
                "shared memory",
            ),
            (|r| r["outputs"][0]["name"] = json!("prob_2"), "no output `prob_2`"),
            (|r| r["outputs"] = json!([r["outputs"][0], r["outputs"][0]]), "ask for it once"),
            (
                |r| r["outputs"][0]["parameters"]["classification"] = json!(0),
                "classification must be at least 1",
            ),
            (|r| *r = json!([]), "expected an object with `inputs`"),
        ];
        for (change, because) in cases {
            let error = changed(change).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_input", "{error}");
            assert!(error.to_string().contains(because), "{error}: not {because}");
        }
    }

    #[test]
    fn the_header_must_fit_the_body() {
        let body = Bytes::from_static(b"{}");
        let error = read_request(body, Some(3), &model(), true).unwrap_err();
        assert!(error.to_string().contains("the body has 2 bytes"), "{error}");
        let request = json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
            "data": ["a"]}]});
        let error = read(&request, b"tail").unwrap_err();
        assert!(error.to_string().contains("4 bytes follow the JSON"), "{error}");
    }
}
