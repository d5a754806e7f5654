//! Reports of graphs that other exporters would write.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto};

use super::*;
use crate::model::InstructionSets;
use crate::network::onnx::{self, Parameters};
use crate::network::{GoogLeNet, seeded::seeded_model, summary};

const SETS: InstructionSets = InstructionSets { f32: "portable", int8: "portable" };

fn network() -> GoogLeNet {
    GoogLeNet::new(64, 10).unwrap()
}

fn zeroed() -> ModelProto {
    onnx::model(&network(), true, |layer| Parameters {
        weights: vec![0.0; layer.cost().weights as usize],
        biases: vec![0.0; layer.cost().biases as usize],
    })
}

/// Calls every node and every tensor a number, but the input and the output.
fn rename(model: &mut ModelProto) {
    let graph = model.graph.as_mut().unwrap();
    let mut names = HashMap::from([
        (onnx::INPUT.to_owned(), onnx::INPUT.to_owned()),
        (onnx::OUTPUT.to_owned(), onnx::OUTPUT.to_owned()),
    ]);
    let mut opaque = |name: &mut String| {
        let next = names.len().to_string();
        *name = names.entry(name.clone()).or_insert(next).clone();
    };
    graph.initializer.iter_mut().for_each(|tensor| opaque(&mut tensor.name));
    for node in &mut graph.node {
        node.name.clear();
        node.input.iter_mut().chain(&mut node.output).for_each(&mut opaque);
    }
}

/// Puts a batch normalization behind each convolution, and takes the convolution's bias away.
fn add_batch_normalization(model: &mut ModelProto) {
    let graph = model.graph.as_mut().unwrap();
    let nodes = std::mem::take(&mut graph.node);
    for mut node in nodes {
        if node.op_type != "Conv" {
            graph.node.push(node);
            continue;
        }
        let bias = node.input.pop().unwrap();
        let channels = graph.initializer.iter().find(|tensor| tensor.name == bias).unwrap().clone();
        let given = std::mem::replace(&mut node.output[0], format!("{bias}_raw"));
        let mut input = vec![node.output[0].clone()];
        for part in ["scale", "shift", "mean", "variance"] {
            let name = format!("{bias}_{part}");
            graph.initializer.push(TensorProto { name: name.clone(), ..channels.clone() });
            input.push(name);
        }
        graph.initializer.retain(|tensor| tensor.name != bias);
        graph.node.push(node);
        graph.node.push(NodeProto {
            op_type: "BatchNormalization".to_owned(),
            input,
            output: vec![given],
            ..Default::default()
        });
    }
}

fn set(node: &mut NodeProto, attribute: AttributeProto) {
    node.attribute.retain(|old| old.name != attribute.name);
    node.attribute.push(attribute);
}

/// A list of integers.
fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 7, ints: ints.to_vec(), ..Default::default() }
}

