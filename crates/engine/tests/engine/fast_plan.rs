//! The fast plan: which operators it is made of, and that they give tract's answers.

use std::sync::Arc;

use googlenet_engine::model::OperatorPath::{Fast, Tract};
use googlenet_engine::model::{Engine, Input, OperatorCount, Pixels, Preprocessing};
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, ParsedGraph, check};
use googlenet_engine::plan::{FastPlan, StockPlan, Team};
use googlenet_kernels::isa::Isa;

fn team(threads: usize) -> Arc<Team> {
    Arc::new(Team::new(threads).unwrap())
}

/// A silent fall-back to tract's operators would show here.
fn is_googlenet(plan: &FastPlan, norms: usize) {
    let expected = [
        ("Normalise", Fast, "u8", 1),
        ("Convolution", Fast, "f32", 3),
        ("MaxPooling", Fast, "f32", 4),
        ("LocalResponseNorm", Fast, "f32", norms),
        ("Inception", Fast, "f32", 9),
        ("AveragePooling", Fast, "f32", 1),
        ("FullyConnected", Fast, "f32", 1),
        ("Softmax", Tract, "f32", 1),
    ];
    let all = plan.operators();
    for (operator, path, reads, count) in expected.into_iter().filter(|row| row.3 > 0) {
        let (operator, reads, writes) = (operator.to_owned(), reads.to_owned(), "f32".to_owned());
        let row = OperatorCount { operator, path, reads, writes, count };
        assert!(all.contains(&row), "{row:?} is not in {all:?}");
    }
    let known: usize = expected.iter().map(|(.., count)| count).sum();
    assert_eq!(all.iter().map(|row| row.count).sum::<usize>(), known, "{all:?}");
}

fn photo(side: usize, seed: usize) -> Pixels {
    let bytes = (0..side * side * 3).map(|i| ((i * 31 + i / 97 * 7 + seed * 13) % 256) as u8);
    Pixels::new(side, bytes.collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_trained_weights_run_in_nine_modules() {
    let Some(shared) = crate::shared::folder() else { return };
    let bytes = std::fs::read(shared.join("models/googlenet.onnx")).unwrap();
    let proto = check::decode(&bytes).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    let plan = FastPlan::load(&graph, &Preprocessing::bvlc(), Isa::best(), team(1)).unwrap();
    is_googlenet(&plan, 2);
}

/// Another number of classes, every instruction set, one thread and several, photos and tensors: the
/// same answer as tract's own operators, and the same bits in any batch.
#[test]
fn a_seeded_network_gives_tracts_answers() {
    let proto = seeded_model(&GoogLeNet::new(224, 17).unwrap(), 5);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let stock = StockPlan::load(&graph, &preprocessing).unwrap();
    let photos: Vec<Input> = (0..3).map(|seed| Input::Pixels(photo(224, seed))).collect();
    let expected = stock.session().unwrap().run(&photos).unwrap();
    for isa in Isa::available() {
        let mut answers = Vec::new();
        for threads in [1, 2, 3] {
            let plan = FastPlan::load(&graph, &preprocessing, isa, team(threads)).unwrap();
            is_googlenet(&plan, 2);
            let mut session = plan.session().unwrap();
            answers.push(session.run(&photos).unwrap());
            let alone = photos.iter().map(|photo| session.run(std::slice::from_ref(photo)));
            answers.push(alone.map(|answer| answer.unwrap().remove(0)).collect());
        }
        for answer in &answers {
            assert_eq!(answer, &answers[0], "{isa:?}");
            for (answer, expected) in answer.iter().zip(&expected) {
                for (a, b) in answer.as_slice().iter().zip(expected.as_slice()) {
                    assert!((a - b).abs() <= 1e-4, "{isa:?}: {a} is not {b}");
                }
            }
        }
    }
}

/// A client's normalised tensor gets what the photo gets that it was made of.
#[test]
fn a_tensor_gets_what_its_photo_gets() {
    let proto = seeded_model(&GoogLeNet::new(224, 10).unwrap(), 6);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let plan = FastPlan::load(&graph, &preprocessing, Isa::best(), team(2)).unwrap();
    let pixels = photo(224, 9);
    let mean = preprocessing.mean;
    let tensor: Vec<f32> = (0..3)
        .flat_map(|channel| {
            let plane = pixels.as_bytes().iter().skip(2 - channel).step_by(3);
            plane.map(move |&byte| f32::from(byte) - mean[channel])
        })
        .collect();
    let mut session = plan.session().unwrap();
    let of_tensor = session.run(&[Input::Tensor(tensor.into())]).unwrap();
    assert_eq!(session.run(&[Input::Pixels(pixels)]).unwrap(), of_tensor);
    let wrong = session.run(&[Input::Tensor(vec![0.0; 7].into())]);
    assert!(wrong.is_err());
}
