//! Holds the plan against ONNX Runtime's probabilities of the 17 reference crops.

mod shared;

use googlenet::model::{Engine, Input, Pixels, Preprocessing};
use googlenet::network::check;
use googlenet::plan::StockPlan;

#[test]
fn crops_agree_with_onnx_runtime() {
    let Some(shared) = shared::folder() else { return };
    let bytes = std::fs::read(shared.join("models/googlenet.onnx")).unwrap();
    let plan = StockPlan::load(&check::decode(&bytes).unwrap(), &Preprocessing::bvlc()).unwrap();
    let mut session = plan.session().unwrap();
    let reference = shared::reference_probabilities(&shared);
    let start = std::time::Instant::now();
    for (name, expected) in &reference {
        let png = image::open(shared.join("reference").join(name)).unwrap().to_rgb8();
        let pixels = Pixels::new(224, png.into_raw()).unwrap();
        let answers = session.run(&[Input::Pixels(pixels)]).unwrap();
        let worst = answers[0]
            .as_slice()
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{name}: {worst}");
        assert_eq!(best(answers[0].as_slice()), best(expected), "{name}");
    }
    println!("{} crops, {:?} each", reference.len(), start.elapsed() / reference.len() as u32);
}

fn best(probabilities: &[f32]) -> usize {
    (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap()
}
