//! The self-check against stored answers: they are right, and a plan that computes something else is found by them.

use std::sync::Arc;

use googlenet_engine::model::{
    Engine, EngineError, Input, OperatorCount, Preprocessing, Probabilities, Session,
};
use googlenet_engine::network::onnx::ModelProto;
use googlenet_engine::network::{ParsedGraph, check};
use googlenet_engine::plan::{
    FastPlan, SelfCheckError, StockPlan, Team, bvlc_answers, check_stored, pictures,
};
use googlenet_kernels::isa::Isa;

const TOLERANCE: f32 = 1e-4;

fn trained() -> Option<ModelProto> {
    let path = crate::shared::folder()?.join("models/googlenet.onnx");
    Some(check::decode(&std::fs::read(path).unwrap()).unwrap())
}

fn fast(proto: &ModelProto, isa: Isa) -> FastPlan {
    let graph = ParsedGraph::parse(proto).unwrap();
    let team = Arc::new(Team::new(1).unwrap());
    FastPlan::load(&graph, &Preprocessing::bvlc(), isa, team).unwrap()
}

#[test]
fn stored_answers_are_those_of_stock_tract() {
    let Some(proto) = trained() else { return };
    let preprocessing = Preprocessing::bvlc();
    let stored = bvlc_answers(&preprocessing).unwrap();
    let stock = StockPlan::load(&ParsedGraph::parse(&proto).unwrap(), &preprocessing).unwrap();
    let pictures = pictures(preprocessing.side).unwrap();
    let answers = stock.session().unwrap().run(&pictures[..stored.len()]).unwrap();
    for (answer, stored) in answers.iter().zip(&stored) {
        for (answer, stored) in answer.as_slice().iter().zip(stored.as_slice()) {
            assert!((answer - stored).abs() <= 1e-4, "{answer} is not {stored}");
        }
    }
}

#[test]
fn a_plan_passes_and_damage_to_any_layer_is_found() {
    let Some(proto) = trained() else { return };
    let stored = bvlc_answers(&Preprocessing::bvlc()).unwrap();
    for isa in Isa::available() {
        check_stored(&fast(&proto, isa), &stored, TOLERANCE, 224).unwrap();
    }
    let weights = &proto.graph.as_ref().unwrap().initializer;
    let large = (0..weights.len()).filter(|&at| weights[at].raw_data.len() > 4096);
    for damaged in large.step_by(8) {
        let mut proto = proto.clone();
        proto.graph.as_mut().unwrap().initializer[damaged].raw_data.fill(0);
        let checked = check_stored(&fast(&proto, Isa::best()), &stored, TOLERANCE, 224);
        let name = &weights[damaged].name;
        assert!(matches!(checked, Err(SelfCheckError::Disagree { .. })), "{name}: {checked:?}");
    }
}

#[test]
fn there_are_none_for_photos_that_are_normalised_otherwise() {
    let bvlc = Preprocessing::bvlc();
    assert!(bvlc_answers(&Preprocessing { mean: [0.0; 3], ..bvlc.clone() }).is_none());
    assert!(bvlc_answers(&Preprocessing { side: 192, ..bvlc }).is_none());
}

/// Answers a batch by `of_batch`, from the answers that its inputs get alone.
#[derive(Clone, Copy)]
struct Fake {
    of_batch: fn(Vec<f32>) -> Vec<f32>,
}

/// A number of two classes: how bright a picture is.
fn alone(input: &Input) -> f32 {
    let Input::Pixels(pixels) = input else { panic!("the pictures are pixels") };
    let bytes = pixels.as_bytes();
    bytes.iter().map(|&byte| f32::from(byte)).sum::<f32>() / 256.0 / bytes.len() as f32
}

fn of_two_classes(first: f32) -> Probabilities {
    Probabilities::new(vec![first, 1.0 - first]).unwrap()
}

impl Session for Fake {
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        let answers = (self.of_batch)(batch.iter().map(alone).collect());
        Ok(answers.into_iter().map(of_two_classes).collect())
    }
}

impl Engine for Fake {
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        Ok(Box::new(*self))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        Vec::new()
    }
}

fn check_fake(of_batch: fn(Vec<f32>) -> Vec<f32>, count: usize) -> Result<(), SelfCheckError> {
    let pictures = pictures(16).unwrap();
    let stored: Vec<Probabilities> =
        pictures[..count].iter().map(|picture| of_two_classes(alone(picture))).collect();
    check_stored(&Fake { of_batch }, &stored, TOLERANCE, 16)
}

#[test]
fn a_batch_gives_each_picture_what_it_gets_alone() {
    let disagree = |checked| matches!(checked, Err(SelfCheckError::Disagree { .. }));
    let missing = |checked| matches!(checked, Err(SelfCheckError::Missing));
    check_fake(|answers| answers, 3).unwrap();
    assert!(
        disagree(check_fake(|answers| vec![answers[0]; answers.len()], 3)),
        "the first's for all"
    );
    assert!(disagree(check_fake(|answers| answers.into_iter().rev().collect(), 3)), "the order");
    let depends = |answers: Vec<f32>| {
        let company = (answers.len() - 1) as f32 * 1e-6;
        answers.into_iter().map(|answer| answer + company).collect()
    };
    assert!(disagree(check_fake(depends, 3)), "the company");
    assert!(missing(check_fake(|answers| vec![answers[0]], 3)), "too few");
    assert!(missing(check_fake(|answers| [answers, vec![0.5]].concat(), 3)), "too many");
    assert!(missing(check_fake(|answers| answers, 0)), "no picture");
    // One picture has no other to differ from.
    assert!(matches!(check_fake(|answers| answers, 1), Err(SelfCheckError::Constant { .. })));
}
