//! Graphs that are not the paper's: one that no rule knows, and GoogLeNet with batch normalisation.

use std::path::Path;
use std::sync::Arc;

use googlenet_engine::model::OperatorPath::{Fast, Tract};
use googlenet_engine::model::{Engine, Input, Pixels, Preprocessing};
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, ParsedGraph, check};
use googlenet_engine::plan::{FastPlan, StockPlan, Team};
use googlenet_kernels::isa::Isa;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto};

fn team() -> Arc<Team> {
    Arc::new(Team::new(2).unwrap())
}

/// Sigmoid, average pooling of 2x2, groups, dilations, LeakyReLU, Tanh, a maximum over the map: tract
/// runs what no rule takes, and the answer is ONNX Runtime's.
#[test]
fn a_network_that_no_rule_knows_is_right() {
    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/graphs");
    let proto = check::decode(&std::fs::read(graphs.join("small_cnn.onnx")).unwrap()).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    let interface = check::check(&proto).unwrap().interface;
    assert_eq!((interface.side, interface.classes), (32, 5));
    let expected = std::fs::read(graphs.join("small_cnn.f32")).unwrap();
    let expected = expected.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
    let whole = |i: usize| (i * 7919 + 3 * 104_729) % 2003;
    let input: Vec<f32> = (0..3 * 32 * 32).map(|i| whole(i) as f32 / 1001.5 - 1.0).collect();
    let preprocessing = Preprocessing { side: 32, ..Preprocessing::bvlc() };
    for isa in Isa::available() {
        let plan = FastPlan::load(&graph, &preprocessing, isa, team()).unwrap();
        for known in ["Inception", "MaxPooling", "AveragePooling", "LocalResponseNorm"] {
            assert!(plan.operators().iter().all(|row| row.operator != known), "{known}");
        }
        assert!(plan.operators().iter().any(|row| row.path == Tract));
        let mut session = plan.session().unwrap();
        let answer = session.run(&[Input::Tensor(input.clone().into())]).unwrap().remove(0);
        for (a, b) in answer.as_slice().iter().zip(expected.clone()) {
            assert!((a - b).abs() <= 1e-5, "{isa:?}: {a} is not {b}");
        }
    }
}

/// As torchvision exports it in evaluation mode: convolutions without bias, each followed by a batch
/// normalisation. It is folded into the weights, and the nine modules are found.
#[test]
fn batch_normalisation_is_folded() {
    let mut proto = seeded_model(&GoogLeNet::new(224, 12).unwrap(), 3);
    let normalised = normalise_batches(&mut proto);
    assert_eq!(normalised, 57);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let plan = FastPlan::load(&graph, &preprocessing, Isa::best(), team()).unwrap();
    let fast = |name: &str| {
        let rows = plan.operators().into_iter().filter(|row| row.operator == name);
        rows.filter(|row| row.path == Fast).map(|row| row.count).sum::<usize>()
    };
    assert_eq!((fast("Inception"), fast("Convolution")), (9, 3), "{:?}", plan.operators());
    let pixels = (0..224 * 224 * 3).map(|i: usize| ((i * 31 + i / 97 * 7) % 256) as u8);
    let photo = Input::Pixels(Pixels::new(224, pixels.collect::<Vec<_>>()).unwrap());
    let stock = StockPlan::load(&graph, &preprocessing).unwrap();
    let run = |engine: &dyn Engine| {
        let mut session = engine.session().unwrap();
        session.run(std::slice::from_ref(&photo)).unwrap().remove(0)
    };
    for (a, b) in run(&plan).as_slice().iter().zip(run(&stock).as_slice()) {
        assert!((a - b).abs() <= 1e-4, "{a} is not {b}");
    }
}

/// Puts a batch normalisation behind every convolution, in place of its bias; says how many.
fn normalise_batches(proto: &mut ModelProto) -> usize {
    let graph = proto.graph.as_mut().unwrap();
    let mut nodes = Vec::new();
    let mut count = 0;
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type != "Conv" {
            nodes.push(node);
            continue;
        }
        let bias = node.input.pop().unwrap();
        let shift = graph.initializer.iter().find(|tensor| tensor.name == bias).unwrap();
        let channels = shift.dims[0];
        let output = node.output[0].clone();
        node.output[0] = format!("{output}/convolution");
        let mut constant = |what: &str, value: fn(usize) -> f32| {
            let values = (0..channels as usize).flat_map(|c| value(c).to_le_bytes());
            let name = format!("{output}/{what}");
            graph.initializer.push(TensorProto {
                name: name.clone(),
                dims: vec![channels],
                data_type: DataType::Float.into(),
                raw_data: values.collect(),
                ..Default::default()
            });
            name
        };
        let scale = constant("scale", |c| 0.8 + 0.1 * (c % 5) as f32);
        let mean = constant("mean", |c| 0.02 * (c % 7) as f32 - 0.05);
        let variance = constant("variance", |c| 0.5 + 0.25 * (c % 3) as f32);
        nodes.push(NodeProto {
            op_type: "BatchNormalization".into(),
            input: vec![node.output[0].clone(), scale, bias, mean, variance],
            output: vec![output],
            attribute: vec![AttributeProto {
                name: "epsilon".into(),
                r#type: AttributeType::Float.into(),
                f: 1e-3,
                ..Default::default()
            }],
            ..Default::default()
        });
        nodes.insert(nodes.len() - 1, node);
        count += 1;
    }
    graph.node = nodes;
    count
}
