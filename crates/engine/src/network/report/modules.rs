//! Finds the modules of a graph by their structure.
//!
//! An inception module is a concatenation along the channels whose four inputs lead back to one
//! tensor: one through a 1x1 convolution, two through a 1x1 convolution and a larger one, and one
//! through max pooling and a 1x1 convolution. Activations and batch normalizations on the way are
//! passed by. Names play no part, so that any exporter's GoogLeNet is recognised.

use std::collections::HashMap;

use super::{Branches, LayerRow, ModuleKind, ModuleRow};
use crate::model::Branch;
use crate::network::description::INCEPTIONS;
use crate::network::graph::Graph;

/// The modules of a graph in data-flow order, and which of its nodes belong to them.
pub(super) struct Modules {
    modules: Vec<Found>,
    owner: HashMap<usize, (usize, Option<Branch>)>,
}

/// A module and its nodes.
pub(super) struct Found {
    pub(super) name: String,
    kind: ModuleKind,
    nodes: Vec<usize>,
    inception: Option<Parts>,
}

/// The convolutions of an inception module, by their node.
struct Parts {
    one: usize,
    three: Reduced,
    five: Reduced,
    projection: usize,
}

/// A convolution and the reduction before it.
struct Reduced {
    reduction: usize,
    /// Normalizations and activations of the reduction.
    reduction_activations: Vec<usize>,
    convolution: usize,
}

impl Modules {
    /// The module of a node.
    pub(super) fn of(&self, node: usize) -> Option<&Found> {
        self.owner.get(&node).map(|(module, _)| &self.modules[*module])
    }

    /// The branch of a node in an inception module.
    pub(super) fn branch(&self, node: usize) -> Option<Branch> {
        self.owner.get(&node).and_then(|(_, branch)| *branch)
    }
}

/// Finds the modules of `graph`.
pub(super) fn find(graph: &Graph) -> Modules {
    let mut found = Vec::new();
    let mut branches = HashMap::new();
    for index in graph.layers() {
        if let Some((module, its_branches)) = inception(graph, index) {
            found.push(module);
            branches.extend(its_branches);
        }
    }
    if found.len() == INCEPTIONS.len() {
        for (module, (name, _)) in found.iter_mut().zip(INCEPTIONS) {
            module.name = name.to_owned();
        }
    }
    let inside: std::collections::HashSet<usize> =
        found.iter().flat_map(|module| module.nodes.iter().copied()).collect();
    let outside = graph.layers().filter(|index| !inside.contains(index));
    found.extend(outside.filter_map(|index| single(graph, index)));
    found.sort_by_key(|module| module.nodes.iter().min().copied());
    let owner = found
        .iter()
        .enumerate()
        .flat_map(|(module, its)| its.nodes.iter().map(move |&node| (node, module)))
        .map(|(node, module)| (node, (module, branches.get(&node).copied())))
        .collect();
    Modules { modules: found, owner }
}

/// One layer outside the inception modules, with what follows it.
fn single(graph: &Graph, index: usize) -> Option<Found> {
    let kind = match graph.operator(index) {
        "Conv" => ModuleKind::Convolution,
        "MaxPool" => ModuleKind::MaxPooling,
        "LRN" => ModuleKind::LocalResponseNormalization,
        "AveragePool" | "GlobalAveragePool" => ModuleKind::AveragePooling,
        "Dropout" => ModuleKind::Dropout,
        "Gemm" | "MatMul" => ModuleKind::FullyConnected,
        "Softmax" => ModuleKind::Softmax,
        _ => return None,
    };
    let mut nodes = vec![index];
    let mut last = index;
    while let Some(next) = graph.output(last).and_then(|tensor| graph.only_reader(tensor))
        && next > last
        && belongs(graph, kind, last, next)
    {
        nodes.push(next);
        last = next;
    }
    Some(Found { name: graph.name(index).to_owned(), kind, nodes, inception: None })
}

/// Whether the node `next`, the only reader of `last`, is part of `last`'s layer.
fn belongs(graph: &Graph, kind: ModuleKind, last: usize, next: usize) -> bool {
    match kind {
        ModuleKind::Convolution => is_activation(graph, next),
        ModuleKind::FullyConnected => {
            graph.operator(last) == "MatMul"
                && graph.operator(next) == "Add"
                && graph.node(next).input.iter().any(|tensor| graph.is_constant(tensor))
        }
        _ => false,
    }
}

