//! Whether a file can be served: an image in, class probabilities out, all weights inside.
//!
//! The network need not be GoogLeNet; what only differs from the paper is a [`remark`].

use std::collections::HashSet;
use std::fmt;

use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, ValueInfoProto, tensor_proto::DataType,
    tensor_shape_proto::dimension::Value as Size, type_proto::Value,
};

use super::description::GoogLeNet;
use super::parsed::ParsedGraph;
use super::report::ModelReport;
use super::shapes::{self, Shapes};

/// What a model reads and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name of the input, f32 `[n, 3, side, side]`.
    pub input_name: String,
    /// Name of the output, f32 `[n, classes]` or `[n, classes, 1, 1]`.
    pub output_name: String,
    /// Width and height of the image in pixels.
    pub side: usize,
    /// Classes of the answer.
    pub classes: usize,
}

/// Why a file cannot be served. Each is a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The bytes are something else.
    #[error(
        "this is not an ONNX model ({0}): give the path of an .onnx file that was downloaded whole"
    )]
    NotOnnx(String),
    /// The bytes only say where Git keeps the file.
    #[error(
        "this is a Git LFS pointer, not the model itself: run `git lfs pull` where it was cloned, \
         or download the file"
    )]
    GitLfsPointer,
    /// There are more of them than any network for images has.
    #[error(
        "the model has {found} {what}, at most {most} are taken: simplify it (python -m onnxsim in.onnx out.onnx), or \
         serve it elsewhere: it is far larger than a classifier of images needs"
    )]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        most: usize,
    },
    /// A name holds what is no text.
    #[error("the name `{0}` in the model holds control characters: the file is damaged")]
    Name(String),
    /// A tensor of weights is broken.
    #[error("the weights `{name}` cannot be read: {reason}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A node cannot be run.
    #[error("the node {node} cannot be run: {reason}")]
    Node {
        /// Its name and operator.
        node: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The network was quantised.
    #[error(
        "this model was quantised (node {node}), and such files are not run: give the f32 model that it was made \
         from, with `--precision int8` after `googlenet calibrate DIR`, which is faster than f32 as well"
    )]
    Quantised {
        /// The first of the nodes that show it.
        node: String,
    },
    /// tract does not know an operator.
    #[error(
        "the node {node} has an operator that is not run here (domain {domain}): export the model with the \
         usual operators of ONNX alone, or give the file from before it was optimised for another runtime"
    )]
    Operator {
        /// Its name and operator.
        node: String,
        /// Whose operator it is.
        domain: String,
    },
    /// An operator is used in a way that is not run right.
    #[error(
        "the node {node} uses {what}, which is not run here: export the model without it, in evaluation mode and with \
         fixed sizes"
    )]
    Variant {
        /// Its name and operator.
        node: String,
        /// The form of the operator.
        what: &'static str,
    },
    /// The operators are of another age.
    #[error(
        "the model is written for version {found} of ONNX's operators, those from {least} to {most} are known: \
         export it again with opset_version=17, or convert it with onnx.version_converter"
    )]
    Opset {
        /// The file's.
        found: i64,
        /// The oldest.
        least: i64,
        /// The newest.
        most: i64,
    },
    /// Not exactly one input.
    #[error(
        "the model has {} inputs ({}): export it with one, the image", .0.len(), .0.join(", ")
    )]
    Inputs(Vec<String>),
    /// None, or none of the name that the TOML has.
    #[error(
        "the model has no output{}; it has {}: export it with one for the classes, or correct `name` under [output] \
         in the TOML beside it",
        .wanted.as_ref().map_or_else(String::new, |name| format!(" `{name}`")),
        if .names.is_empty() { "none".to_owned() } else { .names.join(", ") }
    )]
    Outputs {
        /// What the TOML has.
        wanted: Option<String>,
        /// Those that there are.
        names: Vec<String>,
    },
    /// An input or output is not f32.
    #[error("`{name}` is of type {found}: export the model with f32 inputs and outputs")]
    Type {
        /// The input or output.
        name: String,
        /// The type as ONNX calls it.
        found: String,
    },
    /// The input is no square image.
    #[error(
        "the input `{name}` has the shape {shape}: export the model with a square input [n, 3, side, side] or \
         [n, side, side, 3] of at most {max} pixels a side",
        max = GoogLeNet::MAX_SIDE
    )]
    InputShape {
        /// The input.
        name: String,
        /// Its shape.
        shape: Shape,
    },
    /// The output is no list of classes.
    #[error(
        "the output `{name}` has the shape {shape}: export the model with an output \
         [n, classes] or [n, classes, 1, 1], of two classes or more"
    )]
    OutputShape {
        /// The output.
        name: String,
        /// Its shape.
        shape: Shape,
    },
    /// What the output is cannot be told from the graph.
    #[error(
        "the output is not plain: the node {last} follows {node}. Say what it gives in the TOML beside the model: `kind = \
         \"probabilities\"`, \"logits\" or \"log_probabilities\" under [output]"
    )]
    Distribution {
        /// The softmax or the like.
        node: String,
        /// The last node behind it.
        last: String,
    },
    /// A feature map is out of all proportion.
    #[error(
        "the tensor `{tensor}` would have the shape {sizes:?}, which is out of all proportion for a classifier of images: \
         the file is damaged, or the input is far too large"
    )]
    MapTooLarge {
        /// The tensor.
        tensor: String,
        /// Its shape.
        sizes: Vec<usize>,
    },
    /// The file contradicts itself.
    #[error(
        "the output `{name}` is declared as {shape}, but the graph gives {found}: the file is damaged, or was changed \
         by hand; export the model again"
    )]
    Declaration {
        /// The output.
        name: String,
        /// What the file declares.
        shape: Shape,
        /// What the graph gives.
        found: Shape,
    },
    /// No node writes the output.
    #[error("nothing in the model computes its output `{0}`: export it again")]
    OutputMissing(String),
    /// tract cannot tell the shape of the output.
    #[error(
        "the shape of the output `{name}` cannot be worked out: export the model for a batch of one, with fixed sizes, or \
         simplify it (python -m onnxsim in.onnx out.onnx); tract says: {reason}"
    )]
    Analysis {
        /// The output.
        name: String,
        /// What tract says.
        reason: String,
    },
}

