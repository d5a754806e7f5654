//! The report of a graph against the description of the network, layer by layer.

use googlenet_engine::network::{
    GoogLeNet, Kind, Layer, ModelReport, Module, Operation, check, onnx,
    report::{LayerRow, ModuleKind},
    seeded::seeded_model,
    single_layers::Window,
};
use proptest::prelude::*;

/// BVLC's file, where it is at hand.
fn bvlc() -> Option<Vec<u8>> {
    Some(std::fs::read(crate::shared::folder()?.join("models/googlenet.onnx")).unwrap())
}

/// Holds every layer and module of `report` against `network`.
fn assert_described(network: &GoogLeNet, report: &ModelReport) {
    let layers = network.layers();
    // Neither the activations nor the step to a vector are layers of the description.
    let rows: Vec<&LayerRow> = (report.layers.iter())
        .filter(|row| !matches!(row.operator.as_str(), "Relu" | "Reshape" | "Flatten"))
        .collect();
    assert_eq!(rows.len(), layers.len());
    for (layer, row) in layers.iter().zip(rows) {
        let counted = LayerRow { receptive_field: None, ..row.clone() };
        assert_eq!(shown(layer), counted, "{}", layer.name);
        assert!(row.receptive_field.is_some_and(|pixels| pixels >= 7), "{}", layer.name);
    }
    let activations = report.layers.iter().filter(|row| row.operator == "Relu").count();
    assert_eq!(activations, 57, "one a convolution");

    assert_eq!(report.modules.len(), network.modules().len());
    for (module, row) in network.modules().iter().zip(&report.modules) {
        let its = || layers.iter().filter(|layer| layer.module == module.name);
        assert_eq!((row.name.as_str(), row.kind), (module.name, kind(module)));
        let cost: googlenet_engine::network::Cost = its().map(Layer::cost).sum();
        assert_eq!((row.parameters, row.multiply_adds), (cost.parameters(), cost.multiply_adds));
        let (first, last) = (its().next().unwrap(), its().next_back().unwrap());
        assert_eq!(row.input, shown(first).input, "{}", module.name);
        assert_eq!(row.output, shown(last).output, "{}", module.name);
        let Kind::Inception(six) = module.kind else {
            assert_eq!((row.branches, row.parameters_without_reduction), (None, None));
            continue;
        };
        assert_eq!(row.branches, Some(six.into()));
        let direct = six.cost_without_reductions(first.input).parameters();
        assert_eq!(row.parameters_without_reduction, Some(direct), "{}", module.name);
    }
    let cost = network.cost();
    assert_eq!(report.totals.parameters, cost.parameters());
    assert_eq!(report.totals.multiply_adds, cost.multiply_adds);
    assert_eq!(report.totals.layers_with_weights, 58);
    assert!(report.is_googlenet());
}

/// The row that a layer of the description should have.
fn shown(layer: &Layer) -> LayerRow {
    let operator = match layer.operation {
        Operation::Convolution(_) => "Conv",
        Operation::MaxPooling(_) => "MaxPool",
        Operation::LocalResponseNormalization => "LRN",
        Operation::Concatenation => "Concat",
        Operation::AveragePooling(_) => "AveragePool",
        Operation::Dropout => "Dropout",
        Operation::FullyConnected => "Gemm",
        Operation::Softmax => "Softmax",
    };
    let flat = matches!(layer.operation, Operation::Softmax);
    let shape = |map: googlenet_engine::network::FeatureMap, flat: bool| {
        Some(if flat { vec![map.channels] } else { vec![map.side, map.side, map.channels] })
    };
    let window = layer.operation.window();
    let pair = |of: fn(Window) -> usize| window.map(|window| vec![of(window); 2]);
    let cost = layer.cost();
    let counted = |count: u64| (cost.parameters() > 0).then_some(count);
    LayerRow {
        name: layer.name.clone(),
        operator: operator.to_owned(),
        module: Some(layer.module.to_owned()),
        branch: layer.branch,
        input: shape(layer.input, flat || layer.operation == Operation::FullyConnected),
        output: shape(layer.output, flat || layer.operation == Operation::FullyConnected),
        kernel: pair(|window| window.kernel),
        stride: pair(|window| window.stride),
        padding: window.map(|w| vec![w.pad_begin, w.pad_begin, w.pad_end, w.pad_end]),
        // The description has none.
        receptive_field: None,
        weights: counted(cost.weights),
        biases: counted(cost.biases),
        parameters: cost.parameters(),
        multiply_adds: cost.multiply_adds,
    }
}