/// Whether the node is one that stands behind a convolution and keeps its shape.
fn is_activation(graph: &Graph, node: usize) -> bool {
    match graph.operator(node) {
        "Relu" | "BatchNormalization" | "LeakyRelu" | "Clip" | "Identity" => true,
        // What some exporters make of a batch normalisation.
        "Mul" | "Add" => graph.node(node).input.iter().any(|tensor| graph.is_constant(tensor)),
        _ => false,
    }
}

/// A convolution or pool found on the way back from the concatenation, with what follows it.
struct Step {
    node: usize,
    activations: Vec<usize>,
    reads: String,
}

/// The inception module that ends in the node `concat`, with the branches of its nodes.
fn inception(graph: &Graph, concat: usize) -> Option<(Found, Vec<(usize, Branch)>)> {
    let inputs = &graph.node(concat).input;
    let along_channels = matches!(graph.int(concat, "axis"), Some(1 | -3));
    if graph.operator(concat) != "Concat" || inputs.len() != 4 || !along_channels {
        return None;
    }
    // The 1x1 branch is one step from the module's input: the input is among these four tensors.
    let first: Vec<Step> =
        inputs.iter().map(|tensor| step(graph, tensor, concat)).collect::<Option<_>>()?;
    first.iter().find_map(|step| with_input(graph, concat, &step.reads))
}

/// The inception module between the tensor `root` and the node `concat`.
fn with_input(graph: &Graph, concat: usize, root: &str) -> Option<(Found, Vec<(usize, Branch)>)> {
    let (mut one, mut reduced, mut pooled) = (None, Vec::new(), None);
    for tensor in &graph.node(concat).input {
        let steps = walk(graph, tensor, concat, root)?;
        match steps.as_slice() {
            [only] if is_convolution(graph, only, 1..2) && one.is_none() => one = Some(steps),
            [outer, inner]
                if is_convolution(graph, outer, 2..usize::MAX)
                    && is_convolution(graph, inner, 1..2) =>
            {
                reduced.push(steps);
            }
            [outer, inner]
                if is_convolution(graph, outer, 1..2)
                    && graph.operator(inner.node) == "MaxPool"
                    && pooled.is_none() =>
            {
                pooled = Some(steps);
            }
            _ => return None,
        }
    }
    // torchvision's "5x5" is a 3x3: then the order of the concatenation decides.
    reduced.sort_by_key(|steps| kernel(graph, steps[0].node));
    let [three, five]: [Vec<Step>; 2] = reduced.try_into().ok()?;
    let (one, pooled) = (one?, pooled?);

    let pair = |steps: &[Step]| Reduced {
        reduction: steps[1].node,
        reduction_activations: steps[1].activations.clone(),
        convolution: steps[0].node,
    };
    let parts = Parts {
        one: one[0].node,
        three: pair(&three),
        five: pair(&five),
        projection: pooled[0].node,
    };
    let branches: Vec<(usize, Branch)> =
        [(Branch::One, one), (Branch::Three, three), (Branch::Five, five), (Branch::Pool, pooled)]
            .into_iter()
            .flat_map(|(branch, steps)| steps.into_iter().map(move |step| (branch, step)))
            .flat_map(|(branch, step)| {
                step.activations.into_iter().chain([step.node]).map(move |node| (node, branch))
            })
            .collect();
    let mut nodes: Vec<usize> = branches.iter().map(|(node, _)| *node).collect();
    nodes.push(concat);
    let name = module_name(graph.name(concat));
    let kind = ModuleKind::Inception;
    Some((Found { name, kind, nodes, inception: Some(parts) }, branches))
}

/// The steps from `tensor` back to `root`, the last first; two at most, and `None` when they do
/// not lead there.
fn walk(graph: &Graph, tensor: &str, reader: usize, root: &str) -> Option<Vec<Step>> {
    let mut steps = vec![step(graph, tensor, reader)?];
    if steps[0].reads != root {
        let next = step(graph, &steps[0].reads, steps[0].node)?;
        steps.push(next);
    }
    (steps.last()?.reads == root).then_some(steps)
}