/// Makes the 5x5 convolutions 3x3 and asks for ceil mode, as torchvision does.
fn as_torchvision(model: &mut ModelProto) {
    let graph = model.graph.as_mut().unwrap();
    for node in &mut graph.node {
        if node.name.ends_with("/5x5") {
            set(node, ints("kernel_shape", &[3, 3]));
            set(node, ints("pads", &[1, 1, 1, 1]));
        }
        if node.name.ends_with("/3x3_s2") {
            set(node, ints("pads", &[0, 0, 0, 0]));
            let ceil = AttributeProto { r#type: 2, i: 1, ..Default::default() };
            set(node, AttributeProto { name: "ceil_mode".to_owned(), ..ceil });
        }
        if node.op_type == "AveragePool" {
            node.op_type = "GlobalAveragePool".to_owned();
            node.attribute.clear();
        }
    }
    for tensor in &mut graph.initializer {
        if tensor.name.ends_with("/5x5_w_0") {
            (tensor.dims[2], tensor.dims[3]) = (3, 3);
            tensor.raw_data.truncate((tensor.dims.iter().product::<i64>() * 4) as usize);
        }
    }
}

#[test]
fn names_play_no_part() {
    let report = ModelReport::new(&zeroed()).unwrap();
    let mut model = zeroed();
    rename(&mut model);
    let renamed = ModelReport::new(&model).unwrap();
    assert!(renamed.is_googlenet());
    assert_eq!(renamed.totals, report.totals);
    let inceptions = |report: &ModelReport| -> Vec<ModuleRow> {
        report.inceptions().map(|(row, _)| row.clone()).collect()
    };
    assert_eq!(inceptions(&renamed), inceptions(&report));
    let kinds = |report: &ModelReport| -> Vec<_> {
        report.modules.iter().map(|row| (row.kind, row.output.clone(), row.parameters)).collect()
    };
    assert_eq!(kinds(&renamed), kinds(&report));
    let branches = |report: &ModelReport| -> Vec<_> {
        report.layers.iter().map(|row| (row.operator.clone(), row.branch)).collect()
    };
    assert_eq!(branches(&renamed), branches(&report));
}

/// Scale and shift of the normalization count as weights and biases; the bias is gone.
#[test]
fn batch_normalization_belongs_to_its_convolution() {
    let mut model = zeroed();
    add_batch_normalization(&mut model);
    rename(&mut model);
    let report = ModelReport::new(&model).unwrap();
    assert!(report.is_googlenet());
    let (inception_3a, _) = report.inceptions().next().unwrap();
    let channels = 64 + 96 + 128 + 16 + 32 + 32;
    assert_eq!(inception_3a.parameters, 163_696 + channels);
    assert_eq!(
        inception_3a.parameters_without_reduction,
        Some(393_472 + channels - 96 - 16),
        "the normalizations of the reductions go with them"
    );
    let outside = report.layers.iter().filter(|row| row.module.is_none());
    assert_eq!(outside.map(|row| row.operator.as_str()).collect::<Vec<_>>(), ["Flatten"]);
}

#[test]
fn a_5x5_branch_of_3x3_is_told_by_its_place() {
    let mut model = zeroed();
    as_torchvision(&mut model);
    rename(&mut model);
    let report = ModelReport::new(&model).unwrap();
    assert!(report.is_googlenet(), "{:?}", report.inceptions().next());
    let (inception_3a, _) = report.inceptions().next().unwrap();
    assert_eq!(inception_3a.parameters, 163_696 - (25 - 9) * 16 * 32);
    assert_eq!(inception_3a.parameters_without_reduction, Some(393_472 - (25 - 9) * 192 * 32));
    let pool = report.modules.iter().find(|row| row.kind == ModuleKind::AveragePooling).unwrap();
    assert_eq!(pool.output.as_deref(), Some(&[1, 1, 1024][..]));
}

/// Ceil mode and explicit padding come to the same windows.
#[test]
fn padding_is_what_the_windows_read() {
    for side in [64, 65, 224] {
        let network = GoogLeNet::new(side, 10).unwrap();
        let model = seeded_model(&network, 1);
        let mut ceil = model.clone();
        as_torchvision(&mut ceil);
        let pools = |model: &ModelProto| -> Vec<_> {
            let report = ModelReport::new(model).unwrap();
            let pools = report.layers.into_iter().filter(|row| row.operator == "MaxPool");
            pools.map(|row| (row.name, row.padding, row.output)).collect()
        };
        assert_eq!(pools(&ceil), pools(&model), "{side}");
    }
}

/// Average pooling in place of a module's max pooling: no inception module of this kind, no error.
#[test]
fn what_is_not_recognised_is_a_layer_without_a_module() {
    let mut model = zeroed();
    let nodes = &mut model.graph.as_mut().unwrap().node;
    nodes.iter_mut().find(|node| node.name == "inception_4c/pool").unwrap().op_type =
        "AveragePool".to_owned();
    let report = ModelReport::new(&model).unwrap();
    assert_eq!(report.inceptions().count(), 8);
    assert_eq!(report.totals.parameters, network().cost().parameters());
    let names: Vec<_> = report.inceptions().map(|(row, _)| row.name.as_str()).collect();
    assert_eq!(names[4], "inception_4d", "named as in the file");
    let concat = report.layers.iter().find(|row| row.name == "inception_4c/output").unwrap();
    assert_eq!((&concat.module, concat.branch), (&None, None));
    let convolution = report.layers.iter().find(|row| row.name == "inception_4c/3x3").unwrap();
    assert_eq!(convolution.module.as_deref(), Some("inception_4c/3x3"));
}

#[test]
fn every_layer_has_its_own_name_and_shapes() {
    let mut model = zeroed();
    for node in &mut model.graph.as_mut().unwrap().node {
        node.name = "same".to_owned();
    }
    let report = ModelReport::new(&model).unwrap();
    let names: std::collections::HashSet<&str> =
        report.layers.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), report.layers.len());
    assert!(report.layers.iter().all(|row| row.input.is_some() && row.output.is_some()));
}

