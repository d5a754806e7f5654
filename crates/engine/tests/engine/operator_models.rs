//! Each operator that tract runs for a classifier, in small networks made with ONNX, against the answers of ONNX
//! Runtime; what is not here, or not the same, is refused by name.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use googlenet_engine::model::{Engine, EngineError, Input, Preprocessing, Probabilities};
use googlenet_engine::network::ParsedGraph;
use googlenet_engine::network::check::CheckError;
use googlenet_engine::network::intake::{self, Wanted};
use googlenet_engine::plan::{FastPlan, Team};
use googlenet_kernels::isa::Isa;
use serde_json::Value;

const SIDE: usize = 6;
const TOLERANCE: f64 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/operators")
}

/// Picture `number`, `[3, SIDE, SIDE]`.
fn picture(number: usize) -> Input {
    let values = (0..3 * SIDE * SIDE)
        .map(|index| ((index + 108 * number) * 7919 % 1021) as f32 / 256.0 - 2.0);
    Input::Tensor(values.collect::<Vec<_>>().into())
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Right,
    /// Refused by the name of its operator.
    Refused,
    /// Refused by tract, whatever the picture: at the load, or at the first picture of the self-check.
    Impossible(String),
    Wrong(String),
}

/// Loads a case and runs its pictures.
fn run(name: &str, expected: &Value) -> Outcome {
    let bytes = std::fs::read(folder().join(format!("{name}.onnx"))).unwrap();
    let proto = intake::decode(&bytes).unwrap();
    let taken = match intake::intake(proto, &Wanted { side: SIDE, ..Wanted::default() }) {
        Ok(taken) => taken,
        Err(CheckError::Operator { .. } | CheckError::Variant { .. }) => return Outcome::Refused,
        Err(error) => panic!("{name}: {error}"),
    };
    // What a session runs first, a black picture, is zero.
    let zero = Preprocessing { mean: [0.0; 3], ..Preprocessing::bvlc() };
    let preprocessing = Preprocessing { side: SIDE, ..zero };
    let load = || {
        let team = Arc::new(Team::new(1).unwrap());
        let graph = ParsedGraph::parse(&taken.model).map_err(|error| error.to_string())?;
        FastPlan::load(&graph, &preprocessing, Isa::best(), team).map_err(|error| error.to_string())
    };
    // tract panics on some: `load_model` refuses them as malformed.
    let plan = match catch_unwind(load) {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return Outcome::Impossible(error),
        Err(_) => return Outcome::Impossible("a panic".into()),
    };
    match plan.session().and_then(|mut session| session.run(&[picture(0), picture(1)])) {
        Ok(answers) => compare(&answers, expected),
        Err(EngineError::Plan(error)) => Outcome::Impossible(error),
        Err(error) => Outcome::Wrong(error.to_string()),
    }
}

fn compare(answers: &[Probabilities], expected: &Value) -> Outcome {
    let expected = expected["outputs"].as_array().unwrap();
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(expected) {
        let expected = expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
        for (&actual, expected) in answer.as_slice().iter().zip(expected) {
            if (f64::from(actual) - expected).abs() > TOLERANCE {
                return Outcome::Wrong(format!("{actual} for {expected}"));
            }
        }
    }
    Outcome::Right
}

#[test]
fn each_operator_is_that_of_onnx_runtime() {
    let table = std::fs::read(folder().join("operators.json")).unwrap();
    let table: Value = serde_json::from_slice(&table).unwrap();
    let mut wrong = Vec::new();
    let mut right = BTreeSet::new();
    let mut count = 0;
    for (name, row) in table.as_object().unwrap() {
        let operator = row["operator"].as_str().unwrap();
        // A panic in a run would be one for each picture.
        match catch_unwind(|| run(name, row)) {
            Ok(Outcome::Right) => {
                count += 1;
                right.insert(operator);
            }
            Ok(Outcome::Refused | Outcome::Impossible(_)) => {}
            Ok(Outcome::Wrong(what)) => wrong.push(format!("{name} ({operator}): {what}")),
            Err(_) => wrong.push(format!("{name} ({operator}): a panic")),
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} of {} are right", table.as_object().unwrap().len());
    let allowed: BTreeSet<&str> = intake::operators().collect();
    assert_eq!(allowed.difference(&right).collect::<Vec<_>>(), [&""; 0], "allowed, but not tried");
    assert_eq!(right.difference(&allowed).collect::<Vec<_>>(), [&""; 0], "right, but not allowed");
}
