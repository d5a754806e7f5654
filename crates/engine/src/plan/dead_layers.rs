//! Where a network stops seeing its input: the first layer whose activations are zero for every picture.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::Max;

use super::load::typed_model;
use super::self_check;
use super::tapped::run_tapped;
use crate::model::{Input, Preprocessing};
use crate::network::ParsedGraph;

/// Where the network stops seeing its input, as a sentence that goes on; empty if that cannot be told.
pub fn explain(graph: &ParsedGraph, preprocessing: &Preprocessing) -> String {
    let pictures = self_check::pictures(preprocessing.side).unwrap_or_default();
    match first_dead_layer(graph, preprocessing, &pictures) {
        Some(layer) => format!("; the activations of `{layer}` are zero for all pictures"),
        None => String::new(),
    }
}

/// The name of the first ReLU, in data-flow order, that gives nothing but zeros for all `pictures`; none if there is no
/// such, or tract does not say.
fn first_dead_layer(
    graph: &ParsedGraph,
    preprocessing: &Preprocessing,
    pictures: &[Input],
) -> Option<String> {
    let model = typed_model(graph, preprocessing.side).ok()?;
    let order = model.eval_order().ok()?;
    let is_relu =
        |node: &&usize| model.node(**node).op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Max>());
    let relus: Vec<usize> = order.iter().filter(is_relu).copied().collect();
    let names: Vec<String> = relus.iter().map(|&node| model.node(node).name.clone()).collect();
    let outlets: Vec<OutletId> = relus.iter().map(|&node| node.into()).collect();
    let mut alive = vec![false; names.len()];
    run_tapped(model, &outlets, preprocessing, pictures, |maps| {
        for (alive, map) in alive.iter_mut().zip(maps) {
            let map = map.to_plain_array_view::<f32>().ok()?;
            *alive |= map.iter().any(|&value| value > 0.0);
        }
        Some(())
    })?;
    let dead = alive.iter().position(|alive| !alive)?;
    // tract makes a maximum of a ReLU, and names it so.
    names.get(dead).map(|name| name.strip_suffix(".low").unwrap_or(name).to_owned())
}