#[test]
fn a_broken_graph_is_an_error() {
    let mut stride_0 = zeroed();
    set(&mut stride_0.graph.as_mut().unwrap().node[0], ints("strides", &[0, 0]));
    let mut no_output = zeroed();
    no_output.graph.as_mut().unwrap().output[0].name = "nowhere".to_owned();
    for model in [stride_0, no_output] {
        let error = ModelReport::new(&model).unwrap_err();
        assert!(matches!(error, ReportError::Shapes(_)), "{error}");
    }
    assert!(matches!(ModelReport::new(&ModelProto::default()), Err(ReportError::NoGraph)));
}

/// The members and their order, as clients read them.
#[test]
fn json_has_the_members_of_the_interface() {
    let report = ModelReport::new(&onnx_224()).unwrap();
    let layer = report.layers.iter().find(|row| row.name == "inception_3a/3x3_reduce").unwrap();
    assert_eq!(
        serde_json::to_string(layer).unwrap(),
        r#"{"name":"inception_3a/3x3_reduce","operator":"Conv","module":"inception_3a","branch":"3x3","input":[28,28,192],"output":[28,28,96],"kernel":[1,1],"stride":[1,1],"padding":[0,0,0,0],"receptive_field":27,"weights":18432,"biases":96,"parameters":18528,"multiply_adds":14450688}"#
    );
    let (module, _) = report.inceptions().next().unwrap();
    assert_eq!(
        serde_json::to_string(module).unwrap(),
        r#"{"name":"inception_3a","kind":"inception","input":[28,28,192],"output":[28,28,256],"receptive_field":59,"parameters":163696,"multiply_adds":128049152,"branches":{"o_1":64,"r_3":96,"o_3":128,"r_5":16,"o_5":32,"pool":32},"parameters_without_reduction":393472}"#
    );
}

fn onnx_224() -> ModelProto {
    seeded_model(&GoogLeNet::default(), 1)
}

/// The widest of a module's branches counts, 5x5.
#[test]
fn receptive_fields_are_those_of_the_network() {
    let report = ModelReport::new(&onnx_224()).unwrap();
    let fields: Vec<usize> =
        report.inceptions().map(|(row, _)| row.receptive_field.unwrap()).collect();
    assert_eq!(fields, [59, 91, 171, 235, 299, 363, 427, 587, 715]);
    let others = report.modules.iter().filter(|row| row.branches.is_none());
    let others: Vec<usize> = others.map(|row| row.receptive_field.unwrap()).collect();
    // 7x7/2, 3x3/2, normalization, 1x1, 3x3, normalization, 3x3/2; the pools between the modules; the mean over 7x7
    // pixels 32 apart, and what reads it.
    assert_eq!(others, [7, 11, 11, 11, 19, 19, 27, 107, 459, 907, 907, 907, 907]);
    let layer = |name: &str| report.layers.iter().find(|row| row.name == name).unwrap();
    assert_eq!(layer("inception_3a/1x1").receptive_field, Some(27));
    assert_eq!(layer("inception_3a/3x3").receptive_field, Some(43));
    let mut dilated = onnx_224();
    let first = &mut dilated.graph.as_mut().unwrap().node[0];
    set(first, ints("dilations", &[2, 2]));
    set(first, ints("pads", &[6, 6, 6, 6]));
    let report = ModelReport::new(&dilated).unwrap();
    assert_eq!(report.layers[0].receptive_field, Some(13));
}

#[test]
fn summary_shows_the_modules_beside_table_1() {
    let text = summary::text(&ModelReport::new(&onnx_224()).unwrap(), &[], SETS);
    let line = |start: &str| -> Vec<&str> {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start:?} in\n{text}")).split_whitespace().collect()
    };
    assert_eq!(line("Total"), ["Total", "6,998,552", "1,582,671,872"]);
    assert_eq!(
        text.lines().filter(|line| line.starts_with("inception_")).nth(9).unwrap(),
        "inception_3a       64   96  128   16   32    32     163,696     159K    393,472    58%"
    );
    assert_eq!(line("Layers with weights:")[3], "58");
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?}");
}

#[test]
fn summary_of_another_network_has_no_table_1() {
    let mut model = zeroed();
    for node in &mut model.graph.as_mut().unwrap().node {
        if node.op_type == "MaxPool" {
            node.op_type = "AveragePool".to_owned();
        }
    }
    let text = summary::text(&ModelReport::new(&model).unwrap(), &[], SETS);
    assert!(!text.contains("Table 1"), "{text}");
    assert!(text.contains("inception_3a/output"), "{text}");
}
