//! Holds the plans against ONNX Runtime's probabilities of the 17 reference crops.

use std::sync::Arc;

use googlenet_engine::model::{Engine, Input, Pixels, Preprocessing};
use googlenet_engine::network::{ParsedGraph, check};
use googlenet_engine::plan::{FastPlan, StockPlan, Team};
use googlenet_kernels::isa::Isa;

#[test]
fn crops_agree_with_onnx_runtime() {
    let Some(shared) = crate::shared::folder() else { return };
    let bytes = std::fs::read(shared.join("models/googlenet.onnx")).unwrap();
    let proto = check::decode(&bytes).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let mut plans: Vec<(String, Box<dyn Engine>)> =
        vec![("stock".into(), Box::new(StockPlan::load(&graph, &preprocessing).unwrap()))];
    for isa in Isa::available() {
        let team = Arc::new(Team::new(1).unwrap());
        let plan = FastPlan::load(&graph, &preprocessing, isa, team).unwrap();
        plans.push((isa.name().to_string(), Box::new(plan)));
    }
    for (plan, engine) in &plans {
        agrees(plan, engine.as_ref(), &shared);
    }
}

fn agrees(plan: &str, engine: &dyn Engine, shared: &std::path::Path) {
    let mut session = engine.session().unwrap();
    let reference = crate::shared::reference_probabilities(shared);
    let mut time = std::time::Duration::ZERO;
    for (name, expected) in &reference {
        let png = image::open(shared.join("reference").join(name)).unwrap().to_rgb8();
        let pixels = Pixels::new(224, png.into_raw()).unwrap();
        let start = std::time::Instant::now();
        let answers = session.run(&[Input::Pixels(pixels)]).unwrap();
        time += start.elapsed();
        let worst = answers[0]
            .as_slice()
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{plan}, {name}: {worst}");
        assert_eq!(best(answers[0].as_slice()), best(expected), "{plan}, {name}");
    }
    println!("{plan}: {} crops, {:?} each", reference.len(), time / reference.len() as u32);
}

fn best(probabilities: &[f32]) -> usize {
    (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap()
}