/// A shape as a file declares it: a number, or the name of what is not fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(Vec<Result<usize, String>>);

impl Shape {
    /// As `tensor` declares it.
    pub(super) fn of(tensor: &tract_onnx::pb::type_proto::Tensor) -> Self {
        let size = |value: &Option<Size>| match value {
            Some(Size::DimValue(size)) => usize::try_from(*size).map_err(|_| size.to_string()),
            Some(Size::DimParam(name)) if !name.is_empty() => Err(name.clone()),
            _ => Err("?".to_owned()),
        };
        let sizes = tensor.shape.iter().flat_map(|shape| &shape.dim);
        Self(sizes.map(|dimension| size(&dimension.value)).collect())
    }

    /// Each a number, or the name of what is not fixed.
    pub(super) fn sizes(&self) -> &[Result<usize, String>] {
        &self.0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.iter().map(|size| match size {
            Ok(size) => size.to_string(),
            Err(name) => name.clone(),
        });
        write!(f, "[{}]", sizes.collect::<Vec<_>>().join(", "))
    }
}

/// Reads an ONNX model from the bytes of a file.
///
/// # Errors
/// [`CheckError::NotOnnx`] or [`CheckError::GitLfsPointer`].
pub fn decode(bytes: &[u8]) -> Result<ModelProto, CheckError> {
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(CheckError::GitLfsPointer);
    }
    if bytes.is_empty() {
        return Err(CheckError::NotOnnx("the file is empty".to_owned()));
    }
    let model =
        ModelProto::decode(bytes).map_err(|error| CheckError::NotOnnx(error.to_string()))?;
    match &model.graph {
        Some(graph) if !graph.node.is_empty() => Ok(model),
        _ => Err(no_graph()),
    }
}

/// What [`check`] gives.
#[derive(Debug)]
pub struct Checked {
    /// What the model reads and gives.
    pub interface: Interface,
    /// The model, parsed.
    pub parsed: ParsedGraph,
    /// The shapes that were worked out for it.
    pub shapes: Shapes,
}

/// Checks that `model` can be served.
///
/// # Errors
/// [`CheckError`] names the first thing that is in the way.
pub fn check(model: &ModelProto) -> Result<Checked, CheckError> {
    let graph = model.graph.as_ref().ok_or_else(no_graph)?;
    let input = one(inputs(graph)).map_err(CheckError::Inputs)?;
    let output = one(graph.output.iter().collect())
        .map_err(|names| CheckError::Outputs { wanted: None, names })?;
    let side = side(input)?;
    let (parsed, shapes) = shapes(model, graph, output)?;
    let interface = Interface {
        side,
        classes: classes(&shapes, output)?,
        input_name: input.name.clone(),
        output_name: output.name.clone(),
    };
    Ok(Checked { interface, parsed, shapes })
}