fn kind(module: &Module) -> ModuleKind {
    match module.kind {
        Kind::Convolution { .. } => ModuleKind::Convolution,
        Kind::MaxPooling => ModuleKind::MaxPooling,
        Kind::LocalResponseNormalization => ModuleKind::LocalResponseNormalization,
        Kind::Inception(_) => ModuleKind::Inception,
        Kind::AveragePooling => ModuleKind::AveragePooling,
        Kind::Dropout => ModuleKind::Dropout,
        Kind::FullyConnected { .. } => ModuleKind::FullyConnected,
        Kind::Softmax => ModuleKind::Softmax,
    }
}

#[test]
fn the_file_of_bvlc_is_the_network_of_the_paper() {
    let Some(bytes) = bvlc() else { return };
    let model = check::decode(&bytes).unwrap();
    let interface = check::check(&model).unwrap().interface;
    assert_eq!(
        (interface.input_name.as_str(), interface.output_name.as_str()),
        ("data_0", "prob_1")
    );
    assert_eq!((interface.side, interface.classes), (224, 1000));
    assert!(onnx::is_trained(&model));

    let report = ModelReport::new(&model).unwrap();
    assert_described(&GoogLeNet::default(), &report);
    assert_eq!(report.totals.parameters, 6_998_552);
    assert_eq!(report.totals.multiply_adds, 1_582_671_872);
    assert_eq!(check::remark(&report), None);
}

/// The operators of the seeded file are those of BVLC's, in the same order with the same
/// attributes, but for the step to a vector and dropout's ratio.
#[test]
fn the_seeded_file_has_the_graph_of_bvlc() {
    let Some(bytes) = bvlc() else { return };
    let nodes = |model: &tract_onnx::pb::ModelProto| -> Vec<_> {
        let graph = model.graph.as_ref().unwrap();
        let nodes = graph.node.iter().filter(|n| n.op_type != "Reshape" && n.op_type != "Flatten");
        nodes
            .map(|node| {
                let mut attributes: Vec<_> = (node.attribute.iter())
                    .map(|a| (a.name.clone(), a.i, a.f, a.ints.clone()))
                    .collect();
                attributes.sort_by(|a, b| a.0.cmp(&b.0));
                (node.name.clone(), node.op_type.clone(), attributes)
            })
            .collect()
    };
    let (bvlc, seeded) = (check::decode(&bytes).unwrap(), seeded_model(&GoogLeNet::default(), 1));
    for (bvlc, seeded) in nodes(&bvlc).iter().zip(&nodes(&seeded)) {
        assert_eq!(bvlc, seeded);
    }
    assert_eq!(nodes(&bvlc).len(), nodes(&seeded).len());
    let tensors = |model: &tract_onnx::pb::ModelProto| -> Vec<_> {
        let graph = model.graph.as_ref().unwrap();
        let tensors = graph
            .initializer
            .iter()
            .filter(|tensor| tensor.dims.len() != 1 || tensor.data_type == 1);
        let mut shapes: Vec<_> = tensors
            .filter(|tensor| !tensor.dims.is_empty())
            .map(|tensor| (tensor.name.clone(), tensor.dims.clone()))
            .collect();
        shapes.sort();
        shapes
    };
    assert_eq!(tensors(&bvlc), tensors(&seeded));
}

#[test]
fn even_and_odd_maps_are_as_tract_computes_them() {
    // 31 is the smallest; 63 to 66 give each pool an even and an odd map.
    for side in [31, 32, 33, 63, 64, 65, 66, 224] {
        let network = GoogLeNet::new(side, 10).unwrap();
        let report = ModelReport::new(&seeded_model(&network, 1)).unwrap();
        assert_described(&network, &report);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_network_is_as_tract_computes_it(side in 32usize..=256, classes in 1usize..=2000) {
        let network = GoogLeNet::new(side, classes).unwrap();
        let model = seeded_model(&network, 1);
        let interface = check::check(&model).unwrap().interface;
        prop_assert_eq!((interface.side, interface.classes), (side, classes));
        assert_described(&network, &ModelReport::new(&model).unwrap());
    }
}
