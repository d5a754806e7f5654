//! GoogLeNets as exporters, converters and quantisers write them: right by ONNX Runtime's answers, or refused with
//! the reason.

use std::path::Path;

use googlenet_engine::loaded_model::{
    LoadedModel, ModelError, ModelSettings, PlanSettings, load_model,
};
use googlenet_engine::model::{Engine, Input, OperatorPath, OutputKind, Precision};
use googlenet_engine::weights::{Download, ModelSource, SearchPath};
use googlenet_kernels::isa::IsaChoice;
use prost::Message;
use serde_json::Value;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use crate::shared::own_models::{Copied, MEAN, SCALE, SIDE, copied, fixtures, is_quantised, names};

const PICTURES: usize = 4;

fn load(path: &Path) -> Result<LoadedModel, ModelError> {
    load_at_most(1 << 30, path)
}

fn load_at_most(max_model_bytes: u64, path: &Path) -> Result<LoadedModel, ModelError> {
    let precision = Precision::F32;
    load_model(&ModelSettings {
        source: ModelSource::File(path.to_owned()),
        search: SearchPath::of(Vec::new(), None),
        download: Download::default(),
        max_model_bytes,
        plan: PlanSettings { precision, calibration: None, isa: IsaChoice::Auto, cores: 2 },
    })
}