/// What is said of a file without a graph.
pub(super) fn no_graph() -> CheckError {
    CheckError::NotOnnx("it holds no graph".to_owned())
}

/// What to tell a user whose model is served but is not the network of the paper.
pub fn remark(report: &ModelReport) -> Option<String> {
    let inceptions = report.inceptions().count();
    match inceptions {
        _ if report.is_googlenet() => None,
        0 => Some("this network is not GoogLeNet: it has no inception modules".to_owned()),
        9 => Some(
            "this network is not quite GoogLeNet: its inception modules have other numbers of \
             channels than those of the paper"
                .to_owned(),
        ),
        _ => Some(format!(
            "this network is not GoogLeNet: {inceptions} of its modules are inception modules, \
             the paper's has 9"
        )),
    }
}

/// The graph's inputs; before version 4 of the format, its weights were listed as such as well.
pub(super) fn inputs(graph: &GraphProto) -> Vec<&ValueInfoProto> {
    let weights: HashSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    graph.input.iter().filter(|input| !weights.contains(input.name.as_str())).collect()
}

/// The only one, or the names of all.
fn one(values: Vec<&ValueInfoProto>) -> Result<&ValueInfoProto, Vec<String>> {
    match values.as_slice() {
        [value] => Ok(value),
        values => Err(values.iter().map(|value| value.name.clone()).collect()),
    }
}

fn side(input: &ValueInfoProto) -> Result<usize, CheckError> {
    let shape = declared(input)?;
    match shape.as_ref().map(|shape| shape.0.as_slice()) {
        Some([_, Ok(GoogLeNet::IMAGE_CHANNELS), Ok(height), Ok(width)])
            if height == width && (1..=GoogLeNet::MAX_SIDE).contains(height) =>
        {
            Ok(*height)
        }
        _ => Err(CheckError::InputShape {
            name: input.name.clone(),
            shape: shape.unwrap_or(Shape(Vec::new())),
        }),
    }
}

/// The parsed graph, and the shapes of all tensors, none of them out of all proportion.
fn shapes(
    model: &ModelProto,
    graph: &GraphProto,
    output: &ValueInfoProto,
) -> Result<(ParsedGraph, Shapes), CheckError> {
    let name = &output.name;
    if !graph.node.iter().any(|node| node.output.contains(name)) {
        return Err(CheckError::OutputMissing(name.clone()));
    }
    let (parsed, shapes) = shapes::infer(model).map_err(|error| CheckError::Analysis {
        name: name.clone(),
        reason: format!("{error:#}"),
    })?;
    let weights: HashSet<&String> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
    let too_large = |(name, sizes): &(&String, &Vec<usize>)| {
        elements(sizes) > MOST_ELEMENTS && !weights.contains(name)
    };
    match shapes.iter().find(too_large) {
        Some((tensor, sizes)) => {
            Err(CheckError::MapTooLarge { tensor: tensor.clone(), sizes: sizes.clone() })
        }
        None => Ok((parsed, shapes)),
    }
}

/// The classes that tract finds, which must be those that the file declares, if it does.
fn classes(shapes: &Shapes, output: &ValueInfoProto) -> Result<usize, CheckError> {
    let name = &output.name;
    let sizes = shapes.get(name).ok_or_else(|| CheckError::Analysis {
        name: name.clone(),
        reason: "it is not fixed".to_owned(),
    })?;
    let found = Shape(sizes.iter().copied().map(Ok).collect());
    let classes = match found.0.as_slice() {
        [_, Ok(classes)] | [_, Ok(classes), Ok(1), Ok(1)] if *classes > 1 => *classes,
        _ => return Err(CheckError::OutputShape { name: name.clone(), shape: found }),
    };
    match declared(output)? {
        // A Softmax that was added has made `[n, 1, 1, classes]` flat.
        Some(shape)
            if shape
                .0
                .iter()
                .skip(1)
                .filter_map(|size| size.as_ref().ok())
                .any(|size| *size != 1 && *size != classes) =>
        {
            Err(CheckError::Declaration { name: name.clone(), shape, found })
        }
        _ => Ok(classes),
    }
}

/// Elements of a feature map of one image: 256 MiB in f32.
const MOST_ELEMENTS: usize = 1 << 26;

fn elements(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size))
}