/// The convolution or pool that `tensor` comes from, through activations alone.
fn step(graph: &Graph, tensor: &str, reader: usize) -> Option<Step> {
    let mut node = graph.writer(tensor, reader)?;
    let mut activations = Vec::new();
    while is_activation(graph, node) {
        activations.push(node);
        node = graph.writer(graph.data_input(node)?, node)?;
    }
    let reads = graph.data_input(node)?.to_owned();
    matches!(graph.operator(node), "Conv" | "MaxPool").then_some(Step { node, activations, reads })
}

/// Whether the step is a convolution of stride 1 whose kernel lies in `kernels`.
fn is_convolution(graph: &Graph, step: &Step, kernels: std::ops::Range<usize>) -> bool {
    let stride_1 = graph.sizes(step.node, "strides").is_none_or(|s| s.iter().all(|&s| s == 1));
    graph.operator(step.node) == "Conv"
        && stride_1
        && kernel(graph, step.node).is_some_and(|kernel| kernels.contains(&kernel))
}

/// Sizes of a convolution's weights, `[outputs, inputs, height, width]`.
fn weights(graph: &Graph, node: usize) -> Option<[usize; 4]> {
    graph.constant(graph.input(node, 1)?)?.try_into().ok()
}

/// The kernel of a convolution that is square.
fn kernel(graph: &Graph, node: usize) -> Option<usize> {
    let [_, _, height, width] = weights(graph, node)?;
    (height == width).then_some(height)
}

/// `inception_3a/output` is the end of `inception_3a`.
fn module_name(concat: &str) -> String {
    match concat.rsplit_once('/') {
        Some((module, _)) if !module.is_empty() => module.to_owned(),
        _ => concat.to_owned(),
    }
}

/// The rows of `modules`, summed from those of their layers.
pub(super) fn rows(
    graph: &Graph,
    modules: &Modules,
    layers: &[(usize, LayerRow)],
) -> Vec<ModuleRow> {
    let rows: HashMap<usize, &LayerRow> = layers.iter().map(|(node, row)| (*node, row)).collect();
    modules
        .modules
        .iter()
        .map(|module| {
            let its = || module.nodes.iter().filter_map(|node| rows.get(node).copied());
            let first = module.nodes.iter().min();
            let row = |node: Option<&usize>| node.and_then(|node| rows.get(node));
            let parameters = its().map(|row| row.parameters).fold(0, u64::saturating_add);
            ModuleRow {
                name: module.name.clone(),
                kind: module.kind,
                input: row(first).and_then(|row| row.input.clone()),
                output: row(module.nodes.last()).and_then(|row| row.output.clone()),
                receptive_field: row(module.nodes.last()).and_then(|row| row.receptive_field),
                parameters,
                multiply_adds: its().map(|row| row.multiply_adds).fold(0, u64::saturating_add),
                branches: module.inception.as_ref().and_then(|parts| parts.branches(graph)),
                parameters_without_reduction: module.inception.as_ref().and_then(|parts| {
                    parts.without_reductions(graph, parameters, |node| rows.get(&node).copied())
                }),
            }
        })
        .collect()
}

impl Parts {
    fn branches(&self, graph: &Graph) -> Option<Branches> {
        let outputs = |node| weights(graph, node).map(|[outputs, ..]| outputs);
        Some(Branches {
            o_1: outputs(self.one)?,
            r_3: outputs(self.three.reduction)?,
            o_3: outputs(self.three.convolution)?,
            r_5: outputs(self.five.reduction)?,
            o_5: outputs(self.five.convolution)?,
            pool: outputs(self.projection)?,
        })
    }

    /// The `parameters` of the module less its reductions, with its 3x3 and 5x5 convolutions as
    /// wide as its input.
    fn without_reductions<'a>(
        &self,
        graph: &Graph,
        parameters: u64,
        row: impl Fn(usize) -> Option<&'a LayerRow>,
    ) -> Option<u64> {
        let mut parameters = parameters;
        for Reduced { reduction, reduction_activations, convolution } in [&self.three, &self.five] {
            let [_, inputs, ..] = weights(graph, *reduction)?;
            let [outputs, _, height, width] = weights(graph, *convolution)?;
            let sizes = [outputs, inputs, height, width].map(|size| size as u64);
            let direct = sizes.into_iter().fold(1, u64::saturating_mul);
            for node in reduction_activations.iter().chain([reduction]) {
                parameters = parameters.saturating_sub(row(*node)?.parameters);
            }
            parameters =
                parameters.saturating_sub(row(*convolution)?.weights?).saturating_add(direct);
        }
        Some(parameters)
    }
}