/// A fixture that is served.
pub(super) fn load_own(name: &str) -> LoadedModel {
    let model = copied(&fixtures(), name, "");
    load(&model.path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The pictures as bytes, `[picture][row][column][channel]`.
fn bytes() -> Vec<u8> {
    std::fs::read(fixtures().join("inputs_u8_nhwc.bin")).unwrap()
}

/// The pictures as the network takes them, NCHW, by the layout that the file was made for.
fn inputs(layout: &str) -> Vec<Input> {
    let bytes = bytes();
    let value = |picture: usize, channel: usize, place: usize| {
        let byte = f32::from(bytes[(picture * SIDE * SIDE + place) * 3 + channel]);
        match layout {
            "u8_nhwc" => byte,
            "tensorflow" => (byte - 127.5) * (1.0 / 127.5),
            _ => (byte - MEAN[channel]) * SCALE[channel],
        }
    };
    let picture = |picture: usize| {
        let values = (0..3).flat_map(|channel| (0..SIDE * SIDE).map(move |place| (channel, place)));
        let values: Vec<f32> =
            values.map(|(channel, place)| value(picture, channel, place)).collect();
        Input::Tensor(values.into())
    };
    (0..PICTURES).map(picture).collect()
}

/// What ONNX Runtime gives, made probabilities.
fn expected(description: &Value) -> Vec<Vec<f64>> {
    let kind = description["kind"].as_str().unwrap();
    let outputs = description["outputs"].as_array().unwrap().iter();
    let numbers = |output: &Value| -> Vec<f64> {
        output.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    outputs
        .map(|output| match (kind, numbers(output)) {
            ("probabilities", values) => values,
            ("log_probabilities", values) => values.into_iter().map(f64::exp).collect(),
            (_, values) => {
                let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
                values.iter().map(|value| (value - largest).exp() / sum).collect()
            }
        })
        .collect()
}

fn modules(engine: &dyn Engine) -> usize {
    let rows = engine.operators().into_iter();
    rows.filter(|row| row.operator == "Inception" && row.path == OperatorPath::Fast)
        .map(|row| row.count)
        .sum()
}

/// What is left to tract.
fn tract_operators(engine: &dyn Engine) -> Vec<String> {
    let rows = engine.operators().into_iter().filter(|row| row.path == OperatorPath::Tract);
    rows.map(|row| row.operator.clone()).collect()
}

#[test]
fn what_exporters_write_is_right() {
    for name in names(&fixtures()) {
        let description = json(&fixtures().join(format!("{name}.json")));
        let model = copied(&fixtures(), &name, "");
        let loaded = load(&model.path);
        if is_quantised(&name) {
            let message = loaded.err().expect("it is not served").to_string();
            assert!(
                message.contains("was quantised") && message.contains("calibrate"),
                "{name}: {message}"
            );
            continue;
        }
        let LoadedModel { engine, info } = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(info.output_kind.as_str(), description["kind"], "{name}");
        assert_eq!(modules(&*engine), 9, "{name}: {:?}", engine.operators());
        if name.ends_with("transform_input") || name == "u8_nhwc" {
            assert_eq!(
                tract_operators(&*engine),
                ["Softmax"],
                "{name}: the colours are scaled by us"
            );
        }
        let layout = description["input"]["layout"].as_str().unwrap();
        let answers = engine.session().unwrap().run(&inputs(layout)).unwrap();
        let tolerance = if name.starts_with("f16") { 2e-2 } else { 1e-4 };
        for (picture, (answer, expected)) in answers.iter().zip(expected(&description)).enumerate()
        {
            for (class, (&actual, expected)) in answer.as_slice().iter().zip(expected).enumerate() {
                let difference = (f64::from(actual) - expected).abs();
                assert!(
                    difference <= tolerance,
                    "{name}, picture {picture}, class {class}: {difference}"
                );
            }
        }
    }
}

/// None is served that should not be, whatever the reason; each refusal is a sentence of ours.
#[test]
fn what_is_broken_is_refused() {
    let folder = fixtures().join("hostile");
    let table = json(&folder.join("hostile.json"));
    for (name, row) in table.as_object().unwrap() {
        let model = copied(&folder, name, "");
        if name == "outputs_of_other_counts" {
            let toml = model.path.with_extension("toml");
            let text = std::fs::read_to_string(&toml).unwrap();
            std::fs::write(&toml, format!("labels = \"labels.txt\"\n{text}")).unwrap();
            let labels: String = (0..10).map(|class| format!("class {class}\n")).collect();
            std::fs::write(toml.with_file_name("labels.txt"), labels).unwrap();
        }
        let (expect, why) = (row["expect"].as_str().unwrap(), row["why"].as_str().unwrap());
        match (expect, load(&model.path)) {
            ("refused", Ok(_)) => panic!("{name} is served: {why}"),
            ("refused", Err(error)) => {
                let message = error.to_string();
                assert!(
                    message.len() > 30 && !message.starts_with("Translating"),
                    "{name}: {message}"
                );
                let names_layer = message.contains("the activations of `");
                assert_eq!(names_layer, name == "dead_module", "{name}: {message}");
            }
            (_, Err(error)) => panic!("{name} is refused: {error}; but: {why}"),
            (_, Ok(_)) => {}
        }
    }
}

#[test]
fn the_toml_names_the_output_and_what_it_is() {
    let aux = |output: &str| {
        let model = copied(&fixtures(), "legacy_aux", output);
        load(&model.path)
    };
    assert_eq!(aux("").unwrap().info.output_name, "logits", "the first");
    assert_eq!(aux("name = \"aux1\"").unwrap().info.output_name, "aux1");
    let error = aux("name = \"aux3\"").err().unwrap().to_string();
    assert!(error.contains("no output `aux3`") && error.contains("logits, aux2, aux1"), "{error}");
    let error = aux("kind = \"probabilities\"").err().unwrap().to_string();
    assert!(error.contains("not a probability") || error.contains("add up to"), "{error}");
    let hostile = fixtures().join("hostile");
    let model = copied(&hostile, "logits_in_0_1", "kind = \"probabilities\"");
    let error = load(&model.path).err().unwrap().to_string();
    assert!(error.contains("add up to") && error.contains("`kind` under [output]"), "{error}");
}

#[test]
fn a_model_may_be_too_large() {
    let model = copied(&fixtures(), "dynamo_external", "");
    let error = load_at_most(1000, &model.path).err().unwrap().to_string();
    assert!(error.contains("--max-model-bytes"), "{error}");
    // The graph alone is smaller.
    let graph = std::fs::metadata(&model.path).unwrap().len();
    let error = load_at_most(graph + 1, &model.path).err().unwrap().to_string();
    assert!(error.contains("--max-model-bytes"), "{error}");
}

/// A copy of a fixture with another graph.
fn changed(name: &str, output: &str, change: impl FnOnce(&mut GraphProto)) -> Copied {
    let model = copied(&fixtures(), name, output);
    let mut proto = ModelProto::decode(&std::fs::read(&model.path).unwrap()[..]).unwrap();
    change(proto.graph.as_mut().unwrap());
    std::fs::write(&model.path, proto.encode_to_vec()).unwrap();
    model
}

/// Puts a node in front of the output, which keeps its name.
fn append(graph: &mut GraphProto, operator: &str, constants: &[f32]) {
    let output = graph.output[0].name.clone();
    for node in &mut graph.node {
        node.output
            .iter_mut()
            .filter(|name| **name == output)
            .for_each(|name| *name = "before".into());
    }
    let mut input = vec!["before".to_owned()];
    for (index, value) in constants.iter().enumerate() {
        let name = format!("constant_{index}");
        graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type: 1,
            raw_data: value.to_le_bytes().to_vec(),
            ..Default::default()
        });
        input.push(name);
    }
    let (op_type, output) = (operator.to_owned(), vec![output]);
    graph.node.push(NodeProto { op_type, input, output, ..Default::default() });
}

/// What follows a softmax may hide it: its values are then not logits.
#[test]
fn no_softmax_is_added_to_probabilities() {
    for (operator, constants) in
        [("Mul", &[1.0][..]), ("Add", &[1e-7]), ("Relu", &[]), ("Max", &[1e-7])]
    {
        let hidden =
            |output| changed("legacy_softmax", output, |graph| append(graph, operator, constants));
        let error = load(&hidden("").path).err().expect(operator).to_string();
        assert!(
            error.contains("`kind = \"probabilities\"`") && error.contains("(Softmax)"),
            "{operator}: {error}"
        );
        assert!(load(&hidden("kind = \"probabilities\"").path).is_ok(), "{operator}");
    }
    let clipped = changed("legacy_softmax", "", |graph| append(graph, "Clip", &[1e-7, 1.0]));
    assert_eq!(load(&clipped.path).unwrap().info.output_kind, OutputKind::Probabilities);
    let exponentiated = changed("legacy_log_softmax", "", |graph| append(graph, "Exp", &[]));
    assert_eq!(load(&exponentiated.path).unwrap().info.output_kind, OutputKind::Probabilities);
}

#[test]
fn what_tract_cannot_do_is_refused_by_name() {
    let wrong = changed("legacy_logits", "", |graph| append(graph, "Celu", &[]));
    let error = load(&wrong.path).err().unwrap().to_string();
    assert!(error.contains("(Celu) has an operator that is not run here"), "{error}");
    let deep = changed("legacy_logits", "", |graph| {
        for _ in 0..3_000 {
            append(graph, "Identity", &[]);
            let last = graph.node.len() - 1;
            let (before, own) = ("before".to_owned(), format!("link_{last}"));
            for node in &mut graph.node {
                let names = node.input.iter_mut().chain(&mut node.output);
                names.filter(|name| **name == before).for_each(|name| name.clone_from(&own));
            }
        }
    });
    let error = load(&deep.path).err().unwrap().to_string();
    assert!(error.contains("nodes, at most 1200 are taken"), "{error}");
}

#[test]
fn names_cannot_write_over_the_terminal() {
    let model = changed("legacy_logits", "", |graph| graph.node[0].name = "\u{1b}[2Jx".into());
    let error = load(&model.path).err().unwrap().to_string();
    assert!(error.contains("`\u{fffd}[2Jx`") && error.contains("control characters"), "{error}");
}

/// A quarter of a gigabyte of weights from two short vectors, and a file of packed numbers.
#[test]
fn a_small_file_does_not_become_a_large_one() {
    let vector = |name: &str, dims: [i64; 2]| TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        raw_data: vec![0; 4 * 20_000],
        ..Default::default()
    };
    let model = changed("legacy_logits", "", |graph| {
        graph.initializer.extend([vector("a", [20_000, 1]), vector("b", [1, 20_000])]);
        let node = |operator: &str, input: &[&str], output: &str| NodeProto {
            op_type: operator.into(),
            input: input.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            ..Default::default()
        };
        append(graph, "Add", &[]);
        if let Some(add) = graph.node.last_mut() {
            add.input.push("largest".into());
        }
        let huge = [node("Mul", &["a", "b"], "huge"), node("ReduceMax", &["huge"], "largest")];
        graph.node.extend(huge);
    });
    let error = load(&model.path).err().unwrap().to_string();
    assert!(error.contains("`huge` (Mul)") && error.contains("from its weights alone"), "{error}");
    let model = changed("legacy_logits", "", |graph| {
        graph.initializer.push(TensorProto {
            name: "packed".into(),
            dims: vec![40 << 20],
            data_type: 7,
            int64_data: vec![0; 40 << 20],
            ..Default::default()
        });
    });
    let error = load(&model.path).err().unwrap().to_string();
    assert!(error.contains("bytes of numbers that are not stored raw"), "{error}");
}
