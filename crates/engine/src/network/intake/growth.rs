//! How large the constants of a graph become when they are computed. tract computes them while it works out the
//! shapes, and two vectors of a few kilobytes can make a matrix of gigabytes.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::super::check::CheckError;
use super::shown;

/// Elements of all that is computed from constants alone: 1 GiB in f32.
const MOST_ELEMENTS: u64 = 1 << 28;

/// Operators that give their first input's shape.
const SAME: [&str; 12] = [
    "Cast",
    "Identity",
    "Neg",
    "Abs",
    "Sqrt",
    "Exp",
    "Log",
    "Reciprocal",
    "Dropout",
    "Relu",
    "Sigmoid",
    "Tanh",
];
/// Operators whose inputs are spread over each other, as NumPy does.
const BROADCAST: [&str; 9] = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "Sum"];

/// What is known of the shape of a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Extent {
    Shape(Vec<u64>),
    /// At most so many elements.
    Elements(u64),
}

impl Extent {
    fn of(tensor: &TensorProto) -> Self {
        Self::Shape(tensor.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or(0)).collect())
    }

    fn elements(&self) -> u64 {
        match self {
            Self::Shape(sizes) => sizes.iter().fold(1, |all: u64, &size| all.saturating_mul(size)),
            Self::Elements(elements) => *elements,
        }
    }
}

/// Checks what is computed from constants alone, in data-flow order.
///
/// # Errors
/// [`CheckError::Node`] names the node at which it becomes too much.
pub(super) fn check(graph: &GraphProto) -> Result<(), CheckError> {
    let initializers = graph.initializer.iter();
    let mut known: HashMap<&str, Extent> =
        initializers.map(|tensor| (tensor.name.as_str(), Extent::of(tensor))).collect();
    let mut all = 0_u64;
    for node in &graph.node {
        let Some(extent) = extent(node, &known) else { continue };
        if node.op_type != "Constant" {
            all = all.saturating_add(extent.elements());
        }
        if all > MOST_ELEMENTS {
            let reason = format!(
                "with it, what the graph computes from its weights alone has more than {MOST_ELEMENTS} numbers: save \
                 the model with its constants folded (python -m onnxsim in.onnx out.onnx)"
            );
            return Err(CheckError::Node { node: shown(node), reason });
        }
        known.extend(node.output.iter().map(|output| (output.as_str(), extent.clone())));
    }
    Ok(())
}

/// The largest output of `node`, if it depends on constants alone.
fn extent(node: &NodeProto, known: &HashMap<&str, Extent>) -> Option<Extent> {
    if node.op_type == "Constant" {
        let value = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
        return Some(value.map_or(Extent::Elements(0), Extent::of));
    }
    let inputs = node.input.iter().filter(|input| !input.is_empty());
    let inputs: Vec<&Extent> =
        inputs.map(|input| known.get(input.as_str())).collect::<Option<_>>()?;
    let first = inputs.first()?;
    let operator = node.op_type.as_str();
    let spread = if BROADCAST.contains(&operator) { broadcast(&inputs) } else { None };
    let sum = || inputs.iter().fold(0_u64, |all, input| all.saturating_add(input.elements()));
    let product = || inputs.iter().fold(1_u64, |all, input| all.saturating_mul(input.elements()));
    Some(match operator {
        _ if SAME.contains(&operator) => (*first).clone(),
        "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Flatten" | "Slice" | "Split"
        | "ReduceSum" | "ReduceMean" | "ReduceMax" | "Shape" | "Size" => {
            Extent::Elements(first.elements())
        }
        "Concat" => Extent::Elements(sum()),
        _ => spread.unwrap_or_else(|| Extent::Elements(product())),
    })
}

/// The shape that all inputs are spread to, where all are known.
fn broadcast(inputs: &[&Extent]) -> Option<Extent> {
    let mut sizes: Vec<u64> = Vec::new();
    for input in inputs {
        let Extent::Shape(of_input) = input else { return None };
        if of_input.len() > sizes.len() {
            sizes.splice(0..0, std::iter::repeat_n(1, of_input.len() - sizes.len()));
        }
        for (size, of_input) in sizes.iter_mut().rev().zip(of_input.iter().rev()) {
            *size = if *size == 1 { *of_input } else { *size };
        }
    }
    Some(Extent::Shape(sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dims: &[i64]) -> TensorProto {
        TensorProto { name: name.into(), dims: dims.to_vec(), ..Default::default() }
    }

    fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: operator.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            ..Default::default()
        }
    }

    fn said(node: Vec<NodeProto>) -> Option<String> {
        let initializer = vec![
            tensor("column", &[20_000, 1]),
            tensor("row", &[1, 20_000]),
            tensor("weights", &[1000, 1024]),
            tensor("scale", &[1000, 1]),
        ];
        check(&GraphProto { node, initializer, ..Default::default() })
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn constants_may_not_grow_without_end() {
        for operator in ["Mul", "MatMul", "Gather"] {
            let said = said(vec![node(operator, &["column", "row"], "huge")]).unwrap();
            assert!(said.contains("`huge`"), "{said}");
        }
        let doubled = (0..20).map(|i| {
            let (from, to) = (format!("m{i}"), format!("m{}", i + 1));
            node("Concat", &[&from, &from], &to)
        });
        let first = node("Identity", &["weights"], "m0");
        assert!(said(std::iter::once(first).chain(doubled).collect()).is_some());
    }

    #[test]
    fn what_exporters_fold_by_arithmetic_is_small() {
        let nodes = vec![
            node("Mul", &["weights", "scale"], "scaled"),
            node("Cast", &["scaled"], "cast"),
            node("Transpose", &["cast"], "turned"),
            node("Gemm", &["x", "turned"], "y"),
        ];
        assert_eq!(said(nodes), None);
    }
}
