//! Merges separate `Pad` nodes, as Keras's exports have them, into the convolution that they are for.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType};

use super::constants::{attribute, constant, whole_numbers};

/// Puts each `Pad` of rows and columns with zeros into the convolutions that read it.
pub(super) fn merge(graph: &mut GraphProto, changes: &mut Vec<String>) {
    let mut count = 0;
    for index in 0..graph.node.len() {
        let Some(pads) = zeros_around(graph, &graph.node[index]) else { continue };
        let (from, padded) =
            (graph.node[index].input[0].clone(), graph.node[index].output[0].clone());
        let readers = || graph.node.iter().filter(|node| node.input.contains(&padded));
        let is_output = graph.output.iter().any(|output| output.name == padded);
        if is_output
            || readers().next().is_none()
            || !readers().all(|node| takes_pads(node, &padded))
        {
            continue;
        }
        for node in graph.node.iter_mut().filter(|node| node.input.first() == Some(&padded)) {
            node.input[0].clone_from(&from);
            add_pads(node, pads);
        }
        count += 1;
    }
    if count > 0 {
        changes.push(format!("{count} paddings were put into the convolutions that they are for"));
    }
}

/// Top, left, bottom, right of a `Pad` that adds rows and columns of zeros, and nothing else.
fn zeros_around(graph: &GraphProto, node: &NodeProto) -> Option<[i64; 4]> {
    let is_constant = attribute(node, "mode").is_none_or(|mode| mode.s == b"constant");
    if node.op_type != "Pad" || !is_constant || node.output.len() != 1 {
        return None;
    }
    let value = match node.input.get(2).filter(|value| !value.is_empty()) {
        Some(value) => constant(graph, value).map(|tensor| {
            let zero = tensor.raw_data.iter().all(|&byte| byte == 0);
            zero && tensor.float_data.iter().all(|&value| value == 0.0)
        })?,
        None => attribute(node, "value").is_none_or(|value| value.f == 0.0),
    };
    let pads = match node.input.get(1) {
        Some(pads) => whole_numbers(constant(graph, pads)?).collect(),
        None => attribute(node, "pads")?.ints.clone(),
    };
    let pads = match node.input.get(3).filter(|axes| !axes.is_empty()) {
        Some(axes) => on_all_axes(&pads, whole_numbers(constant(graph, axes)?))?,
        None => pads,
    };
    match (value, pads.as_slice()) {
        (true, &[0, 0, top, left, 0, 0, bottom, right])
            if [top, left, bottom, right].iter().all(|pad| *pad >= 0) =>
        {
            Some([top, left, bottom, right])
        }
        _ => None,
    }
}

/// Pads that are given for some axes of an NCHW map, for all of them.
fn on_all_axes(pads: &[i64], axes: impl Iterator<Item = i64>) -> Option<Vec<i64>> {
    let mut all = vec![0; 8];
    for (index, axis) in axes.enumerate() {
        let axis = usize::try_from(if axis < 0 { axis + 4 } else { axis }).ok()?;
        let half = pads.len() / 2;
        *all.get_mut(axis).filter(|_| axis < 4)? = *pads.get(index)?;
        *all.get_mut(4 + axis)? = *pads.get(half + index)?;
    }
    Some(all)
}

/// Whether the node is a convolution of `map` whose padding is given in numbers, or none.
fn takes_pads(node: &NodeProto, map: &str) -> bool {
    let auto_pad = attribute(node, "auto_pad");
    let is_explicit =
        auto_pad.is_none_or(|auto_pad| matches!(&auto_pad.s[..], b"" | b"NOTSET" | b"VALID"));
    let reads_once = node.input.iter().filter(|input| *input == map).count() == 1;
    node.op_type == "Conv"
        && is_explicit
        && reads_once
        && node.input.first().is_some_and(|input| input == map)
}

fn add_pads(node: &mut NodeProto, more: [i64; 4]) {
    node.attribute.retain(|attribute| attribute.name != "auto_pad");
    if attribute(node, "pads").is_none() {
        node.attribute.push(AttributeProto {
            name: "pads".into(),
            r#type: AttributeType::Ints.into(),
            ints: vec![0; 4],
            ..Default::default()
        });
    }
    let pads = node.attribute.iter_mut().find(|attribute| attribute.name == "pads");
    for (pad, more) in pads.into_iter().flat_map(|pads| &mut pads.ints).zip(more) {
        *pad += more;
    }
}
