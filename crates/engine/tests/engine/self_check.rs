//! The self-check against stored answers: they are right, and a plan that computes something else is found by them.

use std::sync::Arc;

use googlenet_engine::model::{Engine, Preprocessing};
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