/// The shape that the file declares for an f32 tensor, if it declares one.
fn declared(value: &ValueInfoProto) -> Result<Option<Shape>, CheckError> {
    let Some(Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Ok(None);
    };
    let found = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    if found != DataType::Float {
        let (name, found) = (value.name.clone(), found.as_str_name().to_owned());
        return Err(CheckError::Type { name, found });
    }
    Ok(tensor.shape.is_some().then(|| Shape::of(tensor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::onnx::{self, Parameters};
    use proptest::prelude::*;

    /// A small GoogLeNet whose weights are all zero.
    fn model() -> ModelProto {
        onnx::model(&GoogLeNet::new(32, 10).unwrap(), true, |layer| Parameters {
            weights: vec![0.0; layer.cost().weights as usize],
            biases: vec![0.0; layer.cost().biases as usize],
        })
    }

    fn tensor(value: &mut ValueInfoProto) -> &mut tract_onnx::pb::type_proto::Tensor {
        match value.r#type.as_mut().and_then(|t| t.value.as_mut()) {
            Some(Value::TensorType(tensor)) => tensor,
            None => panic!("no tensor"),
        }
    }

    fn set_size(value: &mut ValueInfoProto, axis: usize, size: Option<Size>) {
        tensor(value).shape.as_mut().unwrap().dim[axis].value = size;
    }

    /// What is said of the small GoogLeNet after `change`.
    fn said(change: impl FnOnce(&mut GraphProto)) -> String {
        let mut model = model();
        change(model.graph.as_mut().unwrap());
        check(&model).unwrap_err().to_string()
    }

    #[test]
    fn tells_the_interface() {
        let expected = Interface {
            input_name: "data_0".to_owned(),
            output_name: "prob_1".to_owned(),
            side: 32,
            classes: 10,
        };
        assert_eq!(check(&model()).unwrap().interface, expected);

        let mut undeclared = model();
        let graph = undeclared.graph.as_mut().unwrap();
        tensor(&mut graph.output[0]).shape = None;
        let weights = graph.initializer[0].name.clone();
        graph.input.push(ValueInfoProto { name: weights, ..Default::default() });
        assert_eq!(
            check(&undeclared).unwrap().interface,
            expected,
            "classes by tract, old input list"
        );
    }

    #[test]
    fn says_what_is_in_the_way() {
        let cases = [
            (said(|g| g.input.push(g.input[0].clone())), "2 inputs (data_0, data_0)"),
            (said(|g| g.output.clear()), "no output; it has none"),
            (said(|g| tensor(&mut g.input[0]).elem_type = 10), "`data_0` is of type FLOAT16"),
            (
                said(|g| set_size(&mut g.input[0], 1, Some(Size::DimValue(1)))),
                "shape [N, 1, 32, 32]",
            ),
            (said(|g| set_size(&mut g.input[0], 2, None)), "shape [N, 3, ?, 32]"),
            (
                said(|g| set_size(&mut g.input[0], 3, Some(Size::DimValue(-1)))),
                "shape [N, 3, 32, -1]",
            ),
            (
                said(|g| set_size(&mut g.output[0], 1, Some(Size::DimValue(0)))),
                "declared as [N, 0], but the graph gives [1, 10]",
            ),
            (said(|g| g.output[0].name = "nowhere".to_owned()), "computes its output `nowhere`"),
        ];
        for (said, expected) in cases {
            assert!(said.contains(expected), "{said:?} does not say {expected:?}");
        }
    }

    #[test]
    fn says_what_is_no_onnx_file() {
        let said = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert!(said(b"").contains("empty"));
        assert!(said(b"<!DOCTYPE html><html>").contains("not an ONNX model"));
        assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(said(&ModelProto::default().encode_to_vec()).contains("empty"));
        assert!(decode(&model().encode_to_vec()).is_ok());
    }

    #[test]
    fn tells_what_is_not_googlenet() {
        let report = ModelReport::new(&model()).unwrap();
        assert_eq!(remark(&report), None);
        let none = ModelReport { modules: Vec::new(), ..report.clone() };
        assert!(remark(&none).unwrap().contains("no inception modules"));
        let mut other = report;
        let module = other.modules.iter_mut().find_map(|module| module.branches.as_mut());
        module.unwrap().o_1 += 1;
        assert!(remark(&other).unwrap().contains("not quite GoogLeNet"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(model) = decode(&bytes) {
                let _ = check(&model);
            }
        }
    }
}
